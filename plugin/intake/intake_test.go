package intake

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

var testNow = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// read ranges over the whole text. Row errors come back beside the items.
func read(t *testing.T, text string, o Options) ([]Item, []error) {
	t.Helper()
	return readFrom(t, strings.NewReader(text), o)
}

func readFrom(t *testing.T, r io.Reader, o Options) ([]Item, []error) {
	t.Helper()
	items, rowErrs, err := readAll(r, o)
	if err != nil {
		t.Fatalf("reading ended with: %v", err)
	}
	return items, rowErrs
}

func readAll(r io.Reader, o Options) (items []Item, rowErrs []error, err error) {
	if o.Now.IsZero() {
		o.Now = testNow
	}
	for item, err := range Open(context.Background(), "in.txt", r, o) {
		var line *LineError
		switch {
		case errors.As(err, &line):
			rowErrs = append(rowErrs, err)
		case err != nil:
			return items, rowErrs, err
		}
		items = append(items, item)
	}
	return items, rowErrs, nil
}

func gzipped(t *testing.T, text string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	_, err := z.Write([]byte(text))
	if err := errors.Join(err, z.Close()); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// pipe hides that a reader can be read twice.
func pipe(data []byte) io.Reader { return io.MultiReader(bytes.NewReader(data)) }

func TestRowsOfEveryFormat(t *testing.T) {
	const row = `{"search_name":"Port Scan","severity":"low","_time":1767225600.25,"sid":"s1","rid":"7","label":"benign","src":"10.8.0.4","n":3,"on":true,"none":null,"deep":{"a":["x","y"]}}`
	const pretty = `{
		"search_name": "Port Scan", "severity": "low", "_time": 1767225600.25, "sid": "s1", "rid": "7",
		"label": "benign", "src": "10.8.0.4", "n": 3, "on": true, "none": null,
		"deep": {"a": ["x", "y"]}
	}`
	const csv = "_time,search_name,severity,sid,rid,label,src,n,on,none,deep.a,__mv_deep.a\n" +
		"1767225600.25,Port Scan,low,s1,7,benign,10.8.0.4,3,true,,\"x\ny\",$x$;$y$\n"
	for name, text := range map[string]string{
		"a line":               row,
		"with mark and CRLF":   "\ufeff\r\n" + row + "\r\n\r\n",
		"for people":           pretty,
		"list":                 "[" + row + "]",
		"list over lines":      "[\n" + pretty + "\n]\n",
		"line of a list":       row + "\n[" + row + "]\n" + row,
		"objects one by one":   pretty + "\n" + pretty,
		"export":               `{"preview":false,"offset":0,"lastrow":true,"result":` + row + `}`,
		"export with previews": `{"preview":true,"offset":0,"result":` + row + "}\n" + `{"preview":false,"offset":0,"result":` + row + "}\n" + `{"preview":false,"lastrow":true}`,
		"results":              `{"preview":false,"init_offset":0,"messages":[],"fields":[{"name":"src"}],"results":[` + row + "," + row + `],"highlighted":{}}`,
		"results over lines":   "{\n\"results\": [\n" + pretty + "\n]\n}",
		"table":                csv,
		"table with CRLF":      strings.ReplaceAll(strings.ReplaceAll(csv, "x\ny", "x|y"), "\n", "\r\n"),
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.ReplaceAll(text, "x|y", "x\ny")
			for how, r := range map[string]io.Reader{
				"file": strings.NewReader(text), "pipe": pipe([]byte(text)), "gzipped": bytes.NewReader(gzipped(t, text)),
			} {
				items, errs := readFrom(t, r, Options{})
				if len(items) == 0 || len(errs) > 0 {
					t.Fatalf("%s: %d items, errors %v", how, len(items), errs)
				}
				for _, item := range items {
					checkRow(t, item)
				}
			}
		})
	}
}

func checkRow(t *testing.T, got Item) {
	t.Helper()
	at := time.Unix(1767225600, 250e6).UTC()
	want := Item{Label: "benign", Line: got.Line, Alert: winnow.Alert{
		Key: winnow.Key{Host: "file", SID: "s1", RID: "7"}, SearchName: "Port Scan", Severity: winnow.SeverityLow,
		Time: at, Received: at, Fields: winnow.Fields{"severity": {"low"}, "_time": {"1767225600.25"},
			"src": {"10.8.0.4"}, "n": {"3"}, "on": {"true"}, "deep.a": {"x", "y"}},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("row differs (-want +got):\n%s", diff)
	}
}

func TestEmptyInputHasNoRows(t *testing.T) {
	for _, text := range []string{"", "\n\r\n ", "\ufeff", "[]", `{"results":[]}`, `{"Findings": [ ]}`, "src,dest\n", `{"preview":false,"lastrow":true}`} {
		if items, errs := read(t, text, Options{}); len(items)+len(errs) > 0 {
			t.Errorf("%q: %d items, errors %v", text, len(items), errs)
		}
	}
}

func TestWhatCannotBeRead(t *testing.T) {
	for text, want := range map[string]string{
		"<?xml version=\"1.0\"?><alert/>":          "payload_format = json",
		"\xff\xfe{\x00}\x00":                       "UTF-16",
		"PK\x03\x04\x00\x00":                       "not text",
		"hello world":                              "format not recognised",
		"\x1f\x8bnot gzip":                         "gzip",
		`{"preview":true,"result":{"src":"a"}}`:    "only previews",
		"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff": "unexpected EOF",
	} {
		_, _, err := readAll(strings.NewReader(text), Options{})
		if err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "in.txt: ") {
			t.Errorf("%q: got %v, want an error about %q", text, err, want)
		}
	}
}

