package knowledge

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/winnow-soc/winnow/llm"
)

// inventory is a table of assets or of identities.
type inventory struct {
	rows  []map[string]string
	exact map[string][]int32 // by name in lower case
	nets  networks
}

func newInventory() *inventory { return &inventory{exact: map[string][]int32{}} }

// What is kept of a row, and told.
var (
	assetColumns    = []string{"owner", "priority", "category", "bunit", "nt_host", "dns", "city", "country", "pci_domain", "is_expected", "requires_av"}
	identityColumns = []string{"priority", "category", "bunit", "watchlist", "managedBy", "startDate", "endDate", "email"}
)

var priorities = []string{"", "unknown", "informational", "low", "medium", "high", "critical"}

// readAssets reads assets in the format of Enterprise Security's asset lookup. A cell of ip, mac,
// nt_host and dns may hold several values with | between them; ip may be a network or a range.
func (v *inventory) readAssets(name string, data []byte) error {
	t, err := openTable(name, data)
	if err != nil {
		return err
	}
	if err := t.need("ip", "mac", "nt_host", "dns", "owner", "priority", "category"); err != nil {
		return err
	}
	fresh := newInventory()
	err = t.each(func(_ int, get func(string) string) error {
		row := int32(len(fresh.rows))
		named := false
		for ip := range several(get("ip")) {
			prefixes, err := parseNetworks(ip)
			if err != nil {
				return fmt.Errorf("ip: %w", err)
			}
			for _, p := range prefixes {
				fresh.nets.add(p, row)
			}
			named = true
		}
		for _, column := range []string{"mac", "nt_host", "dns"} {
			for value := range several(get(column)) {
				fresh.name(value, row)
				named = true
			}
		}
		if !named {
			return errors.New("none of ip, mac, nt_host and dns is filled in")
		}
		return fresh.keep(get, assetColumns)
	})
	if err != nil {
		return err
	}
	v.lay(fresh)
	return nil
}

// readIdentities reads identities in the format of Enterprise Security's identity lookup. A cell of
// identity and email may hold several values with | between them.
func (v *inventory) readIdentities(name string, data []byte) error {
	t, err := openTable(name, data)
	if err != nil {
		return err
	}
	if err := t.need("identity", "priority", "category"); err != nil {
		return err
	}
	fresh := newInventory()
	err = t.each(func(_ int, get func(string) string) error {
		row := int32(len(fresh.rows))
		named := false
		for _, column := range []string{"identity", "email"} {
			for value := range several(get(column)) {
				fresh.name(value, row)
				named = true
			}
		}
		if !named {
			return errors.New("identity is empty")
		}
		if err := fresh.keep(get, identityColumns); err != nil {
			return err
		}
		full := strings.Join(strings.Fields(get("prefix")+" "+get("first")+" "+get("last")+" "+get("suffix")), " ")
		if full != "" {
			fresh.rows[row]["name"] = full
		}
		return nil
	})
	if err != nil {
		return err
	}
	v.lay(fresh)
	return nil
}

// several splits a cell of several values.
func several(cell string) func(func(string) bool) {
	return func(yield func(string) bool) {
		for part := range strings.SplitSeq(cell, "|") {
			if part = strings.TrimSpace(part); part != "" && !yield(part) {
				return
			}
		}
	}
}

func (v *inventory) name(value string, row int32) {
	key := strings.ToLower(value)
	if rows := v.exact[key]; len(rows) == 0 || rows[len(rows)-1] != row {
		v.exact[key] = append(rows, row)
	}
}

// keep adds a row with the columns that are filled in.
func (v *inventory) keep(get func(string) string, columns []string) error {
	if p := strings.ToLower(get("priority")); !slices.Contains(priorities, p) {
		return fmt.Errorf("priority is %.40q, want unknown, low, medium, high or critical", p)
	}
	row := map[string]string{}
	for _, column := range columns {
		if cell := strings.TrimSpace(get(column)); cell != "" {
			row[column] = strings.Clone(cell)
		}
	}
	if w, ok := row["watchlist"]; ok {
		row["watchlist"] = fmt.Sprint(slices.Contains([]string{"true", "1", "yes", "t"}, strings.ToLower(w)))
	}
	v.rows = append(v.rows, row)
	return nil
}

// lay puts the rows of a later file behind those of earlier ones.
func (v *inventory) lay(fresh *inventory) {
	base := int32(len(v.rows))
	v.rows = append(v.rows, fresh.rows...)
	for key, rows := range fresh.exact {
		for _, row := range rows {
			v.exact[key] = append(v.exact[key], base+row)
		}
	}
	for _, m := range fresh.nets.byLength {
		for p, rows := range m {
			for _, row := range rows {
				v.nets.add(p, base+row)
			}
		}
	}
}

