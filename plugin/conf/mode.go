package conf

import (
	"cmp"
	"maps"
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
)

// Mode is [mode:NAME]: a profile that people switch on for a time. It lays its keys over those of [gate],
// [policy], [cache] and [pipeline], and over those of every search. Each key counts only where it is
// more cautious than what it is laid over, so no mode makes anything close more. Keys that are not
// set change nothing.
type Mode struct {
	Run                winnow.Run
	Canary             float64
	Confidence         int
	TrustUncalibrated  bool
	RequireFact        bool
	OfflineMaxSeverity winnow.Severity
	MaxSeverity        winnow.Severity
	EscalateConfidence int
	EscalateSeverity   winnow.Severity
	TTL                time.Duration
	Block              time.Duration
	PanelAlways        bool
	PanelLow           int
	PanelHigh          int
}

// newMode is the mode that changes nothing.
func newMode() Mode {
	return Mode{
		Run: winnow.RunEnforce, TrustUncalibrated: true, OfflineMaxSeverity: winnow.SeverityCritical, MaxSeverity: winnow.SeverityCritical,
		EscalateConfidence: 100, TTL: 90 * day, PanelLow: 100,
	}
}

func (m *Mode) keys() []key {
	keys := []key{
		{name: "run", set: parsed(&m.Run, winnow.ParseRun)},
		{name: "canary", set: share(&m.Canary)},
		{name: "confidence", set: integer(&m.Confidence, 0, 100)},
		{name: "trust_uncalibrated", set: boolean(&m.TrustUncalibrated)},
		{name: "require_fact", set: boolean(&m.RequireFact)},
		{name: "offline_max_severity", set: severity(&m.OfflineMaxSeverity)},
		{name: "max_severity", set: severity(&m.MaxSeverity)},
		{name: "escalate_confidence", set: integer(&m.EscalateConfidence, 0, 100)},
		{name: "escalate_severity", set: severity(&m.EscalateSeverity)},
		{name: "ttl", set: duration(&m.TTL, second, 90*day)},
		{name: "block", set: duration(&m.Block, 0, 30*day)},
		{name: "panel_always", set: boolean(&m.PanelAlways)},
		{name: "panel_low", set: integer(&m.PanelLow, 0, 100)},
		{name: "panel_high", set: integer(&m.PanelHigh, 0, 100)},
	}
	for i := range keys {
		keys[i].optional = true
	}
	return keys
}

// reserved are words of `winnow mode` that no mode can be named.
var reserved = []string{"off", "status", "help"}

// mode reads [mode:NAME].
func (r *reader) mode(stanza, name string) {
	if slices.Contains(reserved, name) {
		at, _ := r.file.At(stanza)
		r.fail(&Error{At: at, Stanza: stanza, Message: "no mode can have the name " + name + ", which is a command of `winnow mode`"})
		return
	}
	m := newMode()
	r.fill(stanza, m.keys())
	r.s.Modes[name] = m
}

// WithModes returns the settings with modes laid over them. Of every key the most cautious value counts.
func (s *Settings) WithModes(modes ...Mode) *Settings {
	out := *s
	out.searches = maps.Clone(s.searches)
	for _, m := range modes {
		m.tighten(&out)
	}
	return &out
}

func (m *Mode) tighten(s *Settings) {
	s.Gate.Run = min(s.Gate.Run, m.Run)
	s.Gate.Canary = max(s.Gate.Canary, m.Canary)
	m.policy(&s.Policy)
	s.Cache.TTL = min(s.Cache.TTL, m.TTL)
	s.Cache.Block = max(s.Cache.Block, m.Block)
	s.Pipeline.PanelAlways = s.Pipeline.PanelAlways || m.PanelAlways
	s.Pipeline.PanelLow = min(s.Pipeline.PanelLow, m.PanelLow)
	s.Pipeline.PanelHigh = max(s.Pipeline.PanelHigh, m.PanelHigh)
	for name, r := range s.searches {
		r.Run = min(r.Run, m.Run)
		m.policy(&r.Policy)
		s.searches[name] = r
	}
}

func (m *Mode) policy(p *Policy) {
	p.Confidence = max(p.Confidence, m.Confidence)
	p.TrustUncalibrated = p.TrustUncalibrated && m.TrustUncalibrated
	p.RequireFact = p.RequireFact || m.RequireFact
	p.OfflineMaxSeverity = min(p.OfflineMaxSeverity, m.OfflineMaxSeverity) // unknown lets none close
	p.MaxSeverity = min(p.MaxSeverity, m.MaxSeverity)
	p.EscalateConfidence = min(p.EscalateConfidence, m.EscalateConfidence)
	if m.EscalateSeverity != winnow.SeverityUnknown { // unknown escalates none for its severity
		p.EscalateSeverity = min(cmp.Or(p.EscalateSeverity, winnow.SeverityCritical), m.EscalateSeverity)
	}
}
