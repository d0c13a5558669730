package main

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/ledger"
)

// spanFlags are the flags of reports over whole days of UTC; without them a report is over all that the ledger has.
type spanFlags struct {
	days  int
	month string
}

func (f *spanFlags) add(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.days, "days", 0, "only the last `N` days of UTC, today with them (default: all that is kept)")
	cmd.Flags().StringVar(&f.month, "month", "", "only the `MONTH` of UTC, like 2026-11")
}

// span returns the time that is looked at.
func (f *spanFlags) span(now time.Time) (ledger.Span, error) {
	tomorrow := now.UTC().Truncate(24*time.Hour).AddDate(0, 0, 1)
	switch {
	case f.days != 0 && f.month != "":
		return ledger.Span{}, usage(fmt.Errorf("--days and --month say two things: give one"))
	case f.month != "":
		from, err := time.Parse("2006-01", f.month)
		if err != nil {
			return ledger.Span{}, usage(fmt.Errorf("--month is %q, want a month like 2026-11", f.month))
		}
		return ledger.Span{From: from, To: from.AddDate(0, 1, 0)}, nil
	case f.days == 0:
		return ledger.Span{}, nil
	case f.days < 0 || f.days > 3650:
		return ledger.Span{}, usage(fmt.Errorf("--days is %d, want 1 to 3650", f.days))
	}
	return ledger.Span{From: tomorrow.AddDate(0, 0, -f.days), To: tomorrow}, nil
}
