package intake

import (
	"strconv"
	"strings"
	"time"
)

// timeLayouts are the written times that are read, beside epoch numbers. What names no zone is UTC.
var timeLayouts = [...]string{
	time.RFC3339Nano,
	"2006-01-02T15:04:05.999999999Z0700",
	"2006-01-02T15:04:05.999999999",
	"2006-01-02 15:04:05.999999999Z07:00",
	"2006-01-02 15:04:05.999999999 Z07:00",
	"2006-01-02 15:04:05.999999999 Z0700",
	"2006-01-02 15:04:05.999999999 UTC",
	"2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04Z07:00",
	"2006-01-02",
}

// parseTime reads an epoch number (seconds with fraction, or whole milli-, micro- or
// nanoseconds, told apart by their size) or a date and time. Times outside 1970 to 9999 are none.
func parseTime(text string) (time.Time, bool) {
	text = strings.TrimSpace(text)
	if len(text) > 40 {
		return time.Time{}, false
	}
	if t, ok := parseEpoch(text); ok {
		return inRange(t)
	}
	for _, layout := range timeLayouts {
		if t, err := time.Parse(layout, text); err == nil {
			return inRange(t.UTC())
		}
	}
	return time.Time{}, false
}

func inRange(t time.Time) (time.Time, bool) {
	if t.Unix() < 0 || t.Year() > 9999 {
		return time.Time{}, false
	}
	return t, true
}

// parseEpoch reads digits with an optional fraction. It stays with integers, because a float
// does not hold a nanosecond of this century.
func parseEpoch(text string) (time.Time, bool) {
	whole, fraction, _ := strings.Cut(text, ".")
	n, err := strconv.ParseUint(whole, 10, 63)
	if err != nil || len(whole) < 6 {
		return parseFloatEpoch(text)
	}
	var part uint64
	if fraction != "" {
		digits := (fraction + "000000000")[:9]
		if part, err = strconv.ParseUint(digits, 10, 32); err != nil {
			return time.Time{}, false
		}
	}
	switch v := int64(n); {
	case v < 1e11:
		return time.Unix(v, int64(part)).UTC(), true
	case v < 1e14:
		return time.UnixMilli(v).UTC(), true
	case v < 1e17:
		return time.UnixMicro(v).UTC(), true
	default:
		return time.Unix(0, v).UTC(), true
	}
}

// parseFloatEpoch reads what JSON encoders make of large numbers: 1.7672256e+09.
func parseFloatEpoch(text string) (time.Time, bool) {
	if !strings.ContainsAny(text, "eE") {
		return time.Time{}, false
	}
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || f < 1e6 || f > 1e18 {
		return time.Time{}, false
	}
	return parseEpoch(strconv.FormatFloat(f, 'f', 6, 64))
}
