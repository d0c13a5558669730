package importer

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/rules"
)

var now = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

func options() Options {
	return Options{Owner: "detection@corp.example", Reason: "taken over", Expires: time.Date(2027, 2, 18, 0, 0, 0, 0, time.UTC), Now: now}
}

// The real rules: what comes of each block, counted, and everything that is imported holds.
func TestSigmaOfTheWorld(t *testing.T) {
	file := filepath.Join("..", "..", "..", "shared", "data", "sigma_rules.tgz")
	if _, err := os.Stat(file); err != nil {
		t.Skip("no Sigma rules beside the project")
	}
	fields := &winnow.FieldTable{}
	table, err := os.ReadFile(filepath.Join("..", "..", "packaging", "app", "default", "fields.csv"))
	if err != nil {
		t.Fatal(err)
	}
	if err := fields.Parse("fields.csv", string(table)); err != nil {
		t.Fatal(err)
	}
	for _, nulls := range []bool{false, true} {
		o := options()
		o.Nulls, o.Table = nulls, fields
		im := New(o)
		blocks := 0
		if err := Files(file, []string{".yml", ".yaml"}, func(name string, data []byte) { blocks += im.Sigma(name, data) }); err != nil {
			t.Fatal(err)
		}
		translated, loose := 0, 0
		for _, r := range im.Rules {
			translated += r.Parts
			if r.Trust != "" {
				loose++
			}
		}
		t.Logf("%d rest on fields that an attacker may set alone", loose)
		t.Logf("nulls %v: %d blocks: %d became %d rules, %d are refused", nulls, blocks, translated, len(im.Rules), len(im.Refused))
		if translated+len(im.Refused) != blocks {
			t.Errorf("%d blocks, %d accounted for", blocks, translated+len(im.Refused))
		}
		if translated < blocks*9/10 {
			t.Errorf("only %d of %d blocks became rules", translated, blocks)
		}
		for _, k := range im.Kinds() {
			t.Logf("%5d  %s", k.Count, k.Kind)
		}
		set, err := rules.Parse(rules.Options{Now: now, Fields: fields}, "imported.yaml", im.File())
		if err != nil {
			t.Fatal(err)
		}
		if len(set.Rules()) != len(im.Rules) {
			t.Errorf("%d rules load of %d", len(set.Rules()), len(im.Rules))
		}
		for _, e := range set.Check() {
			if !e.Warning && e.CodeOf() != attackerSet {
				t.Error(e)
			}
		}
		checkImport(t, im)
	}
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// FuzzSigma: whatever a file holds, what is imported loads and passes its tests, and every block is
// accounted for.
func FuzzSigma(f *testing.F) {
	f.Add(sigmaText("selection and not 1 of filter_*", "  filter_a: {A|endswith: ['\\a', b*c], B: [null, x]}\n"))
	f.Add(sigmaText("selection and not filter", "  filter: [{A|re: '^a+$'}, {B|cidr: 10.0.0.0/8}]\n"))
	f.Add(sigmaText("all of them", "  filter: &a {A|contains|all: [a, b]}\n  other: *a\n"))
	f.Fuzz(func(t *testing.T, text string) {
		o := options()
		o.Nulls = len(text)%2 == 0
		im := New(o)
		blocks := im.Sigma("a.yml", []byte(text))
		checkImport(t, im)
		said := len(im.Refused)
		for _, r := range im.Rules {
			said += r.Parts
		}
		if said < blocks {
			t.Errorf("%d blocks, %d accounted for", blocks, said)
		}
	})
}

// checkImport sees to it that everything imported loads without errors and passes its tests.
func checkImport(t *testing.T, im *Import) {
	t.Helper()
	if len(im.Rules) == 0 {
		return
	}
	if len(im.Lists) > 0 {
		conditions(t, im)
		return
	}
	set, err := rules.Parse(rules.Options{Now: now}, "imported.yaml", im.File())
	if err != nil {
		t.Fatalf("%v\n%s", err, im.File())
	}
	for _, r := range set.Test(func(r *rules.Rule, a *winnow.Alert) (bool, string, error) {
		holds, err := r.Match(a)
		return holds, "", err
	}) {
		if !r.OK {
			t.Errorf("%+v\n%s", r, im.File())
		}
	}
}

func FuzzLookup(f *testing.F) {
	f.Add("user,ip\nann,192.0.2.7\n#b,::1\n", "user", "ip", false)
	f.Add("ip\n10.0.0.0/8\n", "ip", "ip", true)
	f.Fuzz(func(t *testing.T, text, a, b string, cidr bool) {
		o := options()
		o.Global = true
		im := New(o)
		keys := []string{a}
		if a != b {
			keys = append(keys, b)
		}
		im.Lookup("a.csv", []byte(text), Lookup{Keys: keys, CIDR: cidr})
		checkImport(t, im)
		if len(im.Rules)+len(im.Refused) == 0 {
			t.Error("nothing was imported, and nothing said")
		}
	})
}

func FuzzSuppression(f *testing.F) {
	f.Add("`get_notable_index` _time>=1790000000 _time<1800000000 source=\"A\" (dest=web-01 OR NOT user=\"a\\\\b*\")")
	f.Add("search_name=A src=10.0.0.0/8 count>=5 user IN (ann, \"b\")")
	f.Fuzz(func(t *testing.T, search string) {
		im := New(options())
		im.Suppression(Stanza{Name: "notable_suppression-x", Search: search})
		checkImport(t, im)
		if len(im.Rules)+len(im.Refused) != 1 {
			t.Errorf("%d rules, %d refused", len(im.Rules), len(im.Refused))
		}
	})
}
