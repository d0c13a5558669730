package ledger

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/audit"
)

// PutVerdict keeps a verdict for alerts with the same cache key. It holds under one generation; a
// person's holds under every one, because it rests on no policy, prompt or model.
func (t *Tx) PutVerdict(key cache.Key, e cache.Entry, gen cache.Generation) error {
	if e.Source == winnow.SourcePerson {
		gen = cache.Generation{}
	}
	body, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("ledger: encode verdict: %w", err)
	}
	return t.exec("INSERT OR REPLACE INTO verdicts (key, id, expires, gen, entry) VALUES (?,?,?,?,?)",
		key[:], e.AlertID, micro(e.Expires), gen[:], body)
}

// DropVerdict removes the verdict that was kept from an alert, if one is.
func (t *Tx) DropVerdict(id string) error {
	return t.exec("DELETE FROM verdicts WHERE id = ?", id)
}

// Verdicts calls f with every kept verdict that is valid at the given time and holds under the
// generation.
func (t *Tx) Verdicts(at time.Time, gen cache.Generation, f func(cache.Key, cache.Entry) error) error {
	return t.each("SELECT key, entry FROM verdicts WHERE expires > ? AND gen IN (?, zeroblob(32)) ORDER BY key", []any{micro(at), gen[:]},
		func(scan func(...any) error) error {
			var raw, body []byte
			if err := scan(&raw, &body); err != nil {
				return err
			}
			var key cache.Key
			copy(key[:], raw)
			var e cache.Entry
			if err := json.Unmarshal(body, &e); err != nil {
				return fmt.Errorf("ledger: decode verdict: %w", err)
			}
			return f(key, e)
		})
}

// DerivedFrom returns the IDs of the alerts that were closed by the cached verdict of an alert
// and are still closed.
func (t *Tx) DerivedFrom(id string) ([]string, error) {
	return t.ids("SELECT id FROM alerts WHERE derived = ? AND state IN ('closed', 'left') ORDER BY id", id)
}

// ClosedOnPrecedents returns the IDs of the alerts of a search that are closed on what people
// decided about others: analysts, models or the cache had it as a benign fact.
func (t *Tx) ClosedOnPrecedents(search string) ([]string, error) {
	return t.ids(`SELECT id FROM alerts WHERE search_name = ? AND state = 'closed' AND source IN ('offline', 'model', 'cache')
 AND record LIKE '%"person:%' ORDER BY id`, search)
}

// OpenWithKey returns the IDs of the alerts with a cache key that wait for a person or are
// escalated, oldest first.
func (t *Tx) OpenWithKey(key cache.Key) ([]string, error) {
	return t.ids("SELECT id FROM alerts WHERE key = ? AND state IN ('in_review', 'escalated') ORDER BY id", key[:])
}

// firstOpen goes by the order in which alerts entered the ledger: the index of open keys has it.
const firstOpen = "SELECT id FROM alerts WHERE key = ? AND state IN ('in_review', 'escalated') ORDER BY rowid LIMIT 1"

// FirstOpen returns the alert with a cache key that entered the ledger first and waits for a person or
// is escalated, "" when there is none. It takes one look into an index, however large the group is.
func (t *Tx) FirstOpen(key cache.Key) (id string, err error) {
	_, err = t.get(firstOpen, []any{key[:]}, &id)
	return id, err
}

func (t *Tx) ids(query string, args ...any) ([]string, error) {
	var out []string
	err := t.each(query, args, func(scan func(...any) error) error {
		var id string
		if err := scan(&id); err != nil {
			return err
		}
		out = append(out, id)
		return nil
	})
	return out, err
}

// OpenKeys calls f with every cache key that has alerts which wait for a person or are escalated:
// that of them which [Tx.FirstOpen] returns, and their number.
func (t *Tx) OpenKeys(f func(key cache.Key, first string, n int)) error {
	// Beside one min(), SQLite takes the other columns from the row that has it (sqlite.org/lang_select.html#bareagg).
	return t.each("SELECT key, id, count(*), min(rowid) FROM alerts WHERE state IN ('in_review', 'escalated') GROUP BY key", nil,
		func(scan func(...any) error) error {
			var raw []byte
			var first string
			var n, row int
			if err := scan(&raw, &first, &n, &row); err != nil {
				return err
			}
			var key cache.Key
			copy(key[:], raw)
			f(key, first, n)
			return nil
		})
}