// A row that cannot be read is shown to a person, and the rest is read.
func TestABadRowDoesNotStopTheRest(t *testing.T) {
	const good = `{"search_name":"A","severity":"low","sid":"s","_time":1767225600}`
	long := `{"a":"` + strings.Repeat("x", MaxRow) + `"}`
	for name, c := range map[string]struct {
		text string
		rows int
		want string
	}{
		"first line cut":     {`{"search_name":"A","x` + "\n" + good + "\n" + good, 3, "in.txt:1: "},
		"line cut":           {good + "\n{\"a\": tru\n" + good, 3, "in.txt:2: "},
		"no object":          {good + "\n17\n" + good, 3, "found 17, want an object"},
		"text":               {good + "\nhello\n" + good, 3, "in.txt:2: "},
		"two in a line":      {good + "\n" + good + good + "\n" + good, 3, "more text after the object"},
		"deep":               {good + "\n" + `{"a":` + strings.Repeat("[", 100) + strings.Repeat("]", 100) + "}\n" + good, 3, "nested deeper"},
		"line too long":      {good + "\n" + long + "\n" + good, 3, "longer than 32 MiB"},
		"element too long":   {"[" + good + ",\n" + long + ",\n" + good + "]", 3, "in.txt:2: row is longer"},
		"element no object":  {"[" + good + ",17,null,\"x\"," + good + "]", 5, "found 17"},
		"element broken":     {"[" + good + ",\n{\"a\": tru},\n" + good + "]", 3, "in.txt:2: "},
		"list cut":           {"[" + good + "," + good, 3, "rows may be missing"},
		"list cut in a row":  {"[" + good + `,{"a":"b`, 2, "ends in the middle"},
		"text after a list":  {"[" + good + "] hello\n[" + good + "]", 3, "no JSON object"},
		"key beside a list":  {`{"results":[` + good + `],"search_name":"hidden"}`, 2, "beside a list of rows"},
		"brackets misplaced": {"[" + good + ",}\n" + good + "]", 3, "no JSON object"},
	} {
		t.Run(name, func(t *testing.T) {
			items, errs := read(t, c.text, Options{})
			if len(items) != c.rows || len(errs) == 0 || !strings.Contains(errs[0].Error(), c.want) {
				t.Fatalf("%d items, want %d; errors %.300v, want %q", len(items), c.rows, errs, c.want)
			}
			for _, item := range items {
				if item.Raw != nil && (item.Alert.Severity != winnow.SeverityUnknown || len(item.Alert.Warnings) == 0) {
					t.Errorf("bad row became %+v, want severity unknown and a warning", item.Alert)
				}
			}
		})
	}
}

func TestABrokenOffFileSaysSo(t *testing.T) {
	const row = `{"search_name":"A","sid":"s","_time":1767225600}` + "\n"
	data := gzipped(t, strings.Repeat(row, 1000))
	_, _, err := readAll(bytes.NewReader(data[:len(data)-10]), Options{})
	if !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("got %v, want unexpected EOF", err)
	}
	data = gzipped(t, "_time,src\n"+strings.Repeat("1767225600,10.0.0.1\n", 1000))
	items, errs := readFrom(t, bytes.NewReader(data[:len(data)-10]), Options{})
	if len(errs) != 1 || !strings.Contains(errs[0].Error(), "are missing") || items[len(items)-1].Alert.Severity != winnow.SeverityUnknown {
		t.Errorf("errors %v, want one that says that rows are missing", errs)
	}
}

func TestLinesAreNumberedFromOne(t *testing.T) {
	for text, want := range map[string][]int{
		"\n{\"a\":1}\n\n{\"a\":2}\n":        {2, 4},
		"[\n{\"a\":1},\n\n{\n\"a\":2}\n]\n": {2, 4},
		"a,b\n1,2\n3,4\n":                   {1, 2},
	} {
		items, _ := read(t, text, Options{})
		var got []int
		for _, item := range items {
			got = append(got, item.Line)
		}
		if !cmp.Equal(got, want) {
			t.Errorf("%q: lines %v, want %v", text, got, want)
		}
	}
}

func TestReadingStopsWithTheCaller(t *testing.T) {
	for name, text := range map[string]string{
		"lines": strings.Repeat("{\"a\":1}\n", 10), "list": "[" + strings.Repeat("{\"a\":1},", 10) + "]",
		"table": "a,b\n" + strings.Repeat("1,2\n", 10),
	} {
		n := 0
		for _, err := range Open(context.Background(), "in", strings.NewReader(text), Options{}) {
			if err != nil {
				t.Fatal(err)
			}
			if n++; n == 3 {
				break
			}
		}
		if n != 3 {
			t.Errorf("%s: %d rows", name, n)
		}
	}
}

func TestCancelledReadingSaysWhy(t *testing.T) {
	why := errors.New("interrupted")
	for name, text := range map[string]string{"lines": strings.Repeat("{\"a\":1}\n", 1<<17), "table": "a,b\n" + strings.Repeat("1,2\n", 1<<18)} {
		ctx, cancel := context.WithCancelCause(context.Background())
		var last error
		for _, err := range Open(ctx, "in", strings.NewReader(text), Options{}) {
			cancel(why)
			last = err
		}
		cancel(nil)
		if !errors.Is(last, why) {
			t.Errorf("%s: ended with %v, want %v", name, last, why)
		}
	}
}

func TestProgressCountsTheInputOnce(t *testing.T) {
	data := gzipped(t, strings.Repeat("{\"a\":1}\n", 1<<16)) // without sid: the file is hashed as well
	var last int64
	readFrom(t, bytes.NewReader(data), Options{Progress: func(n int64) {
		if n < last {
			t.Errorf("progress went back from %d to %d", last, n)
		}
		last = n
	}})
	if last != int64(len(data)) {
		t.Errorf("progress ended at %d of %d bytes", last, len(data))
	}
}
