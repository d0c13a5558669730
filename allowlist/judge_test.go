package allowlist

import (
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
)

// What a match may do. The rule's window is Saturday and Monday night, 22:00 to 04:00 UTC.
func TestJudge(t *testing.T) {
	g := newFolder(t,
		enforced("plain"), enforced("low", "max_severity: low"), ruleText("shadow", ours, "mode: shadow"), ruleText("silent", ours),
		enforced("night", `window: {days: [sat, mon], from: "22:00", to: "04:00", tz: UTC}`),
	).gate()
	expiry := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	at := func(v time.Time) func(*winnow.Alert) { return func(a *winnow.Alert) { a.Time, a.Received = v, v } }
	for _, c := range []struct {
		name   string
		rule   string
		change func(*winnow.Alert)
		s      *Suspensions
		want   winnow.Reason
	}{
		{"covered", "plain", nil, nil, winnow.ReasonRule},
		{"suspended", "plain", nil, suspend("plain"), winnow.ReasonSuspended},
		{"another is suspended", "plain", nil, suspend("low"), winnow.ReasonRule},
		{"shadow", "shadow", nil, nil, winnow.ReasonShadowRule},
		{"no mode is shadow", "silent", nil, nil, winnow.ReasonShadowRule},
		{"shadow and suspended", "shadow", nil, suspend("shadow"), winnow.ReasonSuspended},

		{"the last instant", "plain", at(expiry.Add(-1)), nil, winnow.ReasonRule},
		{"expired", "plain", at(expiry), nil, winnow.ReasonExpired},
		{"received after expiry, of before", "plain", func(a *winnow.Alert) { a.Received = expiry }, nil, winnow.ReasonExpired},
		{"received before expiry, of after", "plain", func(a *winnow.Alert) { a.Time = expiry.Add(time.Hour) }, nil, winnow.ReasonRule},

		{"medium is the default ceiling", "plain", func(a *winnow.Alert) { a.Severity = winnow.SeverityMedium }, nil, winnow.ReasonRule},
		{"above the default", "plain", func(a *winnow.Alert) { a.Severity = winnow.SeverityHigh }, nil, winnow.ReasonCeiling},
		{"above its own", "low", func(a *winnow.Alert) { a.Severity = winnow.SeverityMedium }, nil, winnow.ReasonCeiling},
		{"unknown is above all", "plain", func(a *winnow.Alert) { a.Severity = winnow.SeverityUnknown }, nil, winnow.ReasonCeiling},
		{"beyond the scale", "plain", func(a *winnow.Alert) { a.Severity = 99 }, nil, winnow.ReasonCeiling},

		{"inside the window", "night", nil, nil, winnow.ReasonRule},
		{"delivered late", "night", func(a *winnow.Alert) { a.Received = now.Add(6 * time.Hour) }, nil, winnow.ReasonWindow},
		{"a time made up", "night", func(a *winnow.Alert) { a.Time = now.Add(-12 * time.Hour) }, nil, winnow.ReasonWindow},
		{"both outside", "night", at(now.Add(24 * time.Hour)), nil, winnow.ReasonWindow},
		{"no time at all", "night", func(a *winnow.Alert) { a.Time = time.Time{} }, nil, winnow.ReasonWindow},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := alert()
			if c.change != nil {
				c.change(a)
			}
			if got := Judge(find(t, g, c.rule), a, c.s); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// Decide is what a rule's own tests are checked with: its mode does not count, all else does.
func TestDecide(t *testing.T) {
	g := newFolder(t, ruleText("shadow", ours, "mode: shadow")).gate()
	r := find(t, g, "shadow")
	for name, c := range map[string]struct {
		change func(*winnow.Alert)
		drop   bool
		why    string
	}{
		"covered":     {func(*winnow.Alert) {}, true, "rule"},
		"not covered": {func(a *winnow.Alert) { a.Fields["src"] = []string{stranger} }, false, "the condition is not true"},
		"too severe":  {func(a *winnow.Alert) { a.Severity = winnow.SeverityCritical }, false, "ceiling"},
		"expired":     {func(a *winnow.Alert) { a.Received = now.AddDate(1, 0, 0) }, false, "expired"},
	} {
		a := alert()
		c.change(a)
		if drop, why, err := Decide(r, a); drop != c.drop || why != c.why || err != nil {
			t.Errorf("%s: %v, %q, %v", name, drop, why, err)
		}
	}
}
