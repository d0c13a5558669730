package intake

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
)

// lines reads one JSON object a line. Blank lines are none.
func (rd *reader) lines() error {
	if rd.opts.Parallel > 1 && rd.src.content.again != nil {
		return rd.linesAhead()
	}
	lr := lineReader{r: rd.src.Reader}
	for {
		text, err := lr.next()
		if err != nil && !errors.Is(err, errTooLong) {
			return endOf(err)
		}
		if err != nil {
			err = rd.damaged(lr.line, text, err, "")
		} else if text = bytes.TrimSpace(text); len(text) > 0 {
			err = rd.lineOf(lr.line, text)
		}
		if err != nil || rd.stopped {
			return err
		}
	}
}

// lineOf reads what one line holds: an object, or a list of them.
func (rd *reader) lineOf(line int, text []byte) error {
	if holdsList(text) {
		return rd.elements(newSplitter(bufio.NewReader(bytes.NewReader(text)), line))
	}
	return rd.object(line, text)
}

func holdsList(text []byte) bool { return text[0] == '[' || wrapsList(text) }

// elements reads the values that s finds.
func (rd *reader) elements(s *splitter) error {
	for {
		text, err := s.next()
		var damage *damageError
		switch {
		case errors.As(err, &damage):
			err = rd.damaged(s.start, text, damage, "")
		case err != nil:
			return endOf(err)
		default:
			err = rd.object(s.start, text)
		}
		if err != nil || rd.stopped {
			return err
		}
	}
}

// endOf is nil at the end of the input.
func endOf(err error) error {
	if errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// damageError is a row that cannot be read although the input can.
type damageError struct{ text string }

func (e *damageError) Error() string { return e.text }

var errTooLong = fmt.Errorf("row is longer than %d MiB", MaxRow>>20)

// lineReader reads lines of at most MaxRow bytes.
type lineReader struct {
	r    *bufio.Reader
	buf  []byte
	line int // number of the line that next returned
}

// next returns the next line without its end, valid until the next call. Of a line that is too
// long it returns the start and errTooLong; the line is read over.
func (l *lineReader) next() ([]byte, error) {
	l.buf = l.buf[:0]
	l.line++
	for read := 0; ; {
		part, err := l.r.ReadSlice('\n')
		read += len(part)
		if room := MaxRow + 1 - len(l.buf); room > 0 {
			l.buf = append(l.buf, part[:min(room, len(part))]...)
		}
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
		case err != nil && read == 0:
			return nil, err
		case err != nil && !errors.Is(err, io.EOF):
			return nil, fmt.Errorf("line %d: %w", l.line, err)
		case len(l.buf) > MaxRow:
			return l.buf[:MaxRow], errTooLong
		default:
			return bytes.TrimSuffix(l.buf, []byte("\n")), nil
		}
	}
}
