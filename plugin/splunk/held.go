package splunk

import (
	"context"
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
)

// Held is a notable event that a person has.
type Held struct {
	By          string // who made it theirs; "" when nobody has
	Closed      bool
	Disposition winnow.Disposition // what they say it was; Undetermined when they do not say

	// Weak says that what they say it was is one of more than ten such changes within a minute, or may be:
	// nothing rests on it.
	Weak bool

	// Reopened says that winnow had closed the event, and a person has opened it since: a correction. At is when
	// a person last changed it, by the clock of their search head; zero when nobody has.
	Reopened bool
	At       time.Time
}

// Held says whether a person owns the notable event of an alert, has closed it, works on it, or has opened
// what winnow had closed. It changes nothing. winnowID is winnow's mark on its own entries. Safe for
// concurrent use.
func (s *UpdateSink) Held(ctx context.Context, a *winnow.Alert, winnowID string) (Held, error) {
	k, err := s.open(ctx, a, winnowID)
	if err != nil {
		return Held{}, s.site.wrong(err)
	}
	h := k.h.held(k.facts)
	if h.Closed && h.Disposition != winnow.Undetermined {
		h.Weak = s.oneOfMany(ctx, k, h.At)
	}
	return h, nil
}

// oneOfMany reports whether the disposition of a notable event was given among many, or may have been: what
// came in the minute after it is not known yet, or nothing can be read. last is when a person last changed the
// event.
func (s *UpdateSink) oneOfMany(ctx context.Context, k *desk, last time.Time) bool {
	at := last
	if l := k.h.label(k.facts); !l.At.IsZero() {
		at = l.At
	}
	if at.IsZero() || s.now().Sub(at) < 2*bulkMinute { // clocks differ
		return true
	}
	all, err := s.client.Changes(ctx, at.Add(-time.Second), at.Add(time.Second))
	return err != nil || slices.ContainsFunc(all, func(c Change) bool { return c.RuleID == k.n.RuleID && c.Bulk })
}

// held says who has the notable event. A comment alone takes nothing on, and what winnow set itself is
// nobody's.
func (h history) held(f Facts) Held {
	st := f.Statuses
	now := h.now()
	out := Held{Reopened: h.reopened(st), At: h.lastPerson()}
	given := now.Disposition != disposition(unassigned) && f.means(now.Disposition) != winnow.Undetermined
	moved := (now.Status != "0" && now.Status != st.New || given) && h.byPerson()
	if now.Owner == nobody && !moved && !out.Reopened {
		return out
	}
	out.By = h.holder()
	if now.Status == st.Closed && moved && h.touched() {
		out.Closed, out.Disposition = true, f.means(now.Disposition)
	}
	return out
}

// byPerson reports whether somebody but winnow last changed status or disposition, or the event was born with
// them as they are.
func (h history) byPerson() bool {
	now, person := h.base, true
	for _, r := range h.reviews {
		next := r.State.over(now)
		if next.Status != now.Status || next.Disposition != now.Disposition {
			_, own := h.own(r)
			person = !own
		}
		now = next
	}
	return person
}

// lastPerson returns when somebody but winnow last made an entry.
func (h history) lastPerson() time.Time {
	for _, r := range slices.Backward(h.reviews) {
		if _, own := h.own(r); !own {
			return time.UnixMilli(int64(r.Time * 1000)).UTC()
		}
	}
	return time.Time{}
}
