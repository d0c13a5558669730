package intake

import (
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/winnow-soc/winnow"
)

// The examples of the documentation are true: each is read as an alert that says who did what.
func TestExamplesOfTheDocumentation(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "formats.md"))
	if err != nil {
		t.Fatal(err)
	}
	examples := regexp.MustCompile("(?s)```(json|csv)\n(.*?)```").FindAllSubmatch(text, -1)
	if len(examples) < 5 {
		t.Fatalf("%d examples", len(examples))
	}
	for _, e := range examples {
		items, errs := read(t, string(e[2]), Options{})
		if len(items) != 1 || len(errs) > 0 {
			t.Fatalf("%d items, errors %v from:\n%s", len(items), errs, e[2])
		}
		a := items[0].Alert
		if a.SearchName == "" || a.Severity < winnow.SeverityMedium || a.Time.Year() != 2026 || a.Fields["src"] == nil {
			t.Errorf("got %+v from:\n%s", a, e[2])
		}
		if ports := a.Fields["dest_port"]; ports != nil && len(ports) != 2 {
			t.Errorf("dest_port %q from:\n%s", ports, e[2])
		}
	}
}
