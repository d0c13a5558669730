package respond

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow/plugin/ledger"
)

type listMap map[string][]string

func (m listMap) Contains(list, value string) (bool, error) {
	values, ok := m[list]
	if !ok {
		return false, errors.New("no such list")
	}
	return slices.Contains(values, value), nil
}

func TestGuard(t *testing.T) {
	g := &Guard{
		Own: []netip.Prefix{netip.MustParsePrefix("198.51.100.0/24")}, Never: []string{"203.0.113.64/26", "Payroll", "192.0.2.1"},
		Resolvers: []netip.Addr{netip.MustParseAddr("192.0.2.53")},
		Lists:     func() Lists { return listMap{NeverBlock: {"192.0.2.9"}, NeverDisable: {"svc"}} },
	}
	for _, tt := range []struct {
		kind   ledger.ActionKind
		target string
		want   string // "" is allowed
	}{
		{ledger.ActionBlock, "203.0.113.9", ""},
		{ledger.ActionBlock, "2001:db8::9", ""},
		{ledger.ActionBlock, "203.0.113.70", "never_act"},
		{ledger.ActionBlock, "192.0.2.1", "never_act"},
		{ledger.ActionBlock, "198.51.100.7", "own networks"},
		{ledger.ActionBlock, "192.0.2.53", "resolver"},
		{ledger.ActionBlock, "8.8.8.8", "resolver"},
		{ledger.ActionBlock, "192.0.2.9", "value list never_block"},
		{ledger.ActionBlock, "10.1.2.3", "not a public"},
		{ledger.ActionBlock, "127.0.0.1", "not a public"},
		{ledger.ActionBlock, "100.64.1.1", "not a public"},
		{ledger.ActionBlock, "0.0.0.0", "not a public"},
		{ledger.ActionBlock, "::ffff:8.8.8.8", "usual form"},
		{ledger.ActionBlock, "2001:DB8::9", "usual form"},
		{ledger.ActionBlock, "fe80::1%eth0", "usual form"},
		{ledger.ActionBlock, "203.0.113.0/24", "usual form"},
		{ledger.ActionBlock, "203.0.113.9 203.0.113.10", "usual form"},
		{ledger.ActionBlock, "--all", "usual form"},
		{ledger.ActionDisable, "judy", ""},
		{ledger.ActionDisable, `CORP\judy`, ""},
		{ledger.ActionDisable, `CORP\Administrator`, "built-in"},
		{ledger.ActionDisable, "krbtgt@corp.example", "built-in"},
		{ledger.ActionDisable, `NT AUTHORITY\x`, "built-in"},
		{ledger.ActionDisable, "DC01$", "machine"},
		{ledger.ActionDisable, "PAYROLL@corp.example", "never_act"},
		{ledger.ActionDisable, "SVC", "value list never_disable"},
		{ledger.ActionDisable, "-rf", "plain letters"},
		{ledger.ActionDisable, "ann;reboot", "plain letters"},
		{ledger.ActionDisable, "аdmin", "plain letters"}, // the first letter is Cyrillic
		{ledger.ActionDisable, `CORP\`, "not the name"},
		{"wipe", "203.0.113.9", "unknown action"},
	} {
		err := g.Allow(tt.kind, tt.target)
		if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %q: %v, want %q", tt.kind, tt.target, err, tt.want)
		}
	}
	for name, lists := range map[string]func() Lists{
		"none": nil, "no set": func() Lists { return nil }, "not that one": func() Lists { return listMap{} },
	} {
		g.Lists = lists
		if g.Allow(ledger.ActionBlock, "203.0.113.9") == nil || g.Allow(ledger.ActionDisable, "judy") == nil {
			t.Errorf("lists: %s: allowed", name)
		}
	}
}
