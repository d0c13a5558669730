package main

import (
	"bytes"
	"fmt"
	"strconv"
	"time"

	"charm.land/lipgloss/v2"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// recordPrinter prints the current records of alerts in the format asked for: one JSON object a
// line, CSV, or a line for people.
type recordPrinter struct {
	g    *globals
	head bool
}

func newRecordPrinter(g *globals) recordPrinter {
	return recordPrinter{g: g}
}

func (p *recordPrinter) one(t *ledger.Tx, id string) error {
	body, err := t.RecordJSON(id)
	if err != nil {
		return err
	}
	return p.record(body)
}

func (p *recordPrinter) record(body []byte) error {
	if p.g.format == formatJSON {
		_, err := p.g.out.Write(append(bytes.Clone(escapeControls(body)), '\n'))
		return err
	}
	r, err := ledger.DecodeRecord(body)
	if err != nil {
		return err
	}
	if p.g.format == formatCSV {
		return p.row(&r)
	}
	p.line(&r)
	return nil
}

var recordColumns = []string{
	"id", "search_name", "sid", "rid", "time", "severity", "proposal", "rule", "disposition", "confidence", "source", "state", "reason", "actor", "would", "microusd",
}

func (p *recordPrinter) row(r *winnow.Record) error {
	g := &grid{head: recordColumns}
	g.add(r.ID, r.SearchName, r.SID, r.RID, r.Time.Format(time.RFC3339), r.Severity.String(), string(r.Proposal.Kind), r.Proposal.Rule,
		r.Verdict.Disposition.String(), strconv.Itoa(r.Verdict.Confidence), string(r.Verdict.Source), string(r.Outcome.State),
		string(r.Outcome.Reason), r.Outcome.Actor, string(r.Outcome.Would), strconv.FormatInt(r.Cost.MicroUSD, 10))
	return p.g.csvRows(g, !p.head, &p.head)
}

// line prints a record in fixed columns, so that a long run streams instead of waiting for the
// widest cell.
func (p *recordPrinter) line(r *winnow.Record) {
	w := p.g.styled()
	if !p.head {
		p.head = true
		fmt.Fprintln(w, dim.Render(fmt.Sprintf("%-26s  %-19s  %-13s  %-40s  %-10s  %s", "ID", "TIME", "SEVERITY", "SEARCH", "OUTCOME", "REASON")))
	}
	state := string(r.Outcome.State)
	reason := string(r.Outcome.Reason)
	if r.Proposal.Rule != "" && r.Outcome.Reason == winnow.ReasonRule {
		reason += " " + r.Proposal.Rule
	}
	if r.Outcome.State == winnow.StateLeft {
		reason += fmt.Sprintf(" (would be %s)", r.Outcome.Would)
	}
	fmt.Fprintf(w, "%-26s  %-19s  %-13s  %-40s  %s  %s\n", r.ID, r.Time.Format("2006-01-02 15:04:05"), r.Severity,
		oneLine(r.SearchName, 40), stateStyle(r.Outcome.State).Render(fmt.Sprintf("%-10s", state)), oneLine(reason, 60))
}

func (p *recordPrinter) end() error { return nil }

func stateStyle(s winnow.State) lipgloss.Style {
	switch s {
	case winnow.StateClosed:
		return green
	case winnow.StateEscalated:
		return red
	case winnow.StateInReview:
		return yellow
	case winnow.StateQueued, winnow.StateLeft:
	}
	return dim
}
