package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow/plugin/conf"
)

// Mode is a [mode:NAME] that somebody has switched on for a time: mode.json. The zero value is none.
type Mode struct {
	Name   string    `json:"mode"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"`
	By     string    `json:"by"`
	Reason string    `json:"reason"`
}

// Bounds of a mode: what is meant to last longer belongs into local/winnow.conf.
const (
	MaxModeTime = 30 * 24 * time.Hour
	maxModeFile = 16 << 10
	maxModeText = 1000 // bytes of who and why
)

// ErrModeBroken is wrapped by the error of a mode.json that is there and cannot be read or trusted. All
// profiles count together then: whichever was meant, the settings are at least as cautious.
var ErrModeBroken = errors.New("the mode cannot be read: all profiles count together")

// applyMode lays what mode.json says over the settings. The file may be missing; damaged it is worse than
// either: somebody asked for caution, and nobody knows for how long.
func (d *Deployment) applyMode(now time.Time) {
	d.Mode, d.ModeErr = d.readMode()
	switch {
	case d.ModeErr != nil:
		d.Mode = Mode{}
		d.Settings = d.Settings.WithModes(slices.Collect(maps.Values(d.Settings.Modes))...)
	case d.Mode.In(now):
		d.Settings = d.Settings.WithModes(d.Settings.Modes[d.Mode.Name])
	default:
		d.Mode, d.Ended = Mode{}, d.Mode
	}
}

// In reports whether the mode is in force. One that begins in the future is: a clock was set back.
func (m Mode) In(now time.Time) bool { return m.Name != "" && now.Before(m.Until) }

func (d *Deployment) readMode() (Mode, error) {
	path := d.Path("mode.json")
	bad := func(err error) (Mode, error) {
		return Mode{}, fmt.Errorf("%w: %s: %w; `winnow mode off` removes it", ErrModeBroken, path, err)
	}
	info, err := os.Lstat(path)
	if missing(err) {
		return Mode{}, nil
	}
	switch {
	case err != nil:
		return bad(err)
	case !info.Mode().IsRegular():
		return bad(errors.New("not a regular file"))
	case info.Size() > maxModeFile:
		return bad(fmt.Errorf("%d bytes", info.Size()))
	}
	if err := d.Trusted(path); err != nil {
		return bad(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return bad(err)
	}
	m, err := parseMode(data, d.Settings.Modes)
	if err != nil {
		return bad(err)
	}
	return m, nil
}

func parseMode(data []byte, modes map[string]conf.Mode) (Mode, error) {
	var m Mode
	dec := json.NewDecoder(bytes.NewReader(data))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&m); err != nil {
		return Mode{}, err
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return Mode{}, errors.New("there is more after its end")
	}
	return m, m.check(modes)
}

func (m Mode) check(modes map[string]conf.Mode) error {
	_, known := modes[m.Name]
	switch lasts := m.Until.Sub(m.Since); {
	case !known:
		return fmt.Errorf("winnow.conf has no [mode:%.60s]", m.Name)
	case m.Since.IsZero() || m.Until.IsZero() || lasts <= 0:
		return errors.New("since and until are no span of time")
	case lasts > MaxModeTime:
		return fmt.Errorf("it lasts %s, more than %s", lasts, MaxModeTime)
	case len(m.By) > maxModeText || len(m.Reason) > maxModeText:
		return fmt.Errorf("more than %d bytes of who and why", maxModeText)
	}
	return nil
}

// SetMode switches a mode on, or with the zero Mode off, and keeps the change as an event of status.ndjson.
// Another user's mode.json, or one that is damaged, is replaced.
func (d *Deployment) SetMode(m Mode, by string, now time.Time) error {
	path := d.Path("mode.json")
	was := d.Mode.Name
	if d.ModeErr != nil {
		was = "unreadable"
	}
	change := ModeChange{Mode: m.Name, Was: was, By: by, Reason: m.Reason}
	if m.Name != "" {
		m.Since, m.Until, m.By = m.Since.UTC(), m.Until.UTC(), by
		change.Until = &m.Until
		if err := m.check(d.Settings.Modes); err != nil {
			return fmt.Errorf("switch mode: %w", err)
		}
		text, err := json.Marshal(m)
		if err != nil {
			return fmt.Errorf("switch mode: %w", err)
		}
		if err := WriteFile(path, append(text, '\n')); err != nil {
			return err
		}
	} else if err := d.removeMode(path); err != nil {
		return err
	}
	if err := d.ReportMode("mode_changed", change, now); err != nil {
		return fmt.Errorf("the mode is switched, and status.ndjson does not say so: %w", err)
	}
	return nil
}

func (d *Deployment) removeMode(path string) error {
	if err := os.Remove(path); err != nil && !missing(err) {
		return fmt.Errorf("switch mode: %w", err)
	}
	return syncDir(d.State)
}

// ModeChange is what an event mode_changed or mode_ended says: who switched what, until when and why.
type ModeChange struct {
	Mode   string     `json:"mode"` // "" for none
	Was    string     `json:"was"`
	Until  *time.Time `json:"until"`
	By     string     `json:"by"`
	Reason string     `json:"reason"`
}

// ReportMode appends an event about the mode to status.ndjson.
func (d *Deployment) ReportMode(event string, c ModeChange, now time.Time) error {
	c.By, c.Reason = clipped(c.By), clipped(strings.ToValidUTF8(c.Reason, "?"))
	return d.Report(Status{Time: now, Event: event, Level: "info", Mode: &c})
}
