package splunktest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// App segments under which Enterprise Security 8 has its findings; which one it is differs by release.
const (
	AppMissionControl = "missioncontrol"
	AppSecuritySuite  = "SplunkEnterpriseSecuritySuite"
)

// Limits of a note, in characters.
const (
	maxNoteTitle   = 250
	maxNoteContent = 10_000
)

// Note is a note on a finding. The interface does not say who wrote it; the server knows.
type Note struct {
	ID      string
	User    string
	Title   string
	Content string
	Type    string
}

// AddNote adds a note the way a person does.
func (s *Server) AddNote(user, id string, n Note) error {
	if err := n.check(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, ok := s.note(user, id, n); !ok {
		return sayf("no finding %s", id)
	}
	return nil
}

func (n Note) check() error {
	switch {
	case utf8.RuneCountInString(n.Title) > maxNoteTitle:
		return sayf("title must have at most %d characters", maxNoteTitle)
	case n.Content == "" || utf8.RuneCountInString(n.Content) > maxNoteContent:
		return sayf("content must have 1 to %d characters", maxNoteContent)
	case n.Type != "" && n.Type != "Incident" && n.Type != "Task":
		return says("type must be Incident or Task")
	}
	return nil
}

func (s *Server) note(user, id string, n Note) (Note, bool) {
	for _, f := range s.notables {
		if f.ID == id {
			s.serial++
			n.ID, n.User = fmt.Sprintf("note-%d", s.serial), user
			f.Notes = append(f.Notes, n)
			return n, true
		}
	}
	return n, false
}

// es8 answers with 404 where Enterprise Security 8 is not, or not under that app.
func (s *Server) es8(app string, serve endpoint) endpoint {
	return func(w http.ResponseWriter, r *http.Request, who *login) {
		want := app
		if want == "" {
			want = s.opts.FindingsApp
		}
		if s.opts.FindingsApp == "" || s.opts.NoES || r.PathValue("app") != want {
			notFound(w, r, who)
			return
		}
		if r.Method != http.MethodGet && !who.can(CapEditNotables) {
			refuse(w, http.StatusForbidden, "requires capability: "+CapEditNotables)
			return
		}
		serve(w, r, who)
	}
}

// refuse answers as the findings interface does: always JSON.
func refuse(w http.ResponseWriter, status int, text string) {
	writeJSON(w, status, map[string]any{"code": fmt.Sprintf("MC_%04d", status), "message": text})
}

// immutable answers to what would change or delete a finding itself.
func immutable(w http.ResponseWriter, _ *http.Request, _ *login) {
	refuse(w, http.StatusMethodNotAllowed, "findings cannot be changed or deleted")
}

func (s *Server) findings(w http.ResponseWriter, r *http.Request, _ *login) {
	limit, err := strconv.Atoi(or(r.Form.Get("limit"), "30"))
	if err != nil || limit < 1 {
		refuse(w, http.StatusBadRequest, "limit is not a number")
		return
	}
	from := s.since(r)
	items := []any{}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range slices.Backward(s.notables) {
		if len(items) < limit && s.visible(n) && !n.Time.Before(from) {
			items = append(items, s.findingDocument(n))
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{"items": items, "limit": limit, "offset": 0, "total": len(items)})
}

// since reads earliest; unless it is given, only the last day is looked at.
func (s *Server) since(r *http.Request) time.Time {
	if sec, err := strconv.ParseInt(r.Form.Get("earliest"), 10, 64); err == nil {
		return time.Unix(sec, 0)
	}
	return s.opts.Now().Add(-24 * time.Hour)
}

// visible says whether an event is found yet. Where that takes no time, a clock that was set back hides nothing.
func (s *Server) visible(n *Notable) bool { return s.found(&n.Event) }

func (s *Server) found(e *Event) bool {
	return s.opts.IndexLag <= 0 || !s.opts.Now().Before(e.IndexedAt.Add(s.opts.IndexLag))
}

func (s *Server) finding(w http.ResponseWriter, r *http.Request, _ *login) {
	from := s.since(r)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.notables {
		if n.ID == r.PathValue("id") && s.visible(n) && !n.Time.Before(from) {
			writeJSON(w, http.StatusOK, s.findingDocument(n))
			return
		}
	}
	refuse(w, http.StatusNotFound, "finding not found")
}

// findingDocument is a finding with what people did to it. Numbers come as text.
func (s *Server) findingDocument(n *Notable) map[string]any {
	doc := map[string]any{}
	for name, values := range n.Fields {
		doc[name] = strings.Join(values, "\n")
	}
	doc["finding_id"], doc["event_id"] = n.ID, n.ID
	doc["_time"] = n.Time.UTC().Format(time.RFC3339)
	doc["status"], doc["owner"] = or(n.Status(), s.opts.defaultStatus()), or(n.Owner(), "unassigned")
	doc["urgency"], doc["disposition"] = n.Urgency(), or(n.Disposition(), "disposition:0")
	return doc
}

var findingRequired = []string{"rule_title", "rule_description", "security_domain", "risk_object", "risk_object_type", "risk_score"}

func (s *Server) createFinding(w http.ResponseWriter, r *http.Request, who *login) {
	var body map[string]any
	if err := readJSON(r, &body); err != nil {
		refuse(w, http.StatusBadRequest, "the body is not JSON")
		return
	}
	if err := s.checkFinding(body); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	fields := map[string][]string{}
	for name, v := range body {
		fields[name] = []string{fmt.Sprint(v)}
	}
	fields["creator"] = []string{who.user}
	now := s.opts.Now()
	e := Event{Index: "notable", Time: now, Source: one(fields, "rule_title"), Fields: fields}
	e.Raw = fmt.Sprintf("%d, %s", now.Unix(), rawFields(fields))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.serial++
	e.IndexedAt = now
	n := &Notable{Event: e, ID: fmt.Sprintf("2008e99d-af14-4fec-89da-%012d@@notable@@time%d", s.serial, now.Unix())}
	s.notables = append(s.notables, n)
	writeJSON(w, http.StatusCreated, s.findingDocument(n))
}

func (s *Server) checkFinding(body map[string]any) error {
	for _, name := range findingRequired {
		if body[name] == nil || body[name] == "" {
			return sayf("%s is required", name)
		}
	}
	if _, ok := body["risk_score"].(float64); !ok {
		return says("risk_score must be a number")
	}
	if !slices.Contains([]string{"user", "system", "other"}, fmt.Sprint(body["risk_object_type"])) {
		return says("risk_object_type must be user, system or other")
	}
	for name, v := range body {
		switch v.(type) {
		case string, float64:
		default:
			return sayf("%s must be text or a number", name)
		}
	}
	return s.checkState(body)
}

// checkState looks at the four things that people change.
func (s *Server) checkState(body map[string]any) error {
	c := Change{
		Status: textOf(body["status"]), Urgency: textOf(body["urgency"]), Disposition: textOf(body["disposition"]),
		Owner: textOf(body["owner"]) + textOf(body["assignee"]),
	}
	if c == (Change{}) {
		return nil
	}
	if err := s.check([]string{s.opts.GUID + "@@notable@@0"}, c); err != nil {
		return err
	}
	if c.Status != "" && !s.opts.hasStatus(c.Status) {
		return sayf("transition to status %s is not allowed", c.Status)
	}
	return nil
}

func textOf(v any) string {
	if v == nil {
		return ""
	}
	return fmt.Sprint(v)
}

// updateFinding changes status, assignee, urgency and disposition. The time of the finding is needed to
// find it.
func (s *Server) updateFinding(w http.ResponseWriter, r *http.Request, who *login) {
	var body map[string]any
	id := r.PathValue("id")
	at, err := strconv.ParseInt(r.Form.Get("notable_time"), 10, 64)
	if err != nil {
		refuse(w, http.StatusBadRequest, "notable_time is missing")
		return
	}
	if err := readJSON(r, &body); err != nil || len(body) == 0 {
		refuse(w, http.StatusBadRequest, "the body is not JSON, or empty")
		return
	}
	for name := range body {
		if !slices.Contains([]string{"assignee", "status", "urgency", "disposition"}, name) {
			refuse(w, http.StatusBadRequest, name+" cannot be changed")
			return
		}
	}
	if err := s.checkState(body); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	c := Change{
		Status: textOf(body["status"]), Urgency: textOf(body["urgency"]), Disposition: textOf(body["disposition"]),
		Owner: textOf(body["assignee"]),
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.notables {
		if n.ID == id && n.Time.Unix() == at {
			if !s.opts.NoHistory {
				s.addReview(id, who.user, c)
			} else {
				n.hide(c)
			}
			writeJSON(w, http.StatusOK, map[string]any{"id": id})
			return
		}
	}
	refuse(w, http.StatusNotFound, "finding not found")
}

// hide makes a change that leaves no entry in the review history.
func (n *Notable) hide(c Change) {
	for field, v := range map[string]string{"status": c.Status, "owner": c.Owner, "urgency": c.Urgency, "disposition": c.Disposition} {
		if v != "" {
			n.Fields[field] = []string{v}
		}
	}
}

func (s *Server) notes(w http.ResponseWriter, r *http.Request, who *login) {
	id := r.PathValue("id")
	if r.Method == http.MethodPost {
		s.addNote(w, r, who, id)
		return
	}
	n, ok := s.Notable(id)
	if !ok {
		refuse(w, http.StatusInternalServerError, "MC_0050: not found")
		return
	}
	limit, offset := number(r, "limit", 100), number(r, "offset", 0)
	items := []any{}
	for i := offset; i < len(n.Notes) && len(items) < limit; i++ {
		items = append(items, n.Notes[i].document())
	}
	writeJSON(w, http.StatusOK, map[string]any{"items": items, "offset": offset, "limit": limit, "total": len(n.Notes)})
}

func number(r *http.Request, key string, unset int) int {
	if v, err := strconv.Atoi(r.Form.Get(key)); err == nil {
		return v
	}
	return unset
}

func (n Note) document() map[string]any {
	return map[string]any{"id": n.ID, "title": n.Title, "content": n.Content}
}

func (s *Server) addNote(w http.ResponseWriter, r *http.Request, who *login, id string) {
	var n Note
	body := map[string]string{}
	if err := readJSON(r, &body); err != nil {
		refuse(w, http.StatusBadRequest, "the body is not JSON")
		return
	}
	n.Title, n.Content, n.Type = body["title"], body["content"], body["type"]
	if err := n.check(); err != nil {
		refuse(w, http.StatusBadRequest, err.Error())
		return
	}
	s.mu.Lock()
	n, ok := s.note(who.user, id, n)
	s.mu.Unlock()
	if !ok {
		refuse(w, http.StatusNotFound, "finding not found")
		return
	}
	writeJSON(w, http.StatusCreated, n.document())
}

func readJSON(r *http.Request, v any) error {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return err
	}
	return json.Unmarshal(body, v)
}

// logReview answers with a stanza of log_review.conf: the rules for comments.
func (s *Server) logReview(w http.ResponseWriter, r *http.Request, who *login) {
	if s.opts.NoES || r.PathValue("app") != "SA-ThreatIntelligence" || r.PathValue("stanza") != "comment" {
		notFound(w, r, who)
		return
	}
	feed(w, entry("comment", map[string]any{
		"is_required": digit(s.opts.MinComment > 0), "minimum_length": strconv.Itoa(s.opts.MinComment), "disabled": false,
	}))
}
