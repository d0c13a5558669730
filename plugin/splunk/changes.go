package splunk

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
)

// Change is an entry of the review history of any notable event or finding: who changed which, and when.
type Change struct {
	RuleID string
	User   string
	At     time.Time // by the clock of the search head that took the change, to the microsecond
	Marked bool      // it ends with a mark of winnow's; whose it is, the event's history says
	Bulk   bool      // one of more than ten changes of this user within a minute
}

// Bounds of what is read of changes.
const (
	changesPage = 500
	maxChanges  = 20_000 // at a time
	bulkMinute  = time.Minute
	bulkMost    = 10
)

// Changes returns the changes in (from, to], oldest first, and says of each whether it is one of many.
// What happened a minute before and after is read for that. More than there may be at a time is an
// error with [CodeTooLarge].
func (c *Client) Changes(ctx context.Context, from, to time.Time) ([]Change, error) {
	const op = "read what people changed"
	low, high := seconds6(from.Add(-bulkMinute)), seconds6(to.Add(bulkMinute))
	// The collection's time is a number, and text where a release wrote it so: each is compared with its like.
	query := fmt.Sprintf(`{"$or":[{"time":{"$gt":%[1]s,"$lte":%[2]s}},{"time":{"$gt":"%[1]s","$lte":"%[2]s"}}]}`, low, high)
	seen := map[Change]bool{}
	var all []Change
	for skip := 0; ; skip += changesPage {
		var docs []map[string]any
		err := c.getJSON(ctx, call{op: op, path: reviewPath, query: url.Values{
			"query": {query}, "sort": {"time:1"}, "limit": {strconv.Itoa(changesPage)}, "skip": {strconv.Itoa(skip)},
			"fields": {"rule_id,user,time,comment"}, "output_mode": {"json"},
		}}, &docs)
		if err != nil {
			return nil, err
		}
		for _, doc := range docs {
			one, ok := parseChange(doc)
			if ok && !seen[one] {
				seen[one] = true
				all = append(all, one)
			}
		}
		if len(docs) < changesPage {
			break
		}
		if len(all) > maxChanges {
			return nil, &Error{Op: op, Code: CodeTooLarge, Message: fmt.Sprintf("more than %d changes between %s and %s", maxChanges, from.UTC(), to.UTC())}
		}
	}
	markBulk(all)
	return slices.DeleteFunc(all, func(c Change) bool { return !c.At.After(from) || c.At.After(to) }), nil
}

func seconds6(t time.Time) string { return strconv.FormatFloat(float64(t.UnixMicro())/1e6, 'f', 6, 64) }

// parseChange reads a document. One without an event, a user or a time is nobody's change.
func parseChange(doc map[string]any) (Change, bool) {
	r := parseReview(doc)
	id := text(doc["rule_id"])
	if !ruleIDForm().MatchString(id) || r.User == "" || len(r.User) > maxPart || r.Time <= 0 || r.Time > 253402300799 {
		return Change{}, false
	}
	_, marked := parseMark(r.Comment)
	return Change{RuleID: id, User: r.User, At: reviewTime(r), Marked: marked}, true
}

func reviewTime(r Review) time.Time { return time.UnixMicro(int64(r.Time*1e6 + 0.5)).UTC() }

// markBulk sorts changes by time and marks those of a user that are among more than ten of that user's in
// a minute. It comes to the same whatever order they are in.
func markBulk(all []Change) {
	slices.SortFunc(all, func(a, b Change) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.User, b.User), strings.Compare(a.RuleID, b.RuleID))
	})
	last := map[string][]int{} // by user: up to ten of the changes before
	for i := range all {
		if all[i].Marked {
			continue // winnow's own writes are no sign of a person in a hurry
		}
		before := append(last[all[i].User], i)
		if len(before) > bulkMost+1 {
			before = before[1:]
		}
		last[all[i].User] = before
		if len(before) > bulkMost && all[i].At.Sub(all[before[0]].At) < bulkMinute {
			for _, j := range before {
				all[j].Bulk = true
			}
		}
	}
}

