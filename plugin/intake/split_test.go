package intake

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
)

// Rows come out the same however they are wrapped.
func TestRowsAreTheSameInEveryWrapping(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.OneOf(rapid.String().AsAny(), rapid.Int().AsAny(), rapid.Bool().AsAny(), rapid.SliceOfN(rapid.String(), 0, 3).AsAny(),
			rapid.MapOfN(rapid.StringMatching(`[a-z]{1,3}`), rapid.String(), 0, 3).AsAny())
		rows := rapid.SliceOfN(rapid.MapOfN(rapid.StringMatching(`[a-z]{2,6}x`), value, 1, 5), 1, 6).Draw(t, "rows")
		var lines, pretty []string
		for _, row := range rows {
			row["sid"] = "s"
			line, _ := json.Marshal(row)
			tall, _ := json.MarshalIndent(row, "  ", "\t")
			lines, pretty = append(lines, string(line)), append(pretty, string(tall))
		}
		var want []Item
		for name, text := range map[string]string{
			"": strings.Join(lines, "\n"), "CRLF": strings.Join(lines, "\r\n\r\n"), "list": "[" + strings.Join(lines, ",") + "]",
			"results": `{"preview":false,"results":[` + strings.Join(lines, ", ") + `],"highlighted":{"a":[]}}`,
			"pretty":  strings.Join(pretty, "\n"), "pretty list": "[\n" + strings.Join(pretty, ",\n") + "\n]",
			"wrapped": "{\n\"Findings\" : [" + strings.Join(pretty, " , ") + "]\n}",
		} {
			items, errs, err := readAll(strings.NewReader(text), Options{})
			if err != nil || len(errs) > 0 {
				t.Fatalf("%s: %v %v in %s", name, err, errs, text)
			}
			for i := range items {
				items[i].Line = 0
			}
			if want == nil {
				want = items
			}
			if len(items) != len(rows) || !cmp.Equal(items, want) {
				t.Fatalf("%s of %s: %s", name, text, cmp.Diff(want, items))
			}
		}
	})
}

// Whatever the text, the splitter ends, and what it cuts out is in the text: it loses only white
// space, commas and brackets between rows.
func FuzzSplitter(f *testing.F) {
	for _, seed := range []string{
		`[{"a":1},{"b":"]}"}]`, `{"results":[{"a":1}],"x":2}`, `{"Findings":[]}`, "{\"a\":\n1}{", `{"preview":{},"results":[1,"\"`, "}]:,", `{"a"}`, `{1:2}x`, `[[[]]`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s := newSplitter(bufio.NewReader(bytes.NewReader(text)), 1)
		for range len(text) + 2 {
			row, err := s.next()
			var damage *damageError
			if errors.Is(err, io.EOF) {
				return
			}
			if err != nil && !errors.As(err, &damage) {
				t.Fatalf("%q: %v", text, err)
			}
			if err == nil && (len(row) == 0 || len(row) > len(text)) {
				t.Fatalf("%q: row %q", text, row)
			}
			if s.start < 1 || s.start > 1+bytes.Count(text, []byte("\n")) {
				t.Fatalf("%q: row in line %d", text, s.start)
			}
		}
		t.Fatalf("%q: no end", text)
	})
}

// Whatever the input: reading ends, no row has a session key's value, a label among its fields or
// an incomplete key, and the same input gives the same alerts again.
func FuzzOpen(f *testing.F) {
	const secret = "s3cr3tK3y"
	for _, seed := range []string{
		`{"search_name":"A","severity":"low","_time":1767225600,"sid":"s","label":"benign"}`, "a,b\n1,2\n", `[{"label":1}]`, portProbe,
		"{\"a\":1}\n{\"b\"", `{"sid":"s","session_key":"` + secret + `","result":{"a":"b"}}`, "_time,__mv_a,a\n1,$x$;$y$,\"x\ny\"\n",
		`{"preview":true,"result":{}}`, "\x1f\x8b\x08\x00", "\ufeff{}", `{"Findings":[{"Service":{"ServiceName":"guardduty"},"Type":"a","Severity":1}]}`,
	} {
		f.Add([]byte(seed))
	}
	keys, err := winnow.NewKeys(make([]byte, winnow.KeySize))
	if err != nil {
		f.Fatal(err)
	}
	none := func(string) (io.ReadCloser, error) { return nil, errors.New("no files here") }
	f.Fuzz(func(t *testing.T, data []byte) {
		o := Options{Keys: keys, TempDir: t.TempDir(), OpenResults: none}
		items, errs, err := readAll(bytes.NewReader(data), o)
		for _, item := range items {
			a := item.Alert
			if a.Fields == nil || a.Fields["label"] != nil || a.Key.Host != Host || a.Key.SID == "" || a.Key.RID == "" || a.Key.MAC == "" || len(a.ID) != 26 {
				t.Fatalf("%q: %+v", data, item)
			}
			if a.Received.IsZero() || a.Time.IsZero() || item.Line < 1 {
				t.Fatalf("%q: %+v", data, item)
			}
		}
		again, errsAgain, errAgain := readAll(pipe(data), o)
		if !cmp.Equal(items, again) || len(errs) != len(errsAgain) || (err == nil) != (errAgain == nil) {
			t.Fatalf("%q: read twice with different outcomes:\n%s\n%v %v\n%v %v", data, cmp.Diff(items, again), errs, err, errsAgain, errAgain)
		}
	})
}
