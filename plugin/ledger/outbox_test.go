package ledger

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

func delivery(e Entry, seq int, kind DeliveryKind) Delivery {
	return Delivery{
		Key: fmt.Sprintf("%s/%d/%s", e.Alert.ID, seq, kind), Sink: "to-" + string(kind), Kind: kind,
		WinnowID: e.Alert.ID + "-sig", Record: recordOf(e, winnow.StateEscalated), Alert: e.Alert,
	}
}

func post(t testing.TB, l *Ledger, at time.Time, all ...Delivery) {
	t.Helper()
	update(t, l, func(tx *Tx) error {
		for _, d := range all {
			if err := tx.Post(d, at); err != nil {
				return err
			}
		}
		return nil
	})
}

func due(t testing.TB, l *Ledger, now time.Time, limit int) []Pending {
	t.Helper()
	var out []Pending
	view(t, l, func(tx *Tx) error {
		var err error
		out, err = tx.Due(now, limit)
		return err
	})
	return out
}

func dueKeys(t testing.TB, l *Ledger, now time.Time, limit int) []string {
	t.Helper()
	keys := []string{}
	for _, p := range due(t, l, now, limit) {
		keys = append(keys, p.Key)
	}
	return keys
}

func TestDeliveryComesBackWithTheAlertsFields(t *testing.T) {
	l := openNew(t)
	e := sample(1)
	add(t, l, e, winnow.StateEscalated)
	want := delivery(e, 1, DeliverUpdate)
	want.CommentOnly = true
	post(t, l, noon, want)
	got := due(t, l, noon, 10)
	want.Record.Normalize()
	if diff := cmp.Diff([]Pending{{Delivery: want}}, got); diff != "" {
		t.Errorf("delivery differs (-want +got):\n%s", diff)
	}
}

func TestPostTwiceDeliversOnce(t *testing.T) {
	l := openNew(t)
	e := sample(1)
	add(t, l, e, winnow.StateEscalated)
	d := delivery(e, 1, DeliverNotable)
	post(t, l, noon, d)
	post(t, l, noon.Add(time.Minute), d)
	if got := dueKeys(t, l, noon.Add(time.Hour), 10); len(got) != 1 {
		t.Fatalf("due: %v, want one", got)
	}
	update(t, l, func(tx *Tx) error { return tx.Delivered(d.Key, noon) })
	post(t, l, noon.Add(2*time.Minute), d)
	if got := dueKeys(t, l, noon.Add(time.Hour), 10); len(got) != 0 {
		t.Errorf("delivered again: %v", got)
	}
}

func TestUpdateReplacesOlderOnesThatWait(t *testing.T) {
	l := openNew(t)
	e, other := sample(1), sample(2)
	add(t, l, e, winnow.StateEscalated)
	add(t, l, other, winnow.StateEscalated)
	done, waits, gone := delivery(e, 1, DeliverUpdate), delivery(e, 2, DeliverUpdate), delivery(e, 3, DeliverUpdate)
	post(t, l, noon, done)
	update(t, l, func(tx *Tx) error { return tx.Delivered(done.Key, noon) })
	post(t, l, noon, waits, delivery(e, 2, DeliverEvent), delivery(other, 2, DeliverUpdate))
	update(t, l, func(tx *Tx) error { return tx.Undelivered(waits.Key, "500", noon.Add(time.Hour)) })
	post(t, l, noon, gone)
	want := []string{delivery(e, 2, DeliverEvent).Key, delivery(other, 2, DeliverUpdate).Key, gone.Key}
	if diff := cmp.Diff(want, dueKeys(t, l, noon.Add(24*time.Hour), 10)); diff != "" {
		t.Errorf("due differs (-want +got):\n%s", diff)
	}
	view(t, l, func(tx *Tx) error {
		states, err := tx.Deliveries(e.Alert.ID)
		var errs []string
		for _, s := range states {
			errs = append(errs, s.Error)
		}
		if got := strings.Join(errs, ","); got != ",,superseded," {
			t.Errorf("errors are %q, want the replaced one to say so", got)
		}
		return err
	})
}

func TestDueIsOldestFirstAndNoMoreThanAsked(t *testing.T) {
	l := openNew(t)
	var keys []string
	for i := range 5 {
		e := sample(i)
		add(t, l, e, winnow.StateEscalated)
		d := delivery(e, 1, DeliverEvent)
		post(t, l, noon.Add(-time.Duration(i)*time.Minute), d)
		keys = append([]string{d.Key}, keys...)
	}
	if diff := cmp.Diff(keys[:3], dueKeys(t, l, noon, 3)); diff != "" {
		t.Errorf("due differs (-want +got):\n%s", diff)
	}
	if got := dueKeys(t, l, noon.Add(-3*time.Minute), 9); len(got) != 2 {
		t.Errorf("%d are due three minutes before noon, want 2", len(got))
	}
	if got := dueKeys(t, l, noon.Add(-time.Hour), 9); len(got) != 0 {
		t.Errorf("due before their time: %v", got)
	}
}

func TestFailedDeliveryWaitsAndIsGivenUpInTheEnd(t *testing.T) {
	l := openNew(t)
	e := sample(1)
	add(t, l, e, winnow.StateEscalated)
	d := delivery(e, 1, DeliverNotable)
	post(t, l, noon, d)
	later := noon.Add(time.Minute)
	update(t, l, func(tx *Tx) error { return tx.Undelivered(d.Key, "splunkd says 503", later) })
	if got := due(t, l, later.Add(-time.Microsecond), 9); len(got) != 0 {
		t.Error("tried again too early")
	}
	if got := due(t, l, later, 9); len(got) != 1 || got[0].Attempts != 1 {
		t.Errorf("second try: %+v", got)
	}
	update(t, l, func(tx *Tx) error { return tx.Undelivered(d.Key, "splunkd says 404", time.Time{}) })
	if got := due(t, l, noon.AddDate(200, 0, 0), 9); len(got) != 0 {
		t.Error("handed out after it was given up")
	}
	view(t, l, func(tx *Tx) error {
		waiting, failed, err := tx.OutboxCounts()
		if waiting != 0 || failed != 1 {
			t.Errorf("waiting %d, given up %d", waiting, failed)
		}
		states, serr := tx.Deliveries(e.Alert.ID)
		want := []DeliveryState{{Sink: d.Sink, Kind: "notable", Attempts: 2, Error: "splunkd says 404"}}
		if diff := cmp.Diff(want, states); diff != "" {
			t.Errorf("state differs (-want +got):\n%s", diff)
		}
		return errors.Join(err, serr)
	})
}

func TestImportsAndMeta(t *testing.T) {
	l := openNew(t)
	for range 2 {
		update(t, l, func(tx *Tx) error {
			return errors.Join(tx.MarkImported("01A", 3, noon), tx.SetMeta("a'b", "x\x00y"), tx.SetMeta("gone", "was"), tx.SetMeta("gone", ""))
		})
	}
	view(t, l, func(tx *Tx) error {
		yes, e1 := tx.Imported("01A")
		no, e2 := tx.Imported("01B")
		value, e3 := tx.Meta("a'b")
		none, e4 := tx.Meta("never")
		if !yes || no || value != "x\x00y" || none != "" {
			t.Errorf("imported %v %v, meta %q %q", yes, no, value, none)
		}
		return errors.Join(e1, e2, e3, e4)
	})
}
