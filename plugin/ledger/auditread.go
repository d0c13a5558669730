package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/audit"
)

// EachEntry calls f with every audit entry behind a number, in order, and with the hash that it says.
// Memory does not grow with the chain. What f is given is valid during the call.
func (t *Tx) EachEntry(after int64, f func(e *audit.Entry, own audit.Hash) error) error {
	return t.entries(f, "SELECT seq, at, kind, subject, body, hash FROM audit WHERE seq > ? ORDER BY seq", after)
}

// EntriesOf calls f with the entries about one alert, in order.
func (t *Tx) EntriesOf(id string, f func(e *audit.Entry, own audit.Hash) error) error {
	return t.entries(f, "SELECT seq, at, kind, subject, body, hash FROM audit WHERE subject = ? AND subject <> '' ORDER BY seq", id)
}

// LastNote returns the last entry of a kind that is about no alert, and comes before a number; 0 is the
// end. found is false when there is none.
func (t *Tx) LastNote(kind audit.Kind, before int64) (last audit.Entry, found bool, err error) {
	if before <= 0 {
		before = maxTime
		for _, e := range slices.Backward(t.audited) {
			if e.Kind == kind && e.Subject == "" {
				return e, true, nil // of this transaction itself
			}
		}
	}
	err = t.entries(func(e *audit.Entry, _ audit.Hash) error {
		last, found = *e, true
		last.Body = slices.Clone(e.Body)
		return nil
	}, "SELECT seq, at, kind, subject, body, hash FROM audit WHERE kind = ? AND subject = '' AND seq < ? ORDER BY seq DESC LIMIT 1", string(kind), before)
	return last, found, err
}

func (t *Tx) entries(f func(e *audit.Entry, own audit.Hash) error, query string, args ...any) error {
	return t.each(query, args, func(scan func(...any) error) error {
		var e audit.Entry
		var hash []byte
		if err := scan(&e.Seq, &e.At, &e.Kind, &e.Subject, &e.Body, &hash); err != nil {
			return &audit.Fault{Text: "an entry of the audit chain cannot be read: " + err.Error()}
		}
		var own audit.Hash
		if len(hash) == len(own) {
			copy(own[:], hash) // any other is no hash at all, and found to be wrong
		}
		return f(&e, own)
	})
}

// Checkpoints returns the signed heads behind a number, in order.
func (t *Tx) Checkpoints(after int64) (out []audit.Checkpoint, err error) {
	err = t.each("SELECT seq, at, head, key, signature FROM checkpoints WHERE seq > ? ORDER BY seq", []any{after}, func(scan func(...any) error) error {
		var c audit.Checkpoint
		var at int64
		var head, key, signature []byte
		if err := scan(&c.Seq, &at, &head, &key, &signature); err != nil {
			return err
		}
		c.At = time.UnixMicro(at).UTC()
		copy(c.Head[:], head)
		copy(c.Key[:], key)
		copy(c.Signature[:], signature)
		out = append(out, c)
		return nil
	})
	return out, err
}

// AuditHeads returns the head that is kept apart from the chain, for comparison with its end.
func (t *Tx) AuditHeads() (seq int64, hash audit.Hash, err error) {
	h, err := t.readHead()
	return h.seq, h.hash, err
}

// audited is what the chain says of an alert, as the tables have it.
type auditedRow struct {
	id     string
	n      int64
	alert  audit.Hash
	links  audit.Hash
	record []byte
	rec    winnow.Record
	bare   int64 // its fields are past retention, see bareUntold

	// Columns that repeat what the record says.
	state, reason, proposal, source, actor, would, rule string
}

func (a *auditedRow) body() audit.Record {
	o := &a.rec.Outcome
	return audit.Record{
		Actor: o.Actor, Alert: a.alert, Links: a.links, N: a.n, Reason: string(o.Reason), Record: recordHash(a.record),
		State: string(o.State), Would: string(o.Would),
	}
}

const auditedColumns = "SELECT id, " + alertColumns + ", seq, record, derived, joined, advice, state, reason, proposal, source, actor, would, rule, bare FROM alerts"

func (t *Tx) auditedAlerts(after string, limit int) ([]auditedRow, error) {
	return t.auditedRows(auditedColumns+" WHERE id > ? ORDER BY id LIMIT ?", after, limit)
}

func (t *Tx) auditedAlert(id string) ([]auditedRow, error) {
	return t.auditedRows(auditedColumns+" WHERE id = ?", id)
}

func (t *Tx) auditedRows(query string, args ...any) (out []auditedRow, err error) {
	err = t.each(query, args, func(scan func(...any) error) error {
		var a auditedRow
		var k winnow.Key
		var search string
		var received int64
		var severity winnow.Severity
		var key, body []byte
		var links Links
		err := scan(&a.id, &k.Host, &k.SID, &k.RID, &k.MAC, &search, &received, &severity, &key, &body, &a.n, &a.record,
			&links.Derived, &links.Joined, &links.Advice, &a.state, &a.reason, &a.proposal, &a.source, &a.actor, &a.would, &a.rule, &a.bare)
		if err != nil {
			return err
		}
		a.alert, a.links = alertHash(k, search, received, severity, key, body), links.hash()
		_ = json.Unmarshal(a.record, &a.rec) // what cannot be read differs from what its columns say
		out = append(out, a)
		return nil
	})
	return out, err
}

