package splunk

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// The interface of Enterprise Security 8. What is known of it comes from its documentation and from public
// clients of it; see docs/operations.md for what was never seen at work.
const (
	missionControl = "missioncontrol" // the app that changes findings and keeps their notes

	// Limits of a note, in characters.
	maxNoteTitle   = 250
	maxNoteContent = 10_000
)

// findingsApp returns the first of the apps that has findings, "" when none has.
func (c *Client) findingsApp(ctx context.Context, apps []string) (string, error) {
	for _, app := range apps {
		_, err := c.do(ctx, call{
			op: "look for findings", path: escape("servicesNS", "nobody", app, "public", "v2", "findings"),
			query: url.Values{"limit": {"1"}},
		})
		switch e, ok := errors.AsType[*Error](err); {
		case err == nil:
			return app, nil
		case ok && e.Code == CodeNotFound:
		default:
			return "", err
		}
	}
	return "", nil
}

// notableTime is how the interface wants to know when a finding was made: as its ID says, else as the index
// says.
func notableTime(n *Notable) string {
	if m := findingTimeForm().FindStringSubmatch(n.RuleID); m != nil {
		return m[1]
	}
	return strconv.FormatInt(n.Time.Unix(), 10)
}

var findingTimeForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`@@time([0-9]{1,12})$`) })

var dispositionForm = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^disposition:[0-9]{1,9}$`) })

// FindingState reads what a finding shows at present.
func (c *Client) FindingState(ctx context.Context, app string, n *Notable) (State, error) {
	at, err := strconv.ParseInt(notableTime(n), 10, 64)
	if err != nil {
		return State{}, &Error{Op: "read finding", Code: CodeInput, Err: err}
	}
	r := call{
		op: "read finding", path: escape("servicesNS", "nobody", app, "public", "v2", "findings", n.RuleID),
		query: url.Values{"earliest": {strconv.FormatInt(at-1, 10)}}, // unless told, it looks at one day
	}
	var doc map[string]any
	if err := c.getJSON(ctx, r, &doc); err != nil {
		return State{}, err
	}
	return State{
		Status: text(doc["status"]), Owner: text(doc["owner"]), Urgency: text(doc["urgency"]), Disposition: text(doc["disposition"]),
	}, nil
}

// UpdateFinding changes status, owner, urgency or disposition of a finding: nothing else of it can be.
func (c *Client) UpdateFinding(ctx context.Context, n *Notable, to State) error {
	r := call{
		op: "update finding", path: escape("servicesNS", "nobody", missionControl, "v1", "investigations", n.RuleID),
		query: url.Values{"notable_time": {notableTime(n)}},
	}
	body := map[string]string{}
	for key, value := range map[string]string{
		"status": to.Status, "assignee": to.Owner, "urgency": to.Urgency, "disposition": to.Disposition,
	} {
		if value != "" {
			body[key] = value
		}
	}
	return c.postJSON(ctx, r, body, nil)
}

// postJSON sends v, and reads the answer into out unless that is nil.
func (c *Client) postJSON(ctx context.Context, r call, v, out any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return &Error{Op: r.op, Code: CodeInput, Err: err}
	}
	if r.json = data; out != nil {
		return c.getJSON(ctx, r, out)
	}
	_, err = c.do(ctx, r)
	return err
}

// Note is a note on a finding. Who wrote it the interface does not say.
type Note struct {
	ID      string `json:"id"`
	Title   string `json:"title"`
	Content string `json:"content"`
}

// Pages of notes: a finding with more than these has a person's for sure.
const (
	notesPage  = 100
	notesPages = 20
)

func notesPath(n *Notable) string {
	return escape("servicesNS", "nobody", missionControl, "public", "v2", "investigations", n.RuleID, "notes")
}

// Notes returns the notes of a finding, oldest first where the interface sorts them. A finding that nobody
// has worked on has none.
func (c *Client) Notes(ctx context.Context, n *Notable) ([]Note, error) {
	var all []Note
	for page := range notesPages {
		r := call{op: "read notes", path: notesPath(n), query: url.Values{
			"notable_time": {notableTime(n)}, "sort": {"create_time:1"},
			"limit": {strconv.Itoa(notesPage)}, "offset": {strconv.Itoa(page * notesPage)},
		}}
		var answer struct {
			Items []Note `json:"items"`
		}
		err := c.getJSON(ctx, r, &answer)
		if unknownThere(err) {
			return all, nil
		}
		if err != nil {
			return nil, err
		}
		all = append(all, answer.Items...)
		if len(answer.Items) < notesPage {
			return all, nil
		}
	}
	return all, nil
}

// unknownThere reports whether an error says that there is nothing under that ID: with 404, or with 500 and
// a code of the app's own.
func unknownThere(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && (e.Code == CodeNotFound || e.Status == http.StatusInternalServerError && strings.Contains(e.Message, "MC_0050"))
}

// AddNote adds a note to a finding. It is written again when it is sent again.
func (c *Client) AddNote(ctx context.Context, n *Notable, title, content string) error {
	r := call{op: "add note", path: notesPath(n), query: url.Values{"notable_time": {notableTime(n)}}}
	return c.postJSON(ctx, r, map[string]string{"title": title, "content": content, "type": "Incident"}, nil)
}

// CreateFinding makes a finding and returns its ID. It is made again when it is sent again.
func (c *Client) CreateFinding(ctx context.Context, app string, body map[string]any) (string, error) {
	r := call{op: "create finding", path: escape("servicesNS", "nobody", app, "public", "v2", "findings")}
	var made struct {
		ID string `json:"finding_id"`
	}
	if err := c.postJSON(ctx, r, body, &made); err != nil {
		return "", err
	}
	if !ruleIDForm().MatchString(made.ID) {
		return "", &Error{Op: r.op, Status: http.StatusOK, Code: CodeBadAnswer, Retry: true, Message: "the answer names no finding"}
	}
	return made.ID, nil
}

// surelyNotDone reports whether an error says that Splunk has not carried out what was asked.
func surelyNotDone(err error) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && e.Status >= http.StatusBadRequest && e.Status < http.StatusInternalServerError && e.Status != http.StatusRequestTimeout
}

// knownUntil is the latest time that something winnow wrote may be stamped with.
func knownUntil(to, now time.Time) time.Time {
	if now.After(to) {
		return now
	}
	return to
}
