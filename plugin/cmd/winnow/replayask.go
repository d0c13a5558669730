package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
)

// asks reports whether models are asked anew.
func (o *rerunOptions) asks() bool { return o.model != "" || o.prompts != "" }

// openAsking opens what is needed to ask models anew, beside a worker that runs: calls are booked in its
// ledger, count against its limits, and are no cost of the alerts.
func (g *globals) openAsking(ctx context.Context, o *rerunOptions) (_ *rerun, err error) {
	away := *g
	if away.prompts = o.prompts; o.prompts != "" {
		if err := checkPrompts(o.prompts); err != nil {
			return nil, usage(fmt.Errorf("--prompts: %w", err))
		}
	}
	d, err := away.open()
	if err != nil {
		return nil, err
	}
	if o.model != "" {
		if err := away.nameModel(d, o.model, o.baseURL); err != nil {
			return nil, err
		}
		answerPaid(d, o.model)
	}
	l, err := ledger.OpenBooks(ctx, d.Path("ledger.db"))
	if err != nil {
		return nil, err
	}
	p, err := away.assemble(d, g.now())
	if err != nil {
		return nil, errors.Join(err, l.Close())
	}
	p.ledger = l
	r := &rerun{g: g, parts: p, asks: true}
	if r.engine, err = p.engine(ctx, g.now, nil, nil); err == nil {
		err = r.mayAsk(ctx, o)
	}
	if err != nil {
		return nil, errors.Join(err, p.close())
	}
	p.models.books.set(&triage.Books{Ledger: l, Settings: d.Settings, Now: g.now, Replay: true})
	return r, nil
}

// mayAsk finds that nobody would be asked, or that a key is missing, before anything is paid for.
func (r *rerun) mayAsk(ctx context.Context, o *rerunOptions) error {
	if o.prompts != "" && !r.parts.pipeline.Paid() {
		return usage(errors.New("--prompts: no language model reads them: the stages' own models are offline"), "name one with --model")
	}
	return usage(r.parts.models.check(ctx))
}

// answerPaid lets one model answer the stages, and the agents that a language model answers already: the
// panel's free votes stay free.
func answerPaid(d *state.Deployment, model string) {
	s := d.Settings
	askInStages(s, model)
	for name, agent := range s.Agents {
		if s.Models[agent.Brain].Provider != conf.ProviderOffline {
			agent.Brain = model
			s.Agents[name] = agent
		}
	}
}

// checkPrompts refuses a folder without prompts: it must not look as if other prompts had been tried.
func checkPrompts(dir string) error {
	if info, err := os.Stat(dir); err != nil {
		return err
	} else if !info.IsDir() {
		return fmt.Errorf("%s is no folder", dir)
	}
	found, err := filepath.Glob(filepath.Join(dir, "*.tmpl"))
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("no prompt in %s: want files like classify.tmpl", dir)
	}
	return err
}

// countAsked counts what came of an alert that was asked about anew.
func (r *rerun) countAsked(a *triage.Again) {
	r.cost.MicroUSD += a.Cost.MicroUSD
	r.cost.Calls += a.Cost.Calls
	r.cost.Unpriced += a.Cost.Unpriced
	if a.Failed != "" {
		r.unanswered++
		if r.failure == "" {
			r.failure = a.Failed
		}
		return
	}
	r.n++
	if len(a.Differs) > 0 {
		r.differ++
	}
	switch a.Toward {
	case "closed":
		r.closer++
	case "person":
		r.farther++
	}
}

func (r *rerun) finishAsked() error {
	cost := winnow.NanoUSD(r.cost.MicroUSD*1000).String() + " in " + things(r.cost.Calls, "call", "calls")
	r.g.note("%s asked about anew, %d would change: %d toward closed, %d toward a person%s%s; %s%s",
		things(r.n+r.unanswered, "alert was", "alerts were"), r.differ, r.closer, r.farther,
		ifAny(r.unanswered, ", %d got no answer"), ifAny(r.skipped, ", %d skipped"), cost,
		ifAny(r.cost.Unpriced, ", and %d without a price"))
	switch {
	case r.unanswered == 0:
	case r.n == 0:
		return fmt.Errorf("no alert got an answer, the first because: %s", plain(r.failure))
	default:
		r.g.note("warning: %s no answer, the first because: %s", things(r.unanswered, "alert got", "alerts got"), plain(r.failure))
	}
	return nil
}
