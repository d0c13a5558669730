package conf

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
)

// Units of durations. Splunk's m is a minute.
const (
	second = time.Second
	hour   = time.Hour
	day    = 24 * time.Hour
)

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// text takes any text but an empty one.
func text(to *string) func(string) error {
	return func(s string) error {
		if s == "" {
			return errors.New("empty")
		}
		*to = s
		return nil
	}
}

func anyText(to *string) func(string) error {
	return func(s string) error {
		*to = s
		return nil
	}
}

// parsed takes what a parser of the vocabulary takes.
func parsed[T any](to *T, parse func(string) (T, error)) func(string) error {
	return func(s string) error {
		v, err := parse(s)
		if err == nil {
			*to = v
		}
		return err
	}
}

func oneOf[T ~string](to *T, legal ...T) func(string) error {
	return func(s string) error {
		if !slices.Contains(legal, T(s)) {
			return fmt.Errorf("%q is not one of %v", s, legal)
		}
		*to = T(s)
		return nil
	}
}

// boolean takes every way Splunk writes one.
func boolean(to *bool) func(string) error {
	return func(s string) error {
		switch strings.ToLower(s) {
		case "1", "true", "t", "yes", "y", "on", "enabled":
			*to = true
		case "0", "false", "f", "no", "n", "off", "disabled":
			*to = false
		default:
			return fmt.Errorf("%q is not a boolean (want 1, true, yes, enabled or 0, false, no, disabled)", s)
		}
		return nil
	}
}

func integer[T int | int64](to *T, low, high T) func(string) error {
	return func(s string) error {
		n, err := strconv.ParseInt(s, 10, 64)
		if err != nil || n < int64(low) || n > int64(high) {
			return fmt.Errorf("%q is not a whole number from %d to %d", s, low, high)
		}
		*to = T(n)
		return nil
	}
}

func number(to *float64, low, high float64) func(string) error {
	return func(s string) error {
		n, err := strconv.ParseFloat(s, 64)
		if err != nil || !(n >= low && n <= high) { // so written, NaN is out of range
			return fmt.Errorf("%q is not a number from %g to %g", s, low, high)
		}
		*to = n
		return nil
	}
}

// share takes a part of the whole, as 1% or 0.01.
func share(to *float64) func(string) error {
	return func(s string) error {
		digits, percent := strings.CutSuffix(s, "%")
		n, err := strconv.ParseFloat(strings.Trim(digits, blank), 64)
		if percent {
			n /= 100
		}
		if err != nil || !(n >= 0 && n <= 1) {
			return fmt.Errorf("%q is not a share (want 0%% to 100%%, or 0 to 1)", s)
		}
		*to = n
		return nil
	}
}

// shares takes rising parts of the whole with commas between them, like 50%, 80%, 95%; nothing is none.
func shares(to *[]float64) func(string) error {
	return func(s string) error {
		var texts []string
		if err := list(&texts)(s); err != nil {
			return err
		}
		out := make([]float64, len(texts))
		for i, text := range texts {
			if err := share(&out[i])(text); err != nil {
				return err
			}
			if out[i] == 0 || i > 0 && out[i] <= out[i-1] {
				return fmt.Errorf("%q is not a list of rising shares above 0 (want one like 50%%, 80%%, 95%%)", s)
			}
		}
		*to = out
		return nil
	}
}

// hours takes hours of the day, like 08:00-18:00.
func hours(to *Hours) func(string) error {
	return func(s string) error {
		from, until, _ := strings.Cut(s, "-")
		a, err := time.Parse("15:04", strings.Trim(from, blank))
		b, untilErr := time.Parse("15:04", strings.Trim(until, blank))
		if err != nil || untilErr != nil || a.Equal(b) {
			return fmt.Errorf("%q is not hours of the day (want two that differ, like 08:00-18:00)", s)
		}
		*to = Hours{a.Hour()*60 + a.Minute(), b.Hour()*60 + b.Minute()}
		return nil
	}
}

// zone takes the name of a time zone.
func zone(to **time.Location) func(string) error {
	return func(s string) error {
		at, err := time.LoadLocation(s)
		if err != nil || s == "" || s == "Local" {
			return fmt.Errorf("%q is not a time zone (want one like UTC or Europe/Berlin)", s)
		}
		*to = at
		return nil
	}
}

var durationUnits = map[string]time.Duration{
	"": second, "s": second, "m": time.Minute, "h": hour, "d": day, "w": 7 * day,
}

