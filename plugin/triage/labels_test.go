package triage

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

// incidentReview is what people did in Splunk.
type incidentReview struct {
	changes []Changed
	origins map[string]Origin
	said    map[string]Said
	err     error
}

func (s *incidentReview) Changes(_ context.Context, from, to time.Time) (out []Changed, err error) {
	for _, c := range s.changes {
		if c.At.After(from) && !c.At.After(to) {
			out = append(out, c)
		}
	}
	return out, s.err
}

func (s *incidentReview) Origins(_ context.Context, ids []string, _, _ time.Time) (map[string]Origin, error) {
	out := map[string]Origin{}
	for _, id := range ids {
		if o, ok := s.origins[id]; ok {
			out[id] = o
		}
	}
	return out, nil
}

func (s *incidentReview) Label(_ context.Context, _ *winnow.Alert, _, ruleID string) (Said, error) {
	return s.said[ruleID], nil
}

// says has a person say something about an alert, five minutes ago.
func (s *incidentReview) says(rec winnow.Record, said Said, bulk bool) {
	if s.origins == nil {
		s.origins, s.said = map[string]Origin{}, map[string]Said{}
	}
	id := fmt.Sprintf("guid@@notable@@%s", rec.ID)
	s.origins[id], s.said[id] = Origin{SID: rec.SID, RID: rec.RID}, said
	s.changes = append(s.changes, Changed{RuleID: id, User: said.By, At: said.At, Bulk: bulk})
}

// readLabels reads once, as a worker does in the background.
func (r *rig) readLabels(s *incidentReview) error {
	l := &Labels{Source: s, Correct: func(t *ledger.Tx, id, by, reason string, d winnow.Disposition) error {
		action := review.Correct
		if d == winnow.Undetermined {
			action = review.Reject
		}
		_, err := review.Apply(t, r.engine, review.Decision{Action: action, ID: id, Disposition: d, Actor: by, Reason: reason, Only: true})
		return err
	}}
	return l.read(r.t.Context(), r.engine, r.at, func(f func(*ledger.Tx) error) error { return r.engine.Update(r.t.Context(), f) })
}

func (r *rig) said(d winnow.Disposition) Said {
	return Said{By: "ann", At: r.at.Add(-5 * time.Minute), Disposition: d}
}

// TestLabels: what a person says settles the alert as theirs, and a benign one is a precedent.
func TestLabels(t *testing.T) {
	for _, c := range []struct {
		name      string
		alert     []string // pairs
		said      Said
		bulk      bool
		state     winnow.State
		reviews   int
		weak      bool
		precedent bool
	}{
		{"benign", nil, Said{Disposition: winnow.BenignPositive}, false, winnow.StateLeft, 1, false, true},
		{"one of many", nil, Said{Disposition: winnow.BenignPositive}, true, winnow.StateInReview, 1, true, false},
		{"an attack", nil, Said{Disposition: winnow.TruePositive}, false, winnow.StateLeft, 1, false, false},
		{"benign, with a forged id", []string{"winnow_id", "01J-abc"}, Said{Disposition: winnow.BenignPositive}, false, winnow.StateLeft, 1, false, false},
		{"something else", nil, Said{Disposition: winnow.Other}, false, winnow.StateLeft, 1, false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			r, s := newRig(t), &incidentReview{}
			r.model.confidence = 10
			rec := r.triage(r.alert("0", append([]string{"src", stranger}, c.alert...)...))
			if rec.Outcome.State != winnow.StateInReview {
				t.Fatalf("%+v", rec.Outcome)
			}
			c.said.By, c.said.At = "ann", r.at.Add(-5*time.Minute)
			s.says(rec, c.said, c.bulk)
			for range 2 { // a second reading adds nothing
				r.ok(r.readLabels(s))
			}
			now := r.record(rec.ID)
			if now.Outcome.State != c.state || !c.weak && (now.Outcome.Actor != "person:ann" || now.Verdict.Disposition != c.said.Disposition) {
				t.Errorf("%+v", now)
			}
			got := r.labels(rec.ID)
			if len(got) != c.reviews || got[0].Weak != c.weak || got[0].Action != LabelAction || got[0].Actor != "ann" {
				t.Errorf("reviews %+v", got)
			}
			precedents := 0
			r.view(func(t *ledger.Tx) error {
				return t.Precedents(func(string, string, string, time.Time) { precedents++ })
			})
			if (precedents > 0) != c.precedent {
				t.Errorf("%d precedents", precedents)
			}
		})
	}
}

