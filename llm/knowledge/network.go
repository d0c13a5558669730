package knowledge

import (
	"fmt"
	"net/netip"
	"strings"
)

// networks finds the rows of the networks that an address lies in: a map for each length of prefix,
// so that a look-up takes as many steps as lengths are in use.
type networks struct {
	byLength map[uint8]map[netip.Prefix][]int32
}

func (n *networks) add(p netip.Prefix, row int32) {
	if n.byLength == nil {
		n.byLength = map[uint8]map[netip.Prefix][]int32{}
	}
	length := lengthOf(p)
	if n.byLength[length] == nil {
		n.byLength[length] = map[netip.Prefix][]int32{}
	}
	n.byLength[length][p] = append(n.byLength[length][p], row)
}

// lengthOf tells the lengths of the two families apart: /24 of IPv4 is 24, /24 of IPv6 is 57.
func lengthOf(p netip.Prefix) uint8 {
	if p.Addr().Is4() {
		return uint8(p.Bits())
	}
	return uint8(33 + p.Bits())
}

// find returns the rows of the narrowest network with the address.
func (n *networks) find(ip netip.Addr) []int32 {
	low, high := 0, 32
	if ip.Is6() {
		low, high = 33, 161
	}
	for length := high; length >= low; length-- {
		m := n.byLength[uint8(length)]
		if m == nil {
			continue
		}
		if p, err := ip.Prefix(length - low); err == nil && m[p] != nil {
			return m[p]
		}
	}
	return nil
}

// parseIP reads an address without a zone; IPv4 written as IPv6 is IPv4.
func parseIP(text string) (netip.Addr, bool) {
	ip, err := netip.ParseAddr(strings.TrimSpace(text))
	if err != nil || ip.Zone() != "" {
		return netip.Addr{}, false
	}
	return ip.Unmap(), true
}

// maxRangeParts bounds how many networks one range is taken apart into: 62 is the most that IPv4 needs.
const maxRangeParts = 256

// parseNetworks reads an address, a network or a range of addresses, as Enterprise Security takes them.
func parseNetworks(text string) ([]netip.Prefix, error) {
	if ip, ok := parseIP(text); ok {
		return []netip.Prefix{netip.PrefixFrom(ip, ip.BitLen())}, nil
	}
	if p, err := netip.ParsePrefix(text); err == nil {
		if p.Addr().Is4In6() {
			return nil, fmt.Errorf("network %.60q is IPv4 written as IPv6", text)
		}
		return []netip.Prefix{p.Masked()}, nil
	}
	from, to, ok := strings.Cut(text, "-")
	first, ok1 := parseIP(from)
	last, ok2 := parseIP(to)
	if !ok || !ok1 || !ok2 || first.Is4() != last.Is4() || last.Less(first) {
		return nil, fmt.Errorf("%.60q is not an address, a network or a range", text)
	}
	return rangeNetworks(first, last)
}

// rangeNetworks takes a range apart into the networks that make it up.
func rangeNetworks(first, last netip.Addr) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for {
		p := netip.PrefixFrom(first, first.BitLen())
		for p.Bits() > 0 {
			wider := netip.PrefixFrom(first, p.Bits()-1)
			if wider.Masked().Addr() != first || last.Less(lastOf(wider)) {
				break
			}
			p = wider
		}
		if len(out) == maxRangeParts {
			return nil, fmt.Errorf("range %s-%s is made of too many networks", first, last)
		}
		out = append(out, p)
		end := lastOf(p)
		if end == last {
			return out, nil
		}
		first = end.Next()
	}
}

// lastOf returns the highest address of a network.
func lastOf(p netip.Prefix) netip.Addr {
	b := p.Masked().Addr().AsSlice()
	for i := p.Bits(); i < len(b)*8; i++ {
		b[i/8] |= 1 << (7 - i%8)
	}
	ip, _ := netip.AddrFromSlice(b)
	return ip
}
