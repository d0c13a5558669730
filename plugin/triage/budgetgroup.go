package triage

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// With [budget] when_spent = group, what waits in the review queue for want of money gets no notable event of
// its own. One finding stands for all of a day: it is escalated with the first of them, and says by risk what
// there is. When a person has settled it, the next alert brings another.

// SearchUnpaid is the name under which that finding stands. No search of Splunk is called so.
const SearchUnpaid = "winnow: budget spent"

// unpaidMeta is the finding that stands for the alerts of a day.
const unpaidMeta = "unpaid_finding"

type unpaidFinding struct {
	Day  string `json:"day"` // of UTC
	N    int    `json:"n"`   // the how manyth of the day
	ID   string `json:"id"`
	Says string `json:"says"` // what it last said

	At    time.Time       `json:"at"`    // when
	Worst winnow.Severity `json:"worst"` // of the alerts that it told of
}

// retellAfter is how often the finding tells anew how many there are. Something more severe is told at once.
const retellAfter = 15 * time.Minute

// unpaid reports whether the finding stands for an alert.
func (e *Engine) unpaid(rec *winnow.Record) bool {
	return e.Settings.Budget.WhenSpent == conf.SpentGroup && rec.Outcome.State == winnow.StateInReview &&
		rec.Outcome.Reason == winnow.ReasonNoBudget && rec.Outcome.Run == winnow.RunEnforce && !isFinding(rec.Proposal)
}

// standIn makes sure that the finding is there when it is to stand for an alert, in the same transaction.
func (e *Engine) standIn(t *ledger.Tx, rec *winnow.Record) error {
	if !e.unpaid(rec) {
		return nil
	}
	today := e.Now().UTC().Format(time.DateOnly)
	was, err := readUnpaid(t)
	if err != nil {
		return err
	}
	if was.Day == today {
		if open, err := openFinding(t, was.ID); err != nil || open {
			return err
		}
	} else {
		was = unpaidFinding{Day: today}
	}
	was.N++
	was.Says, was.At, was.Worst = "", e.Now().UTC(), rec.Severity
	was.ID, err = e.raiseFinding(t, finding{
		search: SearchUnpaid, sid: "budget:" + today, rid: strconv.Itoa(was.N), severity: rec.Severity, state: winnow.StateEscalated,
		fields: winnow.Fields{"budget_day": {today}}, reason: winnow.ReasonNoBudget,
		text: unpaidText([]unpaidGroup{{rec.Severity, rec.SearchName, 1}}),
	})
	if err != nil {
		return err
	}
	return keepUnpaid(t, was)
}

func readUnpaid(t *ledger.Tx) (u unpaidFinding, err error) {
	text, err := t.Meta(unpaidMeta)
	if err != nil || text == "" || json.Unmarshal([]byte(text), &u) != nil {
		return unpaidFinding{}, err
	}
	return u, nil
}

func keepUnpaid(t *ledger.Tx, u unpaidFinding) error {
	text, err := json.Marshal(u)
	if err != nil {
		return fmt.Errorf("triage: encode the finding of a budget: %w", err)
	}
	return t.SetMeta(unpaidMeta, string(text))
}

// openFinding reports whether a finding still waits for a person.
func openFinding(t *ledger.Tx, id string) (bool, error) {
	rec, err := t.Record(id)
	if errors.Is(err, ledger.ErrNotFound) {
		return false, nil
	}
	return err == nil && isOpen(rec.Outcome.State) && rec.Verdict.Source != winnow.SourcePerson, err
}

// unpaidGroup is how many alerts of a severity and a search wait for want of money.
type unpaidGroup struct {
	severity winnow.Severity
	search   string
	alerts   int
}

