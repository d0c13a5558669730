package llm

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

const manyFacts = `
windows:
  night: {days: [sat, sun], from: "22:00", to: "04:00", tz: UTC}
families:
  - name: travel
    description: sign-ins
    search_name: "*Travel*"
    facts:
      - {list: vpn_egress, fields: [src, src_ip]}
      - - {list: jobs, fields: user}
        - {list: vpn_egress, fields: src}
      - {role: [Scanner, probe], fields: src_category}
      - - {role: scanner, fields: src_category}
        - {window: night}
      - {person: true, fields: [user, src]}
  - name: by sourcetype
    sourcetype: ["vpn:*"]
    facts:
      - {list: other, fields: [dest]}
`

// people remembers one benign verdict.
type people struct {
	search   string
	entities []winnow.Evidence
	err      error
}

func (p people) Benign(search string, entities []winnow.Evidence) (bool, error) {
	return search == p.search && cmp.Equal(entities, p.entities), p.err
}

func TestFacts(t *testing.T) {
	saturdayNight := time.Date(2026, 1, 3, 23, 0, 0, 0, time.UTC)
	lists := listMap{"vpn_egress": {"10.8.0.4", "10.8.0.5"}, "jobs": {"backup"}, "other": {"db-1"}}
	ann := people{search: "Impossible Travel", entities: []winnow.Evidence{{Field: "src", Value: "192.0.2.7"}, {Field: "user", Value: "ann"}}}
	tests := []struct {
		name   string
		fields winnow.Fields
		change func(*Input)
		want   []string
	}{
		{"listed", winnow.Fields{"src": {"10.8.0.4"}}, nil, []string{"list:vpn_egress"}},
		{"not listed", winnow.Fields{"src": {"192.0.2.1"}}, nil, nil},
		{"all values listed", winnow.Fields{"src": {"10.8.0.4", "10.8.0.5"}}, nil, []string{"list:vpn_egress"}},
		{"one value not listed", winnow.Fields{"src": {"10.8.0.4", "192.0.2.1"}}, nil, nil},
		{"attacker-set field", winnow.Fields{"src_ip": {"10.8.0.4"}}, nil, nil},
		{"absent", winnow.Fields{"dest": {"10.8.0.4"}}, nil, nil},
		{"both conditions", winnow.Fields{"src": {"10.8.0.4"}, "user": {"backup"}}, nil, []string{"list:vpn_egress", "list:jobs+list:vpn_egress"}},
		{"account alone", winnow.Fields{"user": {"backup"}}, nil, nil},
		{"role, case aside", winnow.Fields{"src_category": {"Probe"}}, nil, []string{"role:scanner|probe"}},
		{"two roles, one foreign", winnow.Fields{"src_category": {"probe", "laptop"}}, nil, nil},
		{"inside the window", winnow.Fields{"src_category": {"scanner"}}, func(in *Input) {
			in.Alert.Time, in.Alert.Received = saturdayNight, saturdayNight
		}, []string{"role:scanner|probe", "role:scanner+window:night"}},
		{"arrived after the window", winnow.Fields{"src_category": {"scanner"}}, func(in *Input) {
			in.Alert.Time, in.Alert.Received = saturdayNight, saturdayNight.Add(8*time.Hour)
		}, []string{"role:scanner|probe"}},
		{"person", winnow.Fields{"src": {"192.0.2.7"}, "user": {"ann"}}, func(in *Input) { in.Verdicts = ann }, []string{"person:user+src"}},
		{"person, other account", winnow.Fields{"src": {"192.0.2.7"}, "user": {"bob"}}, func(in *Input) { in.Verdicts = ann }, nil},
		{"person, one more address", winnow.Fields{"src": {"192.0.2.7", "192.0.2.8"}, "user": {"ann"}}, func(in *Input) { in.Verdicts = ann }, nil},
		{"person, one field less", winnow.Fields{"user": {"ann"}}, func(in *Input) { in.Verdicts = ann }, nil},
		{"person, verdicts unreadable", winnow.Fields{"src": {"192.0.2.7"}, "user": {"ann"}}, func(in *Input) {
			p := ann
			p.err = errNoList
			in.Verdicts = p
		}, nil},
		{"other search", winnow.Fields{"src": {"10.8.0.4"}}, func(in *Input) { in.Alert.SearchName = "Brute Force" }, nil},
		{"by sourcetype", winnow.Fields{"dest": {"db-1"}, "sourcetype": {"VPN:gate"}}, func(in *Input) { in.Alert.SearchName = "Other" }, []string{"list:other"}},
		{"by two sourcetypes", winnow.Fields{"dest": {"db-1"}, "sourcetype": {"vpn:gate", "vpn:client"}}, func(in *Input) { in.Alert.SearchName = "Other" }, []string{"list:other"}},
		{"a sourcetype was added", winnow.Fields{"dest": {"db-1"}, "sourcetype": {"edr", "vpn:gate"}}, func(in *Input) { in.Alert.SearchName = "Other" }, nil},
		{"no sourcetype", winnow.Fields{"dest": {"db-1"}}, func(in *Input) { in.Alert.SearchName = "Other" }, nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := Input{Alert: &winnow.Alert{SearchName: "Impossible Travel", Fields: tt.fields}, Fields: mustFields(t), Lists: lists}
			if tt.change != nil {
				tt.change(&in)
			}
			var got []string
			for _, f := range mustFacts(t, manyFacts).Find(in) {
				got = append(got, f.Name)
				if len(f.Fields) == 0 {
					t.Errorf("fact %s cites no field", f.Name)
				}
			}
			if d := cmp.Diff(tt.want, got); d != "" {
				t.Error(d)
			}
		})
	}
	if (*Facts)(nil).Find(Input{Alert: &winnow.Alert{}}) != nil {
		t.Error("no facts file, but facts")
	}
}

