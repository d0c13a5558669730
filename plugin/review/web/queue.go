package web

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

// perPage is how many groups the queue shows at once.
const perPage = 50

type queueView struct {
	frame
	Groups []review.Group
	Total  int
	From   int // number of the first that is shown, from 1
	Before int // start of the page before, -1 for none
	After  int // start of the page after, -1 for none
	Empty  bool
}

func (s *server) queue(w http.ResponseWriter, r *http.Request, who *session) {
	v := queueView{frame: s.frame(r, who, "Queue"), Before: -1, After: -1}
	start, err := strconv.Atoi(r.URL.Query().Get("from"))
	if err != nil || start < 0 {
		start = 0
	}
	s.read(w, r, who, "queue", &v, func(t *ledger.Tx) error {
		groups, err := review.List(t, 0)
		v.page(groups, start)
		return err
	})
}

func (v *queueView) page(groups []review.Group, start int) {
	v.Total = len(groups)
	start = min(start, max(0, v.Total-1)/perPage*perPage)
	end := min(start+perPage, v.Total)
	v.Groups, v.From = groups[start:end], start+1
	if start > 0 {
		v.Before = max(0, start-perPage)
	}
	if end < v.Total {
		v.After = end
	}
}

type waitingView struct {
	Static string
	Total  int
	Seen   int
}

// waiting says how many wait, for a page that is open and shows an older number.
func (s *server) waiting(w http.ResponseWriter, r *http.Request, who *session) {
	seen, err := strconv.Atoi(r.URL.Query().Get("seen"))
	if err != nil {
		seen = 0
	}
	v := waitingView{Seen: seen}
	s.read(w, r, who, "waiting", &v, func(t *ledger.Tx) error {
		groups, err := review.List(t, 0)
		v.Total = len(groups)
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
	}
	return http.StatusInternalServerError, "The ledger could not be read. The worker's log says why."
}

// To is the number of the last that is shown.
func (v *queueView) To() int { return v.From + len(v.Groups) - 1 }

// Seen is the number of cases that the page shows.
func (v *queueView) Seen() int { return v.Total }
