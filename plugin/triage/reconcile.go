package triage

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Fired is a search run that fired the alert action, as Splunk itself logs it.
type Fired struct {
	SID    string // as splunkd gave it to the action
	Search string
	App    string
	Owner  string
	Host   string // that logged it
	At     time.Time

	Severity string // the alert's, 1 to 6, "" when no audit line says

	Audited bool // an audit line says that the alert fired with the action
	Invoked int  // how often splunkd started the action for it

	// What the action itself said, in lines that splunkd logs for it.
	Runs  map[string]int // rows stored, by run: a run is a spool record
	Said  bool           // a line at all
	Noted bool           // it could not store the rows, and has written their notable events itself
}

// FiredCount is what was read beside the firings.
type FiredCount struct {
	Elsewhere  int // firings of other search heads
	Adhoc      int // runs that a person asked for, and saw
	Unreadable int // lines that name the action and are not of a known form
	Failed     int // runs that did not end with exit code 0; these lines name no search run
}

// FiredSource reads what Splunk fired. Safe for concurrent use.
type FiredSource interface {
	// Fired calls f with the firings in [from, to) of this search head, a span of time after the other,
	// oldest first. What the action said is read until lag after each span.
	Fired(ctx context.Context, from, to time.Time, lag time.Duration, f func(until time.Time, all []Fired) error) (FiredCount, error)

	// Results calls f with the rows that a search run found, in their order. The error wraps
	// [ErrNoArtefact] when Splunk does not have them any more.
	Results(ctx context.Context, sid string, f func([]winnow.Fields) error) error
}

// ErrNoArtefact says that Splunk does not have the results of a search run any more.
var ErrNoArtefact = errors.New("splunk does not have the results any more")

// MissingReason says in a word what is wrong with a firing.
type MissingReason string

// The reasons.
const (
	MissingNotStarted MissingReason = "not_started" // Splunk never started the action
	MissingNotRun     MissingReason = "not_run"     // the action said nothing: not found, not executable, killed
	MissingNotStored  MissingReason = "not_stored"  // the action could not store it
	MissingRecord     MissingReason = "record_lost" // the action stored it, and the record is gone
	MissingPartial    MissingReason = "partial"     // some of its rows are here, not all
)

// sentence says the same for people.
func (m MissingReason) sentence() string {
	switch m {
	case MissingNotStarted:
		return "Splunk never started the alert action"
	case MissingNotRun:
		return "the alert action was started and said nothing"
	case MissingNotStored:
		return "the alert action could not store it"
	case MissingRecord:
		return "the alert action stored it, and the spool record is gone"
	case MissingPartial:
		return "only a part of its rows came here"
	}
	return "nobody knows why"
}

// Missing is a firing that has no outcome here, or not for all of its rows.
type Missing struct {
	Fired
	Reason MissingReason
	Have   int // alerts of it that were delivered
}

// Reconciliation is what came of one comparison. It is kept in the ledger as JSON.
type Reconciliation struct {
	At    time.Time `json:"at"`    // when it ended
	From  time.Time `json:"from"`  // what was fired since
	Until time.Time `json:"until"` // and before

	Fired     int `json:"fired"`
	Missing   int `json:"missing"`
	Rows      int `json:"rows_rebuilt"`
	Raised    int `json:"raised"`    // firings of which only the fact is known
	Postponed int `json:"postponed"` // firings that could not be read back now

	Elsewhere  int    `json:"elsewhere"`
	Adhoc      int    `json:"adhoc"`
	Unreadable int    `json:"unreadable"`
	Failed     int    `json:"failed_runs"`
	Error      string `json:"error"` // "" when it came to its end
}

// Reconciler compares what Splunk fired with what the ledger has. It writes nothing itself: what is to be
// done is handed out in steps.
type Reconciler struct {
	Source FiredSource
	Ledger *ledger.Ledger
	Spool  string // folder
	Lag    time.Duration
	Now    func() time.Time

	Told func(Missing) error // called with each that is missing, before it is worked on; may be nil
}

// Bounds of one comparison. What is beyond is looked at by the next.
const (
	maxMissing    = 500
	postponeUntil = time.Hour // since it fired; a scheduled comparison reads as much again
)

var errEnough = errors.New("enough for once")

