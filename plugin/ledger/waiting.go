package ledger

import (
	"cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
)

// What waits for a person is kept in the order in which people look at it, so that its first page costs the same
// however much waits. Alerts that one decision settles are a storm; the storms of one host or account stand
// together, where the most urgent of them stands. Every change of a record brings this up to date.

// waits reports whether an alert waits for a person: nobody has decided what it is.
func waits(r *winnow.Record) bool {
	open := r.Outcome.State == winnow.StateInReview || r.Outcome.State == winnow.StateEscalated
	return open && r.Verdict.Source != winnow.SourcePerson
}

// stormOf names the storm of the alerts with a cache key.
func stormOf(key cache.Key) []byte { return key[:] }

// orders of what waits: escalated before in review, and the more severe first. What is of unknown severity may be
// anything, and stands with what is high.
const ordInReview = 10

func ordOf(state winnow.State, s winnow.Severity) int {
	if s == winnow.SeverityUnknown {
		s = winnow.SeverityHigh
	}
	ord := int(winnow.SeverityCritical) - int(s)
	if state != winnow.StateEscalated {
		ord += ordInReview
	}
	return ord
}

// place is where storms and entities stand in the queue: the lower first, one number after the other.
type place struct {
	Ord   int    `json:"o"`
	Fewer int    `json:"n"` // minus the number of alerts
	First string `json:"f"` // the oldest alert
}

func (p place) compare(q place) int {
	return cmp.Or(cmp.Compare(p.Ord, q.Ord), cmp.Compare(p.Fewer, q.Fewer), cmp.Compare(p.First, q.First))
}

// enterLine has an alert wait for a person.
func (t *Tx) enterLine(id string, storm []byte, state winnow.State, s winnow.Severity, fields winnow.Fields) error {
	ord := ordOf(state, s)
	if err := t.exec("INSERT INTO waiting (id, storm, ord) VALUES (?,?,?)", id, storm, ord); err != nil {
		return err
	}
	var entity []byte
	known, err := t.get("SELECT entity FROM waiting_storms WHERE storm = ?", []any{storm}, &entity)
	if err != nil {
		return err
	}
	if known {
		err = t.exec("UPDATE waiting_storms SET ord = min(ord, ?), fewer = fewer - 1, first = min(first, ?) WHERE storm = ?", ord, id, storm)
	} else {
		entity = storm
		if all := Entities(fields); len(all) > 0 {
			entity = entityKey(all[0].Field, all[0].Value)
		}
		err = t.exec("INSERT INTO waiting_storms (storm, entity, ord, fewer, first) VALUES (?,?,?,-1,?)", storm, entity, ord, id)
	}
	if err != nil {
		return err
	}
	return t.exec(`INSERT INTO waiting_entities (entity, ord, fewer, first, storms) VALUES (?,?,-1,?,1)
 ON CONFLICT (entity) DO UPDATE SET ord = min(ord, excluded.ord), fewer = fewer - 1, first = min(first, excluded.first), storms = storms + ?`,
		entity, ord, id, !known)
}

// leaveLine has an alert wait no more. For one that does not wait it changes nothing.
func (t *Tx) leaveLine(id string) error {
	var storm, entity []byte
	found, err := t.get("SELECT w.storm, s.entity FROM waiting w JOIN waiting_storms s ON s.storm = w.storm WHERE w.id = ?", []any{id}, &storm, &entity)
	if err != nil || !found {
		return err
	}
	if err := t.exec("DELETE FROM waiting WHERE id = ?", id); err != nil {
		return err
	}
	var last bool
	if _, err := t.get("SELECT NOT EXISTS (SELECT 1 FROM waiting WHERE storm = ?)", []any{storm}, &last); err != nil {
		return err
	}
	if last {
		err = t.exec("DELETE FROM waiting_storms WHERE storm = ?", storm)
	} else {
		err = t.exec(`UPDATE waiting_storms SET fewer = fewer + 1,
 ord = (SELECT min(ord) FROM waiting w WHERE w.storm = waiting_storms.storm),
 first = (SELECT min(id) FROM waiting w WHERE w.storm = waiting_storms.storm) WHERE storm = ?`, storm)
	}
	if err != nil {
		return err
	}
	return t.leaveEntity(entity, last)
}

// leaveEntity takes one alert from an entity, and a storm where that was its last.
func (t *Tx) leaveEntity(entity []byte, last bool) error {
	var gone bool
	if _, err := t.get("SELECT NOT EXISTS (SELECT 1 FROM waiting_storms WHERE entity = ?)", []any{entity}, &gone); err != nil {
		return err
	}
	if gone {
		return t.exec("DELETE FROM waiting_entities WHERE entity = ?", entity)
	}
	return t.exec(`UPDATE waiting_entities SET fewer = fewer + 1, storms = storms - ?,
 ord = (SELECT min(ord) FROM waiting_storms s WHERE s.entity = waiting_entities.entity),
 first = (SELECT min(first) FROM waiting_storms s WHERE s.entity = waiting_entities.entity) WHERE entity = ?`, last, entity)
}

// lineChanged brings the queue up to date after a record has changed. Most alerts never wait, and cost one look.
func (t *Tx) lineChanged(r *winnow.Record) error {
	var storm []byte
	var ord int
	waited, err := t.get("SELECT storm, ord FROM waiting WHERE id = ?", []any{r.ID}, &storm, &ord)
	now := waits(r)
	same := waited && now && ord == ordOf(r.Outcome.State, r.Severity) && len(storm) == len(cache.Key{}) // a sample waits by itself
	if err != nil || !waited && !now || same {
		return err
	}
	if err := t.leaveLine(r.ID); err != nil {
		return err
	}
	if err := t.unsampled(r); err != nil || !now {
		return err
	}
	return t.joinLine(r)
}

