package intake

import (
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	utc := func(ns int) string {
		return time.Date(2026, 1, 2, 3, 4, 5, ns, time.UTC).Format(time.RFC3339Nano)
	}
	for text, want := range map[string]string{
		"1767323045":                          utc(0),
		"1767323045.25":                       utc(250e6),
		"1767323045.123456789":                utc(123456789),
		"1767323045.1234567891":               utc(123456789),
		"1767323045000":                       utc(0),
		"1767323045123456":                    utc(123456000),
		"1767323045123456789":                 utc(123456789),
		"1.767323045e+09":                     utc(0),
		" 2026-01-02T03:04:05Z ":              utc(0),
		"2026-01-02T03:04:05.5Z":              utc(5e8),
		"2026-01-02T05:04:05+02:00":           utc(0),
		"2026-01-02T05:04:05.000+0200":        utc(0),
		"2026-01-02T03:04:05":                 utc(0),
		"2026-01-02 03:04:05":                 utc(0),
		"2026-01-02 03:04:05.000 UTC":         utc(0),
		"2026-01-02 05:04:05 +02:00":          utc(0),
		"2026-01-02":                          "2026-01-02T00:00:00Z",
		"":                                    "",
		"soon":                                "",
		"12":                                  "",
		"-1767323045":                         "",
		"1767323045.x":                        "",
		"1969-12-31T00:00:00Z":                "",
		"99999999999999999999999":             "",
		"1e400":                               "",
		"2026-13-01T00:00:00Z":                "",
		"2026-01-02T03:04:05Z and then a lot": "",
	} {
		got, ok := parseTime(text)
		if !ok {
			if want != "" {
				t.Errorf("%q: no time, want %s", text, want)
			}
			continue
		}
		if s := got.Format(time.RFC3339Nano); s != want {
			t.Errorf("%q: %s, want %q", text, s, want)
		}
	}
}

// Whatever the text, a time that is read can be written in a record and in a ULID.
func FuzzParseTime(f *testing.F) {
	f.Add("1767323045.25")
	f.Add("2026-01-02T05:04:05.000+0200")
	f.Add("1e9")
	f.Fuzz(func(t *testing.T, text string) {
		if got, ok := parseTime(text); ok && (got.Unix() < 0 || got.Year() > 9999) {
			t.Errorf("%q: %v", text, got)
		}
	})
}
