package alertaction

import (
	"bufio"
	"errors"
	"io"
	"iter"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/disk"
)

// Item is one alert of a record and what the action proposed for it.
type Item struct {
	Alert    *winnow.Alert
	Proposal winnow.Proposal

	// NotableWritten says that the action has written the alert's notable itself, because it
	// could not count on the worker: nobody may add a second.
	NotableWritten bool

	// Loss says that the alert is no row, but stands for rows that could not be read.
	Loss bool
}

// Rows gives every row of the record as an alert, identified, in the order of the results, in
// memory that does not grow with them; then an alert for rows that were lost, if any were. A row
// without a decision, or whose decision was made on something else, passes. Commands have no rows.
//
// An error means that the spool file itself could not be read now. Nothing follows it.
func (r *Record) Rows(keys *winnow.Keys) iter.Seq2[Item, error] {
	return func(yield func(Item, error) bool) {
		if r.Header.Kind == KindCommand {
			return
		}
		w := rowWalk{record: r, keys: keys, yield: yield}
		if r.Payload == nil {
			w.unread()
			return
		}
		w.firing = r.Header.firing(r.Payload)
		if err := w.run(); err != nil {
			yield(Item{}, err)
		}
	}
}

// rowWalk is one run over the rows of a record.
type rowWalk struct {
	record  *Record
	keys    *winnow.Keys
	yield   func(Item, error) bool
	firing  *Firing
	stopped bool

	frames *frameReader // of the decisions; nil when there are none
	stored decisionReader
}

func (w *rowWalk) run() error {
	if w.record.decided && w.record.decisionsAt > 0 {
		f, err := disk.Open(w.record.decisions)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // read only
		w.frames = framesAt(f, w.record.decisionsAt)
	}
	got := reading{err: errors.New(w.record.Header.Unread)}
	if w.record.Header.Unread == "" {
		f, err := disk.Open(w.record.Path)
		if err != nil {
			return err
		}
		defer f.Close() //nolint:errcheck // read only
		if got = w.results(f); isUnread(got.err) && !w.record.LastTry {
			return got.err
		}
	}
	w.rest(got)
	return nil
}

// results gives the rows of the stored copy.
func (w *rowWalk) results(f *disk.File) reading {
	var copied io.Reader = strings.NewReader("")
	if at := w.record.resultsAt; at > 0 {
		copied = &kindReader{frames: framesAt(f, at), kind: frameResults}
	}
	results, err := NewResults(copied)
	if err != nil {
		return reading{err: err}
	}
	defer results.Close() //nolint:errcheck // closes no file
	columns := NewColumns(results.Header())
	for n := 0; ; n++ {
		row, err := results.Next()
		if errors.Is(err, io.EOF) {
			return reading{rows: n}
		}
		if err != nil {
			return reading{rows: n, err: err}
		}
		a := w.firing.Alert(row.Number, columns.Fields(row))
		a.Warnings = append(a.Warnings, row.Odd.Warnings()...)
		if !w.give(a, w.decision(row.Number, row.Sum(), a)) {
			return reading{rows: n + 1}
		}
	}
}

// rest gives what is no row of the results.
func (w *rowWalk) rest(got reading) {
	if w.stopped {
		return
	}
	if a, ok := got.standIn(w.firing, w.record.Payload); ok && !w.give(a, w.decision(0, 0, a)) {
		return
	}
	if a, p, ok := got.loss(w.firing, w.record.Payload); ok {
		Identify(a, w.keys)
		written := w.record.Trailer.LossNotable || w.record.noted.loss
		w.yield(Item{Alert: a, Proposal: p, NotableWritten: written, Loss: true}, nil)
	}
}

// unread gives the one alert of a record whose payload cannot be read.
func (w *rowWalk) unread() {
	h := w.record.Header
	f := &Firing{Host: h.Host, SID: "spool:" + h.ID, Received: h.Received}
	a := f.lost(string(winnow.ReasonRecordUnread), "An alert was received that could not be understood")
	a.Fields.Add("payload", string(w.record.Body))
	Identify(a, w.keys)
	p := winnow.Proposal{Kind: winnow.ProposeEscalate, Reason: winnow.ReasonRecordUnread}
	w.yield(Item{Alert: a, Proposal: p, NotableWritten: w.record.Trailer.LossNotable, Loss: true}, nil)
}

func (w *rowWalk) give(a *winnow.Alert, d decision) bool {
	Identify(a, w.keys)
	w.stopped = !w.yield(Item{Alert: a, Proposal: d.proposal, NotableWritten: d.notable}, nil)
	return !w.stopped
}

// decision returns the stored decision that goes with a row, or lets the row pass.
func (w *rowWalk) decision(row int, sum uint32, a *winnow.Alert) decision {
	pass := decision{proposal: winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonUndecided}}
	pass.notable = w.record.noted.rows.has(row)
	if w.record.damaged != nil {
		pass.proposal.Reason = winnow.ReasonRecordUnread
		return pass
	}
	d, ok := w.next()
	if !ok {
		return pass
	}
	if d.sum != sum {
		a.Warnings = append(a.Warnings, "the stored decision was made on another row")
		pass.proposal.Reason, pass.notable = winnow.ReasonRecordUnread, pass.notable || d.notable
		return pass
	}
	return d
}

// next returns the next stored decision. The file was checked as a whole before: an error now
// means that it has changed, and the rows that follow have no decision.
func (w *rowWalk) next() (decision, bool) {
	for w.frames != nil {
		if d, ok, err := w.stored.next(); err == nil && ok {
			return d, true
		}
		kind, data, err := w.frames.next()
		if err == nil && (kind == frameProposal || kind == frameDecided) {
			err = w.stored.frame(kind, data)
		} else {
			w.frames = nil
		}
		if err != nil {
			w.frames = nil
		}
	}
	return decision{}, false
}

// framesAt reads frames from an offset on, in a file that was checked as a whole before.
func framesAt(f *disk.File, offset int64) *frameReader {
	const far = 1 << 62
	section := io.NewSectionReader(f, offset, far-offset)
	return &frameReader{in: bufio.NewReaderSize(section, frameBuffer), offset: offset}
}
