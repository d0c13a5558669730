//go:build linux || darwin

package triage

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/state"
)

// firings lets the alert action itself store rows that the rule covers, in a Splunk of its own over the
// rig's state folder.
type firings struct {
	r    *rig
	gate alertaction.Gate
	n    int
}

func (r *rig) firings() *firings {
	r.t.Helper()
	app := filepath.Join("etc", "apps", "winnow")
	for _, name := range []string{"winnow.conf", "fields.csv", "escalate.yaml"} {
		text, err := os.ReadFile(r.state.Default(name))
		r.ok(err)
		r.write(filepath.Join(app, "default", name), string(text))
	}
	r.write(filepath.Join(app, "local", "winnow.conf"), "[gate]\nrun = enforce\ncanary = 0%\n")
	for _, dir := range []string{"var/log/splunk", "var/spool/splunk"} {
		r.ok(os.MkdirAll(filepath.Join(r.home, dir), 0o700))
	}
	r.ok(r.state.Beat(r.at))
	gate, err := alertaction.OpenGate(r.state, r.keys, r.at)
	r.ok(err)
	return &firings{r: r, gate: gate}
}

// fire runs the action once over that many rows, all different.
func (f *firings) fire(rows int) {
	r := f.r
	r.t.Helper()
	var text bytes.Buffer
	out := csv.NewWriter(&text)
	r.ok(out.Write([]string{"_time", "src", "user", "dest", "signature", "action", "app", "severity", "vendor_product", "count", "_raw"}))
	for i := range rows {
		n := strconv.Itoa(f.n*100_000 + i)
		r.ok(out.Write([]string{
			strconv.FormatInt(r.at.Unix(), 10), egress, "ann", "host" + n + ".corp.example", "Sign-in from two countries within an hour", "success",
			"vpn", "low", "Example Identity", n, "user=ann src=" + egress + " action=success session=" + n + " client=\"Example Client 4.2\" country=DE",
		}))
	}
	out.Flush()
	f.n++
	r.at = r.at.Add(50 * time.Millisecond)
	r.write("results.csv", text.String())
	payload, err := json.Marshal(map[string]any{
		"app": "search", "owner": "ann", "results_file": filepath.Join(r.home, "results.csv"), "server_host": "sh1",
		"sid": fmt.Sprint("scheduler__ann__travel_at_1767312000_", f.n), "search_name": travel,
		"configuration": map[string]any{"severity": "2", "result_count": strconv.Itoa(rows)},
	})
	r.ok(err)
	var stderr bytes.Buffer
	code := alertaction.Main([]string{"--execute"}, alertaction.Env{
		Stdin: bytes.NewReader(payload), Stderr: &stderr, Executable: filepath.Join(r.home, "etc", "apps", "winnow", "bin", "winnow_triage"),
		Getenv: func(name string) string {
			return map[string]string{"SPLUNK_HOME": r.home, "WINNOW_STATE": r.state.State}[name]
		},
		Now: func() time.Time { return r.at },
		OpenGate: func(*state.Deployment, *winnow.Keys, time.Time) (alertaction.Gate, error) {
			return f.gate.Clone(), nil
		},
		StartWorker: func(*state.Deployment) (bool, error) { return false, nil },
	})
	if code != 0 {
		r.t.Fatalf("the action exits with %d: %s", code, stderr.String())
	}
}

// TestLedgerBench measures what the ledger has to hold up to.
func TestLedgerBench(t *testing.T) {
	dir := benchDir(t)
	lines := slices.Concat(benchDrops(t), benchModels(t), benchReport(t))
	writeBench(t, dir, "ledger", lines)
}

