package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
)

const reconcileHelp = `Compare what Splunk fired, as its own logs say, with what is here, and raise what is missing: the rows,
read back from the search run while Splunk still has its results, or else one alert that says so. The
worker does the same every [reconcile] every; this is for once, like after an outage. A second run adds
nothing. Each firing that is missing is printed, with the reason:

  not_started   Splunk never started the alert action
  not_run       the action was started and said nothing
  not_stored    the action could not store it
  record_lost   the action stored it, and the spool record is gone
  partial       only a part of its rows came here

While a worker runs, it does the work, and this tells what it will do. Exits with 1 when --dry-run finds
something missing, with 3 when Splunk cannot be asked.`

const reconcileExample = `  winnow reconcile --dry-run
  winnow reconcile --from 3d
  winnow reconcile --from 2027-01-31T08:00:00Z --to 2027-01-31T12:00:00Z --format json`

func reconcileCommand(g *globals) *cobra.Command {
	var from, to string
	var dry bool
	cmd := withCSV(&cobra.Command{
		Use: "reconcile", Short: "raise what Splunk fired and nobody triaged", Long: reconcileHelp, Example: reconcileExample, Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.reconcile(cmd.Context(), from, to, dry) },
	})
	f := cmd.Flags()
	f.StringVar(&from, "from", "", "what was fired since `T`: 2027-01-31, an RFC 3339 time, or 12h or 7d ago (default: [reconcile] look_back ago)")
	f.StringVar(&to, "to", "", "and before `T` (default: [reconcile] lag ago)")
	f.BoolVar(&dry, "dry-run", false, "only say what is missing")
	return cmd
}

func (g *globals) reconcile(ctx context.Context, from, to string, dry bool) error {
	d, err := g.open()
	if err != nil {
		return err
	}
	span, err := g.reconcileSpan(d, from, to)
	if err != nil {
		return usage(err)
	}
	if !dry {
		lock, err := lockWorker(d)
		if err == nil {
			defer func() { _ = lock.Unlock() }()
			return g.reconcileNow(ctx, d, span)
		}
		if !errors.Is(err, errWorkerRuns) {
			return err
		}
	}
	missing, err := g.compare(ctx, d, span)
	if err != nil {
		return err
	}
	if dry {
		if missing > 0 {
			return failed("%s missing", things(missing, "firing is", "firings are"))
		}
		return nil
	}
	body, err := span.Encode()
	if err != nil {
		return usage(err)
	}
	if err := alertaction.WriteCommand(d.Path("spool"), g.now(), body); err != nil {
		return err
	}
	g.note("handed to the worker; `winnow doctor` tells when it is done")
	return nil
}

// reconcileSpan reads the flags.
func (g *globals) reconcileSpan(d *state.Deployment, from, to string) (triage.ReconcileSpan, error) {
	now, c := g.now(), d.Settings.Reconcile
	span := triage.ReconcileSpan{Command: triage.CommandReconcile, From: now.Add(-c.LookBack), To: now.Add(-c.Lag), Actor: userName()}
	for _, one := range []struct {
		flag, text string
		to         *time.Time
	}{{"--from", from, &span.From}, {"--to", to, &span.To}} {
		if one.text == "" {
			continue
		}
		at, err := parseSince(one.text, now)
		if err != nil {
			return span, errors.New(strings.Replace(err.Error(), "--since", one.flag, 1))
		}
		*one.to = at
	}
	if span.To.After(now) {
		span.To = now
	}
	_, err := span.Encode()
	return span, err
}

// compare prints what is missing, over a ledger that is only read.
func (g *globals) compare(ctx context.Context, d *state.Deployment, span triage.ReconcileSpan) (missing int, err error) {
	l, err := ledger.OpenReadOnly(ctx, d.Path("ledger.db"))
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	r, _, err := g.reconciler(d, l, nil)
	if err != nil {
		return 0, unconfigured(err)
	}
	p := missingPrinter{g: g}
	rec, err := r.Compare(ctx, span.From, span.To, p.add)
	return rec.Missing, errors.Join(p.end(&rec, span.To), err)
}

