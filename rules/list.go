package rules

import (
	"fmt"
	"net/netip"
	"sync"

	"github.com/gaissmai/bart"
)

// List is a named set of values: texts, or networks and addresses. Safe for concurrent use.
type List struct {
	name, file string
	values     []string
	notNet     string // the first value that is not a network or an address, as "line N: ..."
	networks   []netip.Prefix
	err        error

	once sync.Once
	set  map[string]struct{}
	trie *bart.Lite
}

// Name returns the name by which rules call the list.
func (l *List) Name() string { return l.name }

// File returns the path it was read from, "" when the file is missing.
func (l *List) File() string { return l.file }

// Len returns the number of values.
func (l *List) Len() int { return len(l.values) }

// Values returns the values in the order of the file. The slice must not be changed.
func (l *List) Values() []string { return l.values }

// Networks reports whether every value is a network or an address, so that cidr can ask it.
func (l *List) Networks() bool { return l.err == nil && l.notNet == "" && len(l.values) > 0 }

// Err says why the list cannot be trusted: missing, unreadable, empty, or shrunk.
func (l *List) Err() error { return l.err }

// everything returns the first value that is the network of all addresses, or "".
func (l *List) everything() string {
	if !l.Networks() {
		return ""
	}
	for i, p := range l.networks {
		if p.Bits() == 0 {
			return l.values[i]
		}
	}
	return ""
}

// Contains reports whether the list holds the text, or, for a list of networks, holds a network
// that the address lies in. The empty text is in no list; nothing is in a list that cannot be
// trusted.
func (l *List) Contains(value string) bool { return l.find(value) == yes }

// find is Contains in three values: what is neither in a list of networks nor an address is
// unknown to it.
func (l *List) find(value string) truth { return l.findText(&addrText{text: value}) }

// cidr says whether an address lies in one of the networks.
func (l *List) cidr(value string) truth { return l.findAddr(&addrText{text: value}) }

func (l *List) findText(value *addrText) truth {
	if value.text == "" || l.err != nil {
		return unknown
	}
	l.once.Do(l.build)
	if _, ok := l.set[value.text]; ok {
		return yes
	}
	if !l.Networks() {
		return no
	}
	return l.findAddr(value)
}

func (l *List) findAddr(value *addrText) truth {
	if l.err != nil {
		return unknown
	}
	ip, ok := value.addr()
	if !ok {
		return unknown
	}
	l.once.Do(l.build)
	return truthOf(l.trie.Lookup(ip))
}

func (l *List) build() {
	l.set = make(map[string]struct{}, len(l.values))
	for _, v := range l.values {
		l.set[v] = struct{}{}
	}
	l.trie = new(bart.Lite)
	if l.Networks() {
		for _, p := range l.networks {
			l.trie.Insert(p)
		}
	}
}

// addrText is a text that may be an address, which is read once however many lists are asked.
type addrText struct {
	text   string
	parsed bool
	ip     netip.Addr
	ok     bool
}

func (a *addrText) addr() (netip.Addr, bool) {
	if !a.parsed {
		a.ip, a.ok = parseAddr(a.text)
		a.parsed = true
	}
	return a.ip, a.ok
}

// parseAddr reads an address. An IPv4 address written as IPv6 counts as IPv4. An address with a
// zone names an interface of one machine and is not an address here.
func parseAddr(text string) (netip.Addr, bool) {
	if !addrLike(text) { // most texts, and an error takes longer than an address
		return netip.Addr{}, false
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" {
		return netip.Addr{}, false
	}
	return ip.Unmap(), true
}

// addrLike reports whether a text has the characters of an address without a zone.
func addrLike(text string) bool {
	for i := range len(text) {
		switch c := text[i]; {
		case '0' <= c && c <= '9', 'a' <= c && c <= 'f', 'A' <= c && c <= 'F', c == '.', c == ':':
		default:
			return false
		}
	}
	return len(text) > 1
}

// parseNetwork reads a network or a single address. Bits set beyond the prefix are refused: such
// a text may mean the address or the whole network.
func parseNetwork(text string) (netip.Prefix, bool) {
	if ip, ok := parseAddr(text); ok {
		return netip.PrefixFrom(ip, ip.BitLen()), true
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, false
	}
	if p.Addr().Is4In6() && p.Bits() >= 96 {
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p, p == p.Masked()
}

// without returns the list without some values. A network is named as the list writes it, or in any
// other way to write it.
func (l *List) without(values []string) *List {
	gone := map[string]bool{}
	for _, v := range values {
		gone[v] = true
		if p, ok := parseNetwork(v); ok {
			gone[p.String()] = true
		}
	}
	out := &List{name: l.name, file: l.file, notNet: l.notNet}
	for i, v := range l.values {
		if gone[v] || i < len(l.networks) && gone[l.networks[i].String()] {
			continue
		}
		out.values = append(out.values, v)
		if i < len(l.networks) {
			out.networks = append(out.networks, l.networks[i])
		}
	}
	if len(out.values) == 0 {
		out.err = fmt.Errorf("list %q has no value that is in force", l.name)
	}
	return out
}

// Holds reports whether the list has this very value, as it is written or in another way to write the
// same network.
func (l *List) Holds(value string) bool { return l.without([]string{value}).Len() < l.Len() }
