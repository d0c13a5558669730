package main

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
)

// oracle is a language model that knows the labels. What it is asked about is counted.
type oracle struct {
	labels  map[string]string // by sid and rid
	unknown llm.DispositionName

	mu    sync.Mutex
	asked map[string]bool // alerts
}

func (o *oracle) Name() string { return "oracle" }

func (o *oracle) Source() winnow.Source { return winnow.SourceModel }

func (o *oracle) Answer(_ context.Context, q llm.Question) (llm.Answer, error) {
	a := q.Case.Alert
	o.mu.Lock()
	o.asked[a.ID] = true
	o.mu.Unlock()
	text, err := json.Marshal(o.say(q.Task, a, o.labels[a.Key.SID+"/"+a.Key.RID]))
	return llm.Answer{JSON: text, Usage: llm.Usage{Calls: 1}}, err
}

func (o *oracle) say(task llm.Task, a *winnow.Alert, label string) any {
	disposition, confidence, vote := o.unknown, 97, winnow.VoteSafe
	switch {
	case label == "attack":
		disposition, vote = "TruePositive", winnow.VoteMalicious
	case label == "benign":
		disposition = "BenignPositive"
	case disposition == "Undetermined":
		confidence, vote = 50, winnow.VoteAbstain
	}
	words := winnow.Case{What: "What the label says.", Why: "It is the label.", FirstResponse: "None."}
	switch task {
	case llm.TaskEnrich:
		return llm.Enrichment{Asset: "host", Sensitivity: llm.SensitivityLow, Severity: 1, Facts: []llm.Statement{}, Assumptions: []string{}}
	case llm.TaskCorrelate:
		return llm.Correlation{Techniques: []llm.Technique{}, Signals: []llm.Statement{}}
	case llm.TaskVote:
		return llm.Ballot{Vote: vote, Confidence: confidence, Reason: "the label", Fields: []string{"dest"}}
	case llm.TaskCoordinate:
		return llm.Resolution{Disposition: disposition, Confidence: confidence, Case: words}
	case llm.TaskClassify:
	}
	return llm.Classification{
		Disposition: disposition, Confidence: confidence, Case: words, Recommendations: []llm.Advice{},
		Evidence: []winnow.Evidence{{Field: "dest", Value: a.Fields["dest"][0]}},
	}
}

