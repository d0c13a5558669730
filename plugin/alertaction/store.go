package alertaction

import (
	"errors"
	"fmt"
	"os"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/crash"
)

// store takes the alert from its results file to the spool and returns the exit code. The order
// is the promise: what is large is on disk before it is decided, a notable that the action writes
// itself is written before the record that says so, and exit 0 comes after the last fsync.
func (a *action) store() int {
	in := readInput(a.payload.ResultsFile, a.deployment.Settings.Gate.LargeResults)
	if a.noSpool != nil {
		return a.failOpen(in, a.noSpool, nil)
	}
	rec, in, err := a.begin(in)
	if err != nil {
		return a.failOpen(in, err, nil)
	}
	notes := a.notables(a.stale && a.search.Place == winnow.PlaceOwner, winnow.ReasonStaleHeartbeat)
	got, err := a.decide(in, a.takeGate(), rec, notes)
	if errors.Is(err, errLate) {
		a.log.Error("the time to decide is over after %d rows: the rest waits for the worker", got.rows)
		err = nil
	}
	if err == nil {
		err = a.commit(rec, notes)
	} else {
		rec.Abort()
	}
	if err != nil {
		return a.notStored(in, err, notes)
	}
	a.report(got, notes)
	crash.Point("action.stored")
	return ExitStored
}

// begin starts the record. Large results are stored first, as an intake, and read from there.
func (a *action) begin(in input) (*Writer, input, error) {
	w, err := a.create(&in)
	if err != nil || !in.large() {
		return w, in, err
	}
	copied := w.resultsAt
	if err := a.commitRecord(w, Trailer{}); err != nil {
		return nil, in, err
	}
	in.file, in.copied = a.recordPath(KindIntake), copied
	w, err = CreateRecord(a.deployment.Path("spool"), a.header(KindDecisions))
	if err != nil {
		return nil, in, fmt.Errorf("%w: %w", errIntakeOnly, err)
	}
	return w, in, nil
}

// create starts a record with payload and results. Results that cannot be copied count as not
// there: half a copy might look whole.
func (a *action) create(in *input) (*Writer, error) {
	h := a.header(KindAlert)
	if in.large() {
		h.Kind = KindIntake
	}
	if in.err != nil {
		h.Unread = cause(in.err)
	}
	size := frameBuffer
	if in.file == "" {
		size = len(a.payload.Stored()) + len(in.data) + roomForDecisions
	}
	w, err := createRecord(a.deployment.Path("spool"), h, size)
	if err != nil {
		return nil, err
	}
	w.Payload(a.payload.Stored())
	if in.err == nil {
		if err := in.copyTo(w); err != nil {
			w.Abort()
			*in = input{err: err}
			return a.create(in)
		}
	}
	if err := w.Err(); err != nil {
		w.Abort()
		return nil, fmt.Errorf("store record: %w", err)
	}
	return w, nil
}

// roomForDecisions is what header, frames and the decisions of a few rows take of a record.
const roomForDecisions = 4 << 10

func (a *action) recordPath(kind Kind) string {
	return a.deployment.Path("spool") + string(os.PathSeparator) + fileName(a.id, kind)
}

var (
	errLate       = errors.New("too late")
	errIntakeOnly = errors.New("the decisions could not be stored")
	errTakenOver  = errors.New("the worker has taken the rows over")
)

// decide decides every row, and what stands for rows that are not there. rec is nil when there is
// no spool.
func (a *action) decide(in input, gate Gate, rec *Writer, notes *notables) (reading, error) {
	notes.toRecord(rec)
	defer notes.notes.close()
	d := &decider{gate: gate, firing: a.firing, now: a.env.Now, deadline: a.deadline(), wants: notes.wants}
	got, err := a.decideRows(in, d, notes)
	if err != nil {
		return got, errors.Join(err, notes.flush())
	}
	late := a.env.Now().After(d.deadline)
	if alert, ok := got.standIn(a.firing, a.payload); ok {
		row := []decided{d.alert(alert, 0, got.err != nil, late)}
		a.tally.addAll(row)
		err = notes.take(0, row)
	}
	if alert, p, ok := got.loss(a.firing, a.payload); ok && err == nil {
		a.tally.add(p.Kind)
		notes.loss(alert, p.Reason)
	}
	return got, errors.Join(err, notes.flush())
}

