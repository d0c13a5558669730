package ledger

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/audit"
)

// storedAlert is an alert as kept in the file. It is apart from winnow.Alert so that the type can
// change while old files stay readable: new fields may be added here, none renamed.
type storedAlert struct {
	App      string        `json:"app,omitempty"`
	Owner    string        `json:"owner,omitempty"`
	URI      string        `json:"uri,omitempty"`
	Adhoc    bool          `json:"adhoc,omitempty"`
	Time     int64         `json:"time"`
	Fields   winnow.Fields `json:"fields"`
	Warnings []string      `json:"warnings,omitempty"`
	Job      winnow.Job    `json:"job,omitzero"` // absent in alerts of older versions
}

// Entry is what is kept of one alert beside its record.
type Entry struct {
	Alert   winnow.Alert
	Team    string // that its search belonged to when it came, "" for none
	Key     cache.Key
	Notable bool // the action has already written a notable event for it
	Links
}

// Links tie an alert's current record to others. They change with it.
type Links struct {
	Derived string // ID of the alert whose cached verdict closed this one, or ""
	Joined  string // ID of the alert whose open case this one repeats, or ""
	Advice  []byte // JSON list of the recommended actions, nil when there are none
}

// Found says what the ledger already has under a natural key.
type Found struct {
	ID      string // of the same row, or ""
	Clashes int    // other rows that claim the same host, sid and rid
}

// Find looks an alert up by its natural key.
func (t *Tx) Find(k winnow.Key) (Found, error) {
	var f Found
	err := t.each("SELECT id, mac FROM alerts WHERE sid = ? AND rid = ? AND host = ?", []any{k.SID, k.RID, k.Host},
		func(scan func(...any) error) error {
			var id, mac string
			if err := scan(&id, &mac); err != nil {
				return err
			}
			if mac == k.MAC {
				f.ID = id
			} else {
				f.Clashes++
			}
			return nil
		})
	return f, err
}

// FindRow returns the newest alert with this sid and rid from any host: what an ad-hoc run on a
// notable refers to. "" when there is none.
func (t *Tx) FindRow(sid, rid string) (id string, err error) {
	_, err = t.get("SELECT id FROM alerts WHERE sid = ? AND rid = ? ORDER BY received DESC LIMIT 1", []any{sid, rid}, &id)
	return id, err
}

// Has reports whether the ledger holds the alert.
func (t *Tx) Has(id string) (bool, error) {
	var one int
	return t.get("SELECT 1 FROM alerts WHERE id = ?", []any{id}, &one)
}

// Add stores a new alert with its first record. The caller has asked Find first. A close that cannot be
// audited is refused with ErrUnaudited, here and in Change; any other record is marked as unaudited then.
func (t *Tx) Add(e Entry, r winnow.Record) error {
	a := &e.Alert
	body, err := json.Marshal(storedAlert{
		App: a.App, Owner: a.Owner, URI: a.URI, Adhoc: a.Adhoc,
		Time: micro(a.Time), Fields: a.Fields, Warnings: a.Warnings, Job: a.Job,
	})
	if err != nil {
		return fmt.Errorf("ledger: encode alert %s: %w", a.ID, err)
	}
	if err := t.mayClose(&r); err != nil {
		return err
	}
	record, err := encodeRecord(&r)
	if err != nil {
		return err
	}
	if err := t.addEntities(a); err != nil {
		return err
	}
	t.counted(tallyOf(&e, &r), amount{1, r.Cost.MicroUSD, int64(len(body))})
	hash := alertHash(a.Key, a.SearchName, micro(a.Received), a.Severity, e.Key[:], body)
	if err := t.noteRecord(&r, record, 1, hash, e.Links); err != nil {
		return err
	}
	err = t.exec(`INSERT INTO alerts (id, host, sid, rid, mac, search_name, team, received, severity, key, alert, bytes, bare, notable,
 seq, record, state, reason, proposal, source, actor, would, rule, cost, derived, joined, advice, disposition)
 VALUES (?,?,?,?,?,?,?,?,?,?,?,?,0,?, 1,?,?,?,?,?,?,?,?,?,?,?,?,?)`,
		a.ID, a.Key.Host, a.Key.SID, a.Key.RID, a.Key.MAC, a.SearchName, e.Team, micro(a.Received), a.Severity, e.Key[:], body, len(body), e.Notable,
		record, r.Outcome.State, r.Outcome.Reason, r.Proposal.Kind, r.Verdict.Source, r.Outcome.Actor, r.Outcome.Would,
		r.Proposal.Rule, r.Cost.MicroUSD, e.Derived, e.Joined, e.Advice, r.Verdict.Disposition.String())
	if err == nil && waits(&r) {
		err = t.enterLine(a.ID, stormOf(e.Key), r.Outcome.State, r.Severity, a.Fields)
	}
	if err != nil || !hasPanel(&r) {
		return err
	}
	return t.panelChanged(a.ID, &r)
}

