package conf_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/plugin/conf"
)

// stanzas shows a file as plain maps.
func stanzas(f *conf.File) map[string]map[string]string {
	out := map[string]map[string]string{}
	for _, name := range f.Stanzas() {
		out[name] = map[string]string{}
		for _, key := range f.Keys(name) {
			out[name][key], _ = f.Get(name, key)
		}
	}
	return out
}

type texts = map[string]map[string]string

func TestParseReadsWhatSplunkReads(t *testing.T) {
	for name, tt := range map[string]struct {
		text string
		want texts
	}{
		"stanza and key":                  {"[a]\nk = v\n", texts{"a": {"k": "v"}}},
		"no line break at the end":        {"[a]\nk = v", texts{"a": {"k": "v"}}},
		"no spaces":                       {"[a]\nk=v", texts{"a": {"k": "v"}}},
		"white space around":              {"  [ a ]\t\n\t k \t=  v  \t\n", texts{"a": {"k": "v"}}},
		"Windows line breaks":             {"[a]\r\nk = v\r\n", texts{"a": {"k": "v"}}},
		"byte order mark":                 {"\xef\xbb\xbf[a]\nk = v", texts{"a": {"k": "v"}}},
		"comments":                        {"# one\n[a]\n  # two = 2\nk = v", texts{"a": {"k": "v"}}},
		"comment with a backslash":        {"[a]\n# two \\\nk = v", texts{"a": {"k": "v"}}},
		"hash in a value":                 {"[a]\nk = v # no comment", texts{"a": {"k": "v # no comment"}}},
		"signs in a value":                {"[a]\nk = `m(\"x\")` | eval a=1; b='%' ]", texts{"a": {"k": "`m(\"x\")` | eval a=1; b='%' ]"}}},
		"quotes stay":                     {"[a]\nk = \" v \"", texts{"a": {"k": "\" v \""}}},
		"continued":                       {"[a]\nk = one \\\n  two\\\nthree\nl = 1", texts{"a": {"k": "one \n  two\nthree", "l": "1"}}},
		"continued with Windows breaks":   {"[a]\r\nk = one\\\r\ntwo\r\n", texts{"a": {"k": "one\ntwo"}}},
		"continued by a comment":          {"[a]\nk = one\\\n# two", texts{"a": {"k": "one\n# two"}}},
		"continued by a stanza":           {"[a]\nk = one\\\n[b]", texts{"a": {"k": "one\n[b]"}}},
		"continued by nothing":            {"[a]\nk = one\\", texts{"a": {"k": "one"}}},
		"backslash and a space":           {"[a]\nk = c:\\ \nl = 1", texts{"a": {"k": "c:\\", "l": "1"}}},
		"empty value":                     {"[a]\nk =\n", texts{"a": {"k": ""}}},
		"keys before a stanza":            {"k = v\n[a]\n", texts{"default": {"k": "v"}, "a": {}}},
		"last value counts":               {"[a]\nk = 1\nk = 2", texts{"a": {"k": "2"}}},
		"stanza opened twice":             {"[a]\nk = 1\n[b]\n[a]\nl = 2", texts{"a": {"k": "1", "l": "2"}, "b": {}}},
		"names are case-sensitive":        {"[a]\nk = 1\nK = 2\n[A]\nk = 3", texts{"a": {"k": "1", "K": "2"}, "A": {"k": "3"}}},
		"brackets in a stanza":            {"[search:x [y] ] z]\nk = v", texts{"search:x [y] ] z": {"k": "v"}}},
		"slashes and colons in a stanza":  {"[source::/var/log/*.log]\nk = v", texts{"source::/var/log/*.log": {"k": "v"}}},
		"equal sign in a stanza":          {"[search:a=b]\nk = v", texts{"search:a=b": {"k": "v"}}},
		"text that is not UTF-8 survives": {"[a]\nk = \xff\xfe", texts{"a": {"k": "\xff\xfe"}}},
		"nothing":                         {"", texts{}},
	} {
		t.Run(name, func(t *testing.T) {
			f, err := conf.Parse("x.conf", strings.NewReader(tt.text))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, stanzas(f)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestParseNamesEveryBadLine(t *testing.T) {
	f, err := conf.Parse("x.conf", strings.NewReader("[a]\ngood = 1\nno pair\n= v\n[b\nk = v\n[]\n[c]x\n[d\\\ne]\nk\\\nl = 1\n[a]\nlast = 1"))
	want := strings.Join([]string{
		"x.conf:3: [a]: want [stanza], key = value or # comment",
		"x.conf:4: [a]: value without a key",
		"x.conf:5: [a]: stanza without its closing ]",
		"x.conf:7: stanza without a name",
		"x.conf:8: stanza without its closing ]",
		"x.conf:9: stanza name of more than one line",
		"x.conf:11: key of more than one line",
	}, "\n")
	if err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if diff := cmp.Diff(texts{"a": {"good": "1", "last": "1"}}, stanzas(f)); diff != "" {
		t.Errorf("the good lines (-want +got):\n%s", diff)
	}
}

func TestParseBoundsTheFile(t *testing.T) {
	_, err := conf.Parse("x.conf", bytes.NewReader(bytes.Repeat([]byte("# x\n"), 1<<21)))
	if err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("an endless file gave %v", err)
	}
	_, err = conf.Parse("x.conf", failing{})
	if !errors.Is(err, errBroken) {
		t.Errorf("a broken reader gave %v", err)
	}
}

var errBroken = errors.New("broken")

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errBroken }

func TestGetInheritsFromDefault(t *testing.T) {
	f, err := conf.Parse("x.conf", strings.NewReader("both = d\nonly = d\n[a]\nboth = a"))
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		stanza, key, want string
		ok                bool
	}{
		{"a", "both", "a", true}, {"a", "only", "d", true}, {"default", "only", "d", true},
		{"a", "none", "", false}, {"b", "only", "", false},
	} {
		if got, ok := f.Get(tt.stanza, tt.key); got != tt.want || ok != tt.ok {
			t.Errorf("[%s] %s is %q, %v; want %q, %v", tt.stanza, tt.key, got, ok, tt.want, tt.ok)
		}
	}
	if v, _ := f.Lookup("a", "both"); v.String() != "x.conf:4" {
		t.Errorf("[a] both is at %s, want x.conf:4", v)
	}
	if f.Keys("b") != nil {
		t.Error("a stanza that is not there has keys")
	}
	if _, ok := f.At("b"); ok {
		t.Error("a stanza that is not there has a place")
	}
}

// FuzzParse holds the parser to its one promise: what it has read, it reads again from what it
// writes; and every complaint has a place.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"[a]\nk = v\n", "k=v\\\n w\\\n\n[b]", "[a]\nk = x\\\\\n\n", "\xef\xbb\xbf[a]\r\nk = 1\r\n", "[", "]", "[a\\\n]", "\\\n#a=b",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		file, err := conf.Parse("x.conf", bytes.NewReader(data))
		if err != nil && !strings.HasPrefix(err.Error(), "x.conf:") {
			t.Fatalf("error without a place: %v", err)
		}
		text := file.Format()
		again, err := conf.Parse("x.conf", bytes.NewReader(text))
		if err != nil {
			t.Fatalf("%q was written as %q, which does not parse: %v", data, text, err)
		}
		if !file.Equal(again) {
			t.Fatalf("%q was written as %q:\n%s", data, text, cmp.Diff(stanzas(file), stanzas(again)))
		}
	})
}