// benchDrops measures how many rows that a rule decided the worker imports and settles: from the
// records that the alert action stored to their outcomes, and what the sinks have to be told, on disk.
func benchDrops(t *testing.T) (lines []benchLine) {
	t.Helper()
	for _, c := range []struct {
		name          string
		records, rows int
	}{{"in records of 100", 300, 100}, {"in records of one", 6000, 1}} {
		r := newRig(t, "cache.size=1000")
		f := r.firings()
		for range c.records {
			f.fire(c.rows)
		}
		w := r.worker(&sink{name: "update"}, &sink{name: "events"})
		before, began := cpu(t), time.Now()
		n, err := w.importSpool(t.Context())
		r.ok(err)
		took, used := time.Since(began), cpu(t)-before
		if n != c.records || len(r.spooled()) > 0 {
			t.Fatalf("%d of %d records are imported", n, c.records)
		}
		if n := r.alertsIn(winnow.StateClosed); n != c.records*c.rows {
			t.Fatalf("%d of %d are closed", n, c.records*c.rows)
		}
		rate := benchLine{Name: "rule-decided rows, " + c.name, Value: float64(c.records*c.rows) / took.Seconds(), Unit: "rows/s", OK: true}
		if c.rows > 1 { // of records of one it is the files that cost
			rate = atLeast(rate.Name, rate.Value, rate.Unit, 5000)
		}
		lines = append(lines, rate,
			benchLine{Name: "CPU a row, " + c.name, Value: used.Seconds() * 1e6 / float64(c.records*c.rows), Unit: "us", OK: true})
	}
	return lines
}

// alertsIn counts the alerts in a state.
func (r *rig) alertsIn(state winnow.State) (n int) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) error {
		return t.Tallies(ledger.Span{}, func(y *ledger.Tally) {
			if y.State == state {
				n += y.Alerts
			}
		})
	})
	return n
}

// atLeast is a figure that has to reach what is wanted.
func atLeast(name string, value float64, unit string, want float64) benchLine {
	return benchLine{name, value, unit, want, value / want, want, value >= want}
}

// benchModels measures alerts that a model is asked about, where it answers at once.
func benchModels(t *testing.T) []benchLine {
	t.Helper()
	const alerts = 3000
	r := newPaidRig(t, "worker.concurrency=64")
	r.broken = r.analysts(&script{disposition: "TruePositive"})
	r.storm(alerts, func(i int, a *winnow.Alert) { a.Fields["user"] = []string{fmt.Sprint("user", i)} })
	w := r.worker(&sink{name: "update"}, &sink{name: "events"})
	before, began := cpu(t), time.Now()
	r.once(w)
	took, used := time.Since(began), cpu(t)-before
	if n := r.alertsIn(winnow.StateEscalated); n != alerts {
		t.Errorf("%d of %d are escalated", n, alerts)
	}
	return []benchLine{
		atLeast("model-bound alerts, the model answers at once", alerts/took.Seconds(), "alerts/s", 500),
		{Name: "CPU an alert", Value: used.Seconds() * 1e6 / alerts, Unit: "us", OK: true},
	}
}

// The year of a large deployment: of its alerts only some stand in the file as rows, because filling in all
// would take an hour; reports read what they add up to.
const (
	yearAlerts = 365 * 50_000
	yearRows   = 300_000
)

