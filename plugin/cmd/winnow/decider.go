package main

import (
	"context"
	"errors"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
)

// decider is an engine for a command that changes something while no worker runs.
type decider struct {
	parts  *parts
	engine *triage.Engine
}

// openDecider opens an engine under the worker's lock. On a folder of `winnow triage` the clock
// stands where the files' alerts left it, so that verdicts live as long as they would have.
func (g *globals) openDecider(ctx context.Context, d *state.Deployment) (*decider, error) {
	p, err := g.assemble(d, g.now())
	if err != nil {
		return nil, err
	}
	clock, err := replayClock(ctx, d)
	if err != nil {
		return nil, err
	}
	now, run := g.now, (*winnow.Run)(nil)
	sinks := d.Settings.EnabledSinks()
	if !clock.IsZero() {
		enforce := winnow.RunEnforce
		now, run, sinks = func() time.Time { return clock }, &enforce, nil
	}
	e, err := p.engine(ctx, now, run, sinks)
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	return &decider{p, e}, nil
}

// replayClock returns the clock of a folder of `winnow triage`, or the zero time for a live one.
func replayClock(ctx context.Context, d *state.Deployment) (clock time.Time, err error) {
	l, err := ledger.OpenReadOnly(ctx, d.Path("ledger.db"))
	if err != nil {
		return clock, err
	}
	err = l.View(ctx, func(t *ledger.Tx) error {
		text, err := t.Meta(replayMeta)
		if err != nil || text == "" {
			return err
		}
		clock, err = time.Parse(time.RFC3339Nano, text)
		return err
	})
	return clock, errors.Join(err, l.Close())
}
