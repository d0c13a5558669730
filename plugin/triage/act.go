package triage

import (
	"context"
	"errors"
	"fmt"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

// Carry carries out one response action, and says what it did. It returns when ctx is done.
type Carry func(ctx context.Context, a ledger.Action) (detail string, err error)

// acting is the one response action that is carried out beside the turns.
type acting struct {
	back   chan acted
	flying string // its ID, "" for none
	begun  bool   // what an earlier worker left was looked at
	cancel context.CancelFunc
}

// acted is what came of it.
type acted struct {
	id     string
	detail string
	err    error
}

// act ends response actions that nobody decided in time, keeps what came of the one that was carried out, and begins
// the next that is approved. Each is begun once: what is not known to be done is not tried again. While the stop
// switch is on none is begun. What was proposed before actions were switched off expires all the same.
func (w *Worker) act(ctx context.Context) (n int, err error) {
	if w.acting.back == nil {
		w.acting.back = make(chan acted, 1)
	}
	kept, err := w.keepActed(ctx)
	if err != nil {
		return 0, err
	}
	due, err := w.actionsDue(ctx)
	if err != nil || !due {
		return kept, err
	}
	e := w.Engine
	var a ledger.Action
	var begin bool
	err = e.Update(ctx, func(t *ledger.Tx) error {
		var interrupted int
		n, begin = 0, false
		if !w.acting.begun {
			if interrupted, err = review.InterruptActions(t, e, e.Now()); err != nil {
				return err
			}
		}
		expired, err := review.ExpireActions(t, e, e.Now())
		if n = interrupted + expired; err != nil || e.Gate.Blind == winnow.ReasonGateOff || w.acting.flying != "" {
			return err
		}
		if a, begin, err = review.ClaimAction(t, e, w.actions(), e.Now()); err != nil || !begin {
			return err
		}
		n++
		if a.Dry {
			begin = false
			return review.FinishAction(t, e, a.ID, wouldDo(&a), nil, e.Now())
		}
		return nil
	})
	if err != nil {
		return kept, err
	}
	w.acting.begun = true
	if begin {
		w.carry(ctx, a)
	}
	return kept + n, nil
}

// actions is the policy of response actions: dry without anything that carries them out.
func (w *Worker) actions() *review.ActionPolicy {
	p := w.Engine.Actions
	if p == nil || w.Carry != nil {
		return p
	}
	dry := *p
	dry.Live = nil
	return &dry
}

func wouldDo(a *ledger.Action) string {
	if a.Undo {
		return fmt.Sprintf("dry run: it would take back %s of %s", a.Kind, a.Target)
	}
	return fmt.Sprintf("dry run: it would %s %s", a.Kind, a.Target)
}

// actionsDue reports whether there is anything to do about actions: most turns, and most sites, have nothing.
func (w *Worker) actionsDue(ctx context.Context) (due bool, err error) {
	e := w.Engine
	err = e.Ledger.View(ctx, func(t *ledger.Tx) error {
		late, err := t.OverdueActions(e.Now(), 1)
		if due = len(late) > 0; due || err != nil {
			return err
		}
		states := []ledger.ActionState{ledger.ActionStarted}
		if w.acting.begun {
			states = nil
		}
		if w.acting.flying == "" && e.Gate.Blind != winnow.ReasonGateOff {
			states = append(states, ledger.ActionApproved)
		}
		for _, state := range states {
			some, err := t.ActionsIn(state, 1)
			if due = len(some) > 0; due || err != nil {
				return err
			}
		}
		return nil
	})
	return due, err
}

// carry carries an action out beside the turns.
func (w *Worker) carry(ctx context.Context, a ledger.Action) {
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	w.acting.flying, w.acting.cancel = a.ID, cancel
	back := w.acting.back
	go func() {
		one := acted{id: a.ID}
		one.err = guarded(func() (err error) {
			one.detail, err = w.Carry(ctx, a)
			return err
		})
		back <- one
	}()
}

// keepActed keeps what came of an action, without waiting for it.
func (w *Worker) keepActed(ctx context.Context) (int, error) {
	select {
	case one := <-w.acting.back:
		return 1, w.keepOne(ctx, one)
	default:
		return 0, nil
	}
}

func (w *Worker) keepOne(ctx context.Context, one acted) error {
	err := w.Engine.Update(ctx, func(t *ledger.Tx) error {
		return review.FinishAction(t, w.Engine, one.id, one.detail, one.err, w.Engine.Now())
	})
	if err != nil && !errors.Is(err, ledger.ErrActionState) && !errors.Is(err, ledger.ErrNotFound) {
		w.acting.back <- one // again in the next turn: there is room, because only one flies
		return err
	}
	w.acting.cancel()
	w.acting.flying, w.acting.cancel = "", nil
	return nil
}

// endActing waits a little for the action that is being carried out. What does not come back in time is unclear to
// the next worker.
func (w *Worker) endActing(ctx context.Context) error {
	if w.acting.flying == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), w.landing())
	defer cancel()
	defer w.acting.cancel()
	select {
	case one := <-w.acting.back:
		return w.keepOne(context.WithoutCancel(ctx), one)
	case <-ctx.Done():
		return nil
	}
}
