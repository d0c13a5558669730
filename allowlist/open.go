package allowlist

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/rules"
)

// Config says where a gate finds what it decides with, and how.
type Config struct {
	RulePaths     []string // files or folders
	ListPaths     []string // folders
	EscalatePaths []string // files; the first is the one winnow ships
	GoodLists     string   // sizes and hashes of the lists when they were last good
	Suspensions   string
	Snapshots     string // folder of the rule snapshot, for an unproven gate; "" reads the files
	Approvals     string // what the worker has published of signatures
	SignEvery     bool   // every enforced rule needs one

	// Trusted refuses files that somebody else could have written; nil trusts all. It is asked
	// for every file above and for TrustAlso, where they exist.
	Trusted   func(paths ...string) error
	TrustAlso []string

	Fields     *winnow.FieldTable
	Keys       *winnow.Keys
	ListShrink float64 // share of a list that may vanish at once
	Canary     float64
	Now        time.Time

	// Stateless is for commands that ask where no state folder was ever made: nothing is suspended,
	// and no list was good before. Files that are there count all the same.
	Stateless bool

	// Unproven reads rules without their tests, see [rules.Options]: for the alert action, whose
	// proposals are confirmed. Any other gate runs the tests, and drops nothing by a rule that fails.
	Unproven bool
}

// Open reads rules, lists, escalate list and suspensions. The gate can always be used: what could
// not be read only makes it drop less, and the error says what that was. A rule file that is broken
// takes its own rules out; without the escalate list, the suspensions or the last good state of
// the lists, or where somebody else could have written a file, nothing is dropped. A fresh install
// has no last good state, and nothing to compare.
func Open(c Config) (*Gate, error) {
	g := &Gate{Keys: c.Keys, Fields: c.Fields, Canary: c.Canary, SignEvery: c.SignEvery}
	var p problems
	p.blind(c.trust())
	var err error
	g.Suspensions, err = ReadSuspensions(c.Suspensions)
	if !c.Stateless || !errors.Is(err, fs.ErrNotExist) {
		p.blind(err)
	}
	g.Approvals, err = ReadApprovals(c.Approvals)
	p.note(err)
	g.Lists = c.openLists(&p)
	opts := rules.Options{Fields: c.Fields, Lists: g.Lists, Now: c.Now, Unproven: c.Unproven}
	g.reduced = &reduced{opts: opts, paths: c.RulePaths}
	if !c.openSnapshot(g, opts, &p) {
		c.readRules(g, opts, &p)
	}
	g.Blind = p.reason
	return g, errors.Join(p.errs...)
}

// openSnapshot takes rules and escalate list from what the worker has published, if it is that of
// the files as they are.
func (c Config) openSnapshot(g *Gate, opts rules.Options, p *problems) bool {
	if !c.Unproven || c.Snapshots == "" {
		return false
	}
	set, escalate, path, err := rules.OpenSnapshot(c.Snapshots, opts, c.RulePaths, c.EscalatePaths)
	if err != nil {
		if !errors.Is(err, rules.ErrNoSnapshot) {
			p.note(err)
		}
		return false
	}
	if c.Trusted != nil {
		p.blind(c.Trusted(path))
	}
	g.Rules, g.Escalate = set, escalate
	return true
}

// readRules reads rules and escalate list from their files.
func (c Config) readRules(g *Gate, opts rules.Options, p *problems) {
	var err error
	g.Rules, err = rules.Load(opts, c.RulePaths...)
	g.RulesErr = err
	p.note(err)
	if !c.Unproven {
		g.runTests(p)
	}
	g.Escalate, err = rules.LoadEscalate(opts, c.EscalatePaths...)
	p.blind(err)
}

// problems collects what is out of order.
type problems struct {
	errs   []error
	reason winnow.Reason // set when nothing may be dropped
}

func (p *problems) note(err error) {
	if err != nil {
		p.errs = append(p.errs, err)
	}
}

// blind notes an error that leaves the gate without something that could speak against a drop.
func (p *problems) blind(err error) {
	if err != nil {
		p.reason = winnow.ReasonRulesUnread
		p.note(fmt.Errorf("nothing is dropped: %w", err))
	}
}

// runTests asks of every rule what its author promised of it. A rule over a list that cannot be
// trusted is passed over: it matches nothing, and the list is told of.
func (g *Gate) runTests(p *problems) {
	g.Failing = map[string]bool{}
	for _, t := range g.Rules.Test(Decide) {
		if t.OK || g.Rules.Find(t.Rule).ListError() != nil {
			continue
		}
		g.Failing[t.Rule] = true
		p.note(fmt.Errorf("%s:%d: rule %q drops nothing: its test %q wants %s and gets %s (%s)",
			t.File, t.Line, t.Rule, t.Test, t.Want, t.Got, t.Why))
	}
}

// openLists loads the value lists and holds them against their last good state.
func (c Config) openLists(p *problems) *rules.Lists {
	good, err := rules.ReadGood(c.GoodLists)
	p.blind(err) // the guard against shrunk lists is down
	lists, err := rules.LoadLists(rules.ListOptions{Folders: c.ListPaths, Good: good, Shrink: c.ListShrink})
	p.note(err)
	return lists
}

// trust looks at the files that decide what is dropped.
func (c Config) trust() error {
	if c.Trusted == nil {
		return nil
	}
	paths := slices.Concat(c.RulePaths, c.ListPaths, c.EscalatePaths)
	for _, path := range append([]string{c.Suspensions, c.GoodLists, c.Approvals}, c.TrustAlso...) {
		if _, err := os.Lstat(path); !errors.Is(err, fs.ErrNotExist) {
			paths = append(paths, path)
		}
	}
	return c.Trusted(paths...)
}
