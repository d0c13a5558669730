package ledger

import (
	"bytes"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/audit"
)

func signer(t testing.TB) *audit.Signer {
	t.Helper()
	s, err := audit.NewSigner(bytes.Repeat([]byte{5}, audit.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// sign makes a checkpoint of the chain as it is.
func sign(t testing.TB, l *Ledger, at time.Time) (c audit.Checkpoint) {
	t.Helper()
	update(t, l, func(tx *Tx) (err error) {
		c, _, err = tx.AddCheckpoint(signer(t), at)
		return err
	})
	return c
}

func verify(t testing.TB, l *Ledger, outside ...audit.Checkpoint) (v *Verification) {
	t.Helper()
	view(t, l, func(tx *Tx) (err error) {
		v, err = tx.Verify(VerifyOptions{Key: signer(t).Key(), Outside: outside})
		return err
	})
	return v
}

func holds(t testing.TB, l *Ledger, outside ...audit.Checkpoint) *Verification {
	t.Helper()
	v := verify(t, l, outside...)
	for _, f := range v.Faults {
		t.Error(f)
	}
	return v
}

// tamper changes the file behind the ledger's back.
func tamper(t testing.TB, l *Ledger, query string, args ...any) {
	t.Helper()
	res, err := l.conn.ExecContext(t.Context(), query, args...)
	if err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	if n, err := res.RowsAffected(); err == nil && n == 0 && !strings.HasPrefix(query, "DROP") && !strings.HasPrefix(query, "ALTER") {
		t.Fatalf("%s: changed nothing", query)
	}
}

func kinds(t testing.TB, l *Ledger) (out []string) {
	t.Helper()
	view(t, l, func(tx *Tx) error {
		return tx.EachEntry(0, func(e *audit.Entry, _ audit.Hash) error {
			out = append(out, fmt.Sprintf("%d %s %s %s", e.Seq, e.Kind, e.Subject, e.Body))
			return nil
		})
	})
	return out
}

// TestEveryKindIsAudited: each thing that the ledger keeps of what was decided or done has its entry, in the
// same transaction.
func TestEveryKindIsAudited(t *testing.T) {
	one := sample(1)
	id := one.Alert.ID
	begun := func(tx *Tx) error { return tx.Add(one, recordOf(one, winnow.StateInReview)) }
	closed := recordOf(one, winnow.StateClosed)
	closed.Outcome.Actor, closed.Outcome.Reason = "rule:vpn", winnow.ReasonRule
	for _, c := range []struct {
		kind audit.Kind
		do   func(*Tx) error
		want string // inside the body
	}{
		{audit.KindRecord, func(tx *Tx) error { return tx.Add(sample(2), recordOf(sample(2), winnow.StateClosed)) }, `"n":1,"reason":"queued"`},
		{audit.KindRecord, func(tx *Tx) error { _, err := tx.Change(closed, Links{}); return err }, `{"actor":"rule:vpn","n":2,"reason":"rule"`},
		{audit.KindRecord, func(tx *Tx) error { _, err := tx.Change(closed, Links{Derived: "X"}); return err }, `"links":"`},
		{audit.KindReview, func(tx *Tx) error {
			return tx.AddReview(Review{ID: id, Action: "correct", Disposition: winnow.TruePositive, Actor: "ann", Reason: "<it> was", At: noon})
		}, `{"action":"correct","actor":"ann","disposition":"TruePositive","reason":"<it> was"}`},
		{audit.KindReview, func(tx *Tx) error {
			return tx.AddReview(Review{ID: id, Action: "correct", Actor: "ann", Reason: "many", At: noon, Weak: true})
		}, `"reason":"many","weak":true}`},
		{audit.KindDelivered, func(tx *Tx) error {
			d := delivery(one, 1, DeliverEvent)
			return errors.Join(tx.Post(d, noon), tx.Delivered(d.Key, noon))
		}, `"kind":"event","sink":"`},
		{audit.KindAction, func(tx *Tx) error {
			_, err := tx.AddAction(Action{ID: "A1", Alert: id, Kind: ActionBlock, Target: "203.0.113.9", Need: 1, At: noon, Expires: noon.Add(time.Hour)})
			return err
		}, `"kind":"block","reason":"","step":"proposed"}`},
		{audit.KindRecall, func(tx *Tx) error {
			return tx.AddRecall(Recall{Target: "vpn", Body: []byte("{}"), At: noon, Actor: "ann", Reason: "odd"})
		}, `"reason":"odd","target":"vpn"}`},
		{audit.KindSuspensions, func(tx *Tx) error { return tx.Note(audit.KindSuspensions, 1, audit.Change{By: "ann"}) }, `{"by":"ann"`},
		{audit.KindRules, func(tx *Tx) error { return tx.Note(audit.KindRules, 1, audit.Change{New: "sha256:1"}) }, `"new":"sha256:1"`},
		{audit.KindApprovals, func(tx *Tx) error { return tx.Note(audit.KindApprovals, 1, audit.Change{}) }, `"content":"`},
		{audit.KindConfiguration, func(tx *Tx) error { return tx.Note(audit.KindConfiguration, 1, audit.Change{}) }, `"content":"`},
		{audit.KindMode, func(tx *Tx) error { return tx.Note(audit.KindMode, 1, audit.Mode{New: "attack"}) }, `"new":"attack"`},
		{audit.KindGate, func(tx *Tx) error { return tx.Note(audit.KindGate, 1, audit.Gate{Off: true}) }, `"off":true`},
		{audit.KindRetention, func(tx *Tx) error {
			three := sample(3)
			err := tx.Add(three, recordOf(three, winnow.StateClosed))
			_, pruneErr := tx.Prune(Keep{Records: noon.Add(time.Hour), Facts: noon, Now: noon.Add(2 * time.Hour)}, 10)
			return errors.Join(err, pruneErr)
		}, `"alerts":1`},
		{audit.KindFields, func(tx *Tx) error {
			four := sample(4)
			r := recordOf(four, winnow.StateClosed)
			r.Verdict.Source = winnow.SourceRule
			err := tx.Add(four, r)
			_, pruneErr := tx.Prune(Keep{Fields: noon.Add(time.Hour), Now: noon.Add(2 * time.Hour)}, 10)
			return errors.Join(err, pruneErr)
		}, `{"alerts":1,"digest":"`},
		{audit.KindAccepted, func(tx *Tx) error { return tx.AcceptAudit(1, "ann", "known") }, `"reason":"known"`},
	} {
		l := openNew(t)
		update(t, l, begun)
		before := kinds(t, l)
		halfway := l.Update(t.Context(), func(tx *Tx) error { return errors.Join(c.do(tx), errHalfway) })
		if after := kinds(t, l); halfway == nil || len(after) != len(before) {
			t.Errorf("%s: an entry is left of what did not happen", c.kind)
		}
		update(t, l, c.do)
		got := kinds(t, l)[len(before):]
		if len(got) == 0 || !strings.Contains(got[len(got)-1], " "+string(c.kind)+" ") || !strings.Contains(got[len(got)-1], c.want) {
			t.Errorf("%s: %q, want %s", c.kind, got, c.want)
		}
		holds(t, l)
	}
}

func TestRecordsFromBeforeTheChainAreAdopted(t *testing.T) {
	l := openNew(t)
	l.audit.idle = true
	for n := range 3 {
		add(t, l, sample(n), winnow.StateInReview)
	}
	update(t, l, func(tx *Tx) error { _, err := tx.Change(recordOf(sample(0), winnow.StateClosed), Links{}); return err })
	l.audit.idle = false
	update(t, l, func(tx *Tx) error {
		_, err := tx.Change(recordOf(sample(1), winnow.StateEscalated), Links{})
		return errors.Join(err, tx.Add(sample(4), recordOf(sample(4), winnow.StateClosed)))
	})
	got := kinds(t, l)
	if len(got) != 6 || !strings.HasPrefix(got[0], `1 begin  {"alerts":3}`) || !strings.HasPrefix(got[1], "2 adopted "+sample(0).Alert.ID) {
		t.Errorf("%q", got)
	}
	holds(t, l)
	tamper(t, l, "UPDATE alerts SET alert = x'7b7d' WHERE id = ?", sample(2).Alert.ID)
	if v := verify(t, l); len(v.Faults) != 1 || v.Faults[0].Subject != sample(2).Alert.ID {
		t.Errorf("%v", v.Faults)
	}
}

// TestWhatCannotBeAudited: with the chain out of order nothing closes, what raises an alert goes on and is
// marked, and it is audited once the chain is in order again.
func TestWhatCannotBeAudited(t *testing.T) {
	for name, breakIt := range map[string]func(*Ledger){
		"no table":          func(l *Ledger) { tamper(t, l, "ALTER TABLE audit RENAME TO gone") },
		"no table of heads": func(l *Ledger) { tamper(t, l, "ALTER TABLE audit_head RENAME TO gone") },
		"no head":           func(l *Ledger) { tamper(t, l, "DELETE FROM audit_head") },
		"a damaged head":    func(l *Ledger) { tamper(t, l, "UPDATE audit_head SET hash = x'00'") },
		"somebody appends":  func(l *Ledger) { tamper(t, l, "UPDATE audit_head SET seq = seq + 1") },
	} {
		l := openNew(t)
		add(t, l, sample(1), winnow.StateInReview)
		add(t, l, sample(2), winnow.StateInReview)
		breakIt(l)
		closing := func(tx *Tx) error { _, err := tx.Change(recordOf(sample(1), winnow.StateClosed), Links{}); return err }
		raising := func(tx *Tx) error {
			_, err := tx.Change(recordOf(sample(2), winnow.StateEscalated), Links{})
			return err
		}
		if err := l.Update(t.Context(), raising); !errors.Is(err, ErrUnaudited) {
			t.Errorf("%s: the first try: %v", name, err) // nothing of it happened
		}
		for range 2 {
			if err := l.Update(t.Context(), closing); !errors.Is(err, ErrUnaudited) {
				t.Errorf("%s: a close: %v", name, err)
			}
			update(t, l, raising)
		}
		update(t, l, func(tx *Tx) error {
			if err := tx.Note(audit.KindSuspensions, 1, audit.Change{}); !errors.Is(err, ErrUnaudited) {
				t.Errorf("%s: a note: %v", name, err)
			}
			d := delivery(sample(2), 1, DeliverNotable)
			err := errors.Join(tx.Post(d, noon), tx.Delivered("other", noon), tx.AddReview(Review{ID: sample(2).Alert.ID, At: noon}))
			due, dueErr := tx.Due(noon, 1)
			rec, recErr := tx.Record(sample(2).Alert.ID)
			if len(due) != 1 || !due[0].Record.Outcome.Unaudited || !rec.Outcome.Unaudited {
				t.Errorf("%s: it is not marked: %+v, %+v", name, due, rec.Outcome)
			}
			return errors.Join(err, dueErr, recErr)
		})
		l.RecheckAudit(t.Context())
		if l.Unaudited() == nil {
			t.Errorf("%s: looked at again, it is fine", name)
		}
	}
}

func TestAuditGoesOnWhenItCanBeWrittenAgain(t *testing.T) {
	l := openNew(t)
	add(t, l, sample(1), winnow.StateInReview)
	tamper(t, l, "ALTER TABLE audit RENAME TO away")
	raising := func(tx *Tx) error {
		_, err := tx.Change(recordOf(sample(1), winnow.StateEscalated), Links{})
		return err
	}
	_ = l.Update(t.Context(), raising)
	update(t, l, raising)
	update(t, l, raising)
	tamper(t, l, "ALTER TABLE away RENAME TO audit")
	l.RecheckAudit(t.Context())
	if err := l.Unaudited(); err != nil {
		t.Fatal(err)
	}
	v := holds(t, l)
	if v.Last != 4 { // begin, record, and the two that are late
		t.Errorf("%q", kinds(t, l))
	}
	update(t, l, func(tx *Tx) error { _, err := tx.Change(recordOf(sample(1), winnow.StateClosed), Links{}); return err })
	holds(t, l)
}

// TestBrokenChainIsFoundAtOpen and goes on only when a person accepts it.
func TestBrokenChainIsFoundAtOpen(t *testing.T) {
	for name, query := range map[string]string{
		"an edit":   `UPDATE audit SET body = '{}' WHERE seq = 2`,
		"a cut":     `DELETE FROM audit WHERE seq = 3`,
		"a gap":     `DELETE FROM audit WHERE seq = 2`,
		"more":      `INSERT INTO audit SELECT seq + 1, at, kind, subject, body, hash FROM audit WHERE seq = 3`,
		"a renamed": `UPDATE audit SET kind = 'review' WHERE seq = 3`,
	} {
		path := filepath.Join(t.TempDir(), "ledger.db")
		l := openAt(t, path)
		add(t, l, sample(1), winnow.StateInReview)
		add(t, l, sample(2), winnow.StateInReview)
		tamper(t, l, query)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		l = openAt(t, path)
		if l.Unaudited() == nil {
			t.Errorf("%s: not found", name)
			continue
		}
		update(t, l, func(tx *Tx) error { return tx.AcceptAudit(noon.UnixMicro(), "ann", "a test") })
		l.RecheckAudit(t.Context())
		if err := l.Unaudited(); err != nil {
			t.Errorf("%s: accepted, and still %v", name, err)
		}
		update(t, l, func(tx *Tx) error { _, err := tx.Change(recordOf(sample(1), winnow.StateClosed), Links{}); return err })
		if v := verify(t, l); len(v.Faults) == 0 {
			t.Errorf("%s: accepting has hidden it", name)
		}
		view(t, l, func(tx *Tx) error {
			v, err := tx.Verify(VerifyOptions{Key: signer(t).Key(), AfterAccepted: true})
			if err == nil && (v.Entries != 1 || len(v.Faults) > 0 && v.Faults[0].Entry > 0) {
				t.Errorf("%s: behind it, %d entries, %v", name, v.Entries, v.Faults)
			}
			return err
		})
	}
}

func TestCostDoesNotBreakTheChain(t *testing.T) {
	l := openNew(t)
	add(t, l, sample(1), winnow.StateEscalated)
	tamper(t, l, `UPDATE alerts SET record = replace(record, '"calls":0', '"calls":7')`)
	holds(t, l)
	// A reader of JSON takes the last of two keys: nothing may hide behind the cost.
	tamper(t, l, `UPDATE alerts SET record = substr(record, 1, length(record) - 1) || ',"sid":"other"}'`)
	if len(verify(t, l).Faults) == 0 {
		t.Error("what stands behind the cost is not found")
	}
}

// build makes a ledger of some length out of random steps, with checkpoints, the last one at its end.
func build(rt *rapid.T, t *testing.T, l *Ledger) (heads []audit.Checkpoint) {
	n := 0
	at := noon
	for i := range rapid.IntRange(2, 14).Draw(rt, "steps") {
		at = at.Add(time.Minute)
		update(t, l, func(tx *Tx) error {
			switch step := rapid.IntRange(0, 5).Draw(rt, "step"); {
			case n == 0 || step < 2:
				n++
				return tx.Add(sample(n), recordOf(sample(n), winnow.StateInReview))
			case step == 2:
				return tx.AddReview(Review{ID: sample(1 + i%n).Alert.ID, Action: "correct", Actor: "ann", At: at})
			case step == 3:
				_, err := tx.Archive(fmt.Append(nil, i))
				return errors.Join(err, tx.Note(audit.KindRules, at.UnixMicro(), audit.Change{New: fmt.Sprint(i)}))
			default:
				_, err := tx.Change(recordOf(sample(1+i%n), winnow.StateEscalated), Links{Joined: fmt.Sprint(i)})
				return err
			}
		})
		if rapid.Bool().Draw(rt, "checkpoint") {
			if c := sign(t, l, at); c.Seq > 0 {
				heads = append(heads, c)
			}
		}
	}
	if c := sign(t, l, at); c.Seq > 0 {
		heads = append(heads, c)
	}
	return heads
}

// mutations are what somebody may do to the file; seq and last are a random and the last entry.
var mutations = map[string]func(t testing.TB, l *Ledger, seq, last int64){
	"flip at": func(t testing.TB, l *Ledger, seq, _ int64) {
		tamper(t, l, "UPDATE audit SET at = at + 1 WHERE seq = ?", seq)
	},
	"flip kind": func(t testing.TB, l *Ledger, seq, _ int64) {
		tamper(t, l, "UPDATE audit SET kind = kind || 'x' WHERE seq = ?", seq)
	},
	"flip subject": func(t testing.TB, l *Ledger, seq, _ int64) {
		tamper(t, l, "UPDATE audit SET subject = subject || 'x' WHERE seq = ?", seq)
	},
	"flip body": func(t testing.TB, l *Ledger, seq, _ int64) {
		tamper(t, l, "UPDATE audit SET body = CAST(body || ' ' AS BLOB) WHERE seq = ?", seq)
	},
	"flip hash": func(t testing.TB, l *Ledger, seq, _ int64) {
		tamper(t, l, "UPDATE audit SET hash = zeroblob(32) WHERE seq = ?", seq)
	},
	"short hash": func(t testing.TB, l *Ledger, seq, _ int64) {
		tamper(t, l, "UPDATE audit SET hash = x'00' WHERE seq = ?", seq)
	},
	"number": func(t testing.TB, l *Ledger, seq, _ int64) {
		tamper(t, l, "UPDATE audit SET seq = seq + 1000 WHERE seq = ?", seq)
	},
	"delete":    func(t testing.TB, l *Ledger, seq, _ int64) { tamper(t, l, "DELETE FROM audit WHERE seq = ?", seq) },
	"truncate":  func(t testing.TB, l *Ledger, seq, _ int64) { tamper(t, l, "DELETE FROM audit WHERE seq >= ?", seq) },
	"cut front": func(t testing.TB, l *Ledger, seq, _ int64) { tamper(t, l, "DELETE FROM audit WHERE seq <= ?", seq) },
	"truncate with its head": func(t testing.TB, l *Ledger, seq, _ int64) {
		tamper(t, l, "DELETE FROM audit WHERE seq >= ?", seq)
		if seq > 1 {
			tamper(t, l, "UPDATE audit_head SET (seq, at, hash) = (SELECT seq, at, hash FROM audit ORDER BY seq DESC LIMIT 1)")
		}
	},
	"delete and close the gap": func(t testing.TB, l *Ledger, seq, last int64) {
		tamper(t, l, "DELETE FROM audit WHERE seq = ?", seq)
		for n := seq + 1; n <= last; n++ {
			tamper(t, l, "UPDATE audit SET seq = seq - 1 WHERE seq = ?", n)
		}
	},
	"swap": func(t testing.TB, l *Ledger, seq, _ int64) {
		other := max(seq-1, 1) + map[bool]int64{true: 1}[seq == 1]
		tamper(t, l, "UPDATE audit SET seq = -1 WHERE seq = ?", seq)
		tamper(t, l, "UPDATE audit SET seq = ? WHERE seq = ?", seq, other)
		tamper(t, l, "UPDATE audit SET seq = ? WHERE seq = -1", other)
	},
	"insert": func(t testing.TB, l *Ledger, seq, last int64) {
		tamper(t, l, "INSERT INTO audit SELECT ?, at, kind, subject, body, hash FROM audit WHERE seq = ?", last+1, seq)
	},
	"edit and hash anew": func(t testing.TB, l *Ledger, seq, _ int64) { rewrite(t, l, seq) },
	"drop a head":        func(t testing.TB, l *Ledger, _, _ int64) { tamper(t, l, "DELETE FROM audit_head") },
	"forge a checkpoint": func(t testing.TB, l *Ledger, _, _ int64) { tamper(t, l, "UPDATE checkpoints SET head = zeroblob(32)") },
	"edit a record": func(t testing.TB, l *Ledger, _, _ int64) {
		tamper(t, l, `UPDATE alerts SET record = replace(record, '"run":"', '"run":"x')`)
	},
	"edit a state": func(t testing.TB, l *Ledger, _, _ int64) { tamper(t, l, "UPDATE alerts SET state = 'closed'") },
	"edit a field": func(t testing.TB, l *Ledger, _, _ int64) { tamper(t, l, "UPDATE alerts SET search_name = 'x'") },
	"edit an alert": func(t testing.TB, l *Ledger, _, _ int64) {
		tamper(t, l, "UPDATE alerts SET alert = CAST(alert || ' ' AS BLOB)")
	},
	"edit a link": func(t testing.TB, l *Ledger, _, _ int64) { tamper(t, l, "UPDATE alerts SET derived = 'x'") },
	"remove an alert": func(t testing.TB, l *Ledger, _, _ int64) {
		tamper(t, l, "DELETE FROM alerts WHERE id = ?", sample(1).Alert.ID)
	},
	"add an alert": func(t testing.TB, l *Ledger, _, _ int64) {
		tamper(t, l, "INSERT INTO alerts (id, host, sid, rid, mac, search_name, received, severity, key, alert, bytes, bare, notable, seq, record, state, reason, proposal, source, actor, would, rule, cost, derived, joined, advice) SELECT id || 'x', host, sid || 'x', rid, mac, search_name, received, severity, key, alert, bytes, bare, notable, seq, record, state, reason, proposal, source, actor, would, rule, cost, derived, joined, advice FROM alerts LIMIT 1")
	},
}

// rewrite is what somebody does who knows how entries are hashed, and has no key.
func rewrite(t testing.TB, l *Ledger, seq int64) {
	t.Helper()
	var entries []audit.Entry
	var before audit.Hash
	view(t, l, func(tx *Tx) error {
		return tx.EachEntry(0, func(e *audit.Entry, own audit.Hash) error {
			if e.Seq < seq {
				before = own
				return nil
			}
			one := *e
			one.Body = bytes.Clone(e.Body)
			entries = append(entries, one)
			return nil
		})
	})
	entries[0].Body = append(entries[0].Body, ' ')
	for i := range entries {
		e := &entries[i]
		before = e.Hash(before)
		tamper(t, l, "UPDATE audit SET body = ?, hash = ? WHERE seq = ?", e.Body, before[:], e.Seq)
	}
	tamper(t, l, "UPDATE audit_head SET hash = ?", before[:])
}

// TestEveryMutationIsFound: whatever single thing is done to the file of a stopped worker, verify finds it.
func TestEveryMutationIsFound(t *testing.T) {
	t.Parallel()
	names := make([]string, 0, len(mutations))
	for name := range mutations {
		names = append(names, name)
	}
	rapid.Check(t, func(rt *rapid.T) {
		l, err := Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		heads := build(rt, t, l)
		last := heads[len(heads)-1].Seq
		holds(t, l, heads...)
		name := rapid.SampledFrom(names).Draw(rt, "mutation")
		seq := rapid.Int64Range(1, last).Draw(rt, "entry")
		mutations[name](t, l, seq, last)
		v := verify(t, l)
		if len(v.Faults) == 0 {
			rt.Fatalf("%s of entry %d of %d is not found", name, seq, last)
		}
		if strings.HasPrefix(name, "flip") && v.Faults[0].Entry != seq {
			rt.Fatalf("%s of entry %d is told as %v", name, seq, v.Faults[0])
		}
		if v.Faults[0].Text == "" || v.Faults[0].Entry == 0 && v.Faults[0].Subject == "" && name != "drop a head" && seq > 1 && last > 1 && v.Last > 0 {
			rt.Fatalf("%s: %v names nothing", name, v.Faults[0])
		}
	})
}

// TestOlderCopyIsFound: a whole file put back is good in itself. Only a head that was told elsewhere tells.
func TestOlderCopyIsFound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		dir := t.TempDir()
		l, err := Open(t.Context(), filepath.Join(dir, "ledger.db"))
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		build(rt, t, l)
		old := filepath.Join(dir, "old.db")
		if _, err := l.conn.ExecContext(t.Context(), "VACUUM INTO ?", old); err != nil {
			rt.Fatal(err)
		}
		add(t, l, sample(900), winnow.StateEscalated)
		head := sign(t, l, noon.Add(24*time.Hour))
		holds(t, l, head)
		back, err := Open(t.Context(), old)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = back.Close() }()
		holds(t, back)
		if v := verify(t, back, head); len(v.Faults) == 0 || v.Faults[0].Entry != v.Last+1 {
			rt.Fatalf("%v", v.Faults)
		}
		// It went on from there: another chain of the same length.
		add(t, back, sample(901), winnow.StateClosed)
		if v := verify(t, back, head); len(v.Faults) == 0 {
			rt.Fatal("the other chain is not found")
		}
	})
}

