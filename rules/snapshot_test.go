package rules

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

var snapshotDay = time.Date(2026, 11, 20, 0, 0, 0, 0, time.UTC)

// published is a folder with a snapshot, and what it was made of.
type published struct {
	dir             string
	opts            Options
	rules, escalate []string
	set             *Set
	list            *Escalate
}

func publish(t testing.TB, opts Options, ruleFiles, escalateFiles []string) *published {
	t.Helper()
	p := &published{dir: t.TempDir(), opts: opts, rules: ruleFiles, escalate: escalateFiles}
	var err error
	if p.set, err = Load(opts, ruleFiles...); err != nil {
		t.Fatal(err)
	}
	if p.list, err = LoadEscalate(opts, escalateFiles...); err != nil {
		t.Fatal(err)
	}
	if _, err = WriteSnapshot(p.dir, p.set, p.list, nil); err != nil {
		t.Fatal(err)
	}
	return p
}

func (p *published) open() (*Set, *Escalate, error) {
	set, list, _, err := OpenSnapshot(p.dir, p.opts, p.rules, p.escalate)
	return set, list, err
}

const oddRule = `rules:
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
`

// TestSnapshotIsTheFiles: what is read from a snapshot is, and decides, what the files do.
func TestSnapshotIsTheFiles(t *testing.T) {
	files, escalateFiles := shipped(t)
	odd := filepath.Join(t.TempDir(), "odd.yaml")
	write(t, odd, oddRule)
	lists, err := LoadLists(ListOptions{Folders: []string{"../packaging/demo/content/lists", "../testdata/ait/lists"}})
	if err != nil {
		t.Fatal(err)
	}
	p := publish(t, Options{Lists: lists, Now: snapshotDay}, append(files, odd), escalateFiles)
	set, list, err := p.open()
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range p.set.Rules() {
		for _, test := range r.Tests {
			want := answers(func(yield func(*Rule, error) bool) { p.set.each(test.Alert, yield) })
			if got := answers(set.Matching(test.Alert)); !cmp.Equal(want, got) {
				t.Errorf("rule %s on %q: the snapshot finds %v, the files %v", r.ID, test.Name, got, want)
			}
		}
	}
	if diff := cmp.Diff(outlines(p.set.Rules()), outlines(set.Rules())); diff != "" || set.Version() != p.set.Version() {
		t.Error(diff)
	}
	if set.Find("odd") == nil || len(set.For("any")) == 0 || set.Err() != nil {
		t.Errorf("odd is %v, %d rules for any search, %v", set.Find("odd"), len(set.For("any")), set.Err())
	}
	for i, r := range p.set.Rules() { // what people have signed
		if got := set.Rules()[i].Canonical(); !bytes.Equal(got, r.Canonical()) {
			t.Errorf("rule %s is signed as %s, and read as %s", r.ID, r.Canonical(), got)
		}
	}
	for i, e := range p.list.Entries() {
		g := list.Entries()[i]
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

// TestSnapshotIsTheLoop: over random rules and alerts a snapshot finds what asking every rule does.
func TestSnapshotIsTheLoop(t *testing.T) {
	v, _ := meaningLists(t)
	w := &author{Rand: newRand(5)}
	for range 4 {
		s := randomSet(w, v, 100)
		for i, r := range s.rules {
			r.When, r.Expires, r.Mode, r.compareFields = "true", snapshotDay, ModeEnforce, true
			r.Pos = Position{File: "r.yaml", Line: i}
		}
		s.signature = "s"
		dir := t.TempDir()
		if _, err := WriteSnapshot(dir, s, &Escalate{signature: "e"}, nil); err != nil {
			t.Fatal(err)
		}
		c, err := readCurrent(dir)
		if err != nil {
			t.Fatal(err)
		}
		read, err := openSnapshot(filepath.Join(dir, c.name), Options{Lists: v.lists, Now: snapshotDay})
		if err != nil {
			t.Fatal(err)
		}
		for range 60 {
			a := w.alert()
			want := answers(func(yield func(*Rule, error) bool) { s.each(a, yield) })
			if got := answers(read.matching(a)); fmt.Sprint(want) != fmt.Sprint(got) {
				t.Fatalf("alert %q: the snapshot finds %v, all rules %v%s", a.Fields, got, want, difference(s, want, got))
			}
		}
	}
}

// TestSnapshotOfOtherFiles: a snapshot counts for the files and lists that it was made of, as they
// were, and by a clock by which the rules may stand.
func TestSnapshotOfOtherFiles(t *testing.T) {
	dir := t.TempDir()
	file, more, entries := filepath.Join(dir, "rules", "a.yaml"), filepath.Join(dir, "rules", "b.yaml"), filepath.Join(dir, "e.yaml")
	text := ruleText("a", `event.user in lists.names`, "")
	write(t, file, text)
	write(t, entries, oneEntry)
	write(t, filepath.Join(dir, "lists", "names.txt"), "ann\n")
	lists := func() *Lists {
		l, err := LoadLists(ListOptions{Folders: []string{filepath.Join(dir, "lists")}})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	p := publish(t, Options{Lists: lists(), Now: fixedNow}, []string{filepath.Dir(file)}, []string{entries})
	fresh := func() {
		t.Helper()
		if _, _, err := p.open(); err != nil {
			t.Fatalf("the snapshot of these very files: %v", err)
		}
	}
	stale := func(what string) {
		t.Helper()
		if set, _, err := p.open(); !errors.Is(err, ErrNoSnapshot) || set != nil {
			t.Errorf("%s: %v", what, err)
		}
	}
	fresh()
	write(t, more, "rules: []\n")
	stale("a file more")
	if err := os.Remove(more); err != nil {
		t.Fatal(err)
	}
	fresh()
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	time.Sleep(20 * time.Millisecond) // the clock of a file system ticks
	write(t, file, strings.Replace(text, "ann", "eve", 1))
	if err := os.Chtimes(file, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	if changed(info) != 0 {
		stale("a text of the same length and time")
	}
	p = publish(t, Options{Lists: lists(), Now: fixedNow}, p.rules, p.escalate)
	fresh()
	write(t, entries, oneEntry+"\n")
	stale("another escalate list")
	p = publish(t, Options{Lists: lists(), Now: fixedNow}, p.rules, p.escalate)
	write(t, filepath.Join(dir, "lists", "names.txt"), "ann\nbob\n")
	p.opts.Lists = lists()
	stale("another list")
	p = publish(t, p.opts, p.rules, p.escalate)
	p.opts.Now = fixedNow.AddDate(-1, 0, 0) // the clock was set back
	set, _, err := p.open()
	if err != nil {
		t.Fatal(err)
	}
	for r, err := range set.Matching(&winnow.Alert{SearchName: "Noise", Fields: winnow.Fields{"user": {"ann"}}}) {
		t.Errorf("a rule that expires too late matches: %v, %v", r, err)
	}
	if err := set.Err(); err == nil || !strings.Contains(err.Error(), "more than a year ahead") {
		t.Errorf("a rule that expires too late: %v", err)
	}
}

func TestGenerationsAreRemoved(t *testing.T) {
	dir := t.TempDir()
	file, entries := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "e.yaml")
	write(t, entries, oneEntry)
	out := t.TempDir()
	for _, id := range []string{"one", "two", "three", "three"} {
		write(t, file, ruleText(id, `event.user == "ann"`, ""))
		set, err := Load(Options{Now: fixedNow}, file)
		if err != nil {
			t.Fatal(err)
		}
		list, err := LoadEscalate(Options{Now: fixedNow}, entries)
		if err != nil {
			t.Fatal(err)
		}
		generation, err := WriteSnapshot(out, set, list, nil)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(filepath.Join(out, "rules."+generation)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("mode %v, %v", info, err)
		}
	}
	if files, err := os.ReadDir(out); err != nil || len(files) != 3 {
		t.Errorf("%v, %v: want the pointer, this generation and the one before", files, err)
	}
	unproven, err := Load(Options{Now: fixedNow, Unproven: true}, file)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := WriteSnapshot(out, unproven, &Escalate{}, nil); err == nil {
		t.Error("rules that nobody has checked are published")
	}
}

// TestDamagedSnapshot: whatever byte is wrong, and wherever the file ends, the rules of the files
// are found, and no others.
func TestDamagedSnapshot(t *testing.T) {
	dir := t.TempDir()
	var text strings.Builder
	text.WriteString("rules:\n")
	for i := range 60 {
		text.WriteString(strings.TrimPrefix(ruleText(fmt.Sprint("r", i), fmt.Sprintf(`event.user == "u%d"`, i), ""), "rules:\n"))
	}
	file, entries := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "e.yaml")
	write(t, file, text.String())
	write(t, entries, oneEntry)
	set, err := Load(Options{Now: fixedNow}, file)
	if err != nil {
		t.Logf("%v", err) // their tests are about another condition
	}
	list, err := LoadEscalate(Options{Now: fixedNow}, entries)
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Rules()) != 60 {
		t.Fatalf("%d rules", len(set.Rules()))
	}
	good, err := snapshotBytes(set, list, nil)
	if err != nil {
		t.Fatal(err)
	}
	alert := &winnow.Alert{SearchName: "Noise", Fields: winnow.Fields{"user": {"u7"}}}
	check := func(data []byte, what string) {
		t.Helper()
		s, err := readSnapshot(bytes.NewReader(data), Options{Now: fixedNow})
		if err != nil {
			return
		}
		s.paths = []string{file}
		found := &Set{snapshot: s}
		if got := answers(found.Matching(alert)); len(got) != 1 || got[0] != "r7 <nil>" {
			t.Fatalf("%s: found %v", what, got)
		}
	}
	check(good, "good")
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		check(bad, fmt.Sprint("byte ", i))
	}
	for i := 0; i < len(good); i += 97 {
		check(good[:i], fmt.Sprint("cut at ", i))
	}
}