// Change makes r the current record of an alert and moves the one before into its history.
// The links replace what Add or an earlier Change said.
func (t *Tx) Change(r winnow.Record, links Links) (seq int64, err error) {
	seq, err = t.Seq(r.ID)
	if err != nil {
		return 0, err
	}
	if err := t.recount(r.ID, &r); err != nil {
		return 0, err
	}
	if err := t.exec("INSERT INTO history (id, seq, record) SELECT id, seq, record FROM alerts WHERE id = ?", r.ID); err != nil {
		return 0, err
	}
	if err := t.mayClose(&r); err != nil {
		return 0, err
	}
	record, err := encodeRecord(&r)
	if err != nil {
		return 0, err
	}
	seq++
	if err := t.noteRecord(&r, record, seq, audit.Hash{}, links); err != nil {
		return 0, err
	}
	err = t.exec(`UPDATE alerts SET seq=?, record=?, state=?, reason=?, proposal=?, source=?, actor=?, would=?, rule=?, cost=?,
 derived=?, joined=?, advice=?, disposition=? WHERE id=?`,
		seq, record, r.Outcome.State, r.Outcome.Reason, r.Proposal.Kind, r.Verdict.Source, r.Outcome.Actor, r.Outcome.Would,
		r.Proposal.Rule, r.Cost.MicroUSD, links.Derived, links.Joined, links.Advice, r.Verdict.Disposition.String(), r.ID)
	if err != nil {
		return 0, err
	}
	if err := t.lineChanged(&r); err != nil {
		return 0, err
	}
	return seq, t.panelChanged(r.ID, &r)
}

func encodeRecord(r *winnow.Record) ([]byte, error) {
	r.Normalize()
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("ledger: encode record %s: %w", r.ID, err)
	}
	return data, nil
}

// Seq returns the number of an alert's current record, which counts its changes.
func (t *Tx) Seq(id string) (seq int64, err error) {
	found, err := t.get("SELECT seq FROM alerts WHERE id = ?", []any{id}, &seq)
	if err == nil && !found {
		err = fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	return seq, err
}

// Alert returns what is kept of an alert.
func (t *Tx) Alert(id string) (Entry, error) {
	e := Entry{Alert: winnow.Alert{ID: id}}
	a := &e.Alert
	var received int64
	var key, body []byte
	found, err := t.get(`SELECT host, sid, rid, mac, search_name, team, received, severity, key, alert, notable, derived, joined, advice
 FROM alerts WHERE id = ?`, []any{id},
		&a.Key.Host, &a.Key.SID, &a.Key.RID, &a.Key.MAC, &a.SearchName, &e.Team, &received, &a.Severity, &key, &body, &e.Notable,
		&e.Derived, &e.Joined, &e.Advice)
	if err != nil {
		return Entry{}, err
	}
	if !found {
		return Entry{}, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	var s storedAlert
	if err := json.Unmarshal(body, &s); err != nil {
		return Entry{}, fmt.Errorf("ledger: decode alert %s: %w", id, err)
	}
	copy(e.Key[:], key)
	a.App, a.Owner, a.URI, a.Adhoc = s.App, s.Owner, s.URI, s.Adhoc
	a.Fields, a.Warnings, a.Job = s.Fields, s.Warnings, s.Job
	a.Time, a.Received = timeOf(s.Time), timeOf(received)
	return e, nil
}

// Record returns the current record of an alert.
func (t *Tx) Record(id string) (winnow.Record, error) {
	body, err := t.RecordJSON(id)
	if err != nil {
		return winnow.Record{}, err
	}
	return DecodeRecord(body)
}

// RecordJSON returns the current record of an alert as it is kept: one JSON object.
func (t *Tx) RecordJSON(id string) (body []byte, err error) {
	found, err := t.get("SELECT record FROM alerts WHERE id = ?", []any{id}, &body)
	if err == nil && !found {
		err = fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	return body, err
}

// History returns the records that an alert had before the current one, oldest first.
func (t *Tx) History(id string) ([]winnow.Record, error) {
	var out []winnow.Record
	err := t.each("SELECT record FROM history WHERE id = ? ORDER BY seq", []any{id}, func(scan func(...any) error) error {
		var body []byte
		if err := scan(&body); err != nil {
			return err
		}
		r, err := DecodeRecord(body)
		out = append(out, r)
		return err
	})
	return out, err
}

// DecodeRecord reads a record as the ledger keeps it.
func DecodeRecord(body []byte) (winnow.Record, error) {
	var r winnow.Record
	if err := json.Unmarshal(body, &r); err != nil {
		return r, fmt.Errorf("ledger: decode record: %w", err)
	}
	r.Normalize()
	return r, nil
}

// IDs returns the IDs of all alerts in the order in which they were received.
func (t *Tx) IDs() ([]string, error) { return t.ids("SELECT id FROM alerts ORDER BY id") }

// micro and timeOf convert times to the file's unit. The zero time is 0.
func micro(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

func timeOf(us int64) time.Time {
	if us == 0 {
		return time.Time{}
	}
	return time.UnixMicro(us).UTC()
}

// SetNotable notes that a notable event stands for the alert, so that no second one is written.
func (t *Tx) SetNotable(id string) error {
	return t.exec("UPDATE alerts SET notable = 1 WHERE id = ?", id)
}

// HasNotable reports whether one stands for the alert.
func (t *Tx) HasNotable(id string) (stands bool, err error) {
	_, err = t.get("SELECT notable FROM alerts WHERE id = ?", []any{id}, &stands)
	return stands, err
}

// Any reports whether the ledger holds an alert at all.
func (t *Tx) Any() (bool, error) {
	var one int
	return t.get("SELECT 1 FROM alerts LIMIT 1", nil, &one)
}
