package allowlist

import (
	"errors"
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

	// Trusted refuses files that somebody else could have written; nil trusts all.
	Trusted func(paths ...string) error

	Fields     *winnow.FieldTable
	Keys       *winnow.Keys
	ListShrink float64 // share of a list that may vanish at once
	Canary     float64
	Now        time.Time
}

// Open reads rules, lists, escalate list and suspensions. The gate can always be used: what could
// not be read only makes it drop less, and the error says what that was. A rule file that is broken
// takes its own rules out; without the escalate list, the suspensions or the last good state of
// the lists nothing is dropped. A fresh install has no last good state, and nothing to compare.
func Open(c Config) (*Gate, error) {
	g := &Gate{Keys: c.Keys, Fields: c.Fields, Canary: c.Canary}
	var problems []error
	if c.Trusted != nil {
		for _, paths := range [][]string{c.RulePaths, c.ListPaths, c.EscalatePaths, {c.Suspensions}} {
			if err := c.Trusted(paths...); err != nil {
				problems = append(problems, err)
				g.Blind = winnow.ReasonRulesUnread
			}
		}
	}
	good, err := rules.ReadGood(c.GoodLists)
	if err != nil {
		problems = append(problems, err)
		g.Blind = winnow.ReasonRulesUnread
	}
	lists, err := rules.LoadLists(rules.ListOptions{Folders: c.ListPaths, Good: good, Shrink: c.ListShrink})
	problems = append(problems, err)
	opts := rules.Options{Fields: c.Fields, Lists: lists, Now: c.Now}
	g.Rules, err = rules.Load(opts, c.RulePaths...)
	problems = append(problems, err)
	if g.Escalate, err = rules.LoadEscalate(opts, c.EscalatePaths...); err != nil {
		problems = append(problems, err)
		g.Blind = winnow.ReasonRulesUnread
	}
	if g.Suspensions, err = ReadSuspensions(c.Suspensions); err != nil {
		problems = append(problems, err)
		g.Blind = winnow.ReasonRulesUnread
	}
	g.Lists = lists
	return g, errors.Join(problems...)
}
