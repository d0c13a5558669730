package conf_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/plugin/conf"
)

// layout writes an app folder: names like "local/x.conf" and their text.
func layout(t *testing.T, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
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

func TestLoadLaysLocalOverDefaultKeyByKey(t *testing.T) {
	app := layout(t, map[string]string{
		"default/x.conf": "[a]\nkept = d\nchanged = d\nemptied = d\n[b]\nk = d",
		"local/x.conf":   "[a]\nchanged = l\nemptied =\n[c]\nnew = l",
	})
	f, err := conf.Load(app, "x", []string{"b.k=set", "d.k = spaced "})
	if err != nil {
		t.Fatal(err)
	}
	want := texts{
		"a": {"kept": "d", "changed": "l", "emptied": ""}, "b": {"k": "set"}, "c": {"new": "l"}, "d": {"k": "spaced"},
	}
	if diff := cmp.Diff(want, stanzas(f)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for key, want := range map[string]string{"kept": "default/x.conf:2", "changed": "local/x.conf:2"} {
		if v, _ := f.Lookup("a", key); !strings.HasSuffix(v.String(), want) {
			t.Errorf("[a] %s is said to be at %s, want %s", key, v, want)
		}
	}
	if v, _ := f.Lookup("b", "k"); v.String() != "--set b.k=set" {
		t.Errorf("a set is said to be at %s", v)
	}
}

func TestLoadNeedsDefaultNotLocal(t *testing.T) {
	if _, err := conf.Load(layout(t, map[string]string{"default/x.conf": ""}), "x", nil); err != nil {
		t.Errorf("without local: %v", err)
	}
	if _, err := conf.Load(layout(t, map[string]string{"local/x.conf": ""}), "x", nil); err == nil {
		t.Error("without default: no error")
	}
	_, err := conf.Load(layout(t, map[string]string{"default/x.conf": "", "local/x.conf": "junk"}), "x", nil)
	if err == nil || !strings.Contains(err.Error(), "local/x.conf:1:") {
		t.Errorf("a broken local file gave %v", err)
	}
}

func TestSetTakesNamesWithSigns(t *testing.T) {
	app := layout(t, map[string]string{"default/x.conf": ""})
	for set, want := range map[string][3]string{
		"gate.run=shadow":                {"gate", "run", "shadow"},
		"search:a.b.run=shadow":          {"search:a.b", "run", "shadow"},
		"search:a=b.run=shadow":          {"search:a=b", "run", "shadow"},
		"sink:f.path=/x.y=z":             {"sink:f", "path", "/x.y=z"},
		"policy.high_risk_assets=":       {"policy", "high_risk_assets", ""},
		"policy.high_risk_words= a , b ": {"policy", "high_risk_words", "a , b"},
	} {
		f, err := conf.Load(app, "x", []string{set})
		if err != nil {
			t.Errorf("%s: %v", set, err)
			continue
		}
		if got, ok := f.Get(want[0], want[1]); !ok || got != want[2] {
			t.Errorf("%s gave %v", set, stanzas(f))
		}
	}
	for _, set := range []string{"", "gate", "gate.run", "run=shadow", ".run=x", "gate.=x", "="} {
		if _, err := conf.Load(app, "x", []string{set}); err == nil || !strings.Contains(err.Error(), "STANZA.KEY=VALUE") {
			t.Errorf("--set %q gave %v", set, err)
		}
	}
}
