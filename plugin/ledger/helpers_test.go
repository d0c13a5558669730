package ledger

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
)

var noon = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func openNew(t testing.TB) *Ledger {
	t.Helper()
	return openAt(t, filepath.Join(t.TempDir(), "ledger.db"))
}

func openAt(t testing.TB, path string) *Ledger {
	t.Helper()
	l, err := Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// update runs f in a transaction that must succeed.
func update(t testing.TB, l *Ledger, f func(*Tx) error) {
	t.Helper()
	if err := l.Update(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// view runs f in a read transaction that must succeed.
func view(t testing.TB, l *Ledger, f func(*Tx) error) {
	t.Helper()
	if err := l.View(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

// sample returns an alert with everything set; n tells it from others.
func sample(n int) Entry {
	return Entry{
		Alert: winnow.Alert{
			ID:         fmt.Sprintf("01M7SF89VEEV0AZN6235X6%04d", n),
			Key:        winnow.Key{Host: "guid-1", SID: "scheduler__ann__sid", RID: fmt.Sprint(n), MAC: fmt.Sprintf("mac%d", n)},
			SearchName: "Impossible Travel", App: "corp", Owner: "ann", Severity: winnow.SeverityMedium,
			Time: noon, Received: noon.Add(time.Duration(n) * time.Second),
			Fields: winnow.Fields{"src": {"10.8.0.4"}, "user": {"ann", "bob"}}, URI: "/saved/searches/x", Warnings: []string{"odd"},
		},
		Key: cache.Key{byte(n), 7},
	}
}

// recordOf is the first record of an alert, in a state.
func recordOf(e Entry, state winnow.State) winnow.Record {
	r := winnow.NewRecord(&e.Alert, winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonNoRule})
	r.Outcome.State = state
	return r
}

func add(t testing.TB, l *Ledger, e Entry, state winnow.State) {
	t.Helper()
	update(t, l, func(tx *Tx) error { return tx.Add(e, recordOf(e, state)) })
}
