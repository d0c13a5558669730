package alertaction

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
)

// How much one batch holds: as many rows as give a worker something to do, and little enough that
// the batches in flight stay small.
const (
	batchRows  = 256
	batchBytes = 256 << 10
)

// ErrCut is wrapped by the error of results that end too early: a gzip stream without its end, or
// text that ends inside of quotes. The rows before are good.
var ErrCut = errors.New("results end too early")

// Results reads the rows of a results file, gzipped or plain, one after the other, in memory that
// does not grow with the file. Not safe for concurrent use; close it.
type Results struct {
	header []string
	split  splitter
	ahead  *ahead
	chunk  []byte // text not yet split
	next   int    // number of the next row
	err    error  // why there are no more rows
	batch  Batch  // of [Results.Next]
	at     int
	file   io.Closer
}

// OpenResults opens a results file. Only a regular file is read: a pipe could hold the action up
// for ever.
func OpenResults(path string) (*Results, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read results: %w", &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")})
	}
	f, err := os.Open(path) //nolint:gosec // splunkd says which file
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	r, err := NewResults(f)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("%s: %w", path, err), f.Close())
	}
	r.file = f
	return r, nil
}

// NewResults reads the header of results: text that begins as gzip does is inflated, any other is
// read as it is. Empty results have no columns and no rows.
func NewResults(in io.Reader) (*Results, error) {
	buffered := bufio.NewReaderSize(in, 64<<10)
	magic, _ := buffered.Peek(len(gzipMagic)) // an error comes again
	return newResults(buffered, string(magic) == gzipMagic, aheadBytes)
}

// resultsOf is [NewResults] of what is in memory already: for a small file it takes little more.
func resultsOf(data []byte) (*Results, error) {
	gzipped := bytes.HasPrefix(data, []byte(gzipMagic))
	size := len(data) + 1 // so that the first chunk meets the end
	if gzipped {
		size *= 8
	}
	return newResults(bytes.NewReader(data), gzipped, min(max(size, 4<<10), aheadBytes))
}

const gzipMagic = "\x1f\x8b"

// newResults reads a first chunk of the size given.
func newResults(in flate.Reader, gzipped bool, first int) (*Results, error) {
	text := io.Reader(in)
	if gzipped {
		z, err := gzip.NewReader(in)
		if err != nil {
			return nil, fmt.Errorf("read results: %w: %w", ErrCut, err)
		}
		text = z
	}
	r := &Results{ahead: newAhead(text, first)}
	if err := r.readHeader(); err != nil {
		return nil, errors.Join(fmt.Errorf("read results: %w", err), r.Close())
	}
	return r, nil
}

func (r *Results) readHeader() error {
	var b Batch
	r.ahead.first = bytes.TrimPrefix(r.ahead.first, []byte("\ufeff"))
	r.split.begin(&b)
	err := r.fill(&b, 1)
	switch {
	case errors.Is(err, io.EOF) && b.Len() == 0:
		return nil
	case err != nil && !errors.Is(err, io.EOF):
		return err
	}
	head := b.Row(0)
	if head.Odd&(OddLong|OddCut) != 0 {
		return fmt.Errorf("header of more than %d columns or %d bytes", maxColumns, maxRow)
	}
	for i := range head.Len() {
		r.header = append(r.header, string(head.Cell(i)))
	}
	r.split.columns = len(r.header)
	return nil
}

// Header returns the names of the columns as the file has them, also those of multivalue columns.
func (r *Results) Header() []string { return r.header }

// Fill empties the batch and reads the next rows into it. It returns io.EOF when there are no
// more, and an error that wraps [ErrCut] when there should have been; rows that were read whole
// are in the batch then all the same.
func (r *Results) Fill(b *Batch) error {
	b.Reset()
	b.First = r.next
	r.split.begin(b)
	err := r.fill(b, batchRows)
	r.next += b.Len()
	if b.Len() > 0 && errors.Is(err, io.EOF) {
		return nil
	}
	return err
}

// fill reads rows until the batch has enough of them. It only stops between two rows.
func (r *Results) fill(b *Batch, rows int) error {
	for {
		if len(r.chunk) == 0 {
			if r.err != nil {
				return r.err
			}
			if r.chunk, r.err = r.ahead.next(); r.err != nil {
				r.end(b)
				return r.err
			}
		}
		used, ended := r.split.split(b, r.chunk)
		r.chunk = r.chunk[used:]
		if ended && (b.Len() >= rows || len(b.data) >= batchBytes) {
			return nil
		}
	}
}

// end closes the last row at the end of the text, or forgets it when the text was cut.
func (r *Results) end(b *Batch) {
	if !errors.Is(r.err, io.EOF) {
		r.split.drop(b)
		r.err = fmt.Errorf("read results: %w: %w", ErrCut, r.err)
		return
	}
	if r.split.finish(b) {
		r.err = fmt.Errorf("read results: %w: no closing quote", ErrCut)
	}
}

// Next returns the next row, valid until the call after. It returns the errors of [Results.Fill].
func (r *Results) Next() (Row, error) {
	for r.at >= r.batch.Len() {
		r.at = 0
		if err := r.Fill(&r.batch); err != nil && r.batch.Len() == 0 {
			return Row{}, err
		}
	}
	r.at++
	return r.batch.Row(r.at - 1), nil
}

// Close ends reading. Rows read before stay valid.
func (r *Results) Close() error {
	r.ahead.stop()
	if r.file != nil {
		return r.file.Close()
	}
	return nil
}
