package cache_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
)

func testKeys(t testing.TB, secret string) *winnow.Keys {
	t.Helper()
	k, err := winnow.NewKeys([]byte(strings.Repeat(secret, winnow.KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func testTable(t testing.TB) *winnow.FieldTable {
	t.Helper()
	f, err := os.Open("../packaging/app/default/fields.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := f.Close(); err != nil {
			t.Error(err)
		}
	}()
	var table winnow.FieldTable
	if err := table.Read("fields.csv", f); err != nil {
		t.Fatal(err)
	}
	return &table
}

func travel(edit func(a *winnow.Alert)) *winnow.Alert {
	a := &winnow.Alert{
		ID: "01J", Key: winnow.Key{Host: "h", SID: "scheduler__1", RID: "0", MAC: "m"},
		SearchName: "Impossible Travel", App: "search", Severity: winnow.SeverityMedium,
		Fields: winnow.Fields{
			"_time": {"1767225600"}, "src": {"10.8.0.4"}, "user": {"ann"}, "src_port": {"40312"},
			"process": {"sshd"}, "bytes_out": {"500"},
		},
	}
	if edit != nil {
		edit(a)
	}
	return a
}

func TestKeyIsThatOfTheSameAlertAgain(t *testing.T) {
	k, table := testKeys(t, "k"), testTable(t)
	want := cache.KeyOf(k, table, travel(nil))
	for name, edit := range map[string]func(a *winnow.Alert){
		"time":            func(a *winnow.Alert) { a.Fields["_time"] = []string{"1767229200"} },
		"source port":     func(a *winnow.Alert) { a.Fields["src_port"] = []string{"1"} },
		"no source port":  func(a *winnow.Alert) { delete(a.Fields, "src_port") },
		"one more id":     func(a *winnow.Alert) { a.Fields["event_id"] = []string{"x"} },
		"row of a search": func(a *winnow.Alert) { a.Key.RID, a.Key.MAC, a.ID = "7", "n", "01K" },
	} {
		if got := cache.KeyOf(k, table, travel(edit)); got != want {
			t.Errorf("%s: another key, want the same", name)
		}
	}
}

func TestKeyTellsAlertsApart(t *testing.T) {
	k, table := testKeys(t, "k"), testTable(t)
	seen := map[cache.Key]string{cache.KeyOf(k, table, travel(nil)): "the alert itself"}
	for name, edit := range map[string]func(a *winnow.Alert){
		"search":              func(a *winnow.Alert) { a.SearchName = "Impossible Travel 2" },
		"app":                 func(a *winnow.Alert) { a.App = "other" },
		"user":                func(a *winnow.Alert) { a.Fields["user"] = []string{"bob"} },
		"command":             func(a *winnow.Alert) { a.Fields["process"] = []string{"sshd -o ProxyCommand=sh"} },
		"size of an upload":   func(a *winnow.Alert) { a.Fields["bytes_out"] = []string{"5000000000"} },
		"raw event":           func(a *winnow.Alert) { a.Fields["_raw"] = []string{"x"} },
		"id of an object":     func(a *winnow.Alert) { a.Fields["id"] = []string{"policy-7"} },
		"field nobody listed": func(a *winnow.Alert) { a.Fields["zz"] = []string{"1"} },
		"one more value":      func(a *winnow.Alert) { a.Fields["src"] = []string{"10.8.0.4", "203.0.113.9"} },
		"values joined":       func(a *winnow.Alert) { a.Fields["src"] = []string{"10.8.0.4203.0.113.9"} },
		"field gone":          func(a *winnow.Alert) { delete(a.Fields, "user") },
		"value moved": func(a *winnow.Alert) {
			a.Fields["user"], a.Fields["process"] = a.Fields["process"], a.Fields["user"]
		},
	} {
		key := cache.KeyOf(k, table, travel(edit))
		if other, ok := seen[key]; ok {
			t.Errorf("%s: same key as %s", name, other)
		}
		seen[key] = name
	}
}

func TestKeyNeedsTheSecret(t *testing.T) {
	table := testTable(t)
	if cache.KeyOf(testKeys(t, "a"), table, travel(nil)) == cache.KeyOf(testKeys(t, "b"), table, travel(nil)) {
		t.Error("two deployments give an alert the same key")
	}
}

func TestAlertWithoutATellingFieldRepeatsOnlyItself(t *testing.T) {
	k, table := testKeys(t, "k"), testTable(t)
	for name, fields := range map[string]winnow.Fields{
		"volatile fields only": {"_time": {"1"}, "src_port": {"2"}},
		"no fields":            {},
	} {
		first := travel(func(a *winnow.Alert) { a.Fields = fields })
		second := travel(func(a *winnow.Alert) { a.Fields, a.Key.RID = fields, "1" })
		key := cache.KeyOf(k, table, first)
		if key == cache.KeyOf(k, table, second) {
			t.Errorf("%s: two rows share a key", name)
		}
		if key != cache.KeyOf(k, table, first) {
			t.Errorf("%s: the same row has two keys", name)
		}
	}
}

func TestSearchDecidesWhatIsVolatile(t *testing.T) {
	k, table := testKeys(t, "k"), testTable(t)
	over := "field,control,volatile,search\nbytes_out,system,true,Impossible Travel\n"
	if err := table.Read("overlay", strings.NewReader(over)); err != nil {
		t.Fatal(err)
	}
	bytesOut := func(n string) *winnow.Alert {
		return travel(func(a *winnow.Alert) { a.Fields["bytes_out"] = []string{n} })
	}
	if cache.KeyOf(k, table, bytesOut("1")) != cache.KeyOf(k, table, bytesOut("2")) {
		t.Error("a field that is volatile for the search counts")
	}
}

func TestKeyAsText(t *testing.T) {
	want := cache.KeyOf(testKeys(t, "k"), testTable(t), travel(nil))
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	var got cache.Key
	if err := json.Unmarshal(text, &got); err != nil || got != want {
		t.Errorf("read back %v, %v; want %v", got, err, want)
	}
	for _, bad := range []string{`""`, `"00"`, `"` + strings.Repeat("0g", 32) + `"`, `7`} {
		if err := json.Unmarshal([]byte(bad), &got); err == nil {
			t.Errorf("%s was read as a key", bad)
		}
	}
	if got != want {
		t.Error("a bad text changed the key")
	}
	if !(cache.Key{}).IsZero() || want.IsZero() {
		t.Error("IsZero is wrong")
	}
}

func TestGeneration(t *testing.T) {
	ab := cache.NewGeneration([]byte("a"), []byte("b"))
	seen := map[cache.Generation]bool{ab: true}
	for _, parts := range [][][]byte{
		{[]byte("b"), []byte("a")}, {[]byte("ab")}, {[]byte("ab"), nil}, {[]byte("a"), []byte("b"), nil}, nil,
	} {
		g := cache.NewGeneration(parts...)
		if seen[g] {
			t.Errorf("%q gives a generation that other parts gave", parts)
		}
		seen[g] = true
	}
	if ab != cache.NewGeneration([]byte("a"), []byte("b")) || len(ab.String()) != 64 {
		t.Error("the same parts give another generation")
	}
}

func BenchmarkKeyOf(b *testing.B) {
	k, table := testKeys(b, "k"), testTable(b)
	a := travel(func(a *winnow.Alert) {
		for i := range 24 {
			a.Fields["field_"+string(rune('a'+i))] = []string{"some value of usual length"}
		}
	})
	b.ReportAllocs()
	for b.Loop() {
		cache.KeyOf(k, table, a)
	}
}
