package triage

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// clone has the queue hold as many alerts as are wanted, all like one that is there, each with a key of its own.
func (r *rig) clone(id string, n int) {
	r.t.Helper()
	r.update(func(t *ledger.Tx) error {
		for _, table := range []string{"alerts", "history", "queue"} {
			columns, values := r.columns(t, table)
			query := fmt.Sprintf(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d)
 INSERT INTO %s (%s) SELECT %s FROM n, %s WHERE %s.id = ?2`, n, table, columns, values, table, table)
			if _, err := t.Conn().ExecContext(t.Context(), query, "01FLD", id); err != nil {
				return fmt.Errorf("fill %s: %w", table, err)
			}
		}
		return nil
	})
}

// columns are those of a table, and what they are in a clone.
func (r *rig) columns(t *ledger.Tx, table string) (names, values string) {
	r.t.Helper()
	rows, err := t.Conn().QueryContext(t.Context(), "SELECT name FROM pragma_table_info(?)", table)
	r.ok(err)
	defer func() { _ = rows.Close() }()
	var all, made []string
	for rows.Next() {
		var name string
		r.ok(rows.Scan(&name))
		all = append(all, name)
		switch name {
		case "id":
			name = "printf('%s%021d', ?1, n.i)"
		case "rid":
			name = "'clone' || n.i"
		case "key":
			name = "randomblob(32)"
		case "record":
			name = "CAST(replace(CAST(record AS TEXT), ?2, printf('%s%021d', ?1, n.i)) AS BLOB)"
		default:
			name = table + "." + name
		}
		made = append(made, name)
	}
	r.ok(rows.Err())
	return strings.Join(all, ", "), strings.Join(made, ", ")
}

// TestFlood: a million low alerts of one search wait, and have booked all that noise may. A critical alert, and the
// one alert of a quiet search, that come then are asked about with the next ones; noise never books what is kept,
// and none of it is closed for want of money. WINNOW_FLOOD says how many; `make flood` has a million.
func TestFlood(t *testing.T) {
	flood, err := strconv.Atoi(os.Getenv("WINNOW_FLOOD"))
	if err != nil {
		flood = 1000
	}
	const price = winnow.NanoUSD(5_000_000)
	r := newPaidRig(t, "budget.day=1", "worker.concurrency=8", "search:Critical Search.place=beside")
	r.model.disposition = "Undetermined"
	books := &Books{Ledger: r.ledger, Settings: r.state.Settings, Now: func() time.Time { return r.at }}
	r.broken = r.pays(books, price)
	r.storm(1, func(_ int, a *winnow.Alert) { a.SearchName = "Noisy" })
	began := time.Now()
	r.clone(r.queuedID(), flood)
	filled := time.Since(began)
	w := r.worker()
	r.ok(w.takeOver(t.Context()))
	for range 40 { // the flood books all that it may
		r.step(w)
	}
	came := time.Now()
	late := map[string]string{}
	for rid, s := range map[string]winnow.Severity{"critical": winnow.SeverityCritical, "quiet": winnow.SeverityLow} {
		a := r.alert(rid, "user", rid)
		a.SearchName, a.Severity = "Quiet "+rid, s
		late[rid] = r.admit(Row{Alert: a, Proposal: passes}).ID
	}
	r.step(w)
	r.step(w)
	took := time.Since(came)
	for rid, id := range late {
		rec := r.record(id)
		if rec.Outcome.State == winnow.StateQueued || rec.Outcome.Reason == winnow.ReasonNoBudget || rec.Cost.Calls == 0 {
			t.Errorf("%s is %s, %s after two turns; %+v", rid, rec.Outcome.State, rec.Outcome.Reason, rec.Cost)
		}
	}
	r.floodBooked(price)
	t.Logf("%d alerts wait (made in %s); those that came last were asked about within %s", flood, filled.Round(time.Millisecond), took.Round(time.Millisecond))
}

// pays are the shipped stages with one model that costs.
func (r *rig) pays(books llm.Budget, price winnow.NanoUSD) Analyst {
	r.t.Helper()
	p := &payer{r.model, books, price}
	catalogue := readCatalogue(r.t, r.state.Default("attack.csv"))
	pipeline, err := llm.New(llm.Options{
		Enrich: p, Correlate: p, Classify: p, Catalogue: catalogue, Facts: r.facts,
		Panel: llm.Panel{Coordinator: p, Low: 40, High: 90, Agents: []llm.Agent{
			{Name: "network", Model: p, Weight: 1}, {Name: "identity", Model: p, Weight: 1}, {Name: "threat_intel", Model: p, Weight: 1},
		}},
	})
	r.ok(err)
	return pipeline
}

// queuedID is the ID of the one alert that waits.
func (r *rig) queuedID() string {
	r.t.Helper()
	return r.queued()[0].ID
}

// floodBooked holds what the flood has booked against its limits, and looks that nothing of it is closed.
func (r *rig) floodBooked(price winnow.NanoUSD) {
	r.t.Helper()
	closed := 0
	r.view(func(t *ledger.Tx) error {
		from, to := ledger.PeriodDay.Span(r.at)
		noisy, err := t.Booked(ledger.Scope{Kind: ledger.ScopeSearch, Name: "Noisy"}, from, to)
		if err != nil {
			return err
		}
		all, err := t.Booked(ledger.Total, from, to)
		rest := all.Booked - all.High - all.Critical
		if noisy.Booked > winnow.Dollars(0.25) || noisy.Booked <= winnow.Dollars(0.25)-price || rest > winnow.Dollars(0.5) || all.Critical == 0 {
			r.t.Errorf("the flood has booked %s, noise %s, everything %+v", noisy.Booked, rest, all)
		}
		if err != nil {
			return err
		}
		return t.Tallies(ledger.Span{}, func(y *ledger.Tally) {
			if y.State == winnow.StateClosed {
				closed += y.Alerts
			}
		})
	})
	if closed > 0 {
		r.t.Errorf("%d alerts are closed", closed)
	}
}
