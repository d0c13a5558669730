package main

import (
	"fmt"
	"strings"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/winnow-soc/winnow"
)

// Rows of the screen that are not events: head, funnel and a line, the heads of the columns; below them a line, the
// selected alert, and the keys.
const (
	topRows    = 4
	detailRows = 10
	footRows   = 2
)

// screen draws everything, for a terminal of the model's size. All text of alerts passes through oneLine.
func (m *watchModel) screen() string {
	if m.width < 40 || m.height < topRows+footRows+3 {
		return "the terminal is too small"
	}
	if m.shown != nil {
		return m.caseScreen()
	}
	lines := append([]string{m.headLine(), m.funnelLine(), m.ruleLine(), dim.Render(m.row("TIME", "OUTCOME", "SEVERITY", "SEARCH", "VOTES", "WHAT"))}, m.eventRows()...)
	if m.hasDetail() {
		lines = append(lines, m.ruleLine())
		lines = append(lines, m.detail()...)
	}
	for len(lines) < m.height-footRows {
		lines = append(lines, "")
	}
	return strings.Join(append(lines, m.ruleLine(), m.footLine()), "\n")
}

func (m *watchModel) ruleLine() string { return dim.Render(strings.Repeat("─", m.width)) }

func (m *watchModel) hasDetail() bool { return m.height >= topRows+footRows+detailRows+6 }

// eventRoom is how many events fit.
func (m *watchModel) eventRoom() int {
	room := m.height - topRows - footRows
	if m.hasDetail() {
		room -= detailRows + 1
	}
	return room
}

func (m *watchModel) headLine() string {
	s := &m.status
	total := 0
	for _, g := range s.gauges.Alerts {
		total += g.Alerts
	}
	worker := red.Render("● no worker")
	if !s.beat.IsZero() && s.at.Sub(s.beat) <= m.grace {
		worker = green.Render("● worker alive")
	}
	parts := []string{bold.Render("winnow watch"), things(total, "alert", "alerts"), worker, fmt.Sprintf("today %s in %s", s.spent, things(s.calls, "call", "calls"))}
	if m.note != "" {
		parts = append(parts, dim.Render(oneLine(m.note, 60)))
	}
	if m.paused {
		parts = append(parts, yellow.Render(fmt.Sprintf("paused, %d new", len(m.held))))
	}
	return m.fitted(strings.Join(parts, "   "))
}

// fitted cuts a line with colours to the width of the screen.
func (m *watchModel) fitted(line string) string {
	return lipgloss.NewStyle().MaxWidth(m.width).Render(line)
}

// funnelLine says where alerts ended.
func (m *watchModel) funnelLine() string {
	closed := map[winnow.Source]int{}
	states := map[winnow.State]int{}
	for _, g := range m.status.gauges.Alerts {
		if g.State == winnow.StateClosed {
			closed[g.Source] += g.Alerts
		}
		states[g.State] += g.Alerts
	}
	part := func(style lipgloss.Style, name string, n int) string {
		if n == 0 {
			style = dim
		}
		return style.Render(fmt.Sprintf("%s %d", name, n))
	}
	return m.fitted(dim.Render("closed by ") + strings.Join([]string{
		part(green, "rules", closed[winnow.SourceRule]), part(green, "cache", closed[winnow.SourceCache]),
		part(green, "analysts", closed[winnow.SourceOffline]), part(green, "models", closed[winnow.SourceModel]),
		part(green, "people", closed[winnow.SourcePerson]),
	}, "  ") + dim.Render("  │  ") + strings.Join([]string{
		part(yellow, "in review", states[winnow.StateInReview]), part(red, "escalated", states[winnow.StateEscalated]),
		part(bold, "left", states[winnow.StateLeft]), part(bold, "queued", states[winnow.StateQueued]),
	}, "  "))
}

// wide is the width from which on there is room for votes.
const wide = 100

// row lays the columns of an event out; the last takes what is left.
func (m *watchModel) row(at, outcome, severity, search, votes, what string) string {
	line := fmt.Sprintf("%-8s  %-10s %-13s %-24s ", at, outcome, severity, oneLine(search, 24))
	if m.width >= wide {
		line += fmt.Sprintf("%-16s ", oneLine(votes, 16))
	}
	left := m.width - lipgloss.Width(line) - 2
	if left < 1 {
		return m.fitted("  " + line)
	}
	return m.fitted("  " + line + oneLine(what, left))
}

func (m *watchModel) eventRows() (out []string) {
	visible := m.visible()
	room := m.eventRoom()
	first := max(0, min(m.cursor-room/2, len(visible)-room))
	for i := first; i < len(visible) && len(out) < room; i++ {
		r := &visible[i].record
		line := m.row(visible[i].at.Format(time.TimeOnly), stateOrWould(r), r.Severity.String(), r.SearchName, voteWords(r.Verdict.Votes), eventWhat(r))
		style := stateStyle(r.Outcome.State)
		if i == m.cursor {
			style = style.Bold(true).Faint(false)
			line = ">" + line[1:]
		}
		out = append(out, style.Render(line))
	}
	if len(visible) == 0 {
		out = append(out, dim.Render("  nothing yet"))
	}
	for len(out) < room {
		out = append(out, "")
	}
	return out
}

