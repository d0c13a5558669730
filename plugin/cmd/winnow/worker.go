package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/health"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/paging"
	"github.com/winnow-soc/winnow/plugin/review"
	"github.com/winnow-soc/winnow/plugin/splunk"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
)

const workerHelp = `Take stored alerts to their outcomes: read the spool, judge what the gate did not settle, write
verdicts back, publish what the alert action reads. One worker runs on a state folder; as Splunk's
modular input winnow:// this program starts it by itself.

Credentials for splunkd are, in this order: the session key of the modular input, the environment
variable WINNOW_SPLUNK_TOKEN, the file named by [splunk] token_file.`

const workerExample = `  winnow worker --once                        # work off what waits, then end
  WINNOW_STATE=./try winnow worker`

func workerCommand(g *globals) *cobra.Command {
	var once bool
	cmd := &cobra.Command{
		Use: "worker", Short: "take stored alerts to their outcomes", Long: workerHelp, Example: workerExample, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			d, err := g.open()
			if err != nil {
				return err
			}
			return g.work(cmd.Context(), d, once, workerLog(g.err, d.Settings.Worker.Log, g.quiet), nil)
		},
	}
	cmd.Flags().BoolVar(&once, "once", false, "work off what waits and end; waits for another worker to end first")
	return cmd
}

// input is what Splunk hands to the worker as modular input.
type input struct {
	sessionKey winnow.Secret
	serverURI  string
	serverHost string
	stream     *splunk.EventWriter // events for splunkd
	stanza     string              // of inputs.conf

	refused func() // splunkd does not accept the session key; nil: nobody wants to know
}

// work runs the worker under the state's lock. As modular input it also ends when splunkd has gone, and
// when splunkd has ended its session.
func (g *globals) work(ctx context.Context, d *state.Deployment, once bool, log *slog.Logger, in *input) (err error) {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	if in != nil {
		in.refused = g.sessionEnds(end)
		defer watchParent(parentGone(), end)()
	}
	g.session = in
	if !once {
		g.metrics = health.New(version(), deliveryReason)
	}
	if err := d.Init(); err != nil {
		return err
	}
	unlock, err := g.lockState(ctx, d, log)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	for {
		err := g.workOnce(ctx, d, once, log, in)
		if !errors.Is(err, triage.ErrChanged) {
			return errors.Join(err, g.whyEnded(ctx, log))
		}
		log.Info("the configuration has changed: the worker starts anew")
		if d, err = g.open(); err != nil {
			return err
		}
	}
}

// workOnce runs a worker until it is done, told to end, or its configuration has changed.
func (g *globals) workOnce(ctx context.Context, d *state.Deployment, once bool, log *slog.Logger, in *input) (err error) {
	g.limitMemory(d.Settings.Worker.Memory)
	drain := newDrain(ctx, d.Settings.Worker.Drain, g.now)
	w, p, err := g.newWorker(ctx, d, log, in)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.closeWithin(drain.left())) }()
	defer g.serveHealth(d, p, w.Sinks, log)()
	defer g.servePage(d, in, log)()
	log.Info("worker starts", "version", version(), "state", d.State, "run", d.Settings.Gate.Run.String(), "place", string(d.Settings.Gate.Place))
	if once {
		return w.Once(ctx)
	}
	return w.Run(ctx)
}

