package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/report/focus"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
)

const reportWeeklyHelp = `Say what a week (Monday to Sunday, UTC) cost, by team, as teams.csv says which search is whose. What no
team ordered stands on lines of its own: samples of what rules drop, replays, and votes about alerts of no
team. All lines add up to what was booked, to the nano-dollar. Saved is an estimate: the alerts that rules,
the cache and open cases settled, at what an alert of the same search cost that was asked about.

The worker sends this to the sinks of [report] weekly when a week is over, once. --send sends it now, again
if need be. --out writes a file; with none, the result goes to standard output.`

func reportWeeklyCommand(g *globals) *cobra.Command {
	var week, out string
	var send bool
	cmd := withCSV(&cobra.Command{
		Use: "weekly", Short: "what a week cost, by team", Args: cobra.NoArgs, Long: reportWeeklyHelp,
		Example: `  winnow report weekly
  winnow report weekly --week 2026-W47 --format csv --out w47.csv
  winnow report weekly --week 2026-W47 --send`,
		RunE: func(cmd *cobra.Command, _ []string) error {
			monday, err := g.weekOf(week)
			if err != nil {
				return err
			}
			if send && out != "" {
				return usage(errors.New("--send goes to the sinks of [report] weekly: leave --out away"))
			}
			if send {
				return g.sendWeek(cmd.Context(), monday)
			}
			return g.reportWeekly(cmd.Context(), monday, out)
		},
	})
	f := cmd.Flags()
	f.StringVar(&week, "week", "", "the `WEEK`, like 2026-W47 (default: the last one that is over)")
	f.StringVar(&out, "out", "", "write `FILE`")
	f.BoolVar(&send, "send", false, "send it to the sinks of [report] weekly, also when they have had it")
	return cmd
}

var weekName = regexp.MustCompile(`^([0-9]{4})-W([0-9]{2})$`)

// weekOf returns the Monday of a week, "" being the last one that is over.
func (g *globals) weekOf(week string) (time.Time, error) {
	if week == "" {
		return triage.Monday(g.now()).AddDate(0, 0, -7), nil
	}
	return parseWeek(week)
}

func parseWeek(week string) (time.Time, error) {
	m := weekName.FindStringSubmatch(week)
	if m == nil {
		return time.Time{}, usage(fmt.Errorf("--week %q is no week like 2026-W47", week))
	}
	year, _ := strconv.Atoi(m[1]) //nolint:errcheck // digits alone
	n, _ := strconv.Atoi(m[2])    //nolint:errcheck // digits alone
	monday := triage.Monday(time.Date(year, 1, 4, 0, 0, 0, 0, time.UTC)).AddDate(0, 0, 7*(n-1))
	if triage.WeekName(monday) != week {
		return monday, usage(fmt.Errorf("--week %s: the year has no such week", week))
	}
	return monday, nil
}

// unitsBefore is how far back unit costs are measured for a week.
const unitsBefore = 28 * 24 * time.Hour

// newWeek makes the report of a week.
func (g *globals) newWeek(d *state.Deployment, t *ledger.Tx, monday time.Time) (*report.Week, error) {
	table, err := readTeams(d)
	if err != nil {
		return nil, usage(err)
	}
	end := monday.AddDate(0, 0, 7)
	units, err := report.SearchUnits(t, ledger.Span{From: end.Add(-unitsBefore), To: end}, g.unitPrice(d))
	if err != nil {
		return nil, err
	}
	return report.NewWeek(t, table, units, monday)
}

func (g *globals) reportWeekly(ctx context.Context, monday time.Time, out string) error {
	var w *report.Week
	err := g.readLedger(ctx, func(d *state.Deployment, t *ledger.Tx) (err error) {
		w, err = g.newWeek(d, t, monday)
		return err
	})
	if err != nil {
		return err
	}
	if out == "" || out == "-" {
		return g.printWeek(w)
	}
	var b bytes.Buffer
	file := *g.console
	file.out = &b
	if err := (&globals{console: &file, format: g.format}).printWeek(w); err != nil {
		return err
	}
	return g.writeOut(out, b.Bytes())
}

func (g *globals) printWeek(w *report.Week) error {
	switch g.format {
	case formatJSON:
		return g.json(w)
	case formatCSV:
		return g.csv(weekGrid(w, focus.Dollars))
	}
	g.print("%s, %s to %s (UTC): %s, %s", w.Week, w.From, w.To, things(w.Alerts, "alert", "alerts"), w.Paid)
	g.text(weekGrid(w, winnow.NanoUSD.String))
	g.note("saved is estimated (%s)%s", w.Basis, ifAny(w.Unpriced, "; %d calls without a price are missing from what was paid"))
	return nil
}

