package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/audit"
)

// ErrUnaudited is wrapped by the error of what does not happen because it cannot be audited: a close, or
// a person's word that puts something back into force. What raises an alert always happens.
var ErrUnaudited = errors.New("it cannot be audited, so it is not done")

// auditHead is the last entry of the chain. The zero value is before the first.
type auditHead struct {
	seq  int64
	at   int64
	hash audit.Hash
}

// auditor is what the one writer knows of the chain.
type auditor struct {
	mu     sync.Mutex
	head   auditHead
	broken error

	idle bool // for the benchmark that tells what auditing costs
}

func (a *auditor) committed(h auditHead) {
	if h.seq == 0 {
		return
	}
	a.mu.Lock()
	a.head = h
	a.mu.Unlock()
}

func (a *auditor) state() (auditHead, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.head, a.broken
}

func (a *auditor) set(h auditHead, broken error) {
	a.mu.Lock()
	a.head, a.broken = h, broken
	a.mu.Unlock()
}

// fail notes that the chain cannot go on.
func (a *auditor) fail(err error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.broken == nil {
		a.broken = err
	}
	return err
}

// Unaudited says why nothing can be audited, nil when all can. It is set by the first entry that could
// not be written, or by a chain that is not as it was left, and lasts until [Ledger.RecheckAudit] finds
// all in order. Until then nothing closes, and records say that they are unaudited. Safe for concurrent
// use.
func (l *Ledger) Unaudited() error {
	_, broken := l.audit.state()
	return broken
}

// audits reports whether entries can be written, as far as is known.
func (l *Ledger) audits() bool { return l.Unaudited() == nil }

// FailAudit notes from outside that what decisions rest on cannot be kept, see [Ledger.Unaudited].
func (l *Ledger) FailAudit(err error) { _ = l.audit.fail(err) }

// AuditHead returns the number of the last entry, 0 when there is none. Safe for concurrent use.
func (l *Ledger) AuditHead() int64 {
	head, _ := l.audit.state()
	return head.seq
}

// Note audits what is not in the ledger itself: another configuration, the stop switch. at is in the
// unit of [audit.Entry]. Where nothing can be audited it returns ErrUnaudited: whoever only raises
// alerts by it goes on.
func (t *Tx) Note(kind audit.Kind, at int64, body any) error {
	if broken := t.l.Unaudited(); broken != nil {
		return fmt.Errorf("%w: %w", ErrUnaudited, broken)
	}
	return t.note(kind, "", at, body)
}

// note puts an entry behind those that the transaction has. It does nothing where nothing can be audited.
func (t *Tx) note(kind audit.Kind, subject string, at int64, body any) error {
	if t.l.audit.idle || !t.l.audits() {
		return nil
	}
	text, err := audit.Canonical(body)
	if err != nil {
		return fmt.Errorf("ledger: %w", err)
	}
	t.audited = append(t.audited, audit.Entry{At: at, Kind: kind, Subject: subject, Body: text})
	return nil
}

// mayClose refuses a close that cannot be audited, and marks any other record that cannot be.
func (t *Tx) mayClose(r *winnow.Record) error {
	broken := t.l.Unaudited()
	if r.Outcome.Unaudited = broken != nil; !r.Outcome.Unaudited {
		return nil
	}
	if r.Outcome.State == winnow.StateClosed {
		return fmt.Errorf("close alert %s: %w: %w", r.ID, ErrUnaudited, broken)
	}
	if err := t.exec("INSERT OR IGNORE INTO audit_gaps (id) VALUES (?)", r.ID); err != nil {
		return t.ctx.Err() // nobody needs the note more than the alert
	}
	return nil
}

// noteRecord audits the record that an alert has now. stored is its JSON, and alert the hash of the alert
// with its first record.
func (t *Tx) noteRecord(r *winnow.Record, stored []byte, n int64, alert audit.Hash, links Links) error {
	o := &r.Outcome
	at := micro(o.Time)
	if at == 0 {
		at = micro(r.Time)
	}
	return t.note(audit.KindRecord, r.ID, at, audit.Record{
		Actor: o.Actor, Alert: alert, Links: links.hash(), N: n, Reason: string(o.Reason), Record: recordHash(stored),
		State: string(o.State), Would: string(o.Would),
	})
}

