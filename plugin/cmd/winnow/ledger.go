package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
)

func ledgerCommand(g *globals) *cobra.Command {
	var history bool
	export := withCSV(&cobra.Command{
		Use: "export", Short: "print the record of every alert", Args: cobra.NoArgs,
		Long: `Print the current record of every alert, the oldest first, also of those that still lie in the
spool (as queued). With --history, the records that an alert had before come ahead of its current one.`,
		Example: `  winnow ledger export --format json > records.ndjson
  winnow ledger export --format csv --state ./try`,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.ledgerExport(cmd.Context(), history) },
	})
	export.Flags().BoolVar(&history, "history", false, "also print what each record was before")
	return group("ledger", "what happened to every alert", `  winnow ledger export --format json
  winnow ledger show 01J9ZV3M4T5Q6R7S8T9VAWBXCY`,
		export, ledgerBackupCommand(g), ledgerRestoreCommand(g), verifyCommand(g), auditKeyCommand(g), acceptCommand(g),
		clockCommand(g), showCommand(g),
	)
}

func showCommand(g *globals) *cobra.Command {
	var prove bool
	cmd := &cobra.Command{
		Use: "show ID", Short: "tell one alert's whole story", Args: cobra.ExactArgs(1),
		Long: `Print everything the ledger knows of one alert: what came in, what the gate proposed, what the
analysts said and why, what was done, and what was written where.

With --proof, print what its outcome rested on, from the archive and not from today's files: the rule as
it was, the list entries that covered the alert's values, approvals with their signatures, policy, prompts
and answers, and the entries of the audit chain with the checkpoint that covers them. All of it is
verified on the way. What cannot be proven is said, and the exit code is 1.`,
		Example: `  winnow ledger show 01J9ZV3M4T5Q6R7S8T9VAWBXCY
  winnow ledger show 01J9ZV3M4T5Q6R7S8T9VAWBXCY --proof --format json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if prove {
				return g.ledgerProof(cmd.Context(), args[0])
			}
			return g.ledgerShow(cmd.Context(), args[0])
		},
	}
	cmd.Flags().BoolVar(&prove, "proof", false, "print what the outcome rested on, and verify it")
	return cmd
}

func (g *globals) ledgerProof(ctx context.Context, id string) error {
	var p *proof
	err := g.readLedger(ctx, func(d *state.Deployment, t *ledger.Tx) (err error) {
		if p, err = readProof(d, t, strings.ToUpper(id)); errors.Is(err, ledger.ErrNotFound) {
			err = usage(err, "`winnow ledger export` lists every alert with its id")
		}
		return err
	})
	if err != nil {
		return err
	}
	if g.format == formatJSON {
		err = g.json(p)
	} else {
		g.printProof(p)
	}
	if err == nil && len(p.Unproven) > 0 {
		return failed("%s could not be proven: %s", things(len(p.Unproven), "thing", "things"), p.Unproven[0])
	}
	return err
}

// readLedger opens the configuration and its ledger for reading.
func (g *globals) readLedger(ctx context.Context, f func(*state.Deployment, *ledger.Tx) error) error {
	d, err := g.open()
	if err != nil {
		return err
	}
	l, err := ledger.OpenReadOnly(ctx, d.Path("ledger.db"))
	if err != nil {
		return err
	}
	err = l.View(ctx, func(t *ledger.Tx) error { return f(d, t) })
	return errors.Join(err, l.Close())
}

func (g *globals) ledgerExport(ctx context.Context, history bool) error {
	p := newRecordPrinter(g)
	err := g.readLedger(ctx, func(d *state.Deployment, t *ledger.Tx) error {
		if err := p.all(t, history); err != nil {
			return err
		}
		_, err := g.exportSpool(d, &p, t.Find)
		return err
	})
	if errors.Is(err, ledger.ErrNone) {
		return g.exportUntriaged(&p, err)
	}
	return err
}

// exportUntriaged prints what lies in the spool of a deployment whose worker has never run.
func (g *globals) exportUntriaged(p *recordPrinter, none error) error {
	d, err := g.open()
	if err != nil {
		return err
	}
	n, err := g.exportSpool(d, p, func(winnow.Key) (ledger.Found, error) { return ledger.Found{}, nil })
	if err == nil && n == 0 {
		return none
	}
	return err
}

func (p *recordPrinter) all(t *ledger.Tx, history bool) error {
	ids, err := t.IDs()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if history {
			if err := p.before(t, id); err != nil {
				return err
			}
		}
		if err := p.one(t, id); err != nil {
			return err
		}
	}
	return nil
}

func (p *recordPrinter) before(t *ledger.Tx, id string) error {
	records, err := t.History(id)
	if err != nil {
		return err
	}
	for _, r := range records {
		body, err := json.Marshal(r)
		if err != nil {
			return err
		}
		if err := p.record(body); err != nil {
			return err
		}
	}
	return nil
}

// story is what `ledger show` prints as JSON.
type story struct {
	Record     winnow.Record          `json:"record"`
	History    []winnow.Record        `json:"history"`
	App        string                 `json:"app"`
	Owner      string                 `json:"owner"`
	Received   time.Time              `json:"received"`
	Fields     winnow.Fields          `json:"fields"`
	Warnings   []string               `json:"warnings"`
	Advice     json.RawMessage        `json:"recommendations"`
	Derived    string                 `json:"derived_from"`
	Joined     string                 `json:"joined"`
	Deliveries []ledger.DeliveryState `json:"deliveries"`
	Pages      []ledger.PageRow       `json:"pages,omitempty"`
	Reviews    []ledger.Review        `json:"reviews"`
	Calls      []ledger.Call          `json:"calls"`
}

func readStory(t *ledger.Tx, id string) (story, error) {
	var s story
	var err error
	if s.Record, err = t.Record(id); err != nil {
		return s, err
	}
	entry, err := t.Alert(id)
	if err != nil {
		return s, err
	}
	s.App, s.Owner, s.Received, s.Fields, s.Warnings = entry.Alert.App, entry.Alert.Owner, entry.Alert.Received, entry.Alert.Fields, entry.Alert.Warnings
	s.Derived, s.Joined, s.Advice = entry.Derived, entry.Joined, entry.Advice
	if s.History, err = t.History(id); err != nil {
		return s, err
	}
	if s.Deliveries, err = t.Deliveries(id); err != nil {
		return s, err
	}
	if s.Pages, err = t.PagesAlertHas(id); err != nil {
		return s, err
	}
	if s.Calls, err = t.Calls(id); err != nil {
		return s, err
	}
	s.Reviews, err = t.Reviews(id)
	s.normalize()
	return s, err
}

// normalize replaces lists that are not there by empty ones, so that none is printed as null.
func (s *story) normalize() {
	s.Warnings, s.History = orEmpty(s.Warnings), orEmpty(s.History)
	s.Deliveries, s.Reviews = orEmpty(s.Deliveries), orEmpty(s.Reviews)
	s.Calls = orEmpty(s.Calls)
	if s.Fields == nil {
		s.Fields = winnow.Fields{}
	}
	if s.Advice == nil {
		s.Advice = json.RawMessage("[]")
	}
}

func (g *globals) ledgerShow(ctx context.Context, id string) error {
	return g.readLedger(ctx, func(d *state.Deployment, t *ledger.Tx) error {
		s, err := readStory(t, strings.ToUpper(id))
		if err != nil {
			return usage(err, "`winnow ledger export` lists every alert with its id")
		}
		if g.format == formatJSON {
			return g.json(s)
		}
		g.printStory(d, &s)
		return nil
	})
}

func (g *globals) printStory(d *state.Deployment, s *story) {
	w := g.styled()
	r := &s.Record
	head := func(text string) { fmt.Fprintf(w, "\n%s\n", bold.Render(text)) }
	line := func(name, format string, args ...any) {
		if text := fmt.Sprintf(format, args...); text != "" {
			fmt.Fprintf(w, "  %s %s\n", dim.Render(fmt.Sprintf("%-14s", name)), strings.ReplaceAll(plain(text), "\n", "\n                 "))
		}
	}
	fmt.Fprintf(w, "%s  %s\n", bold.Render(plain(r.SearchName)), stateStyle(r.Outcome.State).Render(string(r.Outcome.State)))
	line("alert", "%s", r.ID)
	line("time", "%s, received %s", r.Time.Format(time.RFC3339), s.Received.Format(time.RFC3339))
	line("severity", "%s", r.Severity)
	line("search", "sid %s, rid %s, app %s, owner %s", r.SID, r.RID, orDash(s.App), orDash(s.Owner))
	for _, text := range s.Warnings {
		line("warning", "%s", text)
	}
	head("What happened")
	line("what", "%s", r.Verdict.Case.What)
	line("why", "%s", r.Verdict.Case.Why)
	line("first response", "%s", r.Verdict.Case.FirstResponse)
	g.printAdvice(line, s.Advice)
	head("How it was decided")
	line("gate", "%s: %s", r.Proposal.Kind, strings.TrimSpace(string(r.Proposal.Reason)+" "+r.Proposal.Rule))
	for _, v := range r.Verdict.Votes {
		line(v.Agent, "%s %d: %s", v.Vote, v.Confidence, v.Reason)
	}
	line("verdict", "%s, confidence %d (stated %d), by %s", r.Verdict.Disposition, r.Verdict.Confidence, r.Verdict.Stated, orDash(string(r.Verdict.Source)))
	line("techniques", "%s", strings.Join(r.Verdict.Techniques, ", "))
	line("benign facts", "%s", strings.Join(r.Verdict.Facts, ", "))
	line("taint", "%s", strings.Join(r.Verdict.Taint, ", "))
	line("derived from", "%s", s.Derived)
	line("joined", "%s", s.Joined)
	line("outcome", "%s (%s) by %s, run %s%s", r.Outcome.State, r.Outcome.Reason, r.Outcome.Actor, r.Outcome.Run, wouldBe(r))
	line("cost", "%s in %s", winnow.NanoUSD(r.Cost.MicroUSD*1000), things(r.Cost.Calls, "call", "calls"))
	printLedgerCalls(s.Calls, head, line)
	head("Fields")
	for _, name := range s.Fields.Names() {
		control := d.Fields.Lookup(r.SearchName, name).Control
		fmt.Fprintf(w, "  %s %s %s\n", dim.Render(fmt.Sprintf("%-8s", control)), plain(name), oneLine("= "+strings.Join(s.Fields[name], " | "), 160))
	}
	g.printTrail(s, head, line)
}

// printLedgerCalls tells every attempt of every call that was made for the alert.
func printLedgerCalls(calls []ledger.Call, head func(string), line func(string, string, ...any)) {
	for i := range calls {
		c := &calls[i]
		if i == 0 {
			head("Calls")
		}
		name, price := c.Task, winnow.NanoUSD(c.BookedNano).String()
		if c.Agent != "" {
			name = c.Agent
		}
		if c.Replay {
			name = "replay:" + name
		}
		if c.Unpriced {
			price = "no price"
		}
		line(name, "%s%s, attempt %d at %s: %d tokens in (%d cached), %d out, %s, %s%s", c.Model, answered(c), c.Attempt,
			c.At.Format(time.RFC3339), c.Input, c.Cached, c.Output, price, c.State, because(c))
		line("", "%s of %s left, %s", things(c.Bytes, "byte", "bytes"), orDash(strings.Join(c.Fields, ", ")), orDash(c.SHA256))
	}
}

func answered(c *ledger.Call) string {
	if c.Answered == "" || c.Answered == c.Model {
		return ""
	}
	return " (as " + c.Answered + ")"
}

func because(c *ledger.Call) string {
	if c.Reason == "" || c.Reason == "ok" {
		return ""
	}
	return " (" + c.Reason + ")"
}

func (g *globals) printAdvice(line func(string, string, ...any), advice json.RawMessage) {
	var list []struct{ Kind, Target, Reason string }
	if json.Unmarshal(advice, &list) != nil {
		return
	}
	for _, a := range list {
		line("recommended", "%s: %s", strings.TrimSpace(a.Kind+" "+a.Target), a.Reason)
	}
}

func (g *globals) printTrail(s *story, head func(string), line func(string, string, ...any)) {
	if len(s.History)+len(s.Reviews)+len(s.Deliveries) == 0 {
		return
	}
	head("Trail")
	for _, r := range s.History {
		line("was", "%s (%s) by %s at %s", r.Outcome.State, r.Outcome.Reason, r.Outcome.Actor, r.Outcome.Time.Format(time.RFC3339))
	}
	for _, r := range s.Reviews {
		weak := ""
		if r.Weak {
			weak = " (one of many at once)"
		}
		line("review", "%s by %s at %s: %s %s%s", r.Action, r.Actor, r.At.Format(time.RFC3339), r.Disposition, r.Reason, weak)
	}
	for _, x := range s.Deliveries {
		when := "waits, tried " + things(x.Attempts, "time", "times") + strings.TrimRight(": "+x.Error, ": ")
		if !x.Done.IsZero() {
			when = "delivered " + x.Done.Format(time.RFC3339) + strings.TrimRight(" "+x.Error, " ")
		}
		line("sink "+x.Sink, "%s %s", x.Kind, when)
	}
	for _, p := range s.Pages {
		line("page "+p.Sink, "%s since %s%s%s", p.State, p.Opened.Format(time.RFC3339), about(", by ", p.Actor), about(", known there as ", p.Ref))
	}
}

func wouldBe(r *winnow.Record) string {
	if r.Outcome.Would == "" {
		return ""
	}
	return ", would be " + string(r.Outcome.Would)
}

// about is a text behind its introduction, and nothing for no text.
func about(introduction, text string) string {
	if text == "" {
		return ""
	}
	return introduction + text
}

func orDash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}

// exportSpool prints the alerts that lie in the spool and that find does not know, as queued. It
// returns how many there are.
func (g *globals) exportSpool(d *state.Deployment, p *recordPrinter, find func(winnow.Key) (ledger.Found, error)) (n int, err error) {
	entries, err := alertaction.ReadSpool(d.Path("spool"), g.now())
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	keys, err := d.Keys()
	if err != nil {
		return 0, err
	}
	for _, e := range entries {
		rec, err := alertaction.OpenRecord(e.Path)
		if rec == nil && errors.Is(err, fs.ErrNotExist) {
			continue // imported meanwhile
		}
		if rec == nil {
			return n, err
		}
		for item, err := range rec.Rows(keys) {
			if err != nil {
				return n, err
			}
			found, err := find(item.Alert.Key)
			if err != nil {
				return n, err
			}
			if found.ID != "" {
				continue
			}
			n++
			if err := p.queued(&item); err != nil {
				return n, err
			}
		}
	}
	return n, nil
}

func (p *recordPrinter) queued(item *alertaction.Item) error {
	body, err := json.Marshal(winnow.NewRecord(item.Alert, item.Proposal))
	if err != nil {
		return err
	}
	return p.record(body)
}