// fillYear generates a year of alerts in SQL: 200 searches, each with 12 ways in which its alerts ended.
var fillYear = []string{
	`CREATE TEMP TABLE n AS WITH RECURSIVE c(i) AS (VALUES (0) UNION ALL SELECT i+1 FROM c WHERE i < 2399) SELECT i FROM c`,
	`CREATE TEMP TABLE ends AS SELECT 'Search ' || (i / 12) AS search, i % 12 AS e,
 CASE WHEN i % 12 < 5 THEN 'rule-' || (i / 12) || '-' || (i % 12) ELSE '' END AS rule,
 CASE WHEN i % 12 < 5 THEN 'drop' ELSE 'pass' END AS proposal,
 CASE WHEN i % 12 < 5 THEN 'rule' WHEN i % 12 < 7 THEN 'cache' WHEN i % 12 < 10 THEN 'model' ELSE 'offline' END AS source,
 CASE WHEN i % 12 < 9 THEN 'closed' WHEN i % 12 = 9 THEN 'in_review' ELSE 'escalated' END AS state,
 CASE WHEN i % 12 < 5 THEN 'rule' WHEN i % 12 < 7 THEN 'cached' ELSE 'verdict' END || (i % 12) AS reason FROM n`,
	`INSERT INTO alert_sums SELECT 2, d.i * 86400000000 + 1767225600000000, search, '', 2, rule, proposal, source, state, '', reason,
 CASE WHEN state = 'escalated' THEN 'TruePositive' ELSE 'BenignPositive' END, 21, 21 * (e > 6) * 900, 21 * 700
 FROM ends CROSS JOIN (SELECT i FROM n WHERE i < 365) d WHERE NOT (e = 11 AND d.i % 6 <> 0)`,
	`INSERT INTO alert_sums SELECT 1, unixepoch(start / 1000000, 'unixepoch', 'start of month') * 1000000 AS month, search_name, team, severity, rule,
 proposal, source, state, would, reason, disposition, sum(alerts), sum(cost), sum(bytes) FROM alert_sums
 GROUP BY month, search_name, team, severity, rule, proposal, source, state, would, reason, disposition`,
	`INSERT INTO alert_sums SELECT 0, 0, search_name, team, severity, rule, proposal, source, state, would, reason, disposition, sum(alerts), sum(cost), sum(bytes)
 FROM alert_sums WHERE grain = 1 GROUP BY search_name, team, severity, rule, proposal, source, state, would, reason, disposition`,
	`INSERT INTO alert_sums SELECT 3, start, '', '', 0, '', '', source, state, would, reason, '', sum(alerts), sum(cost), sum(bytes) FROM alert_sums
 WHERE grain = 2 GROUP BY start, source, state, would, reason`,
	`UPDATE alert_sums SET alerts = alerts + (SELECT ? - sum(alerts) FROM alert_sums WHERE grain = 0) WHERE rule = 'rule-0-0' AND grain = 0`,
	`WITH RECURSIVE r(i) AS (VALUES (0) UNION ALL SELECT i+1 FROM r WHERE i < ? - 1)
 INSERT INTO alerts SELECT printf('01M7SF89VE%016d', i), 'guid', 'scheduler__' || (i / 20), i % 20, 'mac', search, 1767225600000000 + i * 105000000, 2,
 randomblob(32), '{"time":0,"fields":{}}', 700, 0, 0, 1, '{}', CASE state WHEN 'closed' THEN 'closed' ELSE 'left' END, reason, proposal, source, 'winnow', '', rule, 0, '', '', NULL, '', ''
 FROM r JOIN ends ON ends.rowid = i % 2400 + 1`,
	`INSERT INTO call_sums SELECT 2, d.i * 86400000000 + 1767225600000000, 'Search ' || c.i, '', 2, 'model-' || (c.i % 2), 'task-' || (c.i % 3), '', 'settled', 0, '',
 10, 0, 1000, 0, 0, 90, 5000 FROM (SELECT i FROM n WHERE i < 200) c CROSS JOIN (SELECT i FROM n WHERE i < 365) d`,
	`INSERT INTO call_sums SELECT 1, unixepoch(start / 1000000, 'unixepoch', 'start of month') * 1000000 AS month, search, team, severity, model, task, agent, state,
 replay, tier, sum(attempts), sum(unpriced), sum(input), sum(cached), sum(cache_write), sum(output), sum(booked) FROM call_sums
 GROUP BY month, search, team, severity, model, task, agent, state, replay, tier`,
	`INSERT INTO call_sums SELECT 0, 0, search, team, severity, model, task, agent, state, replay, tier, sum(attempts), sum(unpriced), sum(input), sum(cached),
 sum(cache_write), sum(output), sum(booked) FROM call_sums WHERE grain = 1 GROUP BY search, team, severity, model, task, agent, state, replay, tier`,
	`INSERT INTO call_sums SELECT 3, start, '', '', 0, model, task, agent, state, replay, '', sum(attempts), sum(unpriced), sum(input), sum(cached),
 sum(cache_write), sum(output), sum(booked) FROM call_sums WHERE grain = 2 GROUP BY start, model, task, agent, state, replay`,
}

// fillVotes lets 500 alerts of each day be put to the vote, in 4,800 ways: the agents of a panel differ in what they
// say, how sure they are, and which fields they cite.
var fillVotes = []string{
	`INSERT INTO panel_tallies (search_name, label, votes, panels) SELECT CASE WHEN i % 3 = 0 THEN 'Search ' || (i / 12) ELSE '' END,
 CASE i % 7 WHEN 0 THEN 'attack' WHEN 1 THEN 'benign' ELSE '' END,
 printf('[{"a":"network","v":"%s","c":%d%s},{"a":"identity","v":"SAFE","c":%d},{"a":"threat_intel","v":"%s","c":%d}]',
 CASE WHEN i % 3 = 0 THEN 'MALICIOUS' ELSE 'SUSPICIOUS' END, i % 100, CASE WHEN i % 3 = 0 THEN ',"f":["src","dest"]' ELSE '' END,
 i / 24, CASE i % 2 WHEN 0 THEN 'SAFE' ELSE 'ABSTAIN' END, twice.n), 38 FROM n CROSS JOIN (SELECT 1 AS n UNION SELECT 2) twice`,
	`INSERT INTO panels SELECT printf('01M7SF89VE%016d', r.i), r.i % 4800 + 1 FROM
 (WITH RECURSIVE r(i) AS (VALUES (0) UNION ALL SELECT i+1 FROM r WHERE i < 182399) SELECT i FROM r) r`,
}

