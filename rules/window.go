package rules

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Window is a weekly stretch of wall-clock time in which a rule holds, like a maintenance night.
type Window struct {
	Days     [7]bool // by time.Weekday: the days on which the stretch may start
	From, To int     // minutes after midnight; To <= From ends on the next day; To may be 1440
	Zone     *time.Location
}

// Contains reports whether an instant lies in the window. Hours that daylight saving time repeats
// are outside, because a wall clock cannot say which of the two is meant; hours it skips hold no
// instant.
func (w *Window) Contains(t time.Time) bool {
	local := t.In(w.Zone)
	if repeated(local) {
		return false
	}
	minute := local.Hour()*60 + local.Minute()
	day := local.Weekday()
	if w.From < w.To {
		return w.Days[day] && minute >= w.From && minute < w.To
	}
	if minute >= w.From {
		return w.Days[day]
	}
	return minute < w.To && w.Days[(day+6)%7]
}

// repeated reports whether the wall clock shows this time twice.
func repeated(t time.Time) bool {
	start, end := t.ZoneBounds()
	_, here := t.Zone()
	if !start.IsZero() {
		_, before := start.Add(-time.Nanosecond).Zone()
		if t.Sub(start) < time.Duration(before-here)*time.Second {
			return true
		}
	}
	if !end.IsZero() {
		_, after := end.Zone()
		if end.Sub(t) <= time.Duration(here-after)*time.Second {
			return true
		}
	}
	return false
}

var weekdays = [7]string{"sun", "mon", "tue", "wed", "thu", "fri", "sat"}

func parseDays(names []string) (days [7]bool, err error) {
	if len(names) == 0 {
		return days, errors.New("days is empty (leave it out for every day)")
	}
next:
	for _, name := range names {
		for i, day := range weekdays {
			if name == day {
				days[i] = true
				continue next
			}
		}
		return days, fmt.Errorf("unknown day %q (want %s)", name, strings.Join(weekdays[:], ", "))
	}
	return days, nil
}

// parseClock reads "22:00" as minutes after midnight. "24:00" is the end of the day.
func parseClock(text string) (int, error) {
	if text == "24:00" {
		return 24 * 60, nil
	}
	t, err := time.Parse("15:04", text)
	if err != nil || len(text) != len("15:04") {
		return 0, fmt.Errorf("bad time of day %q (want HH:MM from 00:00 to 24:00, in quotes)", text)
	}
	return t.Hour()*60 + t.Minute(), nil
}