// duration takes a whole number and s, m, h, d or w; seconds without a unit.
func duration(to *time.Duration, low, high time.Duration) func(string) error {
	return func(s string) error {
		digits := strings.TrimRight(s, "smhdw")
		n, err := strconv.ParseInt(digits, 10, 64)
		unit, ok := durationUnits[s[len(digits):]]
		if err != nil || !ok || n < 0 || n > math.MaxInt64/int64(unit) {
			return fmt.Errorf("%q is not a duration (want seconds, or a whole number and s, m, h, d or w, like 30s or 24h)", s)
		}
		if d := time.Duration(n) * unit; d < low || d > high {
			return fmt.Errorf("%s is not from %s to %s", s, short(low), short(high))
		}
		*to = time.Duration(n) * unit
		return nil
	}
}

// short writes a duration as the file would.
func short(d time.Duration) string {
	for _, u := range []string{"d", "h", "m"} {
		if unit := durationUnits[u]; d >= unit && d%unit == 0 {
			return fmt.Sprintf("%d%s", d/unit, u)
		}
	}
	return fmt.Sprintf("%ds", d/second)
}

// size takes bytes, or a whole number and KB, MB or GB of 1024.
func size(to *int64) func(string) error {
	return func(s string) error {
		digits := strings.TrimRight(s, "KMGB")
		var shift uint
		switch s[len(digits):] {
		case "":
		case "KB":
			shift = 10
		case "MB":
			shift = 20
		case "GB":
			shift = 30
		default:
			digits = ""
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n < 0 || n > math.MaxInt64>>shift {
			return fmt.Errorf("%q is not a size (want bytes, or a whole number and KB, MB or GB, like 64MB)", s)
		}
		*to = n << shift
		return nil
	}
}

// localAddress takes an address and a port that only this host reaches; nothing is none.
func localAddress(to *string) func(string) error {
	return func(s string) error {
		at, err := netip.ParseAddrPort(s)
		if s != "" && (err != nil || !at.Addr().IsLoopback() || at.Addr().Zone() != "") {
			return fmt.Errorf("%q is not a loopback address and a port (want one like 127.0.0.1:9464 or [::1]:9464, or nothing)", s)
		}
		*to = s
		return nil
	}
}

// anAddress takes an address of this host and a port; nothing is none.
func anAddress(to *string) func(string) error {
	return func(s string) error {
		at, err := netip.ParseAddrPort(s)
		if s != "" && (err != nil || at.Addr().Zone() != "" || at.Addr().IsMulticast()) {
			return fmt.Errorf("%q is not an address and a port (want one like 127.0.0.1:8090 or 192.0.2.7:8090, or nothing)", s)
		}
		*to = s
		return nil
	}
}

func severity(to *winnow.Severity) func(string) error {
	return func(s string) error { return to.UnmarshalText([]byte(s)) }
}

// dollars takes an amount in decimal, like 25 or 0.50; nothing is no limit.
func dollars(to **winnow.NanoUSD) func(string) error {
	return func(s string) error {
		if *to = nil; s == "" {
			return nil
		}
		n, err := ParseDollars(s)
		if err != nil {
			return fmt.Errorf("%w; empty for no limit", err)
		}
		*to = &n
		return nil
	}
}

// ParseDollars reads an amount in decimal, like 25 or 0.50, to the nano-dollar.
func ParseDollars(s string) (winnow.NanoUSD, error) {
	whole, fraction, point := strings.Cut(s, ".")
	digits := func(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }
	n, err := strconv.ParseInt(whole+(fraction + "000000000")[:9], 10, 64)
	if !digits(whole) || point && !digits(fraction) || len(fraction) > 9 || err != nil || n > 1e18 {
		return 0, fmt.Errorf("%q is not an amount of dollars (want 25 or 0.50, at most a billion)", s)
	}
	return winnow.NanoUSD(n), nil
}

// list takes names or words with commas between them; nothing is an empty list.
func list(to *[]string) func(string) error {
	return func(s string) error {
		*to = []string{}
		for part := range strings.SplitSeq(s, ",") {
			if part = strings.Trim(part, blank); part != "" {
				*to = append(*to, part)
			}
		}
		return nil
	}
}

// apps takes names of apps: each is one folder beside winnow's own, so nothing that leads elsewhere.
func apps(to *[]string) func(string) error {
	return func(s string) error {
		var names []string
		if err := list(&names)(s); err != nil {
			return err
		}
		for _, name := range names {
			if strings.HasPrefix(name, ".") || strings.ContainsAny(name, `/\:`) {
				return fmt.Errorf("%q is not the name of an app", name)
			}
		}
		*to = names
		return nil
	}
}

// oneApp takes the name of one app.
func oneApp(to *string) func(string) error {
	return func(s string) error {
		var names []string
		if err := apps(&names)(s); err != nil {
			return err
		}
		if len(names) > 1 {
			return fmt.Errorf("%q is more than one app", s)
		}
		*to = s
		return nil
	}
}
