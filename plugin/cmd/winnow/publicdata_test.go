package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

// The public data set: real, labelled alerts from two networks under attack (AIT) and from a
// vendor's detection tests (Panther). It is not part of the project; without it these tests skip.
var (
	aitFiles    = []string{"ait_russellmitchell.ndjson.gz", "ait_santos.ndjson.gz"}
	pantherFile = "panther.ndjson.gz"
)

func publicFile(t testing.TB, name string) string {
	t.Helper()
	path := filepath.Join("..", "..", "..", "..", "shared", "data", "alerts", name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("no public alerts at %s: skipped", path)
	}
	return path
}

// slow tests and benchmarks run with WINNOW_BENCH=1; see `make bench-closers`.
func slow(t testing.TB) {
	t.Helper()
	if os.Getenv("WINNOW_BENCH") == "" {
		t.Skip("takes minutes: the bench targets of the Makefile run it")
	}
}

// tally counts what became of labelled alerts, by closer.
type tally struct {
	Benign, Attack int // closed
}

type score struct {
	rows    int
	labels  map[string]int
	closers map[string]*tally
	hidden  []string // attacks that were closed
}

// TestPublicAlertsEndOnce runs the whole of the data: every row has exactly one record, and
// running it again adds none.
func TestPublicAlertsEndOnce(t *testing.T) {
	slow(t)
	g := newTester(t, testContent(t, "ait"))
	for range 2 {
		rows := 0
		for _, name := range aitFiles {
			rows += g.replay(t, publicFile(t, name))
		}
		if got := len(g.records(t)); got != rows {
			t.Errorf("%d records for %d rows", got, rows)
		}
	}
	p := newTester(t, t.TempDir())
	rows := p.replay(t, publicFile(t, pantherFile))
	if got := len(p.records(t)); got != rows || rows != 1881 {
		t.Errorf("%d records for %d rows, want 1881", got, rows)
	}
}

// TestPantherClosesNoAttack is the quick part of the score, for every run of the tests.
func TestPantherClosesNoAttack(t *testing.T) {
	s := scoreFile(t, t.TempDir(), []string{publicFile(t, pantherFile)}, nil)
	if len(s.hidden) > 0 {
		t.Errorf("attacks closed: %v", s.hidden)
	}
	if s.rows != 1881 {
		t.Errorf("%d rows, want 1881", s.rows)
	}
}

// TestClosers prints, for each closer, how many benign alerts and how many attacks it closed.
func TestClosers(t *testing.T) {
	slow(t)
	rules, none := testContent(t, "ait"), t.TempDir()
	var ait []string
	for _, name := range aitFiles {
		ait = append(ait, publicFile(t, name))
	}
	table := newBench("closers")
	for _, run := range []struct {
		name    string
		content string
		files   []string
		feed    bool
		most    float64 // share of attacks that may be closed
	}{
		{"AIT, rules", rules, ait, false, 0},
		{"AIT, no rules, first half decided by a person", none, ait, true, 1.0 / 10_000},
		{"AIT, rules, first half decided by a person", rules, ait, true, 1.0 / 10_000},
		{"Panther, no rules", none, []string{publicFile(t, pantherFile)}, false, 0},
	} {
		var feed feeder
		if run.feed {
			feed = decideBenign
		}
		s := scoreFile(t, run.content, run.files, feed)
		s.print(run.name)
		share := float64(len(s.hidden)) / float64(s.labels["attack"])
		table.add(run.name+": attacks closed", float64(len(s.hidden)), "alerts", float64(s.labels["attack"]), run.most, share <= run.most)
		if share > run.most {
			t.Errorf("%s: %d of %d attacks closed, want at most a share of %g: %v", run.name, len(s.hidden), s.labels["attack"], run.most, s.hidden)
		}
		for name, c := range s.closers {
			table.add(run.name+": benign closed by "+name, float64(c.Benign), "alerts", float64(s.labels["benign"]), 0, true)
		}
	}
	table.write(t)
}

// feeder decides alerts between the first half of a file, by time, and the second.
type feeder func(t *testing.T, g *tester, labels map[string]string)

