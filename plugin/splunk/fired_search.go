package splunk

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The searches. They hold no text of anybody's.
const (
	invokedSearch = `search index=_internal sourcetype=splunkd component=sendmodalert "Invoking modular alert action=winnow_triage" | table _time, host, _raw`
	ownSearch     = `search index=_internal sourcetype=splunkd component=sendmodalert "action=winnow_triage" NOT "Invoking modular alert" | table _time, host, _raw`
	auditSearch   = `search index=_audit action=alert_fired "winnow_triage" | table _time, host, _raw`
)

// Bounds of what is held in memory at a time.
const (
	firedChunk = 15 * time.Minute
	maxFired   = 5000 // firings of a chunk
	sliceRows  = 2000 // rows of one search
)

var errManyFired = errors.New("more firings than are looked at together")

// Fired calls f with the firings in [from, to) of the search heads that ours knows, a span of time after
// the other, oldest first. What the action said is read until lag after each span. Times are whole
// seconds. It holds no more than the firings of one span in memory.
func (c *Client) Fired(
	ctx context.Context, from, to time.Time, lag time.Duration, ours func(host string) bool, f func(until time.Time, all []Fired) error,
) (FiredCount, error) {
	var count FiredCount
	from, to = from.Truncate(time.Second), to.Truncate(time.Second)
	chunk := firedChunk
	for from.Before(to) {
		until := from.Add(chunk)
		if until.After(to) {
			until = to
		}
		r := firedReader{c: c, ours: ours, by: map[string]*Fired{}}
		err := r.read(ctx, from, until, lag)
		if errors.Is(err, errManyFired) && chunk > time.Second {
			chunk = max(chunk/2, time.Second).Truncate(time.Second)
			continue
		}
		if err == nil {
			count.add(r.count)
			err = f(until, r.all())
		}
		if err != nil {
			return count, err
		}
		from = until
	}
	return count, nil
}

func (n *FiredCount) add(o FiredCount) {
	n.Elsewhere += o.Elsewhere
	n.Adhoc += o.Adhoc
	n.Unreadable += o.Unreadable
	n.Failed += o.Failed
}

// firedReader reads the firings of one span.
type firedReader struct {
	c     *Client
	ours  func(host string) bool
	by    map[string]*Fired // by sid
	count FiredCount
}

func (r *firedReader) read(ctx context.Context, from, to time.Time, lag time.Duration) error {
	if err := r.c.slices(ctx, "read what fired", invokedSearch, from, to, r.invoked); err != nil {
		return err
	}
	if err := r.c.slices(ctx, "read what fired", auditSearch, from, to, r.audited); err != nil {
		return err
	}
	if len(r.by) == 0 {
		return nil
	}
	return r.c.slices(ctx, "read what the action said", ownSearch, from, to.Add(lag), r.own)
}

func (r *firedReader) all() []Fired {
	out := make([]Fired, 0, len(r.by))
	for _, f := range r.by {
		out = append(out, *f)
	}
	slices.SortFunc(out, func(a, b Fired) int {
		if c := a.At.Compare(b.At); c != 0 {
			return c
		}
		return strings.Compare(a.SID, b.SID)
	})
	return out
}

// at returns the firing of a sid.
func (r *firedReader) at(f Fired) (*Fired, error) {
	known := r.by[f.SID]
	if known == nil {
		if len(r.by) >= maxFired {
			return nil, errManyFired
		}
		f.Runs = map[string]int{}
		known = &f
		r.by[f.SID] = known
	}
	return known, nil
}

func (r *firedReader) invoked(at time.Time, host, raw string) error {
	line, err := parseLogLine(raw)
	if err != nil {
		r.count.Unreadable++
		return nil //nolint:nilerr // counted; others' lines must not stop the reading
	}
	switch {
	case line.kind != lineInvoked:
		return nil // the phrase, in what another program wrote
	case !r.ours(host):
		r.count.Elsewhere++
		return nil
	case line.adhoc:
		r.count.Adhoc++
		return nil
	}
	f, err := r.at(Fired{SID: line.sid, Search: line.search, App: line.app, Owner: line.owner, Host: host, At: at})
	if err != nil {
		return err
	}
	f.Invoked++
	if at.Before(f.At) {
		f.At = at
	}
	return nil
}

func (r *firedReader) audited(at time.Time, host, raw string) error {
	one, named, err := parseAudit(raw)
	if err != nil {
		r.count.Unreadable++
		return nil //nolint:nilerr // as above
	}
	switch {
	case !named || !strings.Contains(one.SID, "scheduler"):
		return nil
	case !r.ours(host):
		r.count.Elsewhere++
		return nil
	}
	one.Host, one.At = host, at
	f, err := r.at(one)
	if err != nil {
		return err
	}
	f.Audited = true
	if f.Severity == "" {
		f.Severity = one.Severity
	}
	return nil
}

