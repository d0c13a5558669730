package main

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
)

// rule is an allow-list rule of the benchmark, before it is written for an engine.
type rule struct {
	id     string
	search string // "" for every search
	when   *cond
	hit    event // an alert that it is true of
}

// corpus is what rules are made from. All of it is made or chosen with fixed seeds.
type corpus struct {
	lists *listSet
	misp  []*list
	sigma []*cond
	total int // Sigma filter blocks that were read
	row   []row
}

// row is an alert of the public data.
type row struct {
	search string
	fields event
}

// share of the rules that each source gives, where the public data is there.
const (
	sigmaShare = 0.2
	mispShare  = 0.3
)

// readCorpus reads the public data below shared, which may be absent.
func readCorpus(shared string) (*corpus, error) {
	c := &corpus{}
	lists := madeLists()
	if _, err := os.Stat(shared); err == nil {
		filters, err := readSigma(filepath.Join(shared, "sigma_rules.tgz"))
		if err != nil {
			return nil, err
		}
		c.sigma, c.total = filters.conds, filters.total
		if c.misp, err = readWarningLists(filepath.Join(shared, "warninglists")); err != nil {
			return nil, err
		}
		if c.row, err = readAlerts(filepath.Join(shared, "alerts")); err != nil {
			return nil, err
		}
		lists = append(lists, c.misp...)
	}
	c.lists = newListSet(lists)
	r := random(1)
	r.Shuffle(len(c.sigma), func(i, j int) { c.sigma[i], c.sigma[j] = c.sigma[j], c.sigma[i] })
	return c, nil
}

func (c *corpus) public() bool { return len(c.sigma) > 0 }

func random(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 20260101)) }

// rules makes n rules. Each has an alert that it is true of; the few conditions for which none is
// found are left out and others take their place.
func (c *corpus) rules(n int) []*rule {
	r := random(uint64(n) + 2)
	sigma, misp := 0, 0
	if c.public() {
		sigma, misp = int(float64(n)*sigmaShare), int(float64(n)*mispShare)
	}
	var out []*rule
	add := func(kind string, n int, next func(i int) (search string, when *cond)) {
		for i, made := 0, 0; made < n; i++ {
			search, when := next(i)
			hit, ok := c.witness(r, when)
			if !ok {
				continue
			}
			made++
			out = append(out, &rule{id: fmt.Sprintf("%s-%d", kind, made), search: search, when: when, hit: hit})
		}
	}
	add("sigma", sigma, func(i int) (string, *cond) { return "", c.sigmaRule(r, i) })
	used := map[string]bool{}
	add("misp", misp, func(i int) (string, *cond) { return "", c.mispRule(r, i, used) })
	add("made", n-sigma-misp, func(int) (string, *cond) { return madeRule(r) })
	r.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// sigmaRule is a filter block; when all are used, one of them for a single computer.
func (c *corpus) sigmaRule(r *rand.Rand, i int) *cond {
	when := c.sigma[i%len(c.sigma)]
	if i < len(c.sigma) {
		return when
	}
	return and(equals("Computer", hostName(r)), when)
}

// mispRule is, for every fourth, a whole warning list, and else one entry of a list as a rule of its
// own. A list stands alone once for each field, and then only together with an application; of the
// entries that are networks of more than one address, every second does.
func (c *corpus) mispRule(r *rand.Rand, i int, used map[string]bool) *cond {
	l := c.misp[r.IntN(len(c.misp))]
	fields := mispFields(l)
	field := fields[r.IntN(len(fields))]
	if i%4 > 0 {
		entry := l.values[r.IntN(len(l.values))]
		return mispEntry(r, l, field, entry)
	}
	test := testList
	if l.networks {
		test = testNetworks
	}
	whole := inList(field, test, l.name)
	if key := field + " " + l.name; !used[key] {
		used[key] = true
		return whole
	}
	return and(whole, equals("app", appName(r)))
}

func mispEntry(r *rand.Rand, l *list, field, entry string) *cond {
	if !l.networks {
		return equals(field, entry)
	}
	if p := netip.MustParsePrefix(entry); p.IsSingleIP() {
		return equals(field, p.Addr().String())
	}
	if r.IntN(2) == 0 {
		return is(field, testCIDR, entry)
	}
	return and(is(field, testCIDR, entry), equals("app", appName(r)))
}

var hashPattern = regexp.MustCompile(`^[0-9a-fA-F]{32,128}$`)

func mispFields(l *list) []string {
	switch {
	case l.networks:
		return []string{"src", "dest"}
	case hashPattern.MatchString(l.values[0]):
		return []string{"file_hash"}
	}
	return []string{"query", "url_domain"}
}
