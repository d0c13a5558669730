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
	return k.h.held(k.facts), nil
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