func TestCheckpointsOfOthers(t *testing.T) {
	l := openNew(t)
	add(t, l, sample(1), winnow.StateClosed)
	mine := sign(t, l, noon)
	other, err := audit.NewSigner(bytes.Repeat([]byte{6}, audit.SeedSize))
	if err != nil {
		t.Fatal(err)
	}
	theirs := other.Sign(900, audit.Hash{}, noon)
	if v := holds(t, l, mine, theirs); v.Outside != 1 || v.Foreign != 1 {
		t.Errorf("%+v", v)
	}
	if v := verify(t, l, theirs); len(v.Faults) != 1 || !strings.Contains(v.Faults[0].Text, "none of the checkpoints") {
		t.Errorf("%v", v.Faults)
	}
	if again := sign(t, l, noon); again.Seq != 0 {
		t.Error("the same head was signed twice")
	}
}

func TestPruneAuditAtACheckpoint(t *testing.T) {
	l := openNew(t)
	var heads []audit.Checkpoint
	day := 24 * time.Hour
	var kept, gone audit.Hash
	for n := range 6 {
		at := noon.Add(time.Duration(n) * day)
		update(t, l, func(tx *Tx) error {
			e := sample(n)
			e.Alert.Received = at
			rec := recordOf(e, winnow.StateEscalated)
			rec.Outcome.Time = at
			hash, err := tx.Archive(fmt.Append(nil, "rules of day ", n))
			switch n {
			case 0:
				gone = hash
			case 3:
				kept = hash
			}
			return errors.Join(err, tx.Note(audit.KindRules, at.UnixMicro(), audit.Change{New: fmt.Sprint(n), Content: hash}), tx.Add(e, rec))
		})
		heads = append(heads, sign(t, l, at))
	}
	var removed int64
	prune := func(before time.Time, limit int64) {
		update(t, l, func(tx *Tx) (err error) {
			removed, err = tx.PruneAudit(before, noon.Add(7*day), limit)
			return err
		})
	}
	prune(noon, 1000)
	if removed != 0 {
		t.Errorf("%d entries are older than the oldest", removed)
	}
	for range 2 { // in steps, and whole after each
		prune(noon.Add(4*day), 2)
		if removed != 2 {
			t.Errorf("%d of at most 2 entries", removed)
		}
		holds(t, l, heads...)
	}
	prune(noon.Add(4*day), 1000)
	if removed != heads[3].Seq-4 {
		t.Errorf("%d entries removed, want %d", removed, heads[3].Seq-4)
	}
	sign(t, l, noon.Add(8*day))
	v := holds(t, l, heads...)
	if v.First != heads[3].Seq+1 || v.Older != 4 || v.Outside != 3 {
		t.Errorf("%+v", v)
	}
	view(t, l, func(tx *Tx) error {
		was, err := tx.InForce(audit.KindRules, v.First)
		if was.Content != kept || was.New != "3" {
			t.Errorf("what was in force at the beginning: %+v", was)
		}
		_, noErr := tx.Archived(gone)
		if !errors.Is(noErr, ErrNotArchived) {
			t.Errorf("what nothing refers to: %v", noErr)
		}
		_, keptErr := tx.Archived(kept)
		return errors.Join(err, keptErr)
	})
	tamper(t, l, "DELETE FROM audit WHERE seq = ?", v.First)
	if v := verify(t, l); len(v.Faults) == 0 {
		t.Error("one entry more was cut off, and not found")
	}
}