// TestWeakLabelsMoveNothing: whatever somebody says of many alerts at once, it is kept, and neither closes,
// opens, recalls nor proves anything.
func TestWeakLabelsMoveNothing(t *testing.T) {
	for _, state := range []winnow.State{winnow.StateClosed, winnow.StateInReview, winnow.StateEscalated} {
		for _, said := range []Said{
			{Disposition: winnow.BenignPositive}, {Disposition: winnow.TruePositive}, {Disposition: winnow.FalsePositiveData},
			{Reopened: true}, {Reopened: true, Disposition: winnow.TruePositive},
		} {
			r, s := newRig(t), &incidentReview{}
			first := r.triage(r.alert("0"))
			r.triage(r.alert("1")) // a repeat, closed on its verdict
			if state != winnow.StateClosed {
				r.settle(first.ID, winnow.Undetermined, state)
			}
			before, all := r.record(first.ID), r.outcomes()
			precedents, memory, open := len(r.engine.precedents.by), r.engine.memory.Len(), len(r.engine.open)
			said.By, said.At = "ann", r.at.Add(-5*time.Minute)
			s.says(first, said, true)
			reviews := len(r.labels(first.ID))
			r.ok(r.readLabels(s))
			r.once(r.worker(&sink{name: "update"}, &sink{name: "events"}))
			if diff := cmp.Diff(before, r.record(first.ID)); diff != "" {
				t.Errorf("%s, %+v: record: -want +got:\n%s", state, said, diff)
			}
			if diff := cmp.Diff(all, r.outcomes()); diff != "" {
				t.Errorf("%s, %+v: outcomes: -want +got:\n%s", state, said, diff)
			}
			if len(r.engine.precedents.by) != precedents || r.engine.memory.Len() != memory || len(r.engine.open) != open {
				t.Errorf("%s, %+v: it is remembered", state, said)
			}
			if got := r.labels(first.ID); len(got) != reviews+1 || !got[reviews].Weak {
				t.Errorf("%s, %+v: reviews %+v", state, said, got)
			}
			r.view(func(t *ledger.Tx) error {
				return t.Each(func(j ledger.Judged) error {
					if j.Ever || j.Weak != (j.Record.ID == first.ID) {
						r.t.Errorf("%s, %+v: judged %+v", state, said, j)
					}
					return nil
				})
			})
		}
	}
}

// TestLabelsTakeClosesBack: a person who opens again what winnow closed, or calls it an attack, corrects
// winnow, and what was closed on its verdict is triaged again.
func TestLabelsTakeClosesBack(t *testing.T) {
	for _, said := range []Said{{Reopened: true}, {Disposition: winnow.TruePositive}, {Reopened: true, Disposition: winnow.TruePositive}} {
		r, s := newRig(t), &incidentReview{}
		first := r.triage(r.alert("0"))
		repeat := r.triage(r.alert("1"))
		want(t, first, winnow.StateClosed, winnow.ReasonVerdict)
		if repeat.Outcome.State != winnow.StateClosed {
			t.Fatalf("%+v", repeat.Outcome)
		}
		said.By, said.At = "ann", r.at.Add(-5*time.Minute)
		s.says(first, said, false)
		r.ok(r.readLabels(s))
		now := r.record(first.ID)
		if now.Outcome.State != winnow.StateEscalated || now.Outcome.Actor != "person:ann" || now.Verdict.Disposition != said.Disposition {
			t.Errorf("%+v: %+v", said, now.Outcome)
		}
		if again := r.record(repeat.ID); again.Outcome.State != winnow.StateQueued {
			t.Errorf("%+v: the repeat is %+v", said, again.Outcome)
		}
		before := len(r.labels(first.ID))
		r.ok(r.readLabels(s))
		if n := len(r.labels(first.ID)); n != before {
			t.Errorf("%d reviews after a second reading, %d before", n, before)
		}
	}
}

