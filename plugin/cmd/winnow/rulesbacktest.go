package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/llm/prices"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/rules"
)

const backtestHelp = `Decide past alerts as the gate would have, each at its own time, and say for every rule what it would
drop, what that saves and how severe it is. Alerts come from a file in any format that winnow triage
reads, or without --alerts from the ledger. PATH names rule files or folders (default: the content's).

A label in the file (attack, benign, unknown), or a person's verdict in the ledger, tells which drops
were wrong: any true positive that a rule would have dropped is listed, and the exit code is 1. A
shadow rule is tried as if it were enforced, and counted apart. The escalate list is asked first, as
in the gate; suspensions and samples do not count.

--compare DIR names other rules, or a content folder with rules/ and lists/: what these drop and
those did not is gained, the other way round is lost.`

type backtestFlags struct {
	sampleFlags

	compare string
	list    int
}

func rulesBacktestCommand(g *globals) *cobra.Command {
	var f backtestFlags
	cmd := withCSV(&cobra.Command{
		Use: "backtest [PATH...]", Short: "try rules on past alerts, and find the attacks they would have hidden", Long: backtestHelp,
		Example: `  winnow rules backtest --alerts alerts.ndjson.gz
  winnow rules backtest --since 30d                # on the ledger
  winnow rules backtest --alerts alerts.ndjson --content ./content --compare ../main/content`,
		RunE: func(cmd *cobra.Command, args []string) error { return g.rulesBacktest(cmd.Context(), args, &f) },
	})
	f.add(cmd)
	cmd.Flags().StringVar(&f.compare, "compare", "", "say what changes against the rules in `DIR`")
	cmd.Flags().IntVar(&f.list, "list", 20, "list at most `N` true positives; the rest is counted")
	return cmd
}

func (g *globals) rulesBacktest(ctx context.Context, paths []string, f *backtestFlags) error {
	if f.list < 0 || f.list > 100_000 {
		return usage(fmt.Errorf("--list is %d, want 0 to 100000", f.list))
	}
	d, err := g.openFor(f.file)
	if err != nil {
		return err
	}
	o := allowlist.BacktestOptions{List: f.list}
	if o.Since, o.Until, err = f.span(g.now()); err != nil {
		return err
	}
	set, problems, err := g.loadRules(paths)
	if err != nil {
		return err
	}
	if o.Candidate, err = g.candidate(d, set, d.EscalatePaths()); err != nil {
		return err
	}
	if f.compare != "" {
		if o.Before, err = g.compared(d, f.compare); err != nil {
			return err
		}
	}
	b, err := allowlist.RunBacktest(ctx, g.samples(ctx, d, f.file), o)
	if err != nil {
		return err
	}
	p := backtestPrinter{g: g, b: b, compared: f.compare, unit: g.unitPrice(d)}
	if err := p.print(); err != nil {
		return err
	}
	return backtestVerdict(b, problems)
}

// backtestVerdict is the exit code: what could not be read was not tried, so it proves nothing.
func backtestVerdict(b *allowlist.Backtest, problems []*rules.Error) error {
	broken := errorsAmong(problems)
	hidden := len(b.Hidden) + b.HiddenMore
	switch {
	case len(broken) > 0:
		return &exitError{exitFailed, fmt.Errorf("some rules could not be read, and were not tried:\n%w", details(broken)), nil}
	case hidden > 0:
		return failed("%s would have been dropped", things(hidden, "true positive", "true positives"))
	}
	return nil
}

// openFor opens the configuration; for alerts of a file it needs no state.
func (g *globals) openFor(file string) (*state.Deployment, error) {
	if file == "" {
		return g.open()
	}
	if file != "-" {
		if err := checkFiles([]string{file}); err != nil {
			return nil, usage(err)
		}
	}
	return g.openTools()
}

// candidate makes rules ready to be tried. Without a good escalate list nothing can be said.
func (g *globals) candidate(d *state.Deployment, set *rules.Set, escalatePaths []string) (allowlist.Candidate, error) {
	lists, err := loadLists(d)
	if lists == nil {
		return allowlist.Candidate{}, err
	}
	escalate, err := rules.LoadEscalate(rules.Options{Fields: d.Fields, Lists: lists, Now: g.now()}, escalatePaths...)
	if err != nil {
		return allowlist.Candidate{}, usage(fmt.Errorf("escalate list: %w", err))
	}
	c := allowlist.NewCandidate(set, escalate)
	for _, r := range set.Rules() {
		if c.Failing[r.ID] {
			g.note("warning: rule %q drops nothing: its own tests fail (see `winnow rules test`)", r.ID)
		}
		if err := r.ListError(); err != nil {
			g.note("warning: rule %q matches nothing: %s", r.ID, plain(err.Error()))
		}
	}
	return c, nil
}

