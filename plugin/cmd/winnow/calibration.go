package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/state"
)

// readCalibration reads the tables that `winnow eval --fit` has written. No file is no table. Neither is one
// that is damaged, or that somebody else can write: then the error says so.
func readCalibration(d *state.Deployment) (*llm.Calibration, error) {
	path := d.Path("calibration.json")
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil //nolint:nilnil // "none" is an answer
	}
	if err != nil {
		return nil, fmt.Errorf("read calibration: %w", err)
	}
	if !info.Mode().IsRegular() || info.Size() > llm.MaxCalibrationFile {
		return nil, fmt.Errorf("read calibration: %s is no file of at most %d bytes", path, llm.MaxCalibrationFile)
	}
	if err := d.Trusted(path); err != nil {
		return nil, fmt.Errorf("read calibration: %w", err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read calibration: %w", err)
	}
	c, err := llm.ParseCalibration(path, data)
	if err != nil {
		return nil, fmt.Errorf("read calibration: %w", err)
	}
	return c, nil
}