// TestLabelsOfOthersAreNotTaken: an event that only claims to be an alert's says nothing about it.
func TestLabelsOfOthersAreNotTaken(t *testing.T) {
	r := newRig(t)
	r.model.confidence = 10
	rec := r.triage(r.alert("0", "src", stranger))
	other := r.triage(r.alert("1", "src", stranger, "user", "erin"))
	clash := r.alert("0", "src", "203.0.113.99")
	for name, o := range map[string]Origin{
		"an id that somebody made up": {SID: rec.SID, RID: rec.RID, WinnowID: rec.ID + "-00"},
		"the id of another alert":     {SID: rec.SID, RID: rec.RID, WinnowID: r.keys.Sign(other.ID)},
		"an id of no alert":           {SID: rec.SID, RID: rec.RID, WinnowID: r.keys.Sign("01ARZ3NDEKTSV4RRFFQ69G5FAV")},
		"no row":                      {SID: rec.SID, RID: "7"},
		"nothing":                     {},
		"a row that two alerts claim": {SID: rec.SID, RID: rec.RID},
	} {
		s := &incidentReview{}
		s.says(rec, r.said(winnow.BenignPositive), false)
		s.origins["guid@@notable@@"+rec.ID] = o
		if name == "a row that two alerts claim" {
			r.admit(Row{Alert: clash, Proposal: passes})
		}
		r.ok(r.readLabels(s))
		if got := r.labels(rec.ID); len(got) != 0 {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// A decision made here after the label was given holds, and one that is newer than a decision counts.
func TestLabelsAndDecisionsHere(t *testing.T) {
	r, s := newRig(t), &incidentReview{}
	r.model.confidence = 10
	rec := r.triage(r.alert("0", "src", stranger))
	r.update(func(t *ledger.Tx) error {
		_, err := review.Apply(t, r.engine, review.Decision{Action: review.Reject, ID: rec.ID, Actor: "bob", Only: true})
		return err
	})
	s.says(rec, r.said(winnow.BenignPositive), false)
	r.ok(r.readLabels(s))
	if now := r.record(rec.ID); now.Outcome.Actor != "person:bob" {
		t.Errorf("%+v", now.Outcome)
	}
	r.at = r.at.Add(time.Hour)
	s.says(rec, r.said(winnow.FalsePositiveData), false)
	r.ok(r.readLabels(s))
	if now := r.record(rec.ID); now.Outcome.Actor != "person:ann" || now.Verdict.Disposition != winnow.FalsePositiveData {
		t.Errorf("%+v", now.Outcome)
	}
	state := LabelState{}
	r.view(func(t *ledger.Tx) (err error) { state, err = ReadLabelState(t); return err })
	if diff := cmp.Diff(LabelState{Until: r.at.Add(-labelsSettle), Labels: 2}, state); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	s.err = errors.New("busy")
	r.at = r.at.Add(time.Hour)
	if err := r.readLabels(s); err == nil {
		t.Error("no error while Splunk is busy")
	}
	r.view(func(t *ledger.Tx) (err error) { state, err = ReadLabelState(t); return err })
	if !state.Until.Equal(r.at.Add(-time.Hour - labelsSettle)) {
		t.Errorf("read until %s although it failed", state.Until)
	}
}
