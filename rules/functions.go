package rules

import (
	"strconv"
	"strings"
	"time"
)

// maxDecimalDigits is how many digits a number may have and still be exact.
const maxDecimalDigits = 15

// plainDecimal reads -12.5 and its like: no exponent, no sign but minus, no spaces, digits on both
// sides of the point.
func plainDecimal(text string) (float64, bool) {
	digits := strings.TrimPrefix(text, "-")
	whole, frac, point := strings.Cut(digits, ".")
	if !allDigits(whole) || point && !allDigits(frac) || len(whole)+len(frac) > maxDecimalDigits {
		return 0, false
	}
	v, err := strconv.ParseFloat(text, 64)
	return v, err == nil
}

func allDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}

// maxEpoch is the year 9999, in seconds.
const maxEpoch = 253402300799

// parseTime reads seconds since 1970 as a plain decimal, or RFC 3339, as Splunk and most products
// write times.
func parseTime(text string) (seconds float64, ok bool) {
	if v, ok := plainDecimal(text); ok {
		return v, v >= 0 && v <= maxEpoch
	}
	if len(text) > len("2006-01-02T15:04:05.999999999+07:00")+1 {
		return 0, false
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Unix() < 0 {
		return 0, false
	}
	return epoch(t), true
}

func epoch(t time.Time) float64 {
	return float64(t.Unix()) + float64(t.Nanosecond())/1e9
}

// age returns the seconds from the time in text to at. A time after at has no age: an attacker who
// dates an event into the future must not make it young.
func age(text string, at float64) (float64, bool) {
	t, ok := parseTime(text)
	if !ok || t > at {
		return 0, false
	}
	return at - t, true
}
