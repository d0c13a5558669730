package rules

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

// folder writes files, by name, into a new folder.
func folder(t testing.TB, files map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		write(t, filepath.Join(dir, name), text)
	}
	return dir
}

func TestLoadLists(t *testing.T) {
	dir := folder(t, map[string]string{
		"users.txt":      "\xef\xbb\xbf# people\r\nann\r\n\r\n  bob  \r\nC#\r\n",
		"assets.csv":     "host,owner\nweb1,\"Ann, Bob\"\n# a comment\n\"db 1\",x,too,many\n,empty\n",
		"nets.txt":       "10.8.0.0/16\n2001:db8::/32\n203.0.113.9\n",
		"mapped.cidr":    "::ffff:192.0.2.0/120\n",
		"README.md":      "not a list",
		".hidden.txt":    "x",
		"below/deep.txt": "x",
	})
	ls, err := LoadLists(ListOptions{Folders: []string{dir, filepath.Join(dir, "absent")}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"assets", "mapped", "nets", "users"}, ls.Names()); diff != "" {
		t.Fatal(diff)
	}
	for _, c := range []struct {
		list, value string
		want        bool
	}{
		{"users", "ann", true}, {"users", "bob", true}, {"users", "C#", true}, {"users", "Ann", false}, {"users", "# people", false}, {"users", "", false},
		{"assets", "web1", true}, {"assets", "db 1", true}, {"assets", "host", false}, {"assets", "", false}, {"assets", "# a comment", false},
		{"nets", "10.8.3.4", true}, {"nets", "::ffff:10.8.3.4", true}, {"nets", "10.9.0.1", false}, {"nets", "10.8.0.0/16", true},
		{"nets", "203.0.113.9", true}, {"nets", "2001:db8::5", true}, {"nets", "garbage", false}, {"nets", "fe80::1%10.8.0.1", false}, {"nets", "", false},
		{"mapped", "192.0.2.77", true}, {"mapped", "192.0.3.1", false},
	} {
		if got, err := ls.Contains(c.list, c.value); err != nil || got != c.want {
			t.Errorf("%s holds %q: %v, %v, want %v", c.list, c.value, got, err, c.want)
		}
	}
	nets, err := ls.Get("nets")
	if err != nil || !nets.Networks() || nets.Len() != 3 || nets.Name() != "nets" || filepath.Base(nets.File()) != "nets.txt" {
		t.Errorf("nets: %+v, %v", nets, err)
	}
	if users, _ := ls.Get("users"); users.Networks() || len(users.Values()) != 3 {
		t.Errorf("users: %q", users.Values())
	}
	if _, err := ls.Get("user"); err == nil || !strings.Contains(err.Error(), `did you mean "lists.users"?`) {
		t.Errorf("unknown list: %v", err)
	}
	if _, err := ls.Contains("nobody", "x"); err == nil {
		t.Error("no error for an unknown list")
	}
}

// A list that cannot be trusted is known, holds nothing, and says why.
func TestBrokenLists(t *testing.T) {
	for _, c := range []struct{ file, text, want string }{
		{"l.txt", "", "is empty"},
		{"l.txt", "# only\n\n", "is empty"},
		{"l.csv", "value\n", "is empty"},
		{"l.csv", "", "is empty"},
		{"l.csv", "10.0.0.0/8,office\n10.1.0.0/16,lab\n", "want a header line"},
		{"l.csv", "a\n\"unclosed\n", "quote"},
		{"l.txt", "a\x00b\n", "not UTF-8 text"},
		{"l.txt", "\xff\xfe", "not UTF-8 text"},
		{"l.cidr", "10.0.0.0/8\n10.1.2.3/8\n", `line 2: "10.1.2.3/8" is not a network`},
	} {
		t.Run(c.want, func(t *testing.T) {
			ls, err := LoadLists(ListOptions{Folders: []string{folder(t, map[string]string{c.file: c.text})}})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("error %v, want %q", err, c.want)
			}
			l, err := ls.Get("l")
			if err == nil || l == nil || l.Err() == nil || l.Networks() {
				t.Fatalf("list %+v, %v", l, err)
			}
			for _, v := range []string{"a", "10.0.0.1", "10.0.0.0/8", ""} {
				if l.Contains(v) || l.cidr(v) != unknown || l.find(v) != unknown {
					t.Errorf("holds %q", v)
				}
			}
			if _, ok := ls.Info()["l"]; ok {
				t.Error("remembered as good")
			}
		})
	}
}

