package ledger

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
)

func checkRollups(t testing.TB, l *Ledger) {
	t.Helper()
	if diff := rollupDiff(t.Context(), l); diff != "" {
		t.Error(diff)
	}
}

// rollupDiff holds what is kept against a scan of all alerts and calls.
func rollupDiff(ctx context.Context, l *Ledger) (diff string) {
	const (
		names  = "search_name, team, severity, rule, proposal, source, state, would, reason, disposition"
		amount = "count(*), sum(cost), sum(bytes)"
		month  = " / 1000000, 'unixepoch', 'start of month') * 1000000"
		groups = "search, team, severity, model, task, agent, state, replay, tier"
		booked = "count(*), sum(unpriced), sum(input), sum(cached), sum(cache_write), sum(output), sum(booked)"
	)
	for _, c := range []struct{ scan, kept string }{
		{
			"SELECT 0, 0, " + names + ", " + amount + " FROM alerts GROUP BY " + names + " UNION ALL " +
				"SELECT 1, unixepoch(received" + month + ", " + names + ", " + amount + " FROM alerts GROUP BY 2, " + names + " UNION ALL " +
				"SELECT 2, received - received % 86400000000, " + names + ", " + amount + " FROM alerts GROUP BY 2, " + names + " UNION ALL " +
				"SELECT 3, received - received % 86400000000, '', '', 0, '', '', source, state, would, reason, '', " + amount +
				" FROM alerts GROUP BY 2, source, state, would, reason",
			"SELECT * FROM alert_sums",
		},
		{
			"SELECT 0, 0, " + groups + ", " + booked + " FROM calls GROUP BY " + groups + " UNION ALL " +
				"SELECT 1, unixepoch(at" + month + ", " + groups + ", " + booked + " FROM calls GROUP BY 2, " + groups + " UNION ALL " +
				"SELECT 2, at - at % 86400000000, " + groups + ", " + booked + " FROM calls GROUP BY 2, " + groups + " UNION ALL " +
				"SELECT 3, at - at % 86400000000, '', '', 0, model, task, agent, state, replay, '', " + booked +
				" FROM calls GROUP BY 2, model, task, agent, state, replay",
			"SELECT * FROM call_sums",
		},
	} {
		scan, err := scanned(ctx, l, c.scan)
		kept, keptErr := scanned(ctx, l, c.kept)
		if err != nil || keptErr != nil {
			return fmt.Sprint(err, keptErr)
		}
		if d := cmp.Diff(scan, kept); d != "" {
			diff += fmt.Sprintf("%s: differs from a scan (-scan +kept):\n%s", c.kept, d)
		}
	}
	return diff + panelsDiff(ctx, l) + hitsDiff(ctx, l)
}

// hitsDiff does so for the last days of rules.
func hitsDiff(ctx context.Context, l *Ledger) (diff string) {
	scan := map[string]time.Time{}
	err := l.View(ctx, func(t *Tx) error {
		err := t.each(`SELECT rule, max(at) FROM (SELECT rule, received - received % 86400000000 AS at FROM alerts WHERE rule <> '' AND proposal <> 'escalate'
 UNION ALL SELECT rule, day FROM dropped) GROUP BY rule`, nil, func(row func(...any) error) error {
			var rule string
			var at int64
			err := row(&rule, &at)
			scan[rule] = timeOf(at)
			return err
		})
		kept, kerr := t.RuleHits()
		diff = cmp.Diff(scan, kept)
		return errors.Join(err, kerr)
	})
	if diff != "" || err != nil {
		return fmt.Sprintf("hits of rules differ from a scan, %v (-scan +kept):\n%s", err, diff)
	}
	return ""
}

