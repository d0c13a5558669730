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

	"github.com/winnow-soc/winnow"
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
	New    string `json:"new"`    // what an untouched notable event has
	Closed string `json:"closed"` // what ends the work on it
}

// status is one entry of alerts/reviewstatuses. splunkd writes booleans as 0 and 1 or true and
// false, as text or not.
type status struct {
	id       string
	kind     string // notable, disposition or investigation
	label    string
	disabled bool
	isNew    bool
	end      bool
}

const opStatuses = "read review statuses"

// Statuses asks which numbers mean New and Closed here: sites rename, disable and add statuses.
// New is the enabled default status. Closed is the enabled status of that label, or else the only
// enabled one that ends the work.
func (c *Client) Statuses(ctx context.Context) (Statuses, error) {
	all, err := c.reviewStatuses(ctx)
	if err != nil {
		return Statuses{}, err
	}
	return pickStatuses(opStatuses, all)
}

// reviewStatuses reads the statuses of all kinds.
func (c *Client) reviewStatuses(ctx context.Context) ([]status, error) {
	r := call{op: opStatuses, path: "/services/alerts/reviewstatuses", query: url.Values{
		"count": {"-1"}, "output_mode": {"json"},
	}}
	var a atom[map[string]any]
	if err := c.getJSON(ctx, r, &a); err != nil {
		return nil, err
	}
	var all []status
	for _, e := range a.Entry {
		kind := text(e.Content["status_type"])
		if e.Content["status_type"] == nil {
			kind = "notable"
		}
		all = append(all, status{
			id: e.Name[strings.LastIndexByte(e.Name, ':')+1:], kind: kind, label: text(e.Content["label"]),
			disabled: truth(e.Content["disabled"]), isNew: truth(e.Content["default"]), end: truth(e.Content["end"]),
		})
	}
	return all, nil
}

// commentRule reads what comments must be like.
func (c *Client) commentRule(ctx context.Context) (CommentRule, error) {
	r := call{
		op: "read the rules for comments", path: "/servicesNS/nobody/SA-ThreatIntelligence/configs/conf-log_review/comment",
		query: jsonMode(),
	}
	var a atom[map[string]any]
	if err := c.getJSON(ctx, r, &a); err != nil || len(a.Entry) == 0 {
		return CommentRule{}, err
	}
	rule := CommentRule{Required: truth(a.Entry[0].Content["is_required"])}
	if n, err := strconv.Atoi(text(a.Entry[0].Content["minimum_length"])); err == nil && n > 0 {
		rule.Minimum = n
	}
	return rule, nil
}

// dispositionsOf returns the enabled dispositions. Their labels say what they mean: sites make numbers
// of their own, and give shipped ones another label.
func dispositionsOf(all []status) []Disposition {
	var out []Disposition
	for _, st := range all {
		if st.kind == "disposition" && !st.disabled && isNumber(st.id) {
			out = append(out, Disposition{ID: "disposition:" + st.id, Label: plain(st.label, maxMessage), Means: meaning(st.label)})
		}
	}
	return out
}

// meaning takes a label at its beginning: "Not a true positive" is none that winnow knows.
func meaning(label string) winnow.Disposition {
	words := strings.FieldsFunc(strings.ToLower(label), func(r rune) bool { return r < 'a' || r > 'z' })
	s := strings.Join(words, " ") + " "
	starts := func(text string) bool { return strings.HasPrefix(s, text+" ") }
	switch {
	case starts("true positive"):
		return winnow.TruePositive
	case starts("benign positive"), starts("benign true positive"):
		return winnow.BenignPositive
	case starts("false positive") && strings.Contains(s, " data "):
		return winnow.FalsePositiveData
	case starts("false positive"):
		return winnow.FalsePositiveLogic
	case s == "other ":
		return winnow.Other
	}
	return winnow.Undetermined
}

func isNumber(s string) bool {
	_, err := strconv.ParseUint(s, 10, 32)
	return err == nil
}

func pickStatuses(op string, all []status) (Statuses, error) {
	var s Statuses
	var labels, ends []string
	for _, st := range all {
		if st.kind != "notable" || !isNumber(st.id) || st.disabled {
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