func (r *firedReader) own(_ time.Time, host, raw string) error {
	line, err := parseLogLine(raw)
	switch {
	case err != nil:
		r.count.Unreadable++
	case !r.ours(host):
	case line.kind == lineFailed:
		r.count.Failed++
	case line.kind == lineSaid && r.by[line.sid] != nil:
		f := r.by[line.sid]
		f.Said, f.Noted = true, f.Noted || line.noted
		if line.rows >= 0 {
			f.Runs[line.run] = line.rows
		}
	}
	return nil
}

// slices searches [from, to) and gives every row once, in pieces of time that are small enough. f gets
// the row's time, host and text.
func (c *Client) slices(ctx context.Context, op, spl string, from, to time.Time, f func(at time.Time, host, raw string) error) error {
	rows, err := c.Search(ctx, spl+" | head "+strconv.Itoa(sliceRows+1), from, to)
	large, ok := errors.AsType[*Error](err)
	if err != nil && (!ok || large.Code != CodeTooLarge) {
		return fmt.Errorf("%s: %w", op, err)
	}
	if err == nil && len(rows) <= sliceRows {
		for _, row := range rows {
			at, ok := rowTime(row)
			if !ok {
				return &Error{Op: op, Code: CodeBadAnswer, Message: "a row has no _time"}
			}
			if err := f(at, row.Get("host"), row.Get("_raw")); err != nil {
				return err
			}
		}
		return nil
	}
	half := from.Add(to.Sub(from) / 2).Truncate(time.Second)
	if !half.After(from) {
		return &Error{Op: op, Code: CodeTooLarge, Message: fmt.Sprintf("more than %d lines in the second of %s", sliceRows, from.UTC().Format(time.RFC3339))}
	}
	if err := c.slices(ctx, op, spl, from, half, f); err != nil {
		return err
	}
	return c.slices(ctx, op, spl, half, to, f)
}

// rowTime reads _time: an export writes it as ISO 8601, or as seconds since 1970.
func rowTime(row Row) (time.Time, bool) {
	text := row.Get("_time")
	if t, err := time.Parse(time.RFC3339, text); err == nil {
		return t.UTC(), true
	}
	sec, err := strconv.ParseFloat(text, 64)
	if err != nil || sec < 0 || sec > 253402300799 {
		return time.Time{}, false
	}
	return time.UnixMilli(int64(sec * 1000)).UTC(), true
}

// ServerNames returns the names under which splunkd may log: its own, and those of its host.
func (c *Client) ServerNames(ctx context.Context) ([]string, error) {
	var a atom[map[string]any]
	r := call{op: "ask for the server's name", path: "/services/server/info", query: jsonMode()}
	if err := c.getJSON(ctx, r, &a); err != nil {
		return nil, err
	}
	var names []string
	for _, e := range a.Entry {
		for _, key := range []string{"serverName", "host", "host_fqdn"} {
			if name := text(e.Content[key]); name != "" && !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	if len(names) == 0 {
		return nil, &Error{Op: r.op, Code: CodeBadAnswer, Message: "the answer names no server"}
	}
	return names, nil
}

// resultsPage is how many rows of a search job are read at a time.
const resultsPage = 500

// Results calls f with the rows that a search job found, a page after the other and in their order,
// while the job's artefact lives. Once it is gone the error has [CodeNotFound].
func (c *Client) Results(ctx context.Context, sid string, f func([]Row) error) error {
	const op = "read the results of a search"
	if sid == "" || strings.ContainsAny(sid, "/\\") || sid == "." || sid == ".." {
		return &Error{Op: op, Code: CodeInput, Message: "a sid cannot be that"}
	}
	count := resultsPage
	for offset := 0; ; {
		rows, err := c.resultsAt(ctx, call{op: op, path: escape("services", "search", "v2", "jobs", sid, "results"), query: url.Values{
			"output_mode": {"json"}, "offset": {strconv.Itoa(offset)}, "count": {strconv.Itoa(count)},
		}})
		if e, ok := errors.AsType[*Error](err); ok && e.Code == CodeTooLarge && count > 1 {
			count /= 2
			continue
		}
		if err != nil || len(rows) == 0 {
			return err
		}
		if err := f(rows); err != nil {
			return err
		}
		offset += len(rows)
	}
}

func (c *Client) resultsAt(ctx context.Context, r call) ([]Row, error) {
	body, err := c.do(ctx, r)
	if err != nil {
		return nil, err
	}
	if len(body) == 0 {
		return nil, &Error{Op: r.op, Status: http.StatusNoContent, Code: CodeBusy, Retry: true, Message: "the search is not done"}
	}
	return parseResults(r.op, body)
}

func parseResults(op string, body []byte) ([]Row, error) {
	var answer struct {
		Results []map[string]json.RawMessage `json:"results"`
	}
	if err := json.Unmarshal(body, &answer); err != nil {
		return nil, &Error{Op: op, Code: CodeBadAnswer, Retry: true, Message: "the answer is cut off or not JSON", Err: err}
	}
	rows := make([]Row, 0, len(answer.Results))
	for _, one := range answer.Results {
		row, err := parseRow(one)
		if err != nil {
			return nil, &Error{Op: op, Code: CodeBadAnswer, Retry: true, Err: err}
		}
		rows = append(rows, row)
	}
	return rows, nil
}