// panelsDiff does so for the ways in which agents voted: it looks at every record that every alert ever had.
func panelsDiff(ctx context.Context, l *Ledger) (diff string) {
	scan, kept := map[string]int{}, map[string]int{}
	err := l.View(ctx, func(t *Tx) error {
		ids, err := t.IDs()
		if err != nil {
			return err
		}
		for _, id := range ids {
			way, err := scanPanel(t, id)
			if err != nil {
				return err
			}
			if way != "" {
				scan[way]++
			}
		}
		return t.Panels(func(p Panel) error {
			kept[fmt.Sprintf("%s|%s|%+v", p.SearchName, p.Label, p.Votes)] += p.Panels
			return nil
		})
	})
	if d := cmp.Diff(scan, kept); d != "" || err != nil {
		return fmt.Sprintf("panels differ from a scan, %v (-scan +kept):\n%s", err, d)
	}
	return ""
}

func scanPanel(t *Tx, id string) (way string, err error) {
	e, err := t.Alert(id)
	rec, rerr := t.Record(id)
	history, herr := t.History(id)
	reviews, verr := t.Reviews(id)
	if err := errors.Join(err, rerr, herr, verr); err != nil {
		return "", err
	}
	p := Panel{}
	if v := rec.Verdict; v.Source == winnow.SourcePerson && v.Disposition.Benign() {
		p.Label = PanelBenign
	} else if v.Source == winnow.SourcePerson && v.Disposition == winnow.TruePositive {
		p.Label = PanelAttack
	}
	for _, r := range reviews {
		if r.Disposition == winnow.TruePositive && !r.Weak {
			p.Label = PanelAttack
		} else if r.Weak && p.Label == "" {
			p.Label = PanelWeak
		}
	}
	for _, r := range slices.Backward(append(history, rec)) {
		s := r.Verdict.Source
		if len(r.Verdict.Votes) == 0 || s != winnow.SourceModel && s != winnow.SourceOffline {
			continue
		}
		for _, v := range r.Verdict.Votes {
			one := PanelVote{Agent: v.Agent, Vote: v.Vote, Confidence: v.Confidence, NotAsked: v.NotAsked(), Missing: v.Missing()}
			if v.Vote == winnow.VoteMalicious && len(v.Fields) > 0 && len(e.Alert.Fields[v.Fields[0]]) > 0 { // one at most, see anyVote
				one.Fields, p.SearchName = v.Fields, rec.SearchName
			}
			p.Votes = append(p.Votes, one)
		}
		return fmt.Sprintf("%s|%s|%+v", p.SearchName, p.Label, p.Votes), nil
	}
	return "", nil
}

var anyVote = rapid.Custom(func(t *rapid.T) winnow.Vote {
	return winnow.Vote{
		Agent:      rapid.SampledFrom([]string{"a", "b"}).Draw(t, "agent"),
		Vote:       rapid.SampledFrom([]winnow.VoteKind{winnow.VoteAbstain, winnow.VoteSafe, winnow.VoteMalicious}).Draw(t, "vote"),
		Confidence: rapid.SampledFrom([]int{0, 80}).Draw(t, "confidence"),
		Reason:     rapid.SampledFrom([]string{"odd", winnow.VoteNotAsked, winnow.VoteMissing + "late"}).Draw(t, "reason"),
		Fields:     rapid.SliceOfN(rapid.SampledFrom([]string{"src", "absent"}), 0, 1).Draw(t, "fields"),
	}
})

func scanned(ctx context.Context, l *Ledger, query string) (out []string, err error) {
	rows, err := l.conn.QueryContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	for rows.Next() {
		row, to := make([]any, len(columns)), make([]any, len(columns))
		for i := range row {
			to[i] = &row[i]
		}
		if err := rows.Scan(to...); err != nil {
			return nil, err
		}
		out = append(out, fmt.Sprintf("%v", row))
	}
	slices.Sort(out)
	return out, rows.Err()
}

