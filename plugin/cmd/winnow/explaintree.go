package main

import (
	"fmt"
	"io"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/rules"
)

// Widths beyond which what authors and attackers wrote is cut.
const (
	partWidth   = 72
	reasonWidth = 110
)

func (g *globals) printExplanation(x *explanation, alone bool) {
	w := g.styled()
	a := &x.Alert
	fmt.Fprintf(w, "%s  %s\n", bold.Render(oneLine(a.SearchName, partWidth)), dim.Render(fmt.Sprintf("alert %d of %d in %s", x.Nr, x.Of, oneLine(x.File, partWidth))))
	fmt.Fprintf(w, "  %s\n", oneLine(fmt.Sprintf("severity %s, sid %s, rid %s, time %s", a.Severity, orDash(a.SID), orDash(a.RID), a.Time.UTC().Format(time.RFC3339)), 160))
	fmt.Fprintf(w, "  %s\n", gateSays(&x.Decision))
	failed := &grid{head: []string{"RULE", "VALUE", "THE FIRST PART THAT FAILED", "WHY"}}
	for i := range x.Rules {
		r := &x.Rules[i]
		if alone || r.Matches {
			printRuling(w, r)
			continue
		}
		failed.rows = append(failed.rows, failedRow(r))
	}
	if len(failed.rows) > 0 {
		fmt.Fprintf(w, "\n%s\n", bold.Render(things(len(failed.rows), "rule in scope does not match", "rules in scope do not match")))
		g.text(failed)
	}
	if len(x.Rules) == 0 {
		fmt.Fprintf(w, "\nno rule is in scope of this search\n")
	}
}

// gateSays says in a line what rules and escalate list make of the alert.
func gateSays(d *allowlist.Decision) string {
	switch d.Kind {
	case winnow.ProposeDrop:
		if d.Reason == winnow.ReasonCanary {
			return green.Render("dropped") + " by " + plain(d.Rule) + ", and triaged all the same as a sample (canary)"
		}
		return green.Render("dropped") + " by " + plain(d.Rule)
	case winnow.ProposeEscalate:
		return red.Render("escalated") + " by entry " + plain(d.Rule) + " of the escalate list"
	case winnow.ProposePass, winnow.ProposeCached:
	}
	text := yellow.Render("not dropped") + ": " + string(d.Reason)
	if d.Rule != "" {
		text += " (" + plain(d.Rule) + ")"
	}
	return text
}

func printRuling(w io.Writer, r *allowlist.Ruling) {
	verdict := red.Render("does not match")
	if r.Matches {
		verdict = green.Render("matches")
	}
	if r.Drops {
		verdict += ", " + green.Render("drops")
	} else if r.Matches {
		verdict += ", " + yellow.Render("does not drop: "+string(r.Reason))
	}
	fmt.Fprintf(w, "\n%s  %s  %s\n", bold.Render(plain(r.Rule)), verdict, dim.Render(fmt.Sprintf("%s:%d", plain(r.File), r.Line)))
	fmt.Fprintf(w, "  %s\n", oneLine(r.Why, 160))
	for _, p := range r.Picks {
		fmt.Fprintf(w, "  for event.%s = %s, one of %d values\n", oneLine(p.Field, 40), oneLine(fmt.Sprintf("%q", p.Value), 60), p.Of)
	}
	if r.Root != nil {
		t := &treePrinter{}
		t.add(r.Root, "", "")
		t.print(w)
	}
	for _, s := range r.Steps {
		mark := green.Render("ok  ")
		if !s.OK {
			mark = red.Render("no  ")
		}
		fmt.Fprintf(w, "  %s %s %s\n", mark, dim.Render(fmt.Sprintf("%-13s", s.Name)), oneLine(s.Detail, 140))
	}
}

// failedRow is a rule that does not match, in a line.
func failedRow(r *allowlist.Ruling) []string {
	row := []string{plain(r.Rule), valueStyle(rules.ValueError).Render("error"), "", oneLine(r.Why, reasonWidth)}
	if r.Failed != nil {
		row[1], row[2] = valueStyle(r.Failed.Value).Render(string(r.Failed.Value)), oneLine(r.Failed.Text, partWidth)
		row[3] = oneLine(r.Failed.Because(), reasonWidth)
	}
	return row
}

func valueStyle(v rules.Value) lipgloss.Style {
	switch v {
	case rules.ValueTrue:
		return green
	case rules.ValueFalse, rules.ValueError:
		return red
	case rules.ValueUnknown:
		return yellow
	case rules.ValueSkipped:
	}
	return dim
}

// treePrinter lays a condition out: a line a part, with its value in front and what was read behind.
type treePrinter struct {
	lines []treeLine
	width int // of the widest part that has a reason
}

type treeLine struct{ value, branch, text, reason string }

func (t *treePrinter) add(p *rules.Part, branch, below string) {
	text := oneLine(p.Text, partWidth)
	if len(p.Parts) > 0 {
		text = connective(p.Kind)
	}
	t.lines = append(t.lines, treeLine{string(p.Value), branch, text, oneLine(p.Reason, reasonWidth)})
	if p.Reason != "" {
		t.width = max(t.width, lipgloss.Width(branch+text))
	}
	for i, kid := range p.Parts {
		if i == len(p.Parts)-1 {
			t.add(kid, below+"└─ ", below+"   ")
		} else {
			t.add(kid, below+"├─ ", below+"│  ")
		}
	}
}

// connective is what stands for a part whose own parts follow.
func connective(kind string) string {
	switch kind {
	case "and":
		return "all of"
	case "or":
		return "any of"
	case "choose":
		return "if, then, else"
	}
	return kind
}

func (t *treePrinter) print(w io.Writer) {
	for _, l := range t.lines {
		pad := strings.Repeat(" ", max(0, t.width-lipgloss.Width(l.branch+l.text)))
		text := l.text
		if l.value == string(rules.ValueSkipped) {
			text = dim.Render(text)
		}
		line := valueStyle(rules.Value(l.value)).Render(fmt.Sprintf("%-8s", l.value)) + " " + dim.Render(l.branch) + text
		if l.reason != "" {
			line += pad + "  " + dim.Render(l.reason)
		}
		fmt.Fprintf(w, "  %s\n", line)
	}
}
