package web

import (
	"errors"
	"net/http"
	"net/url"
	"strconv"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

// perPage is how many groups the queue shows at once.
const perPage = 50

type queueView struct {
	frame
	review.Page
	Filter review.Filter
	Start  bool // it is the first page
}

func (s *server) queue(w http.ResponseWriter, r *http.Request, who *session) {
	q := r.URL.Query()
	v := queueView{frame: s.frame(r, who, "Queue"), Filter: filterOf(q), Start: q.Get("after") == ""}
	s.read(w, r, who, "queue", &v, func(t *ledger.Tx) (err error) {
		v.Page, err = review.Queue(t, v.Filter, q.Get("after"))
		return err
	})
}

// filterOf reads a filter; what is no filter filters nothing.
func filterOf(q url.Values) review.Filter {
	f := review.Filter{Search: q.Get("search"), Entity: q.Get("entity"), Limit: perPage}
	switch state := winnow.State(q.Get("state")); state { //nolint:exhaustive // the states that wait
	case winnow.StateEscalated, winnow.StateInReview:
		f.State = state
	}
	if f.Severity.UnmarshalText([]byte(q.Get("severity"))) != nil {
		f.Severity = winnow.SeverityUnknown
	}
	return f
}

// Filtered reports whether only a part of the queue is asked for.
func (v *queueView) Filtered() bool {
	f := v.Filter
	return f.State != "" || f.Search != "" || f.Entity != "" || f.Severity != winnow.SeverityUnknown
}

// More is the address of the next page.
func (v *queueView) More() string { return "/?" + v.query(v.Next).Encode() }

func (v *queueView) query(after string) url.Values {
	q := url.Values{}
	for name, value := range map[string]string{"state": string(v.Filter.State), "search": v.Filter.Search, "entity": v.Filter.Entity, "after": after} {
		if value != "" {
			q.Set(name, value)
		}
	}
	if v.Filter.Severity != winnow.SeverityUnknown {
		q.Set("severity", v.Filter.Severity.String())
	}
	return q
}

// Severities are those that a filter can ask for.
func (*queueView) Severities() []winnow.Severity {
	return []winnow.Severity{winnow.SeverityCritical, winnow.SeverityHigh, winnow.SeverityMedium, winnow.SeverityLow, winnow.SeverityInformational}
}

// Seen is the number of cases when the page was made.
func (v *queueView) Seen() int { return v.Storms }

type waitingView struct{ Storms, Seen int }

// waiting says how many wait, for a page that is open and shows an older number.
func (s *server) waiting(w http.ResponseWriter, r *http.Request, who *session) {
	seen, err := strconv.Atoi(r.URL.Query().Get("seen"))
	if err != nil {
		seen = 0
	}
	v := waitingView{Seen: seen}
	s.read(w, r, who, "waiting", &v, func(t *ledger.Tx) error {
		p, err := review.Queue(t, review.Filter{Limit: 1}, "")
		v.Storms = p.Storms
		return err
	})
}

// unreadable says why the ledger could not be read.
func unreadable(err error) (status int, message string) {
	switch {
	case errors.Is(err, ledger.ErrNone):
		return http.StatusServiceUnavailable, "Nothing has been triaged yet: there is no ledger. The worker makes it when the first alert comes."
	case errors.Is(err, ledger.ErrNotFound):
		return http.StatusNotFound, "There is no such alert. Retention may have removed it."
	case errors.Is(err, review.ErrCursor):
		return http.StatusNotFound, "There is no such place in the queue. Begin at its top."
	}
	return http.StatusInternalServerError, "The ledger could not be read. The log says why."
}
