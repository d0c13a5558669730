package conf_test

import (
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/plugin/conf"
)

const app = "../../packaging/app"

func TestShippedConfigurationIsCautious(t *testing.T) {
	s := readShipped(t)
	if g := s.Gate; g.Run.String() != "shadow" || g.Place != "beside" || g.Off || g.StartWorker {
		t.Errorf("[gate] ships as %+v, want shadow, beside, on, no started worker", g)
	}
	p := s.Policy
	if p.Confidence != 85 || p.TrustUncalibrated || !p.RequireFact {
		t.Errorf("[policy] ships as %+v, want confidence 85 and a fact, and no trust", p)
	}
	if p.OfflineMaxSeverity.String() != "informational" || p.MaxSeverity.String() != "medium" {
		t.Errorf("[policy] ships with ceilings %s and %s", p.OfflineMaxSeverity, p.MaxSeverity)
	}
	if d := s.RedactOf("any"); s.Redact.Allow != conf.AllowCIM || d.Class != conf.ClassConfidential || len(d.Fields)+len(d.Irrelevant) > 0 {
		t.Errorf("[redact] ships as %+v, for a search %+v", s.Redact, d)
	}
}

// TestShippedConfigurationIsComplete holds winnow.conf, winnow.conf.spec and Settings against
// each other: a key that one of them lacks is a key that nobody can find, or that does nothing.
func TestShippedConfigurationIsComplete(t *testing.T) {
	shipped := fileKeys(t)
	want := settingsKeys()
	want["model"] = []string{"provider"} // the rest of a model has defaults
	want["sink"] = []string{"app", "costs", "disabled", "es", "index", "path", "review_share", "scores", "states", "type", "within"}
	delete(want, "team") // ships without a stanza
	if diff := cmp.Diff(want, shipped); diff != "" {
		t.Errorf("default/winnow.conf and Settings differ (-Settings +file):\n%s", diff)
	}
	spec := specKeys(t)
	if diff := cmp.Diff(structKeys(reflect.TypeFor[conf.Search]()), spec["search"]); diff != "" {
		t.Errorf("README/winnow.conf.spec and Settings differ for [search:NAME] (-Settings +spec):\n%s", diff)
	}
	if diff := cmp.Diff(structKeys(reflect.TypeFor[conf.RedactSearch]()), spec["redact:search"]); diff != "" {
		t.Errorf("README/winnow.conf.spec and Settings differ for [redact:SEARCH] (-Settings +spec):\n%s", diff)
	}
	if diff := cmp.Diff(structKeys(reflect.TypeFor[conf.SearchTool]()), spec["tool"]); diff != "" {
		t.Errorf("README/winnow.conf.spec and Settings differ for [tool:NAME] (-Settings +spec):\n%s", diff)
	}
	if diff := cmp.Diff(structKeys(reflect.TypeFor[conf.Reputation]()), spec["tool:reputation"]); diff != "" {
		t.Errorf("README/winnow.conf.spec and Settings differ for [tool:reputation] (-Settings +spec):\n%s", diff)
	}
	if diff := cmp.Diff(structKeys(reflect.TypeFor[conf.Action]()), spec["action"]); diff != "" {
		t.Errorf("README/winnow.conf.spec and Settings differ for [action:KIND] (-Settings +spec):\n%s", diff)
	}
	delete(spec, "action")
	delete(spec, "tool")
	delete(spec, "tool:reputation")
	delete(spec, "search") // these ship without a stanza
	delete(spec, "redact:search")
	if diff := cmp.Diff(settingsKeys(), spec); diff != "" {
		t.Errorf("README/winnow.conf.spec and Settings differ (-Settings +spec):\n%s", diff)
	}
}

