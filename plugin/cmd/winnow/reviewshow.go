package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
	"github.com/winnow-soc/winnow/plugin/state"
)

// reviewSite is what cases need to know of the deployment. What cannot be read makes a case say less: it
// keeps nobody from deciding.
func (g *globals) reviewSite(d *state.Deployment, t *ledger.Tx) review.Site {
	s := review.Site{Now: g.now(), Fields: d.Fields, FactTTL: d.Settings.Review.FactTTL, CacheTTL: d.Settings.Cache.TTL}
	if text, err := t.Meta(replayMeta); err == nil && text != "" { // a folder of `winnow triage`: the clock stands where its files left it
		if clock, err := time.Parse(time.RFC3339Nano, text); err == nil {
			s.Now = clock
		}
	}
	catalogue, err := readCatalogue(d.Default("attack.csv"))
	if err != nil {
		g.note("warning: %s: techniques have no names", plain(err.Error()))
	}
	s.Technique = func(id string) (string, []string, bool) {
		t, known := catalogue.Technique(id)
		return t.Name, t.Tactics, known
	}
	facts, err := llm.LoadFacts(d.FactsPaths()...)
	if err != nil {
		g.note("warning: %s: nobody can say what a decision becomes", plain(err.Error()))
		return s
	}
	lists, _ := loadLists(d) // `rules check` says what is wrong with them
	s.Facts = func(a *winnow.Alert) [][]winnow.Evidence {
		return facts.Precedents(llm.Input{Alert: a, Fields: d.Fields, Lists: lists})
	}
	return s
}

func (g *globals) reviewShow(ctx context.Context, id string) error {
	return g.readLedger(ctx, func(d *state.Deployment, t *ledger.Tx) error {
		c, err := review.ReadCase(t, g.reviewSite(d, t), strings.ToUpper(id))
		if errors.Is(err, ledger.ErrNotFound) {
			return usage(err, "`winnow review list` shows what waits")
		}
		if err != nil {
			return err
		}
		if g.format == formatJSON {
			return g.json(c)
		}
		g.printCase(c)
		return nil
	})
}

// casePrinter writes a case for a terminal. Everything in it passes through plain.
type casePrinter struct{ g *globals }

func (p casePrinter) head(text string) { fmt.Fprintf(p.g.styled(), "\n%s\n", bold.Render(text)) }

func (p casePrinter) line(name, format string, args ...any) {
	if text := fmt.Sprintf(format, args...); text != "" {
		fmt.Fprintf(p.g.styled(), "  %s %s\n", dim.Render(fmt.Sprintf("%-14s", plain(name))), strings.ReplaceAll(plain(text), "\n", "\n                 "))
	}
}

func (g *globals) printCase(c *review.Case) {
	p := casePrinter{g}
	fmt.Fprintf(g.styled(), "%s  %s\n", bold.Render(plain(c.SearchName)), stateStyle(c.Outcome.State).Render(string(c.Outcome.State)))
	p.line("alert", "%s", c.ID)
	p.line("time", "%s, received %s", c.Time.Format(time.RFC3339), c.Received.Format(time.RFC3339))
	p.line("severity", "%s", c.Severity)
	p.line("search", "sid %s, rid %s, app %s, owner %s", c.SID, c.RID, orDash(c.App), orDash(c.Owner))
	if c.Group.Size > 1 {
		p.line("group", "%d alerts wait for the same answer", c.Group.Size)
	}
	for _, text := range c.Warnings {
		p.line("warning", "%s", text)
	}
	p.head("What happened")
	p.line("what", "%s", c.Lines.What)
	p.line("why", "%s", c.Lines.Why)
	p.line("first response", "%s", c.Lines.FirstResponse)
	for _, a := range c.Advice {
		p.line("recommended", "%s: %s", strings.TrimSpace(a.Kind+" "+a.Target), a.Reason)
	}
	p.fields(c)
	p.decided(c)
	p.past(c)
	p.trail(c)
	p.head("What a decision would do")
	for _, choice := range c.Choices {
		name := string(choice.Action)
		if choice.Action == review.Correct {
			name = "as " + choice.Disposition.String()
		}
		p.line(name, "%s", choice.Says)
	}
}

func (p casePrinter) fields(c *review.Case) {
	p.head("Fields")
	if c.FieldsGone {
		p.line("", "past retention")
	}
	for _, f := range c.Fields {
		cited := ""
		if len(f.CitedBy) > 0 {
			cited = "  <- " + strings.Join(f.CitedBy, ", ")
		}
		fmt.Fprintf(p.g.styled(), "  %s %s %s%s\n", dim.Render(fmt.Sprintf("%-8s", f.Control)), plain(f.Name),
			oneLine("= "+strings.Join(f.Values, " | "), 160), dim.Render(plain(cited)))
	}
	for _, e := range c.Evidence {
		if !e.Agrees {
			p.line("evidence", "%s = %s is cited, and the alert has %s", e.Field, e.Value, orDash(strings.Join(e.Raw, " | ")))
		}
	}
}

func (p casePrinter) decided(c *review.Case) {
	p.head("How it was decided")
	for _, gate := range c.Gates {
		p.line(gate.Gate, "%s: %s", strings.ReplaceAll(string(gate.Did), "_", " "), gate.Why)
	}
	for _, v := range c.Verdict.Votes {
		p.line(v.Agent, "%s %d: %s", v.Vote, v.Confidence, v.Reason)
	}
	for _, t := range c.Techniques {
		p.line("technique", "%s", strings.TrimSpace(t.ID+" "+t.Name+" "+t.URL))
	}
	p.line("benign facts", "%s", strings.Join(c.Verdict.Facts, ", "))
	p.line("taint", "%s", strings.Join(c.Verdict.Taint, ", "))
	p.line("cost", "%s in %s", winnow.NanoUSD(c.Cost.MicroUSD*1000), things(c.Cost.Calls, "call", "calls"))
}

func (p casePrinter) past(c *review.Case) {
	if len(c.Entities) == 0 {
		return
	}
	p.head("Before")
	for _, e := range c.Entities {
		var counts []string
		for _, n := range e.Counts {
			counts = append(counts, fmt.Sprintf("%d %s (%s)", n.Alerts, n.Disposition, n.State))
		}
		p.line(e.Field, "%s: %s", e.Value, orNone(strings.Join(counts, ", "), "no alert in 30 days"))
	}
	for _, s := range c.Similar {
		by := string(s.Source)
		if s.By != "" {
			by = s.By + ": " + s.Reason
		}
		p.line("alike", "%s %s %s, %s (%s) %s", s.ID, s.Received.Format(time.RFC3339), oneLine(s.SearchName, 36), s.Disposition, s.State, strings.TrimRight(by, ": "))
	}
}

func (p casePrinter) trail(c *review.Case) {
	if len(c.History)+len(c.Reviews) == 0 {
		return
	}
	p.head("So far")
	for _, r := range c.History {
		p.line("was", "%s (%s) by %s at %s", r.Outcome.State, r.Outcome.Reason, r.Outcome.Actor, r.Outcome.Time.Format(time.RFC3339))
	}
	for _, r := range c.Reviews {
		p.line("review", "%s by %s at %s: %s %s", r.Action, r.Actor, r.At.Format(time.RFC3339), r.Disposition, r.Reason)
	}
}

func orNone(text, none string) string {
	if text == "" {
		return none
	}
	return text
}
