package cache_test

import (
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/cache/storetest"
)

func TestOnlyProvenBenignIsKept(t *testing.T) {
	a := travel(nil)
	for _, c := range []struct {
		name  string
		edit  func(v *winnow.Verdict)
		error string
	}{
		{"model", func(*winnow.Verdict) {}, ""},
		{"person", func(v *winnow.Verdict) { v.Source = winnow.SourcePerson }, ""},
		{"false positive", func(v *winnow.Verdict) { v.Disposition = winnow.FalsePositiveLogic }, ""},
		{"rule", func(v *winnow.Verdict) { v.Source = winnow.SourceRule }, `source "rule"`},
		{"offline", func(v *winnow.Verdict) { v.Source = winnow.SourceOffline }, `source "offline"`},
		{"cache", func(v *winnow.Verdict) { v.Source = winnow.SourceCache }, `source "cache"`},
		{"nobody", func(v *winnow.Verdict) { v.Source = winnow.SourceNone }, `source ""`},
		{"tainted", func(v *winnow.Verdict) { v.Taint = []string{"title: instruction"} }, "tainted"},
		{"zero verdict", func(v *winnow.Verdict) { *v = winnow.Verdict{} }, "Undetermined is not benign"},
		{"real", func(v *winnow.Verdict) { v.Disposition = winnow.TruePositive }, "TruePositive is not benign"},
		{"other", func(v *winnow.Verdict) { v.Disposition = winnow.Other }, "Other is not benign"},
		{"unknown number", func(v *winnow.Verdict) { v.Disposition = 77 }, "not benign"},
		{"confidence above 100", func(v *winnow.Verdict) { v.Confidence = 101 }, "confidence 101"},
		{"too many facts", func(v *winnow.Verdict) { v.Facts = make([]string, 65) }, "too large"},
		{"huge fact", func(v *winnow.Verdict) { v.Facts = []string{strings.Repeat("x", 2000)} }, "too large"},
	} {
		v := winnow.Verdict{Disposition: winnow.BenignPositive, Source: winnow.SourceModel, Confidence: 91, Facts: []string{"f"}}
		c.edit(&v)
		_, err := cache.Keep(a, &v, storetest.Start, time.Hour)
		if got := text(err); (c.error == "") != (err == nil) || !strings.Contains(got, c.error) {
			t.Errorf("%s: error %q, want %q", c.name, got, c.error)
		}
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestKeepFillsTheEntry(t *testing.T) {
	v := winnow.Verdict{Disposition: winnow.BenignPositive, Source: winnow.SourcePerson, Confidence: 100, Facts: []string{"person:ann"}}
	e, err := cache.Keep(travel(nil), &v, storetest.Start, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	if e.AlertID != "01J" || e.SearchName != "Impossible Travel" || e.Severity != winnow.SeverityMedium ||
		e.Source != winnow.SourcePerson || !e.At.Equal(storetest.Start) || !e.Expires.Equal(storetest.Start.Add(24*time.Hour)) {
		t.Errorf("entry is %+v", e)
	}
	if _, err := cache.Keep(travel(nil), &v, storetest.Start, 0); err == nil {
		t.Error("an entry without a lifetime is kept")
	}
	if _, err := cache.Keep(travel(func(a *winnow.Alert) { a.ID = "" }), &v, storetest.Start, time.Hour); err == nil {
		t.Error("an entry that cannot be revoked is kept")
	}
}

func TestVerdictHoldsFromTheJudgedAlertOn(t *testing.T) {
	v := winnow.Verdict{Disposition: winnow.BenignPositive, Source: winnow.SourcePerson}
	received, judged := storetest.Start, storetest.Start.Add(3*time.Hour)
	e, err := cache.Keep(travel(func(a *winnow.Alert) { a.Received = received }), &v, judged, 24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		now  time.Time
		want bool
	}{
		{"before the judged alert", received.Add(-time.Nanosecond), false},
		{"with the judged alert", received, true},
		{"while it was looked at", received.Add(time.Hour), true},
		{"a day after the verdict, less a moment", judged.Add(24*time.Hour - time.Nanosecond), true},
		{"a day after the verdict", judged.Add(24 * time.Hour), false},
	} {
		if got := e.Holds(c.now); got != c.want {
			t.Errorf("%s: holds %v, want %v", c.name, got, c.want)
		}
	}
	ahead := travel(func(a *winnow.Alert) { a.Received = judged.Add(time.Hour) })
	if e, _ := cache.Keep(ahead, &v, judged, time.Hour); !e.At.Equal(judged) {
		t.Errorf("an alert from the future moves the verdict to %s", e.At)
	}
}

func TestVerdictCoversNoMoreSevereAlert(t *testing.T) {
	e := storetest.Entry("a") // medium
	for s, want := range map[winnow.Severity]bool{
		winnow.SeverityUnknown: false, winnow.SeverityLow: true, winnow.SeverityMedium: true, winnow.SeverityHigh: false,
	} {
		if got := e.Covers(&winnow.Alert{Severity: s}); got != want {
			t.Errorf("a verdict on a medium alert covers a %s one: %v, want %v", s, got, want)
		}
	}
	if (cache.Entry{}).Covers(&winnow.Alert{Severity: winnow.SeverityInformational}) {
		t.Error("the zero entry covers an alert")
	}
}
