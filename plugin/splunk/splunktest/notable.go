package splunktest

import (
	"crypto/md5" //nolint:gosec // event_id is defined with it
	"encoding/hex"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Event is one indexed event. A multivalue field keeps all its values.
type Event struct {
	Index     string
	Time      time.Time
	IndexedAt time.Time // when it was taken in; searches find it Options.IndexLag later
	Source    string
	Host      string
	Raw       string
	Fields    map[string][]string
}

func (e *Event) get(field string) string {
	if v := e.Fields[field]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// Review is one record of the collection incident_review. It repeats the state that the change
// left untouched, as Enterprise Security writes it; "" was never set.
type Review struct {
	Time        float64
	RuleID      string
	User        string
	Status      string
	Owner       string
	Urgency     string
	Disposition string
	Comment     string
}

// Notable is a notable event with its review history, oldest first.
type Notable struct {
	Event
	ID      string // event_id: guid@@notable@@md5, or uuid@@notable@@time<seconds> of a finding made by hand
	Reviews []Review
	Notes   []Note
}

// Status returns the present status: the last review's, else the event's, else "".
func (n *Notable) Status() string {
	return n.latest(func(r Review) string { return r.Status }, "status")
}

// Owner returns the present owner, "" when none was ever set.
func (n *Notable) Owner() string { return n.latest(func(r Review) string { return r.Owner }, "owner") }

// Urgency returns the present urgency: what a review set, else the event's severity.
func (n *Notable) Urgency() string {
	if u := n.latest(func(r Review) string { return r.Urgency }, "urgency"); u != "" {
		return u
	}
	return n.get("severity")
}

// Disposition returns the present disposition, "" when none was ever set.
func (n *Notable) Disposition() string {
	return n.latest(func(r Review) string { return r.Disposition }, "disposition")
}

// Comments returns all comments, oldest first.
func (n *Notable) Comments() []string {
	var out []string
	for _, r := range n.Reviews {
		if r.Comment != "" {
			out = append(out, r.Comment)
		}
	}
	return out
}

func (n *Notable) latest(of func(Review) string, field string) string {
	for _, r := range slices.Backward(n.Reviews) {
		if v := of(r); v != "" {
			return v
		}
	}
	return n.get(field)
}

// AddNotable adds a notable event as Enterprise Security's own action writes it for one row, and
// returns its event_id. fields may set anything, status and owner too.
func (s *Server) AddNotable(searchName, sid, rid string, fields map[string]string) string {
	now := s.opts.Now()
	e := Event{Index: "notable", Time: now, Source: searchName, Host: "sh1", Fields: map[string][]string{}}
	e.Fields["search_name"] = []string{searchName}
	e.Fields["orig_sid"] = []string{sid}
	e.Fields["orig_rid"] = []string{rid}
	for name, value := range fields {
		e.Fields[name] = []string{value}
	}
	e.Raw = fmt.Sprintf("%d, %s", now.Unix(), rawFields(e.Fields))
	return s.index(e)
}

func rawFields(fields map[string][]string) string {
	var raw strings.Builder
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		for _, v := range fields[name] {
			raw.WriteString(", " + name + "=" + strconv.Quote(v))
		}
	}
	return raw.String()[2:]
}

// index takes an event in and returns its event_id.
func (s *Server) index(e Event) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	e.IndexedAt = s.opts.Now()
	if e.Index != "notable" {
		s.others = append(s.others, e)
		return ""
	}
	sum := md5.Sum([]byte(timeText(e.Time) + e.Raw)) //nolint:gosec // see above
	n := &Notable{Event: e, ID: s.opts.GUID + "@@notable@@" + hex.EncodeToString(sum[:])}
	s.notables = append(s.notables, n)
	return n.ID
}

// timeText writes _time as Splunk does: milliseconds only where there are any.
func timeText(t time.Time) string {
	if ms := t.UnixMilli(); ms%1000 != 0 {
		return strconv.FormatFloat(float64(ms)/1000, 'f', 3, 64)
	}
	return strconv.FormatInt(t.Unix(), 10)
}

// Notables returns all notable events, also those not yet found by searches. One that was written
// twice is there twice.
func (s *Server) Notables() []Notable {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make([]Notable, len(s.notables))
	for i, n := range s.notables {
		out[i] = n.copy()
	}
	return out
}

func (n *Notable) copy() Notable {
	c := *n
	c.Reviews, c.Notes = slices.Clone(n.Reviews), slices.Clone(n.Notes)
	return c
}

// Notable returns the notable event of that event_id, and whether there is one.
func (s *Server) Notable(id string) (Notable, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range slices.Backward(s.notables) {
		if n.ID == id {
			return n.copy(), true
		}
	}
	return Notable{}, false
}

// Open counts the notable events that are in no end status.
func (s *Server) Open() int {
	open := 0
	for _, n := range s.Notables() {
		if !s.opts.ended(n.Status()) {
			open++
		}
	}
	return open
}

// Updates counts the entries of all review histories.
func (s *Server) Updates() int {
	updates := 0
	for _, n := range s.Notables() {
		updates += len(n.Reviews)
	}
	return updates
}

// Events returns the events of an index other than notable.
func (s *Server) Events(index string) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Event
	for _, e := range s.others {
		if e.Index == index {
			out = append(out, e)
		}
	}
	return out
}

// Clear forgets all events and requests.
func (s *Server) Clear() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.notables, s.others, s.requests = nil, nil, nil
}