// decideBenign plays the person who settles, one by one, every alert of the first half that is
// benign and waits. Nothing is said of the others, which go on waiting.
func decideBenign(t *testing.T, g *tester, labels map[string]string) {
	d, err := g.open()
	if err != nil {
		t.Fatal(err)
	}
	x, err := g.openDecider(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = x.parts.close() }()
	records := g.recordsOf(t, x.parts.ledger)
	err = x.engine.Update(t.Context(), func(tx *ledger.Tx) error {
		for _, r := range records {
			if labels[r.SID+"/"+r.RID] != "benign" || (r.Outcome.State != winnow.StateInReview && r.Outcome.State != winnow.StateEscalated) {
				continue
			}
			seq, err := tx.Seq(r.ID)
			if err != nil {
				return err
			}
			_, err = review.Apply(tx, x.engine, review.Decision{
				Action: review.Correct, ID: r.ID, Disposition: winnow.BenignPositive, Actor: "ann", Only: true, Seq: seq,
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// scoreFile runs files, each in a state of its own and in two halves by time, and counts.
func scoreFile(t *testing.T, content string, files []string, feed feeder) score {
	t.Helper()
	s := score{labels: map[string]int{}, closers: map[string]*tally{}}
	for _, file := range files {
		labels := readLabels(t, file)
		g := newTester(t, content)
		if feed == nil {
			g.replay(t, file)
		} else {
			first, second := halves(t, file)
			g.replay(t, first)
			feed(t, g, labels)
			g.replay(t, second)
		}
		for _, r := range g.records(t) {
			s.count(r, labels[r.SID+"/"+r.RID])
		}
	}
	return s
}

func (s *score) count(r winnow.Record, label string) {
	s.rows++
	s.labels[label]++
	if r.Outcome.State != winnow.StateClosed {
		return
	}
	closer := string(r.Verdict.Source)
	if s.closers[closer] == nil {
		s.closers[closer] = &tally{}
	}
	switch label {
	case "benign":
		s.closers[closer].Benign++
	case "attack":
		s.closers[closer].Attack++
		s.hidden = append(s.hidden, fmt.Sprintf("%s %s/%s %s by %s", r.Time.Format(time.RFC3339), r.SID, r.RID, r.SearchName, r.Outcome.Actor))
	}
}

func (s *score) print(name string) {
	fmt.Printf("\n%s: %d alerts, %d benign, %d attack, %d unknown\n", name, s.rows, s.labels["benign"], s.labels["attack"], s.labels["unknown"])
	fmt.Printf("  %-10s %14s %10s %14s\n", "closer", "benign closed", "share", "attacks closed")
	for _, closer := range []string{"rule", "cache", "offline", "person"} {
		c := s.closers[closer]
		if c == nil {
			c = &tally{}
		}
		fmt.Printf("  %-10s %14d %9.1f%% %14d\n", closer, c.Benign, 100*float64(c.Benign)/float64(s.labels["benign"]), c.Attack)
	}
	for _, h := range s.hidden {
		fmt.Println("  closed attack:", h)
	}
}

// tester runs commands in one state folder.
type tester struct {
	*globals

	out bytes.Buffer
}

func newTester(t *testing.T, content string) *tester {
	t.Helper()
	app, err := filepath.Abs(filepath.Join("..", "..", "..", "packaging", "app"))
	if err != nil {
		t.Fatal(err)
	}
	g := &tester{}
	g.globals = &globals{
		console: &console{in: strings.NewReader(""), out: &g.out, err: io.Discard, getenv: func(string) string { return "" }, now: time.Now, quiet: true},
		app:     app, content: content, state: t.TempDir(), format: formatJSON,
	}
	if err := os.Chmod(g.state, 0o700); err != nil {
		t.Fatal(err)
	}
	return g
}

func testContent(t *testing.T, name string) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", "..", "..", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// replay triages a file and returns how many rows it had.
func (g *tester) replay(t *testing.T, file string) int {
	t.Helper()
	g.out.Reset()
	if err := g.triage(t.Context(), []string{file}, "", ""); err != nil {
		t.Fatal(err)
	}
	return bytes.Count(g.out.Bytes(), []byte("\n"))
}

func (g *tester) records(t *testing.T) []winnow.Record {
	t.Helper()
	l, err := ledger.OpenReadOnly(context.Background(), filepath.Join(g.state, "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	return g.recordsOf(t, l)
}

func (g *tester) recordsOf(t *testing.T, l *ledger.Ledger) (out []winnow.Record) {
	t.Helper()
	err := l.View(context.Background(), func(tx *ledger.Tx) error {
		ids, err := tx.IDs()
		if err != nil {
			return err
		}
		for _, id := range ids {
			r, err := tx.Record(id)
			if err != nil {
				return err
			}
			out = append(out, r)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

type labelled struct {
	SID, RID, Label string
	Time            int64 `json:"_time"`
}

// eachLine calls f with every line of a gzipped NDJSON file.
func eachLine(t *testing.T, path string, f func(line []byte, l labelled)) {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = file.Close() }()
	z, err := gzip.NewReader(file)
	if err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(z)
	lines.Buffer(nil, 32<<20)
	for lines.Scan() {
		var l labelled
		if err := json.Unmarshal(lines.Bytes(), &l); err != nil {
			t.Fatal(err)
		}
		f(lines.Bytes(), l)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

func readLabels(t *testing.T, path string) map[string]string {
	t.Helper()
	labels := map[string]string{}
	eachLine(t, path, func(_ []byte, l labelled) { labels[l.SID+"/"+l.RID] = l.Label })
	return labels
}

// halves splits a file at the middle of its time.
func halves(t *testing.T, path string) (first, second string) {
	t.Helper()
	var from, to int64
	eachLine(t, path, func(_ []byte, l labelled) {
		if from == 0 {
			from = l.Time
		}
		to = l.Time
	})
	var parts [2]bytes.Buffer
	eachLine(t, path, func(line []byte, l labelled) {
		half := &parts[0]
		if l.Time > (from+to)/2 {
			half = &parts[1]
		}
		half.Write(line)
		half.WriteByte('\n')
	})
	dir := t.TempDir()
	paths := [2]string{filepath.Join(dir, "first.ndjson"), filepath.Join(dir, "second.ndjson")}
	for i, p := range paths {
		if err := os.WriteFile(p, parts[i].Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return paths[0], paths[1]
}

// bench is a table of figures as `make bench` leaves them in build/bench.
type bench struct {
	name string
	rows []benchRow
}

type benchRow struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Against float64 `json:"against"`
	Ratio   float64 `json:"ratio"`
	Want    float64 `json:"want"`
	OK      bool    `json:"ok"`
}

func newBench(name string) *bench { return &bench{name: name} }

func (b *bench) add(name string, value float64, unit string, against, want float64, ok bool) {
	ratio := 0.0
	if against != 0 {
		ratio = value / against
	}
	b.rows = append(b.rows, benchRow{name, value, unit, against, ratio, want, ok})
}

func (b *bench) write(t *testing.T) {
	t.Helper()
	dir := filepath.Join("..", "..", "..", "build", "bench")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	data, err := json.MarshalIndent(b.rows, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, b.name+".json"), append(data, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}
