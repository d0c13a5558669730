//go:build linux || darwin

package triage

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
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

// TestLedgerBenchDrops measures how many rows that a rule decided the worker imports and settles: from the
// records that the alert action stored to their outcomes, and what the sinks have to be told, on disk.
func TestLedgerBenchDrops(t *testing.T) {
	dir := benchDir(t)
	var lines []benchLine
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
		lines = append(lines, atLeast("rule-decided rows, "+c.name, float64(c.records*c.rows)/took.Seconds(), "rows/s", 5000),
			benchLine{Name: "CPU a row, " + c.name, Value: used.Seconds() * 1e6 / float64(c.records*c.rows), Unit: "us", OK: true})
	}
	writeBench(t, dir, "ledger-drops", lines)
}

// alertsIn counts the alerts in a state.
func (r *rig) alertsIn(state winnow.State) (n int) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) error {
		return t.Tallies(func(y ledger.Tally) {
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

// TestLedgerBenchModels measures alerts that a model is asked about, where it answers at once.
func TestLedgerBenchModels(t *testing.T) {
	dir := benchDir(t)
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
	writeBench(t, dir, "ledger-models", []benchLine{
		atLeast("model-bound alerts, the model answers at once", alerts/took.Seconds(), "alerts/s", 500),
		{Name: "CPU an alert", Value: used.Seconds() * 1e6 / alerts, Unit: "us", OK: true},
	})
}
