package triage

import (
	"flag"
	"os"
	"testing"
)

// TestMain has property tests draw less often than their library does by itself: each draw opens a ledger. What
// is asked for with -rapid.checks counts; `make property` asks for more.
func TestMain(m *testing.M) {
	flag.Parse()
	asked := false
	flag.Visit(func(f *flag.Flag) { asked = asked || f.Name == "rapid.checks" })
	if !asked {
		_ = flag.Set("rapid.checks", "40")
	}
	os.Exit(m.Run())
}
