package rules

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestMatchGlob(t *testing.T) {
	for _, c := range []struct {
		pattern, text string
		want          bool
	}{
		{"", "", true}, {"", "a", false}, {"*", "", true}, {"*", "anything", true},
		{"a*", "abc", true}, {"a*", "ba", false}, {"*c", "abc", true}, {"*b*", "abc", true},
		{"a?c", "abc", true}, {"a?c", "ac", false}, {"a?c", "aéc", true}, {"?", "\xff", true},
		{"a*b*c", "a1b2b3c", true}, {"a*b*c", "a1b2b3", false}, {"**", "x", true},
		{`a\*`, "a*", true}, {`a\*`, "ab", false}, {`a\?`, "ab", false}, {`a\`, `a\`, true}, {`C:\\*`, `C:\Temp`, true},
		{"A*", "abc", false}, {"\xff", "\xfe", false},
	} {
		if got := matchGlob(c.pattern, c.text); got != c.want {
			t.Errorf("glob(%q, %q) = %v, want %v", c.text, c.pattern, got, c.want)
		}
	}
}

// The work of a glob is bounded by the product of the lengths, whatever the stars.
func TestMatchGlobHostile(t *testing.T) {
	start := time.Now()
	if matchGlob(strings.Repeat("*a", 50)+"b", strings.Repeat("a", maxMatchBytes)) {
		t.Error("matches")
	}
	if d := time.Since(start); d > 5*time.Second {
		t.Errorf("took %v", d)
	}
}

func TestGlobMatchesWhatItIsMadeFrom(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOf(rapid.String()).Draw(t, "parts")
		fill := rapid.String().Draw(t, "fill")
		quoted := make([]string, len(parts))
		for i, p := range parts {
			quoted[i] = strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`).Replace(p)
		}
		if pattern, text := strings.Join(quoted, "*"), strings.Join(parts, fill); !matchGlob(pattern, text) {
			t.Fatalf("glob(%q, %q) is false", text, pattern)
		}
	})
}

func TestNearest(t *testing.T) {
	names := []string{"user", "src", "src_user", "process_name", "dest"}
	for word, want := range map[string]string{
		"usr": "user", "User": "user", "users": "user", "srcc": "src", "porcess_name": "process_name",
		"process_nmae": "process_name", "vendor_code": "", "x": "", "": "",
	} {
		if got := nearest(word, slices.Values(names)); got != want {
			t.Errorf("nearest(%q) = %q, want %q", word, got, want)
		}
	}
}

func TestSlips(t *testing.T) {
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"abc", "abc", 0}, {"abc", "acb", 1}, {"abc", "abd", 1}, {"kitten", "sitting", 3}} {
		if got := slips(c.a, c.b); got != c.want {
			t.Errorf("slips(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
	}
}

func TestErrorDetail(t *testing.T) {
	e := &Error{File: "rules/dns.yaml", Line: 12, Column: 3, Rule: "scanner", Message: "unknown field", Hint: "try x", Source: "\tà\x1b[31mb"}
	want := "rules/dns.yaml:12:3: rule \"scanner\": unknown field (try x)\n    \tà\uFFFD[31mb\n    \t ^"
	if got := e.Detail(); got != want {
		t.Errorf("got\n%q, want\n%q", got, want)
	}
	long := &Error{File: "f", Line: 1, Column: 901, Source: strings.Repeat("x", 900) + "!" + strings.Repeat("y", 900)}
	lines := strings.Split(long.Detail(), "\n")
	if len(lines) != 3 || len(lines[1]) > maxSourceLine+4 || lines[1][strings.Index(lines[2], "^")] != '!' {
		t.Errorf("a long line is shown as\n%s", long.Detail())
	}
	if got := (&Error{File: "f", Message: "m"}).Detail(); got != "f: m" {
		t.Errorf("without a place: %q", got)
	}
}

func TestErrors(t *testing.T) {
	a, b := &Error{Message: "a"}, &Error{Message: "b"}
	plain := errors.New("plain")
	got := Errors(errors.Join(a, fmt.Errorf("wrapped: %w", b), plain))
	if len(got) != 3 || got[0] != a || got[1] != b || got[2].Message != "plain" {
		t.Errorf("got %v", got)
	}
	if Errors(nil) != nil {
		t.Error("nil holds errors")
	}
}

func TestPlainDecimal(t *testing.T) {
	for text, want := range map[string]float64{"0": 0, "-2.5": -2.5, "007": 7, "123456789012345": 123456789012345, "0.5": 0.5} {
		if got, ok := plainDecimal(text); !ok || got != want {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "-", "+5", "1e3", "0x10", "1_000", " 1", "1 ", ".5", "5.", "1,5", "NaN", "Inf", "1234567890123456", "١"} {
		if got, ok := plainDecimal(text); ok {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}

func TestAge(t *testing.T) {
	const now = 1000.0
	for _, c := range []struct {
		text string
		want float64
		ok   bool
	}{
		{"900", 100, true}, {"1000", 0, true}, {"1000.5", 0, false}, {"1970-01-01T00:00:10Z", 990, true},
		{"1970-01-01T01:00:10+01:00", 990, true}, {"-5", 0, false}, {"yesterday", 0, false},
		{"1969-12-31T23:59:59Z", 0, false}, {"99999999999999", 0, false}, {strings.Repeat("1", 50), 0, false},
	} {
		if got, ok := age(c.text, now); ok != c.ok || got != c.want {
			t.Errorf("age(%q) = %v, %v, want %v, %v", c.text, got, ok, c.want, c.ok)
		}
	}
}

func TestParseNetwork(t *testing.T) {
	for text, want := range map[string]string{
		"10.0.0.0/8": "10.0.0.0/8", "203.0.113.9": "203.0.113.9/32", "::ffff:10.0.0.0/104": "10.0.0.0/8",
		"::ffff:10.8.0.4": "10.8.0.4/32", "2001:db8::/32": "2001:db8::/32",
	} {
		if got, ok := parseNetwork(text); !ok || got.String() != want {
			t.Errorf("%q: %v, %v", text, got, ok)
		}
	}
	for _, text := range []string{"", "10.1.2.3/8", "10.0.0.0/33", "010.0.0.1", "fe80::1%eth0", "host", "10.0.0", "10.0.0.0/08"} {
		if got, ok := parseNetwork(text); ok {
			t.Errorf("%q is read as %v", text, got)
		}
	}
}
