package queue_test

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

// benchLine is one figure as `make bench-queue` leaves it in build/bench.
type benchLine struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Against float64 `json:"against"`
	Ratio   float64 `json:"ratio"`
	Want    float64 `json:"want"`
	OK      bool    `json:"ok"`
}

// TestBenchLease: what a lease costs does not follow from how much waits.
func TestBenchLease(t *testing.T) {
	dir := os.Getenv("WINNOW_BENCH")
	if dir == "" {
		t.Skip("takes half a minute: run `make bench-queue`")
	}
	small, large := newTester(t), newTester(t)
	small.flood("noisy", 1000, winnow.SeverityLow)
	large.flood("noisy", 1_000_000, winnow.SeverityLow)
	var lines []benchLine
	for name, what := range map[string]func(*tester) time.Duration{
		"lease 64 of one search": (*tester).timeLease, "find who is late": (*tester).timeLate,
	} {
		var few, many []time.Duration
		for range 41 { // in turn, so that both meet the same machine
			few, many = append(few, what(small)), append(many, what(large))
		}
		f, m := median(few), median(many)
		ratio := float64(m) / float64(f)
		lines = append(lines, benchLine{name + ", 1,000,000 wait against 1,000", ms(m), "ms", ms(f), ratio, 3, ratio <= 3})
	}
	slices.SortFunc(lines, func(a, b benchLine) int { return len(b.Name) - len(a.Name) })
	for _, l := range lines {
		fmt.Printf("%-60s %8.2f %s against %.2f, ratio %.2f, want at most %g: %v\n", l.Name, l.Value, l.Unit, l.Against, l.Ratio, l.Want, l.OK)
		if !l.OK {
			t.Errorf("%s: ratio %.2f", l.Name, l.Ratio)
		}
	}
	data, err := json.MarshalIndent(lines, "", " ")
	if err == nil {
		err = os.WriteFile(filepath.Join(dir, "queue.json"), append(data, '\n'), 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// timeLease times the lease itself, without the commit, which costs what the disk makes it cost. What it has
// leased is ready again afterwards.
func (q *tester) timeLease() (took time.Duration) {
	q.do(func(t *ledger.Tx) error {
		begin := time.Now()
		items, err := queue.Lease(t.Context(), t.Conn(), noon, noon.Add(time.Minute), time.Time{}, 64)
		took = time.Since(begin)
		if len(items) != 64 {
			q.Errorf("%d handed out", len(items))
		}
		if err != nil {
			return err
		}
		return queue.GiveBack(t.Context(), t.Conn(), items, 0)
	})
	return took
}

func (q *tester) timeLate() (took time.Duration) {
	q.do(func(t *ledger.Tx) error {
		begin := time.Now()
		_, err := queue.Late(t.Context(), t.Conn(), noon, 64)
		took = time.Since(begin)
		return err
	})
	return took
}
