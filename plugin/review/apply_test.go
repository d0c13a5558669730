package review_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

type stateMap = map[string]winnow.State

// TestDecisionFromEveryState: what a person decides is done, whatever state the alert is in.
func TestDecisionFromEveryState(t *testing.T) {
	all := []winnow.State{winnow.StateQueued, winnow.StateInReview, winnow.StateEscalated, winnow.StateClosed, winnow.StateLeft}
	for _, c := range []struct {
		name    string
		verdict winnow.Disposition // winnow's
		d       review.Decision
		state   winnow.State
		now     winnow.Disposition
	}{
		{"approve a benign verdict", winnow.BenignPositive, review.Decision{Action: review.Approve}, winnow.StateClosed, winnow.BenignPositive},
		{"approve a true positive", winnow.TruePositive, review.Decision{Action: review.Approve}, winnow.StateEscalated, winnow.TruePositive},
		{"reject a benign verdict", winnow.BenignPositive, review.Decision{Action: review.Reject}, winnow.StateEscalated, winnow.Undetermined},
		{"reject no verdict", winnow.Undetermined, review.Decision{Action: review.Reject}, winnow.StateEscalated, winnow.Undetermined},
		{"correct to benign", winnow.TruePositive, correct(winnow.FalsePositiveLogic), winnow.StateClosed, winnow.FalsePositiveLogic},
		{"correct to bad data", winnow.Undetermined, correct(winnow.FalsePositiveData), winnow.StateClosed, winnow.FalsePositiveData},
		{"correct to a true positive", winnow.BenignPositive, correct(winnow.TruePositive), winnow.StateEscalated, winnow.TruePositive},
		{"correct to something else", winnow.Undetermined, correct(winnow.Other), winnow.StateClosed, winnow.Other},
	} {
		for _, from := range all {
			t.Run(fmt.Sprintf("%s/%s", c.name, from), func(t *testing.T) {
				l := newLedger(t, alert{id: "A", state: from, disposition: c.verdict, severity: winnow.SeverityLow})
				c.d.ID, c.d.Reason = "A", "known"
				e := &fakeEngine{}
				if _, err := apply(t, l, e, c.d); err != nil {
					t.Fatal(err)
				}
				checkSettled(t, l, c.state, c.now)
				if benign := c.now.Benign(); (len(e.precedents) == 1) != benign || (len(e.revoked) == 0) != benign {
					t.Errorf("precedents %v, revoked %v", e.precedents, e.revoked)
				}
			})
		}
	}
}

func correct(d winnow.Disposition) review.Decision {
	return review.Decision{Action: review.Correct, Disposition: d}
}

func checkSettled(t *testing.T, l *ledger.Ledger, state winnow.State, now winnow.Disposition) {
	t.Helper()
	r, reviews := record(t, l, "A")
	if r.Outcome.State != state || r.Outcome.Reason != winnow.ReasonPerson || r.Outcome.Actor != "person:ann" {
		t.Errorf("outcome %+v, want %s by ann", r.Outcome, state)
	}
	v := r.Verdict
	if v.Disposition != now || v.Source != winnow.SourcePerson || v.Confidence != 100 || v.Severity != winnow.SeverityLow {
		t.Errorf("verdict %+v", v)
	}
	if v.Case.Why != "ann: known" || v.Case.What == "" {
		t.Errorf("case %+v", v.Case)
	}
	if len(reviews) != 1 || reviews[0].Actor != "ann" || reviews[0].Disposition != now || !reviews[0].At.Equal(noon) {
		t.Errorf("reviews %+v", reviews)
	}
}

func TestGroupIsSettledAtOnce(t *testing.T) {
	group := []alert{
		{id: "A", state: winnow.StateInReview, key: 1}, {id: "B", state: winnow.StateInReview, key: 1},
		{id: "C", state: winnow.StateEscalated, key: 1}, {id: "D", state: winnow.StateQueued, key: 1},
		{id: "E", state: winnow.StateInReview, key: 2},
	}
	l := newLedger(t, group...)
	e := &fakeEngine{}
	d := correct(winnow.BenignPositive)
	d.ID = "B"
	got, err := apply(t, l, e, d)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"B", "A", "C"}, got.Settled); diff != "" {
		t.Errorf("settled differs (-want +got):\n%s", diff)
	}
	want := stateMap{"A": "closed", "B": "closed", "C": "closed", "D": "queued", "E": "in_review"}
	if diff := cmp.Diff(want, states(t, l)); diff != "" {
		t.Errorf("states differ (-want +got):\n%s", diff)
	}
	if last := e.settled[len(e.settled)-1]; last != "B" {
		t.Errorf("%s was settled last, want the named alert: its verdict is the one to keep", last)
	}
}

