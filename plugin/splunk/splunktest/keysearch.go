package splunktest

import (
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strings"
)

// keySearch is a search for events by their key.
type keySearch struct {
	index             string
	sourcetypes, keys []string
}

var keySearchForm = regexp.MustCompile(`^search index="((?:[^"\\]|\\.)*)" sourcetype IN \(("(?:[^"\\]|\\.)*"(?:, "(?:[^"\\]|\\.)*")*)\) \((event_key="(?:.|\n)*")\) \| table event_key$`)

// parseKeySearch reads `search index="i" sourcetype IN ("s", "t") (event_key="a" OR event_key="b") | table event_key`.
func parseKeySearch(spl string) (keySearch, bool) {
	m := keySearchForm.FindStringSubmatch(spl)
	if m == nil {
		return keySearch{}, false
	}
	k := keySearch{index: unescape(m[1])}
	for name := range strings.SplitSeq(m[2], ", ") { // no sourcetype of winnow's has a comma
		k.sourcetypes = append(k.sourcetypes, unescape(strings.Trim(name, `"`)))
	}
	for rest := m[3]; ; {
		value, after, ok := quoted(strings.TrimPrefix(rest, `event_key="`))
		if !ok || !strings.HasPrefix(rest, `event_key="`) {
			return keySearch{}, false
		}
		k.keys = append(k.keys, value)
		if after == "" {
			return k, true
		}
		if rest, ok = strings.CutPrefix(after, " OR "); !ok {
			return keySearch{}, false
		}
	}
}

func (s *Server) exportKeys(w http.ResponseWriter, r *http.Request, k keySearch) {
	from, to, err := timeRange(r.PostForm, s.opts.Now())
	if err != nil {
		reply(w, r, http.StatusBadRequest, "FATAL", err.Error())
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	enc := json.NewEncoder(w)
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, e := range slices.Backward(s.others) {
		visible := s.found(&e) && !e.Time.Before(from) && e.Time.Before(to)
		fits := (k.index == "*" || e.Index == k.index) && slices.Contains(k.sourcetypes, e.get("sourcetype")) && slices.Contains(k.keys, e.get("event_key"))
		if visible && fits {
			_ = enc.Encode(map[string]any{"preview": false, "result": map[string]any{"event_key": e.get("event_key")}})
		}
	}
	_ = enc.Encode(map[string]any{"preview": false, "lastrow": true})
}
