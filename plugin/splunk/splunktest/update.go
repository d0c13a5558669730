package splunktest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Change is what a caller of notable_update asks for. Empty fields stay as they are.
type Change struct {
	Status, Urgency, Owner, Disposition, Comment string

	// Skew is how far ahead the clock of the search head is that takes the change. With it the entry
	// keeps the time of that clock, even if that is before entries that were made earlier.
	Skew time.Duration
}

var (
	ruleID      = regexp.MustCompile(`^[A-Za-z0-9-]+@@[A-Za-z0-9_.-]+@@[A-Za-z0-9]+$`)
	disposition = regexp.MustCompile(`^disposition:[0-9]+$`)
)

var urgencies = []string{"informational", "low", "medium", "high", "critical"}

// Review makes a change the way a person does in Incident Review.
func (s *Server) Review(user, id string, c Change) error {
	if err := s.check([]string{id}, c); err != nil {
		return err
	}
	if refused := s.apply([]string{id}, user, c); refused != "" {
		return says(refused)
	}
	return nil
}

func (s *Server) notableUpdate(w http.ResponseWriter, r *http.Request, who *login) {
	if s.opts.NoES {
		notFound(w, r, who)
		return
	}
	if !who.can(CapEditNotables) {
		forbidden(w, r, who, CapEditNotables)
		return
	}
	ids, c := readChange(r.PostForm)
	if err := s.check(ids, c); err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]any{"success": false, "message": "ValueError: " + err.Error()})
		return
	}
	refused := s.apply(ids, who.user, c)
	answer := map[string]any{"warnings": []string{}, "details": map[string]int{}}
	if refused == "" {
		answer["success"], answer["success_count"], answer["failure_count"] = true, len(ids), 0
		answer["message"] = fmt.Sprintf("%d event(s) updated successfully", len(ids))
	} else {
		answer["success"], answer["success_count"], answer["failure_count"] = false, 0, len(ids)
		answer["message"] = fmt.Sprintf("%d event(s) could not be edited", len(ids))
		answer["details"] = map[string]int{refused: len(ids)}
	}
	writeJSON(w, http.StatusOK, answer)
}

func readChange(form url.Values) ([]string, Change) {
	ids := slices.Concat(form["ruleUIDs"], form["ruleUIDs[]"])
	return ids, Change{
		Status: form.Get("status"), Urgency: form.Get("urgency"), Owner: form.Get("newOwner"),
		Disposition: form.Get("disposition"), Comment: form.Get("comment"),
	}
}

// check refuses what the endpoint answers with HTTP 400.
func (s *Server) check(ids []string, c Change) error {
	for _, id := range ids {
		if !ruleID.MatchString(id) {
			return says("Invalid rule_id value.")
		}
	}
	if c.Urgency != "" && !slices.Contains(urgencies, c.Urgency) {
		return says("Invalid urgency value.")
	}
	if _, err := strconv.Atoi(c.Status); c.Status != "" && err != nil {
		return says("Invalid status value.")
	}
	if c.Disposition != "" && !disposition.MatchString(c.Disposition) {
		return says("Invalid disposition value.")
	}
	if c.Owner != "" && !slices.Contains(s.opts.NotableOwners, c.Owner) {
		return says("Invalid owner value.")
	}
	if c == (Change{}) {
		return says("One of comment, owner, status, urgency, disposition is required.")
	}
	if len(ids) == 0 {
		return says("One of ruleUIDs or searchID is required.")
	}
	return nil
}

// apply makes the change, or returns why it is refused with HTTP 200.
func (s *Server) apply(ids []string, user string, c Change) string {
	if len(strings.TrimSpace(c.Comment)) < s.opts.MinComment {
		return fmt.Sprintf("comment length does not meet minimum requirement (must be %d characters long or more)", s.opts.MinComment)
	}
	if c.Status != "" && !s.opts.hasStatus(c.Status) {
		return fmt.Sprintf("transition to status %s is not allowed", c.Status)
	}
	if s.opts.NoUrgency {
		c.Urgency = ""
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		s.addReview(id, user, c)
	}
	return ""
}

// addReview appends a record that inherits what the change does not set. The endpoint does not
// ask whether the event exists.
func (s *Server) addReview(id, user string, c Change) {
	at := float64(s.opts.Now().Add(c.Skew).UnixMilli()) / 1000
	if c.Skew == 0 {
		at = max(s.lastTime+0.001, at)
		s.lastTime = at
	}
	for _, n := range s.notables {
		if n.ID != id {
			continue
		}
		rec := Review{
			Time: at, RuleID: id, User: user, Comment: c.Comment,
			Status: or(c.Status, or(n.Status(), s.opts.defaultStatus())),
			Owner:  c.Owner, Urgency: c.Urgency, Disposition: c.Disposition,
		}
		if len(n.Reviews) > 0 {
			last := n.Reviews[len(n.Reviews)-1]
			rec.Owner, rec.Urgency = or(rec.Owner, last.Owner), or(rec.Urgency, last.Urgency)
			rec.Disposition = or(rec.Disposition, last.Disposition)
		}
		n.Reviews = append(n.Reviews, rec)
		slices.SortStableFunc(n.Reviews, func(a, b Review) int { return cmp.Compare(a.Time, b.Time) })
	}
}

func or(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// collection answers queries of the one collection winnow reads.
func (s *Server) collection(w http.ResponseWriter, r *http.Request, who *login) {
	if r.PathValue("coll") != "incident_review" || r.PathValue("app") != "SA-ThreatIntelligence" || s.opts.NoES {
		notFound(w, r, who)
		return
	}
	if strings.Contains(r.Form.Get("query"), `"$or"`) {
		s.changes(w, r, who)
		return
	}
	var query struct {
		RuleID string `json:"rule_id"`
	}
	if err := json.Unmarshal([]byte(r.Form.Get("query")), &query); err != nil || query.RuleID == "" {
		reply(w, r, http.StatusBadRequest, "ERROR", "Invalid query.")
		return
	}
	docs := []map[string]any{}
	n, _ := s.Notable(query.RuleID)
	for _, rec := range n.Reviews {
		docs = append(docs, rec.document())
	}
	writeJSON(w, http.StatusOK, docs)
}

func (r Review) document() map[string]any {
	at := strconv.FormatFloat(r.Time, 'f', 6, 64)
	doc := map[string]any{
		"_key": r.RuleID + "_" + at, "_user": "nobody", "time": at, "rule_id": r.RuleID, "rule_name": nil,
		"user": r.User, "comment": r.Comment,
	}
	for name, v := range map[string]string{
		"status": r.Status, "owner": r.Owner, "urgency": r.Urgency, "disposition": r.Disposition,
	} {
		if doc[name] = v; v == "" {
			doc[name] = nil
		}
	}
	return doc
}
