package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/winnow-soc/winnow/rules"
)

// TestSuggestedRules suggests rules from the first half of each network's alerts, by time, and tries
// them on the second half, of which they know nothing, and on that of the other network. Most of
// what is benign must be closed, and no attack; what the other network makes of them is told only.
func TestSuggestedRules(t *testing.T) {
	slow(t)
	type network struct{ name, content, second string }
	var networks []network
	for _, name := range aitFiles {
		first, second := halves(t, publicFile(t, name))
		networks = append(networks, network{name, suggestFrom(t, first), second})
	}
	table := newBench("suggest")
	fmt.Printf("\n%-32s %-32s %8s %8s %7s %8s\n", "suggested from the first half of", "tried on the second half of", "benign", "closed", "share", "attacks")
	for _, from := range networks {
		for _, on := range networks {
			is := trySuggested(t, from.content, on.second)
			share := float64(is.closed) / float64(is.benign)
			fmt.Printf("%-32s %-32s %8d %8d %6.2f%% %8d\n", from.name, on.name, is.benign, is.closed, 100*share, is.attacks)
			name, own := from.name+" on "+on.name, from.name == on.name
			table.add(name+": benign closed", float64(is.closed), "alerts", float64(is.benign), wantOf(own, 0.9), !own || share >= 0.9)
			table.add(name+": attacks closed", float64(is.attacks), "alerts", float64(is.allAttacks), 0, is.attacks == 0)
			if own && share < 0.9 || is.attacks > 0 {
				t.Errorf("%s: %.1f %% of benign alerts and %d attacks closed, want 90 %% and 0", name, 100*share, is.attacks)
			}
		}
	}
	table.write(t)
}

func wantOf(own bool, want float64) float64 {
	if own {
		return want
	}
	return 0
}

// suggestFrom runs `rules suggest` with no rules at all, and returns a content folder with the
// result, untouched.
func suggestFrom(t *testing.T, file string) (content string) {
	t.Helper()
	g := newTester(t, t.TempDir())
	g.format = formatTable
	if err := g.rulesSuggest(t.Context(), &suggestFlags{sampleFlags: sampleFlags{file: file}, owner: "bench@corp.example", hits: 50}); err != nil {
		t.Fatal(err)
	}
	content = t.TempDir()
	if err := os.Mkdir(filepath.Join(content, "rules"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(content, "rules", "suggested.yaml"), g.out.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return content
}

type triedRules struct{ benign, closed, allAttacks, attacks int }

// trySuggested runs `rules backtest` and counts what enforced rules close. Shadow rules close nothing.
func trySuggested(t *testing.T, content, file string) (is triedRules) {
	t.Helper()
	g := newTester(t, content)
	err := g.rulesBacktest(t.Context(), nil, &backtestFlags{sampleFlags: sampleFlags{file: file}})
	if failed, ok := errors.AsType[*exitError](err); err != nil && (!ok || failed.code != exitFailed) {
		t.Fatal(err)
	}
	var out backtestJSON
	if err := json.Unmarshal(g.out.Bytes(), &out); err != nil {
		t.Fatal(err)
	}
	is.benign, is.allAttacks = out.Benign, out.Attack
	for _, r := range out.Rules {
		if r.Mode == rules.ModeEnforce {
			is.closed += r.Benign
			is.attacks += r.Attack
		}
		if r.Covers != r.Drops {
			t.Errorf("rule %s covers what another one drops: the sum counts alerts twice", r.Rule)
		}
	}
	return is
}