// compared reads the rules to compare with: a content folder, or a folder of rules that read the
// lists of the content.
func (g *globals) compared(d *state.Deployment, dir string) (*allowlist.Candidate, error) {
	if info, err := os.Stat(dir); err != nil {
		return nil, usage(fmt.Errorf("--compare: %w", err))
	} else if !info.IsDir() {
		return nil, usage(fmt.Errorf("--compare: %s is not a folder (name one with rules, or with rules/ in it)", dir))
	}
	path, listPaths := dir, d.ListPaths()
	if sub := filepath.Join(dir, "rules"); isFolder(sub) {
		path = sub
		if lists := filepath.Join(dir, "lists"); isFolder(lists) {
			listPaths = []string{lists}
		}
	}
	lists, err := rules.LoadLists(rules.ListOptions{Folders: listPaths, Shrink: d.Settings.Gate.ListShrink})
	if lists == nil {
		return nil, err
	}
	set, err := rules.Load(rules.Options{Fields: d.Fields, Lists: lists, Now: g.now()}, path)
	for _, p := range rules.Errors(err) {
		g.note("warning: --compare: %s", plain(p.Error()))
	}
	if set == nil {
		return nil, err
	}
	if len(set.Rules()) == 0 {
		g.note("warning: --compare: no good rules in %s: everything is gained", dir)
	}
	c, err := g.candidate(d, set, d.EscalatePaths())
	return &c, err
}