func TestFactsFileErrors(t *testing.T) {
	const fam = "families:\n  - name: a\n    search_name: x\n    facts:\n"
	for text, want := range map[string]string{
		"families: [":                       "facts.yaml: yaml:",
		"- a":                               "facts.yaml:1: facts file is not a mapping",
		"familys: []":                       `facts.yaml:1: unknown key "familys" in facts file (want families, windows)`,
		"families: {}":                      "families is not a list",
		"families:\n  - search_name: x":     "facts.yaml:2: family has no name",
		"families:\n  - name: a":            `family "a" covers nothing`,
		"families:\n  - {name: a, name: b}": "written twice in family",
		"families:\n  - name: [a]":          "want a text",
		fam + "      - {list: l}":           "facts.yaml:5: condition list:l names no fields",
		fam + "      - {fields: [src]}":     "exactly one of",
		fam + "      - {list: l, person: true, fields: [src]}":                  "exactly one of",
		fam + "      - {person: maybe, fields: [src]}":                          `person is "maybe"`,
		fam + "      - {window: w}":                                             "a window alone is no fact",
		fam + "      - {window: w, fields: [src]}":                              "has no use for fields",
		fam + "      - []":                                                      "at least one condition",
		fam + "      - {list: \"\", fields: [src]}":                             "not empty",
		fam + "      - {list: l, fields: [src]}\n  - {name: a, search_name: y}": `facts.yaml:6: family "a" is written twice`,
		"windows: []": "windows are written as",
		"windows:\n  w: {days: [someday], from: \"01:00\", to: \"02:00\", tz: UTC}":      `facts.yaml:2: unknown day "someday"`,
		"windows:\n  w: {days: [sat], from: \"25:00\", to: \"02:00\", tz: UTC}":          "from: time of day",
		"windows:\n  w: {days: [sat], from: \"01:00\", to: late, tz: UTC}":               "to: time of day",
		"windows:\n  w: {days: [sat], from: \"01:00\", to: \"01:00\", tz: UTC}":          "same minute",
		"windows:\n  w: {days: [sat], from: \"01:00\", to: \"02:00\"}":                   "no tz",
		"windows:\n  w: {days: [sat], from: \"01:00\", to: \"02:00\", tz: Nowhere}":      "Nowhere",
		"windows:\n  w: {days: [], from: \"01:00\", to: \"02:00\", tz: UTC}":             "no days",
		"windows:\n  w: {days: [sat], from: \"01:00\", to: \"02:00\", tz: UTC}\n  w: {}": "written twice",
	} {
		if _, err := ParseFacts("facts.yaml", []byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: err %v, want %q", text, err, want)
		}
	}
	if _, err := ParseFacts("facts.yaml", make([]byte, maxFactsFile+1)); err == nil {
		t.Error("read a huge file")
	}
	if f, err := ParseFacts("facts.yaml", nil); err != nil || len(f.families) != 0 {
		t.Errorf("an empty file: %v, %v", f, err)
	}
}

