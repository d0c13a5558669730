package redact

import (
	"net/netip"
	"strings"
)

var (
	sharedSpace = netip.MustParsePrefix("100.64.0.0/10")
	metadata    = netip.MustParseAddr("169.254.169.254") // every cloud's, and worth seeing
)

// internal reports whether an address is ours: it would tell an outsider something of our network.
func (r *Redactor) internal(a netip.Addr) bool {
	a = a.Unmap().WithZone("")
	for _, p := range r.o.Internal {
		if p.Contains(a) {
			return true
		}
	}
	return a.IsPrivate() || a.IsLinkLocalUnicast() && a != metadata || sharedSpace.Contains(a)
}

func addressSpan(a netip.Addr, from, to int) span {
	a = a.Unmap().WithZone("")
	k, bits := kindIP4, 24
	if a.Is6() {
		k, bits = kindIP6, 64
	}
	network, err := a.Prefix(bits)
	if err != nil {
		return span{}
	}
	return span{from: from, to: to, kind: k, group: network.String(), same: a.String()}
}

// addressSpans finds internal addresses of every form, and hardware addresses.
func (r *Redactor) addressSpans(list []span, text, folded string) []span {
	for i := 0; i < len(folded); {
		switch b := folded[i]; {
		case isDigit(b) && (i == 0 || !isDigit(folded[i-1])):
			list = r.dotted(list, folded, i)
		case b == 'i' && strings.HasPrefix(folded[i:], "ip-"):
			list = r.dashed(list, folded, i+len("ip-"))
		}
		if isHex(folded[i]) || folded[i] == ':' {
			end := i
			colons := 0
			for end < len(folded) && (isHex(folded[end]) || folded[end] == ':' || folded[end] == '.') {
				if folded[end] == ':' {
					colons++
				}
				end++
			}
			if colons >= 2 {
				list = r.groups(list, text, i, end)
			}
			list = r.within(list, folded, i, end)
			list = hardware(list, folded, i, end)
			i = end
			continue
		}
		i++
	}
	return list
}

// within reads what begins inside a run of hexadecimal digits.
func (r *Redactor) within(list []span, folded string, from, to int) []span {
	for i := from + 1; i < to; i++ {
		if isDigit(folded[i]) && !isDigit(folded[i-1]) && (folded[i-1] != '.' || i-from > 1 && !isDigit(folded[i-2])) {
			list = r.dotted(list, folded, i)
		}
	}
	return list
}

// dotted reads a run of numbers with dots between them, which may be longer than one address: a port can
// follow, or another address. An address may also be written backwards, before in-addr.arpa.
func (r *Redactor) dotted(list []span, s string, i int) []span {
	starts, end := numbers(s, i, '.')
	if len(starts) < 4 {
		return list
	}
	ends := append(starts[1:], end+1) //nolint:gocritic // a view of the same numbers, one further
	backwards := strings.HasPrefix(s[end:], ".in-addr.arpa")
	for k := 0; k+4 <= len(starts); k++ {
		from, to := starts[k], ends[k+3]-1
		a, err := netip.ParseAddr(s[from:to])
		if err != nil {
			continue
		}
		if backwards && k+4 == len(starts) {
			q := a.As4()
			a = netip.AddrFrom4([4]byte{q[3], q[2], q[1], q[0]})
		}
		if r.internal(a) {
			list = append(list, addressSpan(a, from, to))
			k += 3
		}
	}
	return list
}

// dashed reads an address in the name of a host, like ip-10-1-2-3.
func (r *Redactor) dashed(list []span, s string, i int) []span {
	starts, end := numbers(s, i, '-')
	if len(starts) != 4 {
		return list
	}
	a, err := netip.ParseAddr(strings.ReplaceAll(s[i:end], "-", "."))
	if err != nil || !r.internal(a) {
		return list
	}
	return append(list, addressSpan(a, i, end))
}

// numbers returns where the numbers of a run begin, and where the run ends.
func numbers(s string, i int, between byte) (starts []int, end int) {
	for i < len(s) && isDigit(s[i]) {
		starts = append(starts, i)
		for i < len(s) && isDigit(s[i]) {
			i++
		}
		end = i
		if i+1 >= len(s) || s[i] != between {
			break
		}
		i++
	}
	return starts, end
}

const maxAddress = 45 // characters of the longest form

// groups reads a run of hexadecimal groups with colons. The run may begin inside of a word before a colon, and
// end in a colon, a dot or a port, so that everything from a group on is tried.
func (r *Redactor) groups(list []span, s string, from, to int) []span {
	for i := from; i < to; i++ {
		if i > from && s[i-1] != ':' && (s[i] != ':' || i+1 >= to || s[i+1] != ':') {
			continue
		}
		if a, end, ok := longestAddress(s, i, to); ok && r.internal(a) {
			list = append(list, addressSpan(a, i, end))
			i = end - 1
		}
	}
	return list
}

// longestAddress reads the longest address that begins at i.
func longestAddress(s string, i, to int) (a netip.Addr, end int, ok bool) {
	end = min(to, i+maxAddress)
	if odd := strings.Index(s[i:end], ":::"); odd >= 0 {
		end = i + odd + 2
	}
	for ; end-i >= 3; end-- {
		if a, err := netip.ParseAddr(s[i:end]); err == nil && a.Is6() {
			return a, end, true
		}
	}
	return a, 0, false
}

// hardware finds MAC addresses in a run: six pairs with colons, or three groups of four with dots.
func hardware(list []span, s string, from, to int) []span {
	for i := from; i < to; i++ {
		if i > 0 && isHex(s[i-1]) {
			continue
		}
		if n := hardwareAt(s, i); n > 0 {
			list = append(list, hardwareSpan(s, i, i+n))
			i += n
		}
	}
	return list
}

func hardwareAt(s string, i int) int {
	for _, form := range []struct {
		size  int
		group int
		marks string
	}{{17, 2, ":-"}, {14, 4, "."}} {
		if i+form.size > len(s) || !strings.ContainsRune(form.marks, rune(s[i+form.group])) {
			continue
		}
		mark, fits := s[i+form.group], true
		for k := range form.size {
			b := s[i+k]
			if (k+1)%(form.group+1) == 0 {
				fits = fits && b == mark
			} else {
				fits = fits && isHex(b)
			}
		}
		next := i + form.size
		longer := next < len(s) && (isHex(s[next]) || s[next] == mark && next+1 < len(s) && isHex(s[next+1]))
		before := i >= 2 && s[i-1] == mark && isHex(s[i-2])
		if fits && !longer && !before {
			return form.size
		}
	}
	return 0
}

func hardwareSpan(s string, from, to int) span {
	digits := strings.Map(func(r rune) rune {
		if r == ':' || r == '-' || r == '.' {
			return -1
		}
		return r
	}, s[from:to])
	if digits == "ffffffffffff" || digits == "000000000000" {
		return span{}
	}
	return span{from: from, to: to, kind: kindMAC, group: digits[:6], same: digits}
}
