package web

import (
	"net/http"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

type caseView struct {
	frame
	*review.Case
	Next string // id of the most urgent other case, "" for none
}

func (s *server) oneCase(w http.ResponseWriter, r *http.Request, who *session) {
	v := caseView{frame: s.frame(r, who, "Case")}
	s.read(w, r, who, "case", &v, func(t *ledger.Tx) (err error) {
		if v.Case, err = review.ReadCase(t, s.Case(t), strings.ToUpper(r.PathValue("id"))); err != nil {
			return err
		}
		v.Title = cut(80, v.SearchName)
		p, err := review.Queue(t, review.Filter{Limit: 2}, "")
		for _, g := range p.Groups {
			if g.First.ID != v.ID && v.Next == "" {
				v.Next = g.First.ID
			}
		}
		return err
	})
}

// Approval is what agreeing would do; nil when there is no verdict to agree to.
func (v *caseView) Approval() *review.Choice { return v.choice(review.Approve, winnow.Undetermined) }

// Rejection is what escalating would do.
func (v *caseView) Rejection() *review.Choice { return v.choice(review.Reject, winnow.Undetermined) }

// Benign is what saying that it was benign would do.
func (v *caseView) Benign() *review.Choice { return v.choice(review.Correct, winnow.BenignPositive) }

// Attack is what saying that it was an attack would do.
func (v *caseView) Attack() *review.Choice { return v.choice(review.Correct, winnow.TruePositive) }

// choice finds a decision; the disposition counts for correct alone.
func (v *caseView) choice(action review.Action, as winnow.Disposition) *review.Choice {
	for i := range v.Choices {
		if c := &v.Choices[i]; c.Action == action && (action != review.Correct || c.Disposition == as) {
			return c
		}
	}
	return nil
}

// Open reports whether the alert waits; others can only be corrected.
func (v *caseView) Open() bool { return v.Waits }
