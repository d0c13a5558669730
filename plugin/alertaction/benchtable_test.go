package alertaction

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"text/tabwriter"
	"time"
)

// benchLine is one line of a benchmark's table, and of build/bench/NAME.json.
type benchLine struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Against string  `json:"against"` // what the ratio is to
	Ratio   float64 `json:"ratio"`
	Want    string  `json:"want"` // "" when there is no goal
	OK      bool    `json:"ok"`
}

// skipUnlessBench returns the folder for results: benchmarks run with `make bench` only, which
// names it in WINNOW_BENCH, because they want the machine for themselves.
func skipUnlessBench(t *testing.T) string {
	t.Helper()
	dir := os.Getenv("WINNOW_BENCH")
	if dir == "" {
		t.Skip("a benchmark: run it with `make bench`, or with WINNOW_BENCH=DIR")
	}
	return dir
}

// publish prints the table, writes dir/name.json and fails when a goal was missed.
func publish(t *testing.T, dir, name string, lines []benchLine) {
	t.Helper()
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\n%s\tvalue\t\tratio\tagainst\twant\t\n", name) //nolint:errcheck // to a terminal
	for _, l := range lines {
		verdict := ""
		if l.Want != "" {
			verdict = map[bool]string{true: "ok", false: "MISSED"}[l.OK]
		}
		fmt.Fprintf(w, "%s\t%.4g\t%s\t%.3g\t%s\t%s\t%s\n", l.Name, l.Value, l.Unit, l.Ratio, l.Against, l.Want, verdict) //nolint:errcheck // to a terminal
		if l.Want != "" && !l.OK {
			t.Errorf("%s: %.3g, want %s", l.Name, l.Ratio, l.Want)
		}
	}
	if err := w.Flush(); err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(lines, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil { //nolint:gosec // a build folder
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, name+".json"), append(text, '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
}

// interleaved runs the things to compare in turn, so that all see the same machine, and returns
// the median time of each.
func interleaved(rounds int, things ...func() time.Duration) []time.Duration {
	all := make([][]time.Duration, len(things))
	for range rounds {
		for i, thing := range things {
			all[i] = append(all[i], thing())
		}
	}
	medians := make([]time.Duration, len(things))
	for i, times := range all {
		slices.Sort(times)
		medians[i] = times[len(times)/2]
	}
	return medians
}
