package main

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// sigmaFilters are the filter blocks of Sigma rules as conditions.
type sigmaFilters struct {
	conds []*cond
	total int // filter blocks that were read
}

// readSigma makes a condition of every block called filter* in the rules of an archive. Left out are
// blocks that say the same as an earlier one, that fields need only be absent for, and what is not a
// condition on fields: keywords, references to other fields, and forms that not every engine has.
func readSigma(path string) (sigmaFilters, error) {
	f, err := os.Open(path)
	if err != nil {
		return sigmaFilters{}, fmt.Errorf("read Sigma rules: %w", err)
	}
	defer func() { _ = f.Close() }() // read only
	zr, err := gzip.NewReader(f)
	if err != nil {
		return sigmaFilters{}, fmt.Errorf("read Sigma rules: %s: %w", path, err)
	}
	files := map[string][]byte{}
	for tr := tar.NewReader(zr); ; {
		h, err := tr.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return sigmaFilters{}, fmt.Errorf("read Sigma rules: %s: %w", path, err)
		}
		if strings.HasSuffix(h.Name, ".yml") {
			if files[h.Name], err = io.ReadAll(tr); err != nil {
				return sigmaFilters{}, fmt.Errorf("read Sigma rules: %s: %w", h.Name, err)
			}
		}
	}
	return parseSigma(files), nil
}

func parseSigma(files map[string][]byte) sigmaFilters {
	names := make([]string, 0, len(files))
	for name := range files {
		names = append(names, name)
	}
	slices.Sort(names)
	var out sigmaFilters
	seen := map[string]bool{}
	for _, name := range names {
		var rule struct {
			Detection yaml.Node `yaml:"detection"`
		}
		if yaml.Unmarshal(files[name], &rule) != nil {
			continue
		}
		eachPair(&rule.Detection, func(key string, block *yaml.Node) {
			if !strings.HasPrefix(key, "filter") {
				return
			}
			out.total++
			c, ok := sigmaBlock(block)
			if !ok || absent(c) || seen[winnowText(c)] {
				return
			}
			seen[winnowText(c)] = true
			out.conds = append(out.conds, c)
		})
	}
	return out
}

func eachPair(n *yaml.Node, visit func(key string, value *yaml.Node)) {
	if n.Kind != yaml.MappingNode {
		return
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		visit(n.Content[i].Value, n.Content[i+1])
	}
}

// sigmaBlock reads a block: a mapping is an "and" of its keys, a list an "or" of mappings.
func sigmaBlock(n *yaml.Node) (*cond, bool) {
	if n.Kind == yaml.SequenceNode {
		var kids []*cond
		for _, item := range n.Content {
			k, ok := sigmaBlock(item)
			if !ok {
				return nil, false
			}
			kids = append(kids, k)
		}
		return or(kids...), len(kids) > 0
	}
	var kids []*cond
	good := n.Kind == yaml.MappingNode
	eachPair(n, func(key string, value *yaml.Node) {
		k, ok := sigmaField(key, value)
		good = good && ok
		kids = append(kids, k)
	})
	return and(kids...), good && len(kids) > 0
}

// absent reports whether a condition can be true only because fields are absent. Beside the selection
// of its Sigma rule such a filter has a meaning; as a rule for all searches it would be true of most alerts.
func absent(c *cond) bool {
	switch c.op {
	case "and":
		return !slices.ContainsFunc(c.kids, func(k *cond) bool { return !absent(k) })
	case "or":
		return slices.ContainsFunc(c.kids, absent)
	}
	return c.op == "not" && c.kids[0].test == testHas
}

// sigmaTests are the modifiers that all engines can write.
var sigmaTests = map[string]string{
	"": testEquals, "startswith": testPrefix, "endswith": testSuffix, "contains": testContains,
	"contains|all": testContains, "cidr": testCIDR, "re": testMatches,
}

func sigmaField(key string, n *yaml.Node) (*cond, bool) {
	field, modifier, _ := strings.Cut(key, "|")
	test, ok := sigmaTests[modifier]
	if !ok || !printable(field) {
		return nil, false
	}
	items := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		items = n.Content
	}
	byTest := map[string][]string{}
	var kids []*cond
	for _, item := range items {
		if item.Kind != yaml.ScalarNode || !printable(item.Value) {
			return nil, false
		}
		if item.Tag == "!!null" || item.Value == "" {
			kids = append(kids, not(is(field, testHas)))
			continue
		}
		kind, value, ok := sigmaValue(test, item.Value)
		if !ok {
			return nil, false
		}
		byTest[kind] = append(byTest[kind], value)
	}
	for _, kind := range []string{testEquals, testPrefix, testSuffix, testContains, testCIDR, testMatches} {
		if values := unique(byTest[kind]); len(values) > 0 && modifier != "contains|all" {
			kids = append(kids, is(field, kind, values...))
		} else {
			for _, v := range values {
				kids = append(kids, is(field, kind, v))
			}
		}
	}
	if modifier == "contains|all" {
		return and(kids...), len(kids) > 0
	}
	return or(kids...), len(kids) > 0
}

// sigmaValue reads a value: \ takes the next wildcard or \ as it is, a * at an end is a prefix, a
// suffix or a part, and any other wildcard makes a regular expression.
func sigmaValue(test, text string) (kind, value string, ok bool) {
	switch test {
	case testMatches:
		_, err := regexp.Compile(text)
		return test, text, err == nil
	case testCIDR:
		p, err := netip.ParsePrefix(text)
		return test, text, err == nil && p == p.Masked()
	}
	p := parsePattern(text)
	value = p.text
	switch {
	case value == "":
		return "", "", false
	case p.wild == 0:
		return test, value, true
	case test != testEquals:
		return "", "", false
	case p.wild == 2 && p.first && p.last:
		return testContains, value, true
	case p.wild == 1 && p.first:
		return testSuffix, value, true
	case p.wild == 1 && p.last:
		return testPrefix, value, true
	}
	return testMatches, "(?s)^" + p.regexp + "$", true
}

// pattern is a text of Sigma, which may hold wildcards.
type pattern struct {
	text        string // without them
	regexp      string
	wild        int  // how many there are
	first, last bool // a * begins it, ends it
}

func parsePattern(text string) (p pattern) {
	runes := []rune(text)
	var plain, re strings.Builder
	for i := 0; i < len(runes); i++ {
		r := runes[i]
		if r == '*' || r == '?' {
			p.wild++
			p.first = p.first || i == 0 && r == '*'
			p.last = i == len(runes)-1 && r == '*'
			re.WriteString(map[rune]string{'*': ".*", '?': "."}[r])
			continue
		}
		if r == '\\' && i+1 < len(runes) && strings.ContainsRune(`*?\`, runes[i+1]) {
			i++
			r = runes[i]
		}
		plain.WriteRune(r)
		re.WriteString(regexp.QuoteMeta(string(r)))
	}
	p.text, p.regexp = plain.String(), re.String()
	return p
}
