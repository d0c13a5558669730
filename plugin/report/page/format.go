package page

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
)

// usd writes an amount as a person reads it: cents up to a hundred thousand dollars, two digits that count below
// ten cents.
func usd(n winnow.NanoUSD) string {
	sign := ""
	if n < 0 {
		sign = "-"
	}
	d := math.Abs(float64(n)) / 1e9
	switch {
	case d == 0:
		return "$0"
	case d < 0.0995:
		places := 1 - int(math.Floor(math.Log10(d)))
		return sign + "$" + strconv.FormatFloat(d, 'f', min(places, 9), 64)
	case d < 1e5:
		whole, cents, _ := strings.Cut(strconv.FormatFloat(d, 'f', 2, 64), ".")
		return sign + "$" + grouped(whole) + "." + cents
	}
	return sign + "$" + grouped(strconv.FormatFloat(d, 'f', 0, 64))
}

// count writes a number with commas.
func count(n int) string {
	if n < 0 {
		return "-" + grouped(strconv.FormatUint(-uint64(n), 10)) //nolint:gosec // the amount of it
	}
	return grouped(strconv.Itoa(n))
}

func grouped(digits string) string {
	var b strings.Builder
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// percent writes a share with as many places as it needs to be told from nothing.
func percent(share float64) string {
	switch p := 100 * share; {
	case p == 0 || p >= 99.95:
		return fmt.Sprintf("%.0f %%", p)
	case p < 0.1:
		return fmt.Sprintf("%.2f %%", p)
	default:
		return fmt.Sprintf("%.1f %%", p)
	}
}

func things(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return count(n) + " " + many
}

func day(t time.Time) string { return t.UTC().Format("2 Jan 2006") }

// maxName keeps a name that somebody made up to attack with from filling the page.
const maxName = 90

// name shows text from alerts and files: characters that could turn the text around or hide in it are shown as what
// they are.
func name(s string) string {
	if strings.TrimSpace(s) == "" {
		return "(no name)"
	}
	var b strings.Builder
	n := 0
	for _, r := range s {
		if n++; n > maxName {
			b.WriteRune('…')
			break
		}
		if r < 0x20 || r == 0x061c || r >= 0x7f && r < 0xa0 || r >= 0x200b && r <= 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2060 && r <= 0x206f || r == 0xfeff {
			fmt.Fprintf(&b, "\\u%04x", r)
			continue
		}
		b.WriteRune(r)
	}
	return b.String()
}
