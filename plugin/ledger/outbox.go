package ledger

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/winnow-soc/winnow/plugin/audit"
)

// Post puts a delivery into the outbox, in the same transaction as the outcome it tells of.
// Posting the same key again changes nothing. An update replaces older updates of the same alert
// that are still waiting, so that a late retry never brings back an old state. The alert's own
// fields are not copied: they are read again when the delivery is due.
func (t *Tx) Post(d Delivery, at time.Time) error {
	if d.Kind == DeliverUpdate {
		err := t.exec("UPDATE outbox SET done = ?, error = 'superseded' WHERE id = ? AND sink = ? AND kind = ? AND done = 0 AND key <> ?",
			micro(at), d.Record.ID, d.Sink, d.Kind, d.Key)
		if err != nil {
			return err
		}
	}
	d.Alert.Fields = nil
	d.Record.Outcome.Unaudited = d.Record.Outcome.Unaudited || t.l.Unaudited() != nil
	body, err := json.Marshal(d)
	if err != nil {
		return fmt.Errorf("ledger: encode delivery: %w", err)
	}
	return t.exec(`INSERT OR IGNORE INTO outbox (key, id, sink, kind, body, attempts, not_before, done, error)
 VALUES (?,?,?,?,?,0,?,0,'')`, d.Key, d.Record.ID, d.Sink, d.Kind, body, micro(at))
}

// Pending is a delivery that is due, with how often it was tried before.
type Pending struct {
	Delivery
	Attempts int
}

// DueSinks returns the sinks for which deliveries are due.
func (t *Tx) DueSinks(now time.Time) ([]string, error) {
	return t.ids("SELECT DISTINCT sink FROM outbox WHERE done = 0 AND not_before <= ? ORDER BY sink", micro(now))
}

// Due returns up to limit deliveries whose time has come, oldest first, to the sinks named or to all. What a
// sink has to hear of one alert it hears in the order in which it came to be: as long as one delivery is tried
// again those after it wait, or the sink would take the older outcome for the newer.
func (t *Tx) Due(now time.Time, limit int, sinks ...string) ([]Pending, error) {
	args, of := []any{micro(now), maxTime}, ""
	if len(sinks) > 0 {
		of = " AND sink IN (" + strings.TrimSuffix(strings.Repeat("?,", len(sinks)), ",") + ")"
	}
	for _, s := range sinks {
		args = append(args, s)
	}
	var out []Pending
	err := t.each(`SELECT body, attempts FROM outbox WHERE done = 0 AND not_before <= ?
 AND NOT EXISTS (SELECT 1 FROM outbox AS first INDEXED BY outbox_id WHERE first.id = outbox.id AND first.sink = outbox.sink AND first.done = 0
  AND first.not_before < ? AND first.rowid < outbox.rowid)`+of+`
 ORDER BY not_before, rowid LIMIT ?`,
		append(args, limit), func(scan func(...any) error) error {
			var body []byte
			var p Pending
			if err := scan(&body, &p.Attempts); err != nil {
				return err
			}
			if err := json.Unmarshal(body, &p.Delivery); err != nil {
				return fmt.Errorf("ledger: decode delivery: %w", err)
			}
			out = append(out, p)
			return nil
		})
	if err != nil {
		return nil, err
	}
	for i := range out {
		// An alert whose entry is damaged is told of without its fields: that is better than to
		// hold up the outbox.
		if e, err := t.Alert(out[i].Record.ID); err == nil {
			out[i].Alert = e.Alert
		}
	}
	return out, nil
}

// Delivered marks a delivery as taken by its sink.
func (t *Tx) Delivered(key string, at time.Time) error { return t.Taken(key, "", at) }

// Taken is Delivered with what the receiver calls it, the number of a ticket say; "" where it has no name for it.
func (t *Tx) Taken(key, ref string, at time.Time) error {
	var id string
	body := audit.Delivered{Key: key, Ref: ref}
	found, err := t.get("SELECT id, sink, kind FROM outbox WHERE key = ?", []any{key}, &id, &body.Sink, &body.Kind)
	if err != nil {
		return err
	}
	if found && id != "" {
		if err := t.note(audit.KindDelivered, id, micro(at), body); err != nil {
			return err
		}
	}
	return t.exec("UPDATE outbox SET done = ?, error = '' WHERE key = ?", micro(at), key)
}