func TestShippedKeysAreExplained(t *testing.T) {
	data, err := os.ReadFile(filepath.Join(app, "default", "winnow.conf"))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(string(data), "\n")
	for i, line := range lines {
		name, _, ok := strings.Cut(line, " =")
		if !ok || line[0] == '#' {
			continue
		}
		stanza := i
		for !strings.HasPrefix(lines[stanza], "[") {
			stanza--
		}
		kind, _, several := strings.Cut(lines[stanza], ":")
		explained := strings.HasPrefix(lines[i-1], "#") || several || strings.HasPrefix(kind, "[queue")
		if !explained && !strings.HasPrefix(lines[i-2], "#") && !strings.HasPrefix(lines[i-3], "#") {
			t.Errorf("default/winnow.conf:%d: no comment above %s", i+1, name)
		}
	}
}

func TestShippedFilesParse(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join(app, "default", "*.conf"))
	if err != nil || len(paths) < 4 {
		t.Fatalf("%d files in default: %v", len(paths), err)
	}
	for _, path := range paths {
		if _, err := conf.ReadFile(path); err != nil {
			t.Error(err)
		}
	}
}

func readShipped(t *testing.T, sets ...string) *conf.Settings {
	t.Helper()
	f, err := conf.Load(app, "winnow", sets)
	if err != nil {
		t.Fatal(err)
	}
	s, err := conf.Read(f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// fileKeys lists the keys of default/winnow.conf by kind of stanza.
func fileKeys(t *testing.T) map[string][]string {
	t.Helper()
	f, err := conf.Load(app, "winnow", nil)
	if err != nil {
		t.Fatal(err)
	}
	keys := map[string][]string{}
	for _, stanza := range f.Stanzas() {
		kind, _, _ := strings.Cut(stanza, ":")
		keys[kind] = append(keys[kind], f.Keys(stanza)...)
	}
	return sorted(keys)
}

var specKey = regexp.MustCompile(`^([a-z_]+) = `)

func specKeys(t *testing.T) map[string][]string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(app, "README", "winnow.conf.spec"))
	if err != nil {
		t.Fatal(err)
	}
	keys, kind := map[string][]string{}, ""
	for line := range strings.Lines(string(data)) {
		if name, ok := strings.CutPrefix(line, "["); ok {
			name = strings.TrimSuffix(strings.TrimSpace(name), "]")
			if kind, _, _ = strings.Cut(name, ":"); name == "tool:reputation" {
				kind = name // no search, like the other tools
			} else if name == "redact:<search>" {
				kind = "redact:search" // beside [redact], which has keys of its own
			}
		} else if m := specKey.FindStringSubmatch(line); m != nil {
			keys[kind] = append(keys[kind], m[1])
		}
	}
	return sorted(keys)
}

// settingsKeys lists the keys that Settings has room for, from the names of its fields.
func settingsKeys() map[string][]string {
	keys := map[string][]string{}
	for _, f := range reflect.VisibleFields(reflect.TypeFor[conf.Settings]()) {
		switch {
		case !f.IsExported():
		case f.Type.Kind() == reflect.Struct:
			keys[snake(f.Name)] = structKeys(f.Type)
		default: // a map or list of stanzas that are named in the singular
			keys[strings.TrimSuffix(snake(f.Name), "s")] = without(structKeys(f.Type.Elem()), "name")
		}
	}
	return keys
}

func structKeys(typ reflect.Type) []string {
	var keys []string
	for _, f := range reflect.VisibleFields(typ) {
		if f.Type.Kind() == reflect.Struct {
			keys = append(keys, structKeys(f.Type)...) // the policy of a search
			continue
		}
		keys = append(keys, snake(f.Name))
	}
	slices.Sort(keys)
	return keys
}

// snake turns a field's name into a key's: WorkerGrace is worker_grace, CAFile is ca_file.
func snake(name string) string {
	name = strings.NewReplacer("TTL", "Ttl", "URI", "Uri", "CA", "Ca", "URL", "Url", "API", "Api", "ES", "Es", "ID", "Id").Replace(name)
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

func without(keys []string, key string) []string {
	return slices.DeleteFunc(slices.Clone(keys), func(k string) bool { return k == key })
}

func sorted(keys map[string][]string) map[string][]string {
	for kind := range keys {
		slices.Sort(keys[kind])
		keys[kind] = slices.Compact(keys[kind])
	}
	return keys
}