// listUnpaid brings the finding up to date.
func (w *Worker) listUnpaid(ctx context.Context, now time.Time) error {
	e := w.Engine
	if e.Settings.Budget.WhenSpent != conf.SpentGroup {
		return nil
	}
	var was unpaidFinding
	var says winnow.Case
	var worst winnow.Severity
	due := false
	err := e.Ledger.View(ctx, func(t *ledger.Tx) (err error) {
		if was, err = readUnpaid(t); err != nil || was.Day != now.UTC().Format(time.DateOnly) {
			return err
		}
		if due, err = openFinding(t, was.ID); err != nil || !due {
			return err
		}
		groups, err := unpaidGroups(t, now)
		if due = len(groups) > 0; !due || err != nil {
			return err
		}
		says, worst = unpaidText(groups), groups[0].severity
		due = says.Why != was.Says && (now.Sub(was.At) >= retellAfter || rank(worst) > rank(was.Worst))
		return nil
	})
	if err != nil || !due {
		return err
	}
	return e.Update(ctx, func(t *ledger.Tx) error { return e.retell(t, was, says, worst) })
}

// retell gives the finding another text. It pages nobody again: its state is what it was.
func (e *Engine) retell(t *ledger.Tx, was unpaidFinding, says winnow.Case, worst winnow.Severity) error {
	if open, err := openFinding(t, was.ID); err != nil || !open {
		return err
	}
	entry, err := t.Alert(was.ID)
	if err != nil {
		return err
	}
	rec, err := t.Record(was.ID)
	if err != nil {
		return err
	}
	rec.Verdict.Case, rec.Severity = says, rankedMax(rec.Severity, worst)
	rec.Outcome.Time = e.Now().UTC()
	was.Says, was.At, was.Worst = says.Why, rec.Outcome.Time, worst
	if err := e.Settle(t, &entry, &rec); err != nil {
		return err
	}
	return keepUnpaid(t, was)
}

// rank orders severities for people: unknown counts as high.
func rank(s winnow.Severity) int {
	if s == winnow.SeverityUnknown {
		s = winnow.SeverityHigh
	}
	return int(s)
}

func rankedMax(a, b winnow.Severity) winnow.Severity {
	if rank(b) > rank(a) {
		return b
	}
	return a
}

// unpaidGroups are the alerts of a day that wait for want of money, by risk.
func unpaidGroups(t *ledger.Tx, now time.Time) ([]unpaidGroup, error) {
	type key struct {
		severity winnow.Severity
		search   string
	}
	count := map[key]int{}
	from, to := ledger.PeriodDay.Span(now)
	err := t.Tallies(ledger.Span{From: from, To: to}, func(y *ledger.Tally) {
		if y.State == winnow.StateInReview && y.Reason == winnow.ReasonNoBudget && y.SearchName != SearchUnpaid {
			count[key{y.Severity, y.SearchName}] += y.Alerts
		}
	})
	var out []unpaidGroup
	for k, n := range count {
		if n > 0 {
			out = append(out, unpaidGroup{k.severity, k.search, n})
		}
	}
	slices.SortFunc(out, func(a, b unpaidGroup) int {
		return cmp.Or(rank(b.severity)-rank(a.severity), b.alerts-a.alerts, strings.Compare(a.search, b.search))
	})
	return out, err
}

// Of so many groups the finding tells, and of the name of a search so many bytes.
const (
	unpaidTold = 10
	unpaidName = 60
)

func unpaidText(groups []unpaidGroup) winnow.Case {
	all := 0
	var told []string
	for i, g := range groups {
		all += g.alerts
		if i < unpaidTold {
			told = append(told, fmt.Sprintf("%s %.*q: %d", g.severity, unpaidName, g.search, g.alerts))
		}
	}
	if more := len(groups) - len(told); more > 0 {
		told = append(told, fmt.Sprintf("and %d more", more))
	}
	noun := "alerts wait"
	if all == 1 {
		noun = "alert waits"
	}
	return winnow.Case{
		What: fmt.Sprintf("No money is left to ask models: %d %s for a person, with what the offline analysts say.", all, noun),
		Why:  "The most severe first: " + strings.Join(told, "; ") + ".",
		FirstResponse: "Decide about them with `winnow review list`; `winnow budget show` says which limit it is, " +
			"`winnow budget raise DOLLARS --for TIME` raises it.",
	}
}
