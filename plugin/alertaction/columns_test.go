package alertaction

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
)

func fieldsOf(t testing.TB, text string) []winnow.Fields {
	t.Helper()
	r, err := NewResults(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // closes no file
	var out []winnow.Fields
	columns := NewColumns(r.Header())
	for {
		row, err := r.Next()
		if err != nil {
			return out
		}
		out = append(out, columns.Fields(row))
	}
}

func TestColumnsMakeFields(t *testing.T) {
	for _, c := range []struct {
		name, text string
		want       winnow.Fields
	}{
		{"plain", "src,user\n10.8.0.4,ann\n", winnow.Fields{"src": {"10.8.0.4"}, "user": {"ann"}}},
		{"empty is absent", "src,user\n10.8.0.4,\n", winnow.Fields{"src": {"10.8.0.4"}}},
		{"multivalue", "src,__mv_src\n\"a\nb\",$a$;$b$\n", winnow.Fields{"src": {"a", "b"}}},
		{"dollar in a value", "src,__mv_src\n\"a$b\n$\",$a$$b$;$$$$\n", winnow.Fields{"src": {"a$b", "$"}}},
		{"empty value in a list", "src,__mv_src\n\"a\n\nb\",$a$;$$;$b$\n", winnow.Fields{"src": {"a", "b"}}},
		{"only the multivalue column", "__mv_src\n$a$;$b$\n", winnow.Fields{"src": {"a", "b"}}},
		{"value with a line break", "note\n\"a\nb\"\n", winnow.Fields{"note": {"a\nb"}}},
		{"the two columns disagree: both count", "src,__mv_src\n10.0.0.1,$10.8.0.4$\n", winnow.Fields{"src": {"10.8.0.4", "10.0.0.1"}}},
		{"not a list: both count", "src,__mv_src\n10.0.0.1,10.8.0.4\n", winnow.Fields{"src": {"10.0.0.1", "10.8.0.4"}}},
		{"not a list: no closing", "src,__mv_src\nx,$10.8.0.4$;$y\n", winnow.Fields{"src": {"x", "$10.8.0.4$;$y"}}},
		{"not a list: text between", "src,__mv_src\nx,$a$ $b$\n", winnow.Fields{"src": {"x", "$a$ $b$"}}},
		{"a name twice has the values of both", "src,src\n10.0.0.1,10.8.0.4\n", winnow.Fields{"src": {"10.0.0.1", "10.8.0.4"}}},
		{"two multivalue columns", "src,__mv_src,__mv_src\n\"a\nb\",$a$;$b$,$c$\n", winnow.Fields{"src": {"a", "b", "c"}}},
		{"Splunk's own columns", "_time,_raw,_cd,_bkt,__mv__cd,_si,src\n1,raw,2,3,$4$,5,a\n", winnow.Fields{"_time": {"1"}, "_raw": {"raw"}, "src": {"a"}}},
		{"no name", "src,\na,b\n", winnow.Fields{"src": {"a"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			rows := fieldsOf(t, c.text)
			if len(rows) != 1 {
				t.Fatalf("%d rows", len(rows))
			}
			if diff := cmp.Diff(c.want, rows[0]); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFieldsOfABatchAreTheSame(t *testing.T) {
	r, err := NewResults(strings.NewReader("a,__mv_a,b,b\n\"1\n2\",$1$;$2$,x,y\n3,,,z\n"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close() //nolint:errcheck // closes no file
	var b Batch
	if err := r.Fill(&b); err != nil || b.Len() != 2 {
		t.Fatalf("%d rows, error %v", b.Len(), err)
	}
	columns := NewColumns(r.Header())
	for i := range b.Len() {
		f := winnow.Fields{}
		columns.fill(f, make([]string, 0, 1), b.Row(i), b.arena())
		if diff := cmp.Diff(columns.Fields(b.Row(i)), f); diff != "" {
			t.Error(diff)
		}
	}
}

// TestMultivalueRoundTrip promises that no value can pass for two, or hide in another.
func TestMultivalueRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.StringOfN(rapid.RuneFrom([]rune("$;,a\n\"")), 0, 6, -1), 1, 5).Draw(t, "values")
		got, ok := splitMultivalue(JoinMultivalue(values))
		if diff := cmp.Diff(values, got); !ok || diff != "" {
			t.Fatalf("ok %v: %s", ok, diff)
		}
	})
}
