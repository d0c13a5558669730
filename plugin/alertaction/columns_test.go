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

// TestScratchIsNoShortcut: fields made in the same map again and again are those made anew, in
// any order of absent, single and multiple values, also after somebody has taken a map.
func TestScratchIsNoShortcut(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		header := rapid.SampledFrom([]string{"a,__mv_a,b,c", "a,b,b,__mv_c", "__mv_a,a,__mv_a,b"}).Draw(t, "header")
		cell := rapid.SampledFrom([]string{"", "x", "y", "$x$;$z$", "$x$", "$", "\"1\n2\"", "$1$;$2$"})
		var text strings.Builder
		text.WriteString(header + "\n")
		for range rapid.IntRange(1, 20).Draw(t, "rows") {
			cells := rapid.SliceOfN(cell, 4, 4).Draw(t, "cells")
			text.WriteString(strings.Join(cells, ",") + "\n")
		}
		r, err := NewResults(strings.NewReader(text.String()))
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close() //nolint:errcheck // closes no file
		var b Batch
		if err := r.Fill(&b); err != nil {
			t.Fatal(err)
		}
		columns, arena := NewColumns(r.Header()), b.arena()
		s := scratch{columns: columns}
		for i := range b.Len() {
			if diff := cmp.Diff(columns.Fields(b.Row(i)), s.read(b.Row(i), arena)); diff != "" {
				t.Fatalf("row %d of\n%s\n%s", i, text.String(), diff)
			}
			if rapid.Bool().Draw(t, "taken") {
				s.taken()
			}
		}
	})
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
