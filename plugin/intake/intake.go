// Package intake reads the files given to `winnow triage` and makes alerts of them: Splunk's
// alert payloads and result files, winnow's own NDJSON, GuardDuty findings, and notables exported
// from Enterprise Security, each also gzipped. What a file holds is told from its content, never
// from its name. Rows are read one after the other, so memory does not grow with the file.
//
// Nothing is skipped in silence: a row that cannot be read is still yielded, as an alert of
// unknown severity that holds the row's text, together with the error.
package intake

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"time"

	"github.com/winnow-soc/winnow"
)

// Host is the first part of the natural key of every alert that was read from a file.
const Host = "file"

// MaxRow is the most bytes that one line, or one element of a list, may have.
const MaxRow = 32 << 20

// Options say how to read. The zero value reads with no keys, no progress and no fallbacks.
type Options struct {
	// Keys fill Key.MAC and ID of every alert; nil leaves them empty. They are used by the
	// goroutine that ranges over the result.
	Keys *winnow.Keys

	// SearchName stands in for rows that name no search, as a results file without payload.
	SearchName string

	// Severity is what the configuration gives a search; it counts beside what the input says.
	// May be nil.
	Severity func(searchName string) winnow.Severity

	// Now stands in for the time of rows that tell none: best the file's modification time, so
	// that reading the file again gives the same alerts.
	Now time.Time

	// Progress is called now and then with the bytes of the input read so far (of the gzipped
	// input, if it is), from one goroutine at a time, not always the caller's. May be nil.
	Progress func(read int64)

	// Parallel is how many goroutines take the JSON of a file with one object a line apart, ahead of
	// the caller. Rows come in their order all the same. 0 and 1 do it in the caller's goroutine, as
	// is done for other formats and for input that cannot be read twice.
	Parallel int

	// TempDir is where piped input without a sid is kept until it was read whole, because its
	// sid is a hash of all of it; "" means the system's. Files are read twice instead.
	TempDir string

	// OpenResults opens the results_file that a payload names; nil means os.Open.
	OpenResults func(path string) (io.ReadCloser, error)
}

// Item is one row of the input.
type Item struct {
	Alert winnow.Alert
	Label string // what a person said the alert was, "" for unsaid; never part of the alert
	Line  int    // line where the row starts, from 1; rows of a results file count from 1, without the header
	Raw   []byte // with a LineError: the text that could not be read, at most 64 KiB of it, without session key
}

// LineError says what is wrong with one row. The rows after it are read all the same, and the
// Item beside it is an alert that shows the row to a person.
type LineError struct {
	File string
	Line int
	Err  error
	Hint string // the way out
}

// Error names the file and the line.
func (e *LineError) Error() string {
	text := fmt.Sprintf("%s:%d: %v", e.File, e.Line, e.Err)
	if e.Hint != "" {
		text += " (" + e.Hint + ")"
	}
	return text
}

// Unwrap returns what is wrong without place and hint.
func (e *LineError) Unwrap() error { return e.Err }

// Open reads alerts from r, which name stands for in errors, as long as the caller ranges on.
// A [*LineError] concerns one row, which is yielded beside it; any other error ends the sequence
// (its Item is the zero value). Cancelling ctx ends it with the context's cause. The sequence can
// be ranged over once. r is not closed.
func Open(ctx context.Context, name string, r io.Reader, o Options) iter.Seq2[Item, error] {
	if o.OpenResults == nil {
		o.OpenResults = func(path string) (io.ReadCloser, error) { return os.Open(path) }
	}
	return func(yield func(Item, error) bool) {
		src, err := openSource(ctx, r, o)
		if err != nil {
			yield(Item{}, fmt.Errorf("%s: %w", name, err))
			return
		}
		defer src.Close()
		rd := &reader{name: name, opts: o, src: src, yield: yield}
		err = rd.run()
		if err == nil && rd.previews > 0 && !rd.final {
			err = errors.New("holds only previews of a search that had not ended (export it again with preview=0)")
		}
		if err != nil && !rd.stopped {
			yield(Item{}, fmt.Errorf("%s: %w", name, err))
		}
	}
}

// reader turns one source into items.
type reader struct {
	name    string
	opts    Options
	src     *source
	yield   func(Item, error) bool
	row     int      // rows yielded so far: the next row's number
	odd     []string // what was odd about the row at hand
	stopped bool     // the caller ranges no further

	previews int  // rows of an export that the search had not ended with
	final    bool // there were others
}

func (rd *reader) run() error {
	switch format, err := sniff(rd.src.Reader); {
	case err != nil:
		return err
	case format == formatEmpty:
		return nil
	case format == formatLines:
		return rd.lines()
	case format == formatJSON:
		return rd.elements(newSplitter(rd.src.Reader, 1))
	default:
		return rd.table()
	}
}

// emit hands one item to the caller, and notes when the caller wants no more.
func (rd *reader) emit(item Item, err error) {
	if rd.stopped {
		return
	}
	rd.row++
	item.Alert.Warnings = append(item.Alert.Warnings, rd.odd...)
	rd.odd = nil
	if !rd.yield(item, err) {
		rd.stopped = true
	}
}
