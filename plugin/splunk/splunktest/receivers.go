package splunktest

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"time"
)

// receive answers receivers/simple: the body is text, of which each line is an event, as props.conf says for
// winnow's own sourcetypes.
func (s *Server) receive(w http.ResponseWriter, r *http.Request, who *login) {
	if !who.can(CapEditTCP) {
		forbidden(w, r, who, CapEditTCP)
		return
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, 64<<20))
	if err != nil || len(body) == 0 {
		reply(w, r, http.StatusBadRequest, "ERROR", "No data")
		return
	}
	q := r.URL.Query()
	for line := range strings.Lines(string(body)) {
		if line = strings.TrimRight(line, "\r\n"); line != "" {
			s.index(jsonEvent(line, s.opts.Now(), q.Get("index"), q.Get("source"), q.Get("sourcetype"), q.Get("host")))
		}
	}
	writeJSON(w, http.StatusOK, map[string]any{
		"index": orMain(q.Get("index")), "bytes": len(body), "host": q.Get("host"), "source": q.Get("source"), "sourcetype": q.Get("sourcetype"),
	})
}

// IndexJSON indexes one event as an input reads it: fields of JSON are found, and the time in event_time.
func (s *Server) IndexJSON(raw, index, source, sourcetype, host string) {
	s.index(jsonEvent(raw, s.opts.Now(), index, source, sourcetype, host))
}

// jsonEvent makes an event of a line of JSON, with its fields on the first level.
func jsonEvent(raw string, now time.Time, index, source, sourcetype, host string) Event {
	e := Event{Index: orMain(index), Time: now, Source: source, Host: host, Raw: raw, Fields: map[string][]string{"sourcetype": {sourcetype}}}
	var fields map[string]any
	if json.Unmarshal([]byte(raw), &fields) != nil {
		return e
	}
	for name, value := range fields {
		if text, ok := value.(string); ok {
			e.Fields[name] = []string{text}
		}
	}
	if at, err := time.Parse(time.RFC3339Nano, e.get("event_time")); err == nil {
		e.Time = at
	}
	return e
}

func orMain(index string) string {
	if index == "" {
		return "main"
	}
	return index
}
