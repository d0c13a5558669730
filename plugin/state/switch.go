package state

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// Beat tells the alert action that the worker is alive.
func (d *Deployment) Beat(now time.Time) error {
	path := d.Path("worker.alive")
	err := os.Chtimes(path, now, now)
	if missing(err) {
		var f *os.File
		if f, err = os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600); err == nil {
			if err = f.Close(); err == nil {
				err = os.Chtimes(path, now, now)
			}
		}
	}
	if err != nil {
		return fmt.Errorf("heartbeat: %w", err)
	}
	return nil
}

// Alive reports whether the worker has shown itself within [gate] worker_grace. A heartbeat from
// further in the future than that is a broken clock, and counts as none.
func (d *Deployment) Alive(now time.Time) bool {
	info, err := os.Stat(d.Path("worker.alive"))
	if err != nil {
		return false
	}
	return now.Sub(info.ModTime()).Abs() <= d.Settings.Gate.WorkerGrace
}

// Switch says whether the stop switch passes everything on, who turned it and when. Who and At
// are empty when winnow.conf did.
type Switch struct {
	Off bool      `json:"off"`
	Who string    `json:"who"`
	At  time.Time `json:"at"`
}

// GateOff reports whether the gate is off, by [gate] off or by the stop switch. A switch that
// cannot be read is off, and an error.
func (d *Deployment) GateOff() (bool, error) {
	if d.Settings.Gate.Off {
		return true, nil
	}
	_, err := os.Lstat(d.Path("gate.off"))
	if missing(err) {
		return false, nil
	}
	if err != nil {
		return true, fmt.Errorf("read stop switch: %w", err)
	}
	return true, nil
}

// GateSwitch is [Deployment.GateOff] with who and when, for people. A switch file that says
// neither is off all the same.
func (d *Deployment) GateSwitch() (Switch, error) {
	off, err := d.GateOff()
	s := Switch{Off: off}
	if err != nil || !off {
		return s, err
	}
	text, err := os.ReadFile(d.Path("gate.off"))
	if missing(err) {
		return s, nil // off by winnow.conf
	}
	if err != nil {
		return s, fmt.Errorf("read stop switch: %w", err)
	}
	if json.Unmarshal(text, &s) != nil {
		s = Switch{}
	}
	s.Off = true
	return s, nil
}

// SetGate turns the stop switch. It cannot turn on what [gate] off holds off.
func (d *Deployment) SetGate(off bool, who string, now time.Time) error {
	path := d.Path("gate.off")
	if off {
		text, err := json.Marshal(Switch{Off: true, Who: who, At: now.UTC()})
		if err != nil {
			return fmt.Errorf("turn stop switch: %w", err)
		}
		return WriteFile(path, append(text, '\n'))
	}
	if err := os.Remove(path); err != nil && !missing(err) {
		return fmt.Errorf("turn stop switch: %w", err)
	}
	if d.Settings.Gate.Off {
		return fmt.Errorf("the gate stays off: winnow.conf says [gate] off in %s", filepath.Join(d.App, "local"))
	}
	return syncDir(d.State)
}
