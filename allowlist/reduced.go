package allowlist

import (
	"slices"
	"sync"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/rules"
)

// reduced are the rules over lists that lack the values that are out of force. They are read when
// a match is found to rest on such a list: mostly never. Safe for concurrent use.
type reduced struct {
	opts  rules.Options
	paths []string

	mu  sync.Mutex
	by  *Suspensions // what set was made for
	set *rules.Set
}

// under returns the rules without the values that s suspends. A file that cannot be read leaves its
// rules out, which is as good as a rule that does not match.
func (r *reduced) under(s *Suspensions) *rules.Set {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.by != s {
		opts := r.opts
		opts.Lists = opts.Lists.Without(s.listValues())
		r.set, _ = rules.Load(opts, r.paths...) //nolint:errcheck // what is wrong was told when the gate was opened
		r.by = s
	}
	return r.set
}

// RestsOn reports whether a rule that covers an alert would not without the list values that s
// takes out of force. It never makes a rule match more: a value may also stand in a list that a rule
// excludes. In doubt the rule rests on them.
func (g *Gate) RestsOn(r *rules.Rule, a *winnow.Alert, s *Suspensions) bool {
	if s == nil || len(s.Lists) == 0 || !slices.ContainsFunc(r.Lists(), func(name string) bool { return len(s.Lists[name]) > 0 }) {
		return false
	}
	if g.reduced == nil {
		return true
	}
	set := g.reduced.under(s)
	if set == nil {
		return true
	}
	same := set.Find(r.ID)
	if same == nil {
		return true
	}
	matched, err := same.Match(a)
	return err != nil || !matched
}
