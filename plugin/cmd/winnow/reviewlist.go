package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
	"github.com/winnow-soc/winnow/plugin/state"
)

// listFlags are the flags of `winnow review list`.
type listFlags struct {
	filter          review.Filter
	severity, state string
	after           string
}

func reviewListCommand(g *globals) *cobra.Command {
	var f listFlags
	cmd := withCSV(&cobra.Command{
		Use: "list", Short: "what waits for a person", Args: cobra.NoArgs,
		Long: `List what waits for a person: escalated alerts first, then the review queue, by severity. Alerts
that repeat one another stand as one group, which one decision settles; groups about one host or account
stand together. A page that is not the last ends with how to see the next.`,
		Example: `  winnow review list
  winnow review list --limit 5 --format json
  winnow review list --severity high --entity user=ann`,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.reviewList(cmd.Context(), f) },
	})
	flags := cmd.Flags()
	flags.IntVar(&f.filter.Limit, "limit", 20, "at most `N` groups; 0 shows all")
	flags.StringVar(&f.state, "outcome", "", "only escalated, or only in_review (`OUTCOME`)")
	flags.StringVar(&f.filter.Search, "search", "", "only alerts of the search of this `NAME`")
	flags.StringVar(&f.severity, "severity", "", "only this `SEVERITY` and above")
	flags.StringVar(&f.filter.Entity, "entity", "", "only what is about a host or account: `FIELD=VALUE`, or the value alone")
	flags.StringVar(&f.after, "after", "", "the next page: what an earlier one named as `PLACE`")
	return cmd
}

// read turns the flags into a filter.
func (f *listFlags) read() error {
	switch state := winnow.State(f.state); state {
	case "", winnow.StateEscalated, winnow.StateInReview:
		f.filter.State = state
	default:
		return usage(fmt.Errorf("unknown outcome %q (want escalated or in_review)", f.state))
	}
	if f.severity == "" {
		return nil
	}
	return usage(f.filter.Severity.UnmarshalText([]byte(f.severity)))
}

func (g *globals) reviewList(ctx context.Context, f listFlags) error {
	if err := f.read(); err != nil {
		return err
	}
	return g.readLedger(ctx, func(_ *state.Deployment, t *ledger.Tx) error {
		page, err := review.Queue(t, f.filter, f.after)
		if errors.Is(err, review.ErrCursor) {
			return usage(err, "give --after what an earlier `winnow review list` named")
		}
		if err != nil {
			return err
		}
		return g.printWaiting(&page)
	})
}

func (g *globals) printWaiting(page *review.Page) error {
	table := &grid{head: []string{"ID", "STATE", "SEVERITY", "ALERTS", "ENTITY", "SEARCH", "VERDICT", "WHAT"}, num: map[int]bool{3: true}}
	for _, gr := range page.Groups {
		if g.format == formatJSON {
			if err := g.json(gr); err != nil {
				return err
			}
		}
		r := &gr.First
		state := string(r.Outcome.State)
		if g.format == formatTable {
			state = stateStyle(r.Outcome.State).Render(state)
		}
		table.rows = append(table.rows, []string{
			r.ID, state, r.Severity.String(), fmt.Sprint(gr.Size), oneLine(entityName(gr.Entity), 28), oneLine(r.SearchName, 36),
			fmt.Sprintf("%s %d", r.Verdict.Disposition, r.Verdict.Confidence), oneLine(r.Verdict.Case.What, 70),
		})
	}
	if g.format == formatCSV {
		if err := g.csv(table); err != nil {
			return err
		}
	}
	switch {
	case g.format != formatTable:
	case page.Storms == 0:
		g.note("nothing waits for a person")
	case len(page.Groups) == 0:
		g.note("nothing of this waits; %s in all", things(page.Storms, "group does", "groups do"))
	default:
		g.text(table)
		g.note("\ndecide with `winnow review show ID`, then `approve ID`, `reject ID` or `correct ID --as DISPOSITION`")
	}
	if page.Next != "" {
		g.note("%d of %s; the next: --after %s", len(page.Groups), things(page.Storms, "group", "groups"), page.Next)
	}
	return nil
}

func entityName(e winnow.Evidence) string {
	if e.Field == "" {
		return "-"
	}
	return e.Field + "=" + e.Value
}
