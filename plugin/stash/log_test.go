package stash_test

import (
	"bytes"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/winnow-soc/winnow/plugin/stash"
)

// pieces counts the writes it gets.
type pieces struct{ all []string }

func (p *pieces) Write(b []byte) (int, error) {
	p.all = append(p.all, string(b))
	return len(b), nil
}

func TestLoggerWritesSplunksLevels(t *testing.T) {
	var out pieces
	log := stash.NewLogger(&out, "r1")
	log.Info("started")
	row := log.With("scheduler__ann_1", "0")
	row.Debug("%d fields", 3)
	row.Warn("odd")
	row.Error("cannot read %q", `a"b`)
	log.With("", "").Info("no sid")
	want := "INFO run=r1 started\n" +
		"DEBUG run=r1 sid=scheduler__ann_1 rid=0 3 fields\n" +
		"WARN run=r1 sid=scheduler__ann_1 rid=0 odd\n" +
		`ERROR run=r1 sid=scheduler__ann_1 rid=0 cannot read "a\"b"` + "\n" +
		"INFO run=r1 sid=\"\" no sid\n"
	if got := strings.Join(out.all, ""); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
	if len(out.all) != 5 {
		t.Errorf("%d writes for 5 lines", len(out.all))
	}
}

func TestLoggerShowsWhatWouldHide(t *testing.T) {
	var out bytes.Buffer
	stash.NewLogger(&out, "r1").With("a b\nERROR", `"`).Info("user %s", "x\nERROR forged\x1b[2K\u202e\u2028\xff\té漢")
	want := `INFO run=r1 sid="a b\nERROR" rid="\"" user x\nERROR forged\x1b[2K\u202e\u2028\ufffd\té漢` + "\n"
	if out.String() != want {
		t.Errorf("got  %qwant %q", out.String(), want)
	}
}

func TestLoggerCutsLongLinesAndSaysSo(t *testing.T) {
	var out bytes.Buffer
	stash.NewLogger(&out, "r1").Error("%s", strings.Repeat("é", 10_000))
	line := out.String()
	if len(line) > 4096 || !strings.HasSuffix(line, "... (cut)\n") || !strings.HasPrefix(line, "ERROR run=r1 éé") {
		t.Errorf("%d bytes: %.20q ... %q", len(line), line, line[len(line)-20:])
	}
}

func TestLoggersShareOneWriter(t *testing.T) {
	var out pieces // not safe for concurrent use by itself
	log := stash.NewLogger(&out, "r1")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { log.With("s", "1").Info("x") })
	}
	wg.Wait()
	if len(out.all) != 8 {
		t.Errorf("%d lines of 8", len(out.all))
	}
}

var logLine = regexp.MustCompile(`^INFO run=r1 sid=("(\\.|[^"\\])*"|[^ "]+) rid=("(\\.|[^"\\])*"|[^ "]+) [^\n\r]*\n$`)

// FuzzLogger promises one line for one call, whose level, run, sid and rid nobody can forge.
func FuzzLogger(f *testing.F) {
	f.Add("sid", "0", "text")
	f.Add("\n", `\`, "\r\nERROR x")
	f.Fuzz(func(t *testing.T, sid, rid, text string) {
		var out bytes.Buffer
		if rid == "" || len(sid)+len(rid) > 500 {
			return
		}
		stash.NewLogger(&out, "r1").With(sid, rid).Info("%s", text)
		if !logLine.Match(out.Bytes()) {
			t.Fatalf("%q", out.String())
		}
	})
}
