package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
)

// costFacts are what `WINNOW_COST_RECORD=1 make bench-cost` measured last. docs/cost.md is held to them, and
// the next run too.
type costFacts []costFact

// costFact is one set of alerts.
type costFact struct {
	Set     string         `json:"set"`
	Alerts  int            `json:"alerts"`
	Attacks int            `json:"attacks"`
	Benign  int            `json:"benign"`
	Canary  winnow.NanoUSD `json:"canaries_nanousd"`
	Steps   []costFactStep `json:"steps"`
}

type costFactStep struct {
	Step   string         `json:"step"`
	Spent  winnow.NanoUSD `json:"nanousd"`
	Asked  int            `json:"asked"`
	Missed int            `json:"missed"`
	Alike  int            `json:"missed_alike"`
	Closed int            `json:"closed"`
	People int            `json:"people"`
}

var costFactsPath = filepath.Join("testdata", "cost", "measured.json")

func readCostFacts(t *testing.T) (facts costFacts) {
	t.Helper()
	data, err := os.ReadFile(costFactsPath)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &facts); err != nil {
		t.Fatal(err)
	}
	return facts
}

// of returns the facts of one set, or nil.
func (f costFacts) of(set string) *costFact {
	for i := range f {
		if f[i].Set == set {
			return &f[i]
		}
	}
	return nil
}

// The month that docs/cost.md works out.
const (
	monthDay  = 50_000 // alerts
	monthDays = 30
	month     = monthDay * monthDays
)

// TestFiguresOfTheCost computes every figure of docs/cost.md that stands between two marks from what was
// measured. WINNOW_COST_RECORD=1 writes them.
func TestFiguresOfTheCost(t *testing.T) {
	doc, facts := readDocument(t, "docs/cost.md"), readCostFacts(t)
	text := doc.text
	for _, set := range costSets {
		f := facts.of(set.name)
		if f == nil {
			t.Fatalf("%s has nothing about %s", costFactsPath, set.name)
		}
		text = between(t, text, "measured: "+set.name, f.table())
	}
	whole := facts.of(costSets[0].name)
	text = between(t, text, "month", workedMonth(whole))
	said := fmt.Sprintf("misses %s of %s, winnow with a model that knows every label %s.", thousands(whole.Steps[2].Missed),
		thousands(whole.Attacks), thousands(whole.Steps[len(whole.Steps)-1].Missed))
	if !strings.Contains(strings.ReplaceAll(doc.text, "\n  ", " "), said) {
		t.Errorf("%s does not say: %s", doc.name, said)
	}
	switch {
	case text == doc.text:
	case os.Getenv("WINNOW_COST_RECORD") == "":
		t.Errorf("%s shows other figures than %s: run WINNOW_COST_RECORD=1 go test -run %s ./plugin/cmd/winnow", doc.name, costFactsPath, t.Name())
	default:
		if err := os.WriteFile(filepath.Join(repository, doc.name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// between puts a text between the mark of a name and the next end.
func between(t *testing.T, text, name, body string) string {
	t.Helper()
	before, rest, began := strings.Cut(text, "<!-- "+name+" -->\n")
	_, after, ended := strings.Cut(rest, "<!-- end -->\n")
	if !began || !ended {
		t.Fatalf("docs/cost.md has no marks for %q", name)
	}
	return before + "<!-- " + name + " -->\n" + body + "<!-- end -->\n" + after
}

// per is what n cost for 1,000 of the alerts, in dollars.
func (f *costFact) per(n winnow.NanoUSD) float64 { return float64(n) / 1e9 / float64(f.Alerts) * 1000 }

// table is the set as docs/cost.md shows it.
func (f *costFact) table() string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s alerts, %s of attacks, %s benign.\n\n", thousands(f.Alerts), thousands(f.Attacks), thousands(f.Benign))
	out.WriteString("| with | dollars per 1,000 alerts | of (a) | asked about | attacks missed | benign closed | left to people |\n|---|---|---|---|---|---|---|\n")
	for i, s := range f.Steps {
		if same := f.Steps[max(i-1, 0)]; i > 3 && s == (costFactStep{s.Step, same.Spent, same.Asked, same.Missed, same.Alike, same.Closed, same.People}) {
			fmt.Fprintf(&out, "| %s | the same | | | | | |\n", s.Step)
			continue
		}
		missed := thousands(s.Missed)
		if s.Alike > 0 {
			missed += fmt.Sprintf(" (%s)", thousands(s.Alike))
		}
		fmt.Fprintf(&out, "| %s | %.4f | %s | %s | %s | %s | %s |\n", s.Step, f.per(s.Spent), hundredths(float64(s.Spent), float64(f.Steps[1].Spent)),
			hundredths(float64(s.Asked), float64(f.Alerts)), missed, hundredths(float64(s.Closed), float64(f.Benign)), thousands(s.People))
	}
	if f.Canary > 0 {
		fmt.Fprintf(&out, "\nOf the last line, %.4f dollars are for canaries.\n", f.per(f.Canary))
	}
	return out.String()
}

func hundredths(n, of float64) string {
	if of == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f %%", 100*n/of)
}

// thousands writes a number with commas.
func thousands(n int) string {
	text := strconv.Itoa(n)
	for at := len(text) - 3; at > 0; at -= 3 {
		text = text[:at] + "," + text[at:]
	}
	return text
}

// cents writes dollars and cents with commas.
func cents(dollars float64) string {
	whole, rest, _ := strings.Cut(fmt.Sprintf("%.2f", dollars), ".")
	n, _ := strconv.Atoi(whole) //nolint:errcheck // it was a number a moment ago
	return thousands(n) + "." + rest
}

// workedMonth is the month as docs/cost.md shows it.
func workedMonth(f *costFact) string {
	var out strings.Builder
	line := func(what, how, result string) { fmt.Fprintf(&out, "%-64s %-28s = %12s\n", what, how, result) }
	enrich, classify := float64(tableEnrich)/1e9, float64(tableClassify)/1e9
	table := month * (enrich + classify)
	line("alerts of a month", fmt.Sprintf("%s a day x %d days", thousands(monthDay), monthDays), thousands(month))
	line("static table: enrich", fmt.Sprintf("%s x %g", thousands(month), enrich), cents(month*enrich))
	line("static table: correlate and classify", fmt.Sprintf("%s x %g", thousands(month), classify), cents(month*classify))
	line("static table", cents(month*enrich)+" + "+cents(month*classify), cents(table))
	last := 0.0
	for i, s := range f.Steps {
		if i == 0 || i > 1 && s.Spent == f.Steps[i-1].Spent {
			continue
		}
		last = month / 1000 * rounded(f.per(s.Spent))
		line(s.Step, fmt.Sprintf("%s / 1,000 x %.4f", thousands(month), f.per(s.Spent)), cents(last))
	}
	line("less than the static table by", cents(table)+" - "+cents(last), cents(table-last))
	line("of the static table", cents(last)+" / "+cents(table), hundredths(last, table))
	return "```text\n" + out.String() + "```\n"
}

// rounded is a figure as it is shown, so that a reader who computes with it comes to the same.
func rounded(per float64) float64 {
	n, _ := strconv.ParseFloat(fmt.Sprintf("%.4f", per), 64) //nolint:errcheck // it was a number a moment ago
	return n
}
