package splunk

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestTerm(t *testing.T) {
	tests := []struct{ value, want string }{
		{"scheduler__a_1", `orig_sid="scheduler__a_1"`},
		{`0" OR index=*`, ""},
		{`0" OR index=main`, `orig_sid="0\" OR index=main"`},
		{`a\`, `orig_sid="a\\"`},
		{`a\" | delete`, `orig_sid="a\\\" | delete"`},
		{"*", ""},
		{"", ""},
		{"a\nb", ""},
		{"a\x00", ""},
		{"\xff", ""},
		{strings.Repeat("x", 1025), ""},
	}
	for _, tt := range tests {
		got, err := term("orig_sid", tt.value)
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("term(%.20q) = %s, %v, want %s", tt.value, got, err, tt.want)
		}
	}
}

// FuzzTerm: whatever the value, the term is refused or is one quoted text whose meaning is the
// value.
func FuzzTerm(f *testing.F) {
	for _, seed := range []string{"a", `"`, `\`, `\"`, `" | delete`, "*", "`macro`", "[search]"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, err := term("f", value)
		if err != nil {
			return
		}
		inner := strings.TrimSuffix(strings.TrimPrefix(got, `f="`), `"`)
		if meaning, ended := unquote(inner); ended || meaning != value {
			t.Fatalf("term(%q) = %s means %q, ended early: %v", value, got, meaning, ended)
		}
		if strings.Contains(got, "*") {
			t.Fatalf("term(%q) = %s holds a wildcard", value, got)
		}
	})
}

// unquote reads the inside of a quoted text as Splunk does, and says whether a quote ends it.
func unquote(s string) (string, bool) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] == '"':
			return b.String(), true
		case s[i] == '\\' && i+1 < len(s):
			i++
		case s[i] == '\\':
			return b.String(), true
		}
		b.WriteByte(s[i])
	}
	return b.String(), false
}

func TestParseExport(t *testing.T) {
	rows, err := parseExport("search", []byte(`{"preview":true,"offset":0,"result":{"a":"old"}}
{"preview":false,"offset":0,"result":{"a":"1","b":["2","3"]}}
{"preview":false,"offset":1,"lastrow":true,"result":{"a":null}}
{"messages":[{"type":"INFO","text":"fine"}]}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Row{{"a": {"1"}, "b": {"2", "3"}}, {"a": {""}}}
	if diff := cmp.Diff(want, rows); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if rows[0].Get("a") != "1" || rows[0].Get("b") != "" || rows[0].Get("c") != "" {
		t.Error("Get must give the only value or nothing")
	}
}

func TestParseExportRefuses(t *testing.T) {
	tests := []struct {
		body string
		code Code
	}{
		{`{"preview":false,"result":{"a":"1"}}{"messages":[{"type":"FATAL","text":"died\nhalf-way"}]}`, CodeRefused},
		{`{"preview":false,"result":{"a":`, CodeBadAnswer},
		{`<html>`, CodeBadAnswer},
		{`{"result":{"a":{"b":1}}}`, CodeBadAnswer},
	}
	for _, tt := range tests {
		_, err := parseExport("search", []byte(tt.body))
		wantError(t, err, tt.code, true)
	}
}

// FuzzParseExport: never a panic; an answer cut anywhere inside its last line is an error or
// gives no row that the whole answer does not have.
func FuzzParseExport(f *testing.F) {
	f.Add([]byte(`{"preview":false,"result":{"a":"1","b":["2"]}}`), 5)
	f.Add([]byte(`{"result":{}}`+"\n"+`{"messages":[{"type":"ERROR","text":"x"}]}`), 3)
	f.Fuzz(func(t *testing.T, body []byte, at int) {
		whole, err := parseExport("search", body)
		if err != nil || len(body) == 0 {
			return
		}
		at = max(0, at) % len(body)
		part, err := parseExport("search", bytes.Clone(body[:at]))
		if err == nil && len(part) > len(whole) {
			t.Fatalf("%d rows of a cut answer, %d of the whole", len(part), len(whole))
		}
	})
}
