package alertaction

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/winnow-soc/winnow/plugin/disk"
)

// input is where the results of one invocation come from: memory for small files, the copy in the
// spool for large ones, the file itself when there is no spool.
type input struct {
	data   []byte
	file   string
	copied int64 // offset of the first frame of results, when file is an intake
	err    error // why there are no results
}

// readInput looks at the results file and reads it when it is not large, that is up to limit bytes.
func readInput(path string, limit int64) input {
	if path == "" {
		return input{err: errors.New("read results: the payload names no results file")}
	}
	info, err := os.Stat(path)
	if err != nil {
		return input{err: fmt.Errorf("read results: %w", err)}
	}
	if !info.Mode().IsRegular() {
		return input{err: fmt.Errorf("read results: %s: not a regular file", path)}
	}
	if info.Size() > limit {
		return input{file: path}
	}
	f, err := disk.Open(path)
	if err != nil {
		return input{err: fmt.Errorf("read results: %w", err)}
	}
	defer f.Close() //nolint:errcheck // read only
	var data bytes.Buffer
	data.Grow(int(info.Size()) + bytes.MinRead)
	if _, err := data.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return input{err: fmt.Errorf("read results: %w", err)}
	}
	if int64(data.Len()) > limit {
		return input{file: path} // it has grown since
	}
	return input{data: data.Bytes()}
}

// large reports whether the results are to be stored before they are decided.
func (in input) large() bool { return in.err == nil && in.file != "" }

// open starts reading rows. The closer is to be called when they are no longer needed.
func (in input) open() (*Results, func(), error) {
	if in.err != nil {
		return nil, nil, in.err
	}
	if in.file == "" {
		return closing(resultsOf(in.data))
	}
	if in.copied == 0 {
		return closing(OpenResults(in.file))
	}
	f, err := disk.Open(in.file)
	if err != nil {
		return nil, nil, fmt.Errorf("read results: %w", err)
	}
	results, err := NewResults(&kindReader{frames: framesAt(f, in.copied), kind: frameResults})
	if err != nil {
		return nil, nil, errors.Join(err, f.Close())
	}
	return results, func() { _ = errors.Join(results.Close(), f.Close()) }, nil
}

func closing(r *Results, err error) (*Results, func(), error) {
	if err != nil {
		return nil, nil, err
	}
	return r, func() { _ = r.Close() }, nil
}

// copyTo writes the results into a record.
func (in input) copyTo(w *Writer) error {
	if in.file == "" {
		w.resultsText(in.data)
		return nil
	}
	f, err := disk.Open(in.file)
	if err != nil {
		return fmt.Errorf("read results: %w", err)
	}
	defer f.Close() //nolint:errcheck // read only
	if err := w.Results(f); err != nil {
		return fmt.Errorf("read results: %w", err)
	}
	return nil
}