// costKey begins the last part of a record's JSON.
var costKey = []byte(`,"cost":{`)

// recordHash is the hash of a record's JSON without its cost, which goes on being booked after the
// outcome. Where anything but plain numbers stands there, it is the hash of all.
func recordHash(stored []byte) audit.Hash {
	i := bytes.LastIndex(stored, costKey)
	if i < 0 {
		return sha256.Sum256(stored)
	}
	numbers, ends := bytes.CutSuffix(stored[i+len(costKey):], []byte("}}"))
	if !ends || bytes.ContainsFunc(numbers, func(r rune) bool { return !strings.ContainsRune(costRunes, r) }) {
		return sha256.Sum256(stored)
	}
	return sha256.Sum256(append(stored[:i:i], '}'))
}

// costRunes are the characters of names and whole numbers.
const costRunes = `"abcdefghijklmnopqrstuvwxyz_:,-0123456789`

// hash is zero for no links.
func (k Links) hash() audit.Hash {
	if k.Derived == "" && k.Joined == "" && len(k.Advice) == 0 {
		return audit.Hash{}
	}
	return audit.Sum([]byte(k.Derived), []byte(k.Joined), k.Advice)
}

// alertColumns are those of an alert that never change, in the order of its hash.
const alertColumns = "host, sid, rid, mac, search_name, received, severity, key, alert"

// alertHash is the hash of an alert as it came in.
func alertHash(k winnow.Key, search string, received int64, severity winnow.Severity, key, body []byte) audit.Hash {
	return audit.Sum([]byte(k.Host), []byte(k.SID), []byte(k.RID), []byte(k.MAC), []byte(search),
		fmt.Appendf(nil, "%d %d", received, severity), key, body)
}

// rowsAtOnce is how many entries go into the file with one statement.
const rowsAtOnce = 40

// writeAudit chains the entries of the transaction to those before. When that fails the transaction
// does, and nothing is audited until [Ledger.RecheckAudit].
func (t *Tx) writeAudit() error {
	if len(t.audited) == 0 || !t.l.audits() {
		return nil
	}
	err := t.chain()
	if err == nil || t.ctx.Err() != nil {
		return err
	}
	return fmt.Errorf("ledger: %w: %w", ErrUnaudited, t.l.audit.fail(err))
}

func (t *Tx) chain() error {
	head, err := t.readHead()
	if err != nil {
		return err
	}
	if known, _ := t.l.audit.state(); known.seq > 0 && known != head {
		return fmt.Errorf("the audit chain of %s was changed by somebody else: it ended with entry %d, and now ends with entry %d", t.l.path, known.seq, head.seq)
	}
	entries := t.audited
	if head.seq == 0 {
		before, err := t.adopt(entries)
		if err != nil {
			return err
		}
		entries = append(before, entries...)
	}
	hashes := make([]audit.Hash, len(entries))
	for i := range entries {
		e := &entries[i]
		e.Seq = head.seq + 1
		head = auditHead{e.Seq, e.At, e.Hash(head.hash)}
		hashes[i] = head.hash
	}
	for from := 0; from < len(entries); from += rowsAtOnce {
		to := min(from+rowsAtOnce, len(entries))
		if err := t.insertEntries(entries[from:to], hashes[from:to]); err != nil {
			return err
		}
	}
	t.head, t.audited = head, nil
	return t.exec("INSERT OR REPLACE INTO audit_head (one, seq, at, hash) VALUES (1,?,?,?)", head.seq, head.at, head.hash[:])
}

var (
	insertOne  = "INSERT INTO audit (seq, at, kind, subject, body, hash) VALUES (?,?,?,?,?,?)"
	insertMany = insertOne + strings.Repeat(", (?,?,?,?,?,?)", rowsAtOnce-1)
)