// TestRollupsAreWhatAScanSays: after any sequence of adds, changes, calls, prunes, transactions that fail and
// restarts.
func TestRollupsAreWhatAScanSays(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		path := t.TempDir() + "/ledger.db"
		l, err := Open(t.Context(), path)
		if err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = l.Close() }()
		for range rapid.IntRange(1, 10).Draw(rt, "steps") {
			switch rapid.IntRange(0, 5).Draw(rt, "step") {
			case 0:
				if err = l.Close(); err == nil {
					l, err = Open(t.Context(), path)
				}
			case 1:
				c := charge(sample(rapid.IntRange(0, 4).Draw(rt, "alert")).Alert.ID, noon, winnow.NanoUSD(rapid.IntRange(0, 3).Draw(rt, "reserve")))
				c.Unpriced, c.Replay = rapid.Bool().Draw(rt, "unpriced"), rapid.Bool().Draw(rt, "replay")
				_, err = l.Reserve(t.Context(), c, Limits{})
			case 2:
				state := rapid.SampledFrom([]CallState{CallSettled, CallReleased, CallUnsettled}).Draw(rt, "call")
				err = l.Settle(t.Context(), int64(rapid.IntRange(1, 4).Draw(rt, "booking")), Settlement{State: state, Price: 2, InputTokens: 5, OutputTokens: 1})
			default:
				err = l.Update(t.Context(), func(tx *Tx) error { return randomChanges(rt, tx) })
				if err == errHalfway { //nolint:errorlint // it is returned as it is
					err = nil
				}
			}
			if err != nil {
				rt.Fatal(err)
			}
			if diff := rollupDiff(t.Context(), l); diff != "" {
				rt.Fatal(diff)
			}
		}
	})
}

func randomChanges(rt *rapid.T, tx *Tx) error {
	for range rapid.IntRange(1, 4).Draw(rt, "changes") {
		if rapid.IntRange(0, 9).Draw(rt, "prunes") == 0 {
			if _, err := tx.Prune(Keep{
				Records: noon.AddDate(0, 0, rapid.IntRange(-3, 1).Draw(rt, "before")), Fields: noon.AddDate(0, 0, rapid.IntRange(-3, 1).Draw(rt, "bare")), Now: noon,
			}, rapid.IntRange(1, 3).Draw(rt, "limit")); err != nil {
				return err
			}
			continue
		}
		e := sample(rapid.IntRange(0, 4).Draw(rt, "alert"))
		e.Alert.Received = noon.AddDate(0, 0, -rapid.IntRange(0, 2).Draw(rt, "day")).Add(time.Duration(e.Alert.Received.Second()) * time.Second)
		r := recordOf(e, anyState.Draw(rt, "state"))
		r.Proposal.Rule = rapid.SampledFrom([]string{"", "a", "b"}).Draw(rt, "rule")
		r.Verdict.Source = rapid.SampledFrom([]winnow.Source{winnow.SourceNone, winnow.SourceRule, winnow.SourceModel, winnow.SourcePerson}).Draw(rt, "source")
		r.Verdict.Votes = rapid.SliceOfN(anyVote, 0, 2).Draw(rt, "votes")
		r.Verdict.Disposition = rapid.SampledFrom([]winnow.Disposition{winnow.Undetermined, winnow.TruePositive, winnow.BenignPositive}).Draw(rt, "disposition")
		r.Cost.MicroUSD = int64(rapid.IntRange(0, 5).Draw(rt, "cost"))
		found, err := tx.Find(e.Alert.Key)
		if err != nil {
			return err
		}
		if found.ID == "" {
			err = tx.Add(e, r)
		} else {
			_, err = tx.Change(r, Links{})
		}
		if err == nil && rapid.IntRange(0, 3).Draw(rt, "reviewed") == 0 {
			err = tx.AddReview(Review{
				ID: e.Alert.ID, Actor: "ann", At: noon, Disposition: winnow.TruePositive, Weak: rapid.Bool().Draw(rt, "weak"),
			})
		}
		if err != nil {
			return err
		}
	}
	if rapid.Bool().Draw(rt, "fails") {
		return errHalfway
	}
	return nil
}
