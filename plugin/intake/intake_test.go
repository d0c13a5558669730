package intake

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
)

var testNow = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

// read ranges over the whole text. Row errors come back beside the items.
func read(t *testing.T, text string, o Options) ([]Item, []error) {
	t.Helper()
	return readFrom(t, strings.NewReader(text), o)
}

func readFrom(t *testing.T, r io.Reader, o Options) (items []Item, rowErrs []error) {
	t.Helper()
	if o.Now.IsZero() {
		o.Now = testNow
	}
	for item, err := range Open(context.Background(), "in.txt", r, o) {
		var line *LineError
		if err != nil && !errors.As(err, &line) {
			t.Fatalf("reading ended with: %v", err)
		}
		if err != nil {
			rowErrs = append(rowErrs, err)
		}
		items = append(items, item)
	}
	return items, rowErrs
}

func TestNDJSON(t *testing.T) {
	const text = "\ufeff" + `{"search_name":"Port Scan","severity":"low","_time":1767225600.25,"sid":"s1","rid":"7","label":"benign","src":"10.8.0.4","n":3,"deep":{"a":["x","y"]}}` + "\r\n\r\n" +
		`{"search_name":"Port Scan","severity":"odd"}` + "\n"
	items, errs := read(t, text, Options{})
	if len(items) != 2 || len(errs) != 0 {
		t.Fatalf("got %d items, errors %v", len(items), errs)
	}
	a := items[0].Alert
	if a.SearchName != "Port Scan" || a.Severity != winnow.SeverityLow || items[0].Label != "benign" {
		t.Errorf("got %+v", items[0])
	}
	if a.Key != (winnow.Key{Host: "file", SID: "s1", RID: "7"}) {
		t.Errorf("key %+v", a.Key)
	}
	if want := time.Unix(1767225600, 250e6).UTC(); !a.Time.Equal(want) || !a.Received.Equal(want) {
		t.Errorf("time %v, received %v", a.Time, a.Received)
	}
}