func isFolder(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// unitPrice estimates what one alert with this much text costs; nil when the model has no price.
func (g *globals) unitPrice(d *state.Deployment) func(bytes int64) winnow.NanoUSD {
	table, err := openPrices(d)
	if err == nil {
		return priceOf(d, table, g.now())
	}
	g.note("warning: %s", plain(err.Error()))
	return nil
}

func priceOf(d *state.Deployment, table *prices.Table, at time.Time) func(int64) winnow.NanoUSD {
	if _, ok := report.PerAlert(d.Settings, table, at, 0); !ok {
		return nil
	}
	return func(bytes int64) winnow.NanoUSD {
		cost, _ := report.PerAlert(d.Settings, table, at, bytes)
		return cost
	}
}

// saved is what a number of alerts with so much text between them would have cost.
func saved(unit func(int64) winnow.NanoUSD, alerts int, bytes int64) *int64 {
	if unit == nil {
		return nil
	}
	micro := (unit(bytes/max(int64(alerts), 1)) * winnow.NanoUSD(alerts)).Micro()
	return &micro
}

func usd(micro *int64) string {
	if micro == nil {
		return "no price"
	}
	return (winnow.NanoUSD(*micro) * 1000).String()
}

// backtestPrinter prints what came out.
type backtestPrinter struct {
	g        *globals
	b        *allowlist.Backtest
	compared string
	unit     func(int64) winnow.NanoUSD
}

type backtestRule struct {
	Rule       string         `json:"rule"`
	Mode       rules.Mode     `json:"mode"`
	File       string         `json:"file"`
	Line       int            `json:"line"`
	Covers     int            `json:"covers"`
	Drops      int            `json:"drops"`
	Saved      *int64         `json:"saved_microusd"` // null: the model has no price
	Benign     int            `json:"benign"`
	Attack     int            `json:"attack"`
	Undecided  int            `json:"undecided"`
	Unsaid     int            `json:"unsaid"`
	Severities map[string]int `json:"severities"`
	Errors     int            `json:"errors"`
	TestsFail  bool           `json:"tests_fail"`
}

type backtestHidden struct {
	Rules      []string        `json:"rules"`
	ID         string          `json:"id"`
	SID        string          `json:"sid"`
	RID        string          `json:"rid"`
	SearchName string          `json:"search_name"`
	Time       time.Time       `json:"time"`
	Severity   winnow.Severity `json:"severity"`
	Line       int             `json:"line"`
}

type backtestChange struct {
	Rule          string     `json:"rule"`
	Mode          rules.Mode `json:"mode"`
	Gained        int        `json:"gained"`
	Lost          int        `json:"lost"`
	GainedAttacks int        `json:"gained_attacks"`
	LostAttacks   int        `json:"lost_attacks"`
}

type backtestJSON struct {
	Alerts    int              `json:"alerts"`
	Benign    int              `json:"benign"`
	Attack    int              `json:"attack"`
	Undecided int              `json:"undecided"`
	Unsaid    int              `json:"unsaid"`
	Dropped   int              `json:"dropped"`
	Shadowed  int              `json:"shadowed"`
	Rules     []backtestRule   `json:"rules"`
	Hidden    []backtestHidden `json:"true_positives"`
	More      int              `json:"true_positives_more"`
	Changes   []backtestChange `json:"changes"`
}

func (p *backtestPrinter) rule(r *allowlist.RuleBacktest) backtestRule {
	out := backtestRule{
		Rule: r.Rule.ID, Mode: r.Rule.Mode, File: r.Rule.Pos.File, Line: r.Rule.Pos.Line, Covers: r.Covers, Drops: r.Drops,
		Saved: saved(p.unit, r.Drops, r.Bytes), Benign: r.Truths[allowlist.TruthBenign], Attack: r.Truths[allowlist.TruthAttack],
		Undecided: r.Truths[allowlist.TruthUndecided], Unsaid: r.Truths[allowlist.TruthUnsaid],
		Severities: map[string]int{}, Errors: r.Errors, TestsFail: r.Failing,
	}
	for s, n := range r.Severities {
		if n > 0 {
			out.Severities[winnow.Severity(s).String()] = n
		}
	}
	return out
}

func (p *backtestPrinter) print() error {
	switch p.g.format {
	case formatJSON:
		return p.json()
	case formatCSV:
		return p.csv()
	}
	p.table()
	return nil
}

func (p *backtestPrinter) json() error {
	b := p.b
	out := backtestJSON{
		Alerts: b.Alerts, Benign: b.Truths[allowlist.TruthBenign], Attack: b.Truths[allowlist.TruthAttack],
		Undecided: b.Truths[allowlist.TruthUndecided], Unsaid: b.Truths[allowlist.TruthUnsaid],
		Dropped: b.Dropped, Shadowed: b.Shadowed, More: b.HiddenMore,
		Rules: []backtestRule{}, Hidden: []backtestHidden{}, Changes: []backtestChange{},
	}
	for i := range b.Rules {
		out.Rules = append(out.Rules, p.rule(&b.Rules[i]))
	}
	for _, h := range b.Hidden {
		out.Hidden = append(out.Hidden, backtestHidden{
			ruleIDs(h.Rules), h.ID, h.Key.SID, h.Key.RID, h.SearchName, h.Time.UTC(), h.Severity, h.Line,
		})
	}
	for _, c := range b.Changes {
		out.Changes = append(out.Changes, backtestChange{c.Rule, c.Mode, c.Gained, c.Lost, c.GainedAttacks, c.LostAttacks})
	}
	return p.g.json(out)
}

func ruleIDs(set []*rules.Rule) []string {
	ids := make([]string, 0, len(set))
	for _, r := range set {
		ids = append(ids, r.ID)
	}
	return ids
}

// csv is the table of rules, or with --compare that of changes.
func (p *backtestPrinter) csv() error {
	if p.compared != "" {
		return p.g.csv(p.changes())
	}
	t := &grid{head: []string{"rule", "mode", "covers", "drops", "saved_microusd", "benign", "attack", "undecided", "unsaid", "severities"}}
	for i := range p.b.Rules {
		r := p.rule(&p.b.Rules[i])
		money := ""
		if r.Saved != nil {
			money = strconv.FormatInt(*r.Saved, 10)
		}
		t.add(r.Rule, string(r.Mode), strconv.Itoa(r.Covers), strconv.Itoa(r.Drops), money, strconv.Itoa(r.Benign),
			strconv.Itoa(r.Attack), strconv.Itoa(r.Undecided), strconv.Itoa(r.Unsaid), severityWords(&p.b.Rules[i]))
	}
	return p.g.csv(t)
}

func (p *backtestPrinter) changes() *grid {
	t := &grid{
		head: []string{"RULE", "MODE", "GAINED", "LOST", "ATTACKS GAINED", "ATTACKS LOST"},
		num:  map[int]bool{2: true, 3: true, 4: true, 5: true},
	}
	for _, c := range p.b.Changes {
		t.add(c.Rule, string(c.Mode), strconv.Itoa(c.Gained), strconv.Itoa(c.Lost), strconv.Itoa(c.GainedAttacks), strconv.Itoa(c.LostAttacks))
	}
	if p.g.format == formatCSV {
		t.head = []string{"rule", "mode", "gained", "lost", "gained_attacks", "lost_attacks"}
	}
	return t
}

func severityWords(r *allowlist.RuleBacktest) string {
	var words []string
	for s, n := range r.Severities {
		if n > 0 {
			words = append(words, fmt.Sprintf("%s %d", winnow.Severity(s), n))
		}
	}
	return strings.Join(words, ", ")
}

// table prints the rules that cover something, what came of the comparison, and what was hidden.
func (p *backtestPrinter) table() {
	b, w := p.b, p.g.styled()
	t := &grid{
		head: []string{"RULE", "MODE", "DROPS", "SAVED", "BENIGN", "ATTACK", "UNDECIDED", "UNSAID", "ALSO", "SEVERITIES"},
		num:  map[int]bool{2: true, 3: true, 4: true, 5: true, 6: true, 7: true, 8: true},
	}
	idle := 0
	for i := range b.Rules {
		r := p.rule(&b.Rules[i])
		if r.Covers == 0 {
			idle++
			continue
		}
		t.add(r.Rule, string(r.Mode), strconv.Itoa(r.Drops), usd(r.Saved), strconv.Itoa(r.Benign), strconv.Itoa(r.Attack),
			strconv.Itoa(r.Undecided), strconv.Itoa(r.Unsaid), strconv.Itoa(r.Covers-r.Drops), severityWords(&b.Rules[i]))
	}
	if len(t.rows) > 0 {
		p.g.text(t)
		fmt.Fprintln(w)
	}
	p.summary(w, idle)
	if p.compared != "" {
		p.comparison(w)
	}
	p.hidden(w)
}

func (p *backtestPrinter) summary(w io.Writer, idle int) {
	b := p.b
	var dropped, shadowed, droppedBytes, shadowedBytes int64
	for i := range b.Rules {
		r := &b.Rules[i]
		if r.Rule.Mode == rules.ModeEnforce {
			dropped, droppedBytes = dropped+int64(r.Drops), droppedBytes+r.Bytes
		} else {
			shadowed, shadowedBytes = shadowed+int64(r.Drops), shadowedBytes+r.Bytes
		}
	}
	line := func(n int64, bytes int64, what string) {
		if n > 0 {
			fmt.Fprintf(w, "%d of %s %s: %s saved\n", n, things(b.Alerts, "alert", "alerts"), what, usd(saved(p.unit, int(n), bytes)))
		}
	}
	line(dropped, droppedBytes, "would be dropped")
	line(shadowed, shadowedBytes, "more would be dropped if shadow rules were enforced")
	if dropped+shadowed == 0 {
		fmt.Fprintf(w, "none of %s would be dropped\n", things(b.Alerts, "alert", "alerts"))
	}
	if idle > 0 {
		fmt.Fprintf(w, "%s nothing\n", things(idle, "rule covers", "rules cover"))
	}
	if b.Errors > 0 {
		fmt.Fprintf(w, "%s in an error, which is no match\n", things(b.Errors, "evaluation ended", "evaluations ended"))
	}
}

func (p *backtestPrinter) comparison(w io.Writer) {
	fmt.Fprintf(w, "\n%s\n", bold.Render("Against "+plain(p.compared)))
	if len(p.b.Changes) == 0 {
		fmt.Fprintln(w, "the same alerts are dropped")
		return
	}
	p.g.text(p.changes())
}

func (p *backtestPrinter) hidden(w io.Writer) {
	b := p.b
	if len(b.Hidden)+b.HiddenMore == 0 {
		if b.Truths[allowlist.TruthAttack]+b.Truths[allowlist.TruthBenign] == 0 {
			fmt.Fprintln(w, yellow.Render("no alert has a label or a person's verdict: nothing is proven"))
			return
		}
		if n := b.Truths[allowlist.TruthAttack]; n > 0 {
			fmt.Fprintln(w, green.Render(fmt.Sprintf("none of %s would be dropped", things(n, "true positive", "true positives"))))
		} else {
			fmt.Fprintln(w, yellow.Render("no true positive is among them: that none would be dropped proves little"))
		}
		return
	}
	fmt.Fprintf(w, "\n%s\n", red.Render("True positives that would have been dropped"))
	t := &grid{head: []string{"RULES", "TIME", "SEVERITY", "SEARCH", "ALERT"}}
	for _, h := range b.Hidden {
		t.add(strings.Join(ruleIDs(h.Rules), " "), h.Time.UTC().Format(time.RFC3339), h.Severity.String(), oneLine(h.SearchName, 60), oneLine(alertName(&h), 60))
	}
	if len(t.rows) > 0 {
		p.g.text(t)
	}
	if b.HiddenMore > 0 {
		fmt.Fprintf(w, "and %d more (--list N shows more)\n", b.HiddenMore)
	}
}

// alertName is how a person finds the alert again.
func alertName(h *allowlist.Hidden) string {
	if h.ID != "" {
		return h.ID
	}
	return fmt.Sprintf("line %d, sid %s, rid %s", h.Line, h.Key.SID, h.Key.RID)
}
