package alertaction

import (
	"cmp"
	"errors"
	"io"
	"io/fs"
	"sync"
)

const (
	aheadChunks = 4
	aheadBytes  = 128 << 10
)

// ahead reads in a goroutine of its own, so that inflating and splitting overlap. What fits into
// the first chunk is read without one.
type ahead struct {
	in    io.Reader
	first []byte // the first chunk, until it is handed out
	err   error

	full, free chan []byte
	done       chan struct{}
	last       []byte // handed out, to be given back
	once       sync.Once
	running    sync.WaitGroup
}

func newAhead(in io.Reader, first int) *ahead {
	a := &ahead{in: in, done: make(chan struct{})}
	a.first, a.err = readChunk(in, make([]byte, first))
	return a
}

// next returns the next chunk, valid until the call after, or why there is none.
func (a *ahead) next() ([]byte, error) {
	if chunk := a.first; len(chunk) > 0 {
		a.first = nil
		return chunk, nil
	}
	if a.full == nil {
		if a.err != nil {
			return nil, a.err
		}
		a.start()
	}
	if a.last != nil {
		a.free <- a.last
		a.last = nil
	}
	chunk, ok := <-a.full
	if !ok {
		return nil, cmp.Or(a.err, fs.ErrClosed)
	}
	a.last = chunk[:cap(chunk)]
	return chunk, nil
}

func (a *ahead) start() {
	a.full, a.free = make(chan []byte, aheadChunks), make(chan []byte, aheadChunks)
	for range aheadChunks {
		a.free <- make([]byte, aheadBytes)
	}
	a.running.Go(a.run)
}

func (a *ahead) run() {
	defer close(a.full)
	for a.err == nil {
		var chunk []byte
		select {
		case chunk = <-a.free:
		case <-a.done:
			return
		}
		if chunk, a.err = readChunk(a.in, chunk); len(chunk) == 0 {
			return
		}
		select {
		case a.full <- chunk:
		case <-a.done:
			return
		}
	}
}

// stop ends the goroutine and waits for it: nobody reads the file any more after.
func (a *ahead) stop() {
	a.once.Do(func() { close(a.done) })
	a.running.Wait()
}

// readChunk reads until the chunk is full or there is an error; a chunk cut by the end of the text
// comes with io.EOF.
func readChunk(in io.Reader, chunk []byte) ([]byte, error) {
	n := 0
	for n < len(chunk) {
		m, err := in.Read(chunk[n:])
		n += m
		if errors.Is(err, io.EOF) {
			return chunk[:n], io.EOF
		}
		if err != nil {
			return chunk[:n], err
		}
	}
	return chunk, nil
}
