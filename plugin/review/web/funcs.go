package web

import (
	"fmt"
	"html/template"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/review"
)

// functions are those of the templates.
var functions = template.FuncMap{
	"visible": visible, "cut": cut, "most": most, "technique": technique, "when": when, "ago": ago, "usd": usd, "share": share,
	"things": things, "stateName": stateName, "tab": newTab, "percent": percent, "width": width, "add": func(a, b int) int { return a + b },
	"phi": func(f float64) string { return fmt.Sprintf("%.2f", f) }, "bars": bars, "gateName": gateName, "didName": didName,
}

// visible shows characters that would hide others or turn the text around, as what they are.
func visible(text any) string {
	var b strings.Builder
	for _, r := range fmt.Sprint(text) {
		switch {
		case r == '\n' || r == '\t' || r == ' ':
			b.WriteRune(r)
		case hides(r):
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// hides tells characters that are not seen, or that change how others are.
func hides(r rune) bool {
	switch r {
	case unicode.ReplacementChar, 0x034F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0: // fillers, and an empty Braille cell
		return true
	}
	return unicode.In(r, unicode.C, unicode.Z, unicode.Variation_Selector)
}

// cut shows at most n characters, on one line.
func cut(n int, text any) string {
	r := []rune(strings.Join(strings.Fields(visible(text)), " "))
	if len(r) <= n {
		return string(r)
	}
	return string(r[:n-1]) + "…"
}

// longest is how many characters of one value the page shows.
const longest = 4000

// most cuts a value that would bury the rest of the page, and says so.
func most(text string) string {
	r := []rune(text)
	if len(r) <= longest {
		return text
	}
	return string(r[:longest]) + fmt.Sprintf("… (%d more characters: `winnow review show` has them)", len(r)-longest)
}

var techniqueID = regexp.MustCompile(`^T\d{4}(\.\d{3})?$`)

// technique is where ATT&CK tells of a technique; "" for what is none.
func technique(id string) string {
	if !techniqueID.MatchString(id) {
		return ""
	}
	return "https://attack.mitre.org/techniques/" + strings.ReplaceAll(id, ".", "/") + "/"
}

func when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.UTC().Format("2006-01-02 15:04:05")
}

// ago says roughly how long something has been.
func ago(now, t time.Time) string {
	d := now.Sub(t)
	switch {
	case t.IsZero():
		return ""
	case d < time.Minute:
		return "just now"
	case d < time.Hour:
		return fmt.Sprintf("%d min", d/time.Minute)
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h", d/time.Hour)
	}
	return things(int(d/(24*time.Hour)), "day", "days")
}

func usd(micro int64) string { return winnow.NanoUSD(micro * 1000).String() }

func share(part float64) string { return fmt.Sprintf("%.1f %%", 100*part) }

// percent and width are coordinates in a picture that is 100 wide.
func percent(part float64) string { return strconv.FormatFloat(100*min(max(part, 0), 1), 'f', 2, 64) }

func width(low, high float64) string { return percent(max(high-low, 0.005)) }

func things(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

func stateName(s winnow.State) string {
	if s == winnow.StateInReview {
		return "in review"
	}
	return string(s)
}

// tab is a link of the page's head.
type tab struct {
	Path, Name, Key string
	Here            bool
}

func newTab(f frame, path, name, key string) tab { return tab{path, name, key, f.Path == path} }

// part is a part of a bar that is 100 wide.
type part struct{ Class, X, W string }

// bars are what an agent said, as parts of a bar.
func bars(a report.Agent) []part {
	all := []struct {
		class string
		n     int
	}{{"safe", a.Safe}, {"suspicious", a.Suspicious}, {"malicious", a.Malicious}, {"abstained", a.Abstained + a.NotAsked + a.Missing}}
	sum, at := 0, 0
	for _, one := range all {
		sum += one.n
	}
	var out []part
	for _, one := range all {
		if one.n > 0 {
			out = append(out, part{one.class, percent(float64(at) / float64(sum)), percent(float64(one.n) / float64(sum))})
		}
		at += one.n
	}
	return out
}

// gateName and didName are names of gates and deeds as people read them.
func gateName(gate string) string { return strings.ReplaceAll(gate, "_", " ") }

func didName(d review.Did) string { return strings.ReplaceAll(string(d), "_", " ") }
