package triage

import (
	"errors"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

// raced is one step of a race, with what the code made of it. Steps are kept within their transactions, so that
// their order is that in which they took effect.
type raced struct {
	d     review.ActionDecision
	who   int
	claim bool
	after ledger.Action
	taken bool // not refused; of a claim: something is begun
}

// Two browsers and two workers decide about the same actions at the same time, each step in a transaction of its
// own. Whatever the order turns out to be, the model allows each action that was begun.
func TestActionRaces(t *testing.T) {
	t.Parallel()
	r := newRig(t)
	begun := 0
	rapid.Check(t, func(rt *rapid.T) {
		x := &stage{rig: r, m: newActionModel(), states: map[string]ledger.ActionState{}, n: &begun}
		x.begin()
		for _, want := range [][2]string{{"block", "src"}, {"disable", "user"}} {
			x.deliver(rt, x.written(rt, 0, review.ActionDecision{
				Step: review.ProposeAction, ID: x.alerts[0], Kind: ledger.ActionKind(want[0]), Field: want[1],
			}))
		}
		browsers := [2][]raced{x.moves(rt), x.moves(rt)}
		for _, step := range x.race(browsers) {
			x.judgeRaced(rt, &step)
		}
		x.check(rt)
	})
	t.Logf("%d actions were begun", begun)
	if begun == 0 {
		t.Error("no draw has begun anything: the test shows nothing")
	}
}

func (x *stage) written(rt *rapid.T, who int, d review.ActionDecision) spoken {
	d.Actor = rapid.SampledFrom(spellings[who]).Draw(rt, "name")
	body, err := d.Encode()
	if err != nil {
		rt.Fatal(err)
	}
	return spoken{body, who}
}

// moves draws what one browser, and the worker beside it, do.
func (x *stage) moves(rt *rapid.T) (out []raced) {
	for range rapid.IntRange(2, 6).Draw(rt, "steps") {
		step := rapid.SampledFrom([]review.ActionStep{"claim", "claim", review.ApproveAction, review.ApproveAction, review.ApproveAction,
			review.RejectAction, review.EditAction}).Draw(rt, "step")
		if step == "claim" {
			out = append(out, raced{claim: true})
			continue
		}
		d := x.any(rt)
		d.Step, d.Reason = step, "race"
		if step == review.EditAction {
			d.Field = "other"
		}
		who := rapid.IntRange(0, len(spellings)-1).Draw(rt, "person")
		d, err := review.DecodeAction(x.written(rt, who, d).body)
		if err != nil {
			rt.Fatal(err)
		}
		out = append(out, raced{d: d, who: who})
	}
	return out
}

// race runs both at once, and returns their steps in the order in which they took effect.
func (x *stage) race(browsers [2][]raced) (order []raced) {
	var wg sync.WaitGroup
	begin := make(chan struct{})
	for _, steps := range browsers {
		wg.Go(func() {
			<-begin
			for _, s := range steps {
				err := x.ledger.Update(x.t.Context(), func(t *ledger.Tx) error {
					err := s.apply(t, x)
					order = append(order, s)
					return err
				})
				if err != nil {
					x.t.Error(err)
				}
			}
		})
	}
	close(begin)
	wg.Wait()
	return order
}

func (s *raced) apply(t *ledger.Tx, x *stage) (err error) {
	if s.claim {
		s.after, s.taken, err = review.ClaimAction(t, x.engine, x.engine.Actions, x.at)
		return err
	}
	s.after, err = review.ApplyAction(t, x.engine.Actions, x.at, s.d)
	if s.taken = err == nil; errors.Is(err, review.ErrRefused) {
		return nil
	}
	return err
}

func (x *stage) judgeRaced(rt *rapid.T, s *raced) {
	if !s.claim {
		x.m.hears(&s.d)
	}
	var err error
	switch {
	case !s.taken:
	case s.claim:
		err = x.m.begin(s.after.ID, true, x.at)
		*x.n++
	default:
		err = x.m.said(&s.d, s.who, &s.after, x.at)
	}
	if err != nil {
		rt.Fatal(err)
	}
}

// Two workers that find the same approved action begin it once, and of a no and a beginning only one holds.
func TestOneOfTwoBegins(t *testing.T) {
	r, _, id := actingRig(t, false)
	r.decide(review.ActionDecision{Step: review.ApproveAction, ID: id})
	var wg sync.WaitGroup
	began := make(chan string, 8)
	for range 8 {
		wg.Go(func() {
			err := r.ledger.Update(t.Context(), func(tx *ledger.Tx) error {
				a, ok, err := review.ClaimAction(tx, r.engine, r.engine.Actions, start)
				if ok {
					began <- a.ID
				}
				return err
			})
			if err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if len(began) != 1 || r.action(id).State != ledger.ActionStarted {
		t.Errorf("begun %d times, %s", len(began), r.action(id).State)
	}
	if s := r.record(r.action(id).Alert).Outcome.State; s != winnow.StateEscalated {
		t.Errorf("its alert is %s", s)
	}
}