func TestFactsOverlay(t *testing.T) {
	dir := t.TempDir()
	ours := filepath.Join(dir, "facts.yaml")
	text := "families:\n  - name: travel\n    search_name: \"*Travel*\"\n    facts:\n      - {list: branch_exits, fields: [src]}\n  - name: extra\n    search_name: x\n    facts: []\n"
	if err := os.WriteFile(ours, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := LoadFacts("../packaging/app/default/facts.yaml", ours)
	if err != nil {
		t.Fatal(err)
	}
	in := travel(t)
	if got := f.Find(in); got != nil {
		t.Errorf("the replaced family still counts: %v", got)
	}
	in.Lists = listMap{"branch_exits": {"10.8.0.4"}}
	if got := f.Find(in); len(got) != 1 || got[0].Name != "list:branch_exits" {
		t.Errorf("facts %v", got)
	}
	if _, err := LoadFacts(filepath.Join(dir, "none.yaml")); err == nil {
		t.Error("a missing file is no error")
	}
}

func TestShippedFacts(t *testing.T) {
	f, err := LoadFacts("../packaging/app/default/facts.yaml")
	if err != nil {
		t.Fatal(err)
	}
	got := f.Find(travel(t))
	if len(got) != 1 || got[0].Name != "list:vpn_egress" {
		t.Errorf("facts of a login through the VPN: %v", got)
	}
	table := shippedFields(t)
	for _, fam := range f.families {
		for _, ft := range fam.facts {
			for _, cond := range ft.all {
				for _, field := range cond.fields {
					if table.Lookup("", field).Control == winnow.ControlAttacker {
						t.Errorf("family %s: an attacker can set %s, so it never proves anything", fam.name, field)
					}
				}
			}
		}
	}
}

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, s string
		want       bool
	}{
		{"*travel*", "impossible travel", true}, {"travel", "travels", false}, {"*", "", true}, {"", "", true}, {"", "a", false},
		{"a?c", "abc", true}, {"a?c", "ac", false}, {"*a*b*", "xxaxxbxx", true}, {"*a*b", "xxaxxbx", false}, {"**", "x", true},
	} {
		if got := globMatch(tt.pattern, tt.s); got != tt.want {
			t.Errorf("%q on %q: %v", tt.pattern, tt.s, got)
		}
	}
}

func TestWindow(t *testing.T) {
	w, err := newWindow([]string{"sat"}, "22:00", "04:00", "UTC")
	if err != nil {
		t.Fatal(err)
	}
	for at, want := range map[string]bool{
		"2026-01-03T22:00:00Z": true, "2026-01-03T21:59:59Z": false, "2026-01-04T03:59:59Z": true, "2026-01-04T04:00:00Z": false,
		"2026-01-03T03:00:00Z": false, "2026-01-04T23:00:00Z": false,
	} {
		now, err := time.Parse(time.RFC3339, at)
		if err != nil {
			t.Fatal(err)
		}
		if got := w.contains(now); got != want {
			t.Errorf("%s: %v", at, got)
		}
	}
	if w.contains(time.Time{}) {
		t.Error("an unknown time is in the window")
	}
	day, err := newWindow([]string{"mon"}, "08:00", "09:00", "UTC")
	if err != nil || !day.contains(time.Date(2026, 1, 5, 8, 30, 0, 0, time.UTC)) {
		t.Errorf("monday morning: %v", err)
	}
}

// FuzzFacts: a file is refused or gives facts that all rest on trusted fields.
func FuzzFacts(f *testing.F) {
	f.Add(manyFacts)
	f.Add(testFacts)
	f.Add("families: &a\n  - *a")
	in := travel(f)
	f.Fuzz(func(t *testing.T, text string) {
		facts, err := ParseFacts("facts.yaml", []byte(text))
		if err != nil {
			return
		}
		c := &Case{Alert: in.Alert, Fields: in.Fields}
		for _, fact := range facts.Find(in) {
			if !c.AllTrusted(fact.Fields) {
				t.Errorf("fact %s rests on %v", fact.Name, fact.Fields)
			}
		}
	})
}
