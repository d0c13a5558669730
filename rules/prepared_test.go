package rules

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestPreparedRulesAreTheSame: what the worker prepares reads as the files themselves do.
func TestPreparedRulesAreTheSame(t *testing.T) {
	files, escalateFiles := shipped(t)
	path := filepath.Join(t.TempDir(), "rules.prepared")
	if err := WritePrepared(path, append(files, escalateFiles...)...); err != nil {
		t.Fatal(err)
	}
	prepared, err := ReadPrepared(path)
	if err != nil || len(prepared.trees) != len(files)+len(escalateFiles) {
		t.Fatalf("%d files are prepared, err %v", len(prepared.trees), err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	lists, err := LoadLists(ListOptions{Folders: []string{"../packaging/demo/content/lists", "../testdata/ait/lists"}})
	if err != nil {
		t.Fatal(err)
	}
	plain := Options{Lists: lists, Now: time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC), Unproven: true}
	quick := plain
	quick.Prepared = prepared
	for _, file := range files {
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
	}
	want, err := LoadEscalate(plain, escalateFiles...)
	if err != nil {
		t.Fatal(err)
	}
	got, err := LoadEscalate(quick, escalateFiles...)
	if err != nil {
		t.Fatal(err)
	}
	for i, e := range want.Entries() {
		if g := got.Entries()[i]; g.ID != e.ID || g.When != e.When || g.Pos != e.Pos {
			t.Errorf("entry %s became %s", e.ID, g.ID)
		}
	}
}

// TestChangedRulesAreReadAnew: a text that has changed since is not taken for the old one.
func TestChangedRulesAreReadAnew(t *testing.T) {
	dir := t.TempDir()
	file, path := filepath.Join(dir, "e.yaml"), filepath.Join(dir, "rules.prepared")
	write := func(id string) {
		t.Helper()
		if err := os.WriteFile(file, []byte("escalate:\n  - id: "+id+"\n    description: d\n    when: event.a == \"b\"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("first")
	if err := WritePrepared(path, file); err != nil {
		t.Fatal(err)
	}
	write("second")
	prepared, err := ReadPrepared(path)
	if err != nil {
		t.Fatal(err)
	}
	e, err := LoadEscalate(Options{Now: time.Now(), Unproven: true, Prepared: prepared}, file)
	if err != nil || len(e.Entries()) != 1 || e.Entries()[0].ID != "second" {
		t.Errorf("read %v, %v", e.Entries(), err)
	}
}

// TestDamagedPreparedRules: every flipped byte and every cut is noticed, and nothing is taken.
func TestDamagedPreparedRules(t *testing.T) {
	files, _ := shipped(t)
	path := filepath.Join(t.TempDir(), "rules.prepared")
	if err := WritePrepared(path, files[0]); err != nil {
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
			t.Fatalf("byte %d flipped: %d trees were taken", i, len(p.trees))
		}
		if _, err := parsePrepared(good[:i]); err == nil {
			t.Fatalf("cut at %d was taken", i)
		}
	}
	if p, err := ReadPrepared(filepath.Join(t.TempDir(), "none")); p != nil || err != nil {
		t.Errorf("a missing file is %v, %v", p, err)
	}
}

// FuzzTree: a tree that was not written by this program is refused, never a crash.
func FuzzTree(f *testing.F) {
	files, _ := shipped(f)
	data, err := os.ReadFile(files[0])
	if err != nil {
		f.Fatal(err)
	}
	root, err := decodeYAML(withoutTests(data))
	if err != nil {
		f.Fatal(err)
	}
	tree, _ := appendTree(nil, root)
	f.Add(tree)
	f.Fuzz(func(t *testing.T, in []byte) {
		r := treeReader{rest: in}
		root := r.node(0)
		if r.bad || len(r.rest) > 0 {
			return
		}
		again, ok := appendTree(nil, root)
		if !ok {
			return
		}
		back := treeReader{rest: again}
		if diff := cmp.Diff(root, back.node(0)); diff != "" || back.bad {
			t.Error(diff)
		}
	})
}
