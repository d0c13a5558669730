package review

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Group is alerts that wait for a person and that one decision settles: a storm.
type Group struct {
	First    winnow.Record `json:"first"`    // the oldest
	Seq      int64         `json:"seq"`      // number of its record
	Received time.Time     `json:"received"` // when it was
	Team     string        `json:"team"`     // "" for none

	Entity winnow.Evidence `json:"entity"` // the host or account under which it stands; empty for none
	Storms int             `json:"storms"` // that wait for this host or account, itself included
	Urgent bool            `json:"urgent"` // one of its alerts at least is escalated
	Size   int             `json:"size"`   // number of its alerts
}

// Filter narrows the queue. Its zero value is all of it.
type Filter struct {
	State    winnow.State    // escalated or in_review, "" for both
	Search   string          // exact name, "" for all
	Severity winnow.Severity // at least; unknown is any
	Entity   string          // FIELD=VALUE as a group shows it, or only the value of a host or account; "" for all
	Limit    int             // groups in a page; 0 is all of them
}

// Page is a part of the queue.
type Page struct {
	Groups []Group `json:"groups"`
	Next   string  `json:"next"`   // where the next page begins, "" when there is none
	Storms int     `json:"storms"` // groups that wait in all, whatever the filter
	Alerts int     `json:"alerts"` // that wait in all
}

// ErrCursor is wrapped by the error that a cursor is none of ours.
var ErrCursor = errors.New("no such place in the queue")

// Queue returns what waits for a person: escalated before in review, the more severe first, then the larger
// group, then the older. Groups about one host or account stand together, where the most urgent of them
// stands. The cursor is "" or what an earlier page gave as Next; what has changed in between may be seen twice or
// not at all. A page costs the same however much waits.
func Queue(t *ledger.Tx, f Filter, cursor string) (p Page, err error) {
	w := ledger.Waiting{State: f.State, Search: f.Search, AtLeast: f.Severity}
	if f.Limit > 0 {
		w.Limit = f.Limit + 1
	}
	if cursor != "" {
		if w.After, err = readCursor(cursor); err != nil {
			return p, err
		}
	}
	p.Groups = []Group{}
	var storms []ledger.Storm
	for _, with := range entitiesOf(f.Entity) {
		w.Field, w.With = with.Field, with.Value
		more, err := t.Waiting(w)
		if err != nil {
			return p, err
		}
		storms = append(storms, more...)
	}
	slices.SortFunc(storms, func(a, b ledger.Storm) int { return a.Place.Compare(b.Place) })
	if f.Limit > 0 && len(storms) > f.Limit {
		storms = storms[:f.Limit]
		if p.Next, err = writeCursor(storms[f.Limit-1].Place); err != nil {
			return p, err
		}
	}
	for _, s := range storms {
		g, err := readGroup(t, &s)
		if err != nil {
			return p, err
		}
		p.Groups = append(p.Groups, g)
	}
	p.Storms, p.Alerts, err = t.WaitingCount()
	return p, err
}

// entitiesOf returns what a filter asks for: everything as the empty one. A bare value may name an account or a
// host.
func entitiesOf(text string) []winnow.Evidence {
	field, value, named := strings.Cut(text, "=")
	switch {
	case text == "":
		return []winnow.Evidence{{}}
	case named && slices.Contains(ledger.EntityFields, field):
		return []winnow.Evidence{{Field: field, Value: value}}
	}
	return []winnow.Evidence{{Field: "user", Value: text}, {Field: "host", Value: text}}
}

func readGroup(t *ledger.Tx, s *ledger.Storm) (g Group, err error) {
	entry, err := t.Alert(s.First)
	if err != nil {
		return g, err
	}
	g = Group{Received: entry.Alert.Received, Team: entry.Team, Storms: s.Storms, Urgent: s.Urgent, Size: s.Alerts}
	if entities := ledger.Entities(entry.Alert.Fields); len(entities) > 0 {
		g.Entity = entities[0]
	}
	if g.Seq, err = t.Seq(s.First); err != nil {
		return g, err
	}
	if g.First, err = t.Record(s.First); err != nil {
		return g, err
	}
	_, err = veil(t, &g.First)
	return g, err
}

// A cursor names the last group that was seen. It says nothing that the page did not, so it is not signed.
func writeCursor(p ledger.Place) (string, error) {
	text, err := json.Marshal(p)
	if err != nil {
		return "", fmt.Errorf("write place in the queue: %w", err)
	}
	return base64.RawURLEncoding.EncodeToString(text), nil
}

// maxCursor bounds what is decoded of a cursor.
const maxCursor = 1000

func readCursor(cursor string) (*ledger.Place, error) {
	if len(cursor) > maxCursor {
		return nil, ErrCursor
	}
	text, err := base64.RawURLEncoding.DecodeString(cursor)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCursor, err)
	}
	var p ledger.Place
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCursor, err)
	}
	return &p, nil
}
