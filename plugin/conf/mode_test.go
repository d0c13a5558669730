package conf_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
)

const ofSearch = "Impossible Travel"

func TestShippedModes(t *testing.T) {
	s := readShipped(t, "gate.run=enforce", "search:"+ofSearch+".confidence=97", "search:"+ofSearch+".require_fact=0")
	attack := s.WithModes(s.Modes["attack"])
	if g := attack.Gate; g.Run != winnow.RunEnforce || g.Canary != 0.1 {
		t.Errorf("[gate] under attack: %+v", g)
	}
	p := attack.Policy
	if p.Confidence != 95 || !p.RequireFact || p.OfflineMaxSeverity != winnow.SeverityUnknown || p.MaxSeverity != winnow.SeverityLow ||
		p.EscalateConfidence != 50 || p.EscalateSeverity != winnow.SeverityHigh {
		t.Errorf("[policy] under attack: %+v", p)
	}
	if c := attack.Cache; c.TTL != 15*time.Minute || c.Block != 24*time.Hour {
		t.Errorf("[cache] under attack: %+v", c)
	}
	if p := attack.Pipeline; !p.PanelAlways || p.PanelLow != 0 || p.PanelHigh != 100 {
		t.Errorf("[pipeline] under attack: %+v", p)
	}
	if own := attack.Search(ofSearch).Policy; own.Confidence != 97 || !own.RequireFact {
		t.Errorf("a search of its own under attack: %+v", own)
	}
	if own := s.Search(ofSearch).Policy; own.RequireFact || s.Policy.Confidence != 85 {
		t.Error("a mode has changed the settings it was laid over")
	}
	if moved := s.WithModes(s.Modes["migration"]); moved.Policy.Confidence != 90 || moved.Cache.TTL != time.Hour || moved.Gate.Canary != 0.05 {
		t.Errorf("migration: %+v", moved.Policy)
	}
}

func TestModesAreNamedWell(t *testing.T) {
	for _, tt := range []struct{ set, want string }{
		{"mode:off.run=shadow", "no mode can have the name off"},
		{"mode:calm.place=owner", "unknown key"},
		{"mode:calm.confidence=101", "not a whole number from 0 to 100"},
		{"mode:calm.offline_max_severity=none", "unknown severity"},
	} {
		f, err := conf.Load(app, "winnow", []string{tt.set})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := conf.Read(f); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.set, err, tt.want)
		}
	}
}

// No mode, and no two of them in either order, makes anything less cautious.
func TestModesOnlyTighten(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := readShipped(t, "search:"+ofSearch+".run=assist")
		s.Gate, s.Policy, s.Cache, s.Pipeline = drawSettings(rt, "settings")
		a, b := drawMode(rt, "a"), drawMode(rt, "b")
		under := s.WithModes(a)
		for _, pair := range [][2]conf.Search{{s.Search("any"), under.Search("any")}, {s.Search(ofSearch), under.Search(ofSearch)}} {
			if less := looser(pair[0], pair[1]); less != "" {
				rt.Fatalf("the mode makes %s looser: %+v -> %+v", less, pair[0], pair[1])
			}
		}
		if under.Gate.Canary < s.Gate.Canary || under.Cache.TTL > s.Cache.TTL || under.Cache.Block < s.Cache.Block ||
			s.Pipeline.PanelAlways && !under.Pipeline.PanelAlways || under.Pipeline.PanelLow > s.Pipeline.PanelLow || under.Pipeline.PanelHigh < s.Pipeline.PanelHigh {
			rt.Fatalf("%+v %+v %+v -> %+v %+v %+v", s.Gate, s.Cache, s.Pipeline, under.Gate, under.Cache, under.Pipeline)
		}
		same := cmp.Options{cmpopts.IgnoreUnexported(conf.Settings{}), cmp.Comparer(func(a, b *time.Location) bool { return a == b })}
		if d := cmp.Diff(s.WithModes(a, b), s.WithModes(b, a), same); d != "" {
			rt.Fatal("the order of modes matters", d)
		}
		if d := cmp.Diff(under, under.WithModes(a), same); d != "" {
			rt.Fatal("twice is not the same as once", d)
		}
	})
}

func looser(before, after conf.Search) string {
	b, a := before.Policy, after.Policy
	switch {
	case after.Run > before.Run:
		return "run"
	case a.Confidence < b.Confidence:
		return "confidence"
	case a.TrustUncalibrated && !b.TrustUncalibrated:
		return "trust_uncalibrated"
	case b.RequireFact && !a.RequireFact:
		return "require_fact"
	case closes(a.OfflineMaxSeverity) > closes(b.OfflineMaxSeverity):
		return "offline_max_severity"
	case closes(a.MaxSeverity) > closes(b.MaxSeverity):
		return "max_severity"
	case a.EscalateConfidence > b.EscalateConfidence:
		return "escalate_confidence"
	case escalates(a.EscalateSeverity) < escalates(b.EscalateSeverity):
		return "escalate_severity"
	}
	return ""
}

var severities = []winnow.Severity{
	winnow.SeverityUnknown, winnow.SeverityInformational, winnow.SeverityLow, winnow.SeverityMedium, winnow.SeverityHigh, winnow.SeverityCritical,
}

// closes is how many severities a ceiling lets close.
func closes(ceiling winnow.Severity) int {
	return count(func(s winnow.Severity) bool { return s.Within(ceiling) })
}

// escalates is how many severities are escalated for themselves.
func escalates(from winnow.Severity) int {
	return count(func(s winnow.Severity) bool { return from != winnow.SeverityUnknown && s >= from })
}

func count(is func(winnow.Severity) bool) int {
	return len(slices.DeleteFunc(slices.Clone(severities), func(s winnow.Severity) bool { return !is(s) }))
}

func drawMode(t *rapid.T, name string) conf.Mode {
	g, p, c, pipe := drawSettings(t, name)
	return conf.Mode{
		Run: g.Run, Canary: g.Canary, Confidence: p.Confidence, TrustUncalibrated: p.TrustUncalibrated, RequireFact: p.RequireFact,
		OfflineMaxSeverity: p.OfflineMaxSeverity, MaxSeverity: p.MaxSeverity, EscalateConfidence: p.EscalateConfidence, EscalateSeverity: p.EscalateSeverity,
		TTL: c.TTL, Block: c.Block, PanelAlways: pipe.PanelAlways, PanelLow: pipe.PanelLow, PanelHigh: pipe.PanelHigh,
	}
}

func drawSettings(t *rapid.T, name string) (conf.Gate, conf.Policy, conf.Cache, conf.Pipeline) {
	percent := func(of string) int { return rapid.IntRange(0, 100).Draw(t, name+" "+of) }
	severity := func(of string) winnow.Severity { return rapid.SampledFrom(severities).Draw(t, name+" "+of) }
	yes := func(of string) bool { return rapid.Bool().Draw(t, name+" "+of) }
	return conf.Gate{Run: winnow.Run(percent("run") % 3), Canary: float64(percent("canary")) / 100},
		conf.Policy{
			Confidence: percent("confidence"), TrustUncalibrated: yes("trust"), RequireFact: yes("fact"), OfflineMaxSeverity: severity("offline"),
			MaxSeverity: severity("max"), EscalateConfidence: percent("escalate"), EscalateSeverity: severity("escalate severity"),
		},
		conf.Cache{TTL: time.Duration(percent("ttl")) * time.Minute, Block: time.Duration(percent("block")) * time.Minute},
		conf.Pipeline{PanelAlways: yes("panel"), PanelLow: percent("low"), PanelHigh: percent("high")}
}