// Origin is what a notable event says of where it came from. Anybody who may write events can claim it.
type Origin struct{ SID, RID, WinnowID string }

// originsAtOnce is how many events one search looks for.
const originsAtOnce = 50

// Origins looks for notable events by their rule_id, among those of [from, to). One that is not found is
// not in the answer.
func (c *Client) Origins(ctx context.Context, ruleIDs []string, from, to time.Time) (map[string]Origin, error) {
	out := make(map[string]Origin, len(ruleIDs))
	for some := range slices.Chunk(ruleIDs, originsAtOnce) {
		quoted := make([]string, len(some))
		for i, id := range some {
			if !ruleIDForm().MatchString(id) {
				return nil, &Error{Op: "find notables", Code: CodeInput, Message: fmt.Sprintf("rule_id %q is not one", plain(id, maxMessage))}
			}
			quoted[i] = `"` + escapeQuoted(id) + `"`
		}
		rows, err := c.Search(ctx, "search index=notable | eval `get_event_id_meval`, rule_id=event_id, notable_time=_time"+
			" | search rule_id IN ("+strings.Join(quoted, ", ")+") | table rule_id, orig_sid, orig_rid, winnow_id", from, to)
		if err != nil {
			return nil, fmt.Errorf("find notables: %w", err)
		}
		for _, row := range rows {
			if id := row.Get("rule_id"); slices.Contains(some, id) {
				out[id] = Origin{SID: row.Get("orig_sid"), RID: row.Get("orig_rid"), WinnowID: row.Get("winnow_id")}
			}
		}
	}
	return out, nil
}

// Label is what a person says a notable event was.
type Label struct {
	By          string
	At          time.Time          // zero: nobody has said anything
	Disposition winnow.Disposition // Undetermined for one that was only opened again
	Reopened    bool               // winnow had closed it, and a person has opened it since
}

// Label reads what people last said of the notable event of an alert, which has to be the one of that
// rule_id. What winnow wrote itself says nothing, and an entry only says what it changes. Safe for
// concurrent use.
func (s *UpdateSink) Label(ctx context.Context, a *winnow.Alert, winnowID, ruleID string) (Label, error) {
	k, err := s.open(ctx, a, winnowID)
	if err != nil {
		return Label{}, s.site.wrong(err)
	}
	if k.n.RuleID != ruleID {
		return Label{}, &Error{Op: "read label", Code: CodeManyNotable, Message: "another notable event is this alert's"}
	}
	return k.h.label(k.facts), nil
}

// label returns the last disposition that a person gave and that stands, or that what winnow had closed
// was opened again.
func (h history) label(f Facts) Label {
	var out Label
	var opened Review
	now, given := h.base, ""
	for _, r := range h.reviews {
		next := r.State.over(now)
		_, own := h.own(r)
		if next.Disposition != now.Disposition && !own && r.User != "" {
			given = next.Disposition
			out = Label{By: plain(r.User, maxPart), At: reviewTime(r), Disposition: f.means(given)}
		}
		if !own && next.Status != now.Status && now.Status == f.Statuses.Closed {
			opened = r
		}
		now = next
	}
	// Where winnow's write crossed a person's it has given back what they said: that is still theirs.
	if now.Disposition != given || out.Disposition == winnow.Undetermined {
		out = Label{}
	}
	if !h.reopened(f.Statuses) {
		return out
	}
	out.Reopened = true
	if out.At.IsZero() || reviewTime(opened).After(out.At) && out.Disposition.Benign() {
		// Whoever opens what was benign takes that back.
		out = Label{By: plain(opened.User, maxPart), At: reviewTime(opened), Reopened: true}
	}
	return out
}

// NoLabel reports whether an error of [UpdateSink.Label] says that the event is not surely the alert's: it
// will not become so.
func NoLabel(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Code == CodeManyNotable || e.Code == CodeNoNotable || e.Code == CodeInput)
}
