package chat

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

func TestTextsAreRewrittenAndNothingElse(t *testing.T) {
	upper := strings.ToUpper
	for in, want := range map[string]string{
		`{"a":"x","b":["y","z"],"n":1e2}`: `{"a":"X","b":["Y","Z"],"n":1e2}`,
		`{"a" : "x\"y", "a":"\u0078"}`:    `{"a" : "X\"Y", "a":"X"}`,
		`"a"`:                             `"A"`,
		`{"k\"ey":"v","":""}`:             `{"k\"ey":"V","":""}`,
	} {
		got, err := rewriteTexts([]byte(in), upper)
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v; want %s", in, got, err, want)
		}
	}
	if _, err := rewriteTexts([]byte(`{"a":`), upper); err == nil {
		t.Error("half a document was rewritten")
	}
}

// What is written by f stays inside its text: nothing can break out of it.
func FuzzRewriteTexts(f *testing.F) {
	f.Add([]byte(`{"a":"b","c":[1,"d"]}`), `","x":"`)
	f.Fuzz(func(t *testing.T, doc []byte, put string) {
		out, err := rewriteTexts(doc, func(s string) string { return s + put })
		if err != nil {
			return
		}
		if !json.Valid(out) {
			t.Fatalf("%q became %q", doc, out)
		}
		var a, b any
		if json.Unmarshal(doc, &a) == nil && json.Unmarshal(out, &b) == nil && shape(a) != shape(b) {
			t.Fatalf("%q has another shape than %q", out, doc)
		}
		same, err := rewriteTexts(doc, func(s string) string { return s })
		if err != nil || !reflect.DeepEqual(same, doc) {
			t.Fatalf("%q became %q, %v", doc, same, err)
		}
	})
}

func shape(v any) string {
	switch v := v.(type) {
	case map[string]any:
		var b strings.Builder
		for range v {
			b.WriteString("k")
		}
		return "{" + b.String() + "}"
	case []any:
		out := "["
		for _, e := range v {
			out += shape(e) + ","
		}
		return out + "]"
	}
	return "_"
}
