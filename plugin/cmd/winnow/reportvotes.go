package main

import (
	"context"
	"fmt"
	"strconv"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/state"
)

const reportVotesHelp = `Say of every agent of the panel what it said, how often the panel would have decided otherwise without
it (changed; of these, how often it alone made a close possible, or kept one from it), how often it was
wrong where a person knows the truth, and what its votes cost for each decision that they changed.

For pairs of agents: how often they agree, and by people's labels how their errors hang together (phi: 1
when they err together, 0 when independently). An agent that changes nothing, or errs with another, earns
little. Weak labels, of more than ten changes that a person made within a minute, are counted apart (weak)
and for nothing else. Votes are added up by the weights of winnow.conf as it is now. CSV has the agents
alone.`

func reportVotesCommand(g *globals) *cobra.Command {
	return withCSV(&cobra.Command{
		Use: "votes", Short: "what each agent of the panel changes, costs and gets wrong", Args: cobra.NoArgs, Long: reportVotesHelp,
		Example: `  winnow report votes
  winnow report votes --format json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.reportVotes(cmd.Context()) },
	})
}

func (g *globals) reportVotes(ctx context.Context) error {
	return g.readLedger(ctx, func(d *state.Deployment, t *ledger.Tx) error {
		weights := agentWeights(d.Settings)
		v, err := report.NewVotes(t, func(a *winnow.Alert, votes []winnow.Vote) string {
			return string(llm.Decide(a, d.Fields, weights, votes))
		})
		if err != nil {
			return err
		}
		return g.printVotes(v)
	})
}

func agentWeights(s *conf.Settings) map[string]float64 {
	weights := map[string]float64{}
	for name, a := range s.Agents {
		weights[name] = a.Weight
	}
	return weights
}

func (g *globals) printVotes(v *report.Votes) error {
	agents := &grid{
		head: []string{"AGENT", "PANELS", "SAFE", "SUSPICIOUS", "MALICIOUS", "ABSTAINED", "NOT ASKED", "NO ANSWER", "CHANGED", "TO CLOSE", "AGAINST", "LABELLED", "WEAK", "WRONG", "CALLS", "PAID", "PER CHANGE"},
		num:  map[int]bool{},
	}
	for i := 1; i < len(agents.head); i++ {
		agents.num[i] = true
	}
	for i := range v.Agents {
		a := &v.Agents[i]
		wrong := "-"
		if a.ErrorRate != nil {
			wrong = percent(*a.ErrorRate)
		}
		row := []string{plain(a.Name)}
		for _, n := range []int{a.Panels, a.Safe, a.Suspicious, a.Malicious, a.Abstained, a.NotAsked, a.Missing, a.Changed, a.ToClose, a.AgainstClose, a.Labelled, a.Weak} {
			row = append(row, strconv.Itoa(n))
		}
		agents.add(append(row, wrong, strconv.Itoa(a.Calls), moneyOf(a.MicroUSD), moneyOf(a.PerChanged))...)
	}
	switch {
	case g.format == formatJSON:
		return g.json(v)
	case g.format == formatCSV:
		return g.csv(agents)
	case v.Panels == 0:
		g.note("no alert was put to the vote")
		return nil
	}
	g.print("%s to the vote", things(v.Panels, "alert was put", "alerts were put"))
	g.text(agents)
	g.print("")
	g.text(pairsTable(v.Pairs))
	return nil
}

func pairsTable(pairs []report.VotePair) *grid {
	t := &grid{
		head: []string{"PAIR", "BOTH VOTED", "AGREED", "LABELLED", "BOTH WRONG", "FIRST WRONG", "SECOND WRONG", "BOTH RIGHT", "PHI"},
		num:  map[int]bool{1: true, 2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true},
	}
	for _, p := range pairs {
		agreed, phi := "-", "-"
		if p.Agreement != nil {
			agreed = percent(*p.Agreement)
		}
		if p.Phi != nil {
			phi = fmt.Sprintf("%.2f", *p.Phi)
		}
		t.add(plain(p.A+", "+p.B), strconv.Itoa(p.Together), agreed, strconv.Itoa(p.Labelled), strconv.Itoa(p.BothWrong),
			strconv.Itoa(p.OnlyA), strconv.Itoa(p.OnlyB), strconv.Itoa(p.BothRight), phi)
	}
	return t
}

// moneyOf writes an amount; one that is not known is no zero.
func moneyOf(micro *int64) string {
	if micro == nil {
		return "-"
	}
	return (winnow.NanoUSD(*micro) * 1000).String()
}
