package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"
)

// FuzzPlain: whatever an alert says, nothing of it moves the cursor or turns the text around.
func FuzzPlain(f *testing.F) {
	for _, s := range []string{"", "ann", "\x1b[2J", "\u009b31m", "\x9b31m", "a\u202eb\u2066c", "line\r\nline", "\x00\x7f", "tab\t"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for _, got := range []string{plain(s), oneLine(s, 20)} {
			if !utf8.ValidString(got) {
				t.Errorf("%q becomes %q, which is not UTF-8", s, got)
			}
			if i := strings.IndexFunc(got, func(r rune) bool { return control(r) && r != '\n' && r != '\t' }); i >= 0 {
				t.Errorf("%q becomes %q", s, got)
			}
		}
		if got := oneLine(s, 20); strings.ContainsAny(got, "\n\t") || utf8.RuneCountInString(got) > 20 {
			t.Errorf("%q on one line is %q", s, got)
		}
		if clean := strings.Map(func(r rune) rune { return 'x' }, s); plain(clean) != clean {
			t.Errorf("harmless text was changed: %q", clean)
		}
	})
}

// FuzzEscapeControls: JSON keeps its meaning and holds nothing that a terminal obeys.
func FuzzEscapeControls(f *testing.F) {
	for _, s := range []string{"ann", "\u009b31m", "\x7f", "a\u202eb", "\\u009b", "\x1b[2J", "é€😀"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		body, err := json.Marshal(map[string]string{s: s})
		if err != nil {
			t.Skip(err)
		}
		got := escapeControls(body)
		if bytes.ContainsFunc(got, control) {
			t.Errorf("%q is printed as %s", s, got)
		}
		var want, back map[string]string
		if err := errors.Join(json.Unmarshal(body, &want), json.Unmarshal(got, &back)); err != nil || fmt.Sprint(want) != fmt.Sprint(back) {
			t.Errorf("%s became %s (%v)", body, got, err)
		}
	})
}

// FuzzCSV: a table is read back as it was, but for the mark before a formula.
func FuzzCSV(f *testing.F) {
	for _, s := range []string{"ann", "=1+1", "+1", "-1", "@SUM(A1)", "\t=1", " =1", "\r=1", "\n=1", "＝1", "'=1", `a"b`, "a,b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var out bytes.Buffer
		c := &console{out: &out}
		g := &grid{head: []string{"a", "b"}}
		g.add(s, "end")
		if err := c.csv(g); err != nil {
			t.Fatal(err)
		}
		rows, err := csv.NewReader(&out).ReadAll()
		if err != nil || len(rows) != 2 || len(rows[1]) != 2 {
			t.Fatalf("%q gives %q (%v)", s, rows, err)
		}
		cell := rows[1][0]
		if strings.TrimPrefix(cell, "'") != strings.TrimPrefix(plain(s), "'") {
			t.Errorf("%q came back as %q", s, cell)
		}
		if strings.ContainsAny(strings.TrimLeft(cell, " \t\n")[:min(1, len(strings.TrimLeft(cell, " \t\n")))], "=+-@") {
			t.Errorf("%q would run: %q", s, cell)
		}
	})
}

func TestErrorsSayTheWayOutOnALineOfItsOwn(t *testing.T) {
	for _, c := range []struct {
		err  error
		code int
		want string
	}{
		{nil, exitOK, ""},
		{errors.New("disk full"), exitCannot, "winnow: disk full\n"},
		{failed("%d tests failed", 2), exitFailed, "winnow: 2 tests failed\n"},
		{usage(errors.New("no file"), "name one", "or give -"), exitUsage, "winnow: no file\nhint: name one\nhint: or give -\n"},
		{fmt.Errorf("read: %w", usage(errors.New("a \x1b[31mred\u202e name"))), exitUsage, "winnow: read: a \\u001b[31mred\\u202e name\n"},
	} {
		var out bytes.Buffer
		if code := (&console{err: &out}).report(c.err); code != c.code || out.String() != c.want {
			t.Errorf("%v: code %d, want %d; printed %q, want %q", c.err, code, c.code, out.String(), c.want)
		}
	}
}

func TestThings(t *testing.T) {
	for n, want := range map[int]string{0: "0 rules", 1: "1 rule", 2: "2 rules"} {
		if got := things(n, "rule", "rules"); got != want {
			t.Errorf("%d: %q", n, got)
		}
	}
}
