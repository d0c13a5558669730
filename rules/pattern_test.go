package rules

import (
	"bytes"
	"regexp"
	"strings"
	"testing"
)

func TestPatternLooksFirst(t *testing.T) {
	for _, c := range []struct {
		re   string
		want string // the needles of each part
	}{
		{`^abc`, "abc"}, {`(?i)ABC`, "abc"}, {`a|bc`, ""}, {`ab|cd`, "ab cd"}, {`(foo|bar)+x?`, "foo bar"},
		{`x*`, ""}, {`(abc)?`, ""}, {`.*`, ""}, {`vss.*(delete|resize)\s+shadow`, "vss + delete resize + shadow"}, {`é+abc`, "abc"}, {`É`, ""},
	} {
		p, err := newPattern(c.re)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, part := range p.parts {
			got = append(got, string(bytes.Join(part, []byte(" "))))
		}
		if strings.Join(got, " + ") != c.want {
			t.Errorf("%s: needles %q, want %q", c.re, got, c.want)
		}
	}
}

func TestPatternIsCompiledWhenNeeded(t *testing.T) {
	p, err := newPattern(`(?i)mimikatz`)
	if err != nil {
		t.Fatal(err)
	}
	if p.match("notepad.exe") || p.re != nil {
		t.Error("compiled for a text that is not near")
	}
	for _, text := range []string{"MimiKatz.exe", "mimi\u212Aatz"} { // the Kelvin sign folds to k
		if !p.match(text) {
			t.Errorf("%q does not match", text)
		}
	}
}

// The first look never hides a match.
func FuzzPattern(f *testing.F) {
	f.Add(`(?i)(foo|ba+r)baz`, "xxFOObazzz")
	f.Add(`(?i)k`, "\u212A")
	f.Add(`a{2,3}b|(cd)?`, "aab")
	f.Add(`(?s)^.*\bnc(\.exe)?\s.*-(e|c)`, "nc -e sh")
	f.Fuzz(func(t *testing.T, re, text string) {
		if len(re) > 200 || len(text) > 1000 {
			return
		}
		p, err := newPattern(re)
		if err != nil {
			return
		}
		if got, want := p.match(text), regexp.MustCompile(re).MatchString(text); got != want {
			t.Errorf("%q matches %q: %v, want %v", re, text, got, want)
		}
	})
}
