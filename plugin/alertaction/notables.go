package alertaction

import (
	"errors"
	"fmt"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/disk"
	"github.com/winnow-soc/winnow/plugin/stash"
)

// notables takes decided rows to the record and, when the action fails open, first writes the
// notable of each row that nobody would see otherwise. A row of the record is only said to have a
// notable once that is on disk.
type notables struct {
	on     bool          // fail open: write notables
	all    bool          // also of rows that a rule drops: nobody will book the drop
	before *notables     // of an earlier try; rows it has written are left out
	reason winnow.Reason // why there was no triage
	action *action
	rec    *Writer // nil when there is no spool
	notes  noteWriter

	held    []decided // consecutive rows, not yet in the record
	heldAt  int       // number of the first of them
	events  []stash.Event
	of      []int // the row in held that each event is about; ofLoss for none
	written rowSet

	count       int
	lossWritten bool
	failed      bool
}

const (
	eventsPerFile = 500 // bounds what is held in memory
	ofLoss        = -1
)

func (a *action) notables(on bool, reason winnow.Reason) *notables {
	return &notables{on: on, reason: reason, action: a}
}

// toRecord says where decided rows go to; nil when there is no spool. Where rows are in the spool
// already, notables are noted beside them.
func (n *notables) toRecord(rec *Writer) {
	n.rec = rec
	if rec != nil && rec.header.Kind == KindDecisions {
		n.notes.path = n.action.recordPath(KindNoted)
	}
}

// wants says which rows need a notable: with run = enforce all but those an enforced rule drops.
// In shadow and assist nobody else writes any, so all of them. Safe for concurrent use.
func (n *notables) wants(row int, p winnow.Proposal) bool {
	if !n.on || (n.before != nil && n.before.written.has(row)) {
		return false
	}
	dropped := p.Kind == winnow.ProposeDrop && p.Reason == winnow.ReasonRule
	return n.all || !dropped || n.action.search.Run != winnow.RunEnforce
}

// take holds rows back until their notables are written, and hands them to the record.
func (n *notables) take(first int, rows []decided) error {
	if len(n.held) == 0 {
		n.heldAt = first
	}
	for _, r := range rows {
		if r.alert != nil {
			n.add(r.alert, n.reason, len(n.held))
		}
		n.held = append(n.held, decided{decision: r.decision})
	}
	if len(n.events) > 0 && len(n.events) < eventsPerFile {
		return nil
	}
	return n.flush()
}

// loss takes the alert that stands for rows that were lost.
func (n *notables) loss(a *winnow.Alert, why winnow.Reason) {
	if n.on && (n.before == nil || !n.before.lossWritten) {
		n.add(a, why, ofLoss)
	}
}

func (n *notables) add(a *winnow.Alert, why winnow.Reason, of int) {
	id := ""
	if keys := n.action.keys; keys != nil {
		Identify(a, keys)
		id = keys.Sign(a.ID)
	}
	n.events = append(n.events, stash.Notable{Alert: a, WinnowID: id, Reason: why}.Event())
	n.of = append(n.of, of)
}

// flush writes the notables that wait, and then hands their rows on.
func (n *notables) flush() error {
	if len(n.events) > 0 {
		if err := n.write(); err == nil {
			n.mark()
		} else if !n.failed {
			n.failed = true
			n.action.log.Error("%v: these rows have no notable", err)
		}
	}
	for _, r := range n.held {
		if n.rec != nil {
			n.rec.add(r.decision)
		}
	}
	n.held, n.events, n.of = n.held[:0], n.events[:0], n.of[:0]
	if n.rec != nil {
		return n.rec.Err()
	}
	return nil
}

func (n *notables) mark() {
	for _, of := range n.of {
		if of == ofLoss {
			n.lossWritten = true
			continue
		}
		n.held[of].notable = true
		n.written.add(n.heldAt + of)
	}
	n.count += len(n.events)
}

// write puts one stash file where splunkd reads it. Its name follows from the first row in it, so
// that Splunk running the action twice for one alert replaces what it has not yet read.
func (n *notables) write() error {
	a := n.action
	if n.rec != nil && n.rec.late(a.env.Now()) {
		return errTakenOver
	}
	spool, index, err := a.notableSpool()
	if err != nil {
		return err
	}
	staged, err := spool.Stage(n.key(), stash.File{
		Index: index, Host: a.payload.ServerHost, Source: a.firing.SearchName, Events: n.events,
	})
	if err != nil {
		return err
	}
	if err := n.notes.add(n.note(staged.Path)); err != nil {
		a.log.Error("%v; should this run be killed, some rows get a second notable", err)
	}
	err = staged.Move()
	if err != nil && n.notes.path == "" {
		_ = disk.Remove(staged.Path)
	} // else it stays for as long as the note, and says that it was not moved
	return err
}

func (n *notables) key() string {
	a := n.action
	first := fmt.Sprint(n.of[0])
	if n.of[0] != ofLoss {
		first = fmt.Sprint(n.heldAt + n.of[0])
	}
	return strings.Join([]string{a.firing.Host, a.payload.SID, a.firing.fileRID, first}, "\x00")
}

func (n *notables) note(staged string) note {
	out := note{Staged: staged}
	for _, of := range n.of {
		if of == ofLoss {
			out.Loss = true
		} else {
			out.Rows = append(out.Rows, n.heldAt+of)
		}
	}
	return out
}

// notableSpool returns where the worker would write notables: the first sink that does.
func (a *action) notableSpool() (stash.Spool, string, error) {
	for _, sink := range a.deployment.Settings.EnabledSinks() {
		if sink.Type == conf.SinkNotable {
			dir, err := a.deployment.Resolve(sink.Path)
			return stash.Spool{Dir: dir}, sink.Index, err
		}
	}
	return stash.Spool{}, "", errors.New("no [sink:NAME] of type notable to write to, or it is disabled")
}

// rowSet is a set of row numbers, a bit each.
type rowSet struct{ bits []uint64 }

func (s *rowSet) add(row int) {
	for len(s.bits) <= row/64 {
		s.bits = append(s.bits, 0)
	}
	s.bits[row/64] |= 1 << (row % 64)
}

func (s *rowSet) has(row int) bool {
	return row/64 < len(s.bits) && s.bits[row/64]&(1<<(row%64)) != 0
}