func (a *action) decideRows(in input, d *decider, notes *notables) (reading, error) {
	results, done, err := in.open()
	if err != nil {
		return reading{err: err}, nil
	}
	defer done()
	d.scratch.columns = NewColumns(results.Header())
	last := a.deadline().Add(decideGrace / 2)
	return d.decideAll(results, func(first int, rows []decided) error {
		a.tally.addAll(rows)
		if a.env.Now().After(last) {
			return errLate
		}
		return notes.take(first, rows)
	})
}

// commit makes the decisions durable, unless the worker may already have taken the intake.
func (a *action) commit(rec *Writer, notes *notables) error {
	if rec.late(a.env.Now()) {
		rec.Abort()
		return fmt.Errorf("%w: %w", errIntakeOnly, errTakenOver)
	}
	err := a.commitRecord(rec, Trailer{LossNotable: notes.lossWritten})
	if err != nil && rec.header.Kind == KindDecisions {
		return fmt.Errorf("%w: %w", errIntakeOnly, err)
	}
	return err
}

func (a *action) commitRecord(w *Writer, t Trailer) error {
	err := w.Commit(t)
	if doubt := w.Doubt(); doubt != nil {
		a.log.Error("%v; it is in the spool, but may not survive a crash", doubt)
	}
	return err
}

// notStored is where a record could not be written to its end. When the intake is in the spool
// nothing is lost: its rows are undecided.
func (a *action) notStored(in input, err error, notes *notables) int {
	if in.copied > 0 {
		a.log.Error("%v; all rows are stored, and wait for the worker until %s", err, a.deadline().Add(decideGrace).UTC().Format("15:04:05"))
		return ExitStored
	}
	return a.failOpen(in, err, notes)
}

// failOpen is what is left without a spool: where winnow owns the notables, each row gets one now.
// before is what an earlier try has already written.
func (a *action) failOpen(in input, why error, before *notables) int {
	if errors.Is(why, errIntakeOnly) {
		return a.notStored(in, why, before)
	}
	a.tally = tally{}
	notes := a.notables(a.search.Place == winnow.PlaceOwner, winnow.ReasonNotStored)
	notes.all, notes.before = true, before
	got, err := a.decide(in, passAll(winnow.ReasonNotStored), nil, notes)
	switch {
	case err != nil:
		a.log.Error("%v; and %v after %d rows", why, err, got.rows)
	case !notes.on:
		a.log.Error("%v; %d rows are not stored and have only the notable that Enterprise Security wrote", why, got.rows)
	default:
		a.log.Error("%v; %d rows are not stored, %d notables written", why, got.rows, notes.count)
	}
	a.reportLoss(got)
	return ExitNoStore
}

// report says what became of the alert.
func (a *action) report(got reading, notes *notables) {
	a.reportLoss(got)
	if notes.on {
		a.log.Error("wrote %d notables without triage, because the worker does not run", notes.count)
	}
	a.log.Info("stored rows=%d drop=%d cached=%d escalate=%d pass=%d ms=%d", got.rows, a.tally.drop, a.tally.cached,
		a.tally.escalate, a.tally.pass, a.env.Now().Sub(a.received).Milliseconds())
}

func (a *action) reportLoss(got reading) {
	if got.err != nil {
		a.log.Error("%v; %d rows could be read, a person is told about the rest", got.err, got.rows)
	} else if n := expectedRows(a.firing, a.payload); n > got.rows {
		a.log.Error("Splunk handed over %d of %d rows: raise maxresults in [winnow_triage] of alert_actions.conf", got.rows, n)
	}
}

// tally counts proposals by kind, and keeps what an audit line says of each row.
type tally struct {
	drop, cached, escalate, pass int

	audit []auditRow // of ad-hoc runs
}

func (t *tally) addAll(rows []decided) {
	for _, r := range rows {
		t.add(r.proposal.Kind)
		if r.audit != nil {
			t.audit = append(t.audit, *r.audit)
		}
	}
}

func (t *tally) rows() int { return t.drop + t.cached + t.escalate + t.pass }

func (t *tally) add(k winnow.ProposalKind) {
	switch k {
	case winnow.ProposeDrop:
		t.drop++
	case winnow.ProposeCached:
		t.cached++
	case winnow.ProposeEscalate:
		t.escalate++
	case winnow.ProposePass:
		t.pass++
	}
}
