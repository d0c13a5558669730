package main

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// readWarningLists reads the MISP warning lists of networks and of names, sorted by file. Lists of
// substrings and of regular expressions are left out, as are the values that do not fit.
func readWarningLists(folder string) ([]*list, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.json"))
	if err != nil || len(files) == 0 {
		return nil, fmt.Errorf("read warning lists: %s holds no *.json", folder)
	}
	slices.Sort(files)
	var out []*list
	for _, path := range files {
		l, err := readWarningList(path)
		if err != nil {
			return nil, fmt.Errorf("read warning list: %w", err)
		}
		if l != nil {
			out = append(out, l)
		}
	}
	return out, nil
}

func readWarningList(path string) (*list, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	var file struct {
		Type string   `json:"type"`
		List []string `json:"list"`
	}
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	base := strings.TrimSuffix(filepath.Base(path), ".json")
	l := &list{name: "misp_" + strings.NewReplacer("-", "_", ".", "_").Replace(base), networks: file.Type == "cidr"}
	switch file.Type {
	case "cidr":
		l.values = networks(file.List)
	case "string", "hostname":
		l.values = texts(file.List)
	}
	if len(l.values) == 0 {
		return nil, nil //nolint:nilnil // a list that is left out
	}
	return l, nil
}

func networks(values []string) []string {
	var out []string
	for _, v := range values {
		if !strings.Contains(v, "/") {
			ip, err := netip.ParseAddr(v)
			if err != nil {
				continue
			}
			v = netip.PrefixFrom(ip, ip.BitLen()).String()
		}
		if p, err := netip.ParsePrefix(v); err == nil && p.Bits() > 0 && !p.Addr().Is4In6() {
			out = append(out, p.Masked().String())
		}
	}
	return unique(out)
}

func texts(values []string) []string {
	return unique(slices.DeleteFunc(slices.Clone(values), func(v string) bool {
		return v != strings.TrimSpace(v) || v == "" || v[0] == '#' || !printable(v) || isAddress(v)
	}))
}

// printable reports whether a text can stand in every engine's language as it is.
func printable(text string) bool {
	return !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xfffd || r == 0xfeff })
}