// Undelivered notes a failed try and when the next is due. A next of zero gives up: the delivery
// stays in the outbox with its error, for people to see.
func (t *Tx) Undelivered(key, cause string, next time.Time) error {
	at := int64(maxTime)
	if !next.IsZero() {
		at = micro(next)
	}
	return t.exec("UPDATE outbox SET attempts = attempts + 1, not_before = ?, error = ? WHERE key = ?", at, cause, key)
}

// Awaited notes that a delivery was sent and when to ask whether it has arrived. It is no try.
func (t *Tx) Awaited(key, state string, next time.Time) error {
	return t.exec("UPDATE outbox SET not_before = ?, error = ? WHERE key = ?", micro(next), state, key)
}

// Redeliver makes the events for a sink due now that wait for their next try or were given up, as if none had
// been tried, and returns how many. Other kinds are left alone: for what was given up of those, something else
// may have been done since.
func (t *Tx) Redeliver(sink string, at time.Time) (n int, err error) {
	const undone = " WHERE sink = ? AND kind = ? AND done = 0 AND not_before > ?"
	if _, err = t.get("SELECT count(*) FROM outbox"+undone, []any{sink, DeliverEvent, micro(at)}, &n); err != nil {
		return 0, err
	}
	return n, t.exec("UPDATE outbox SET not_before = ?, attempts = 0"+undone, micro(at), sink, DeliverEvent, micro(at))
}

const maxTime = 1<<63 - 1

// DeliveryState is what became of one delivery.
type DeliveryState struct {
	Sink     string    `json:"sink"`
	Kind     string    `json:"kind"`
	Attempts int       `json:"attempts"`
	Done     time.Time `json:"done"`  // zero: not yet
	Error    string    `json:"error"` // of the last try
}

// Deliveries returns the deliveries of an alert.
func (t *Tx) Deliveries(id string) ([]DeliveryState, error) {
	var out []DeliveryState
	err := t.each("SELECT sink, kind, attempts, done, error FROM outbox WHERE id = ? ORDER BY key", []any{id},
		func(scan func(...any) error) error {
			var d DeliveryState
			var done int64
			if err := scan(&d.Sink, &d.Kind, &d.Attempts, &done, &d.Error); err != nil {
				return err
			}
			d.Done = timeOf(done)
			out = append(out, d)
			return nil
		})
	return out, err
}

// ShiftOutbox moves the times at which deliveries are due by as much as the clock has jumped.
func (t *Tx) ShiftOutbox(by time.Duration) error {
	return t.exec("UPDATE outbox SET not_before = max(not_before + ?, 1) WHERE done = 0 AND not_before < ?", by.Microseconds(), maxTime)
}

// BoundOutbox has no delivery wait for its next try beyond a time: the clock was set back since.
func (t *Tx) BoundOutbox(end time.Time) error {
	return t.exec("UPDATE outbox SET not_before = ? WHERE done = 0 AND not_before > ? AND not_before < ?", micro(end), micro(end), maxTime)
}

// OutboxCounts returns how many deliveries wait, and how many were given up.
func (t *Tx) OutboxCounts() (waiting, failed int, err error) {
	_, err = t.get("SELECT count(*) FILTER (WHERE not_before < ?), count(*) FILTER (WHERE not_before = ?) FROM outbox WHERE done = 0",
		[]any{maxTime, maxTime}, &waiting, &failed)
	return waiting, failed, err
}

// Imported reports whether a spool record was imported before.
func (t *Tx) Imported(spoolID string) (bool, error) {
	var one int
	return t.get("SELECT 1 FROM imports WHERE id = ?", []any{spoolID}, &one)
}

// MarkImported notes that a spool record is in the ledger, so that its file may be deleted.
func (t *Tx) MarkImported(spoolID string, rows int, at time.Time) error {
	return t.exec("INSERT OR IGNORE INTO imports (id, at, rows) VALUES (?,?,?)", spoolID, micro(at), rows)
}

// SetMeta keeps a named value; Meta returns it, "" when there is none.
func (t *Tx) SetMeta(name, value string) error {
	return t.exec("INSERT OR REPLACE INTO meta (name, value) VALUES (?,?)", name, value)
}

// DropMeta forgets a named value.
func (t *Tx) DropMeta(name string) error { return t.exec("DELETE FROM meta WHERE name = ?", name) }

// Meta returns a named value, "" when there is none.
func (t *Tx) Meta(name string) (value string, err error) {
	_, err = t.get("SELECT value FROM meta WHERE name = ?", []any{name}, &value)
	return value, err
}
