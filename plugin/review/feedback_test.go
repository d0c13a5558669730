package review_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

func TestFeedbackBecomesADecision(t *testing.T) {
	benign, attack := winnow.BenignPositive, winnow.TruePositive
	l := newLedger(t,
		alert{id: "CLOSED", state: winnow.StateClosed, disposition: benign, source: winnow.SourceModel},
		alert{id: "RAISED", state: winnow.StateEscalated, disposition: attack, source: winnow.SourceModel, key: 1},
		alert{id: "LEFT", state: winnow.StateLeft, disposition: benign, source: winnow.SourceOffline, key: 2},
		alert{id: "OPEN", state: winnow.StateInReview, key: 3},
		alert{id: "QUEUED", state: winnow.StateQueued, key: 4},
	)
	for _, c := range []struct {
		id     string
		right  bool
		as     winnow.Disposition
		reason string
		want   string // action and disposition, or what the refusal says
	}{
		{"CLOSED", true, 0, "", "approve Undetermined"},
		{"RAISED", true, 0, "", "approve Undetermined"},
		{"LEFT", true, 0, "", "approve Undetermined"},
		{"OPEN", true, 0, "", "no verdict to approve"},
		{"QUEUED", true, 0, "", "no verdict to approve"},
		{"CLOSED", false, attack, "it was her", "correct TruePositive"},
		{"RAISED", false, benign, "a test", "correct BenignPositive"},
		{"LEFT", false, attack, "it was her", "correct TruePositive"},
		{"OPEN", false, benign, "a test", "correct BenignPositive"},
		{"CLOSED", false, 0, "odd", "wrong needs what it was"},
		{"CLOSED", false, attack, "", "wrong needs a reason"},
		{"CLOSED", false, benign, "odd", "that is right, not wrong"},
		{"NONE", true, 0, "", "no such alert"},
	} {
		err := l.View(t.Context(), func(tx *ledger.Tx) error {
			d, err := review.Feedback{ID: c.id, Right: c.right, As: c.as, Actor: "ann", Reason: c.reason}.Decision(tx)
			got := string(d.Action) + " " + d.Disposition.String()
			switch {
			case err != nil && (!strings.Contains(err.Error(), c.want) || !errors.Is(err, review.ErrRefused) && !errors.Is(err, ledger.ErrNotFound)):
				t.Errorf("%+v: %v", c, err)
			case err == nil && (got != c.want || !d.Only || d.Seq != 1):
				t.Errorf("%+v: %+v", c, d)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
