package knowledge

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// warninglist is a MISP warning list: values that feeds call malicious by mistake, like the resolvers
// that everybody asks. It is told to analysts and proves nothing.
type warninglist struct {
	name   string
	exact  []string
	suffix []string
	nets   []string
}

func (b *batch) readWarninglist(whole []byte, top map[string]json.RawMessage) error {
	w := &warninglist{name: b.name}
	var kind string
	var list []string
	if err := decode(whole, top["type"], &kind); err != nil {
		return err
	}
	if err := decode(whole, top["list"], &list); err != nil {
		return err
	}
	if name := top["name"]; name != nil {
		if err := decode(whole, name, &w.name); err != nil {
			return err
		}
	}
	switch kind {
	case "string":
		w.exact = list
	case "hostname":
		w.suffix = list
	case "cidr":
		for i, v := range list {
			if _, err := parseNetworks(v); err != nil {
				return fmt.Errorf("entry %d: %w", i+1, err)
			}
		}
		w.nets = list
	default:
		return fmt.Errorf("its type is %.40q, want string, hostname or cidr", kind)
	}
	b.warning = w
	return nil
}

// harmless is all warning lists.
type harmless struct {
	names  []string
	exact  map[[16]byte][]int32
	suffix map[[16]byte][]int32
	nets   networks
}

func (h *harmless) empty() bool { return len(h.names) == 0 }

func (h *harmless) add(w *warninglist) {
	n := int32(len(h.names))
	h.names = append(h.names, short(w.name))
	if h.exact == nil {
		h.exact, h.suffix = map[[16]byte][]int32{}, map[[16]byte][]int32{}
	}
	for _, v := range w.exact {
		key := keyOf(strings.ToLower(strings.TrimSpace(v)))
		h.exact[key] = append(h.exact[key], n)
	}
	for _, v := range w.suffix {
		key := keyOf(strings.ToLower(strings.Trim(strings.TrimSpace(v), ".")))
		h.suffix[key] = append(h.suffix[key], n)
	}
	for _, v := range w.nets {
		prefixes, _ := parseNetworks(v) // checked when it was read
		for _, p := range prefixes {
			h.nets.add(p, n)
		}
	}
}

// find names the warning lists that hold a value in normal form, "" when none does.
func (h *harmless) find(normal string) string {
	if h.empty() {
		return ""
	}
	found := slices.Clone(h.exact[keyOf(strings.ToLower(normal))])
	if ip, ok := parseIP(normal); ok {
		found = append(found, h.nets.find(ip)...)
	} else {
		for host, ok := normal, true; ok; _, host, ok = strings.Cut(host, ".") {
			found = append(found, h.suffix[keyOf(host)]...)
		}
	}
	slices.Sort(found)
	found = slices.Compact(found)
	var names []string
	for _, n := range found[:min(len(found), 5)] {
		names = append(names, h.names[n])
	}
	return strings.Join(names, ", ")
}
