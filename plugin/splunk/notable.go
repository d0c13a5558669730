package splunk

import (
	"context"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// State is what people change on a notable event. An empty field means that nothing was set.
type State struct {
	Status      string // number of a review status, like "1"
	Owner       string
	Urgency     string // informational, low, medium, high or critical
	Disposition string // like "disposition:2"
}

// over lays s over the fields of t: what s does not set stays.
func (s State) over(t State) State {
	return State{
		Status: first(s.Status, t.Status), Owner: first(s.Owner, t.Owner),
		Urgency: first(s.Urgency, t.Urgency), Disposition: first(s.Disposition, t.Disposition),
	}
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// Notable is a notable event with all that people did to it.
type Notable struct {
	RuleID     string // guid@@index@@hash, by which it is updated; also called event_id
	SearchName string
	WinnowID   string // set when winnow wrote the event
	Base       State  // as the event itself says
	Reviews    []Review
}

// State returns the notable's present state: the event with the reviews laid over it in order.
func (n *Notable) State() State {
	s := n.Base
	for _, r := range n.Reviews {
		s = r.State.over(s)
	}
	return s
}

// Comment returns the last comment, "" when there is none.
func (n *Notable) Comment() string {
	for _, v := range slices.Backward(n.Reviews) {
		if v.Comment != "" {
			return v.Comment
		}
	}
	return ""
}

// How far around an alert its notable event is searched for. Enterprise Security stamps it with
// the row's own _time or with the time of the search.
const (
	searchBefore = 24 * time.Hour
	searchAfter  = 24 * time.Hour
)

// FindNotable returns the notable event that Enterprise Security made of one row of a search
// run, with its reviews. from and to are the earliest and latest times the alert is known under;
// a day is added on both sides. Not finding it is a retryable error, since indexing takes a
// while; finding more than one is an error that names them.
func (c *Client) FindNotable(ctx context.Context, sid, rid string, from, to time.Time) (*Notable, error) {
	const op = "find notable"
	spl, err := notableSearch(sid, rid)
	if err != nil {
		return nil, &Error{Op: op, Code: CodeInput, Err: err}
	}
	rows, err := c.Search(ctx, spl, from.Add(-searchBefore), to.Add(searchAfter))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	n, err := onlyNotable(op, rows, sid, rid)
	if err != nil {
		return nil, err
	}
	if n.Reviews, err = c.Reviews(ctx, n.RuleID); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return n, nil
}

// notableSearch writes the search. event_id and urgency do not exist in the index: Enterprise
// Security's macros compute them, one with the hash that the site has chosen, the other from
// severity and the priority of the assets.
func notableSearch(sid, rid string) (string, error) {
	s, err := term("orig_sid", sid)
	if err != nil {
		return "", err
	}
	r, err := term("orig_rid", rid)
	if err != nil {
		return "", err
	}
	return "search index=notable " + s + " " + r +
		" | eval `get_event_id_meval`, rule_id=event_id | `get_urgency`" +
		" | table rule_id, orig_sid, orig_rid, source, status, owner, urgency, disposition, winnow_id", nil
}

// onlyNotable picks the row that carries exactly this sid and rid: search compares without
// regard to case.
func onlyNotable(op string, rows []Row, sid, rid string) (*Notable, error) {
	found := map[string]Row{}
	var ids []string
	for _, row := range rows {
		id := row.Get("rule_id")
		if row.Get("orig_sid") != sid || row.Get("orig_rid") != rid || found[id] != nil {
			continue
		}
		if !ruleIDForm().MatchString(id) {
			return nil, &Error{Op: op, Code: CodeBadAnswer, Message: fmt.Sprintf("rule_id %q is not one", plain(id, maxMessage))}
		}
		found[id] = row
		ids = append(ids, id)
	}
	what := fmt.Sprintf("sid %q rid %q", plain(sid, maxMessage), plain(rid, maxMessage))
	switch len(ids) {
	case 0:
		return nil, &Error{Op: op, Code: CodeNoNotable, Retry: true, Message: "none has " + what + " (yet)"}
	case 1:
		return newNotable(ids[0], found[ids[0]]), nil
	}
	return nil, &Error{
		Op: op, Code: CodeManyNotable,
		Message: fmt.Sprintf("%d have %s, none is touched: %s", len(ids), what, cut(strings.Join(ids, ", "), maxMessage)),
	}
}

func newNotable(id string, row Row) *Notable {
	return &Notable{
		RuleID: id, SearchName: row.Get("source"), WinnowID: row.Get("winnow_id"),
		Base: State{
			Status: row.Get("status"), Owner: row.Get("owner"),
			Urgency: row.Get("urgency"), Disposition: row.Get("disposition"),
		},
	}
}

var ruleIDForm = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^[A-Za-z0-9-]+@@[A-Za-z0-9_.-]+@@[A-Za-z0-9]+$`)
})

// Update is a change to a notable event. Empty fields stay as they are.
type Update struct {
	RuleID  string
	State   State
	Comment string
}

// notableAnswer is what notable_update answers. success may be false with HTTP 200.
type notableAnswer struct {
	Success      bool           `json:"success"`
	Message      string         `json:"message"`
	SuccessCount *int           `json:"success_count"`
	Details      map[string]any `json:"details"`
}

// UpdateNotable changes one notable event. The credentials need the capability
// edit_notable_events, and transition_reviewstatus-X_to_Y for the change of status.
func (c *Client) UpdateNotable(ctx context.Context, u Update) error {
	r := call{op: "update notable", path: "/services/notable_update", query: jsonMode(), form: url.Values{}}
	if !ruleIDForm().MatchString(u.RuleID) {
		return &Error{Op: r.op, Code: CodeInput, Message: fmt.Sprintf("rule_id %q is not one", plain(u.RuleID, maxMessage))}
	}
	for key, value := range map[string]string{
		"ruleUIDs": u.RuleID, "status": u.State.Status, "urgency": u.State.Urgency,
		"newOwner": u.State.Owner, "disposition": u.State.Disposition, "comment": u.Comment,
	} {
		if value != "" {
			r.form.Set(key, value)
		}
	}
	var a notableAnswer
	if err := c.getJSON(ctx, r, &a); err != nil {
		return err
	}
	if a.Success && (a.SuccessCount == nil || *a.SuccessCount == 1) {
		return nil
	}
	return &Error{Op: r.op, Status: 200, Code: CodeRefused, Retry: true, Message: a.text()}
}

// text joins the message and the reasons, which are the keys of details.
func (a *notableAnswer) text() string {
	texts := []string{a.Message}
	texts = append(texts, slices.Sorted(maps.Keys(a.Details))...)
	return plain(strings.Join(texts, "; "), maxMessage)
}
