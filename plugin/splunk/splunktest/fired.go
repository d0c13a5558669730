package splunktest

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// ServerName is what the server calls itself, and logs under.
const ServerName = "sh1"

// Firing is a search run that fires an alert action.
type Firing struct {
	SID, Search, App, Owner string
	Host                    string // [ServerName] if empty
	Type                    string // "saved" if empty
	At                      time.Time
}

// LogLine puts a line into index=_internal as component sendmodalert of splunkd.log writes it.
func (s *Server) LogLine(at time.Time, host, level, text string) {
	s.index(Event{
		Index: "_internal", Time: at, Host: or(host, ServerName),
		Raw:    fmt.Sprintf("%s %-5s sendmodalert [4711 AlertNotifierWorker-0] - %s", at.UTC().Format("01-02-2006 15:04:05.000 -0700"), level, text),
		Fields: map[string][]string{"sourcetype": {"splunkd"}, "component": {"sendmodalert"}},
	})
}

// Invoke logs that splunkd starts winnow's alert action.
func (s *Server) Invoke(f Firing) {
	s.LogLine(f.At, f.Host, "INFO", fmt.Sprintf(`Invoking modular alert action=winnow_triage for search="%s" sid="%s" in app="%s" owner="%s" type="%s"`,
		f.Search, f.SID, or(f.App, "search"), or(f.Owner, "admin"), or(f.Type, "saved")))
}

// Said logs what the action wrote to its stderr, a line each. The first word is the level.
func (s *Server) Said(at time.Time, host, stderr string) {
	for line := range strings.Lines(stderr) {
		level, text, _ := strings.Cut(strings.TrimRight(line, "\n"), " ")
		s.LogLine(at, host, level, "action=winnow_triage STDERR -  "+text)
	}
}

// Ended logs that the action ended with an exit code.
func (s *Server) Ended(at time.Time, host string, code int) {
	level := "INFO"
	if code != 0 {
		level = "WARN"
	}
	s.LogLine(at, host, level, fmt.Sprintf("action=winnow_triage - Alert action script completed in duration=12 ms with exit code=%d", code))
	if code != 0 {
		s.LogLine(at, host, level, fmt.Sprintf("action=winnow_triage - Alert action script returned error code=%d", code))
	}
}

// Audit puts the line of a triggered alert into index=_audit. actions are those of the alert.
func (s *Server) Audit(f Firing, severity int, actions ...string) {
	at := f.At.UTC().Format("01-02-2006 15:04:05.000")
	s.index(Event{
		Index: "_audit", Time: f.At, Host: or(f.Host, ServerName),
		Raw: fmt.Sprintf(`Audit:[timestamp=%s, user=%s, action=alert_fired, ss_user="%s", ss_app="%s", ss_name="%s", sid="%s", alert_actions="%s", `+
			`severity=%d, trigger_time=%d, expiration=%d, digest_mode=1, triggered_alerts=1][n/a]`,
			at, or(f.Owner, "admin"), or(f.Owner, "admin"), or(f.App, "search"), f.Search, f.SID, strings.Join(actions, ","),
			severity, f.At.Unix(), f.At.Add(24*time.Hour).Unix()),
		Fields: map[string][]string{"sourcetype": {"audittrail"}, "action": {"alert_fired"}},
	})
}

// job is the artefact of a search.
type job struct {
	rows    []map[string]any
	expires time.Time
}

// KeepResults keeps the results of a search until they expire; the zero time is never.
func (s *Server) KeepResults(sid string, expires time.Time, rows []map[string]any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.jobs[sid] = job{rows, expires}
}

// results answers search/v2/jobs/SID/results, a page at a time.
func (s *Server) results(w http.ResponseWriter, r *http.Request, _ *login) {
	s.mu.Lock()
	j, ok := s.jobs[r.PathValue("sid")]
	s.mu.Unlock()
	if !ok || !j.expires.IsZero() && !s.opts.Now().Before(j.expires) {
		reply(w, r, http.StatusNotFound, "FATAL", "Unknown sid.")
		return
	}
	offset, err := strconv.Atoi(or(r.Form.Get("offset"), "0"))
	count, err2 := strconv.Atoi(or(r.Form.Get("count"), "100"))
	if err != nil || err2 != nil || offset < 0 || count < 0 {
		reply(w, r, http.StatusBadRequest, "FATAL", "Invalid offset or count.")
		return
	}
	rows := j.rows[min(offset, len(j.rows)):]
	if count > 0 {
		rows = rows[:min(count, len(rows))]
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"preview": false, "init_offset": offset, "messages": []any{}, "results": append([]map[string]any{}, rows...), "highlighted": map[string]any{},
	})
}

func (s *Server) serverInfo(w http.ResponseWriter, _ *http.Request, _ *login) {
	feed(w, entry("server-info", map[string]any{
		"serverName": ServerName, "host": ServerName, "host_fqdn": ServerName + ".corp.example", "guid": s.opts.GUID, "version": "9.3.0",
	}))
}
