package splunktest

import (
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// export answers search/v2/jobs/export: one JSON object a line.
func (s *Server) export(w http.ResponseWriter, r *http.Request, _ *login) {
	if k, ok := parseKeySearch(r.PostForm.Get("search")); ok {
		s.exportKeys(w, r, k)
		return
	}
	q, err := parseSPL(r.PostForm.Get("search"))
	if err == nil && q.macros && s.opts.NoES {
		err = says("Error in 'SearchParser': The search specifies a macro 'get_event_id_meval' that cannot be found.")
	}
	if err != nil {
		reply(w, r, http.StatusBadRequest, "FATAL", err.Error())
		return
	}
	from, to, err := timeRange(r.PostForm, s.opts.Now())
	if err != nil {
		reply(w, r, http.StatusBadRequest, "FATAL", err.Error())
		return
	}
	rows := s.find(q, from, to)
	if q.head > 0 && len(rows) > q.head {
		rows = rows[:q.head]
	}
	if limit := s.opts.MaxExportResults; limit > 0 && len(rows) > limit {
		rows = rows[:limit]
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	enc := json.NewEncoder(w)
	if len(rows) == 0 {
		_ = enc.Encode(map[string]any{"preview": false, "lastrow": true})
	}
	for i, row := range rows {
		line := map[string]any{"preview": false, "offset": i, "result": row}
		if i == len(rows)-1 {
			line["lastrow"] = true
		}
		_ = enc.Encode(line)
	}
}

// timeRange reads the two bounds: seconds since 1970, "now", or none.
func timeRange(form url.Values, now time.Time) (from, to time.Time, err error) {
	read := func(key string, unset time.Time) (time.Time, error) {
		v := form.Get(key)
		if v == "" {
			return unset, nil
		}
		if v == "now" {
			return now, nil
		}
		sec, err := strconv.ParseInt(v, 10, 64)
		if err != nil {
			return time.Time{}, sayf("Invalid %s.", key)
		}
		return time.Unix(sec, 0), nil
	}
	if from, err = read("earliest_time", time.Time{}); err != nil {
		return
	}
	to, err = read("latest_time", now)
	return
}

// find returns the rows of the notable events that fit, newest first, as Splunk gives events.
func (s *Server) find(q query, from, to time.Time) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	var rows []map[string]any
	if q.index() != "notable" {
		for _, e := range slices.Backward(s.others) {
			n := &Notable{Event: e}
			if s.visible(n) && !n.Time.Before(from) && n.Time.Before(to) && q.matches(n) {
				rows = append(rows, q.row(n))
			}
		}
		return rows
	}
	for _, n := range slices.Backward(s.notables) {
		if s.visible(n) && !n.Time.Before(from) && n.Time.Before(to) && q.matches(n) {
			rows = append(rows, q.row(n))
		}
	}
	return rows
}

// row returns the fields the search asks for; what is missing is not there.
func (q query) row(n *Notable) map[string]any {
	row := map[string]any{}
	for _, field := range q.table {
		values := n.Fields[field]
		switch field {
		case "rule_id", "event_id":
			values = []string{n.ID}
		case "notable_time":
			values = []string{timeText(n.Time)}
		case "source":
			values = []string{n.Source}
		case "host":
			values = []string{n.Host}
		case "_raw":
			values = []string{n.Raw}
		case "_time":
			values = []string{n.Time.UTC().Format("2006-01-02T15:04:05.000-07:00")}
		case "urgency":
			if len(values) == 0 {
				values = n.Fields["severity"] // no asset has a priority here
			}
		}
		switch len(values) {
		case 0:
		case 1:
			row[field] = values[0]
		default:
			row[field] = values
		}
	}
	return row
}
