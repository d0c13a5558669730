package splunktest

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// Request is one request as it came, without its credential.
type Request struct {
	Method string
	Path   string // escaped, as sent
	Query  url.Values
	Form   url.Values
	Body   string // of what is not a form
	Scheme string // of the Authorization header: "Splunk", "Bearer" or ""
	User   string // "" when nobody was logged in
}

// Requests returns all requests since the start.
func (s *Server) Requests() []Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// endpoint answers one kind of request for somebody who is logged in.
type endpoint func(w http.ResponseWriter, r *http.Request, who *login)

func (s *Server) handler() http.Handler {
	mux := http.NewServeMux()
	routes := map[string]endpoint{
		"GET /services/authentication/current-context":                       s.currentContext,
		"GET /services/alerts/reviewstatuses":                                s.reviewStatuses,
		"POST /services/notable_update":                                      s.notableUpdate,
		"POST /services/search/v2/jobs/export":                               s.export,
		"POST /servicesNS/{owner}/{app}/search/v2/jobs/export":               s.export,
		"GET /services/search/v2/jobs/{sid}/results":                         s.results,
		"GET /services/server/info":                                          s.serverInfo,
		"GET /servicesNS/{owner}/{app}/storage/passwords/{name}":             s.password,
		"GET /servicesNS/{owner}/{app}/storage/collections/data/{coll}":      s.collection,
		"GET /servicesNS/{owner}/{app}/configs/conf-log_review/{stanza}":     s.logReview,
		"GET /servicesNS/{owner}/{app}/public/v2/findings":                   s.es8("", s.findings),
		"POST /servicesNS/{owner}/{app}/public/v2/findings":                  s.es8("", s.createFinding),
		"GET /servicesNS/{owner}/{app}/public/v2/findings/{id}":              s.es8("", s.finding),
		"/servicesNS/{owner}/{app}/public/v2/findings/{id}":                  s.es8("", immutable),
		"POST /servicesNS/{owner}/{app}/v1/investigations/{id}":              s.es8(AppMissionControl, s.updateFinding),
		"GET /servicesNS/{owner}/{app}/public/v2/investigations/{id}/notes":  s.es8(AppMissionControl, s.notes),
		"POST /servicesNS/{owner}/{app}/public/v2/investigations/{id}/notes": s.es8(AppMissionControl, s.notes),
		"POST /services/receivers/simple":                                    s.receive,
		"/":                                                                  notFound,
	}
	for pattern, serve := range routes {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { s.serve(w, r, serve) })
	}
	return mux
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request, serve endpoint) {
	_ = r.ParseForm()
	who, ok := s.authenticate(r)
	s.record(r, who)
	f, spoilt := s.takeFault(r.URL.Path)
	if spoilt && f.spoil(w, r) {
		return
	}
	if !ok {
		reply(w, r, http.StatusUnauthorized, "WARN", "call not properly authenticated")
		return
	}
	if spoilt && f.After {
		serve(discard{http.Header{}}, r, who)
		panic(http.ErrAbortHandler)
	}
	serve(w, r, who)
}

func (s *Server) record(r *http.Request, who *login) {
	scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	req := Request{
		Method: r.Method, Path: r.URL.EscapedPath(), Query: r.URL.Query(), Form: r.PostForm, Body: string(body), Scheme: scheme,
	}
	if who != nil {
		req.User = who.user
	}
	s.mu.Lock()
	s.requests = append(s.requests, req)
	s.mu.Unlock()
	if s.opts.Before != nil {
		s.opts.Before(req)
	}
}

// discard takes an answer that nobody will get.
type discard struct{ header http.Header }

func (d discard) Header() http.Header         { return d.header }
func (d discard) Write(b []byte) (int, error) { return len(b), nil }
func (d discard) WriteHeader(int)             {}

func notFound(w http.ResponseWriter, r *http.Request, _ *login) {
	reply(w, r, http.StatusNotFound, "ERROR", "Not Found")
}

func forbidden(w http.ResponseWriter, r *http.Request, who *login, capability string) {
	reply(w, r, http.StatusForbidden, "WARN", fmt.Sprintf(
		"You (user=%s) do not have permission to perform this operation (requires capability: %s).", who.user, capability))
}

// says is an error in Splunk's own words, which follow no rules of Go.
type says string

// Error returns the words.
func (s says) Error() string { return string(s) }

func sayf(format string, args ...any) error { return says(fmt.Sprintf(format, args...)) }

type xmlMessage struct {
	Type string `xml:"type,attr"`
	Text string `xml:",chardata"`
}

// reply writes a message as splunkd does: XML unless JSON was asked for.
func reply(w http.ResponseWriter, r *http.Request, status int, kind, text string) {
	if r.Form.Get("output_mode") == "json" {
		writeJSON(w, status, map[string]any{"messages": []any{map[string]string{"type": kind, "text": text}}})
		return
	}
	var doc struct {
		XMLName  xml.Name     `xml:"response"`
		Messages []xmlMessage `xml:"messages>msg"`
	}
	doc.Messages = []xmlMessage{{kind, text}}
	body, _ := xml.MarshalIndent(doc, "", "  ")
	w.Header().Set("Content-Type", "text/xml; charset=UTF-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(xml.Header + string(body) + "\n"))
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

// entry is one entry of an Atom feed in JSON.
func entry(name string, content any) map[string]any {
	return map[string]any{"name": name, "content": content}
}

func feed(w http.ResponseWriter, entries ...any) {
	writeJSON(w, http.StatusOK, map[string]any{
		"links": map[string]any{}, "generator": map[string]string{"build": "0", "version": "9.3.0"},
		"entry": append([]any{}, entries...), "paging": map[string]int{"total": len(entries), "perPage": 30, "offset": 0},
		"messages": []any{},
	})
}

func (s *Server) currentContext(w http.ResponseWriter, _ *http.Request, who *login) {
	s.mu.Lock()
	roles := s.roles[who.user]
	s.mu.Unlock()
	feed(w, entry("context", map[string]any{"username": who.user, "realname": "", "capabilities": who.caps, "roles": append([]string{}, roles...)}))
}
