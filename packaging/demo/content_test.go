package demo

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/rules"
)

// loadContent reads the demo's rules as they are committed, with the field table that is shipped.
func loadContent(t *testing.T) *rules.Set {
	t.Helper()
	fields := &winnow.FieldTable{}
	data, err := os.ReadFile(filepath.Join("..", "app", "default", "fields.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if err := fields.Read("fields.csv", bytes.NewReader(data)); err != nil {
		t.Fatal(err)
	}
	lists, err := rules.LoadLists(rules.ListOptions{Folders: []string{"content/lists"}})
	if err != nil {
		t.Fatal(err)
	}
	set, err := rules.Load(rules.Options{Fields: fields, Lists: lists, Now: now}, "content/rules")
	if err != nil {
		t.Fatal(err)
	}
	return set
}

func TestContentIsClean(t *testing.T) {
	set := loadContent(t)
	for _, e := range set.Check() {
		t.Errorf("rules check: %v", e)
	}
	if n := len(set.Rules()); n < 8 {
		t.Errorf("%d rules, want at least 8", n)
	}
	for _, r := range set.Test(allowlist.Decide) {
		if !r.OK {
			t.Errorf("rules test: %+v", r)
		}
	}
}

// What the day expects of the rules is what the rules do: they drop all of the noise, nothing
// that is open, and above all nothing of the attack.
func TestRulesDropTheNoiseAndNothingElse(t *testing.T) {
	set := loadContent(t)
	fired := map[string]int{}
	for _, seed := range []uint64{1, 2, 3} {
		for _, d := range Dispatches(seed, now) {
			for _, r := range d.Rows {
				rule, dropped := decide(t, set, d, r)
				if dropped != (r.Expected == ExpectDrop) {
					t.Errorf("%s: rule %q, dropped %t, want %s: %.300v", d.SearchName, rule, dropped, r.Expected, r.Fields)
				}
				fired[rule]++
			}
		}
	}
	for _, r := range set.Rules() {
		if fired[r.ID] == 0 && r.Mode == rules.ModeEnforce {
			t.Errorf("rule %s covers nothing of the day", r.ID)
		}
	}
}

func decide(t *testing.T, set *rules.Set, d Dispatch, r Row) (rule string, dropped bool) {
	t.Helper()
	a := d.alert(r)
	for _, r := range set.For(d.SearchName) {
		matched, err := r.Match(a)
		if err != nil {
			t.Fatalf("rule %s: %v", r.ID, err)
		}
		if matched && allowlist.Judge(r, a, nil) == winnow.ReasonRule {
			return r.ID, true
		}
	}
	return "", false
}

// The demo's rules still load when their committed dates are long past.
func TestWrittenContentLoadsLater(t *testing.T) {
	dir, later := t.TempDir(), time.Date(2033, 1, 2, 0, 0, 0, 0, time.UTC)
	if err := WriteContent(dir, later); err != nil {
		t.Fatal(err)
	}
	lists, err := rules.LoadLists(rules.ListOptions{Folders: []string{filepath.Join(dir, "lists")}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := rules.Load(rules.Options{Lists: lists, Now: later}, filepath.Join(dir, "rules")); err != nil {
		t.Fatal(err)
	}
}

// The escalate list that is shipped comes before all rules: it finds parts of the attack, and
// leaves the noise to the rules.
func TestEscalateListFindsPartsOfTheAttack(t *testing.T) {
	escalate, err := rules.LoadEscalate(rules.Options{Now: now}, filepath.Join("..", "app", "default", "escalate.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]bool{}
	for _, d := range Dispatches(1, now) {
		for _, r := range d.Rows {
			id, ok := escalate.Match(d.alert(r))
			if ok && r.Expected != ExpectEscalate {
				t.Errorf("%s: entry %s matches an alert that is to be %s: %.300v", d.SearchName, id, r.Expected, r.Fields)
			}
			if ok {
				found[id] = true
			}
		}
	}
	t.Logf("entries that match the attack: %v", found)
	if len(found) < 3 {
		t.Errorf("only %v match the attack", found)
	}
}
