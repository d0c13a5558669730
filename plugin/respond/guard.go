// Package respond carries out response actions that people have approved: which targets may never be touched
// (guard.go), the ways to do it (webhook.go, splunk.go, program.go), and the step of the worker that does one
// action after the other, each at most once (runner.go). Package review keeps the proposals and approvals.
package respond

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"slices"
	"strings"

	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Lists looks values up in named value lists. An error means that nothing is known.
type Lists interface {
	Contains(list, value string) (bool, error)
}

// The value lists of what no action may touch, by kind.
const (
	NeverBlock   = "never_block"
	NeverDisable = "never_disable"
)

// Guard says what no action may touch, whoever approves it.
type Guard struct {
	Own       []netip.Prefix // networks of ours
	Never     []string       // networks, addresses and accounts
	Resolvers []netip.Addr   // that this machine asks

	// Lists returns the value lists that are in force. What is not known to be free is not free: without the
	// list of a kind nothing of that kind may be done.
	Lists func() Lists
}

// Allow says why nothing may be done to a target, nil when it may.
func (g *Guard) Allow(kind ledger.ActionKind, target string) error {
	switch kind {
	case ledger.ActionBlock:
		return g.address(target)
	case ledger.ActionDisable:
		return g.account(target)
	}
	return fmt.Errorf("unknown action %.40q", kind)
}

func (g *Guard) address(target string) error {
	ip, err := netip.ParseAddr(target)
	switch {
	case err != nil || ip.String() != target || ip.Zone() != "" || ip.Is4In6():
		return errors.New("the target is not one address in its usual form")
	case !public(ip):
		return fmt.Errorf("%s is not a public address", ip)
	case slices.ContainsFunc(g.Own, func(p netip.Prefix) bool { return p.Contains(ip) }):
		return fmt.Errorf("%s is in one of your own networks ([redact] networks)", ip)
	case slices.Contains(g.Resolvers, ip) || slices.Contains(publicResolvers, ip):
		return fmt.Errorf("%s answers names: it is a resolver", ip)
	case slices.ContainsFunc(g.Never, func(s string) bool { return covers(s, ip) }):
		return fmt.Errorf("%s is in [review] never_act", ip)
	}
	return g.listed(NeverBlock, target)
}

// covers reports whether an entry of never_act is or holds the address.
func covers(entry string, ip netip.Addr) bool {
	if p, err := netip.ParsePrefix(entry); err == nil {
		return p.Contains(ip)
	}
	one, err := netip.ParseAddr(entry)
	return err == nil && one.Unmap() == ip
}

// notPublic are networks beside those that netip knows which are nobody's out there.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("240.0.0.0/4"),
}

func public(ip netip.Addr) bool {
	return ip.IsGlobalUnicast() && !ip.IsPrivate() && !slices.ContainsFunc(notPublic, func(p netip.Prefix) bool { return p.Contains(ip) })
}

// publicResolvers are resolvers that whole networks ask: an attacker who has their address put into an alert must
// not have them blocked.
var publicResolvers = []netip.Addr{
	netip.MustParseAddr("1.1.1.1"), netip.MustParseAddr("1.0.0.1"), netip.MustParseAddr("8.8.8.8"), netip.MustParseAddr("8.8.4.4"),
	netip.MustParseAddr("9.9.9.9"), netip.MustParseAddr("149.112.112.112"), netip.MustParseAddr("208.67.222.222"),
	netip.MustParseAddr("208.67.220.220"), netip.MustParseAddr("2606:4700:4700::1111"), netip.MustParseAddr("2606:4700:4700::1001"),
	netip.MustParseAddr("2001:4860:4860::8888"), netip.MustParseAddr("2001:4860:4860::8844"), netip.MustParseAddr("2620:fe::fe"),
}

// builtIn are accounts that systems need to run, in lower case.
var builtIn = []string{
	"administrator", "guest", "krbtgt", "defaultaccount", "wdagutilityaccount", "system", "local service", "localservice",
	"network service", "networkservice", "root", "daemon", "nobody", "bin", "sys", "sshd", "splunk", "splunk-system-user", "admin",
}

func (g *Guard) account(target string) error {
	if len(target) > 200 || strings.ContainsFunc(target, func(r rune) bool { return !accountRune(r) }) || strings.HasPrefix(target, "-") {
		return errors.New("the target is not the name of one account in plain letters")
	}
	name := strings.ToLower(target)
	if i := strings.LastIndexByte(name, '\\'); i >= 0 {
		name = name[i+1:]
	}
	name, _, _ = strings.Cut(name, "@")
	switch {
	case name == "" || strings.TrimSpace(name) != name:
		return errors.New("the target is not the name of one account")
	case slices.Contains(builtIn, name) || strings.HasPrefix(strings.ToLower(target), `nt authority\`):
		return fmt.Errorf("%s is a built-in account", name)
	case strings.HasSuffix(name, "$"):
		return fmt.Errorf("%s is the account of a machine or a service", name)
	}
	forms := []string{target, strings.ToLower(target), name}
	for _, form := range forms {
		if slices.ContainsFunc(g.Never, func(s string) bool { return strings.EqualFold(s, form) }) {
			return fmt.Errorf("%s is in [review] never_act", name)
		}
		if err := g.listed(NeverDisable, form); err != nil {
			return err
		}
	}
	return nil
}

// accountRune are the characters of account names, with domains.
func accountRune(r rune) bool {
	return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune(`._-@\$ +`, r)
}

func (g *Guard) listed(list, value string) error {
	if g.Lists == nil {
		return errors.New("there are no value lists")
	}
	lists := g.Lists()
	if lists == nil {
		return errors.New("there are no value lists")
	}
	in, err := lists.Contains(list, value)
	switch {
	case err != nil:
		return fmt.Errorf("the value list %s cannot be asked, so nothing is known to be free: %w", list, err)
	case in:
		return fmt.Errorf("%s is in the value list %s", value, list)
	}
	return nil
}

// Resolvers are the resolvers of this machine, as /etc/resolv.conf names them.
func Resolvers() []netip.Addr { return readResolvers("/etc/resolv.conf") }

func readResolvers(path string) (out []netip.Addr) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil // other systems keep them elsewhere
	}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		if len(words) < 2 || words[0] != "nameserver" {
			continue
		}
		if ip, err := netip.ParseAddr(words[1]); err == nil {
			out = append(out, ip.Unmap().WithZone(""))
		}
	}
	return out
}