// reconcileNow does the work while no worker runs.
func (g *globals) reconcileNow(ctx context.Context, d *state.Deployment, span triage.ReconcileSpan) (err error) {
	run, err := g.openDecider(ctx, d)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, run.parts.close()) }()
	r, host, err := g.reconciler(d, run.parts.ledger, nil)
	if err != nil {
		return unconfigured(err)
	}
	p := missingPrinter{g: g}
	r.Told = p.add
	rec, err := r.ReconcileNow(ctx, run.engine, host, span.From, span.To)
	return errors.Join(p.end(&rec, span.To), err)
}

// unconfigured makes missing credentials what they are: a matter of configuration.
func unconfigured(err error) error {
	if _, none := errors.AsType[*noCredentials](err); none {
		return usage(err)
	}
	return err
}

// missingPrinter prints firings that are missing.
type missingPrinter struct {
	g     *globals
	table grid
}

func (p *missingPrinter) add(m triage.Missing) error {
	if p.g.format == formatJSON {
		return p.g.json(struct {
			SID    string    `json:"sid"`
			Search string    `json:"search_name"`
			App    string    `json:"app"`
			Owner  string    `json:"owner"`
			Host   string    `json:"host"`
			At     time.Time `json:"time"`
			Reason string    `json:"reason"`
			Have   int       `json:"alerts"`
		}{m.SID, m.Search, m.App, m.Owner, m.Host, m.At, string(m.Reason), m.Have})
	}
	sid := plain(m.SID)
	if p.g.format == formatTable {
		sid = oneLine(sid, 60)
	}
	p.table.rows = append(p.table.rows, []string{m.At.UTC().Format(time.RFC3339), plain(m.Search), sid, string(m.Reason), fmt.Sprint(m.Have)})
	return nil
}

// end prints the rows, and to standard error what they sum up to.
func (p *missingPrinter) end(rec *triage.Reconciliation, to time.Time) error {
	p.table.head, p.table.num = []string{"TIME", "SEARCH", "SID", "REASON", "ALERTS"}, map[int]bool{4: true}
	switch {
	case p.g.format == formatCSV:
		if err := p.g.csv(&p.table); err != nil {
			return err
		}
	case p.g.format == formatTable && len(p.table.rows) > 0:
		for _, row := range p.table.rows {
			row[1] = oneLine(row[1], 40)
		}
		p.g.text(&p.table)
	}
	p.g.note("%s", reconciliationText(rec))
	if rec.Until.Before(to.UTC().Truncate(time.Second)) && rec.Error == "" && !rec.Until.IsZero() {
		p.g.note("that is much for once: what was fired after %s is left for another run with --from", rec.Until.Format(time.RFC3339))
	}
	return nil
}

func reconciliationText(rec *triage.Reconciliation) string {
	text := []string{fmt.Sprintf("%s fired", things(rec.Fired, "search run", "search runs")), fmt.Sprintf("%d missing", rec.Missing)}
	for _, part := range []struct {
		n    int
		text string
	}{
		{rec.Rows, "%d rows brought back"}, {rec.Raised, "%d told of without their rows"}, {rec.Postponed, "%d could not be read yet"},
		{rec.Elsewhere, "%d of other search heads"}, {rec.Adhoc, "%d asked for by people"}, {rec.Failed, "%d runs failed"},
		{rec.Unreadable, "%d log lines not understood"},
	} {
		if part.n > 0 {
			text = append(text, fmt.Sprintf(part.text, part.n))
		}
	}
	return strings.Join(text, ", ")
}

// setReconciler gives the worker what it compares with. Without credentials it compares nothing.
func (g *globals) setReconciler(w *triage.Worker, p *parts, in *input) error {
	r, host, err := g.reconciler(p.Deployment, p.ledger, in)
	if _, none := errors.AsType[*noCredentials](err); none {
		return nil
	}
	w.Reconcile, w.Host = r, host
	return err
}

