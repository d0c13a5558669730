package rules

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
)

func TestFilter(t *testing.T) {
	a := &winnow.Alert{SearchName: "Port Scan", Severity: winnow.SeverityMedium, Fields: winnow.Fields{"src": {"10.0.0.1", "192.0.2.1"}, "user": {"ann"}}}
	for text, want := range map[string]bool{
		`event.user == "ann"`:                            true,
		`event.user == "bob"`:                            false,
		`event.dest == "bob"`:                            false, // missing is unknown
		`cidr(event.src, "10.0.0.0/8")`:                  true,  // any value is enough
		`alert.severity == "medium"`:                     true,
		`event.user == "ann" && has(event.src)`:          true,
		`not (event.action == "success")`:                false,
		`event.user == event.src`:                        false,
		"event.user == \"x\" ||\n event.user == \"ann\"": true,
	} {
		f, err := NewFilter("--only", text, Options{})
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		if got := f.Match(a); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

func TestFilterSaysWhereItIsWrong(t *testing.T) {
	for text, want := range map[string]string{
		``:                                   "--only:1:1: ",
		`event.user = "ann"`:                 "--only:1:12: ",
		"event.user == \"a\" &&\n evnt.user": "--only:2:2: ",
		`event.user in lists.nosuch`:         "nosuch",
		strings.Repeat("(", 20_000):          "longer than 16 KiB",
	} {
		_, err := NewFilter("--only", text, Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.40s: %v, want %q", text, err, want)
		}
	}
}

func FuzzNewFilter(f *testing.F) {
	f.Add(`event.user == "ann"`)
	f.Add("event.x\n= 1")
	f.Add("\u212a == \xff")
	a := &winnow.Alert{Fields: winnow.Fields{"user": {"ann"}}, Time: time.Unix(0, 0)}
	f.Fuzz(func(_ *testing.T, text string) {
		if filter, err := NewFilter("--only", text, Options{}); err == nil {
			filter.Match(a)
		}
	})
}

func TestListsWithout(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"nets.csv":  "address,site\n10.0.0.0/8,a\n192.0.2.1,b\n2001:db8::/32,c\n",
		"users.txt": "ann\nbob\n",
		"one.txt":   "x\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	all, err := LoadLists(ListOptions{Folders: []string{dir}})
	if err != nil {
		t.Fatal(err)
	}
	less := all.Without(map[string][]string{"nets": {"192.0.2.1/32", "2001:0db8::/32"}, "users": {"ann", "nobody"}, "one": {"x"}, "none": {"y"}})
	for _, c := range []struct {
		list, value        string
		before, afterwards bool
	}{
		{"nets", "10.1.1.1", true, true},
		{"nets", "192.0.2.1", true, false},
		{"nets", "2001:db8::1", true, false},
		{"users", "ann", true, false},
		{"users", "bob", true, true},
		{"one", "x", true, false},
	} {
		before, _ := all.Contains(c.list, c.value)
		after, _ := less.Contains(c.list, c.value)
		if before != c.before || after != c.afterwards {
			t.Errorf("%s holds %s: %v and %v, want %v and %v", c.list, c.value, before, after, c.before, c.afterwards)
		}
	}
	if l, err := less.Get("one"); l == nil || err == nil {
		t.Error("a list without a value can be trusted")
	}
	if !slices.Equal(all.Names(), less.Names()) {
		t.Errorf("the lists are %v", less.Names())
	}
	if nets, _ := all.Get("nets"); !nets.Holds("192.0.2.1/32") || nets.Holds("10.0.0.1") {
		t.Error("Holds means the very value")
	}
	if (*Lists)(nil).Without(map[string][]string{"a": {"b"}}) != nil {
		t.Error("no lists became some")
	}
}
