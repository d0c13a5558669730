package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// The organisation that made-up rules and alerts speak of. It does not grow with the rule set, so
// that more rules are more candidates for an alert.
const (
	users      = 20_000
	hosts      = 20_000
	networks24 = 4096
	signatures = 2000
	agents     = 3000
	apps       = 400
	services   = 5000
	teams      = 64
	teamSize   = 150
	searches   = 500
)

func userName(r *rand.Rand) string   { return user(r.IntN(users)) }
func user(i int) string              { return fmt.Sprintf("svc-%s-%05d", words[i%len(words)], i) }
func appName(r *rand.Rand) string    { return fmt.Sprintf("app-%03d", r.IntN(apps)) }
func searchName(r *rand.Rand) string { return fmt.Sprintf("Search %03d", r.IntN(searches)) }
func signature(r *rand.Rand) string {
	return fmt.Sprintf("ET POLICY Known service %04d", r.IntN(signatures))
}
func agentPath(r *rand.Rand) string {
	return fmt.Sprintf(`C:\Program Files\Agent %04d\agent.exe`, r.IntN(agents))
}
func domain(r *rand.Rand) string { return fmt.Sprintf(".svc%04d.corp.example", r.IntN(services)) }

func hostName(r *rand.Rand) string {
	i := r.IntN(hosts)
	return fmt.Sprintf("%s-%s-%05d", words[i%len(words)], sites[i%len(sites)], i)
}

func network(r *rand.Rand) string {
	i := r.IntN(networks24)
	return fmt.Sprintf("10.%d.%d.0/24", i>>8, i&255)
}

func address(r *rand.Rand) string {
	return strings.Replace(network(r), ".0/24", fmt.Sprintf(".%d", 1+r.IntN(254)), 1)
}

func one(r *rand.Rand, from ...string) string { return from[r.IntN(len(from))] }

var (
	words   = []string{"web", "db", "mail", "scan", "backup", "build", "sync", "print", "proxy", "batch", "mon"}
	sites   = []string{"ams", "fra", "lon", "nyc", "sfo", "sin", "syd"}
	parents = []string{"services.exe", "svchost.exe", "explorer.exe", "cmd.exe", "taskeng.exe", "agentsvc.exe", "python.exe"}
	actions = []string{"allowed", "blocked", "success", "failure"}
)

// shape is one kind of made-up rule.
type shape struct {
	percent int
	text    string // as said in the output
	make    func(r *rand.Rand) *cond
}

// shapes are the made-up rules: what allow-lists of security operations centres are full of.
var shapes = []shape{
	{22, "an account from a network: user == and cidr(src)", func(r *rand.Rand) *cond {
		return and(equals("user", userName(r)), is("src", testCIDR, network(r)))
	}},
	{18, "a signature on a host: signature == and dest ==", func(r *rand.Rand) *cond {
		return and(equals("signature", signature(r)), equals("dest", hostName(r)))
	}},
	{12, "a program and its parents: process_path == and parent_process_name in [three]", func(r *rand.Rand) *cond {
		return and(equals("process_path", agentPath(r)), equals("parent_process_name", unique([]string{one(r, parents...), one(r, parents...), one(r, parents...)})...))
	}},
	{10, "a group of hosts: dest startsWith, dest_port in [two] and action ==", func(r *rand.Rand) *cond {
		return and(is("dest", testPrefix, fmt.Sprintf("%s-%s-%02d", one(r, words...), one(r, sites...), r.IntN(20))), equals("dest_port", "80", "443"), equals("action", one(r, actions...)))
	}},
	{8, "a domain: query endsWith", func(r *rand.Rand) *cond { return is("query", testSuffix, domain(r)) }},
	{6, "a part of a command line: process contains, half of them with user ==", func(r *rand.Rand) *cond {
		part := is("process", testContains, fmt.Sprintf(`\jobs\job-%05d\`, r.IntN(users)))
		if r.IntN(2) == 0 {
			return part
		}
		return and(part, equals("user", userName(r)))
	}},
	{6, "one of two: (user == or src ==) and signature ==", func(r *rand.Rand) *cond {
		return and(or(equals("user", userName(r)), equals("src", address(r))), equals("signature", signature(r)))
	}},
	{6, "all but: signature ==, not action == and not cidr(src)", func(r *rand.Rand) *cond {
		return and(equals("signature", signature(r)), not(equals("action", "allowed")), not(is("src", testCIDR, network(r))))
	}},
	{4, "a team: user in a list of 150 and app ==", func(r *rand.Rand) *cond {
		return and(inList("user", testList, fmt.Sprintf("team_%02d", r.IntN(teams))), equals("app", appName(r)))
	}},
	{3, "an account in any case: lower(user) == and app ==", func(r *rand.Rand) *cond {
		return and(is("user", testLower, userName(r)), equals("app", appName(r)))
	}},
	{3, "an address of a page: url matches a regular expression", func(r *rand.Rand) *cond {
		n := r.IntN(services)
		c := is("url", testMatches, fmt.Sprintf(`^https://build-%04d[.]corp[.]example/job/[0-9]+/$`, n))
		c.example = fmt.Sprintf("https://build-%04d.corp.example/job/%d/", n, r.IntN(1e6))
		return c
	}},
	{2, "a small transfer: app ==, user == and num(bytes) <", func(r *rand.Rand) *cond {
		return and(equals("app", appName(r)), equals("user", userName(r)), less("bytes", float64(1000*(1+r.IntN(5000)))))
	}},
}

// scoped is the share of made-up rules that speak of one search only.
const scoped = 0.2

func madeRule(r *rand.Rand) (search string, when *cond) {
	if r.Float64() < scoped {
		search = searchName(r)
	}
	n := r.IntN(100)
	for _, s := range shapes {
		if n -= s.percent; n < 0 {
			return search, s.make(r)
		}
	}
	panic("the shapes are less than 100 percent")
}

func madeLists() []*list {
	var out []*list
	for i := range teams {
		l := &list{name: fmt.Sprintf("team_%02d", i)}
		r := random(1000 + uint64(i))
		for range teamSize {
			l.values = append(l.values, userName(r))
		}
		l.values = unique(l.values)
		out = append(out, l)
	}
	return out
}
