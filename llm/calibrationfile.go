package llm

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// MaxCalibrationFile is the most bytes that a file of tables may have.
const MaxCalibrationFile = 1 << 20

// calibrationFile is calibration.json.
type calibrationFile struct {
	Version int                `json:"version"`
	Tables  []CalibrationTable `json:"tables"`
}

// ParseCalibration reads the text of calibration.json. Whatever does not follow from its own counts is an
// error: a table that was damaged, or written by hand, is no table.
func ParseCalibration(name string, data []byte) (*Calibration, error) {
	bad := func(format string, args ...any) (*Calibration, error) {
		return nil, fmt.Errorf("%s: %s; fit it again with `winnow eval --fit`, or remove it", name, fmt.Sprintf(format, args...))
	}
	if len(data) > MaxCalibrationFile {
		return bad("%d bytes, at most %d are read", len(data), MaxCalibrationFile)
	}
	var f calibrationFile
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&f); err != nil {
		return bad("%v", err)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return bad("there is more after its end")
	}
	if f.Version != 1 {
		return bad("version %d, this program reads 1", f.Version)
	}
	seen := map[[2]string]bool{}
	for i := range f.Tables {
		t := &f.Tables[i]
		key := [2]string{t.Model, t.Family}
		if t.Model == "" || seen[key] {
			return bad("model %.60q, family %.60q is unnamed or there twice", t.Model, t.Family)
		}
		seen[key] = true
		if problem := t.problem(); problem != "" {
			return bad("model %.60q, family %.60q: %s", t.Model, t.Family, problem)
		}
	}
	c := &Calibration{tables: f.Tables}
	c.sort()
	return c, nil
}

// problem says what is wrong with a table, "" for nothing.
func (t *CalibrationTable) problem() string {
	labels, from, confidence := 0, -1, -1
	for _, s := range t.Steps {
		switch {
		case s.From <= from || s.From > 100:
			return fmt.Sprintf("a step from %d after one from %d", s.From, from)
		case s.Labels <= 0 || s.Labels > t.Labels-labels || s.Right < 0 || s.Right > s.Labels:
			return fmt.Sprintf("the step from %d has %d right of %d", s.From, s.Right, s.Labels)
		case s.Confidence < 0 || s.Confidence > promise(s.Right, s.Labels):
			return fmt.Sprintf("%d right of %d do not make a confidence of %d", s.Right, s.Labels, s.Confidence)
		case s.Confidence <= confidence:
			return fmt.Sprintf("the step from %d promises no more than the one below", s.From)
		}
		labels, from, confidence = labels+s.Labels, s.From, s.Confidence
	}
	if labels != t.Labels || labels < MinLabels {
		return fmt.Sprintf("its steps have %d labels, its head %d, at least %d are needed", labels, t.Labels, MinLabels)
	}
	return ""
}

// Encode returns the text of calibration.json.
func (c *Calibration) Encode() []byte {
	f := calibrationFile{Version: 1, Tables: c.Tables()}
	if f.Tables == nil {
		f.Tables = []CalibrationTable{}
	}
	data, err := json.MarshalIndent(f, "", "  ")
	if err != nil {
		panic("llm: calibration does not encode: " + err.Error())
	}
	return append(data, '\n')
}