// Compare calls f with every firing in [from, to) that is missing, oldest first. It returns what was
// looked at, also with an error; Until says how far.
func (r *Reconciler) Compare(ctx context.Context, from, to time.Time, f func(Missing) error) (Reconciliation, error) {
	rec := Reconciliation{From: from.UTC(), Until: from.UTC()}
	count, err := r.Source.Fired(ctx, from, to, r.Lag, func(until time.Time, all []Fired) error {
		missing, err := r.missing(ctx, all)
		if err != nil {
			return err
		}
		for _, m := range missing {
			rec.Missing++
			if r.Told != nil {
				if err := r.Told(m); err != nil {
					return err
				}
			}
			if err := f(m); err != nil {
				return err
			}
		}
		rec.Fired += len(all)
		rec.Until = until.UTC()
		if rec.Missing >= maxMissing && until.Before(to) {
			return errEnough
		}
		return nil
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	rec.At = r.Now().UTC()
	rec.Elsewhere, rec.Adhoc, rec.Unreadable, rec.Failed = count.Elsewhere, count.Adhoc, count.Unreadable, count.Failed
	return rec, err
}

// missing picks the firings that are. A record on its way from the spool into the ledger is in one of the
// two: so the spool is looked at before the ledger, and after it only what was missing in both is.
func (r *Reconciler) missing(ctx context.Context, all []Fired) ([]Missing, error) {
	waiting, err := r.waiting(all)
	if err != nil {
		return nil, err
	}
	var out []Missing
	err = r.Ledger.View(ctx, func(t *ledger.Tx) error {
		for i := range all {
			m, is, err := judgeFired(t, &all[i], waiting)
			if err != nil {
				return err
			}
			if is {
				out = append(out, m)
			}
		}
		return nil
	})
	return out, err
}

// inSpool is what waits in the spool: records by their ID, and how many there are of a search run.
type inSpool struct {
	ids  map[string]bool
	sids map[string]int
}

// waiting reads the spool. Records are opened, since their names do not tell the search run; the worker
// leaves few there.
func (r *Reconciler) waiting(all []Fired) (inSpool, error) {
	s := inSpool{map[string]bool{}, map[string]int{}}
	wanted := make(map[string]bool, len(all))
	for i := range all {
		wanted[all[i].SID] = true
	}
	// Intakes that are still being decided count too.
	entries, err := alertaction.ReadSpool(r.Spool, r.Now().Add(2*time.Hour))
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	for _, e := range entries {
		s.ids[e.ID] = true
		rec, err := alertaction.OpenRecord(e.Path)
		var damaged *alertaction.DamagedError
		if err != nil && !errors.As(err, &damaged) {
			if errors.Is(err, fs.ErrNotExist) {
				continue // imported meanwhile
			}
			return s, err
		}
		if rec.Payload != nil && wanted[rec.Payload.SID] {
			s.sids[rec.Payload.SID]++
		}
	}
	return s, nil
}

// judgeFired says whether a firing is missing. Every run that says how many rows it stored must have a
// record that was imported or waits; for every start that no such run explains there must be an alert.
func judgeFired(t *ledger.Tx, f *Fired, waiting inSpool) (Missing, bool, error) {
	done, err := t.Reconciled(f.SID)
	if err != nil || done {
		return Missing{}, false, err
	}
	firing := alertaction.NewFiring(&alertaction.Payload{SID: f.SID}, "", winnow.SeverityUnknown, f.At)
	have, err := t.DeliveredRows(firing.SID, firing.RIDSuffix())
	if err != nil {
		return Missing{}, false, err
	}
	lost, imports, waits, here := 0, 0, 0, 0
	for run, rows := range f.Runs {
		imported, found, err := t.ImportedRows(run)
		if err != nil {
			return Missing{}, false, err
		}
		switch {
		case found && imported >= rows:
			imports++
			here += rows
		case !found && waiting.ids[run]:
			waits++
		default:
			lost++
		}
	}
	unexplained := max(f.Invoked, 1) - imports - waits - lost
	// A record or an alert that no known run accounts for explains a start.
	spare := max(have-here, 0) + max(waiting.sids[f.SID]-waits, 0)
	if lost == 0 && unexplained <= spare {
		return Missing{}, false, nil
	}
	return Missing{Fired: *f, Reason: missingReason(f, lost, have), Have: have}, true, nil
}

func missingReason(f *Fired, lost, have int) MissingReason {
	switch {
	case have > 0:
		return MissingPartial
	case lost > 0:
		return MissingRecord
	case f.Invoked == 0 && !f.Said:
		return MissingNotStarted
	case f.Said:
		return MissingNotStored
	}
	return MissingNotRun
}

// Run compares, and hands out what is to be done about each missing firing. do is called with one step
// at a time and returns when it is done.
func (r *Reconciler) Run(ctx context.Context, from, to time.Time, do func(*Step) error) (Reconciliation, error) {
	rows, raised, postponed := 0, 0, 0
	rec, err := r.Compare(ctx, from, to, func(m Missing) error {
		done, later, err := r.rebuild(ctx, m, do)
		rows += done.added
		if done.raised {
			raised++
		}
		if later {
			postponed++
		}
		return err
	})
	rec.Rows, rec.Raised, rec.Postponed = rows, raised, postponed
	if err != nil {
		rec.Error = err.Error()
	}
	return rec, err
}

// Step is a part of what is to be done about a missing firing.
type Step struct {
	Missing Missing
	rows    []winnow.Fields // the next rows of the search run
	last    bool            // there are no more
	gone    string          // why there are no rows, or no more; "" when all were read

	pass *rebuildPass
}

// rebuildPass is one reading of the rows of a firing.
type rebuildPass struct {
	read   int            // rows handed out before this step
	seen   map[string]int // by what they hold
	added  int
	raised bool
}

// maxRebuild is how many rows of a firing are read back: as many as Splunk gives an action at most.
const maxRebuild = 50_000

// rebuild reads the rows of a firing back, or says that only the firing is known. later is set when that
// is not to be decided yet.
func (r *Reconciler) rebuild(ctx context.Context, m Missing, do func(*Step) error) (p *rebuildPass, later bool, err error) {
	p = &rebuildPass{seen: map[string]int{}}
	stop := errors.New("that was the last step")
	var failed error
	readErr := r.Source.Results(ctx, m.SID, func(rows []winnow.Fields) error {
		if p.read+len(rows) > maxRebuild {
			return fmt.Errorf("more than %d rows", maxRebuild)
		}
		if failed = do(&Step{Missing: m, rows: rows, pass: p}); failed != nil {
			return stop
		}
		p.read += len(rows)
		return nil
	})
	end := &Step{Missing: m, last: true, pass: p}
	switch {
	case failed != nil:
		return p, false, failed
	case ctx.Err() != nil:
		return p, false, context.Cause(ctx)
	case errors.Is(readErr, ErrNoArtefact):
		end.gone = "its results are gone from Splunk"
	case readErr != nil && r.Now().Sub(m.At) < postponeUntil:
		return p, true, nil
	case readErr != nil:
		end.gone = "its results cannot be read"
	case p.read == 0:
		end.gone = "its results have no rows"
	}
	return p, false, do(end)
}
