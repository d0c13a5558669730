package llm

import (
	"bufio"
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
)

func TestScanFindsInjections(t *testing.T) {
	for _, c := range readInjections(t) {
		t.Run(c.ID, func(t *testing.T) {
			taint, _ := Scan(&winnow.Alert{Fields: c.Fields}, nil)
			if len(taint) == 0 {
				t.Errorf("nothing found in %q", c.Fields)
			}
			for _, s := range taint {
				if !strings.HasPrefix(s, "injection:") {
					t.Errorf("taint %q", s)
				}
			}
		})
	}
}

type injection struct {
	ID     string        `json:"id"`
	Fields winnow.Fields `json:"fields"`
}

func readInjections(tb testing.TB) (out []injection) {
	tb.Helper()
	for _, line := range readLines(tb, "testdata/injections.ndjson") {
		var c injection
		if err := json.Unmarshal([]byte(line), &c); err != nil {
			tb.Fatal(err)
		}
		out = append(out, c)
	}
	return out
}

func readLines(tb testing.TB, path string) (lines []string) {
	tb.Helper()
	f, err := os.Open(path)
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	for s := bufio.NewScanner(f); s.Scan(); {
		lines = append(lines, s.Text())
	}
	return lines
}

func TestScanLeavesOrdinaryTextAlone(t *testing.T) {
	for _, text := range readLines(t, "testdata/ordinary.txt") {
		if taint := scanOne("message", text); len(taint) > 0 {
			t.Errorf("%.100q: %v", text, taint)
		}
	}
}
