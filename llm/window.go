package llm

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// window is a weekly span of time in which work is expected. It belongs to the day it starts on.
type window struct {
	days     [7]bool // by time.Weekday
	from, to int     // minutes of the day; to <= from runs into the next day
	zone     *time.Location
}

var weekdays = map[string]time.Weekday{
	"sun": time.Sunday, "mon": time.Monday, "tue": time.Tuesday, "wed": time.Wednesday,
	"thu": time.Thursday, "fri": time.Friday, "sat": time.Saturday,
}

func newWindow(days []string, from, to, zone string) (*window, error) {
	w := &window{}
	if len(days) == 0 {
		return nil, errors.New("window has no days")
	}
	for _, d := range days {
		day, ok := weekdays[strings.ToLower(d)]
		if !ok {
			return nil, fmt.Errorf("unknown day %q (want sun, mon, tue, wed, thu, fri or sat)", d)
		}
		w.days[day] = true
	}
	var err error
	if w.from, err = minutes(from); err != nil {
		return nil, fmt.Errorf("from: %w", err)
	}
	if w.to, err = minutes(to); err != nil {
		return nil, fmt.Errorf("to: %w", err)
	}
	if w.from == w.to {
		return nil, errors.New("window starts and ends at the same minute")
	}
	if zone == "" {
		return nil, errors.New(`window has no tz (say "UTC" or a name like "Europe/Berlin")`)
	}
	w.zone, err = time.LoadLocation(zone)
	return w, err
}

func minutes(text string) (int, error) {
	t, err := time.Parse("15:04", text)
	if err != nil {
		return 0, fmt.Errorf("time of day is %q, want HH:MM", text)
	}
	return t.Hour()*60 + t.Minute(), nil
}

func (w *window) contains(t time.Time) bool {
	if t.IsZero() {
		return false
	}
	t = t.In(w.zone)
	now, day := t.Hour()*60+t.Minute(), t.Weekday()
	if w.from < w.to {
		return w.days[day] && now >= w.from && now < w.to
	}
	return (w.days[day] && now >= w.from) || (w.days[(day+6)%7] && now < w.to)
}