// FuzzSnapshot: bytes of any origin, with checksums that are right, are refused or can be asked;
// never a crash.
func FuzzSnapshot(f *testing.F) {
	v, _ := meaningLists(f)
	w := &author{Rand: newRand(9)}
	s := randomSet(w, v, 20)
	for _, r := range s.rules {
		r.When, r.Expires, r.Mode, r.Pos.File = "true", snapshotDay, ModeEnforce, "r.yaml"
	}
	meta := codec{}
	meta.meta(&snapshotMeta{lists: v.lists.version(), files: []string{"r.yaml"}})
	body := codec{files: []string{"r.yaml"}}
	var offsets []byte
	for _, r := range s.rules {
		offsets = append(offsets, byte(len(body.out)), byte(len(body.out)>>8), 0, 0)
		body.rule(&r)
	}
	offsets = append(offsets, byte(len(body.out)), byte(len(body.out)>>8), 0, 0)
	f.Add(meta.out, offsets, body.out, buildIndex(s.rules))
	alerts := []*winnow.Alert{w.alert(), w.alert(), w.alert()}
	none := f.TempDir()
	f.Fuzz(func(t *testing.T, meta, offsets, body, index []byte) {
		data, err := layOut(uint64(len(offsets)/4-1), meta, offsets, body, index)
		if err != nil {
			t.Fatal(err)
		}
		s, err := readSnapshot(bytes.NewReader(data), Options{Lists: v.lists, Now: snapshotDay})
		if err != nil {
			return
		}
		s.paths = []string{none}
		for _, a := range alerts {
			answers((&Set{snapshot: s, bySearch: map[string][]*Rule{}}).Matching(a))
		}
	})
}

