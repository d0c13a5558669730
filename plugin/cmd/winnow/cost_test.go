package main

import (
	"bytes"
	"cmp"
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
)

// costSet is one or more files of alerts that are priced together.
type costSet struct {
	name  string
	files []string
	rules bool    // those suggested from the first half; the second half is priced
	most  float64 // share of (a) that all of winnow may cost, 0 for any
}

var costSets = []costSet{
	{"AIT, no rules", aitFiles, false, 0.05},
	{"AIT, second half, rules suggested from the first", aitFiles, true, 0.05},
	{"Panther, no rules", []string{pantherFile}, false, 0},
}

// TestCost takes labelled alerts through the static table and through winnow, one gate after the other, with
// a model that knows every label: what it costs, what is missed, what is closed. See docs/cost.md.
func TestCost(t *testing.T) {
	slow(t)
	tokens, samples := readCostTokens(t), openCostSamples(t)
	runs := make([][]*costRun, len(costSets))
	t.Run("run", func(t *testing.T) { // two at a time on two cores
		for i, set := range costSets {
			runs[i] = make([]*costRun, len(set.files))
			for j, name := range set.files {
				t.Run(set.name+", "+name, func(t *testing.T) {
					t.Parallel()
					runs[i][j] = newCostRun(t, name, set.rules)
					runs[i][j].tokens, runs[i][j].samples = tokens, samples
					runs[i][j].run()
				})
			}
		}
	})
	samples.close(t)
	if t.Failed() || t.Skipped() {
		return
	}
	table := newBench("cost")
	var facts costFacts
	for i, set := range costSets {
		for j, r := range runs[i] {
			if r == nil {
				t.Skip("no public alerts: skipped")
			}
			if len(runs[i]) > 1 {
				printCosts(set.name+", "+strings.TrimSuffix(set.files[j], ".ndjson.gz"), []*costRun{r})
			}
		}
		fact := printCosts(set.name, runs[i])
		set.hold(t, table, &fact)
		facts = append(facts, fact)
	}
	table.write(t)
	compareCosts(t, facts)
}