// TestPruneAuditInSteps: wherever it stops, as a worker that is killed does, the chain holds, also from
// another opening of the file, and what somebody does to the first entries is found.
func TestPruneAuditInSteps(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		l, err := Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		heads := build(rt, t, l)
		for range rapid.IntRange(1, 4).Draw(rt, "steps") {
			limit := rapid.Int64Range(1, 4).Draw(rt, "limit")
			update(t, l, func(tx *Tx) error {
				n, err := tx.PruneAudit(noon.AddDate(1, 0, 0), noon.AddDate(1, 0, 0), limit)
				if n > limit {
					rt.Fatalf("%d entries removed, at most %d", n, limit)
				}
				return err
			})
			holds(t, l, heads...)
			if l.RecheckAudit(t.Context()); l.Unaudited() != nil {
				rt.Fatal(l.Unaudited())
			}
		}
		first := holds(t, l, heads...).First
		if first == 1 {
			return // nothing was old enough
		}
		name := rapid.SampledFrom([]string{"cut", "edit", "say more", "put back"}).Draw(rt, "mutation")
		switch name {
		case "cut":
			tamper(t, l, "DELETE FROM audit WHERE seq = ?", first)
		case "edit":
			tamper(t, l, "UPDATE audit SET at = at + 1 WHERE seq = ?", first)
		case "say more":
			tamper(t, l, "UPDATE audit SET body = replace(body, '\"through\":', '\"through\":1') WHERE kind = 'retention'")
		case "put back":
			tamper(t, l, "INSERT INTO audit SELECT seq - 1, at, kind, subject, body, hash FROM audit WHERE seq = ?", first)
		}
		if v := verify(t, l, heads...); len(v.Faults) == 0 {
			rt.Fatalf("%s of entry %d is not found", name, first)
		}
	})
}

func TestArchive(t *testing.T) {
	l := openNew(t)
	for _, body := range [][]byte{nil, {}, []byte("x"), bytes.Repeat([]byte("allow "), 10_000)} {
		var hash audit.Hash
		update(t, l, func(tx *Tx) (err error) {
			hash, err = tx.Archive(body)
			again, againErr := tx.Archive(body)
			if again != hash {
				t.Error("the same content has two hashes")
			}
			return errors.Join(err, againErr)
		})
		view(t, l, func(tx *Tx) error {
			got, err := tx.Archived(hash)
			if diff := cmp.Diff(string(body), string(got)); diff != "" {
				t.Error(diff)
			}
			return err
		})
	}
	tamper(t, l, "UPDATE archive SET body = x'00' WHERE length(body) > 1")
	if v := verify(t, l); len(v.Faults) != 1 || v.Archived != 3 {
		t.Errorf("%+v", v)
	}
}