// TestReloadUnderReaders: while rules are edited and published, whoever reads finds the rules of
// the one state or of the other, whole, and never none.
func TestReloadUnderReaders(t *testing.T) {
	dir, out := t.TempDir(), t.TempDir()
	file, entries := filepath.Join(dir, "a.yaml"), filepath.Join(dir, "e.yaml")
	write(t, entries, oneEntry)
	opts := Options{Now: fixedNow}
	quick := Options{Now: fixedNow, Unproven: true}
	edit := func(id string) {
		text := strings.ReplaceAll(ruleText(id+"-one", `event.user == "ann"`, "")+strings.TrimPrefix(ruleText(id+"-two", `event.user != "eve"`, ""), "rules:\n"), "\t", "")
		if err := replaceFile(file, []byte(text)); err != nil {
			t.Error(err)
		}
		set, err := Load(opts, file)
		if err != nil {
			t.Error(err)
			return
		}
		list, err := LoadEscalate(opts, entries)
		if err != nil {
			t.Error(err)
			return
		}
		if _, err := WriteSnapshot(out, set, list, nil); err != nil {
			t.Error(err)
		}
	}
	edit("odd")
	ann := &winnow.Alert{SearchName: "Noise", Fields: winnow.Fields{"user": {"ann"}}}
	var readers sync.WaitGroup
	var stop atomic.Bool
	var snapshots atomic.Int64
	for range 4 {
		readers.Go(func() {
			for !stop.Load() {
				set, _, _, err := OpenSnapshot(out, quick, []string{file}, []string{entries})
				if err == nil {
					snapshots.Add(1)
				} else if set, err = Load(quick, file); err != nil {
					t.Error(err)
					return
				}
				got := fmt.Sprint(answers(set.Matching(ann)))
				if got != "[odd-one <nil> odd-two <nil>]" && got != "[even-one <nil> even-two <nil>]" {
					t.Errorf("found %s", got)
					return
				}
			}
		})
	}
	for i := range 40 {
		edit([]string{"even", "odd"}[i%2])
	}
	stop.Store(true)
	readers.Wait()
	if snapshots.Load() == 0 {
		t.Error("no snapshot was read: the test shows nothing")
	}
}

