package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/packaging/demo"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

var updateGolden = flag.Bool("update", false, "rewrite the expected output in testdata")

// scriptNow is the time in the scripts: just after the alerts of the demo's samples.
var scriptNow = time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)

// TestScripts runs testdata/script/*.txt, in the format of the go command's own script tests: a
// list of commands, then the files that they work on, each after a line "-- NAME --". Every script
// starts in a folder of its own with the shipped app, the demo's rules and lists, the demo's
// sample alerts in samples.ndjson, and state/ with a secret that is always the same, so that ids
// are. The commands are:
//
//	exits CODE winnow ARG...     run winnow (or winnow_triage) in this process; exactly this exit code
//	exec winnow ARG...           the same, with exit code 0
//	stdin FILE                   what the next run reads on standard input
//	[!] stdout|stderr [-count=N] REGEXP   what the last run printed, line by line
//	[!] grep [-count=N] REGEXP FILE       the same for a file
//	cmp stdout|stderr|FILE WANT  the text is that of the file; with -update, WANT is rewritten
//	env NAME=VALUE               a variable, for winnow and for $NAME in the script
//	alert NAME RID               set $NAME to the id of the first alert with this rid
//	splunkd [FILE]               start a Splunk that has logged what the file says; $SPLUNKD is its options and
//	                             WINNOW_SPLUNK_TOKEN lets winnow in
//	tamper FILE SQL              change a ledger behind winnow's back
//	cp, mkdir, rm, chmod, exists, lock, unlock, command, gzip
func TestScripts(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("testdata", "script", "*.txt"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no scripts (%v)", err)
	}
	for _, path := range paths {
		path, err := filepath.Abs(path)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			s := newScript(t, path)
			s.run()
			if *updateGolden {
				s.update()
			}
		})
	}
}

// script is one script at work.
type script struct {
	*testing.T

	path     string
	commands []string
	files    []scriptFile
	changed  bool

	at             string // the command that runs, for failures
	env            map[string]string
	stdin          string
	stdout, stderr bytes.Buffer
	unlock         func() error
	splunk         *splunktest.Server
}

type scriptFile struct{ name, text string }

var fileMarker = regexp.MustCompile(`(?m)^-- (\S+) --\n`)

func newScript(t *testing.T, path string) *script {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	s := &script{T: t, path: path, env: map[string]string{}}
	head := string(text)
	marks := fileMarker.FindAllStringSubmatchIndex(head, -1)
	for i, m := range marks {
		end := len(text)
		if i+1 < len(marks) {
			end = marks[i+1][0]
		}
		s.files = append(s.files, scriptFile{head[m[2]:m[3]], head[m[1]:end]})
	}
	if len(marks) > 0 {
		head = head[:marks[0][0]]
	}
	s.commands = strings.Split(head, "\n")
	s.setUp()
	return s
}

// setUp lays out the folder.
func (s *script) setUp() {
	repo, err := filepath.Abs(filepath.Join("..", "..", ".."))
	s.check(err)
	dir, err := filepath.EvalSymlinks(s.TempDir())
	s.check(err)
	s.check(os.Chmod(dir, 0o700)) //nolint:gosec // a folder needs its x
	s.Chdir(dir)
	s.Setenv("CLICOLOR_FORCE", "") // no colours, whatever the tester's terminal likes
	for _, dir := range []string{"state", "state/spool", "state/spool/tmp", "state/spool/bad"} {
		s.check(os.MkdirAll(dir, 0o700))
	}
	s.check(os.CopyFS(filepath.Join("apps", "winnow"), os.DirFS(filepath.Join(repo, "packaging", "app"))))
	s.check(demo.WriteContent(filepath.Join("apps", "winnow_content"), scriptNow))
	samples, err := os.ReadFile(filepath.Join(repo, "packaging", "demo", "samples", "alerts.ndjson"))
	s.check(err)
	s.write("samples.ndjson", string(samples))
	for _, dir := range []string{"state", "enforced"} { // which alerts are sampled hangs on the secret
		s.write(dir+"/secret.key", strings.Repeat("k", 32))
		s.write(dir+"/audit.key", strings.Repeat("a", 32))
		s.write(dir+"/suspensions.json", `{"rules": {}, "verdicts": {}}`)
	}
	for _, f := range s.files {
		s.write(f.name, f.text)
	}
	s.env["WORK"], s.env["WINNOW_STATE"] = dir, filepath.Join(dir, "state")
}

