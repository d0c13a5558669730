package rules

import (
	"testing"
	"time"
)

func mustZone(t *testing.T, name string) *time.Location {
	t.Helper()
	zone, err := loadZone(name)
	if err != nil {
		t.Skip("no time zones on this machine: ", err)
	}
	return zone
}

func TestWindowContains(t *testing.T) {
	berlin := mustZone(t, "Europe/Berlin")
	saturdayNight := Window{Days: [7]bool{6: true}, From: 22 * 60, To: 4 * 60, Zone: berlin}
	everyDay := [7]bool{true, true, true, true, true, true, true}
	night := Window{Days: everyDay, From: 1 * 60, To: 5 * 60, Zone: berlin}
	office := Window{Days: [7]bool{1: true}, From: 8 * 60, To: 17 * 60, Zone: berlin}
	wholeDay := Window{Days: [7]bool{0: true}, From: 0, To: 24 * 60, Zone: time.UTC}
	for _, c := range []struct {
		name string
		w    Window
		at   string
		want bool
	}{
		{"Saturday at ten", saturdayNight, "2026-11-14T22:00:00+01:00", true},
		{"a second before", saturdayNight, "2026-11-14T21:59:59+01:00", false},
		{"Sunday morning belongs to Saturday", saturdayNight, "2026-11-15T03:59:59+01:00", true},
		{"the end is outside", saturdayNight, "2026-11-15T04:00:00+01:00", false},
		{"Saturday morning belongs to Friday", saturdayNight, "2026-11-14T03:00:00+01:00", false},
		{"Sunday at ten", saturdayNight, "2026-11-15T22:00:00+01:00", false},
		{"the zone counts, not UTC", saturdayNight, "2026-11-14T21:30:00Z", true},
		{"Monday", office, "2026-11-16T08:00:00+01:00", true},
		{"Monday after work", office, "2026-11-16T17:00:00+01:00", false},
		{"Tuesday", office, "2026-11-17T09:00:00+01:00", false},
		{"midnight", wholeDay, "2026-11-15T00:00:00Z", true},
		{"the last second", wholeDay, "2026-11-15T23:59:59Z", true},
		{"the next day", wholeDay, "2026-11-16T00:00:00Z", false},

		{"before clocks go back", night, "2026-10-25T01:59:59+02:00", true},
		{"the hour to be repeated", night, "2026-10-25T02:00:00+02:00", false},
		{"its last second", night, "2026-10-25T02:59:59+02:00", false},
		{"the hour repeated", night, "2026-10-25T02:00:00+01:00", false},
		{"its last second again", night, "2026-10-25T02:59:59+01:00", false},
		{"after it", night, "2026-10-25T03:00:00+01:00", true},
		{"before clocks go forward", night, "2026-03-29T01:59:59+01:00", true},
		{"after the hour skipped", night, "2026-03-29T03:00:00+02:00", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			at, err := time.Parse(time.RFC3339, c.at)
			if err != nil {
				t.Fatal(err)
			}
			if got := c.w.Contains(at); got != c.want {
				t.Errorf("%s: %v, want %v", c.at, got, c.want)
			}
		})
	}
}

// A zone whose clocks move by half an hour, at other dates.
func TestWindowHalfHour(t *testing.T) {
	w := Window{Days: [7]bool{true, true, true, true, true, true, true}, From: 0, To: 24 * 60, Zone: mustZone(t, "Australia/Lord_Howe")}
	end := time.Date(2026, 4, 4, 15, 0, 0, 0, time.UTC) // 02:00 becomes 01:30
	for _, c := range []struct {
		after time.Duration
		want  bool
	}{{-31 * time.Minute, true}, {-30 * time.Minute, false}, {-time.Second, false}, {0, false}, {29 * time.Minute, false}, {30 * time.Minute, true}} {
		if got := w.Contains(end.Add(c.after)); got != c.want {
			t.Errorf("%v after: %v, want %v", c.after, got, c.want)
		}
	}
}

func TestParseClock(t *testing.T) {
	for text, want := range map[string]int{"00:00": 0, "22:05": 1325, "24:00": 1440} {
		if got, err := parseClock(text); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{"", "7:00", "24:01", "22", "22:60", "2200", "-1:00", "22:00 "} {
		if got, err := parseClock(text); err == nil {
			t.Errorf("%q is read as %d", text, got)
		}
	}
}
