package alertaction

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/state"
)

// Generation names everything that a verdict depends on beside its alert: policy, stages, agents
// and models of winnow.conf, the mode, field table, facts, prompts and calibration. The worker publishes
// verdicts under it; the action, started after a change, finds none that are older.
func Generation(d *state.Deployment) (cache.Generation, error) {
	s := d.Settings
	var text bytes.Buffer
	fmt.Fprintf(&text, "%+v\n%+v\n%+v\n%+v\n%+v\n", s.Policy, s.Pipeline, s.Stages, s.Agents, models(s))
	fmt.Fprintf(&text, "%q %v\n", d.Mode.Name, d.ModeErr != nil)
	for _, name := range searches(s) {
		r := s.Search(name)
		fmt.Fprintf(&text, "%q %v %+v\n", name, r.Raw, r.Policy)
	}
	parts := [][]byte{text.Bytes()}
	for _, path := range generationFiles(d) {
		data, err := readRegular(path)
		if errors.Is(err, fs.ErrNotExist) {
			data, err = nil, nil
		}
		if err != nil {
			return cache.Generation{}, fmt.Errorf("name the cache's generation: %w", err)
		}
		parts = append(parts, []byte(filepath.Base(path)), data)
	}
	return cache.NewGeneration(parts...), nil
}

// readRegular does not wait for somebody to write into a pipe.
func readRegular(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
	}
	return os.ReadFile(path) //nolint:gosec // a name in the app or its content
}

// models are those of the settings without what they may cost: money decides whether one is asked, and nothing that it
// says.
func models(s *conf.Settings) map[string]conf.Model {
	out := maps.Clone(s.Models)
	for name, m := range out {
		m.BudgetDay, m.BudgetMonth = nil, nil
		out[name] = m
	}
	return out
}

func searches(s *conf.Settings) (names []string) {
	for name := range s.Searches {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// generationFiles returns the files in an order that does not depend on the machine. A file may
// be missing: that is part of the generation too.
func generationFiles(d *state.Deployment) (paths []string) {
	folders := append([]string{filepath.Join(d.App, "default"), filepath.Join(d.App, "local")}, d.Content...)
	for _, dir := range folders {
		for _, name := range []string{"fields.csv", "facts.yaml"} {
			paths = append(paths, filepath.Join(dir, name))
		}
		prompts, _ := filepath.Glob(filepath.Join(dir, "prompts", "*.tmpl")) // only a bad pattern fails
		paths = append(paths, prompts...)
	}
	return append(paths, d.Path("calibration.json"))
}
