package rules

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

// shipped are rule and escalate files as people write them.
func shipped(t testing.TB) (ruleFiles, escalateFiles []string) {
	t.Helper()
	for _, pattern := range []string{"../packaging/demo/content/rules/*.yaml", "../testdata/ait/rules/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil || len(files) == 0 {
			t.Fatalf("no files at %s: %v", pattern, err)
		}
		ruleFiles = append(ruleFiles, files...)
	}
	return ruleFiles, []string{"../packaging/app/default/escalate.yaml"}
}

// TestUnprovenRulesAreTheSame: the alert action leaves tests out, and reads the very same rules.
func TestUnprovenRulesAreTheSame(t *testing.T) {
	files, escalateFiles := shipped(t)
	lists, err := LoadLists(ListOptions{Folders: []string{"../packaging/demo/content/lists", "../testdata/ait/lists"}})
	if err != nil {
		t.Fatal(err)
	}
	opts := Options{Lists: lists, Now: time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)}
	for _, file := range files {
		full, err := Load(opts, file)
		if err != nil {
			t.Fatal(err)
		}
		brief := opts
		brief.Unproven = true
		quick, err := Load(brief, file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(outlines(full.Rules()), outlines(quick.Rules())); diff != "" || full.Version() != quick.Version() {
			t.Errorf("%s: %s", file, diff)
		}
		for i, r := range quick.Rules() {
			if len(r.Tests) > 0 {
				t.Errorf("%s: rule %s was read with its tests", file, r.ID)
			}
			for _, test := range full.Rules()[i].Tests {
				want, wantErr := full.Rules()[i].Match(test.Alert)
				got, gotErr := r.Match(test.Alert)
				if want != got || (wantErr == nil) != (gotErr == nil) {
					t.Errorf("%s: rule %s on %q: %v, want %v", file, r.ID, test.Name, got, want)
				}
			}
		}
	}
	full, err := LoadEscalate(opts, escalateFiles...)
	if err != nil {
		t.Fatal(err)
	}
	opts.Unproven = true
	quick, err := LoadEscalate(opts, escalateFiles...)
	if err != nil {
		t.Fatal(err)
	}
	for i, entry := range full.Entries() {
		if q := quick.Entries()[i]; q.ID != entry.ID || q.When != entry.When || q.Pos != entry.Pos || len(q.Tests) > 0 {
			t.Errorf("entry %s became %s", entry.ID, q.ID)
		}
		for _, test := range entry.Tests {
			if entry.Match(test.Alert) != quick.Entries()[i].Match(test.Alert) {
				t.Errorf("entry %s on %q comes out differently", entry.ID, test.Name)
			}
		}
	}
}

type outline struct {
	ID, When, Texts string
	Pos             Position
	Expires         time.Time
	Searches        []string
	Global          bool
	Mode            Mode
	MaxSeverity     winnow.Severity
	Window          string
	Canary          float64
}

func outlines(set []*Rule) (out []outline) {
	for _, r := range set {
		out = append(out, outline{
			r.ID, r.When, strings.Join([]string{r.Description, r.Owner, r.Reason, r.Ticket}, "|"), r.Pos, r.Expires,
			r.Searches, r.Global, r.Mode, r.MaxSeverity, fmt.Sprint(r.Window), r.Canary,
		})
	}
	return out
}

func TestWithoutTests(t *testing.T) {
	for _, c := range []struct{ name, in, want string }{
		{"block", "rules:\n  - id: a\n    tests:\n      - {name: x}\n      - name: y\n        want: drop\n    mode: enforce\n  - id: b\n",
			"rules:\n  - id: a\n\n\n\n\n    mode: enforce\n  - id: b\n"},
		{"list at the key's own column", "rules:\n- id: a\n  tests:\n  - {name: x}\n  mode: enforce\n", "rules:\n- id: a\n\n\n  mode: enforce\n"},
		{"comments and empty lines between", "rules:\n  - id: a\n    tests:\n\n# far left\n      - {name: x}\n    mode: enforce\n", "rules:\n  - id: a\n\n\n\n\n    mode: enforce\n"},
		{"text of a block scalar is no key", "rules:\n  - when: |\n      tests:\n        - event.a == \"b\"\n    tests:\n      - {}\n", "rules:\n  - when: |\n      tests:\n        - event.a == \"b\"\n\n\n"},
		{"flow form is left alone", "rules: [{id: a, tests: [{}]}]\n", "rules: [{id: a, tests: [{}]}]\n"},
		{"flow list is left alone", "rules:\n  - id: a\n    tests: [{}]\n", "rules:\n  - id: a\n    tests: [{}]\n"},
		{"line breaks of Windows", "rules:\r\n  - id: a\r\n    tests:\r\n      - {}\r\n", "rules:\r\n  - id: a\r\n\n\n"},
		{"no line break at the end", "rules:\n  - id: a\n    tests:", "rules:\n  - id: a\n    tests:"},
	} {
		if got := string(withoutTests([]byte(c.in))); got != c.want {
			t.Errorf("%s: got %q, want %q", c.name, got, c.want)
		}
	}
}

