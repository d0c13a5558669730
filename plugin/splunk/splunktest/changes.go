package splunktest

import (
	"encoding/json"
	"net/http"
	"slices"
	"strconv"
)

// changes answers a query of incident_review for a span of time, a page at a time. Times are text here, as
// [Review] documents are: only the part of the query for text finds any.
func (s *Server) changes(w http.ResponseWriter, r *http.Request, _ *login) {
	var query struct {
		Or []struct {
			Time struct {
				After any `json:"$gt"`
				Until any `json:"$lte"`
			} `json:"time"`
		} `json:"$or"`
	}
	limit, err := strconv.Atoi(r.Form.Get("limit"))
	skip, err2 := strconv.Atoi(r.Form.Get("skip"))
	if json.Unmarshal([]byte(r.Form.Get("query")), &query) != nil || err != nil || err2 != nil || len(query.Or) != 2 || r.Form.Get("sort") != "time:1" {
		reply(w, r, http.StatusBadRequest, "ERROR", "Invalid query.")
		return
	}
	after, _ := query.Or[1].Time.After.(string)
	until, _ := query.Or[1].Time.Until.(string)
	var all []Review
	for _, n := range s.Notables() {
		for _, rec := range n.Reviews {
			if at := strconv.FormatFloat(rec.Time, 'f', 6, 64); at > after && at <= until {
				all = append(all, rec)
			}
		}
	}
	slices.SortStableFunc(all, func(a, b Review) int {
		if a.Time < b.Time {
			return -1
		}
		return 1
	})
	docs := []map[string]any{}
	for _, rec := range all[min(skip, len(all)):min(skip+limit, len(all))] {
		docs = append(docs, rec.document())
	}
	writeJSON(w, http.StatusOK, docs)
}