func stateOrWould(r *winnow.Record) string {
	if r.Outcome.State == winnow.StateLeft && r.Outcome.Would != "" {
		return "(" + string(r.Outcome.Would) + ")"
	}
	return string(r.Outcome.State)
}

// voteWords counts the votes that say something: "1 malicious, 2 safe".
func voteWords(votes []winnow.Vote) string {
	said := strings.ToLower(winnow.CountVotes(votes, winnow.VoteMalicious, winnow.VoteSuspicious, winnow.VoteSafe))
	if said == "" && len(votes) > 0 {
		return "all abstain"
	}
	return said
}

// eventWhat is what an event says in a line: who closed it, or what a person should know.
func eventWhat(r *winnow.Record) string {
	if r.Outcome.State == winnow.StateClosed {
		return r.Outcome.Actor + ": " + r.Verdict.Case.What
	}
	return r.Verdict.Case.What
}

// detail tells of the selected alert: gates, votes and arguments, the decision.
func (m *watchModel) detail() (out []string) {
	e, found := m.selected()
	if !found {
		return nil
	}
	r := &e.record
	add := func(name, text string, style lipgloss.Style) {
		if text != "" && len(out) < detailRows {
			out = append(out, m.fitted("  "+dim.Render(fmt.Sprintf("%-13s ", oneLine(name, 13)))+style.Render(oneLine(text, max(1, m.width-17)))))
		}
	}
	none := lipgloss.NewStyle()
	out = append(out, m.fitted("  "+bold.Render(oneLine(r.SearchName, 40))+"  "+dim.Render(oneLine(r.ID, 26))))
	add("gate", strings.TrimSpace(fmt.Sprintf("%s: %s %s", r.Proposal.Kind, r.Proposal.Reason, r.Proposal.Rule)), none)
	for _, v := range r.Verdict.Votes {
		add(v.Agent, fmt.Sprintf("%s %d: %s", v.Vote, v.Confidence, v.Reason), voteStyle(v.Vote))
	}
	switch r.Verdict.Source {
	case winnow.SourceOffline, winnow.SourceModel, winnow.SourcePerson:
		add("coordinator", fmt.Sprintf("%s, confidence %d, by %s", r.Verdict.Disposition, r.Verdict.Confidence, r.Verdict.Source), none)
	case winnow.SourceNone, winnow.SourceRule, winnow.SourceCache: // nobody had to be asked
	}
	if len(r.Verdict.Taint) > 0 {
		add("taint", strings.Join(r.Verdict.Taint, ", "), red)
	}
	add("outcome", fmt.Sprintf("%s (%s) by %s%s", r.Outcome.State, r.Outcome.Reason, r.Outcome.Actor, wouldBe(r)), stateStyle(r.Outcome.State))
	add("why", r.Verdict.Case.Why, none)
	add("next", r.Verdict.Case.FirstResponse, none)
	return out
}

func voteStyle(k winnow.VoteKind) lipgloss.Style {
	switch k {
	case winnow.VoteMalicious:
		return red
	case winnow.VoteSuspicious:
		return yellow
	case winnow.VoteSafe:
		return green
	case winnow.VoteAbstain:
	}
	return dim
}

func (m *watchModel) footLine() string {
	switch {
	case m.asking != nil:
		return m.fitted(yellow.Render(oneLine(m.asking.says, max(1, m.width-8)) + "  y/n"))
	case m.typing:
		return m.fitted("filter: " + oneLine(m.filter, 60) + "▏")
	case m.said != "":
		return m.fitted(oneLine(m.said, m.width))
	}
	text := "↑↓ select   enter case   a approve   r reject   / filter   space pause   q quit"
	if m.shown != nil {
		text = "↑↓ scroll   a approve   r reject   esc back   q quit"
	}
	if m.filter != "" {
		text = "filter: " + oneLine(m.filter, 30) + " (esc clears)   " + text
	}
	return m.fitted(dim.Render(text))
}

// caseScreen shows one case, whole.
func (m *watchModel) caseScreen() string {
	room := m.height - footRows
	m.scroll = max(0, min(m.scroll, len(m.shown)-room))
	lines := make([]string, 0, m.height)
	for i := m.scroll; i < len(m.shown) && len(lines) < room; i++ {
		lines = append(lines, m.fitted(m.shown[i]))
	}
	for len(lines) < room {
		lines = append(lines, "")
	}
	return strings.Join(append(lines, m.ruleLine(), m.footLine()), "\n")
}