// FuzzWithoutTests: lines stay where they are, and only whole lines are emptied.
func FuzzWithoutTests(f *testing.F) {
	files, _ := shipped(f)
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		before, after := bytes.Split(data, []byte("\n")), bytes.Split(withoutTests(data), []byte("\n"))
		if len(before) != len(after) {
			t.Fatalf("%d lines became %d", len(before), len(after))
		}
		for i := range before {
			if len(after[i]) > 0 && !bytes.Equal(before[i], after[i]) {
				t.Errorf("line %d became %q", i+1, after[i])
			}
		}
	})
}

func TestUnprovenTakesMisspeltFields(t *testing.T) {
	file := filepath.Join(t.TempDir(), "r.yaml")
	text := strings.ReplaceAll(`rules:
  - id: a
    owner: detection@corp.example
    reason: r
    expires: 2027-01-31
    search_name: [S]
    when: event.usr == "ann"
    tests:
      - {name: x, alert: {user: ann}, want: pass}
      - {name: y, alert: {user: bob}, want: drop}
`, "\t", "  ")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	var fields winnow.FieldTable
	if err := fields.Read("f", strings.NewReader("field,control,volatile\nuser,identity,\n")); err != nil {
		t.Fatal(err)
	}
	opts := Options{Fields: &fields, Now: time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)}
	if _, err := Load(opts, file); err == nil {
		t.Error("an author is not told of a misspelt field")
	}
	opts.Unproven = true
	set, err := Load(opts, file)
	if err != nil {
		t.Fatal(err)
	}
	a := &winnow.Alert{SearchName: "S", Fields: winnow.Fields{"user": {"ann"}}}
	if matched, err := set.Rules()[0].Match(a); matched || err != nil {
		t.Errorf("a field that is not there matches: %v, %v", matched, err)
	}
}

// TestLaterNeverMissesAMatch: conditions that are read only for alerts with one of their fields
// come out as those that are read at once.
func TestLaterNeverMissesAMatch(t *testing.T) {
	alerts := []*winnow.Alert{
		{Fields: winnow.Fields{}},
		{SearchName: "S", Severity: winnow.SeverityHigh, Fields: winnow.Fields{"user": {"ann"}}},
		{Fields: winnow.Fields{"a.b": {"x"}}},
		{Fields: winnow.Fields{"odd name": {"x"}, "other": {"y"}}},
		{Fields: winnow.Fields{"event_id": {"7"}}},
	}
	for _, text := range []string{
		`event.user == "ann"`, `event.a.b == "x"`, `event["odd name"] == "x"`, `event['odd name'] == "x"`, `event .user == "ann"`,
		"event\n.user == \"ann\"", `event.event_id == "7"`, `not has(event.user)`, `not (event.user == "bob")`, `alert.severity == "high"`,
		`alert.search_name == "S" || event.x == "y"`, `true || event.x == "y"`, `1 < 2 || event.x == "y"`, `none(values(event.x), # == "y")`,
		`event.other != "x"`, `(event.user) in ["ann"]`, `event.x == "event.user" || event.user == "ann"`, `len(values(event.x)) == 0`,
	} {
		want, err := parseCondition(text, vocabulary{unproven: true})
		if err != nil {
			continue // not in the language
		}
		l := newLater(text, vocabulary{unproven: true})
		for i, a := range alerts {
			matches, _ := want.program().every(a)
			c, err := l.of(a)
			if err != nil {
				t.Fatal(err)
			}
			got := false
			if c != nil {
				got, _ = c.program().every(a)
			}
			if got != matches {
				t.Errorf("%s on alert %d: %v, want %v", text, i, got, matches)
			}
		}
	}
}