func (t *Tx) insertEntries(entries []audit.Entry, hashes []audit.Hash) error {
	args := make([]any, 0, 6*rowsAtOnce)
	for i := range entries {
		e := &entries[i]
		args = append(args, e.Seq, e.At, string(e.Kind), e.Subject, e.Body, hashes[i][:])
		if len(entries) < rowsAtOnce {
			if err := t.exec(insertOne, args...); err != nil {
				return err
			}
			args = args[:0]
		}
	}
	if len(args) > 0 {
		return t.exec(insertMany, args...)
	}
	return nil
}

// readHead returns the last entry as it is kept apart from the chain.
func (t *Tx) readHead() (h auditHead, err error) {
	var hash []byte
	found, err := t.get("SELECT seq, at, hash FROM audit_head WHERE one = 1", nil, &h.seq, &h.at, &hash)
	if err != nil {
		return h, err
	}
	if found && (len(hash) != len(h.hash) || h.seq < 1) {
		return h, errors.New("the head of the audit chain is damaged")
	}
	copy(h.hash[:], hash)
	if !found {
		var one int
		if some, err := t.get("SELECT 1 FROM audit LIMIT 1", nil, &one); err != nil || some {
			return h, errors.Join(err, errors.New("the head of the audit chain is missing"))
		}
	}
	return h, nil
}

// adoptBatch is how many alerts are adopted in one step.
const adoptBatch = 1000

// adopt returns the entries that a chain begins with: the records that were there before it, but for
// those that the transaction itself has brought in.
func (t *Tx) adopt(own []audit.Entry) ([]audit.Entry, error) {
	told := map[string]bool{}
	for i := range own {
		var r audit.Record
		if own[i].Kind == audit.KindRecord && json.Unmarshal(own[i].Body, &r) == nil && !r.Alert.IsZero() {
			told[own[i].Subject] = true
		}
	}
	at := own[0].At
	out := []audit.Entry{{At: at, Kind: audit.KindBegin}}
	for after := ""; ; {
		alerts, err := t.auditedAlerts(after, adoptBatch)
		if err != nil {
			return nil, err
		}
		for i := range alerts {
			a := &alerts[i]
			if after = a.id; told[a.id] {
				continue
			}
			body, err := audit.Canonical(a.body())
			if err != nil {
				return nil, err
			}
			out = append(out, audit.Entry{At: at, Kind: audit.KindAdopted, Subject: a.id, Body: body})
		}
		if len(alerts) < adoptBatch {
			break
		}
	}
	var err error
	out[0].Body, err = audit.Canonical(audit.Begin{Alerts: len(out) - 1})
	return out, err
}

// RecheckAudit looks whether the chain is as it was left, from the last signed checkpoint on. What could
// not be audited before is audited now, as late. It sets what [Ledger.Unaudited] says.
func (l *Ledger) RecheckAudit(ctx context.Context) {
	var head auditHead
	err := l.View(ctx, func(t *Tx) (err error) {
		head, err = t.checkTail()
		return err
	})
	if ctx.Err() != nil {
		return
	}
	if err != nil {
		_ = l.audit.fail(fmt.Errorf("the audit chain of %s is broken: %w; see `winnow ledger verify`", l.path, err))
		return
	}
	l.audit.set(head, nil)
	if err := l.Update(ctx, (*Tx).noteLate); err != nil && ctx.Err() == nil {
		_ = l.audit.fail(err)
	}
}

// checkTail walks over the entries since the last checkpoint, or since a person accepted that what is
// before is broken.
func (t *Tx) checkTail() (auditHead, error) {
	head, err := t.readHead()
	if err != nil || head.seq == 0 {
		return head, err
	}
	from, err := t.knownGood()
	if err != nil {
		return head, err
	}
	var c audit.Chain
	c.Resume(from.seq, from.hash)
	err = t.EachEntry(from.seq, func(e *audit.Entry, own audit.Hash) error {
		if faults := c.Add(e, own); len(faults) > 0 {
			return faults[0]
		}
		return nil
	})
	if err == nil && (c.Seq != head.seq || c.Head != head.hash) {
		err = fmt.Errorf("it ends with entry %d, and ended with entry %d when it was last written", c.Seq, head.seq)
	}
	return head, err
}