// weekGrid has a line for each team and each shared cost, and the sum.
func weekGrid(w *report.Week, usd func(winnow.NanoUSD) string) *grid {
	t := &grid{
		head: []string{"WEEK", "KIND", "NAME", "COST CENTRE", "ALERTS", "BY RULES", "FROM CACHE", "JOINED", "ASKED", "CALLS", "PAID", "SAVED"},
		num:  map[int]bool{4: true, 5: true, 6: true, 7: true, 8: true, 9: true, 10: true, 11: true},
	}
	saved := func(n *winnow.NanoUSD) string {
		if n == nil {
			return ""
		}
		return usd(*n)
	}
	var rules, cached, joined, asked, calls int
	for i := range w.Teams {
		l := &w.Teams[i]
		rules, cached, joined, asked, calls = rules+l.Rules, cached+l.Cached, joined+l.Joined, asked+l.Asked, calls+l.Calls
		t.add(w.Week, "team", l.Team, l.Centre, strconv.Itoa(l.Alerts), strconv.Itoa(l.Rules), strconv.Itoa(l.Cached), strconv.Itoa(l.Joined), strconv.Itoa(l.Asked),
			strconv.Itoa(l.Calls), usd(l.Paid), saved(l.Saved))
	}
	for _, l := range w.Shared {
		calls += l.Calls
		t.add(w.Week, "shared", l.Name, "", "", "", "", "", "", strconv.Itoa(l.Calls), usd(l.Paid), "")
	}
	t.add(w.Week, "total", "", "", strconv.Itoa(w.Alerts), strconv.Itoa(rules), strconv.Itoa(cached), strconv.Itoa(joined), strconv.Itoa(asked), strconv.Itoa(calls),
		usd(w.Paid), saved(w.Saved))
	return t
}

// weekly makes reports for the worker.
func (g *globals) weekly(d *state.Deployment) triage.Weekly {
	return func(t *ledger.Tx, monday time.Time) (json.RawMessage, error) {
		w, err := g.newWeek(d, t, monday)
		if err != nil {
			return nil, err
		}
		return json.Marshal(w)
	}
}

const commandWeekly = "weekly"

// weekRequest asks the worker to send the report of a week.
type weekRequest struct {
	Command string    `json:"command"` // "weekly"
	Week    string    `json:"week"`
	At      time.Time `json:"at"` // when it was asked for
}

// asked sets one request apart from others.
func (r *weekRequest) asked() string { return r.At.UTC().Format("20060102T150405.000000000") }

func (g *globals) sendWeek(ctx context.Context, monday time.Time) error {
	d, err := g.open()
	if err != nil {
		return err
	}
	sinks := d.Settings.Report.Weekly
	if len(sinks) == 0 {
		return usage(errors.New("[report] weekly of winnow.conf names no sink to send it to"))
	}
	r := weekRequest{Command: commandWeekly, Week: triage.WeekName(monday), At: g.now().UTC()}
	body, err := json.Marshal(r)
	if err != nil {
		return err
	}
	done := -1
	err = g.handOver(ctx, d, body, func(e *decider) error {
		return e.engine.Update(ctx, func(t *ledger.Tx) error {
			done, err = e.engine.PostWeek(t, g.weekly(d), monday, r.asked())
			return err
		})
	})
	switch {
	case err != nil:
		return err
	case done == 0:
		return usage(fmt.Errorf("no sink takes it: %s of [report] weekly is disabled, or %s is a folder of `winnow triage`", plain(strings.Join(sinks, ", ")), d.State))
	case done < 0:
		g.note("handed to the worker, for %s", plain(strings.Join(sinks, ", ")))
	default:
		g.note("%s waits for %s: the worker delivers it", r.Week, things(done, "sink", "sinks"))
	}
	return nil
}

// applyWeekly carries a request out for the worker.
func applyWeekly(t *ledger.Tx, w *triage.Worker, body []byte, log *slog.Logger) error {
	var r weekRequest
	err := triage.DecodeCommand(body, &r)
	var monday time.Time
	if err == nil {
		monday, err = parseWeek(r.Week)
	}
	if err != nil || w.Weekly == nil {
		log.Error("command refused", "command", commandWeekly, "err", err)
		return nil
	}
	n, err := w.Engine.PostWeek(t, w.Weekly, monday, r.asked())
	if err == nil {
		log.Info("a weekly report is sent because somebody asked", "week", r.Week, "sinks", n)
	}
	return err
}
