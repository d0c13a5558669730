package alertaction

import (
	"os"
	"testing"

	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/state"
)

func TestGenerationChangesWithModeAndCalibration(t *testing.T) {
	d, err := state.Open(state.Locations{App: "../../packaging/app", State: t.TempDir(), Getenv: func(string) string { return "" }})
	if err != nil {
		t.Fatal(err)
	}
	seen := map[cache.Generation]string{}
	check := func(what string) {
		t.Helper()
		gen, err := Generation(d)
		if err != nil {
			t.Fatal(err)
		}
		if before, ok := seen[gen]; ok {
			t.Errorf("%s has the generation of %s", what, before)
		}
		seen[gen] = what
	}
	check("nothing")
	d.Mode.Name = "mine" // one that changes no key
	check("a mode")
	d.Mode, d.ModeErr = state.Mode{}, state.ErrModeBroken
	check("a broken mode")
	d.ModeErr = nil
	for _, text := range []string{"{}", "[]"} {
		if err := os.WriteFile(d.Path("calibration.json"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		check("calibration " + text)
	}
}