// VerifyAlerts holds the alerts against the chain: f is called with each whose record, history, alert or
// links are not what was audited, that has no entry, or that has entries and is gone. n is how many
// alerts it looked at. Memory does not grow with the ledger.
func (t *Tx) VerifyAlerts(f func(*audit.Fault) error) (n int, err error) {
	first, err := t.begins()
	if err != nil {
		return 0, err
	}
	for after := ""; ; {
		alerts, err := t.auditedAlerts(after, adoptBatch)
		if err != nil {
			return n, err
		}
		for i := range alerts {
			after = alerts[i].id
			n++
			if err := t.verifyAlert(&alerts[i], first, f); err != nil {
				return n, err
			}
		}
		if len(alerts) < adoptBatch {
			return n, t.verifyGone(f)
		}
	}
}

// begins returns where the chain begins: the first entry that there is, and what time the entries before it
// reached.
func (t *Tx) begins() (e audit.Entry, err error) {
	e, err = t.firstEntry()
	if err != nil || e.Seq <= 1 {
		return e, err
	}
	removed, err := t.removed()
	e.At = max(e.At, removed.Until)
	return e, err
}

// firstEntry returns number and time of the first entry that there is.
func (t *Tx) firstEntry() (e audit.Entry, err error) {
	_, err = t.get("SELECT seq, at FROM audit ORDER BY seq LIMIT 1", nil, &e.Seq, &e.At)
	return e, err
}

func (t *Tx) verifyAlert(a *auditedRow, begin audit.Entry, f func(*audit.Fault) error) error {
	said := map[int64]audit.Record{}
	var first, last audit.Record
	seen := false
	var alert audit.Hash
	err := t.EntriesOf(a.id, func(e *audit.Entry, _ audit.Hash) error {
		switch e.Kind {
		case audit.KindRecord, audit.KindLate, audit.KindAdopted:
		default:
			return nil
		}
		last = audit.Record{}
		if err := json.Unmarshal(e.Body, &last); err != nil {
			return nil //nolint:nilerr // the chain itself shows that it was changed
		}
		if said[last.N] = last; !seen {
			first, seen = last, true
		}
		if !last.Alert.IsZero() {
			alert = last.Alert
		}
		return nil
	})
	if err != nil {
		return err
	}
	bad := func(format string, args ...any) error {
		return f(&audit.Fault{Subject: a.id, Text: fmt.Sprintf(format, args...)})
	}
	if !seen && begin.Seq > 1 && micro(a.rec.Outcome.Time) <= begin.At {
		return nil // its entries are past retention
	}
	if !seen {
		return bad("no entry of the audit chain tells of it")
	}
	switch now := a.body(); {
	case now.N != last.N:
		err = bad("its record %d is the current one, and the chain ends with %d", now.N, last.N)
	case now.Record != last.Record || now.State != last.State:
		err = bad("its record is not what was audited")
	case now.Links != last.Links:
		err = bad("what it was derived from, joined or recommends is not what was audited")
	case !a.withoutFields() && (begin.Seq == 1 || !alert.IsZero()) && now.Alert != alert:
		err = bad("its own fields are not those that came in")
	case !a.consistent():
		err = bad("its columns are not those of its record")
	}
	return errors.Join(err, t.verifyHistory(a.id, first.N, said, f))
}

// withoutFields reports whether the alert has lost its fields to retention. What is left of it is not compared with
// what came in, but with what retention says it left, see verifyFields. Before that was told, it happened
// only to what a rule closed and nobody touched since.
func (a *auditedRow) withoutFields() bool {
	if a.bare > bareUntold {
		return true
	}
	return a.bare > 0 && a.state == string(winnow.StateClosed) && a.source == string(winnow.SourceRule)
}

// consistent compares the columns that are searched with the record that they repeat.
func (a *auditedRow) consistent() bool {
	r := &a.rec
	return a.id == r.ID && a.state == string(r.Outcome.State) && a.reason == string(r.Outcome.Reason) && a.actor == r.Outcome.Actor &&
		a.would == string(r.Outcome.Would) && a.rule == r.Proposal.Rule && a.proposal == string(r.Proposal.Kind) && a.source == string(r.Verdict.Source)
}

