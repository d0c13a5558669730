package intake

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"slices"
)

// listKeys are the names under which tools wrap a list of rows: Splunk's results endpoint, AWS
// GetFindings and CloudTrail files.
var listKeys = []string{"results", "Findings", "findings", "Records"}

// wrapKeys are the other names such a wrapping has. A row that has a field of another name beside
// a list is a row.
var wrapKeys = []string{"preview", "init_offset", "messages", "fields", "highlighted", "post_process_count", "NextToken", "nextToken"}

// splitter cuts JSON text into the rows it holds without keeping more than one in memory: the
// elements of lists, the elements of a wrapped list, and objects that simply follow each other.
// It looks at brackets and quotes only, so that a row that is not right does not harm the next.
type splitter struct {
	r     *bufio.Reader
	line  int
	start int // line where the row that next returned starts
	buf   []byte
	long  bool // buf is full: what follows of the row is read over
	in    place
}

// place is where in the text the splitter stands.
type place uint8

const (
	atTop     place = iota
	inList          // in a list that stands by itself
	inWrapped       // in the list of a wrapping object
	behind          // in a wrapping object, behind its list
)

func newSplitter(r *bufio.Reader, line int) *splitter {
	return &splitter{r: r, line: line}
}

// next returns the text of the next row, valid until the next call; io.EOF at the end; and a
// damageError with the text it concerns for what is no row.
func (s *splitter) next() ([]byte, error) {
	for {
		c, err := s.token()
		if err != nil {
			return nil, s.end(err)
		}
		s.buf, s.long, s.start = append(s.buf[:0], c), false, s.line
		switch {
		case s.in == behind:
			if text, err := s.leftover(c); err != nil {
				return text, err
			}
		case c == ']' && s.in == inList:
			s.in = atTop
		case c == ']' && s.in == inWrapped:
			s.in = behind
		case c == '[' && s.in == atTop:
			s.in = inList
		case c == '{' && s.in == atTop:
			if row, err := s.object(); row || err != nil {
				return s.done(err)
			}
		case s.in == atTop, c == ']', c == '}', c == ':':
			return s.junk()
		default:
			return s.done(s.value(c))
		}
	}
}

// done returns the row that buf holds.
func (s *splitter) done(err error) ([]byte, error) {
	if err == nil && s.long {
		err = &damageError{errTooLong.Error()}
	}
	if errors.Is(err, io.EOF) {
		s.in, err = atTop, &damageError{"the text ends in the middle of this row"}
	}
	return s.buf, err
}

// end tells a list that was cut off from a proper end, once.
func (s *splitter) end(err error) error {
	if errors.Is(err, io.EOF) && s.in != atTop {
		s.in, s.start = atTop, s.line
		return &damageError{"the text ends before its list does: rows may be missing"}
	}
	return err
}

// junk returns the rest of the line as damage.
func (s *splitter) junk() ([]byte, error) {
	for {
		c, err := s.byte()
		if err != nil || c == '\n' {
			return s.buf, &damageError{"this is no JSON object"}
		}
		s.keep(c)
	}
}

// object reads an object at the top. It is a row, unless it wraps a list: then the splitter
// stands in that list.
func (s *splitter) object() (row bool, err error) {
	for {
		c, err := s.keepToken()
		if err != nil || c == '}' {
			return true, err
		}
		if c == ',' {
			continue
		}
		key, err := s.key(c)
		if err != nil {
			return true, err
		}
		if c, err = s.keepToken(); err != nil {
			return true, err
		}
		switch {
		case c == '[' && slices.Contains(listKeys, key) && s.listsObjects():
			s.in = inWrapped
			return false, nil
		case !slices.Contains(wrapKeys, key):
			return true, s.rest(c)
		}
		if err := s.value(c); err != nil {
			return true, err
		}
	}
}

// listsObjects reports whether the list that has just been opened is empty or begins with an
// object.
func (s *splitter) listsObjects() bool {
	for n := 1; n < s.r.Size(); n++ {
		head, err := s.r.Peek(n)
		if err != nil {
			return false
		}
		if c := head[n-1]; bytes.IndexByte([]byte(" \t\r\n"), c) < 0 {
			return c == '{' || c == ']'
		}
	}
	return false
}