func (t *Tx) joinLine(r *winnow.Record) error {
	key, err := t.KeyOf(r.ID)
	if err != nil {
		return err
	}
	fields, err := t.fieldsOf(r.ID)
	if err != nil {
		return err
	}
	return t.enterLine(r.ID, stormOf(key), r.Outcome.State, r.Severity, fields)
}

// lineUp makes the queue of a ledger that had none. It reads what waits, and not the rest. A record that
// cannot be read waits all the same: as what it says it is outside of its text.
func (t *Tx) lineUp() error {
	ids, err := t.ids("SELECT id FROM alerts INDEXED BY alerts_key WHERE state IN ('in_review', 'escalated') AND source <> 'person' ORDER BY id")
	if err != nil {
		return err
	}
	for _, id := range ids {
		r := winnow.Record{ID: id}
		if _, err := t.get("SELECT state, severity FROM alerts WHERE id = ?", []any{id}, &r.Outcome.State, &r.Severity); err != nil {
			return err
		}
		if err := t.joinLine(&r); err != nil {
			return err
		}
	}
	return nil
}

// Storm is alerts that one decision settles: all wait for a person and have the same cache key.
type Storm struct {
	First  string // the oldest of them
	Alerts int
	Urgent bool // one of them at least is escalated

	Storms int // of its host or account, itself included
	Place  Place
}

// Place is where a storm stands in the queue: of its host or account first, then its own.
type Place struct {
	Entity place `json:"e"`
	Storm  place `json:"s"`
}

// Compare tells which of two places comes first.
func (p Place) Compare(q Place) int {
	return cmp.Or(p.Entity.compare(q.Entity), p.Storm.compare(q.Storm))
}

// Waiting says which storms to read. Its zero value reads all.
type Waiting struct {
	After       *Place // nil: from the beginning
	State       winnow.State
	Search      string
	AtLeast     winnow.Severity // of the most severe of the storm's alerts in its most urgent state
	Field, With string          // a field like user or src, and the host or account it names
	Limit       int
}

// waitingQuery walks along the two indexes: nothing is sorted.
const waitingQuery = `SELECT e.ord, e.fewer, e.first, e.storms, s.ord, s.fewer, s.first
 FROM waiting_entities e CROSS JOIN waiting_storms s ON s.entity = e.entity
 WHERE (e.ord, e.fewer, e.first) >= (?, ?, ?)
 AND NOT ((e.ord, e.fewer, e.first) = (?, ?, ?) AND (s.ord, s.fewer, s.first) <= (?, ?, ?))
 AND s.ord >= ? AND s.ord <= ? AND s.ord % 10 <= ?
 AND (? = '' OR (SELECT search_name FROM alerts WHERE id = s.first) = ?)
 AND (? IS NULL OR e.entity = ?)
 ORDER BY e.ord, e.fewer, e.first, s.ord, s.fewer, s.first LIMIT ?`

// Waiting returns storms that wait for a person: escalated before in review, the more severe first, then the
// larger, then the older. Those of one host or account stand together.
func (t *Tx) Waiting(w Waiting) (out []Storm, err error) {
	after := Place{Entity: place{Ord: -1}}
	if w.After != nil {
		after = *w.After
	}
	var entity []byte
	if w.With != "" {
		entity = entityKey(w.Field, w.With)
	}
	low, high := ordsOf(w.State)
	limit := w.Limit
	if limit <= 0 {
		limit = -1
	}
	e, s := after.Entity, after.Storm
	args := []any{
		e.Ord, e.Fewer, e.First, e.Ord, e.Fewer, e.First, s.Ord, s.Fewer, s.First,
		low, high, leastOrd(w.AtLeast), w.Search, w.Search, entity, entity, limit,
	}
	err = t.each(waitingQuery, args, func(scan func(...any) error) error {
		var one Storm
		e, s := &one.Place.Entity, &one.Place.Storm
		err := scan(&e.Ord, &e.Fewer, &e.First, &one.Storms, &s.Ord, &s.Fewer, &s.First)
		one.First, one.Alerts, one.Urgent = s.First, -s.Fewer, s.Ord < ordInReview
		out = append(out, one)
		return err
	})
	return out, err
}

// ordsOf returns between which orders the storms of a state stand.
func ordsOf(state winnow.State) (low, high int) {
	switch state {
	case winnow.StateEscalated:
		return 0, ordInReview - 1
	case winnow.StateInReview:
		return ordInReview, 2*ordInReview - 1
	case winnow.StateQueued, winnow.StateClosed, winnow.StateLeft:
	}
	return 0, 2*ordInReview - 1
}

// leastOrd is the last order, within a state, of a severity. Unknown is every severity.
func leastOrd(s winnow.Severity) int {
	if s == winnow.SeverityUnknown {
		return ordInReview
	}
	return int(winnow.SeverityCritical) - int(s)
}

// WaitingCount returns how many storms and alerts wait for a person.
func (t *Tx) WaitingCount() (storms, alerts int, err error) {
	_, err = t.get("SELECT coalesce(sum(storms), 0), coalesce(-sum(fewer), 0) FROM waiting_entities", nil, &storms, &alerts)
	return storms, alerts, err
}