// verifyHistory looks at the records that an alert had, from the first one on that the chain tells of.
func (t *Tx) verifyHistory(id string, first int64, said map[int64]audit.Record, f func(*audit.Fault) error) error {
	found := 0
	err := t.each("SELECT seq, record FROM history WHERE id = ?", []any{id}, func(scan func(...any) error) error {
		var n int64
		var body []byte
		if err := scan(&n, &body); err != nil {
			return err
		}
		if n < first {
			return nil
		}
		found++
		if r, ok := said[n]; !ok || r.Record != recordHash(body) {
			return f(&audit.Fault{Subject: id, Text: fmt.Sprintf("record %d of its history is not what was audited", n)})
		}
		return nil
	})
	if err == nil && found < len(said)-1 {
		err = f(&audit.Fault{Subject: id, Text: "a record of its history is missing"})
	}
	return err
}

// verifyGone finds the alerts that are gone although nothing says that they were past retention.
func (t *Tx) verifyGone(f func(*audit.Fault) error) error {
	removed, err := t.removedUntil()
	if err != nil {
		return err
	}
	const gone = `SELECT subject, max(seq) FROM audit WHERE subject > ? AND subject <> ''
 AND NOT EXISTS (SELECT 1 FROM alerts WHERE id = subject) GROUP BY subject ORDER BY subject`
	return t.each(gone, []any{""}, func(scan func(...any) error) error {
		var id string
		var seq int64
		if err := scan(&id, &seq); err != nil {
			return err
		}
		if received, err := idMillis(id); err == nil && received <= removed/1000 {
			return nil
		}
		return f(&audit.Fault{Subject: id, Text: fmt.Sprintf("the chain tells of it, up to entry %d, and it is not in the ledger", seq)})
	})
}

// removedUntil returns when the newest alert was received that retention says it has removed.
func (t *Tx) removedUntil() (until int64, err error) {
	err = t.entries(func(e *audit.Entry, _ audit.Hash) error {
		var r audit.Retention
		if json.Unmarshal(e.Body, &r) == nil && r.Alerts > 0 {
			until = max(until, r.Received)
		}
		return nil
	}, "SELECT seq, at, kind, subject, body, hash FROM audit WHERE kind = ? AND subject = ''", string(audit.KindRetention))
	return until, err
}

// idMillis returns the time inside an alert's ID: the first ten characters of a ULID, milliseconds
// since 1970.
func idMillis(id string) (ms int64, err error) {
	const digits = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
	if len(id) != 26 {
		return 0, fmt.Errorf("%q is no alert ID", id)
	}
	for i := range 10 {
		d := strings.IndexByte(digits, id[i])
		if d < 0 {
			return 0, fmt.Errorf("%q is no alert ID", id)
		}
		ms = ms<<5 | int64(d)
	}
	return ms, nil
}

// VerifyAlert holds one alert against the chain, as [Tx.VerifyAlerts] does.
func (t *Tx) VerifyAlert(id string, f func(*audit.Fault) error) error {
	first, err := t.begins()
	if err != nil {
		return err
	}
	rows, err := t.auditedAlert(id)
	if err != nil || len(rows) == 0 {
		return errors.Join(err, f(&audit.Fault{Subject: id, Text: "it is not in the ledger"}))
	}
	return errors.Join(t.verifyAlert(&rows[0], first, f), t.verifyOwnFields(&rows[0], first, f))
}

// CoverEntries walks from one entry to the first checkpoint at or behind another, holds all in between
// against their hashes, and returns that checkpoint; its number is 0 when there is none yet.
func (t *Tx) CoverEntries(key audit.Key, from, to int64) (c audit.Checkpoint, faults []*audit.Fault, err error) {
	chain := audit.Chain{Key: key}
	if chain.Inside, err = t.Checkpoints(from - 2); err != nil {
		return c, nil, err
	}
	if from > 1 {
		start, err := t.hashOf(from - 1)
		if err != nil {
			return c, nil, err
		}
		removed, err := t.removed()
		if err != nil {
			return c, nil, err
		}
		chain.Removed, chain.RemovedHead = removed.Through, removed.Head
		if !start.IsZero() { // else it is the first there is
			chain.Resume(from-1, start)
			chain.Inside, err = t.Checkpoints(from - 1)
			if err != nil {
				return c, nil, err
			}
		}
	}
	err = t.EachEntry(from-1, func(e *audit.Entry, own audit.Hash) error {
		faults = append(faults, chain.Add(e, own)...)
		if chain.Covered.Seq >= to {
			return errEnough
		}
		return nil
	})
	if err != nil && !errors.Is(err, errEnough) {
		return c, faults, err
	}
	if chain.Covered.Seq >= to {
		c = chain.Covered
	}
	return c, faults, nil
}

func (t *Tx) hashOf(seq int64) (h audit.Hash, err error) {
	var raw []byte
	_, err = t.get("SELECT hash FROM audit WHERE seq = ?", []any{seq}, &raw)
	copy(h[:], raw)
	return h, err
}

// AuditGaps returns how many alerts have a last record that the chain does not tell of, because it could not
// be written; see [Ledger.RecheckAudit].
func (t *Tx) AuditGaps() (n int, err error) {
	_, err = t.get("SELECT count(*) FROM audit_gaps", nil, &n)
	return n, err
}
