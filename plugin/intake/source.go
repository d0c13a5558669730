package intake

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"

	"github.com/klauspost/compress/gzip"
)

// source is the input without its wrapping: no gzip, no byte order mark.
type source struct {
	*bufio.Reader
	ctx     context.Context
	content *content
}

// openSource peels gzip and byte order mark off r.
func openSource(ctx context.Context, r io.Reader, o Options) (*source, error) {
	c := &content{again: rereader(r), tempDir: o.TempDir, sum: sha256.New()}
	raw := &meter{ctx: ctx, r: r, progress: o.Progress}
	var err error
	if c.r, err = gunzip(raw); err != nil {
		return nil, err
	}
	s := &source{Reader: bufio.NewReaderSize(c, sniffSize), ctx: ctx, content: c}
	switch head, _ := s.Peek(3); {
	case bytes.HasPrefix(head, []byte("\xef\xbb\xbf")):
		_, _ = s.Discard(3)
	case bytes.HasPrefix(head, []byte("\xff\xfe")), bytes.HasPrefix(head, []byte("\xfe\xff")):
		return nil, errors.New("text is UTF-16 (save or export it as UTF-8)")
	}
	return s, nil
}

// Close removes what was kept of the input.
func (s *source) Close() { s.content.close() }

// ended says why the context ended, nil while it has not.
func (s *source) ended() error {
	if s.ctx.Err() == nil {
		return nil
	}
	return context.Cause(s.ctx)
}

// settle makes SID safe to call while another goroutine reads the source: what can be read only
// once is hashed now.
func (s *source) settle() error {
	if s.content.again != nil {
		return nil
	}
	_, err := s.SID()
	return err
}

// SID is the search id of rows that have none: "file:" and a hash of the whole content, the same
// for a file and its gzipped copy.
func (s *source) SID() (string, error) {
	sum, err := s.content.hash()
	if err != nil {
		return "", fmt.Errorf("hash the content for rows without a sid: %w", err)
	}
	return "file:" + hex.EncodeToString(sum[:8]), nil
}

// gunzip unpacks r if it starts as gzip does.
func gunzip(r io.Reader) (io.Reader, error) {
	br := bufio.NewReaderSize(r, 64<<10)
	head, _ := br.Peek(2)
	if len(head) < 2 || head[0] != 0x1f || head[1] != 0x8b {
		return br, nil
	}
	z, err := gzip.NewReader(br)
	if err != nil {
		return nil, fmt.Errorf("read gzip header: %w", err)
	}
	return z, nil
}

// meter counts what is read of the raw input and stops with the context.
type meter struct {
	ctx      context.Context
	r        io.Reader
	read     int64
	progress func(int64)
}

func (m *meter) Read(p []byte) (int, error) {
	if m.ctx.Err() != nil {
		return 0, context.Cause(m.ctx)
	}
	n, err := m.r.Read(p)
	m.read += int64(n)
	if m.progress != nil {
		m.progress(m.read)
	}
	return n, err
}

// rereader returns a function that reads a regular file from where r stands now, a second time;
// nil when r is no such file.
func rereader(r io.Reader) func() io.Reader {
	f, ok := r.(interface {
		io.ReaderAt
		io.Seeker
	})
	if !ok {
		return nil
	}
	at, err := f.Seek(0, io.SeekCurrent)
	if err != nil {
		return nil
	}
	return func() io.Reader { return io.NewSectionReader(f, at, 1<<62) }
}

// content is the unpacked input with a hash of all of it. Nobody may ever want the hash, so what
// it costs is put off: a file is then read a second time, and the unread rest of a pipe is kept
// in a temporary file, from which reading goes on.
type content struct {
	r       io.Reader
	again   func() io.Reader
	tempDir string
	sum     hash.Hash // over what was read of r, when it cannot be read again
	done    []byte    // the hash, once known
	kept    *os.File
}

func (c *content) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	if c.again == nil && c.kept == nil {
		c.sum.Write(p[:n])
	}
	return n, err
}

func (c *content) hash() ([]byte, error) {
	if c.done != nil {
		return c.done, nil
	}
	var err error
	if c.again != nil {
		err = c.hashAgain()
	} else {
		err = c.hashAhead()
	}
	if err != nil {
		return nil, err
	}
	c.done = c.sum.Sum(nil)
	return c.done, nil
}

func (c *content) hashAgain() error {
	r, err := gunzip(c.again())
	if err != nil {
		return err
	}
	_, err = copyAll(c.sum, r)
	return err
}

func (c *content) hashAhead() error {
	f, err := os.CreateTemp(c.tempDir, "winnow-input-*")
	if err != nil {
		return err
	}
	broke, err := copyAll(io.MultiWriter(f, c.sum), c.r)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	c.kept, c.r = f, io.MultiReader(f, brokenReader{broke})
	return err
}

// copyAll copies until the end, or until the input breaks off, which it tells apart from a
// failure to write: what is there is hashed all the same, and whoever reads the rows meets the
// break itself.
func copyAll(w io.Writer, r io.Reader) (broke, err error) {
	buf := make([]byte, 64<<10)
	for {
		n, rerr := r.Read(buf)
		if _, err := w.Write(buf[:n]); err != nil {
			return nil, err
		}
		if errors.Is(rerr, io.EOF) {
			return io.EOF, nil
		}
		if rerr != nil {
			return rerr, nil
		}
	}
}

// brokenReader is the end of an input, good or bad.
type brokenReader struct{ err error }

func (b brokenReader) Read([]byte) (int, error) { return 0, b.err }

func (c *content) close() {
	if c.kept != nil {
		_ = c.kept.Close()
		_ = os.Remove(c.kept.Name())
	}
}
