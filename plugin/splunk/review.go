package splunk

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// Review is one entry of a notable event's history: who changed it, and the state after that.
type Review struct {
	Time    float64 // seconds since 1970, by the clock of the search head that took the change
	User    string
	Comment string
	State   State
}

// reviewPath is where Enterprise Security keeps the review history of all notable events. Unlike
// the index it is written at once: what was changed can be read back.
const reviewPath = "/servicesNS/nobody/SA-ThreatIntelligence/storage/collections/data/incident_review"

// Reviews returns the history of one notable event, oldest first.
func (c *Client) Reviews(ctx context.Context, ruleID string) ([]Review, error) {
	query, err := json.Marshal(map[string]string{"rule_id": ruleID})
	if err != nil {
		return nil, &Error{Op: "read reviews", Code: CodeInput, Err: err}
	}
	r := call{op: "read reviews", path: reviewPath, query: url.Values{
		"query": {string(query)}, "sort": {"time:1"}, "output_mode": {"json"},
	}}
	var docs []map[string]any
	if err := c.getJSON(ctx, r, &docs); err != nil {
		return nil, err
	}
	reviews := make([]Review, 0, len(docs))
	for _, doc := range docs {
		if text(doc["rule_id"]) != ruleID {
			continue
		}
		reviews = append(reviews, parseReview(doc))
	}
	slices.SortStableFunc(reviews, func(a, b Review) int { return cmp.Compare(a.Time, b.Time) })
	return reviews, nil
}

func parseReview(doc map[string]any) Review {
	at, err := strconv.ParseFloat(text(doc["time"]), 64)
	if err != nil {
		at = 0
	}
	return Review{
		Time: at, User: text(doc["user"]), Comment: text(doc["comment"]),
		State: State{
			Status: text(doc["status"]), Owner: text(doc["owner"]),
			Urgency: text(doc["urgency"]), Disposition: text(doc["disposition"]),
		},
	}
}

// text reads a value that collections hold as text or as a number, by release.
func text(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}

// Statuses are the review statuses that winnow needs, by the numbers of this site.
type Statuses struct {
	New    string // what an untouched notable event has
	Closed string // what ends the work on it
}

// status is one entry of alerts/reviewstatuses. splunkd writes booleans as 0 and 1 or true and
// false, as text or not.
type status struct {
	id       string
	label    string
	disabled bool
	isNew    bool
	end      bool
}

// Statuses asks which numbers mean New and Closed here: sites rename, disable and add statuses.
// New is the enabled default status. Closed is the enabled status of that label, or else the only
// enabled one that ends the work.
func (c *Client) Statuses(ctx context.Context) (Statuses, error) {
	r := call{op: "read review statuses", path: "/services/alerts/reviewstatuses", query: url.Values{
		"count": {"-1"}, "output_mode": {"json"},
	}}
	var a atom[map[string]any]
	if err := c.getJSON(ctx, r, &a); err != nil {
		return Statuses{}, err
	}
	var all []status
	for _, e := range a.Entry {
		if text(e.Content["status_type"]) != "notable" && e.Content["status_type"] != nil {
			continue
		}
		id := e.Name[strings.LastIndexByte(e.Name, ':')+1:]
		all = append(all, status{
			id: id, label: text(e.Content["label"]), disabled: truth(e.Content["disabled"]),
			isNew: truth(e.Content["default"]), end: truth(e.Content["end"]),
		})
	}
	return pickStatuses(r.op, all)
}

func pickStatuses(op string, all []status) (Statuses, error) {
	var s Statuses
	var labels, ends []string
	for _, st := range all {
		if _, err := strconv.ParseUint(st.id, 10, 32); err != nil || st.disabled {
			continue
		}
		labels = append(labels, st.label)
		if st.isNew || s.New == "" && strings.EqualFold(st.label, "New") {
			s.New = st.id
		}
		if strings.EqualFold(st.label, "Closed") {
			s.Closed = st.id
		}
		if st.end {
			ends = append(ends, st.id)
		}
	}
	if s.Closed == "" && len(ends) == 1 {
		s.Closed = ends[0]
	}
	if s.New == "" || s.Closed == "" {
		return Statuses{}, &Error{
			Op: op, Code: CodeRefused, Retry: true,
			Message: fmt.Sprintf("want an enabled default status and one labelled Closed, have %s",
				plain(strings.Join(labels, ", "), maxMessage)),
		}
	}
	return s, nil
}

func truth(v any) bool {
	switch v := v.(type) {
	case bool:
		return v
	case float64:
		return v != 0
	case string:
		return v == "1" || strings.EqualFold(v, "true") || strings.EqualFold(v, "t")
	}
	return false
}
