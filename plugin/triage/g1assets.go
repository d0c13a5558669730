package triage

import (
	"net/netip"
	"slices"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
)

// assetList finds high-risk hosts and accounts in the fields of an alert that name one. Doubt finds
// them: dc01 is dc01.corp.example, whichever of the two is listed, and CORP\ann, ann@corp.example
// and ann are one account.
type assetList struct {
	assets   []string       // as configured
	hosts    map[string]int // by canonical name: place in assets
	labels   map[string]int // by the first label of that
	accounts map[string]int // by bare account
	kinds    map[string]naming
}

// naming is what a field names.
type naming uint8

const (
	namesHost naming = 1 << iota
	namesAccount
)

// maxFieldKinds bounds how many field names are remembered.
const maxFieldKinds = 10_000

func newAssetList(assets []string) assetList {
	l := assetList{hosts: map[string]int{}, labels: map[string]int{}, accounts: map[string]int{}, kinds: map[string]naming{}}
	for _, asset := range assets {
		i := len(l.assets)
		l.assets = append(l.assets, asset)
		host := cache.CanonicalName(asset)
		enter(l.hosts, host, i)
		enter(l.labels, firstLabel(host), i)
		enter(l.accounts, bareAccount(host), i)
	}
	return l
}

// enter keeps the first place of a name.
func enter(in map[string]int, name string, i int) {
	if _, listed := in[name]; !listed && name != "" {
		in[name] = i
	}
}

// find returns the first asset, in the order of the list, that the alert is about, or "".
func (l *assetList) find(a *winnow.Alert) string {
	if len(l.assets) == 0 {
		return ""
	}
	first := len(l.assets)
	for field, values := range a.Fields {
		kind := l.kind(field)
		for i := 0; i < len(values) && kind != 0; i++ {
			first = min(first, l.findName(values[i], kind))
		}
	}
	if first == len(l.assets) {
		return ""
	}
	return l.assets[first]
}

// findName returns the place of the first asset that goes by a name, or one beyond the last.
func (l *assetList) findName(value string, kind naming) int {
	name, first := cache.CanonicalName(value), len(l.assets)
	look := func(in map[string]int, name string) {
		if i, ok := in[name]; ok {
			first = min(first, i)
		}
	}
	host := kind&namesHost != 0
	if kind&namesAccount != 0 {
		account := bareAccount(name)
		look(l.accounts, account)
		if machine, ok := strings.CutSuffix(account, "$"); ok {
			name, host = machine, true // a host signs in under its own name
		}
	}
	if host {
		label := firstLabel(name)
		look(l.hosts, name)
		look(l.hosts, label)
		if label == name {
			look(l.labels, name)
		}
	}
	return first
}

// Parts of the names of fields that name a host or an account, in CIM and in vendors' own words.
// One too many costs little: a value there would have to be an asset's name.
var (
	hostParts = []string{
		"src", "dest", "dvc", "host", "ip", "addr", "computer", "machine", "device", "server", "workstation", "client",
		"remote", "target", "node", "instance", "agent", "object", "entity", "asset", "resource",
	}
	accountParts = []string{
		"principal", "identity", "actor", "member", "subject", "owner", "login", "logon", "upn", "email", "sender", "recipient",
		"target", "object", "entity", "asset", "resource",
	}
)

func (l *assetList) kind(field string) naming {
	kind, ok := l.kinds[field]
	if ok {
		return kind
	}
	kind = kindOf(strings.ToLower(field))
	if len(l.kinds) >= maxFieldKinds {
		clear(l.kinds)
	}
	l.kinds[field] = kind
	return kind
}

// kindOf says what a field names, by its own name.
func kindOf(field string) (kind naming) {
	if contains(field, "user", "account") {
		return namesAccount // src_user is no host
	}
	if contains(field, accountParts...) {
		kind |= namesAccount
	}
	if contains(field, hostParts...) {
		kind |= namesHost
	}
	return kind
}

// contains reports whether a text holds one of the parts.
func contains(text string, parts ...string) bool {
	return slices.ContainsFunc(parts, func(part string) bool { return strings.Contains(text, part) })
}

// firstLabel returns dc01 of dc01.corp.example, and an address as it is.
func firstLabel(name string) string {
	if _, err := netip.ParseAddr(name); err == nil {
		return name
	}
	label, _, _ := strings.Cut(name, ".")
	return label
}

// bareAccount returns ann of CORP\ann, corp/ann and ann@corp.example.
func bareAccount(name string) string {
	name = name[strings.LastIndexAny(name, `\/`)+1:]
	if account, _, ok := strings.Cut(name, "@"); ok && account != "" {
		return account
	}
	return name
}
