package rules

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func loadOne(t *testing.T, file, text string) (*List, error) {
	t.Helper()
	dir := t.TempDir()
	write(t, filepath.Join(dir, file), text)
	lists, err := LoadLists(ListOptions{Folders: []string{dir}})
	if names := lists.Names(); len(names) == 1 {
		l, _ := lists.Get(names[0])
		return l, err
	}
	return nil, err
}

func TestWarninglist(t *testing.T) {
	for _, test := range []struct {
		file, text string
		name       string
		in, out    string
		networks   bool
	}{
		{"public-dns.json", `{"name": "DNS", "type": "cidr", "list": ["192.0.2.0/24", "2001:db8::1"], "version": 1}`, "public_dns", "192.0.2.9", "192.0.3.1", true},
		{"top.json", `{"list": [".Example.ORG", "a.example"], "type": "hostname"}`, "top", "example.org", "www.example.org", false},
		{"words.json", "\ufeff" + `{"type": "string", "list": ["Ann", " bob ", ""], "matching_attributes": ["x", {"y": [1]}]}`, "words", "bob", "ann", false},
	} {
		l, err := loadOne(t, test.file, test.text)
		if err != nil || l == nil || l.Name() != test.name || !l.Contains(test.in) || l.Contains(test.out) || l.Networks() != test.networks {
			t.Errorf("%s: %+v, %v", test.file, l, err)
		}
	}
}

func TestWarninglistRefuses(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{`{"type": "substring", "list": ["x"]}`, "its type is substring, and a value list is asked to the letter (write the values into a condition, with contains)"},
		{`{"type": "regex", "list": ["x"]}`, "with matches)"},
		{`{"type": "wildcard", "list": ["x"]}`, `its type is "wildcard", want string, hostname or cidr`},
		{`{"list": ["x"]}`, "a .json list is a MISP warning list"},
		{`{"type": "string"}`, "a .json list is a MISP warning list"},
		{`["x"]`, "a .json list is a MISP warning list"},
		{`{"type": "string", "list": {"a": 1}}`, "list must be a list of texts"},
		{"{\"type\": \"string\",\n\"list\": [\"a\",\n5]}", "line 3: list must be a list of texts"},
		{`{"type": "string", "list": ["a"], "list": ["b"]}`, `key "list" is there twice`},
		{`{"type": "string", "list": ["a"`, "line 1: "},
		{`{"type": "string", "list": ["a"]} x`, "something follows"},
		{`{"type": "string", "list": []}`, "is empty"},
		{"{\"type\": \"cidr\", \"list\": [\n\"10.0.0.0/8\",\n\"10.0.0.1/8\"]}", `line 3: "10.0.0.1/8" is not a network or an address`},
		{"", "a .json list is a MISP warning list"},
		{`{"type": "string", "list": ["` + "\xff" + `"]}`, "not UTF-8 text"},
	} {
		l, err := loadOne(t, "l.json", test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) || l == nil || l.Err() == nil || l.Contains("a") {
			t.Errorf("%s: %v, want %q", test.text, err, test.want)
		}
	}
	if _, err := loadOne(t, "9-lives.json", "{}"); err == nil || !strings.Contains(err.Error(), "cannot be written as lists.NAME") {
		t.Errorf("got %v", err)
	}
}

// The real lists: those of the types that lists can be all load, the others say why not.
func TestWarninglistsOfTheWorld(t *testing.T) {
	dir := filepath.Join("..", "..", "shared", "data", "warninglists")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("no warning lists beside the project")
	}
	lists, err := LoadLists(ListOptions{Folders: []string{dir}})
	bad := Errors(err)
	values := 0
	for _, name := range lists.Names() {
		if l, err := lists.Get(name); err == nil {
			values += l.Len()
		}
	}
	t.Logf("%d of %d lists load, with %d values", len(lists.Names())-len(bad), len(lists.Names()), values)
	for _, e := range bad {
		t.Log(e)
		if !strings.Contains(e.Message, "its type is substring") && !strings.Contains(e.Message, "its type is regex") {
			t.Errorf("refused: %v", e)
		}
	}
	if len(bad) != 5 || !slices.Contains(lists.Names(), "public_dns_v4") {
		t.Errorf("%d lists are refused, want 5; names %v", len(bad), lists.Names())
	}
}
