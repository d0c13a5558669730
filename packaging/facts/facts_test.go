package main

import (
	"bytes"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/llm/prices"
)

const dataPath = "../../../shared/data"

// TestCommittedFilesAreWhatTheDataGives makes the files again, and compares them with those in the
// repository.
func TestCommittedFilesAreWhatTheDataGives(t *testing.T) {
	if _, err := os.Stat(filepath.Join(dataPath, pricesFile)); err != nil {
		t.Skipf("the public data is not there: %v", err)
	}
	dir := t.TempDir()
	var out bytes.Buffer
	if err := run([]string{"-data", dataPath, "-out", dir}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"attack.csv", "prices.yaml"} {
		want, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		got, err := os.ReadFile(filepath.Join("../app/default", name))
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(string(got), "\n")); d != "" {
			t.Errorf("%s is not what packaging/facts makes (-made +committed):\n%s", name, d)
		}
		if !strings.Contains(out.String(), name) {
			t.Errorf("the output does not tell of %s: %s", name, out.String())
		}
	}
}

func TestRunSaysWhatIsMissing(t *testing.T) {
	dir := t.TempDir()
	for want, args := range map[string][]string{
		"say where the data is": nil,
		attackFile:              {"-data", dir},
		"not defined":           {"-date", dir},
	} {
		if err := run(args, io.Discard, io.Discard); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q in it", args, err, want)
		}
	}
}

const someTerms = "ATT&CK\nCopyright. This work is reproduced and distributed with the permission of The MITRE Corporation.\n\nCAPEC\nother terms\n"

const someTechniques = `{"objects": [
  {"type": "attack-pattern", "name": "Second, with a comma", "external_references": [{"source_name": "other", "external_id": "X1"}, {"source_name": "mitre-attack", "external_id": "T1002"}],
   "kill_chain_phases": [{"kill_chain_name": "mitre-attack", "phase_name": "persistence"}, {"kill_chain_name": "mitre-attack", "phase_name": "execution"}, {"kill_chain_name": "other", "phase_name": "x"}]},
  {"type": "attack-pattern", "name": "Sub", "x_mitre_deprecated": true, "external_references": [{"source_name": "mitre-attack", "external_id": "T1001.001"}]},
  {"type": "attack-pattern", "name": "First", "revoked": true, "x_mitre_deprecated": true, "external_references": [{"source_name": "mitre-attack", "external_id": "T1001"}]},
  {"type": "x-mitre-tactic", "name": "Execution", "external_references": [{"source_name": "mitre-attack", "external_id": "TA0002"}]}
]}`

func TestAttackTable(t *testing.T) {
	list, err := techniques([]byte(someTechniques))
	if err != nil {
		t.Fatal(err)
	}
	notice, err := attackNotice(someTerms)
	if err != nil || strings.Contains(notice, "other terms") {
		t.Fatalf("notice %q, %v", notice, err)
	}
	content, err := attackCSV(list, notice)
	if err != nil {
		t.Fatal(err)
	}
	want := `# Copyright. This work is reproduced and distributed with the permission of The MITRE Corporation.
id,name,tactics,status
T1001,First,,revoked
T1001.001,Sub,,deprecated
T1002,"Second, with a comma",execution;persistence,active
`
	if !strings.HasSuffix(string(content), want) {
		t.Errorf("got\n%s\nwant it to end with\n%s", content, want)
	}
}

func TestBadAttackData(t *testing.T) {
	if _, err := attackNotice("terms of somebody else"); err == nil {
		t.Error("a table would be made without MITRE's notice")
	}
	for _, bad := range []string{`[]`, `{"objects": [{"type": "attack-pattern", "name": "no id"}]}`} {
		if _, err := techniques([]byte(bad)); err == nil {
			t.Errorf("%s was read", bad)
		}
	}
}

