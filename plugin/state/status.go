package state

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"time"
)

// Status is something that people must know of winnow itself, as an event of sourcetype
// winnow:status.
type Status struct {
	Time    time.Time `json:"time"`
	Event   string    `json:"event"` // rules_loaded, rules_broken, mode_changed, mode_ended, reconcile_failed, reconciled, budget_warning
	Level   string    `json:"level"` // info, warning, error
	Rules   int       `json:"rules"` // in force
	Version string    `json:"version"`
	Kept    bool      `json:"kept"`   // the rules in force are the last good ones, and not those of the files
	Errors  []string  `json:"errors"` // at most twenty of error_count
	Count   int       `json:"error_count"`

	Mode   *ModeChange    `json:"change,omitempty"` // of mode_changed and mode_ended
	Budget *BudgetWarning `json:"budget,omitempty"` // of budget_warning
}

// BudgetWarning says how a limit stands. Amounts are micro-dollars.
type BudgetWarning struct {
	Warning  string    `json:"warning"` // the share that is booked, like "80%", or "forecast": it will not last
	Scope    string    `json:"scope"`   // total, search, team or model
	Name     string    `json:"name"`    // of the search, team or model
	Period   string    `json:"period"`  // day or month
	From     time.Time `json:"from"`    // its start, UTC
	Limit    int64     `json:"limit_microusd"`
	Booked   int64     `json:"booked_microusd"`
	Expected int64     `json:"expected_microusd"` // at the end of the period, at the present rate
}

// Limits of status.ndjson: broken rule files can have very many errors, each with text of theirs.
const (
	maxStatusErrors = 20
	maxStatusText   = 500 // characters of an error
	maxStatusFile   = 4 << 20
)

// Report appends an event to status.ndjson.
func (d *Deployment) Report(s Status) error {
	s.Count = len(s.Errors)
	short := make([]string, 0, min(s.Count, maxStatusErrors))
	for _, text := range s.Errors[:min(s.Count, maxStatusErrors)] {
		short = append(short, clipped(text))
	}
	s.Errors, s.Time = short, s.Time.UTC()
	return appendEvent(d.Path("status.ndjson"), maxStatusFile, s)
}

// appendEvent appends an event to a file in one write. A file that has grown beyond its limit is first moved to
// the same name with .1 at its end.
func appendEvent(path string, limit int64, event any) error {
	if info, err := os.Stat(path); err == nil && info.Size() > limit {
		if err := os.Rename(path, path+".1"); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(event); err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(line.Bytes())
	return errors.Join(err, f.Close())
}

func clipped(text string) string {
	if runes := []rune(text); len(runes) > maxStatusText {
		return string(runes[:maxStatusText]) + "..."
	}
	return text
}
