package ledger

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/audit"
)

// addDrop adds an alert that a rule closed, received so many days before noon.
func addDrop(t testing.TB, l *Ledger, n, days int) {
	t.Helper()
	e := sample(n)
	e.Alert.Received = noon.AddDate(0, 0, -days)
	r := recordOf(e, winnow.StateClosed)
	r.Proposal = winnow.Proposal{Kind: winnow.ProposeDrop, Reason: winnow.ReasonRule, Rule: "a", RuleSet: "sha256:1"}
	r.Verdict.Source = winnow.SourceRule
	update(t, l, func(tx *Tx) error { return tx.Add(e, r) })
}

// strip is one step of retention at a time.
func strip(t testing.TB, l *Ledger, now time.Time, limit int) (p Pruned) {
	t.Helper()
	update(t, l, func(tx *Tx) (err error) {
		p, err = tx.Prune(Keep{Records: now.AddDate(-1, 0, 0), Fields: now.AddDate(0, 0, -30), Now: now}, limit)
		return err
	})
	return p
}

func entriesOfKind(t testing.TB, l *Ledger, kind audit.Kind) (n int) {
	for _, e := range kinds(t, l) {
		if strings.Contains(e, " "+string(kind)+" ") {
			n++
		}
	}
	return n
}

// TestRetentionTellsOfFields: one entry a step, and whoever asks is told when.
func TestRetentionTellsOfFields(t *testing.T) {
	l, now := openNew(t), noon.AddDate(0, 0, 40)
	for n := range 5 {
		addDrop(t, l, n, 0)
	}
	addDrop(t, l, 9, -39)
	for i, want := range []int{2, 2, 1, 0} { // all in the same microsecond
		if p := strip(t, l, now, 2); p.Bare != want {
			t.Errorf("step %d: %+v", i, p)
		}
	}
	if n := entriesOfKind(t, l, audit.KindFields); n != 3 {
		t.Errorf("%d entries, want one a step:\n%s", n, strings.Join(kinds(t, l), "\n"))
	}
	if v := holds(t, l); v.Bare != 5 {
		t.Errorf("%+v", v)
	}
	view(t, l, func(tx *Tx) error {
		at, gone, err := tx.FieldsRemoved(sample(0).Alert.ID)
		_, has, herr := tx.FieldsRemoved(sample(9).Alert.ID)
		if !gone || !at.Equal(now) || has {
			t.Errorf("gone %t at %s; one that has them: %t", gone, at, has)
		}
		return errors.Join(err, herr, tx.VerifyAlert(sample(0).Alert.ID, func(f *audit.Fault) error { return f }))
	})
	// A person decides about one later: what retention left is still what it was.
	update(t, l, func(tx *Tx) error {
		r := recordOf(sample(1), winnow.StateEscalated)
		_, err := tx.Change(r, Links{})
		return err
	})
	holds(t, l)
	// A year later the records go too, some at a time.
	for later := now.AddDate(1, 0, 0); strip(t, l, later, 1).Alerts > 0; {
		holds(t, l)
	}
}

// TestNoFieldsGoUnaudited: what cannot be told is not done.
func TestNoFieldsGoUnaudited(t *testing.T) {
	l := openNew(t)
	addDrop(t, l, 0, 40)
	l.FailAudit(errors.New("broken"))
	if p := strip(t, l, noon, 9); p.Bare != 0 {
		t.Errorf("%+v", p)
	}
	l.RecheckAudit(t.Context())
	if p := strip(t, l, noon, 9); p.Bare != 1 {
		t.Errorf("%+v", p)
	}
	holds(t, l)
}

// TestAnEditIsNoCut: whoever takes fields from an alert, or changes what retention left of one, is found out.
func TestAnEditIsNoCut(t *testing.T) {
	mutations := map[string]string{
		"taken by hand":     "UPDATE alerts SET bare = 1, alert = '{}' WHERE rid = '9'",
		"taken at no time":  "UPDATE alerts SET bare = 12345, alert = '{}' WHERE rid = '9'",
		"taken with others": "UPDATE alerts SET bare = (SELECT max(bare) FROM alerts), alert = '{}' WHERE rid = '9'",
		"what was left":     "UPDATE alerts SET alert = replace(alert, 'corp', 'evil') WHERE rid = '1'",
		"put back":          "UPDATE alerts SET bare = 0 WHERE rid = '1'",
		"at another time":   "UPDATE alerts SET bare = bare + 1 WHERE rid = '1'",
		"told less":         "UPDATE audit SET body = replace(body, '\"alerts\":2', '\"alerts\":1') WHERE kind = 'fields'",
		"not told":          "DELETE FROM audit WHERE kind = 'fields'",
		"exchanged": "UPDATE alerts SET bare = CASE bare WHEN (SELECT min(bare) FROM alerts WHERE bare > 1) THEN (SELECT max(bare) FROM alerts) ELSE bare END" +
			" WHERE rid IN ('1', '2')",
	}
	for name, mutation := range mutations {
		l := openNew(t)
		for n := range 4 {
			addDrop(t, l, n, 40)
		}
		strip(t, l, noon, 2)
		strip(t, l, noon, 2)
		addDrop(t, l, 9, -1)
		holds(t, l)
		tamper(t, l, mutation)
		if v := verify(t, l); len(v.Faults) == 0 {
			t.Errorf("%s is not found", name)
		}
	}
}

// TestFieldsFromBeforeTheyWereTold: alerts that had lost theirs stay as good as they were.
func TestFieldsFromBeforeTheyWereTold(t *testing.T) {
	l := openNew(t)
	addDrop(t, l, 0, 40)
	addDrop(t, l, 1, 40)
	addDrop(t, l, 9, -1)
	tamper(t, l, "UPDATE alerts SET bare = 1, alert = '{}' WHERE rid = '0'")
	holds(t, l)
	strip(t, l, noon, 9)
	if v := holds(t, l); v.Bare != 1 {
		t.Errorf("%+v", v)
	}
	tamper(t, l, "UPDATE alerts SET bare = 1, alert = '{}' WHERE rid = '9'")
	if v := verify(t, l); len(v.Faults) != 1 {
		t.Errorf("%v", v.Faults)
	}
}