// TestKeepSnapshot: the last good rules stand in for broken files, over the lists of now.
func TestKeepSnapshot(t *testing.T) {
	dir := t.TempDir()
	file, entries, names := filepath.Join(dir, "rules", "a.yaml"), filepath.Join(dir, "e.yaml"), filepath.Join(dir, "lists", "names.txt")
	write(t, file, ruleText("a", `event.user in lists.names`, ""))
	write(t, entries, oneEntry)
	write(t, names, "ann\n")
	lists := func() *Lists {
		l, err := LoadLists(ListOptions{Folders: []string{filepath.Dir(names)}})
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	p := publish(t, Options{Lists: lists(), Now: fixedNow}, []string{filepath.Dir(file)}, []string{entries})
	write(t, file, "rules: [")
	write(t, names, "bob\n")
	p.opts.Lists = lists()
	kept, err := KeepSnapshot(p.dir, p.opts, p.rules, p.escalate)
	if err != nil {
		t.Fatal(err)
	}
	for user, want := range map[string]int{"ann": 0, "bob": 1} {
		if got := answers(kept.Matching(&winnow.Alert{SearchName: "Noise", Fields: winnow.Fields{"user": {user}}})); len(got) != want {
			t.Errorf("%s: %v", user, got)
		}
	}
	if _, _, err := p.open(); !errors.Is(err, ErrNoSnapshot) {
		t.Errorf("the action goes on with a snapshot over other lists: %v", err)
	}
	write(t, names, "ann\n")
	p.opts.Lists = lists()
	if set, _, err := p.open(); err != nil || set.Find("a") == nil {
		t.Errorf("the action does not go on with the last good rules: %v", err)
	}
	if _, err := KeepSnapshot(t.TempDir(), p.opts, p.rules, p.escalate); !errors.Is(err, ErrNoSnapshot) {
		t.Errorf("kept what is not there: %v", err)
	}
}
