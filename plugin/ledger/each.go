package ledger

import (
	"encoding/json"
	"fmt"

	"github.com/winnow-soc/winnow"
)

// Judged is one alert with its record, and what was ever said of it.
type Judged struct {
	Alert  winnow.Alert
	Record winnow.Record

	// Ever is set when a person once called it a true positive, whatever was said later.
	Ever bool

	// Weak is set when a person said something of it among many at once: nothing rests on that.
	Weak bool
}

// Each calls f with every alert, in the order in which they were received. f's argument is new at
// every call. It reads one row after the other, so memory does not grow with the ledger.
func (t *Tx) Each(f func(Judged) error) error {
	return t.each(`SELECT id, host, sid, rid, mac, search_name, received, severity, alert, record,
 EXISTS (SELECT 1 FROM reviews WHERE reviews.id = alerts.id AND reviews.disposition = ? AND reviews.weak = 0),
 EXISTS (SELECT 1 FROM reviews WHERE reviews.id = alerts.id AND reviews.weak = 1)
 FROM alerts ORDER BY id`, []any{winnow.TruePositive.String()}, func(scan func(...any) error) error {
		j, err := scanJudged(scan)
		if err != nil {
			return err
		}
		return f(j)
	})
}

func scanJudged(scan func(...any) error) (Judged, error) {
	var j Judged
	var received int64
	var body, record []byte
	a := &j.Alert
	if err := scan(&a.ID, &a.Key.Host, &a.Key.SID, &a.Key.RID, &a.Key.MAC, &a.SearchName, &received, &a.Severity, &body, &record, &j.Ever, &j.Weak); err != nil {
		return j, fmt.Errorf("ledger: %w", err)
	}
	var s storedAlert
	if err := json.Unmarshal(body, &s); err != nil {
		return j, fmt.Errorf("ledger: decode alert %s: %w", a.ID, err)
	}
	a.App, a.Owner, a.URI, a.Adhoc = s.App, s.Owner, s.URI, s.Adhoc
	a.Fields, a.Warnings = s.Fields, s.Warnings
	a.Time, a.Received = timeOf(s.Time), timeOf(received)
	var err error
	j.Record, err = DecodeRecord(record)
	return j, err
}

// Count returns how many alerts the ledger holds.
func (t *Tx) Count() (n int, err error) {
	if err := t.keepCounts(); err != nil {
		return 0, err
	}
	_, err = t.get("SELECT coalesce(sum(alerts), 0) FROM alert_sums WHERE grain = 0", nil, &n)
	return n, err
}
