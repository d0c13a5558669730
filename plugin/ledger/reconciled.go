package ledger

import (
	"time"

	"github.com/winnow-soc/winnow"
)

// Rebuilt is an alert whose row was read back from Splunk, because its delivery was missing.
type Rebuilt struct {
	ID      string
	Key     winnow.Key
	Content string // says what the row holds, without what Splunk writes differently in other places
}

// AddRebuilt notes that an alert was rebuilt.
func (t *Tx) AddRebuilt(r Rebuilt) error {
	return t.exec("INSERT OR IGNORE INTO rebuilt (id, host, sid, rid, content, claimed) VALUES (?,?,?,?,?,'')",
		r.ID, r.Key.Host, r.Key.SID, r.Key.RID, r.Content)
}

// AnyRebuilt reports whether an alert was ever rebuilt.
func (t *Tx) AnyRebuilt() (bool, error) {
	var one int
	return t.get("SELECT 1 FROM rebuilt LIMIT 1", nil, &one)
}

// ClaimRebuilt returns the rebuilt alert that a row delivered late is about, "" when there is none, and
// notes that the row has it: each row has one, and each of them one row. Rows of one firing are told
// apart by what they hold; with exact the rid has to be the same too.
func (t *Tx) ClaimRebuilt(k winnow.Key, content string, exact bool) (id string, err error) {
	claim := k.RID + "\x00" + k.MAC
	found, err := t.get("SELECT id FROM rebuilt WHERE sid = ? AND claimed = ?", []any{k.SID, claim}, &id)
	if err != nil || found {
		return id, err
	}
	found, err = t.get(`SELECT id FROM rebuilt WHERE sid = ? AND content = ? AND claimed = '' AND (NOT ? OR rid = ?)
 ORDER BY rid = ? DESC, id LIMIT 1`, []any{k.SID, content, exact, k.RID, k.RID}, &id)
	if err != nil || !found {
		return "", err
	}
	return id, t.exec("UPDATE rebuilt SET claimed = ? WHERE id = ?", claim, id)
}

// FiredRows returns the alerts that one firing of a search has, but for those of ad-hoc runs: their sid is
// text of a row. suffix is what the rids of a real-time search's firing end with, "" for others.
func (t *Tx) FiredRows(sid, suffix string) ([]string, error) {
	return t.ids(`SELECT id FROM alerts WHERE sid = ? AND (? = '' OR substr(rid, -length(?)) = ?)
 AND coalesce(json_extract(alert, '$.adhoc'), 0) = 0 ORDER BY id`, sid, suffix, suffix, suffix)
}

// DeliveredRows counts the alerts of [Tx.FiredRows] that were delivered: those that are only rebuilt say
// nothing about the others of their firing.
func (t *Tx) DeliveredRows(sid, suffix string) (n int, err error) {
	_, err = t.get(`SELECT count(*) FROM alerts WHERE sid = ? AND (? = '' OR substr(rid, -length(?)) = ?)
 AND coalesce(json_extract(alert, '$.adhoc'), 0) = 0
 AND NOT EXISTS (SELECT 1 FROM rebuilt WHERE rebuilt.id = alerts.id AND claimed = '')`, []any{sid, suffix, suffix, suffix}, &n)
	return n, err
}

// ImportedRows returns how many rows a spool record had, and whether it was imported.
func (t *Tx) ImportedRows(spoolID string) (rows int, found bool, err error) {
	found, err = t.get("SELECT rows FROM imports WHERE id = ?", []any{spoolID}, &rows)
	return rows, found, err
}

// Reconciled reports whether a firing that was missing has been dealt with.
func (t *Tx) Reconciled(sid string) (bool, error) {
	var one int
	return t.get("SELECT 1 FROM reconciled WHERE sid = ?", []any{sid}, &one)
}

// MarkReconciled notes that a firing that was missing has been dealt with. sid is as splunkd logs it.
func (t *Tx) MarkReconciled(sid, reason string, at time.Time) error {
	return t.exec("INSERT OR IGNORE INTO reconciled (sid, reason, at) VALUES (?,?,?)", sid, reason, micro(at))
}

// pruneReconciled forgets firings of which Splunk cannot tell any more, and rows that no late delivery
// can be about.
func (t *Tx) pruneReconciled(before time.Time) error {
	if err := t.exec("DELETE FROM reconciled WHERE at < ?", micro(before)); err != nil {
		return err
	}
	return t.exec("DELETE FROM rebuilt WHERE NOT EXISTS (SELECT 1 FROM alerts WHERE alerts.id = rebuilt.id)")
}