// benchReport measures `winnow report cost`, `report votes` and what `rules debt` asks over a year of 50,000 alerts a day.
func benchReport(t *testing.T) []benchLine {
	t.Helper()
	r := newRig(t)
	path := r.state.Path("ledger.db")
	r.update(func(t *ledger.Tx) error {
		for _, query := range slices.Concat(fillYear, fillVotes) {
			var args []any
			switch {
			case strings.HasPrefix(query, "UPDATE alert_sums SET alerts"):
				args = []any{yearAlerts}
			case strings.HasPrefix(query, "WITH RECURSIVE r"):
				args = []any{yearRows}
			}
			if _, err := t.Conn().ExecContext(t.Context(), query, args...); err != nil {
				return fmt.Errorf("%.60s: %w", query, err)
			}
		}
		return nil
	})
	r.ok(r.ledger.Close())
	info, err := os.Stat(path)
	r.ok(err)
	lines := []benchLine{
		r.benchRead(path, "report cost", func(t *ledger.Tx) error {
			c, err := report.NewCost(t, ledger.Span{}, r.state.Settings, nil, r.at)
			if c.Alerts != yearAlerts {
				r.t.Errorf("%d alerts, want %d", c.Alerts, yearAlerts)
			}
			return err
		}),
		r.benchRead(path, "report savings", func(t *ledger.Tx) error {
			units, err := report.SearchUnits(t, ledger.Span{}, nil)
			if err == nil {
				_, err = report.NewSavings(t, ledger.Span{}, units)
			}
			return err
		}),
		r.benchRead(path, "report bill", func(t *ledger.Tx) error {
			b, err := report.NewBill(t, ledger.Span{}, report.BillOptions{Minutes: 10, Hourly: 60e9})
			if len(b.Detections) != 200 {
				r.t.Errorf("%d detections", len(b.Detections))
			}
			return err
		}),
		r.benchRead(path, "report cost --by search", func(t *ledger.Tx) error {
			_, err := report.NewSplit(t, ledger.Span{}, report.BySearch)
			return err
		}),
		r.benchRead(path, "report cost --by day", func(t *ledger.Tx) error {
			_, err := report.NewSplit(t, ledger.Span{}, report.ByDay)
			return err
		}),
		r.benchRead(path, "report votes", func(t *ledger.Tx) error {
			v, err := report.NewVotes(t, func(a *winnow.Alert, votes []winnow.Vote) string {
				return string(llm.Decide(a, r.state.Fields, map[string]float64{"network": 1, "identity": 1, "threat_intel": 1}, votes))
			})
			if err == nil && v.Panels != 182_400 {
				r.t.Errorf("%d panels", v.Panels)
			}
			return err
		}),
		r.benchRead(path, "last hits of rules", func(t *ledger.Tx) error {
			hits, err := t.RuleHits()
			if len(hits) != 1000 {
				r.t.Errorf("%d rules", len(hits))
			}
			return err
		}),
	}
	return append(lines, benchLine{
		Name: fmt.Sprintf("size of that ledger, %d rows and the tallies of %d", yearRows, yearAlerts), Value: float64(info.Size()) / 1e6, Unit: "MB", OK: true,
	})
}

// benchRead measures what a command does: it opens the ledger, and reads.
func (r *rig) benchRead(path, name string, read func(*ledger.Tx) error) benchLine {
	r.t.Helper()
	var all []time.Duration
	for range 9 {
		began := time.Now()
		l, err := ledger.OpenReadOnly(r.t.Context(), path)
		r.ok(err)
		r.ok(l.View(r.t.Context(), read))
		r.ok(l.Close())
		all = append(all, time.Since(began))
	}
	slices.Sort(all)
	ms := float64(all[4].Microseconds()) / 1000
	return benchLine{name + " over a year of 50,000 alerts a day", ms, "ms", 100, ms / 100, 100, ms <= 100}
}