func TestListNames(t *testing.T) {
	dir := folder(t, map[string]string{"vpn-users.txt": "ann\n", "good.txt": "ann\n"})
	other := folder(t, map[string]string{"good.csv": "user\nbob\n"})
	ls, err := LoadLists(ListOptions{Folders: []string{dir, other}})
	if err == nil || !strings.Contains(err.Error(), `"vpn-users" cannot be written as lists.NAME`) || !strings.Contains(err.Error(), "is in two files") {
		t.Fatalf("got %v", err)
	}
	if holds, err := ls.Contains("good", "ann"); holds || err == nil {
		t.Errorf("a list in two files holds: %v, %v", holds, err)
	}
}

// Lists fail safe: what went missing or shrank since it was last good is not believed.
func TestShrinkGuard(t *testing.T) {
	good := map[string]ListInfo{"l": {Hash: "old", Size: 10}, "gone": {Hash: "old", Size: 3}}
	nine := strings.Repeat("x\n", 9)
	for _, c := range []struct {
		name   string
		lines  string
		shrink float64
		ok     bool
	}{
		{"as many", nine + "y\n", 0.5, true}, {"more", nine + nine, 0.5, true}, {"half", "a\nb\nc\nd\ne\n", 0.5, true},
		{"less than half", "a\nb\nc\nd\n", 0.5, false}, {"one less, none allowed", nine, 0, false}, {"nearly none, all allowed", "a\n", 1, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			ls, err := LoadLists(ListOptions{Folders: []string{folder(t, map[string]string{"l.txt": c.lines})}, Good: good, Shrink: c.shrink})
			if err == nil || !strings.Contains(err.Error(), `list "gone" is missing`) {
				t.Errorf("the missing list is not named: %v", err)
			}
			if _, err := ls.Get("l"); (err == nil) != c.ok {
				t.Errorf("error %v, want ok %v", err, c.ok)
			}
			info := ls.Info()
			if info["gone"] != good["gone"] || (info["l"] == good["l"]) == c.ok {
				t.Errorf("remembers %+v", info)
			}
		})
	}
}

func TestGoodFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lists.good.json")
	if good, err := ReadGood(path); err != nil || len(good) != 0 {
		t.Errorf("no file yet: %v, %v", good, err)
	}
	want := map[string]ListInfo{"l": {Hash: "abc", Size: 3}}
	for range 2 { // also over an old file
		if err := WriteGood(path, want); err != nil {
			t.Fatal(err)
		}
	}
	got, err := ReadGood(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if left, _ := os.ReadDir(filepath.Dir(path)); len(left) != 1 {
		t.Errorf("leaves %v", left)
	}
	write(t, path, "{damaged")
	if _, err := ReadGood(path); err == nil || !strings.Contains(err.Error(), "delete it") {
		t.Errorf("a damaged file is read: %v", err)
	}
	if err := WriteGood(filepath.Join(path, "x"), want); err == nil {
		t.Error("written below a file")
	}
}

