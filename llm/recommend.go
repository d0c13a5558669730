package llm

import (
	"net/netip"
	"slices"

	"github.com/winnow-soc/winnow"
)

// AdviceKind is what an analyst may recommend. Nothing recommended is carried out here.
type AdviceKind string

// The kinds of advice.
const (
	AdviceMonitor AdviceKind = "monitor" // keep an eye on it
	AdviceFlag    AdviceKind = "flag"    // a person should review it
	AdviceBlock   AdviceKind = "block"   // block an address
)

// Advice is a recommendation as an analyst gives it: it names a field, never a target.
type Advice struct {
	Kind   AdviceKind `json:"kind"`
	Field  string     `json:"field"` // whose value is meant, "" for the alert as a whole
	Reason string     `json:"reason"`
}

func (a *Advice) check(k *checker) {
	switch a.Kind {
	case AdviceMonitor, AdviceFlag, AdviceBlock:
	default:
		k.fail("recommendation is %.40q, want monitor, flag or block", a.Kind)
	}
	if a.Field != "" {
		k.field("recommendation", a.Field)
	}
	if a.Kind == AdviceBlock && a.Field == "" {
		k.fail("recommendation block names no field")
	}
	k.text("recommendation reason", &a.Reason, maxTextRunes)
}

// Recommendation is advice with the target that code copied from the alert (guard G6).
type Recommendation struct {
	Kind   AdviceKind `json:"kind"`
	Field  string     `json:"field"`
	Target string     `json:"target"` // the field's value, "" for the alert as a whole
	Reason string     `json:"reason"`
}

// neverBlock is the value list of addresses that no recommendation may name for blocking.
const neverBlock = "never_block"

// recommend turns advice into recommendations. An address that must not be blocked (private, on
// the never-block list, several in one field, not an address) is flagged for review instead.
func (r *run) recommend() []Recommendation {
	var out []Recommendation
	for _, a := range r.c.Classification.Recommendations {
		rec := Recommendation{Kind: a.Kind, Field: a.Field, Reason: a.Reason}
		if values := r.in.Alert.Fields[a.Field]; len(values) == 1 {
			rec.Target = values[0]
		}
		if a.Kind == AdviceBlock && !r.c.blockable(rec.Target) {
			rec.Kind = AdviceFlag
		}
		if !slices.Contains(out, rec) {
			out = append(out, rec)
		}
	}
	if r.judgement.disposition == winnow.Undetermined && len(out) == 0 {
		out = append(out, Recommendation{Kind: AdviceFlag, Reason: "nobody could tell what this is"})
	}
	return out
}

func (c *Case) blockable(target string) bool {
	ip, err := netip.ParseAddr(target)
	if err != nil || !public(ip.Unmap()) {
		return false
	}
	if c.Lists == nil {
		return true
	}
	// A missing list forbids nothing: most sites have none, and a person carries the block out.
	in, err := c.Lists.Contains(neverBlock, target)
	return err != nil || !in
}

func public(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && ip.Zone() == ""
}