// leftover reads what follows a wrapped list. Only the wrapping's own keys may.
func (s *splitter) leftover(c byte) ([]byte, error) {
	if c == '}' {
		s.in = atTop
		return nil, nil
	}
	key, err := s.key(c)
	if err == nil {
		if c, err = s.keepToken(); err == nil {
			err = s.value(c)
		}
	}
	if err == nil && !slices.Contains(wrapKeys, key) {
		err = &damageError{"this stands beside a list of rows and belongs to none of them"}
	}
	return s.done(err)
}

// key reads a key that starts with c, and its colon.
func (s *splitter) key(c byte) (string, error) {
	from := len(s.buf) - 1
	if err := s.value(c); err != nil {
		return "", err
	}
	key := string(bytes.Trim(s.buf[from:], `"`))
	c, err := s.keepToken()
	if err == nil && c != ':' {
		if err = s.rest(c); err == nil {
			s.in, err = atTop, &damageError{"this is no JSON object"}
		}
	}
	return key, err
}

// value reads to the end of the value that starts with c, which is in buf already.
func (s *splitter) value(c byte) error {
	switch c {
	case '"':
		return s.text()
	case '{', '[':
		return s.nested(1)
	}
	for {
		c, err := s.r.ReadByte()
		if err != nil {
			return nil //nolint:nilerr // the next read meets the end again
		}
		if bytes.IndexByte([]byte(" \t\r\n,:]}"), c) >= 0 {
			return s.r.UnreadByte()
		}
		s.keep(c)
	}
}

// rest reads to the end of the object at the top, whose current value starts with c.
func (s *splitter) rest(c byte) error {
	switch c {
	case '}':
		return nil
	case '"':
		if err := s.text(); err != nil {
			return err
		}
	case '{', '[':
		return s.nested(2)
	}
	return s.nested(1)
}

// nested reads until as many brackets are closed as are open.
func (s *splitter) nested(open int) error {
	for open > 0 {
		c, err := s.byte()
		if err != nil {
			return err
		}
		s.keep(c)
		switch c {
		case '"':
			if err := s.text(); err != nil {
				return err
			}
		case '{', '[':
			open++
		case '}', ']':
			open--
		}
	}
	return nil
}

// text reads a string whose opening quote is in buf already.
func (s *splitter) text() error {
	for escaped := false; ; {
		c, err := s.byte()
		if err != nil {
			return err
		}
		s.keep(c)
		switch {
		case escaped:
			escaped = false
		case c == '\\':
			escaped = true
		case c == '"':
			return nil
		}
	}
}

func (s *splitter) keep(c byte) {
	if len(s.buf) >= MaxRow {
		s.long = true
		return
	}
	s.buf = append(s.buf, c)
}

func (s *splitter) byte() (byte, error) {
	c, err := s.r.ReadByte()
	if c == '\n' && err == nil {
		s.line++
	}
	return c, err
}

// token returns the next byte that is neither white space nor a comma.
func (s *splitter) token() (byte, error) {
	for {
		c, err := s.byte()
		if err != nil || bytes.IndexByte([]byte(" \t\r\n,"), c) < 0 {
			return c, err
		}
	}
}

// keepToken keeps what it returns, and commas.
func (s *splitter) keepToken() (byte, error) {
	for {
		c, err := s.byte()
		if err != nil {
			return 0, err
		}
		if bytes.IndexByte([]byte(" \t\r\n"), c) < 0 {
			s.keep(c)
			return c, nil
		}
	}
}

// wrapsList reports whether the object that text starts with wraps a list of rows, as far as the
// text goes.
func wrapsList(text []byte) bool {
	if first := firstKey(text); !slices.Contains(listKeys, first) && !slices.Contains(wrapKeys, first) {
		return false
	}
	s := newSplitter(bufio.NewReader(bytes.NewReader(text)), 1)
	if c, err := s.keepToken(); err != nil || c != '{' {
		return false
	}
	_, _ = s.object()
	return s.in == inWrapped
}

// firstKey returns the first key of the object that text starts with, cheaply.
func firstKey(text []byte) string {
	text = bytes.TrimLeft(bytes.TrimPrefix(text, []byte("{")), " \t\r\n")
	if len(text) == 0 || text[0] != '"' {
		return ""
	}
	if i := bytes.IndexByte(text[1:], '"'); i >= 0 {
		return string(text[1 : 1+i])
	}
	return ""
}
