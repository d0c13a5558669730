package rules

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
)

func (r *ruleReader) searches(p pair) []string {
	names, ok := r.texts(p)
	if ok && len(names) == 0 {
		r.fail(p.value, "", "search_name is empty")
	}
	for _, name := range names {
		if strings.TrimSpace(name) == "" {
			r.fail(p.value, "", "search_name holds an empty name")
		}
		if strings.Trim(name, "*?") == "" && name != "" {
			r.fail(p.value, "say global: true", "search_name %q stands for every search", name)
		}
	}
	return names
}

// expires reads the last day on which the rule holds.
func (r *ruleReader) expires(p pair) time.Time {
	text, ok := r.text(p)
	if !ok {
		return time.Time{}
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		r.fail(p.value, "", "expires is %q, want a day like 2027-03-31", clip(text))
		return time.Time{}
	}
	end := day.AddDate(0, 0, 1)
	if latest := latestExpiry(r.opts.Now); day.After(latest) {
		r.fail(p.value, "", "expires is more than a year ahead (the latest is %s)", latest.Format(time.DateOnly))
	}
	return end
}

// latestExpiry is the last moment of a day that expires may name.
func latestExpiry(now time.Time) time.Time { return now.UTC().AddDate(1, 0, 0) }

func (r *ruleReader) mode(p pair) Mode {
	text, ok := r.text(p)
	if !ok {
		return ModeShadow
	}
	switch m := Mode(text); m {
	case ModeEnforce, ModeShadow:
		return m
	}
	hint := didYouMean(nearest(text, slices.Values([]string{"enforce", "shadow"})))
	r.fail(p.value, hint, "unknown mode %q, want enforce or shadow", clip(text))
	return ModeShadow
}

// ceiling reads max_severity. What lies above medium needs two approvers: that is for package
// allowlist to ask.
func (r *ruleReader) ceiling(p pair) winnow.Severity {
	text, ok := r.text(p)
	if !ok {
		return winnow.SeverityUnknown
	}
	var s winnow.Severity
	if err := s.UnmarshalText([]byte(text)); err != nil || s == winnow.SeverityUnknown {
		r.fail(p.value, "", "max_severity is %q, want informational, low, medium, high or critical", clip(text))
		return winnow.SeverityUnknown
	}
	return s
}

func (r *ruleReader) canary(p pair) float64 {
	text, ok := r.text(p)
	if !ok {
		return -1
	}
	share, err := parseShare(text)
	if err != nil {
		r.fail(p.value, "", "canary is %q: %v", clip(text), err)
	}
	return share
}

// parseShare reads "1%" or "0.5 %".
func parseShare(text string) (float64, error) {
	number, ok := strings.CutSuffix(strings.TrimSpace(text), "%")
	if !ok {
		return -1, errors.New("want a share like 1%")
	}
	v, ok := plainDecimal(strings.TrimSpace(number))
	if !ok || v < 0 || v > 100 {
		return -1, errors.New("want a share from 0% to 100%")
	}
	return v / 100, nil
}

// windowKeys are the keys of a window, in the order in which people write them.
var windowKeys = []string{"days", "from", "to", "tz"}

func (r *ruleReader) window(p pair) *Window {
	before := len(r.errs)
	pairs, _ := r.mapping(p.value, "a window", windowKeys)
	w := &Window{Days: [7]bool{true, true, true, true, true, true, true}, Zone: time.UTC}
	for _, kp := range pairs {
		if err := r.windowKey(kp, w); err != nil {
			r.fail(kp.value, "", "window: %v", err)
		}
	}
	for _, key := range []string{"from", "to"} {
		if find(pairs, key) == nil {
			r.fail(p.value, "", "window: %s is missing", key)
		}
	}
	if len(r.errs) > before {
		return nil
	}
	if w.From == w.To {
		r.fail(p.value, `write from: "00:00", to: "24:00" for the whole day`, "window: from and to are the same")
		return nil
	}
	return w
}

func (r *ruleReader) windowKey(p pair, w *Window) (err error) {
	texts, ok := r.texts(p)
	if !ok || p.key.Value != "days" && len(texts) != 1 {
		return fmt.Errorf("%s must be one text", p.key.Value)
	}
	switch p.key.Value {
	case "days":
		w.Days, err = parseDays(texts)
	case "from":
		if w.From, err = parseClock(texts[0]); w.From == 24*60 {
			err = errors.New(`from is 24:00, write "00:00" and the next day`)
		}
	case "to":
		w.To, err = parseClock(texts[0])
	case "tz":
		w.Zone, err = loadZone(texts[0])
	}
	return err
}

func loadZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, errors.New("tz must name a zone like Europe/Berlin")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("unknown tz %s", strconv.Quote(clip(name)))
	}
	return zone, nil
}
