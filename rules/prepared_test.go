package rules

import (
	"bytes"
	"crypto/sha256"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var preparedDay = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)

// prepareAll prepares files and reads what was prepared.
func prepareAll(t *testing.T, opts Options, files ...string) *Prepared {
	t.Helper()
	path := filepath.Join(t.TempDir(), "rules.prepared")
	if err := WritePrepared(path, opts, files...); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	prepared, err := ReadPrepared(path)
	if err != nil {
		t.Fatal(err)
	}
	return prepared
}

// noYAML fails a test that reads a file as YAML.
func noYAML(t *testing.T, p *Prepared, files ...string) {
	t.Helper()
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if p.files[sha256.Sum256(data)] == "" {
			t.Errorf("%s is not prepared", file)
		}
	}
}

// TestPreparedRulesAreTheSame: what the worker prepares reads, and decides, as the files themselves do.
func TestPreparedRulesAreTheSame(t *testing.T) {
	files, escalateFiles := shipped(t)
	odd := filepath.Join(t.TempDir(), "odd.yaml")
	write(t, odd, `rules:
  - id: odd
    description: All that a rule can say
    owner: detection@corp.example
    reason: r
    ticket: OPS-1
    expires: 2027-01-31
    global: true
    when: "any(values(event.src), # == event.dest)"
    compare_fields: true
    mode: enforce
    max_severity: low
    window: {days: [mon, sun], from: "22:00", to: "06:00", tz: Europe/Berlin}
    canary: 2.5%
    tests:
      - {name: x, alert: {src: [a, b], dest: b, time: 2026-11-16T23:30:00Z, severity: low}, want: drop}
      - {name: y, alert: {src: a, dest: b}, want: pass}
`)
	files = append(files, odd)
	lists, err := LoadLists(ListOptions{Folders: []string{"../packaging/demo/content/lists", "../testdata/ait/lists"}})
	if err != nil {
		t.Fatal(err)
	}
	full := Options{Lists: lists, Now: preparedDay}
	plain := full
	plain.Unproven = true
	quick := plain
	quick.Prepared = prepareAll(t, full, append(files, escalateFiles...)...)
	noYAML(t, quick.Prepared, append(files, escalateFiles...)...)
	for _, file := range files {
		proven, err := Load(full, file)
		if err != nil {
			t.Fatal(err)
		}
		want, err := Load(plain, file)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Load(quick, file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(outlines(want.Rules()), outlines(got.Rules())); diff != "" || want.Version() != got.Version() {
			t.Errorf("%s: %s", file, diff)
		}
		for i, r := range proven.Rules() {
			for _, test := range r.Tests {
				want, wantErr := r.Match(test.Alert)
				got, gotErr := got.Rules()[i].Match(test.Alert)
				if want != got || (wantErr == nil) != (gotErr == nil) {
					t.Errorf("%s: rule %s on %q: %v, want %v", file, r.ID, test.Name, got, want)
				}
			}
		}
	}
	want, err := LoadEscalate(full, escalateFiles...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := LoadEscalate(quick, escalateFiles...)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range want.Entries() {
		g := got.Entries()[i]
		if g.ID != e.ID || g.Description != e.Description || g.When != e.When || g.Pos != e.Pos || !cmp.Equal(g.Techniques, e.Techniques) {
			t.Errorf("entry %s became %s", e.ID, g.ID)
		}
		for _, test := range e.Tests {
			if e.Match(test.Alert) != g.Match(test.Alert) {
				t.Errorf("entry %s on %q comes out differently", e.ID, test.Name)
			}
		}
	}
}

const preparedRule = `rules:
  - id: ID
    owner: detection@corp.example
    reason: r
    expires: 2027-11-15
    search_name: [S]
    when: event.user == "ann"
    tests: [{name: x, alert: {user: ann}, want: drop}, {name: y, alert: {user: bob}, want: pass}]
`

// TestPreparedRulesAreHeldAgainstToday: what the text would be refused for is refused.
func TestPreparedRulesAreHeldAgainstToday(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one.yaml"), filepath.Join(dir, "two.yaml")
	write(t, one, strings.ReplaceAll(preparedRule, "ID", "same"))
	write(t, two, strings.ReplaceAll(preparedRule, "ID", "same")+"\n")
	opts := Options{Now: preparedDay, Unproven: true}
	opts.Prepared = prepareAll(t, opts, one, two)
	noYAML(t, opts.Prepared, one, two)

	set, err := Load(opts, one, two)
	if err == nil || !strings.Contains(err.Error(), "two.yaml:2:9: rule \"same\": the id is taken") || len(set.Rules()) != 1 {
		t.Errorf("an id that is taken: %v", err)
	}
	opts.Now = preparedDay.AddDate(0, -1, 0) // the clock was set back
	if set, err = Load(opts, one); err == nil || !strings.Contains(err.Error(), "more than a year ahead") || len(set.Rules()) != 0 {
		t.Errorf("a rule that expires too late: %v", err)
	}
	opts.Now = preparedDay
	if _, err := LoadEscalate(opts, one); err == nil || !strings.Contains(err.Error(), `unknown key "rules"`) {
		t.Errorf("rules are taken for an escalate list: %v", err)
	}
}

// TestChangedRulesAreReadAnew: a text that has changed since is not taken for the old one, and a
// file with a mistake in it is left to whoever reads it.
func TestChangedRulesAreReadAnew(t *testing.T) {
	file := filepath.Join(t.TempDir(), "e.yaml")
	entry := func(id, when string) {
		write(t, file, "escalate:\n  - id: "+id+"\n    description: d\n    when: "+when+"\n")
	}
	opts := Options{Now: preparedDay, Unproven: true}
	entry("first", `event.a == "b"`)
	opts.Prepared = prepareAll(t, opts, file)
	noYAML(t, opts.Prepared, file)
	entry("second", `event.a == "b"`)
	e, err := LoadEscalate(opts, file)
	if err != nil || len(e.Entries()) != 1 || e.Entries()[0].ID != "second" {
		t.Errorf("read %v, %v", e.Entries(), err)
	}
	write(t, file, "escalate:\n  - id: third\n    wen: event.a == \"b\"\n")
	if p := prepareAll(t, opts, file); len(p.files) != 0 {
		t.Error("a file with a mistake in it was prepared")
	}
}

// TestDamagedPreparedRules: every flipped byte and every cut is noticed, and nothing is taken.
func TestDamagedPreparedRules(t *testing.T) {
	files, _ := shipped(t)
	path := filepath.Join(t.TempDir(), "rules.prepared")
	if err := WritePrepared(path, Options{Now: preparedDay}, files[0]); err != nil {
		t.Fatal(err)
	}
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 1
		if p, err := parsePrepared(bad); err == nil {
			t.Fatalf("byte %d flipped: %d files were taken", i, len(p.files))
		}
		if _, err := parsePrepared(good[:i]); err == nil {
			t.Fatalf("cut at %d was taken", i)
		}
	}
	if p, err := ReadPrepared(filepath.Join(t.TempDir(), "none")); p != nil || err != nil {
		t.Errorf("a missing file is %v, %v", p, err)
	}
}

// FuzzPrepared: rules and entries of any origin are refused or can be written again, never a crash.
func FuzzPrepared(f *testing.F) {
	files, escalateFiles := shipped(f)
	opts := Options{Now: preparedDay, Unproven: true}
	for _, file := range append(files, escalateFiles...) {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		if prepared, ok := prepare(file, data, opts); ok {
			f.Add(prepared)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		text := []byte("text")
		p := &Prepared{files: map[[sha256.Size]byte]string{sha256.Sum256(text): string(in)}}
		opts := opts
		opts.Prepared = p
		for _, read := range []func(*codec){
			func(c *codec) { var out []*Rule; c.rules(&out); again(t, c, in, func(w *codec) { w.rules(&out) }) },
			func(c *codec) { var out []*Entry; c.entries(&out); again(t, c, in, func(w *codec) { w.entries(&out) }) },
		} {
			p.take(newReader("f", text, opts, map[string]Position{}), read)
		}
	})
}

// again writes what was read, and reads it once more.
func again(t *testing.T, c *codec, in []byte, write func(*codec)) {
	if c.bad || c.in != "" {
		return
	}
	w := codec{opts: c.opts}
	if write(&w); w.bad {
		t.Errorf("%q cannot be written again", in)
	}
	r := codec{reading: true, in: string(w.out), opts: c.opts, ids: map[string]Position{}}
	second := codec{opts: c.opts}
	write(&r)
	if write(&second); r.bad || r.in != "" || !bytes.Equal(w.out, second.out) {
		t.Errorf("%q became %q", w.out, second.out)
	}
}
