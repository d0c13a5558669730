package main

import (
	"encoding/json"
	"errors"
	"log/slog"

	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
)

// write carries a change of the ledger out under the worker's lock. When a worker runs, it is the one to carry
// it out: the body of the command goes into the spool, and handed is true.
func (g *globals) write(d *state.Deployment, body []byte, change func() error) (handed bool, err error) {
	lock, err := lockWorker(d)
	if errors.Is(err, errWorkerRuns) {
		return true, alertaction.WriteCommand(d.Path("spool"), g.now(), body)
	}
	if err != nil {
		return false, err
	}
	defer func() { _ = lock.Unlock() }()
	return false, change()
}

// order carries out a command that is written as JSON, and says what to expect when a worker is to do it.
func (g *globals) order(command any, expect string, carryOut func(*state.Deployment) error) error {
	d, err := g.open()
	if err != nil {
		return err
	}
	body, err := json.Marshal(command)
	if err != nil {
		return err
	}
	handed, err := g.write(d, body, func() error { return carryOut(d) })
	if handed && err == nil {
		g.note("handed to the worker; %s", expect)
	}
	return err
}

// applyCommand carries out a command from the spool. What can never be carried out is told, and not
// tried again.
func applyCommand(t *ledger.Tx, w *triage.Worker, body []byte, log *slog.Logger) error {
	var head struct {
		Command string `json:"command"`
	}
	_ = json.Unmarshal(body, &head) //nolint:errcheck // whoever reads it in full says what is wrong with it
	switch head.Command {
	case commandAccept:
		return applyAccept(t, w.Engine, body, log)
	case commandClock:
		return applyClock(t, w.Engine, body, log)
	case triage.CommandBudget:
		return applyBudget(t, w.Engine, body, log)
	case triage.CommandRecall, triage.CommandResume:
		return applyRecall(t, w.Engine, body, log)
	case triage.CommandRetry:
		return applyRetry(t, w.Engine, body, log)
	case triage.CommandAcknowledge:
		return applyAcknowledge(t, w.Engine, body, log)
	case review.CommandAction:
		return applyAction(t, w.Engine, body, log)
	case commandWeekly:
		return applyWeekly(t, w, body, log)
	case triage.CommandReconcile:
		return applyReconcile(t, w, body, log)
	}
	return applyDecision(t, w.Engine, body, log)
}

func applyReconcile(t *ledger.Tx, w *triage.Worker, body []byte, log *slog.Logger) error {
	err := w.AskReconcile(t, body)
	if errors.Is(err, triage.ErrRefused) {
		log.Error("command refused", "command", triage.CommandReconcile, "err", err)
		return nil
	}
	return err
}

func applyRetry(t *ledger.Tx, engine *triage.Engine, body []byte, log *slog.Logger) error {
	r, err := triage.DecodeRetry(body)
	var done triage.Retried
	if err == nil {
		done, err = engine.Retry(t, r)
	}
	if errors.Is(err, triage.ErrRetryRefused) {
		log.Error("retry refused", "err", err)
		return nil
	}
	if err == nil {
		log.Info("alerts are tried again", "by", r.Actor, "waited", done.Ready, "given_up", done.Requeued, "past", done.Past, "left", done.Left,
			"deliveries", done.Deliveries)
	}
	return err
}

func applyRecall(t *ledger.Tx, engine *triage.Engine, body []byte, log *slog.Logger) error {
	r, err := triage.DecodeRecall(body)
	switch {
	case err != nil:
	case r.Command == triage.CommandResume:
		_, err = engine.Resume(t, r)
	default:
		err = engine.BeginRecall(t, r)
	}
	if errors.Is(err, triage.ErrRefused) {
		log.Error("recall refused", "command", r.Command, "what", r.What(), "err", err)
		return nil
	}
	if err == nil {
		log.Info("suspensions changed", "command", r.Command, "what", r.What(), "by", r.Actor)
	}
	return err
}