// reconciler puts a reconciler together, and says how this search head is named in natural keys; "" is
// the name that splunkd logs under.
func (g *globals) reconciler(d *state.Deployment, l *ledger.Ledger, in *input) (*triage.Reconciler, string, error) {
	client, err := g.splunkClient(d, in)
	if err != nil {
		return nil, "", err
	}
	return &triage.Reconciler{
		Source: &firedSource{client: client, hosts: d.Settings.Reconcile.Hosts}, Ledger: l, Spool: d.Path("spool"),
		Lag: d.Settings.Reconcile.Lag, Now: g.now,
	}, state.HostGUID(d.SplunkHome), nil
}

// firedSource reads what Splunk fired over REST.
type firedSource struct {
	client *splunk.Client

	mu    sync.Mutex
	hosts []string // under which this search head logs; empty: not asked yet
}

func (s *firedSource) names(ctx context.Context) ([]string, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.hosts) > 0 {
		return s.hosts, nil
	}
	names, err := s.client.ServerNames(ctx)
	s.hosts = names
	return names, err
}

// Fired calls f with what this search head fired.
func (s *firedSource) Fired(
	ctx context.Context, from, to time.Time, lag time.Duration, f func(until time.Time, all []triage.Fired) error,
) (triage.FiredCount, error) {
	names, err := s.names(ctx)
	if err != nil {
		return triage.FiredCount{}, err
	}
	ours := func(host string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return strings.EqualFold(name, host) })
	}
	count, err := s.client.Fired(ctx, from, to, lag, ours, func(until time.Time, all []splunk.Fired) error {
		out := make([]triage.Fired, len(all))
		for i := range all {
			out[i] = triage.Fired(all[i])
		}
		return f(until, out)
	})
	return triage.FiredCount(count), err
}

// Results calls f with the rows that a search run found.
func (s *firedSource) Results(ctx context.Context, sid string, f func([]winnow.Fields) error) error {
	err := s.client.Results(ctx, sid, func(rows []splunk.Row) error {
		out := make([]winnow.Fields, len(rows))
		for i, row := range rows {
			out[i] = alertaction.Wanted(row)
		}
		return f(out)
	})
	if e, ok := errors.AsType[*splunk.Error](err); ok && (e.Code == splunk.CodeNotFound || e.Code == splunk.CodeInput) {
		return fmt.Errorf("%w: %w", triage.ErrNoArtefact, err)
	}
	return err
}

// reconciled says when what Splunk fired was last compared with what is here.
func (x *diagnosis) reconciled(t *ledger.Tx) error {
	s, _, err := triage.ReadReconcileState(t)
	if err != nil {
		x.wrong("reconcile", "take the ledger from a backup", err)
		return nil
	}
	last, c := &s.Last, x.d.Settings.Reconcile
	at := last.At.UTC().Format(time.RFC3339)
	switch {
	case !c.Enabled:
		x.warn("reconcile", "set [reconcile] enabled = 1, or run `winnow reconcile`", "off: nobody notices an alert that Splunk fired and that never came here")
	case last.At.IsZero():
		x.ok("reconcile", "not yet: the worker compares what Splunk fired with what is here every %s, given credentials", c.Every)
	case last.Error != "":
		x.warn("reconcile", "mend that; `winnow reconcile --dry-run` tries it", "last tried %s: %s", at, last.Error)
	case x.g.now().Sub(last.At) > 3*c.Every+c.Lag && x.d.Alive(x.g.now()):
		x.warn("reconcile", "see the worker's log", "last reconciled %s: that is too long ago", at)
	case last.Fired == 0 && last.Elsewhere > 0:
		x.warn("reconcile", "name this search head in [reconcile] hosts, as host has it in index=_internal",
			"last reconciled %s: all %d firings are of other hosts", at, last.Elsewhere)
	default:
		x.ok("reconcile", "last reconciled %s: %s", at, reconciliationText(last))
	}
	labels, err := triage.ReadLabelState(t)
	if err != nil {
		return err
	}
	if !labels.Until.IsZero() {
		x.ok("labels", "read until %s: %s of people, %d of many at once", labels.Until.Format(time.RFC3339),
			things(labels.Labels, "label", "labels"), labels.Weak)
	}
	if last.Unreadable > 0 {
		x.warn("reconcile", "look at index=_internal component=sendmodalert winnow_triage", "%s in a form that is not known",
			things(last.Unreadable, "log line is", "log lines are"))
	}
	return nil
}
