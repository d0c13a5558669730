package alertaction

import (
	"strconv"
	"strings"
	"time"
)

// isoForms are the ISO 8601 times that Splunk writes, fractions of a second allowed in all.
var isoForms = [...]string{
	time.RFC3339,
	"2006-01-02T15:04:05Z0700",
	"2006-01-02 15:04:05Z07:00",
	"2006-01-02 15:04:05 Z07:00",
	"2006-01-02 15:04:05 Z0700",
}

// parseTime reads _time: seconds since 1970 with an optional fraction, or an ISO 8601 time with
// its zone. Times before 1970 or after 9999 are not ok.
func parseTime(text string) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if t, ok := parseEpoch(text); ok {
		return t, true
	}
	for _, form := range isoForms {
		if t, err := time.Parse(form, text); err == nil {
			return t.UTC(), t.Unix() >= 0
		}
	}
	return time.Time{}, false
}

// maxEpoch is the last second of the year 9999.
const maxEpoch = 253402300799

// parseEpoch reads decimal digits, not a float: a fraction of a second keeps its nanoseconds.
func parseEpoch(text string) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	seconds, err := strconv.ParseUint(whole, 10, 64)
	if err != nil || seconds > maxEpoch {
		return time.Time{}, false
	}
	fraction = (fraction + "000000000")[:9]
	nanos, err := strconv.ParseUint(fraction, 10, 32)
	if err != nil {
		return time.Time{}, false
	}
	return time.Unix(int64(seconds), int64(nanos)).UTC(), true
}