// A rule that reads a list that cannot be trusted matches nothing, in either polarity, and says so.
func TestRuleWithBrokenList(t *testing.T) {
	ls, err := LoadLists(ListOptions{Folders: []string{folder(t, map[string]string{"admins.txt": "# none\n"})}})
	if err == nil {
		t.Fatal("the list is good")
	}
	for _, when := range []string{
		`event.user in lists.admins`, `event.user not in lists.admins`, `event.user == "ann" || event.user in lists.admins`,
		`cidr(event.user, lists.admins)`, `not any(lists.admins, # == event.user)`,
	} {
		set, err := Load(Options{Lists: ls, Now: fixedNow}, ruleWhen(t, when))
		if err != nil {
			t.Fatal(err)
		}
		r := set.Rules()[0]
		ok, err := r.Match(&winnow.Alert{Fields: winnow.Fields{"user": {"ann"}}})
		if ok || err == nil || r.ListError() == nil {
			t.Errorf("%s: matches %v, error %v", when, ok, err)
		}
		checks := slices.DeleteFunc(set.Check(), func(e *Error) bool { return e.Warning })
		if len(checks) != 1 || checks[0].Warning || !strings.Contains(checks[0].Message, "is empty") {
			t.Errorf("%s: check says %v", when, checks)
		}
	}
}

// A list that holds the network of all addresses allows everybody, and rules check says so.
func TestCheckWarnsOfListsOfEveryAddress(t *testing.T) {
	for text, want := range map[string]string{
		"10.8.0.0/16\n0.0.0.0/0\n": "0.0.0.0/0",
		"::/0\n":                   "::/0",
		"::ffff:0:0/96\n":          "::ffff:0:0/96",
		"10.0.0.0/8\n0.0.0.0\n":    "",
		"0.0.0.0/0\nann\n":         "", // a list of texts
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "ours.txt"), text)
		ls, err := LoadLists(ListOptions{Folders: []string{dir}})
		if err != nil {
			t.Fatal(err)
		}
		set, err := Load(Options{Lists: ls, Now: fixedNow}, ruleWhen(t, `event.user in lists.ours`))
		if err != nil {
			t.Fatal(err)
		}
		checks := set.Check()
		if want == "" && len(checks) == 0 {
			continue
		}
		message := fmt.Sprintf("lists.ours holds %q, which is every address", want)
		if len(checks) < 1 || !checks[0].Warning || checks[0].Rule != "r" || checks[0].Message != message {
			t.Errorf("%q: check says %v", text, checks)
		}
	}
}

func TestNilLists(t *testing.T) {
	var ls *Lists
	if ls.Names() != nil || ls.Info() != nil {
		t.Error("no lists have names")
	}
	var e *Error
	if _, err := ls.Get("x"); !errors.As(err, &e) {
		t.Errorf("got %v", err)
	}
}

// Every value that is kept is found.
func FuzzList(f *testing.F) {
	f.Add(".txt", "ann\n# no\nbob\n")
	f.Add(".csv", "user,x\nann,1\n\"b\"\"c\",2\n")
	f.Add(".json", `{"type": "hostname", "list": [".a.example", "b"]}`)
	f.Add(".json", `{"type": "hostname", "list": [".A.example", "b", "."]}`)
	f.Add(".json", `{"list": ["10.0.0.0/8", ""], "x": [{"type": 1}], "type": "cidr"}`)
	f.Add(".cidr", "10.0.0.0/8\n::1\n")
	f.Add(".txt", "0.0.0.0/0\n::ffff:1.2.3.4/96\n")
	f.Fuzz(func(t *testing.T, ext, text string) {
		switch ext {
		case ".txt", ".csv", ".cidr", ".json":
		default:
			return
		}
		path := filepath.Join(t.TempDir(), "l"+ext)
		write(t, path, text)
		l, _ := readList("l", path)
		if l.Err() != nil {
			return
		}
		if l.Len() == 0 {
			t.Error("an empty list is good")
		}
		for _, v := range l.Values() {
			if v == "" || !l.Contains(v) {
				t.Errorf("%q is kept and not found", v)
			}
		}
		for _, p := range l.networks {
			if l.Networks() && !l.Contains(p.Addr().String()) {
				t.Errorf("%v is kept and its address not found", p)
			}
		}
	})
}