const somePrices = `[
 {"id": "openai", "name": "OpenAI", "models": [
  {"id": "plain", "match": {"or": [{"equals": "plain"}, {"equals": "Plain-1"}, {"starts_with": "plain-"}, {"contains": "tiered"}]}, "prices": {"input_mtok": 0.075, "output_mtok": 1}},
  {"id": "tiered", "match": {"starts_with": "tiered"}, "prices": {"input_mtok": {"base": 1, "tiers": [{"start": 200000, "price": 2}]}, "cache_read_mtok": 0.1, "output_mtok": 3}},
  {"id": "dated", "match": {"equals": "dated"}, "prices": [
    {"prices": {"input_mtok": 1, "output_mtok": 2}}, {"constraint": {"start_date": "2026-09-01"}, "prices": {"input_mtok": 3, "output_mtok": 4}}]},
  {"id": "by-night", "match": {"equals": "by-night"}, "prices": [
    {"prices": {"input_mtok": 1, "output_mtok": 2}}, {"constraint": {"start_time": "00:30:00Z"}, "prices": {"input_mtok": 3, "output_mtok": 4}}]},
  {"id": "some-image", "match": {"equals": "some-image"}, "prices": {"input_mtok": 1, "output_mtok": 1}},
  {"id": "embedder", "match": {"equals": "embedder"}, "prices": {"input_mtok": 1}},
  {"id": "free", "match": {"equals": "free"}, "prices": {"input_mtok": 0, "output_mtok": 0.0}},
  {"id": "by-request", "match": {"equals": "by-request"}, "prices": {"input_mtok": 1, "output_mtok": 1, "requests_kcount": 5}}]},
 {"id": "nobody", "name": "Nobody", "models": [{"id": "left-out", "match": {"equals": "left-out"}, "prices": {"input_mtok": 1, "output_mtok": 1}}]}`

func TestPriceList(t *testing.T) {
	text := somePrices
	for _, id := range providers[1:] {
		text += `, {"id": "` + id + `", "name": "` + id + `", "models": []}`
	}
	var source []prices.GenAIProvider
	if err := json.Unmarshal([]byte(text+"]"), &source); err != nil {
		t.Fatal(err)
	}
	content, err := pricesYAML(source)
	if err != nil {
		t.Fatal(err)
	}
	want := `  # OpenAI
  - {model: "plain", provider: openai, aliases: ["plain-1"], input: 0.075, output: 1}
  - {model: "tiered", provider: openai, input: 1, cached: 0.1, output: 3, tiers: [{above: 200000, input: 2, cached: 0.1, output: 3}]}
  - {model: "dated", provider: openai, input: 1, output: 2}
  - {model: "dated", provider: openai, valid_from: 2026-09-01, input: 3, output: 4}
  - {model: "by-night", provider: openai, input: 3, output: 4}
  # anthropic
`
	if !strings.Contains(string(content), want) {
		t.Errorf("got\n%s\nwant in it\n%s", content, want)
	}
	if _, err := prices.Read("prices.yaml", bytes.NewReader(content)); err != nil {
		t.Error(err)
	}
}

func TestBadPriceData(t *testing.T) {
	if _, err := pricesYAML(nil); err == nil {
		t.Error("a list without a provider was made")
	}
	for _, bad := range []string{`"cheap"`, `{"input_mtok": "cheap", "output_mtok": []}`, `[{"prices": 3}]`} {
		p := prices.GenAIProvider{ID: "p", Models: []prices.GenAIModel{{ID: "m", Prices: json.RawMessage(bad)}}}
		if rows, err := p.Rows(); err == nil {
			t.Errorf("%s gave %v", bad, rows)
		}
	}
}

// TestFactorsAreOfModelsThatAreThere finds every model that has a multiplier of its own in the committed list.
func TestFactorsAreOfModelsThatAreThere(t *testing.T) {
	list, err := os.ReadFile("../app/default/prices.yaml")
	if err != nil {
		t.Fatal(err)
	}
	table, err := prices.Read("prices.yaml", bytes.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range modelFactors {
		p, ok := table.Price(name, time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC))
		for tier, factor := range want {
			if !ok || p.Multipliers[tier].String() != factor {
				t.Errorf("%s: %s costs %s, %v; want %s", name, tier, p.Multipliers[tier], ok, factor)
			}
		}
	}
	for _, p := range tierFactors {
		if p.source == "" || p.date == "" {
			t.Errorf("%s: nobody knows who says so, and when", p.provider)
		}
	}
}