func (o *oracle) pipeline(t *testing.T, p *parts) *llm.Pipeline {
	t.Helper()
	catalogue, err := readCatalogue(p.Default("attack.csv"))
	if err != nil {
		t.Fatal(err)
	}
	pipeline, err := llm.New(llm.Options{
		Enrich: o, Correlate: o, Classify: o, Catalogue: catalogue, Facts: p.facts,
		Panel: llm.Panel{Coordinator: o, Low: 40, High: 90, Agents: []llm.Agent{
			{Name: "network", Model: o, Weight: 1}, {Name: "identity", Model: o, Weight: 1}, {Name: "threat_intel", Model: o, Weight: 1},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return pipeline
}

// oracleContent is content without rules, in which every alert has a benign fact: its machine is in a list
// of all machines. That is the worst case for what is hidden, and for what is asked: an alert without a
// fact goes to a person, is kept in no cache, and its repeats join it without a call.
func oracleContent(t *testing.T, file string) string {
	t.Helper()
	dir := t.TempDir()
	var hosts []string
	eachLine(t, file, func(line []byte, _ labelled) {
		var a struct{ Dest string }
		if err := json.Unmarshal(line, &a); err != nil {
			t.Fatal(err)
		}
		if !slices.Contains(hosts, a.Dest) {
			hosts = append(hosts, a.Dest)
		}
	})
	for name, text := range map[string]string{
		"lists/monitored.csv": "host\n" + strings.Join(hosts, "\n") + "\n",
		"facts.yaml": `families:
  - name: monitored
    description: Machines of the network that is watched
    search_name: ["*"]
    facts:
      - {list: monitored, fields: [dest]}
`,
	} {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// inOrder returns a file's rows in the order of their times. The networks' sensors come one after the other
// in it, and the clock of a file does not go back: verdicts on the second would hold until the first ends.
func inOrder(t *testing.T, file string) string {
	t.Helper()
	type row struct {
		at   int64
		text string
	}
	var rows []row
	eachLine(t, file, func(line []byte, l labelled) { rows = append(rows, row{l.Time, string(line)}) })
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.at, b.at) })
	var out strings.Builder
	for _, r := range rows {
		out.WriteString(r.text + "\n")
	}
	path := filepath.Join(t.TempDir(), "ordered.ndjson")
	if err := os.WriteFile(path, []byte(out.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// oracleScore is what a run over one network came to.
type oracleScore struct {
	rows, attacks, asked int
	hidden               []string
	closed               int // benign alerts
}

// runOracle triages one network with the oracle and without rules.
func runOracle(t *testing.T, file, ttl string, unknown llm.DispositionName) (s oracleScore) {
	t.Helper()
	o := &oracle{labels: readLabels(t, file), unknown: unknown, asked: map[string]bool{}}
	g := newTester(t, oracleContent(t, file))
	g.set = []string{"policy.trust_uncalibrated=1", "cache.ttl=" + ttl, "cache.model_ttl=" + ttl}
	d, err := g.open()
	if err != nil {
		t.Fatal(err)
	}
	p, err := g.assemble(d, g.now())
	if err != nil {
		t.Fatal(err)
	}
	p.pipeline = o.pipeline(t, p)
	r, err := g.openReplayOn(t.Context(), p)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = r.close() }()
	if err := r.file(t.Context(), inOrder(t, file)); err != nil {
		t.Fatal(err)
	}
	for _, rec := range g.recordsOf(t, p.ledger) {
		s.count(rec, o.labels[rec.SID+"/"+rec.RID])
	}
	s.asked = len(o.asked)
	return s
}

func (s *oracleScore) count(r winnow.Record, label string) {
	s.rows++
	closed := r.Outcome.State == winnow.StateClosed
	switch {
	case label == "attack":
		s.attacks++
		if closed {
			s.hidden = append(s.hidden, fmt.Sprintf("%s %s/%s %s by %s, %s", r.Time.Format(time.RFC3339), r.SID, r.RID, r.SearchName, r.Outcome.Actor,
				strings.Join(r.Verdict.Facts, " ")))
		}
	case label == "benign" && closed:
		s.closed++
	}
}

// TestOracle asks a model that knows every label, on two networks under attack and without rules: how many
// alerts reach it, and how many attacks are hidden behind a verdict on another alert. WINNOW_ORACLE_TTL
// names other lives of a verdict than the shipped one: `WINNOW_ORACLE_TTL="15m 1h 4h 24h"` prints the curve.
// The share asked is a goal at the shipped one, and for a model that says so when it does not know.
func TestOracle(t *testing.T) {
	slow(t)
	ttls := strings.Fields(os.Getenv("WINNOW_ORACLE_TTL"))
	if len(ttls) == 0 {
		ttls = []string{shippedTTL}
	}
	table := newBench("oracle")
	for _, ttl := range ttls {
		for _, unknown := range []llm.DispositionName{"Undetermined", "BenignPositive"} {
			asOracle(t, table, ttl, unknown)
		}
	}
	table.write(t)
}

// shippedTTL is [cache] model_ttl of default/winnow.conf.
const shippedTTL = "8h"

func asOracle(t *testing.T, table *bench, ttl string, unknown llm.DispositionName) {
	attacks, hidden := 0, 0
	for _, name := range aitFiles {
		began := time.Now()
		s := runOracle(t, publicFile(t, name), ttl, unknown)
		run := fmt.Sprintf("%s, ttl %s, unknown is %s", strings.TrimSuffix(name, ".ndjson.gz"), ttl, unknown)
		share := float64(s.asked) / float64(s.rows)
		fmt.Printf("%s: %d alerts, asked about %d (%.2f %%), %d benign closed, %d of %d attacks hidden (%s)\n",
			run, s.rows, s.asked, 100*share, s.closed, len(s.hidden), s.attacks, time.Since(began).Round(time.Second))
		for _, h := range s.hidden {
			fmt.Println("  hidden:", h)
		}
		table.add(run+": asked about", float64(s.asked), "alerts", float64(s.rows), 0.04, share <= 0.04)
		table.add(run+": attacks hidden", float64(len(s.hidden)), "alerts", float64(s.attacks), 1.0/10_000, true)
		if share > 0.04 && ttl == shippedTTL && unknown == "Undetermined" {
			t.Errorf("%s: %.2f %% of the alerts reach a model, want at most 4 %%", run, 100*share)
		}
		attacks, hidden = attacks+s.attacks, hidden+len(s.hidden)
	}
	ok := hidden*10_000 <= attacks
	table.add(fmt.Sprintf("both networks, ttl %s, unknown is %s: attacks hidden", ttl, unknown), float64(hidden), "alerts", float64(attacks), 1.0/10_000, ok)
	if !ok && unknown == "Undetermined" { // the worst case is printed, not promised
		t.Errorf("ttl %s: %d of %d attacks are hidden, want at most 1 in 10,000", ttl, hidden, attacks)
	}
}