func (s *script) write(name, text string) {
	s.Helper()
	s.check(os.MkdirAll(filepath.Dir(name), 0o700))
	s.check(os.WriteFile(name, []byte(text), 0o600))
}

func (s *script) run() {
	for i, line := range s.commands {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		s.at = fmt.Sprintf("%s:%d: %s", filepath.Base(s.path), i+1, line)
		words := s.words(line)
		not := words[0] == "!"
		if not {
			words = words[1:]
		}
		do := scriptCommands[words[0]]
		if do == nil {
			s.fail("no such command")
		}
		do(s, not, words[1:])
	}
	if s.unlock != nil {
		s.check(s.unlock())
	}
}

// words splits a line at blanks; a part in single quotes is one word, in which ” is a quote and
// $NAME is not replaced.
func (s *script) words(line string) (out []string) {
	var word strings.Builder
	quoted, some := false, false
	for i := 0; i <= len(line); i++ {
		switch {
		case i == len(line) || !quoted && line[i] == ' ':
			if some || word.Len() > 0 {
				out = append(out, word.String())
			}
			word.Reset()
			some = false
		case line[i] == '\'' && quoted && i+1 < len(line) && line[i+1] == '\'':
			word.WriteByte('\'')
			i++
		case line[i] == '\'':
			quoted, some = !quoted, true
		case line[i] == '$' && !quoted:
			name := variable.FindString(line[i+1:])
			word.WriteString(s.env[name])
			i += len(name)
		default:
			word.WriteByte(line[i])
		}
	}
	return out
}

var variable = regexp.MustCompile(`^\w+`)

func (s *script) fail(format string, args ...any) {
	s.Helper()
	s.Fatalf("%s\n%s\nstdout:\n%s\nstderr:\n%s", s.at, fmt.Sprintf(format, args...), &s.stdout, &s.stderr)
}

func (s *script) check(err error) {
	s.Helper()
	if err != nil {
		s.fail("%v", err)
	}
}

// text is what a word of the script stands for: the output of the last run, or a file.
func (s *script) text(name string) string {
	switch name {
	case "stdout":
		return s.stdout.String()
	case "stderr":
		return s.stderr.String()
	}
	text, err := os.ReadFile(name)
	s.check(err)
	return string(text)
}

// match is stdout, stderr and grep.
func (s *script) match(not bool, text string, args []string) {
	want := -1
	if n, ok := strings.CutPrefix(args[0], "-count="); ok {
		var err error
		want, err = strconv.Atoi(n)
		s.check(err)
		args = args[1:]
	}
	re, err := regexp.Compile("(?m)" + args[0])
	s.check(err)
	got := len(re.FindAllString(text, -1))
	switch {
	case not && got > 0:
		s.fail("%d matches, want none", got)
	case !not && want >= 0 && got != want:
		s.fail("%d matches, want %d", got, want)
	case !not && got == 0:
		s.fail("no match")
	}
}

// compare is cmp. The folder of the script is written as $WORK.
func (s *script) compare(got, name string) {
	got = strings.ReplaceAll(got, s.env["WORK"], "$WORK")
	if got == s.text(name) {
		return
	}
	i := slices.IndexFunc(s.files, func(f scriptFile) bool { return f.name == name })
	if *updateGolden && i >= 0 {
		s.files[i].text, s.changed = got, true
		return
	}
	s.fail("differs (-want +got):\n%s", cmp.Diff(s.text(name), got))
}

// update writes the script with the output that it got.
func (s *script) update() {
	if !s.changed {
		return
	}
	var out strings.Builder
	out.WriteString(strings.Join(s.commands, "\n"))
	for _, f := range s.files {
		fmt.Fprintf(&out, "-- %s --\n%s", f.name, f.text)
	}
	s.check(os.WriteFile(s.path, []byte(out.String()), 0o600))
}

func exists(name string) bool {
	_, err := os.Lstat(name)
	return !errors.Is(err, fs.ErrNotExist)
}
