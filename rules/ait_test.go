package rules

import (
	"bufio"
	"compress/gzip"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
)

// fixedNow is the time at which tests load rules.
var fixedNow = time.Date(2026, 11, 15, 12, 0, 0, 0, time.UTC)

func aitSet(t testing.TB) *Set {
	t.Helper()
	const dir = "../testdata/ait"
	lists, err := LoadLists(ListOptions{Folders: []string{filepath.Join(dir, "lists")}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := Load(Options{Lists: lists, Now: fixedNow, Fields: shippedFields(t)}, filepath.Join(dir, "rules"))
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func shippedFields(t testing.TB) *winnow.FieldTable {
	t.Helper()
	f, err := os.Open("../packaging/app/default/fields.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }() // read only
	table := &winnow.FieldTable{}
	if err := table.Read("fields.csv", f); err != nil {
		t.Fatal(err)
	}
	return table
}

// decide is the part of the allow-list's decision that needs no package above this one.
func decide(r *Rule, a *winnow.Alert) (bool, string, error) {
	if !r.InScope(a.SearchName) || !a.Severity.Within(r.MaxSeverity) || !a.Received.Before(r.Expires) {
		return false, "out of scope, above the ceiling or expired", nil
	}
	if r.Window != nil && (!r.Window.Contains(a.Time) || !r.Window.Contains(a.Received)) {
		return false, "outside the window", nil
	}
	ok, err := r.Match(a)
	return ok, "condition", err
}

func TestAITRulesPassTheirOwnTests(t *testing.T) {
	set := aitSet(t)
	for _, e := range set.Check() {
		t.Error(e.Detail())
	}
	for _, res := range set.Test(decide) {
		if !res.OK {
			t.Errorf("%s:%d: rule %q, test %q: got %s (%s), want %s", res.File, res.Line, res.Rule, res.Test, res.Got, res.Why, res.Want)
		}
	}
}

// The rules for the two AIT networks close most of the noise and none of the attacks.
func TestAITRulesCloseNoAttack(t *testing.T) {
	for _, network := range []string{"russellmitchell", "santos"} {
		t.Run(network, func(t *testing.T) {
			path := filepath.Join("../../shared/data/alerts", "ait_"+network+".ndjson.gz")
			f, err := os.Open(path)
			if err != nil {
				t.Skip("the AIT alerts are not there: ", err)
			}
			defer func() { _ = f.Close() }() // read only
			rows, closed, byRule := replay(t, aitSet(t), f)
			if closed["attack"] > 0 {
				t.Errorf("%d attacks closed: %v", closed["attack"], byRule)
			}
			share := float64(closed["benign"]) / float64(rows["benign"])
			if share < 0.9 {
				t.Errorf("%.1f %% of the benign alerts closed, want 90 %%", share*100)
			}
			t.Logf("closed %d of %d benign (%.2f %%), %d of %d attacks; by rule %v",
				closed["benign"], rows["benign"], share*100, closed["attack"], rows["attack"], byRule)
		})
	}
}

func replay(t *testing.T, set *Set, f *os.File) (rows, closed, byRule map[string]int) {
	t.Helper()
	zr, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	rows, closed, byRule = map[string]int{}, map[string]int{}, map[string]int{}
	scanner := bufio.NewScanner(zr)
	for scanner.Scan() {
		var row struct {
			SearchName string `json:"search_name"`
			Severity   winnow.Severity
			Label      string
			Src, Dest  string
		}
		if err := json.Unmarshal(scanner.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		rows[row.Label]++
		a := &winnow.Alert{SearchName: row.SearchName, Severity: row.Severity, Fields: winnow.Fields{"src": {row.Src}, "dest": {row.Dest}}}
		for _, r := range set.For(a.SearchName) {
			if drop, _, err := decide(r, a); err != nil {
				t.Fatal(err)
			} else if drop {
				closed[row.Label]++
				byRule[r.ID]++
				break
			}
		}
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return rows, closed, byRule
}
