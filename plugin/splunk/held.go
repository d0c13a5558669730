package splunk

import (
	"context"

	"github.com/winnow-soc/winnow"
)

// Held is a notable event that a person has.
type Held struct {
	By          string // who made it theirs; "" when nobody has
	Closed      bool
	Disposition winnow.Disposition // what they say it was; Undetermined when they do not say
}

// Held says whether a person owns the notable event of an alert, has closed it, or works on it. It changes
// nothing. winnowID is winnow's mark on its own entries. Safe for concurrent use.
func (s *UpdateSink) Held(ctx context.Context, a *winnow.Alert, winnowID string) (Held, error) {
	statuses, err := s.reviewStatuses(ctx)
	if err != nil {
		return Held{}, err
	}
	user, err := s.client.User(ctx)
	if err != nil {
		return Held{}, err
	}
	from, to := span(a)
	n, err := s.client.FindNotable(ctx, a.Key.SID, a.Key.RID, from, to)
	if err != nil {
		return Held{}, err
	}
	h := history{base: filled(n.Base, statuses), reviews: n.Reviews, winnowID: winnowID, user: user}
	return h.held(statuses), nil
}

// held says who has the notable event. A comment alone takes nothing on, and a status that winnow set
// itself is nobody's.
func (h history) held(st Statuses) Held {
	now := h.now()
	moved := now.Status != "0" && now.Status != st.New && !h.closed(now.Status)
	if now.Owner == nobody && !moved {
		return Held{}
	}
	out := Held{By: h.holder()}
	if now.Status == st.Closed && moved && h.touched() {
		out.Closed, out.Disposition = true, dispositionOf(now.Disposition)
	}
	return out
}

// dispositionOf reads Enterprise Security's number; one that a site made for itself says nothing here.
func dispositionOf(text string) winnow.Disposition {
	for d := winnow.Undetermined; d <= winnow.Other; d++ {
		if text == disposition(d.ES()) {
			return d
		}
	}
	return winnow.Undetermined
}
