package review_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// fakeEngine keeps outcomes in the ledger and notes what else it was asked for.
type fakeEngine struct {
	revoked, precedents, settled []string
	fails                        error
}

func (e *fakeEngine) Settle(t *ledger.Tx, entry *ledger.Entry, rec *winnow.Record) error {
	e.settled = append(e.settled, rec.ID)
	_, err := t.Change(*rec, entry.Links)
	return err
}

func (e *fakeEngine) Requeue(t *ledger.Tx, id string, reason winnow.Reason, _ string) error {
	rec, err := t.Record(id)
	if err != nil {
		return err
	}
	rec.Verdict = winnow.Verdict{}
	rec.Outcome = winnow.Outcome{State: winnow.StateQueued, Reason: reason, Time: noon}
	_, err = t.Change(rec, ledger.Links{})
	return err
}

func (e *fakeEngine) Precedent(_ *ledger.Tx, a *winnow.Alert) error {
	e.precedents = append(e.precedents, a.ID)
	return e.fails
}

func (e *fakeEngine) Revoke(_ *ledger.Tx, id, by, _ string) error {
	e.revoked = append(e.revoked, id+" by "+by)
	return nil
}

func (e *fakeEngine) Outcome(_ string, s winnow.State, r winnow.Reason, actor string) winnow.Outcome {
	return winnow.Outcome{State: s, Reason: r, Actor: actor, Run: winnow.RunEnforce, Time: noon}
}

// alert is one alert of a test's ledger; alerts with the same key are one group.
type alert struct {
	id          string
	state       winnow.State
	disposition winnow.Disposition
	key         byte
	derived     string
	severity    winnow.Severity
	source      winnow.Source
}

func newLedger(t testing.TB, alerts ...alert) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	err = l.Update(t.Context(), func(tx *ledger.Tx) error {
		for i, a := range alerts {
			if err := addAlert(tx, i, a); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func addAlert(tx *ledger.Tx, n int, a alert) error {
	e := ledger.Entry{Alert: winnow.Alert{
		ID: a.id, Key: winnow.Key{Host: "h", SID: "s", RID: fmt.Sprint(n)}, SearchName: "Port Scan",
		Severity: a.severity, Time: noon, Received: noon,
	}, Key: cache.Key{a.key}}
	e.Derived = a.derived
	r := winnow.NewRecord(&e.Alert, winnow.Proposal{})
	r.Outcome.State, r.Verdict.Disposition, r.Verdict.Source = a.state, a.disposition, a.source
	return tx.Add(e, r)
}

// apply carries a decision out in a transaction.
func apply(t testing.TB, l *ledger.Ledger, e review.Engine, d review.Decision) (out review.Result, err error) {
	t.Helper()
	if d.Actor == "" {
		d.Actor = "ann"
	}
	err = l.Update(t.Context(), func(tx *ledger.Tx) error {
		if d.Seq == 0 { // the person has just looked
			d.Seq, _ = tx.Seq(d.ID)
		}
		out, err = review.Apply(tx, e, d)
		return err
	})
	return out, err
}

// states are the current states of all alerts.
func states(t testing.TB, l *ledger.Ledger) map[string]winnow.State {
	t.Helper()
	out := map[string]winnow.State{}
	err := l.View(t.Context(), func(tx *ledger.Tx) error {
		ids, err := tx.IDs()
		for _, id := range ids {
			r, rerr := tx.Record(id)
			out[id], err = r.Outcome.State, errors.Join(err, rerr)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func record(t testing.TB, l *ledger.Ledger, id string) (r winnow.Record, reviews []ledger.Review) {
	t.Helper()
	err := l.View(t.Context(), func(tx *ledger.Tx) (err error) {
		if r, err = tx.Record(id); err != nil {
			return err
		}
		reviews, err = tx.Reviews(id)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return r, reviews
}
