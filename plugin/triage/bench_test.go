//go:build linux || darwin

package triage

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/chat"
	"github.com/winnow-soc/winnow/llm/offline"
	"github.com/winnow-soc/winnow/llm/prices"
	"github.com/winnow-soc/winnow/llm/redact"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// benchLine is one figure as `make bench-llm` leaves it in build/bench.
type benchLine struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Against float64 `json:"against"`
	Ratio   float64 `json:"ratio"`
	Want    float64 `json:"want"`
	OK      bool    `json:"ok"`
}

func benchDir(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("WINNOW_BENCH")
	if dir == "" {
		t.Skip("takes a minute: run `make bench-llm` or `make bench-ledger`")
	}
	return dir
}

func writeBench(t *testing.T, dir, name string, lines []benchLine) {
	t.Helper()
	for _, l := range lines {
		wanted := fmt.Sprintf("want %g: %v", l.Want, l.OK)
		if l.Want == 0 && l.OK {
			wanted = ""
		}
		fmt.Printf("%-70s %10.2f %-10s %s\n", l.Name, l.Value, l.Unit, wanted)
		if !l.OK {
			t.Errorf("%s is %.2f %s, want %g", l.Name, l.Value, l.Unit, l.Want)
		}
	}
	data, err := json.MarshalIndent(lines, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".json"), append(data, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}

// cpu returns the time that this process has had on a processor.
func cpu(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// slowModel answers after two seconds.
type slowModel struct{ script }

const slowness = 2 * time.Second

func (s *slowModel) Answer(ctx context.Context, q llm.Question) (llm.Answer, error) {
	time.Sleep(slowness)
	return s.script.Answer(ctx, q)
}

// slowProvider is a language model's interface that answers after two seconds.
type slowProvider struct{}

func (slowProvider) Complete(context.Context, *chat.Request) (*chat.Reply, error) {
	time.Sleep(slowness)
	text, err := json.Marshal(llm.Classification{
		Disposition: "TruePositive", Confidence: 95, Evidence: []winnow.Evidence{}, Recommendations: []llm.Advice{},
		Case: winnow.Case{What: "A sign-in.", Why: "So it seems.", FirstResponse: "Call them."},
	})
	return &chat.Reply{Text: string(text), Stop: chat.StopEnd, Model: "m", Usage: prices.Usage{Input: 900, Output: 90}}, err
}

// calls is the model of package chat over a provider that is slow: fences, redaction, limits and books are
// the real ones.
func (r *rig) calls() llm.Model {
	r.t.Helper()
	caller, err := chat.NewCaller(chat.CallerOptions{
		Name: "large", Model: "m", Provider: slowProvider{}, Timeout: time.Minute, Attempts: 1, Now: time.Now,
		Price: func(string, time.Time) (prices.Price, bool) {
			return prices.Price{Model: "m", Rates: prices.Rates{Input: 750, Output: 4500}}, true
		},
		Budget: &Books{Ledger: r.ledger, Now: time.Now},
	})
	r.ok(err)
	key := sha256.Sum256([]byte("bench"))
	redactor, err := redact.New(redact.Options{Key: key[:], Search: func(string) redact.Search { return redact.Search{Class: "internal"} }})
	r.ok(err)
	prompts, err := chat.LoadPrompts(r.state.Default("prompts"))
	r.ok(err)
	m, err := chat.New("large", chat.Options{
		Backends: []chat.Backend{{Caller: caller, MaxOutput: 1000, Form: chat.FormStrict, Ceiling: "restricted"}}, Redactor: redactor, Prompts: prompts,
	})
	r.ok(err)
	return m
}

// analysts are the shipped pipeline with one model for classification.
func (r *rig) analysts(classify llm.Model) *llm.Pipeline {
	r.t.Helper()
	catalogue := readCatalogue(r.t, r.state.Default("attack.csv"))
	o := offline.New(catalogue)
	p, err := llm.New(llm.Options{
		Enrich: o, Correlate: o, Classify: classify, Catalogue: catalogue, Facts: r.facts,
		Panel: llm.Panel{Coordinator: o, Low: 40, High: 90, Agents: []llm.Agent{
			{Name: "network", Model: o, Weight: 1}, {Name: "identity", Model: o, Weight: 1}, {Name: "threat_intel", Model: o, Weight: 1},
		}},
	})
	r.ok(err)
	return p
}

// TestBenchFlights measures what an alert costs beside the model: a worker on a ledger on disk, 64 alerts in
// flight, each answered after two seconds.
func TestBenchFlights(t *testing.T) {
	dir := benchDir(t)
	const flights, rounds = 64, 8
	var lines []benchLine
	for _, c := range []struct {
		name  string
		model func(*rig) llm.Model
	}{
		{"a model that takes 2 s", func(*rig) llm.Model { return &slowModel{} }},
		{"the same with fences, redaction, limits and books", (*rig).calls},
	} {
		r := newPaidRig(t, fmt.Sprintf("worker.concurrency=%d", flights))
		r.broken = r.analysts(c.model(r))
		r.storm(flights*rounds, func(i int, a *winnow.Alert) { a.Fields["user"] = []string{fmt.Sprint("user", i)} })
		w := r.worker(&sink{name: "update"}, &sink{name: "events"})
		before, began := cpu(t), time.Now()
		r.once(w)
		took, each := time.Since(began), (cpu(t)-before).Seconds()*1000/(flights*rounds)
		if n := r.states()[winnow.StateQueued]; n > 0 {
			t.Errorf("%d are still queued", n)
		}
		lines = append(lines,
			benchLine{"CPU an alert: " + c.name, each, "ms", 0, 0, 5, each < 5},
			benchLine{"time against the model's own: " + c.name, took.Seconds() / (slowness.Seconds() * rounds), "times", slowness.Seconds() * rounds, took.Seconds() / (slowness.Seconds() * rounds), 2, took < 2*slowness*rounds})
	}
	writeBench(t, dir, "flights", lines)
}

// TestBenchStorm measures 10,000 like alerts in one window.
func TestBenchStorm(t *testing.T) {
	dir := benchDir(t)
	const storm = 10_000
	var lines []benchLine
	for _, run := range []string{"enforce", "assist"} {
		r := newPaidRig(t, "gate.run="+run)
		asked := 0
		r.verdicts(&asked)
		r.storm(storm, nil)
		w := r.worker(&sink{name: "update"}, &sink{name: "events"})
		before := cpu(t)
		r.ok(w.takeOver(t.Context()))
		for len(r.queuedSome()) > 0 || !w.air.empty() {
			r.step(w)
		}
		each := (cpu(t) - before).Seconds() * 1000 / storm
		lines = append(lines,
			benchLine{fmt.Sprintf("verdicts for %d like alerts, %s", storm, run), float64(asked), "verdicts", storm, float64(asked) / storm, 11, asked <= 11},
			benchLine{fmt.Sprintf("CPU an alert of them, %s", run), each, "ms", 0, 0, 5, each < 5})
	}
	writeBench(t, dir, "storm", lines)
}

// queuedSome returns the first of the alerts that wait.
func (r *rig) queuedSome() (ids []string) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) error {
		rows, err := t.Conn().QueryContext(t.Context(), "SELECT id FROM queue LIMIT 1")
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			ids = append(ids, "")
		}
		return rows.Err()
	})
	return ids
}