// KeyOf returns the cache key of an alert.
func (t *Tx) KeyOf(id string) (cache.Key, error) {
	var raw []byte
	found, err := t.get("SELECT key FROM alerts WHERE id = ?", []any{id}, &raw)
	if err == nil && !found {
		err = fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	var key cache.Key
	copy(key[:], raw)
	return key, err
}

// AddPrecedent keeps that a person found an alert of this search about these entities benign.
func (t *Tx) AddPrecedent(search, entities, id string, at time.Time) error {
	return t.exec("INSERT OR REPLACE INTO precedents (search, entities, id, at) VALUES (?,?,?,?)", search, entities, id, micro(at))
}

// DropPrecedents removes what was kept from an alert.
func (t *Tx) DropPrecedents(id string) error {
	return t.exec("DELETE FROM precedents WHERE id = ?", id)
}

// Precedents calls f with every kept precedent.
func (t *Tx) Precedents(f func(search, entities, id string, at time.Time)) error {
	return t.each("SELECT search, entities, id, at FROM precedents", nil, func(scan func(...any) error) error {
		var search, entities, id string
		var at int64
		if err := scan(&search, &entities, &id, &at); err != nil {
			return err
		}
		f(search, entities, id, timeOf(at))
		return nil
	})
}

// PutCase keeps an open escalation; DropCase removes it when a person has settled it.
func (t *Tx) PutCase(id string, opened time.Time, body []byte) error {
	return t.exec("INSERT OR REPLACE INTO cases (id, opened, body) VALUES (?,?,?)", id, micro(opened), body)
}

// DropCase removes the open escalation of an alert, if it has one.
func (t *Tx) DropCase(id string) error {
	return t.exec("DELETE FROM cases WHERE id = ?", id)
}

// Cases calls f with every open escalation, oldest first.
func (t *Tx) Cases(f func(body []byte) error) error {
	return t.each("SELECT body FROM cases ORDER BY opened, id", nil, func(scan func(...any) error) error {
		var body []byte
		if err := scan(&body); err != nil {
			return err
		}
		return f(body)
	})
}

// Review is one decision of a person.
type Review struct {
	ID          string             `json:"id"` // of the alert
	Action      string             `json:"action"`
	Disposition winnow.Disposition `json:"disposition"`
	Actor       string             `json:"actor"`
	Reason      string             `json:"reason"`
	At          time.Time          `json:"time"`

	// Weak is set for one of many that a person made within a minute. It is kept, and nothing rests on it.
	Weak bool `json:"weak"`
}

// AddReview keeps a person's decision.
func (t *Tx) AddReview(r Review) error {
	body := audit.Review{Action: r.Action, Actor: r.Actor, Disposition: r.Disposition.String(), Reason: r.Reason, Weak: r.Weak}
	if err := t.note(audit.KindReview, r.ID, micro(r.At), body); err != nil {
		return err
	}
	err := t.exec("INSERT INTO reviews (id, action, disposition, actor, reason, at, weak) VALUES (?,?,?,?,?,?,?)",
		r.ID, r.Action, r.Disposition.String(), r.Actor, r.Reason, micro(r.At), r.Weak)
	if err != nil {
		return err
	}
	return t.panelChanged(r.ID, nil)
}

// Reviews returns the decisions about an alert, oldest first.
func (t *Tx) Reviews(id string) ([]Review, error) {
	var out []Review
	err := t.each("SELECT action, disposition, actor, reason, at, weak FROM reviews WHERE id = ? ORDER BY n", []any{id},
		func(scan func(...any) error) error {
			r := Review{ID: id}
			var disposition string
			var at int64
			if err := scan(&r.Action, &disposition, &r.Actor, &r.Reason, &at, &r.Weak); err != nil {
				return err
			}
			var err error
			r.Disposition, err = winnow.ParseDisposition(disposition)
			r.At = timeOf(at)
			out = append(out, r)
			return err
		})
	return out, err
}

// Verdict returns the verdict kept under a key, valid or not.
func (t *Tx) Verdict(key cache.Key) (e cache.Entry, found bool, err error) {
	var body []byte
	if found, err = t.get("SELECT entry FROM verdicts WHERE key = ?", []any{key[:]}, &body); err != nil || !found {
		return e, false, err
	}
	if err := json.Unmarshal(body, &e); err != nil {
		return e, false, fmt.Errorf("ledger: decode verdict: %w", err)
	}
	return e, true, nil
}
