package winnow

import (
	"fmt"
	"strconv"
	"strings"
)

// Severity is how bad an alert is said to be, in Enterprise Security's words. The zero value is
// SeverityUnknown, which lies above every ceiling: an alert of unknown severity is never closed
// by a rule, a cached verdict or a model.
type Severity uint8

// The severities, in rising order after unknown.
const (
	SeverityUnknown Severity = iota
	SeverityInformational
	SeverityLow
	SeverityMedium
	SeverityHigh
	SeverityCritical
)

var severityNames = [...]string{"unknown", "informational", "low", "medium", "high", "critical"}

// String returns the severity in Enterprise Security's spelling.
func (s Severity) String() string {
	if int(s) < len(severityNames) {
		return severityNames[s]
	}
	return severityNames[SeverityUnknown]
}

// MarshalText writes the name.
func (s Severity) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// UnmarshalText reads one of the six names; anything else is an error.
func (s *Severity) UnmarshalText(text []byte) error {
	for i, name := range severityNames {
		if name == string(text) {
			*s = Severity(i)
			return nil
		}
	}
	return fmt.Errorf("unknown severity %q (want %s)", text, strings.Join(severityNames[:], ", "))
}

// Within reports whether s is known and not above the ceiling. An unknown ceiling admits nothing.
func (s Severity) Within(ceiling Severity) bool {
	return s != SeverityUnknown && s <= ceiling
}

// Max returns the more severe of the two; a source that says nothing (unknown) does not count.
func (s Severity) Max(t Severity) Severity { return max(s, t) }

// Scale names a product's own way to write a severity.
type Scale string

// The scales winnow reads. ScaleWords covers every product that uses words.
const (
	ScaleWords       Scale = "words"
	ScaleSplunkAlert Scale = "alert.severity" // savedsearches.conf, 1 to 6
	ScaleGuardDuty   Scale = "guardduty"      // 1.0 to 10.0, by AWS's published bands
	ScaleSuricata    Scale = "suricata"       // 1 is the worst, 4 the least
	ScaleCrowdStrike Scale = "crowdstrike"    // 1 to 5 in detection summaries, up to 100 in alerts
)

// scaleWords is the one table of words that products use for a severity.
var scaleWords = map[string]Severity{
	"info": SeverityInformational, "informational": SeverityInformational, "information": SeverityInformational,
	"debug": SeverityInformational, "none": SeverityInformational, "notice": SeverityInformational,
	"low": SeverityLow, "minor": SeverityLow,
	"medium": SeverityMedium, "moderate": SeverityMedium, "warning": SeverityMedium, "warn": SeverityMedium,
	"high": SeverityHigh, "error": SeverityHigh, "major": SeverityHigh, "severe": SeverityHigh,
	"critical": SeverityCritical, "fatal": SeverityCritical, "emergency": SeverityCritical, "alert": SeverityCritical,
}

// A band is the lowest number of a numeric scale that still means the severity.
type band struct {
	from float64
	is   Severity
}

var scaleBands = map[Scale][]band{
	ScaleSplunkAlert: {{7, SeverityUnknown}, {5, SeverityCritical}, {4, SeverityHigh}, {3, SeverityMedium}, {2, SeverityLow}, {1, SeverityInformational}},
	ScaleGuardDuty:   {{10.1, SeverityUnknown}, {9, SeverityCritical}, {7, SeverityHigh}, {4, SeverityMedium}, {1, SeverityLow}},
	ScaleSuricata:    {{5, SeverityUnknown}, {4, SeverityInformational}, {3, SeverityLow}, {2, SeverityMedium}, {1, SeverityHigh}},
	ScaleCrowdStrike: {
		{80, SeverityCritical}, {60, SeverityHigh}, {40, SeverityMedium}, {20, SeverityLow}, {6, SeverityInformational},
		{5, SeverityCritical}, {4, SeverityHigh}, {3, SeverityMedium}, {2, SeverityLow}, {1, SeverityInformational},
	},
}

// ParseSeverity maps a value of the named scale, and words on any scale, to a Severity. What the
// scale does not cover is SeverityUnknown, never a guess.
func ParseSeverity(scale Scale, value string) Severity {
	value = strings.ToLower(strings.TrimSpace(value))
	if s, ok := scaleWords[value]; ok {
		return s
	}
	n, err := strconv.ParseFloat(value, 64)
	if err != nil || n > 100 {
		return SeverityUnknown
	}
	for _, b := range scaleBands[scale] {
		if n >= b.from {
			return b.is
		}
	}
	return SeverityUnknown
}