func (g *globals) newWorker(ctx context.Context, d *state.Deployment, log *slog.Logger, in *input) (*triage.Worker, *parts, error) {
	p, err := g.assemble(d, g.now())
	if err != nil {
		return nil, nil, err
	}
	sinks, err := g.openSinks(d, in)
	if err != nil {
		return nil, nil, usage(err)
	}
	engine, err := p.engine(ctx, g.now, nil, d.Settings.EnabledSinks())
	if err != nil {
		return nil, nil, errors.Join(err, p.close())
	}
	if err := p.refuseReplay(ctx); err != nil {
		return nil, nil, errors.Join(err, p.close())
	}
	refresh := g.refresher(p, engine, log)
	w := &triage.Worker{
		Engine: engine, State: d, Log: log, Retryable: splunk.Retryable, Refresh: refresh.turn, Archive: refresh.archive,
		Weekly: g.weekly(d),
	}
	w.Command = func(t *ledger.Tx, body []byte) error { return applyCommand(t, w, body, log) }
	if err := g.setReconciler(w, p, in); err != nil {
		return nil, nil, errors.Join(usage(err), p.close())
	}
	for _, s := range sinks {
		w.Sinks = append(w.Sinks, s)
		if update, ok := s.(*splunk.UpdateSink); ok {
			g.setLabels(w, update)
			engine.Notables = notables{update}
		}
	}
	return w, p, nil
}

// notables reads what people did to notable events, over the sink that updates them.
type notables struct{ sink *splunk.UpdateSink }

// Held says who has the notable event of an alert.
func (n notables) Held(ctx context.Context, a *winnow.Alert, winnowID string) (triage.Held, error) {
	h, err := n.sink.Held(ctx, a, winnowID)
	return triage.Held{By: h.By, Closed: h.Closed, Disposition: h.Disposition, Weak: h.Weak}, err
}

// applyDecision carries out a person's decision from the spool. One that is refused never can be:
// it is told, and not tried again.
func applyDecision(t *ledger.Tx, engine *triage.Engine, body []byte, log *slog.Logger) error {
	d, err := review.Decode(body)
	var done review.Result
	if err == nil {
		done, err = review.Apply(t, engine, d)
	}
	if errors.Is(err, review.ErrRefused) {
		log.Error("decision refused", "action", string(d.Action), "id", d.ID, "err", err)
		return nil
	}
	if err == nil {
		log.Info("decision applied", "action", string(d.Action), "id", d.ID, "settled", len(done.Settled), "recalled", len(done.Recalled))
		for _, rule := range done.Missed {
			log.Warn("a rule dropped an attack and is suspended", "rule", rule, "id", d.ID)
		}
		for _, rule := range done.Reverted {
			log.Warn("a rule was suspended for an alert that was no attack, and stays suspended", "rule", rule, "id", d.ID)
		}
	}
	return err
}

// refuseReplay keeps a worker off a folder that `winnow triage` works in: its clock is another.
func (p *parts) refuseReplay(ctx context.Context) error {
	return p.ledger.View(ctx, func(t *ledger.Tx) error {
		clock, err := t.Meta(replayMeta)
		if err == nil && clock != "" {
			err = usage(fmt.Errorf("%s is a folder of `winnow triage`: a worker does not run on it", p.State))
		}
		return err
	})
}

func (g *globals) openSinks(d *state.Deployment, in *input) ([]splunk.Sink, error) {
	opts, err := g.sinkOptions(d, in)
	if err != nil {
		return nil, err
	}
	return splunk.OpenSinks(d.Settings.Sinks, opts)
}

// pageSinks opens the sinks that page people.
func pageSinks(opts *splunk.SinkOptions) func(conf.Sink, splunk.ServerOptions) (splunk.Sink, error) {
	return func(c conf.Sink, server splunk.ServerOptions) (splunk.Sink, error) {
		return paging.Open(c, paging.Options{Server: server, Secret: opts.Secret})
	}
}

func (g *globals) sinkOptions(d *state.Deployment, in *input) (splunk.SinkOptions, error) {
	opts := splunk.SinkOptions{
		SplunkHome: d.SplunkHome, State: d.State, Now: g.now,
		Secret: func(ctx context.Context, place string) (winnow.Secret, error) { return g.secret(ctx, d, place) },
	}
	if in != nil {
		opts.Host, opts.Stream, opts.Stanza = in.serverHost, in.stream, in.stanza
	}
	opts.Other = pageSinks(&opts)
	client, err := g.splunkClient(d, in)
	if none, ok := errors.AsType[*noCredentials](err); ok {
		opts.NoClient, err = none.Unwrap(), nil
	}
	opts.Client = client
	return opts, err
}
