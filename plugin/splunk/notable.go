package splunk

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
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
	Time       time.Time
	Base       State // as the event itself says
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

// Ref says which notable event is meant: the one that winnow wrote about an alert, else the one that
// Enterprise Security made of the row of a search run.
type Ref struct {
	WinnowID string // "" to look only by the row
	SID, RID string
}

func (r Ref) String() string {
	return fmt.Sprintf("sid %q rid %q", plain(r.SID, maxMessage), plain(r.RID, maxMessage))
}

// FindNotable returns the notable event that was made of one row of a search run, with its reviews. from
// and to are the earliest and latest times the alert is known under; a day is added on both sides. Not
// finding it is a retryable error, since indexing takes a while; finding more than one is an error that
// names them.
func (c *Client) FindNotable(ctx context.Context, sid, rid string, from, to time.Time) (*Notable, error) {
	const op = "find notable"
	n, err := c.Resolve(ctx, Ref{SID: sid, RID: rid}, from, to)
	if err != nil {
		return nil, err
	}
	if n.Reviews, err = c.Reviews(ctx, n.RuleID); err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return n, nil
}

// Resolve is [Client.FindNotable] without the reviews. An event that carries winnow's own key is taken
// before one that only carries the row's sid and rid.
func (c *Client) Resolve(ctx context.Context, r Ref, from, to time.Time) (*Notable, error) {
	const op = "find notable"
	spl, err := notableSearch(r)
	if err != nil {
		return nil, &Error{Op: op, Code: CodeInput, Err: err}
	}
	rows, err := c.Search(ctx, spl, from.Add(-searchBefore), to.Add(searchAfter))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return onlyNotable(op, rows, r)
}

// notableSearch writes the search. event_id and urgency do not exist in the index: Enterprise
// Security's macros compute them, one with the hash that the site has chosen, the other from
// severity and the priority of the assets. A row without sid and rid, or with ones that cannot be
// searched for exactly, is looked for by winnow's key alone.
func notableSearch(r Ref) (string, error) {
	which, err := term("winnow_id", r.WinnowID)
	s, serr := term("orig_sid", r.SID)
	rid, rerr := term("orig_rid", r.RID)
	switch row := errors.Join(serr, rerr); {
	case err != nil && row != nil:
		return "", row
	case err != nil:
		which = s + " " + rid
	case row == nil:
		which = "(" + which + " OR (" + s + " " + rid + "))"
	}
	return "search index=notable " + which +
		" | eval `get_event_id_meval`, rule_id=event_id, notable_time=_time | `get_urgency`" +
		" | table rule_id, notable_time, orig_sid, orig_rid, source, status, owner, urgency, disposition, winnow_id", nil
}

// onlyNotable picks the row that carries exactly winnow's key, else the one that carries exactly this
// sid and rid: search compares without regard to case.
func onlyNotable(op string, rows []Row, r Ref) (*Notable, error) {
	own := slices.DeleteFunc(slices.Clone(rows), func(row Row) bool {
		return r.WinnowID == "" || row.Get("winnow_id") != r.WinnowID
	})
	if len(own) == 0 {
		own = slices.DeleteFunc(slices.Clone(rows), func(row Row) bool {
			return row.Get("orig_sid") != r.SID || row.Get("orig_rid") != r.RID || r.SID == "" || r.RID == ""
		})
	}
	found := map[string]Row{}
	var ids []string
	for _, row := range own {
		id := row.Get("rule_id")
		if found[id] != nil {
			continue
		}
		if !ruleIDForm().MatchString(id) {
			return nil, &Error{Op: op, Code: CodeBadAnswer, Message: fmt.Sprintf("rule_id %q is not one", plain(id, maxMessage))}
		}
		found[id] = row
		ids = append(ids, id)
	}
	switch len(ids) {
	case 0:
		return nil, &Error{Op: op, Code: CodeNoNotable, Retry: true, Message: "none has " + r.String() + " (yet)"}
	case 1:
		return newNotable(ids[0], found[ids[0]]), nil
	}
	return nil, &Error{
		Op: op, Code: CodeManyNotable,
		Message: fmt.Sprintf("%d have %s, none is touched: %s", len(ids), r, cut(strings.Join(ids, ", "), maxMessage)),
	}
}

func newNotable(id string, row Row) *Notable {
	return &Notable{
		RuleID: id, SearchName: row.Get("source"), WinnowID: row.Get("winnow_id"), Time: seconds(row.Get("notable_time")),
		Base: State{
			Status: row.Get("status"), Owner: row.Get("owner"),
			Urgency: row.Get("urgency"), Disposition: row.Get("disposition"),
		},
	}
}

// seconds reads a time as Splunk writes it, "" or nonsense as the zero time.
func seconds(text string) time.Time {
	whole, _, _ := strings.Cut(text, ".")
	sec, err := strconv.ParseInt(whole, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(sec, 0).UTC()
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