// worst returns the row that says most: of several with one name, that of the highest priority.
func (v *inventory) worst(rows []int32) map[string]string {
	rank := func(row int32) int { return slices.Index(priorities, strings.ToLower(v.rows[row]["priority"])) }
	best := rows[0]
	for _, row := range rows[1:] {
		if rank(row) > rank(best) {
			best = row
		}
	}
	return v.rows[best]
}

// asset returns what is known of a host, nil when nothing is.
func (v *inventory) asset(value string) map[string]string {
	value = strings.ToLower(strings.TrimSpace(value))
	if rows := v.exact[value]; len(rows) > 0 {
		return v.worst(rows)
	}
	if ip, ok := parseIP(value); ok {
		if rows := v.nets.find(ip); len(rows) > 0 {
			return v.worst(rows)
		}
		return nil
	}
	label, _, dotted := strings.Cut(strings.TrimSuffix(value, "."), ".")
	if rows := v.exact[label]; dotted && len(rows) > 0 {
		return v.worst(rows)
	}
	return nil
}

// identity returns what is known of an account: as it is written, then without its domain.
func (v *inventory) identity(value string) map[string]string {
	value = strings.ToLower(strings.TrimSpace(value))
	bare := value[strings.LastIndexAny(value, `\/`)+1:]
	local, _, _ := strings.Cut(bare, "@")
	for _, name := range []string{value, bare, local} {
		if rows := v.exact[name]; name != "" && len(rows) > 0 {
			return v.worst(rows)
		}
	}
	return nil
}

// Parts of the names of fields that name a host, and of those that name an account.
var (
	hostParts    = []string{"dest", "dvc", "host", "computer", "machine", "server", "workstation", "device", "src", "client", "remote", "node", "instance", "ip", "addr", "mac"}
	accountParts = []string{"user", "account", "principal", "actor", "identity", "login", "logon", "upn", "email", "sender", "recipient", "member", "owner"}
)

// Limits of a look.
const (
	maxLookFields = 200
	maxFound      = 12 // of one source
)

func (t *tables) lookAssets(c *llm.Case) []llm.Known {
	return lookFields(c, llm.KnownAsset, hostFields(c), t.assets.asset)
}

func (t *tables) lookIdentities(c *llm.Case) []llm.Known {
	return lookFields(c, llm.KnownIdentity, accountFields(c), t.identities.identity)
}

// lookFields looks the values of fields up, each value once.
func lookFields(c *llm.Case, source string, fields []string, find func(string) map[string]string) []llm.Known {
	var out []llm.Known
	seen := map[string]bool{}
	for _, field := range fields {
		for _, value := range c.Alert.Fields[field] {
			if seen[value] || len(value) > 256 || len(out) == maxFound {
				continue
			}
			seen[value] = true
			if data := find(value); data != nil {
				out = append(out, llm.Known{Source: source, Field: field, Value: value, Data: data})
			}
		}
	}
	return out
}

// hostFields returns the fields that name a host, what the alert is about before where it came from.
func hostFields(c *llm.Case) []string { return fieldsOf(c, hostParts, accountParts) }

func accountFields(c *llm.Case) []string { return fieldsOf(c, accountParts, nil) }

func fieldsOf(c *llm.Case, parts, not []string) []string {
	var out []string
	names := c.Alert.Fields.Names()
	for _, part := range parts {
		for _, name := range names {
			low := strings.ToLower(name)
			if !strings.Contains(low, part) || slices.Contains(out, name) || len(out) == maxLookFields {
				continue
			}
			if !slices.ContainsFunc(not, func(p string) bool { return strings.Contains(low, p) }) {
				out = append(out, name)
			}
		}
	}
	return out
}

// lookLists returns the value lists that hold values of the alert. Inventories are no value lists.
func lookLists(c *llm.Case) []llm.Known {
	named, ok := c.Lists.(interface{ Names() []string })
	if !ok {
		return nil
	}
	names := slices.DeleteFunc(slices.Clone(named.Names()), func(n string) bool { return n == "assets" || n == "identities" })
	var out []llm.Known
	for i, field := range c.Alert.Fields.Names() {
		if i == maxLookFields {
			break
		}
		for _, value := range c.Alert.Fields[field][:min(8, len(c.Alert.Fields[field]))] {
			if len(value) > 2048 || len(out) >= maxFound {
				continue
			}
			var in []string
			for _, name := range names {
				if held, err := c.Lists.Contains(name, value); err == nil && held {
					in = append(in, name)
				}
			}
			if len(in) > 0 {
				out = append(out, llm.Known{Source: llm.KnownList, Field: field, Value: value, Data: map[string]string{"lists": strings.Join(in, ", ")}})
			}
		}
	}
	return out
}
