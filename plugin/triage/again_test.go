package triage

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/offline"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// again makes the last decision on an alert again from what is recorded.
func (r *rig) again(id string) Again {
	r.t.Helper()
	var past *Past
	r.view(func(t *ledger.Tx) (err error) {
		past, err = r.engine.Past(t, id)
		return err
	})
	if a, skip := past.Skipped(); skip {
		return a
	}
	path := r.state.Default("attack.csv")
	p := r.model.pipeline(r.t, r.facts, path).Recorded(past.Calls(), offline.New(readCatalogue(r.t, path)))
	an, err := r.engine.AskAgain(r.t.Context(), past, p)
	r.ok(err)
	a, err := r.engine.Again(past, an)
	r.ok(err)
	return a
}

// Whatever a model said, the decision comes out the same again, nobody is asked, and nothing changes.
func TestTheSameDecisionAgain(t *testing.T) {
	for name, say := range map[string]func(*script){
		"closed":       func(*script) {},
		"undetermined": func(s *script) { s.disposition = "Undetermined" },
		"disputed":     func(s *script) { s.confidence = 60 },
		"malicious":    func(s *script) { s.disposition = "TruePositive" },
		"garbage":      func(s *script) { s.raw = "\x00 not JSON" },
		"large":        func(s *script) { s.raw = string(make([]byte, 20<<10)) },
		"no evidence":  func(s *script) { s.evidence = []winnow.Evidence{{Field: "src", Value: "10.9.9.9"}} },
		"no budget":    func(s *script) { s.err = &llm.BudgetError{Limit: "day"} },
		"refused": func(s *script) {
			s.err = &llm.DeclinedError{Task: llm.TaskClassify, Model: "script", Reason: winnow.ReasonRefused}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t).paid()
			say(r.model)
			id := r.admit(Row{Alert: r.alert("0"), Proposal: passes}).ID
			r.turn()
			before, asked := r.record(id), r.model.questions()
			got := r.again(id)
			if len(got.Differs)+len(got.Changed)+len(got.Missing) != 0 || got.Skipped != "" || asked == 0 {
				t.Errorf("asked %d times, %+v", asked, got)
			}
			if got.Now.State != before.Outcome.State || got.Now.Reason != before.Outcome.Reason || got.Cost.MicroUSD != 0 {
				t.Errorf("decided %+v, the record says %+v", got.Now, before.Outcome)
			}
			if diff := cmp.Diff(before, r.record(id)); diff != "" || r.model.questions() != asked {
				t.Errorf("replaying changed something, or asked: %s", diff)
			}
		})
	}
}

func TestWhatHasChangedIsTold(t *testing.T) {
	r := newRig(t).paid()
	id := r.admit(Row{Alert: r.alert("0", "src", "198.51.100.5"), Proposal: passes}).ID
	r.turn()
	want(t, r.record(id), winnow.StateClosed, winnow.ReasonVerdict)

	r.write("content/lists/vpn_egress.csv", "address\n198.51.100.4\n") // the benign fact is gone
	r.engine.UseGate(r.gate())
	got := r.again(id)
	if got.Now.State != winnow.StateInReview || got.Unexplained() || !slices.Contains(got.Differs, "state") ||
		!slices.Contains(got.Changed, "rules") || !slices.Contains(got.Changed, "facts") {
		t.Errorf("with another list: %+v", got)
	}

	r.write("content/lists/vpn_egress.csv", "address\n198.51.100.4\n198.51.100.5\n")
	r.engine.UseGate(r.gate())
	r.engine.Generation[0]++
	r.engine.Version = "another"
	if got := r.again(id); len(got.Differs) != 0 || !slices.Equal(got.Changed, []string{"version", "configuration"}) {
		t.Errorf("with another program: %+v", got)
	}
}

// A decision that comes out differently although nothing has changed is told apart: it is a fault of the program,
// or of the ledger.
func TestAnUnexplainedDifferenceIsTold(t *testing.T) {
	r := newRig(t).paid()
	id := r.admit(Row{Alert: r.alert("0"), Proposal: passes}).ID
	r.turn()
	r.update(func(t *ledger.Tx) error {
		an := llm.Analysis{Calls: []llm.Call{{Task: llm.TaskEnrich, Source: winnow.SourceModel, Model: "script", Answer: llm.Answer{JSON: []byte("{}")}}}}
		return r.engine.keepAnswers(t, id, &an)
	})
	got := r.again(id)
	if !got.Unexplained() || got.Now.State == winnow.StateClosed || !slices.Contains(got.Missing, "correlate") {
		t.Errorf("with answers that are gone: %+v", got)
	}
}

// What a person decides later is not an answer of that decision, nor a fact for it.
func TestADecisionBeforeAPersonsIsMadeAgain(t *testing.T) {
	r := newRig(t).paid()
	r.model.disposition = "Undetermined"
	id := r.admit(Row{Alert: r.alert("0", "src", stranger), Proposal: passes}).ID
	r.turn()
	r.at = r.at.Add(time.Hour)
	r.settle(id, winnow.BenignPositive, winnow.StateClosed)
	r.update(func(t *ledger.Tx) error {
		e, err := t.Alert(id)
		if err != nil {
			return err
		}
		return r.engine.Precedent(t, &e.Alert)
	})
	if got := r.again(id); len(got.Differs)+len(got.Changed) != 0 || got.Recorded.State != winnow.StateInReview {
		t.Errorf("%+v", got)
	}
}

func TestWhatNobodyAnalysedIsSkipped(t *testing.T) {
	r := newRig(t)
	dropped := r.triage(r.alert("0", "user", "ann"))
	want(t, dropped, winnow.StateClosed, winnow.ReasonRule)
	if got := r.again(dropped.ID); got.Skipped != "no analyst decided it: closed (rule)" {
		t.Errorf("%+v", got)
	}
}

func TestAnswersGoWithTheirAlert(t *testing.T) {
	r := newRig(t).paid()
	id := r.admit(Row{Alert: r.alert("0"), Proposal: passes}).ID
	r.turn()
	count := func() (answers bool, calls int) {
		r.view(func(t *ledger.Tx) error {
			_, body, err := t.Answers(id)
			if err != nil {
				return err
			}
			list, err := t.Calls(id)
			answers, calls = body != nil, len(list)
			return err
		})
		return answers, calls
	}
	if answers, calls := count(); !answers || calls == 0 {
		t.Fatal("nothing is kept")
	}
	r.update(func(t *ledger.Tx) error {
		if _, err := t.Conn().ExecContext(t.Context(), "UPDATE outbox SET done = 1"); err != nil {
			return err
		}
		_, err := t.Prune(ledger.Keep{Records: r.at.Add(time.Hour), Facts: r.at, Now: r.at}, 100)
		return err
	})
	if answers, calls := count(); answers || calls != 0 {
		t.Errorf("past retention: answers %v, %d calls", answers, calls)
	}
	r.view(func(t *ledger.Tx) error {
		spent, err := t.Spent(r.at, r.at.AddDate(0, 0, 1))
		if spent == 0 {
			r.t.Error("what was spent is forgotten with the alert")
		}
		return err
	})
}
