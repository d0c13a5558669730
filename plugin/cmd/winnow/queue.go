package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
)

func queueCommand(g *globals) *cobra.Command {
	var limit int
	var cause string
	list := withCSV(&cobra.Command{
		Use: "list", Short: "what waits for triage", Args: cobra.NoArgs,
		Long: `List the alerts that wait for triage, most severe and then oldest first: how often they were tried, what
failed the last time, and when they are tried next. Within one severity searches take turns, so a search
with few alerts does not wait behind one with many. What still lies in the spool is counted.`,
		Example: `  winnow queue list
  winnow queue list --cause model --limit 0 --format csv`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.queueList(cmd.Context(), queue.Cause(cause), limit)
		},
	})
	list.Flags().IntVar(&limit, "limit", 20, "at most `N` alerts; 0 shows all")
	list.Flags().StringVar(&cause, "cause", "", "only what failed because of `CAUSE`: model, analyst, worker, panic or ledger")
	return group("queue", "what waits for triage", `  winnow queue list
  winnow queue retry --cause model`, list, queueRetryCommand(g))
}

func queueRetryCommand(g *globals) *cobra.Command {
	var r triage.Retry
	var cause string
	cmd := &cobra.Command{
		Use: "retry [ID...]", Short: "try again now what waits or was given up",
		Long: `End the pause before the next try of alerts that wait, and triage again those that were given up
(escalated with gave_up:CAUSE). These get a verdict, but were escalated, so only a person closes them. What
was decided about since stays as it is. Name alerts, or take all that failed because of one cause, or all
there are: after an outage, say.

--cause unaudited takes what waits for a person only because the audit chain was broken, once it goes on.

With --sink, deliver again what a sink has not taken or has refused for good: after its token was
replaced, say.`,
		Example: `  winnow queue retry --cause model
  winnow queue retry 01J9ZV3M4T5Q6R7S8T9VAWBXCY
  winnow queue retry --cause unaudited
  winnow queue retry --sink indexers`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			for _, id := range args {
				r.IDs = append(r.IDs, strings.ToUpper(id))
			}
			r.Cause, r.Actor = queue.Cause(cause), cmp.Or(r.Actor, userName())
			return g.queueRetry(cmd.Context(), r)
		},
	}
	f := cmd.Flags()
	f.StringVar(&cause, "cause", "", "all that failed because of `CAUSE`: model, analyst, worker, panic, ledger or unaudited")
	f.BoolVar(&r.All, "all", false, "all that waits or was given up")
	f.StringVar(&r.Sink, "sink", "", "the events for [sink:`NAME`] that wait or were given up")
	f.StringVar(&r.Actor, "by", "", "the `NAME` of who asks (default: whoever runs this)")
	return cmd
}

// queued is what `queue list` prints as JSON.
type queued struct {
	Waiting int           `json:"waiting"`
	Leased  int           `json:"leased"`  // somebody works on it
	Later   int           `json:"later"`   // waits for its next try
	Spooled int           `json:"spooled"` // records that are not imported yet, an alert action's run each
	Alerts  []queuedAlert `json:"alerts"`
}

type queuedAlert struct {
	ID        string          `json:"id"`
	Search    string          `json:"search_name"`
	Severity  winnow.Severity `json:"severity"`
	Since     time.Time       `json:"since"`
	Attempts  int             `json:"attempts"`
	Cause     queue.Cause     `json:"cause"`  // "" before the first try has failed
	Detail    string          `json:"detail"` // of the failure
	Leased    bool            `json:"leased"`
	Due       time.Time       `json:"due"`        // of the next try, or the end of the lease; zero: now
	VisibleBy time.Time       `json:"visible_by"` // when its notable event is written or commented on; zero: it was
}

func (g *globals) queueList(ctx context.Context, only queue.Cause, limit int) error {
	if only != "" {
		if _, err := queue.ParseCause(string(only)); err != nil {
			return usage(err)
		}
	}
	if limit < 0 {
		return usage(fmt.Errorf("--limit %d is below 0", limit))
	}
	d, err := g.open()
	if err != nil {
		return err
	}
	var q queued
	if q.Spooled, err = g.spooled(d); err != nil {
		return err
	}
	err = g.readLedger(ctx, func(_ *state.Deployment, t *ledger.Tx) error { return q.read(t, only, limit, g.now()) })
	if err != nil && (!errors.Is(err, ledger.ErrNone) || q.Spooled == 0) {
		return err
	}
	return g.printQueue(&q)
}

// spooled counts the records in the spool that no worker has imported.
func (g *globals) spooled(d *state.Deployment) (n int, err error) {
	entries, err := alertaction.ReadSpool(d.Path("spool"), g.now())
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	for _, e := range entries {
		if e.Kind != alertaction.KindCommand {
			n++
		}
	}
	return n, err
}