// knownGood returns where a check of the chain's end begins.
func (t *Tx) knownGood() (auditHead, error) {
	var h auditHead
	var raw []byte
	if _, err := t.get("SELECT seq, head FROM checkpoints ORDER BY seq DESC LIMIT 1", nil, &h.seq, &raw); err != nil {
		return h, err
	}
	copy(h.hash[:], raw)
	var accepted int64
	if _, err := t.get("SELECT seq FROM audit WHERE kind = ? AND subject = '' ORDER BY seq DESC LIMIT 1", []any{string(audit.KindAccepted)}, &accepted); err != nil {
		return h, err
	}
	if accepted <= h.seq {
		return h, nil
	}
	h.seq = accepted
	_, err := t.get("SELECT hash FROM audit WHERE seq = ?", []any{accepted}, &raw)
	copy(h.hash[:], raw)
	return h, err
}

// noteLate audits the records that could not be when they were made.
func (t *Tx) noteLate() error {
	ids, err := t.ids("SELECT id FROM audit_gaps ORDER BY id")
	if err != nil || len(ids) == 0 {
		return err
	}
	head, err := t.readHead()
	if err != nil {
		return err
	}
	if head.seq > 0 { // else they are adopted
		for _, id := range ids {
			if err := t.noteOneLate(id, head.at); err != nil {
				return err
			}
		}
	}
	return t.exec("DELETE FROM audit_gaps")
}

func (t *Tx) noteOneLate(id string, at int64) error {
	alerts, err := t.auditedAlert(id)
	if err != nil || len(alerts) == 0 {
		return err
	}
	last, err := t.lastAudited(id)
	if err != nil {
		return err
	}
	err = t.each("SELECT seq, record FROM history WHERE id = ? AND seq > ? ORDER BY seq", []any{id, last}, func(scan func(...any) error) error {
		was := auditedRow{id: id}
		if err := scan(&was.n, &was.record); err != nil {
			return err
		}
		_ = json.Unmarshal(was.record, &was.rec) // its hash is what counts
		return t.note(audit.KindLate, id, at, was.body())
	})
	if err != nil {
		return err
	}
	return t.note(audit.KindLate, id, at, alerts[0].body())
}

// lastAudited returns the number of the last record of an alert that the chain tells of, 0 for none.
func (t *Tx) lastAudited(id string) (n int64, err error) {
	err = t.EntriesOf(id, func(e *audit.Entry, _ audit.Hash) error {
		var r audit.Record
		if json.Unmarshal(e.Body, &r) == nil {
			n = max(n, r.N)
		}
		return nil
	})
	return n, err
}

// AcceptAudit appends that a person knows of a chain that is broken, and that it goes on from here; see
// [Ledger.RecheckAudit]. at is in the unit of [audit.Entry].
func (t *Tx) AcceptAudit(at int64, by, reason string) error {
	body := audit.Accepted{Actor: by, Reason: reason}
	broken := t.l.Unaudited()
	if broken == nil { // what is broken lies before the last checkpoint
		return t.note(audit.KindAccepted, "", at, body)
	}
	body.Broken = broken.Error()
	return t.accept(at, body)
}

func (t *Tx) accept(at int64, body audit.Accepted) error {
	var head auditHead
	var hash []byte
	if _, err := t.get("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1", nil, &head.seq, &hash); err != nil {
		return err
	}
	// Behind every number that was ever used: a cut end leaves a gap that verify names.
	var last int64
	if _, err := t.get("SELECT max(coalesce((SELECT max(seq) FROM checkpoints), 0), coalesce((SELECT seq FROM audit_head), 0))", nil, &last); err != nil {
		return err
	}
	copy(head.hash[:], hash)
	text, err := audit.Canonical(body)
	if err != nil {
		return err
	}
	e := audit.Entry{Seq: max(head.seq, last) + 1, At: at, Kind: audit.KindAccepted, Body: text}
	own := e.Hash(head.hash)
	if err := t.insertEntries([]audit.Entry{e}, []audit.Hash{own}); err != nil {
		return err
	}
	return t.exec("INSERT OR REPLACE INTO audit_head (one, seq, at, hash) VALUES (1,?,?,?)", e.Seq, e.At, own[:])
}
