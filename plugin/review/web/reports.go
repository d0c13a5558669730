package web

import (
	"context"
	"encoding/json"
	"html/template"
	"net/http"
	"strconv"

	"github.com/winnow-soc/winnow/plugin/health"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/report/page"
)

type rulesView struct {
	frame
	Rules []report.Rule
}

func (s *server) rules(w http.ResponseWriter, r *http.Request, who *session) {
	v := rulesView{frame: s.frame(r, who, "Rules")}
	s.read(w, r, who, "rules", &v, func(t *ledger.Tx) (err error) {
		v.Rules, err = s.Rules(t)
		return err
	})
}

type votesView struct {
	frame
	Votes *report.Votes
}

func (s *server) votes(w http.ResponseWriter, r *http.Request, who *session) {
	v := votesView{frame: s.frame(r, who, "Votes")}
	s.read(w, r, who, "votes", &v, func(t *ledger.Tx) (err error) {
		v.Votes, err = s.Votes(t)
		return err
	})
}

// spans are the numbers of days that the cost page offers.
var spans = []int{7, 30, 90, 365}

// defaultSpan is what it shows unasked.
const defaultSpan = 30

type costView struct {
	frame
	Days   int
	Spans  []int
	Report template.HTML
}

func (s *server) cost(w http.ResponseWriter, r *http.Request, who *session) {
	v := costView{frame: s.frame(r, who, "Cost"), Days: daysOf(r), Spans: spans}
	s.read(w, r, who, "cost", &v, func(t *ledger.Tx) error {
		d, err := s.Cost(t, v.Days)
		if err != nil {
			return err
		}
		v.Report, err = page.Fragment(d)
		return err
	})
}

func daysOf(r *http.Request) int {
	asked, err := strconv.Atoi(r.URL.Query().Get("days"))
	for _, n := range spans {
		if err == nil && n == asked {
			return n
		}
	}
	return defaultSpan
}

// costDays is what each day cost, in columns as uPlot takes them: seconds, then dollars of each series.
func (s *server) costDays(w http.ResponseWriter, r *http.Request, who *session) {
	var out struct {
		Series []string    `json:"series"`
		Data   [][]float64 `json:"data"`
	}
	err := s.View(r.Context(), func(t *ledger.Tx) error {
		d, err := s.Cost(t, daysOf(r))
		if err != nil {
			return err
		}
		out.Series, out.Data = make([]string, len(d.Series)), make([][]float64, len(d.Series)+1)
		for i, name := range d.Series {
			out.Series[i] = visible(name)
		}
		for _, day := range d.Days {
			out.Data[0] = append(out.Data[0], float64(day.At.Unix()))
			for i, n := range day.Parts {
				out.Data[i+1] = append(out.Data[i+1], float64(n)/1e9)
			}
		}
		return nil
	})
	if err != nil {
		s.cannotRead(w, r, who, err)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(out) // who asked has gone
}

type healthView struct {
	frame
	Checks []health.Check
	Gauges ledger.Gauges
	Waits  int // deliveries that wait
	Failed int // of these, those that failed at least once
}

// OK reports whether every check is.
func (v *healthView) OK() bool {
	for _, c := range v.Checks {
		if !c.OK {
			return false
		}
	}
	return true
}

func (s *server) health(w http.ResponseWriter, r *http.Request, who *session) {
	v := healthView{frame: s.frame(r, who, "Health"), Checks: s.Checks(r.Context())}
	s.read(w, r, who, "health", &v, func(t *ledger.Tx) (err error) {
		if v.Gauges, err = t.Gauges(); err != nil {
			return err
		}
		v.Waits, v.Failed, err = t.OutboxCounts()
		return err
	})
}

// read shows a page that the ledger fills in.
func (s *server) read(w http.ResponseWriter, r *http.Request, who *session, name string, view any, fill func(*ledger.Tx) error) {
	if err := s.View(r.Context(), fill); err != nil {
		s.cannotRead(w, r, who, err)
		return
	}
	s.show(w, r, http.StatusOK, name, view)
}

func (s *server) cannotRead(w http.ResponseWriter, r *http.Request, who *session, err error) {
	if context.Cause(r.Context()) != nil {
		return // who asked has gone
	}
	status, message := unreadable(err)
	if status == http.StatusInternalServerError {
		s.Log.Error("the ledger could not be read", "err", err)
	}
	s.fail(w, r, who, status, message)
}
