package winnow

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var plainTexts = []string{
	`{}`, ` { } `, `{"a":"b"}`, "{\"a\" : \"b\" ,\r\n\t\"c\": 1.50 , \"d\":true,\"e\":false,\"f\":null,\"g\":\"\"}\n", `{"a":"x","a":"y"}`, `{"a":-0}`, `{"a":0.0}`, `{"":"x"}`,
}

var otherTexts = []string{
	``, `{`, `{"a"}`, `{"a":}`, `{"a":"b"`, `{"a":"b",}`, `{"a":"b"}x`, `{"a":"b"}{}`, `{"a":01}`, `{"a":-}`, `{"a":1.}`, `{"a":.5}`, `{"a":1e3}`, `{"a":+1}`,
	`{"a":tru}`, `{"a":trues}`, `{"a":nullx}`, `{"a":"\u0041"}`, `{"a":"é"}`, "{\"a\":\"\x00\"}", "{\"a\":\"\x7f\"}", "{\"a\":\"\xff\"}", `{"a":{"b":"c"}}`, `{"a":["b","c"]}`,
	`{"a":1 2}`, `{"a":1"b":2}`, `{a:1}`, `["a"]`, `"a"`, `{"a":"b",,"c":"d"}`, `{"a":"b";"c":"d"}`, "\ufeff{}", `{"a":1E5}`, `{"a":00}`, `{"a":-01}`,
}

// same holds the short way against the whole one.
func same(t *testing.T, text string) {
	t.Helper()
	fast, ok := flattenPlain([]byte(text))
	slow, err := flattenAny([]byte(text))
	if !ok {
		return
	}
	if diff := cmp.Diff(slow, fast); err != nil || diff != "" {
		t.Errorf("%q: the short way takes what the whole one does not, or not so: %v\n%s", text, err, diff)
	}
}

func TestFlattenPlain(t *testing.T) {
	for _, text := range plainTexts {
		same(t, text)
		if _, ok := flattenPlain([]byte(text)); !ok {
			t.Errorf("%q is plain", text)
		}
	}
	for _, text := range otherTexts {
		same(t, text)
		if _, ok := flattenPlain([]byte(text)); ok {
			t.Errorf("%q is not plain", text)
		}
	}
}

// The limit on values holds for plain objects too.
func TestFlattenPlainIsBounded(t *testing.T) {
	text := "{" + strings.TrimSuffix(strings.Repeat(`"a":1,`, maxFlattenValues+1), ",") + "}"
	if _, err := Flatten([]byte(text)); err == nil {
		t.Error("more values than the limit were taken")
	}
}

// FuzzFlattenPlain: whatever the short way takes, encoding/json takes too, and reads the same.
func FuzzFlattenPlain(f *testing.F) {
	for _, text := range append(plainTexts, otherTexts...) {
		f.Add(text)
	}
	f.Fuzz(same)
}

func BenchmarkFlatten(b *testing.B) {
	text := []byte(`{"_time": 1790000000, "search_name": "Wazuh: IDS event.", "severity": "low", "sid": "s", "rid": "1", "src": "10.0.0.1", "dest": "mail", "user": "ann", "bytes": 4711}`)
	b.Run("plain", func(b *testing.B) {
		for b.Loop() {
			_, _ = Flatten(text)
		}
	})
	b.Run("any", func(b *testing.B) {
		for b.Loop() {
			_, _ = flattenAny(text)
		}
	})
}
