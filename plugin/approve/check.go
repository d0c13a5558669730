package approve

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/rules"
)

// Options say what approvals are held against.
type Options struct {
	Signers *Signers // nil: nobody may approve
	Every   bool     // every enforced rule needs an approval
	Now     time.Time
}

// Status is what became of the approvals of one rule that needs some.
type Status struct {
	Rule    *rules.Rule
	Need    int
	Signers []string // who has approved it, as it is now
	Refused []string // signatures that do not count, and why
}

// OK reports whether the rule may drop what it asks for.
func (s *Status) OK() bool { return len(s.Signers) >= s.Need }

// Lack says what is missing.
func (s *Status) Lack() string {
	text := fmt.Sprintf("the rule counts as shadow: it needs %d approvals and has %d", s.Need, len(s.Signers))
	if s.Need == 1 {
		text = fmt.Sprintf("the rule counts as shadow: it needs 1 approval and has %d", len(s.Signers))
	}
	if len(s.Refused) > 0 {
		text += "; " + strings.Join(s.Refused, "; ")
	}
	return text
}

// Check holds the approvals beside the rule files against the rules that need some. It returns what the
// alert action is to know, and the status of every rule that needs approvals, in order. It never fails: what
// cannot be read approves nothing, and its rules say why.
func Check(set *rules.Set, o Options) (*allowlist.Approvals, []Status) {
	out := &allowlist.Approvals{Rules: map[string]allowlist.Approval{}}
	var all []Status
	files := map[string]*claimFile{}
	for _, r := range set.Rules() {
		need := allowlist.Needed(r, o.Every)
		if need == 0 {
			continue
		}
		f := files[r.Pos.File]
		if f == nil {
			f = &claimFile{}
			f.claims, f.err = ReadClaims(r.Pos.File)
			files[r.Pos.File] = f
		}
		s, approval := o.rule(r, need, f)
		all = append(all, s)
		if s.OK() {
			out.Rules[r.ID] = approval
		}
	}
	return out, all
}

type claimFile struct {
	claims []Claim
	err    error
}

// signed is a signature that counts.
type signed struct {
	by, key string
	until   time.Time
}

func (o Options) rule(r *rules.Rule, need int, f *claimFile) (Status, allowlist.Approval) {
	s := Status{Rule: r, Need: need}
	if f.err != nil {
		s.Refused = append(s.Refused, f.err.Error())
	}
	var good []signed
	for _, c := range f.claims {
		if c.Rule != r.ID {
			continue
		}
		one, err := o.claim(r, c)
		if err == nil && slices.ContainsFunc(good, func(g signed) bool { return strings.EqualFold(g.by, one.by) || g.key == one.key }) {
			err = fmt.Errorf("they, or the key, have signed already")
		}
		if err != nil {
			s.Refused = append(s.Refused, fmt.Sprintf("the signature of %q does not count: %v", c.By, err))
			continue
		}
		good = append(good, one)
		s.Signers = append(s.Signers, one.by)
	}
	return s, allowlist.Approval{Hash: allowlist.HashOf(r), By: s.Signers, Until: lasts(good, need)}
}

// claim checks one signature.
func (o Options) claim(r *rules.Rule, c Claim) (one signed, err error) {
	sig, err := ParseSignature(c.Signature)
	if err != nil {
		return one, err
	}
	if o.Signers == nil {
		return one, fmt.Errorf("there is no file of allowed signers")
	}
	one = signed{by: c.By, key: string(sig.Key().Marshal())}
	if strings.EqualFold(c.By, r.Owner) || o.Signers.owns(r.Owner, one.key) {
		return one, fmt.Errorf("the owner of a rule does not approve it")
	}
	if one.until, err = o.Signers.may(c.By, sig.Key(), o.Now); err != nil {
		return one, err
	}
	return one, sig.Verify(r.Canonical())
}

// Counts says why one approval of a rule would not count, nil when it would.
func (o Options) Counts(r *rules.Rule, c Claim) error {
	_, err := o.claim(r, c)
	return err
}

// lasts returns until when enough of the signatures count; the zero time is for ever.
func lasts(good []signed, need int) time.Time {
	if len(good) < need || need == 0 {
		return time.Time{}
	}
	ends := make([]time.Time, 0, len(good))
	for _, g := range good {
		ends = append(ends, g.until)
	}
	slices.SortFunc(ends, func(a, b time.Time) int { // the longest first
		switch {
		case a.Equal(b):
			return 0
		case a.IsZero(), !b.IsZero() && a.After(b):
			return -1
		}
		return 1
	})
	return ends[need-1]
}