func TestOnlySettlesOneOfTheGroup(t *testing.T) {
	l := newLedger(t, alert{id: "A", state: winnow.StateInReview, key: 1}, alert{id: "B", state: winnow.StateInReview, key: 1})
	got, err := apply(t, l, &fakeEngine{}, review.Decision{Action: review.Reject, ID: "B", Only: true})
	if err != nil || len(got.Settled) != 1 {
		t.Fatalf("settled %v, %v", got.Settled, err)
	}
	if diff := cmp.Diff(stateMap{"A": "in_review", "B": "escalated"}, states(t, l)); diff != "" {
		t.Errorf("states differ (-want +got):\n%s", diff)
	}
}

func TestCorrectingAClosedAlertLeavesItsGroupAlone(t *testing.T) {
	l := newLedger(t, alert{id: "A", state: winnow.StateClosed, key: 1}, alert{id: "B", state: winnow.StateInReview, key: 1})
	d := correct(winnow.BenignPositive)
	d.ID = "A"
	if _, err := apply(t, l, &fakeEngine{}, d); err != nil {
		t.Fatal(err)
	}
	if got := states(t, l)["B"]; got != winnow.StateInReview {
		t.Errorf("B is %s: it waited for an answer of its own", got)
	}
}

// TestGroupIsRecalledWithTheNamedAlert: what was settled along with an alert falls with it.
func TestGroupIsRecalledWithTheNamedAlert(t *testing.T) {
	l := newLedger(t, alert{id: "A", state: winnow.StateInReview, key: 1}, alert{id: "B", state: winnow.StateInReview, key: 1})
	e := &fakeEngine{}
	first, second := correct(winnow.BenignPositive), correct(winnow.TruePositive)
	first.ID, second.ID = "A", "A"
	if _, err := apply(t, l, e, first); err != nil {
		t.Fatal(err)
	}
	got, err := apply(t, l, e, second)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(review.Result{Settled: []string{"A"}, Recalled: []string{"B"}}, got); diff != "" {
		t.Errorf("result differs (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(stateMap{"A": "escalated", "B": "queued"}, states(t, l)); diff != "" {
		t.Errorf("states differ (-want +got):\n%s", diff)
	}
}

// TestRecall: alerts that were closed on a verdict are triaged again when it is taken back.
func TestRecall(t *testing.T) {
	alerts := []alert{
		{id: "A", state: winnow.StateClosed, disposition: winnow.BenignPositive},
		{id: "B", state: winnow.StateClosed, derived: "A"}, {id: "C", state: winnow.StateClosed, derived: "A"},
		{id: "D", state: winnow.StateEscalated, derived: "A"}, {id: "E", state: winnow.StateClosed, derived: "X"},
		{id: "F", state: winnow.StateLeft, derived: "A"},
	}
	reject, benign, unknown := review.Decision{Action: review.Reject}, correct(winnow.BenignPositive), correct(winnow.Other)
	for _, c := range []struct {
		name     string
		d        review.Decision
		id       string
		recalled []string
		revoked  []string
	}{
		{"the verdict itself is taken back", reject, "A", []string{"B", "C", "F"}, []string{"A by ann"}},
		{"somebody does not know any more", unknown, "A", []string{"B", "C", "F"}, []string{"A by ann"}},
		{"an alert that it had closed was a true one", correct(winnow.TruePositive), "B", []string{"C", "F", "A"}, []string{"B by ann", "A by ann"}},
		{"the verdict is confirmed", benign, "A", nil, nil},
		{"an alert that it had closed is confirmed", benign, "C", nil, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger(t, alerts...)
			e := &fakeEngine{}
			c.d.ID = c.id
			got, err := apply(t, l, e, c.d)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.recalled, got.Recalled); diff != "" {
				t.Errorf("recalled differs (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(c.revoked, e.revoked); diff != "" {
				t.Errorf("revoked differs (-want +got):\n%s", diff)
			}
			after := states(t, l)
			for _, id := range c.recalled {
				if after[id] != winnow.StateQueued {
					t.Errorf("%s is %s, want queued", id, after[id])
				}
			}
			if after["D"] != winnow.StateEscalated || after["E"] != winnow.StateClosed {
				t.Errorf("others changed: %v", after)
			}
		})
	}
}

