package offline

import (
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
)

// enrich reads off the alert what it is about.
func enrich(v *view) llm.Enrichment {
	e := llm.Enrichment{Sensitivity: sensitivity(v), Facts: []llm.Statement{}, Assumptions: []string{}}
	e.Asset, e.Owner = short(v, "dest"), short(v, "owner")
	if e.Owner == "" {
		e.Owner = short(v, "user")
	}
	for _, s := range []struct{ concept, text string }{
		{"src", "it came from {src}"},
		{"dest", "it concerns {dest}"},
		{"user", "the account is {user}"},
		{"result", "it ended with {result}"},
		{"role", "the asset's role is {role}"},
		{"priority", "the asset's priority is {priority}"},
	} {
		if field, _ := v.get(s.concept); field != "" {
			e.Facts = append(e.Facts, llm.Statement{Text: v.sentence(s.text), Field: field})
		}
	}
	e.Severity = severity(v, e.Sensitivity)
	if e.Sensitivity == llm.SensitivityUnknown {
		e.Assumptions = append(e.Assumptions, "the asset is of ordinary value: no asset record says otherwise")
	}
	if v.result == resultUnknown {
		e.Assumptions = append(e.Assumptions, "it took effect: nothing says that it was stopped")
	}
	return e
}

// short is a concept's value, cut to what fits a name.
func short(v *view, concept string) string {
	_, s := v.get(concept)
	return clip(s)
}

// sensitivity goes by the priority and role of the asset inventory.
func sensitivity(v *view) llm.Sensitivity {
	_, priority := v.get("priority")
	switch strings.ToLower(priority) {
	case "critical":
		return llm.SensitivityCritical
	case "high":
		return llm.SensitivityHigh
	case "medium":
		return llm.SensitivityMedium
	case "low", "informational":
		return llm.SensitivityLow
	}
	_, role := v.get("role")
	role = strings.ToLower(role)
	switch {
	case containsAny(role, []string{"domain_controller", "domain controller", "pki", "payment", "pci", "crown"}):
		return llm.SensitivityCritical
	case containsAny(role, []string{"server", "database", "production"}):
		return llm.SensitivityHigh
	case containsAny(role, []string{"workstation", "laptop", "test", "guest"}):
		return llm.SensitivityLow
	}
	return llm.SensitivityUnknown
}

// severity starts from the alert's own, raises it on what is dear, and lowers it by one where the
// attempt was stopped and nobody says that the asset is dear. Unknown counts as medium.
func severity(v *view, s llm.Sensitivity) int {
	n := int(v.c.Alert.Severity)
	if v.c.Alert.Severity == winnow.SeverityUnknown {
		n = int(winnow.SeverityMedium)
	}
	dear := s == llm.SensitivityHigh || s == llm.SensitivityCritical
	switch {
	case s == llm.SensitivityCritical && n > 1:
		n++
	case v.stopped() && !dear && n > 1:
		n--
	}
	return min(n, int(winnow.SeverityCritical))
}