// newCostRun makes the run of one file: with what every alert of a network has, a benign fact.
func newCostRun(t *testing.T, name string, suggested bool) *costRun {
	t.Helper()
	r := &costRun{t: t, content: t.TempDir()}
	r.file, r.labels = costFile(t, name, suggested)
	if name != pantherFile {
		r.content = oracleContent(t, publicFile(t, name))
	}
	if suggested {
		first, _ := halves(t, publicFile(t, name))
		if err := os.CopyFS(r.content, os.DirFS(suggestFrom(t, first))); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

// sumCosts adds the runs of a set up.
func sumCosts(name string, runs []*costRun) costFact {
	f := costFact{Set: name, Steps: make([]costFactStep, len(runs[0].steps))}
	for _, r := range runs {
		f.Alerts, f.Benign, f.Attacks, f.Canary = f.Alerts+len(r.alerts), f.Benign+r.benign, f.Attacks+r.attacks, f.Canary+r.canary
		for i, s := range r.steps {
			sum := &f.Steps[i]
			sum.Step, sum.Spent, sum.Asked = s.name, sum.Spent+s.spent, sum.Asked+s.asked
			sum.Missed, sum.Alike = sum.Missed+s.missed, sum.Alike+s.alike
			sum.Closed, sum.People = sum.Closed+s.closed, sum.People+s.people
		}
	}
	return f
}

// printCosts prints the steps of several runs together.
func printCosts(name string, runs []*costRun) costFact {
	f := sumCosts(name, runs)
	fmt.Printf("\n%s: %d alerts, %d of attacks, %d benign\n", name, f.Alerts, f.Attacks, f.Benign)
	fmt.Printf("  %-64s %11s %9s %9s %7s %6s %9s %8s\n", "with", "$ per 1,000", "of (a)", "asked", "missed", "alike", "closed", "people")
	for _, step := range f.Steps {
		fmt.Printf("  %-64s %11.4f %9s %9s %7d %6d %9s %8d\n", step.Step, f.per(step.Spent), hundredths(float64(step.Spent), float64(f.Steps[1].Spent)),
			hundredths(float64(step.Asked), float64(f.Alerts)), step.Missed, step.Alike, hundredths(float64(step.Closed), float64(f.Benign)), step.People)
	}
	if f.Canary > 0 {
		fmt.Printf("  of the last line, canaries: %.4f\n", f.per(f.Canary))
	}
	for _, r := range runs {
		for _, u := range r.unseen {
			fmt.Println("  missed:", u)
		}
	}
	return f
}

// hold adds a set to the table of figures. All of winnow may cost a share of (a), counted either way, and may miss
// no more attacks than (a), although the model of (a) knows the label of every row, which nobody can.
func (s *costSet) hold(t *testing.T, table *bench, f *costFact) {
	t.Helper()
	last := len(f.Steps) - 1
	base, full := &f.Steps[1], &f.Steps[last]
	for i := range f.Steps {
		step := &f.Steps[i]
		want, cheap, safe := 0.0, true, true
		if i == last && s.most > 0 {
			dear := min(base.Spent, f.Steps[0].Spent)
			want, cheap = s.most, float64(full.Spent) <= s.most*float64(dear)
			safe = full.Missed <= base.Missed
		}
		name := s.name + ": " + step.Step
		table.add(name+": cost", f.per(step.Spent), "dollars per 1,000 alerts", f.per(base.Spent), want, cheap)
		table.add(name+": missed", float64(step.Missed), "attacks", float64(f.Attacks), float64(base.Missed), safe)
		table.add(name+": missed, and equal to a benign alert", float64(step.Alike), "attacks", float64(f.Attacks), 0, true)
		table.add(name+": closed", float64(step.Closed), "benign alerts", float64(f.Benign), 0, true)
		table.add(name+": left to people", float64(step.People), "alerts and cases", float64(f.Alerts), 0, true)
		if !cheap || !safe {
			t.Errorf("%s: $%.4f per 1,000 alerts of $%.4f, want at most %.0f %%; %d attacks missed, want at most %d",
				s.name, f.per(full.Spent), f.per(base.Spent), 100*s.most, full.Missed, base.Missed)
		}
	}
	table.add(s.name+": of it canaries: cost", f.per(f.Canary), "dollars per 1,000 alerts", f.per(base.Spent), 0, true)
}

// compareCosts holds a whole run against what docs/cost.md shows, or records it.
func compareCosts(t *testing.T, facts costFacts) {
	t.Helper()
	if costDays(t) > 0 {
		return
	}
	if os.Getenv("WINNOW_COST_RECORD") != "" {
		data, err := json.MarshalIndent(facts, "", " ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(costFactsPath, append(data, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	shown := readCostFacts(t)
	for _, f := range facts {
		old := shown.of(f.Set)
		for i, step := range f.Steps {
			if old == nil || len(old.Steps) <= i || old.Steps[i].Missed != step.Missed || offBy(old.Steps[i].Spent, step.Spent) > 0.05 {
				t.Errorf("%s, %s: docs/cost.md shows something else: run WINNOW_COST_RECORD=1 make bench-cost, then the same with go test -run TestFiguresOfTheCost",
					f.Set, step.Step)
			}
		}
	}
}

// offBy is how far two amounts are apart, as a share of the larger.
func offBy(a, b winnow.NanoUSD) float64 {
	if most := max(a, b); most > 0 {
		return float64(max(a, b)-min(a, b)) / float64(most)
	}
	return 0
}

// costDays are the days of each network that are taken: WINNOW_COST_DAYS, all of them when it is not set.
func costDays(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("WINNOW_COST_DAYS")
	if text == "" {
		return 0
	}
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || n <= 0 {
		t.Fatalf("WINNOW_COST_DAYS is %q, want a number of days", text)
	}
	return time.Duration(n * float64(24*time.Hour))
}

// costFile writes rows in the order of their times, all of them or those after the middle of the time.
func costFile(t *testing.T, name string, second bool) (path string, labels map[string]string) {
	t.Helper()
	type row struct {
		at   int64
		text string
	}
	var rows []row
	labels = map[string]string{}
	eachLine(t, publicFile(t, name), func(line []byte, l labelled) {
		rows = append(rows, row{l.Time, string(line)})
		labels[l.SID+"/"+l.RID] = l.Label
	})
	slices.SortStableFunc(rows, func(a, b row) int { return cmp.Compare(a.at, b.at) })
	from, to := rows[0].at, rows[len(rows)-1].at
	if second {
		from = (from+to)/2 + 1
	}
	if days := costDays(t); days > 0 {
		to = min(to, from+int64(days/time.Second))
	}
	var out bytes.Buffer
	for _, r := range rows {
		if r.at >= from && r.at <= to {
			out.WriteString(r.text + "\n")
		}
	}
	path = filepath.Join(t.TempDir(), "alerts.ndjson")
	if err := os.WriteFile(path, out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path, labels
}

// openCostSamples opens the file that WINNOW_COST_PROMPTS names, nil when it names none.
func openCostSamples(t *testing.T) *costSamples {
	t.Helper()
	name := os.Getenv("WINNOW_COST_PROMPTS")
	if name == "" {
		return nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	return &costSamples{of: map[string]int{}, static: map[string]bool{}, file: f}
}

func (c *costSamples) close(t *testing.T) {
	t.Helper()
	if c == nil {
		return
	}
	if err := c.file.Close(); err != nil || c.err != nil {
		t.Fatal(err, c.err)
	}
}