// TestRefusedDecisionChangesNothing also holds for one that fails halfway through a group.
func TestRefusedDecisionChangesNothing(t *testing.T) {
	broken := errors.New("disk full")
	for _, c := range []struct {
		name string
		d    review.Decision
		e    *fakeEngine
		want error
		say  string
	}{
		{"unknown alert", review.Decision{Action: review.Reject, ID: "Z"}, &fakeEngine{}, ledger.ErrNotFound, "Z"},
		{"unknown alert is refused", review.Decision{Action: review.Reject, ID: "Z"}, &fakeEngine{}, review.ErrRefused, "Z"},
		{"unknown action", review.Decision{Action: "close", ID: "A"}, &fakeEngine{}, review.ErrRefused, `"close"`},
		{"nothing to approve", review.Decision{Action: review.Approve, ID: "A"}, &fakeEngine{}, review.ErrRefused, "review correct A --as"},
		{"nothing sure to approve", review.Decision{Action: review.Approve, ID: "O"}, &fakeEngine{}, review.ErrRefused, "no verdict"},
		{"approval of an older record", review.Decision{Action: review.Approve, ID: "T", Seq: 7}, &fakeEngine{}, review.ErrRefused, "changed since"},
		{"close on an older record", review.Decision{Action: review.Correct, Disposition: winnow.BenignPositive, ID: "A", Seq: 7}, &fakeEngine{}, review.ErrRefused, "changed since"},
		{"failure halfway", review.Decision{Action: review.Correct, Disposition: winnow.BenignPositive, ID: "A"}, &fakeEngine{fails: broken}, broken, "disk full"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := newLedger(t,
				alert{id: "A", state: winnow.StateInReview, key: 1}, alert{id: "B", state: winnow.StateInReview, key: 1},
				alert{id: "O", state: winnow.StateInReview, disposition: winnow.Other, key: 2},
				alert{id: "T", state: winnow.StateInReview, disposition: winnow.TruePositive, key: 3})
			before := states(t, l)
			_, err := apply(t, l, c.e, c.d)
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.say) {
				t.Errorf("err = %v, want one with %q", err, c.say)
			}
			if diff := cmp.Diff(before, states(t, l)); diff != "" {
				t.Errorf("states changed (-before +after):\n%s", diff)
			}
			for id := range before {
				if _, reviews := record(t, l, id); len(reviews) > 0 {
					t.Errorf("a review of %s was kept: %+v", id, reviews)
				}
			}
		})
	}
}

func TestApprovalOfTheCurrentRecordHolds(t *testing.T) {
	l := newLedger(t, alert{id: "A", state: winnow.StateInReview, disposition: winnow.BenignPositive})
	if _, err := apply(t, l, &fakeEngine{}, review.Decision{Action: review.Approve, ID: "A", Seq: 1}); err != nil {
		t.Fatal(err)
	}
	if _, err := apply(t, l, &fakeEngine{}, review.Decision{Action: review.Reject, ID: "A", Seq: 1}); err != nil {
		t.Errorf("a rejection holds whatever has happened: %v", err)
	}
}

func TestListPutsTheUrgentFirst(t *testing.T) {
	low, high := winnow.SeverityLow, winnow.SeverityHigh
	l := newLedger(t,
		alert{id: "01", state: winnow.StateInReview, key: 1, severity: low},
		alert{id: "02", state: winnow.StateInReview, key: 2, severity: high},
		alert{id: "03", state: winnow.StateEscalated, key: 3, severity: low},
		alert{id: "04", state: winnow.StateInReview, key: 4, severity: low},
		alert{id: "05", state: winnow.StateInReview, key: 4, severity: low},
		alert{id: "06", state: winnow.StateEscalated, key: 6, severity: high},
		alert{id: "07", state: winnow.StateEscalated, key: 7, severity: high, source: winnow.SourcePerson},
		alert{id: "08", state: winnow.StateClosed, key: 8, severity: high},
		alert{id: "09", state: winnow.StateInReview, key: 9, severity: low},
	)
	for limit, want := range map[int]string{0: "06:1 03:1 02:1 04:2 01:1 09:1", 2: "06:1 03:1", 50: "06:1 03:1 02:1 04:2 01:1 09:1"} {
		err := l.View(t.Context(), func(tx *ledger.Tx) error {
			page, err := review.Queue(tx, review.Filter{Limit: limit}, "")
			var got []string
			for _, g := range page.Groups {
				got = append(got, fmt.Sprintf("%s:%d", g.First.ID, g.Size))
			}
			if text := strings.Join(got, " "); text != want {
				t.Errorf("limit %d: %q, want %q", limit, text, want)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
}