func (q *queued) read(t *ledger.Tx, only queue.Cause, limit int, now time.Time) error {
	n, err := queue.Count(t.Context(), t.Conn(), now)
	if err != nil {
		return err
	}
	q.Waiting, q.Leased, q.Later = n.Waiting, n.Leased, n.Later
	items, err := queue.List(t.Context(), t.Conn(), only, limit)
	if err != nil {
		return err
	}
	for _, it := range items {
		one := queuedAlert{
			ID: it.ID, Search: it.Search, Since: it.Enqueued, Attempts: it.Attempts, Cause: it.Cause, Detail: it.Detail,
			Leased: it.Leased, Due: it.Due, VisibleBy: it.VisibleBy,
		}
		if rec, err := t.Record(it.ID); err == nil { // one that cannot be read is of unknown severity
			one.Severity = rec.Severity
		}
		q.Alerts = append(q.Alerts, one)
	}
	return nil
}

func (g *globals) printQueue(q *queued) error {
	if g.format == formatJSON {
		q.Alerts = orEmpty(q.Alerts)
		return g.json(q)
	}
	table := &grid{head: []string{"ID", "SEVERITY", "SEARCH", "SINCE", "ATTEMPTS", "CAUSE", "DUE"}, num: map[int]bool{4: true}}
	for i := range q.Alerts {
		a := &q.Alerts[i]
		table.add(a.ID, a.Severity.String(), oneLine(a.Search, 40), a.Since.Format(time.RFC3339), strconv.Itoa(a.Attempts), orDash(string(a.Cause)), a.due(g.now()))
	}
	if g.format == formatCSV {
		return g.csv(table)
	}
	if len(q.Alerts) > 0 {
		g.text(table)
	}
	g.note("%s for triage: %d in work, %d to be tried again later; %s in the spool",
		things(q.Waiting, "alert waits", "alerts wait"), q.Leased, q.Later, things(q.Spooled, "record is", "records are"))
	return nil
}

// due says when an alert is looked at next.
func (a *queuedAlert) due(now time.Time) string {
	switch {
	case a.Leased && a.Due.After(now):
		return "in work"
	case a.Due.After(now):
		return a.Due.Format(time.RFC3339)
	}
	return "now"
}

// queueRetry hands a retry to the worker, or carries it out when none runs.
func (g *globals) queueRetry(ctx context.Context, r triage.Retry) error {
	body, err := r.Encode()
	if err != nil {
		return usage(err)
	}
	d, err := g.open()
	if err != nil {
		return err
	}
	if r.Sink != "" && !slices.ContainsFunc(d.Settings.Sinks, func(c conf.Sink) bool { return c.Name == r.Sink && c.Type.Events() }) {
		return usage(fmt.Errorf("no [sink:%s] that takes events in winnow.conf", plain(r.Sink)))
	}
	if err := g.retriable(ctx, d, r.IDs); err != nil {
		return err
	}
	var done *triage.Retried
	err = g.handOver(ctx, d, body, func(e *decider) error {
		return e.engine.Update(ctx, func(t *ledger.Tx) error {
			all, err := e.engine.Retry(t, r)
			done = &all
			return err
		})
	})
	switch {
	case err != nil:
		return err
	case done == nil:
		g.note("handed to the worker; `winnow queue list` shows what waits")
		return nil
	case g.format == formatJSON:
		return g.json(done)
	case r.Sink != "":
		g.print("%s due now", things(done.Deliveries, "event is", "events are"))
		return nil
	}
	g.print("%s due now, %s that had been given up", things(done.Ready, "waiting alert is", "waiting alerts are"),
		things(done.Requeued, "alert is triaged again", "alerts are triaged again"))
	if done.Left > 0 {
		g.note("%s left that were given up: run the command again", things(done.Left, "more is", "more are"))
	}
	return nil
}

// retriable finds out now what the worker would pass over later.
func (g *globals) retriable(ctx context.Context, d *state.Deployment, ids []string) (err error) {
	l, err := ledger.OpenReadOnly(ctx, d.Path("ledger.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	return l.View(ctx, func(t *ledger.Tx) error {
		for _, id := range ids {
			rec, err := t.Record(id)
			if errors.Is(err, ledger.ErrNotFound) {
				return usage(err, "`winnow queue list` shows what waits")
			}
			if err == nil && !triage.MayRetry(&rec) {
				return usage(fmt.Errorf("alert %s is %s (%s): it neither waits nor was it given up", id, rec.Outcome.State, plain(string(rec.Outcome.Reason))),
					"`winnow review show "+id+"` tells its story")
			}
		}
		return nil
	})
}
