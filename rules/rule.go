package rules

import (
	"time"

	"github.com/winnow-soc/winnow"
)

// Mode says whether a rule may drop alerts.
type Mode string

// The modes. A rule that does not say is a shadow rule: it counts what it would drop.
const (
	ModeShadow  Mode = "shadow"
	ModeEnforce Mode = "enforce"
)

// Rule is one allow-list rule: a condition with scope, owner, reason, expiry and tests. It is
// immutable and safe for concurrent use. What a match may do is for package allowlist to say.
type Rule struct {
	ID, Description, Owner, Reason, Ticket string

	Expires     time.Time // first instant at which it no longer holds: midnight UTC after the written day
	Searches    []string  // exact names or globs
	Global      bool      // in scope for every search
	When        string    // the condition as written
	Mode        Mode
	MaxSeverity winnow.Severity // never drops above it
	Window      *Window         // nil: at any time
	Canary      float64         // share of its drops that is triaged all the same, 0 to 1; -1: the default
	Tests       []Test
	Pos         Position

	loaded
}

// InScope reports whether the rule speaks of the alerts of a search. The name must come from
// Splunk's payload, never from a row.
func (r *Rule) InScope(searchName string) bool {
	if r.Global {
		return true
	}
	for _, s := range r.Searches {
		if s == searchName || isGlob(s) && matchGlob(s, searchName) {
			return true
		}
	}
	return false
}

// Match reports whether the condition is true for every way to pick one value of each field that
// it reads as a single value. It looks at the condition only: not at scope, mode, expiry, ceiling
// or window. With an error the rule does not match; [Rule.ListError] is one of them. The condition
// is compiled on first use.
func (r *Rule) Match(a *winnow.Alert) (bool, error) {
	c := r.cond
	if r.later != nil {
		var err error
		if c, err = r.later.of(a); c == nil {
			return false, err
		}
	}
	if err := c.listError(); err != nil {
		return false, err
	}
	return c.program().every(a)
}

// ListError says why a list that the rule reads cannot be trusted: missing, unreadable, empty or
// shrunk. Such a rule matches nothing. nil when all is well.
func (r *Rule) ListError() error { return r.read().listError() }

// Fields returns the names of the event fields that the condition reads, sorted.
func (r *Rule) Fields() []string { return r.read().fieldNames() }

// Lists returns the names of the lists that the condition reads, in the order they are written.
func (r *Rule) Lists() []string { return r.read().listNames() }
