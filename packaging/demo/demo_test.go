package demo

import (
	"bytes"
	"flag"
	"net/netip"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files anew")

var now = time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)

func TestTheSameSeedGivesTheSameDay(t *testing.T) {
	if diff := cmp.Diff(Dispatches(7, now), Dispatches(7, now)); diff != "" {
		t.Errorf("two days of one seed differ:\n%s", diff)
	}
	a, b := Dispatches(7, now), Dispatches(8, now)
	if cmp.Equal(a, b) {
		t.Error("two seeds give the same day")
	}
}

func TestMixOfADay(t *testing.T) {
	counts, searches := map[Expected]int{}, map[string]map[Expected]int{}
	for _, d := range Dispatches(1, now) {
		if searches[d.SearchName] == nil {
			searches[d.SearchName] = map[Expected]int{}
		}
		for _, r := range d.Rows {
			counts[r.Expected]++
			searches[d.SearchName][r.Expected]++
		}
	}
	all := counts[ExpectDrop] + counts[ExpectPass] + counts[ExpectEscalate]
	t.Logf("%d alerts in %d runs of the action: %v", all, len(Dispatches(1, now)), counts)
	if all < 320 || len(searches) < 9 {
		t.Errorf("%d alerts of %d searches, want at least 320 of 9", all, len(searches))
	}
	share := func(e Expected) float64 { return float64(counts[e]) / float64(all) }
	if s := share(ExpectDrop); s < 0.70 || s > 0.82 {
		t.Errorf("known benign are %.2f of all, want 0.70 to 0.82", s)
	}
	if s := share(ExpectEscalate); s < 0.03 || s > 0.07 {
		t.Errorf("attacks are %.2f of all, want about 0.05", s)
	}
	for name, n := range searches {
		if n[ExpectDrop] == 0 || n[ExpectPass] == 0 {
			t.Errorf("%s: %v, want noise and open questions in every search", name, n)
		}
	}
}

func TestEveryRunComesAfterItsRows(t *testing.T) {
	for _, d := range Dispatches(3, now) {
		if d.At.After(now) || len(d.Rows) == 0 {
			t.Errorf("%s at %v has %d rows", d.SID, d.At, len(d.Rows))
		}
		if d.PerResult && len(d.Rows) != 1 {
			t.Errorf("%s: %d rows in a run for one result", d.SID, len(d.Rows))
		}
		for _, r := range d.Rows {
			text, _ := r.Fields.First("_time")
			if text > epoch(d.At) || text < epoch(d.At.Add(-3*time.Hour)) {
				t.Errorf("%s: row of %s in the run of %s", d.SearchName, text, epoch(d.At))
			}
		}
	}
}

func TestNoRealAddresses(t *testing.T) {
	reserved := []netip.Prefix{}
	for _, p := range []string{"10.0.0.0/8", "192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "127.0.0.0/8", "0.0.0.0/32"} {
		reserved = append(reserved, netip.MustParsePrefix(p))
	}
	texts, err := NDJSON(Dispatches(1, now))
	if err != nil {
		t.Fatal(err)
	}
	agents := regexp.MustCompile(`(Chrome|Safari|AppleWebKit|Version)/[\d.]+`)
	for _, found := range regexp.MustCompile(`\b\d+\.\d+\.\d+\.\d+\b`).FindAllString(agents.ReplaceAllString(string(texts), ""), -1) {
		addr, err := netip.ParseAddr(found)
		if err != nil {
			continue
		}
		ok := false
		for _, p := range reserved {
			ok = ok || p.Contains(addr)
		}
		if !ok {
			t.Errorf("address %s is not reserved for documentation or private", found)
		}
	}
	for _, domain := range regexp.MustCompile(`@[\w.-]+`).FindAllString(string(texts), -1) {
		if !strings.HasSuffix(domain, ".example") {
			t.Errorf("mail domain %s is not below .example", domain)
		}
	}
}

func TestSamplesAreWhatTheGeneratorMakes(t *testing.T) {
	got, err := NDJSON(Samples())
	if err != nil {
		t.Fatal(err)
	}
	const path = "samples/alerts.ndjson"
	if *update {
		if err := os.MkdirAll("samples", 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date: run go test ./packaging/demo -update", path)
	}
	t.Logf("%d sample alerts", bytes.Count(got, []byte("\n")))
}
