package state_test

import (
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/winnow-soc/winnow/plugin/state"
)

// BenchmarkStart is what every run of the alert action pays before it reads a row.
func BenchmarkStart(b *testing.B) {
	dir := b.TempDir()
	l := state.Locations{App: "../../packaging/app", State: filepath.Join(dir, "state"), Content: dir}
	rules := filepath.Join(dir, "rules")
	if err := os.Mkdir(rules, 0o700); err != nil {
		b.Fatal(err)
	}
	for i := range 20 {
		if err := os.WriteFile(filepath.Join(rules, strconv.Itoa(i)+".yaml"), nil, 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		d, err := state.Open(l)
		if err != nil {
			b.Fatal(err)
		}
		if err := d.Init(); err != nil {
			b.Fatal(err)
		}
		if _, err := d.Keys(); err != nil {
			b.Fatal(err)
		}
		if err := d.Trusted(d.RulePaths()...); err != nil {
			b.Fatal(err)
		}
	}
}
