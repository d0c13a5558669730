package ledger

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"time"
)

// Recorded answers are JSON, deflated from this size on.
const (
	deflateFrom = 1 << 10
	maxAnswers  = 64 << 20 // inflated: more is not an answer but an attack
)

// PutAnswers keeps what models said for the decision that is the alert's current record.
func (t *Tx) PutAnswers(id string, body []byte) error {
	deflated := len(body) >= deflateFrom
	if deflated {
		var out bytes.Buffer
		w, err := flate.NewWriter(&out, flate.BestSpeed)
		if err != nil {
			return fmt.Errorf("ledger: deflate answers: %w", err)
		}
		if _, err := w.Write(body); err != nil {
			return fmt.Errorf("ledger: deflate answers: %w", err)
		}
		if err := w.Close(); err != nil {
			return fmt.Errorf("ledger: deflate answers: %w", err)
		}
		body = out.Bytes()
	}
	return t.exec("INSERT OR REPLACE INTO answers (id, seq, deflated, body) SELECT id, seq, ?, ? FROM alerts WHERE id = ?", deflated, body, id)
}

// Answers returns what models said for an alert's last decision that they had a part in, and the number of
// the record that it made; body is nil when there is none.
func (t *Tx) Answers(id string) (seq int64, body []byte, err error) {
	var deflated bool
	found, err := t.get("SELECT seq, deflated, body FROM answers WHERE id = ? ORDER BY seq DESC LIMIT 1", []any{id}, &seq, &deflated, &body)
	if err != nil || !found || !deflated {
		return seq, body, err
	}
	out, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(body)), maxAnswers))
	if err != nil {
		return seq, nil, fmt.Errorf("ledger: inflate the answers for alert %s: %w", id, err)
	}
	return seq, out, nil
}

// ReceivedSince returns the IDs of the alerts received at or after a time, the newest first. limit 0 is all.
func (t *Tx) ReceivedSince(since time.Time, limit int) ([]string, error) {
	if limit <= 0 {
		limit = -1
	}
	return t.ids("SELECT id FROM alerts WHERE received >= ? ORDER BY received DESC, id DESC LIMIT ?", micro(since), limit)
}
