package cache

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/winnow-soc/winnow"
)

// The CIM fields that name the two ends of what an alert is about.
var (
	srcFields  = []string{"src", "src_ip", "src_ipv6", "src_host", "src_nt_host"}
	destFields = []string{"dest", "dest_ip", "dest_ipv6", "dest_host", "dest_nt_host"}
)

// maxSide is how many names one end of an alert may have before it counts as every name. No real
// alert has as many, and one that was stuffed must not slip through.
const maxSide = 256

// Side is one end of an alert, under every name that the alert gives it.
type Side struct {
	Names []string `json:"names,omitempty"` // sorted, in lower case, addresses in their shortest form
	Any   bool     `json:"any,omitempty"`   // too many names to tell apart
}

// Sides returns the source and the destination of an alert: the values of src, src_ip, src_ipv6,
// src_host and src_nt_host, and of the same for dest.
//
// Two alerts have a pair in common when a name of the one's source is among the other's, and so
// for the destination. An alert that does not name one end could have any there, so the other
// end decides. Alerts that name neither end have that in common with each other.
func Sides(a *winnow.Alert) (src, dest Side) {
	return newSide(a.Fields, srcFields), newSide(a.Fields, destFields)
}

func newSide(f winnow.Fields, fields []string) Side {
	var names []string
	for _, field := range fields {
		if len(names)+len(f[field]) > maxSide {
			return Side{Any: true}
		}
		for _, v := range f[field] {
			names = append(names, CanonicalName(v))
		}
	}
	slices.Sort(names)
	return Side{Names: slices.Compact(names)}
}

// CanonicalName makes the ways to write one host alike: letter case, a trailing dot, and the forms
// of an address, of which one in IPv4 written as IPv6 is the IPv4 one.
func CanonicalName(v string) string {
	v = strings.ToLower(strings.TrimSuffix(strings.TrimSpace(v), "."))
	if ip, err := netip.ParseAddr(v); err == nil {
		return ip.Unmap().WithZone("").String()
	}
	return v
}

func (s Side) missing() bool { return !s.Any && len(s.Names) == 0 }

// shares reports whether the sides have a name in common.
func (s Side) shares(t Side) bool {
	if s.Any || t.Any {
		return true
	}
	return slices.ContainsFunc(s.Names, func(name string) bool {
		_, found := slices.BinarySearch(t.Names, name)
		return found
	})
}

// samePair reports whether two alerts have a source and destination in common, as [Sides] says.
func samePair(src1, dest1, src2, dest2 Side) bool {
	srcOpen, destOpen := src1.missing() || src2.missing(), dest1.missing() || dest2.missing()
	switch {
	case srcOpen && destOpen:
		return src1.missing() && dest1.missing() && src2.missing() && dest2.missing()
	case srcOpen:
		return dest1.shares(dest2)
	case destOpen:
		return src1.shares(src2)
	}
	return src1.shares(src2) && dest1.shares(dest2)
}
