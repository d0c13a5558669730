package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/rules"
)

const suggestHelp = `Look for what recurs among the alerts that people closed as false or benign positives, and write
rules for it: each on the narrowest condition that covers a cluster, over fields that fields.csv says
an attacker cannot set, with owner, reason, expiry and tests taken from the alerts. Alerts come from
the ledger, or with --alerts from a file with labels (benign, attack, unknown).

A rule is suggested only if a backtest on the same alerts proves it: at least --hits benign alerts on
two days or more, no true positive of whatever severity, and none that is undecided. What one of the
content's rules drops already gives none. Where no field tells anything, the rule over the whole
search is a shadow rule.

The result is a rule file. Look at each rule before it merges: the past proves, it does not promise.`

type suggestFlags struct {
	sampleFlags

	owner, expires string
	hits           int
}

func rulesSuggestCommand(g *globals) *cobra.Command {
	var f suggestFlags
	cmd := &cobra.Command{
		Use: "suggest", Short: "write rules for what people keep closing as benign", Long: suggestHelp, Args: cobra.NoArgs,
		Example: `  winnow rules suggest --owner detection@corp.example > content/rules/suggested.yaml
  winnow rules suggest --owner detection@corp.example --alerts labelled.ndjson.gz --format json`,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.rulesSuggest(cmd.Context(), &f) },
	}
	f.add(cmd)
	cmd.Flags().StringVar(&f.owner, "owner", "", "the `NAME` of who answers for the rules")
	cmd.Flags().StringVar(&f.expires, "expires", "", "the rules' last `DAY`, like 2027-03-31 (default: in 90 days)")
	cmd.Flags().IntVar(&f.hits, "hits", allowlist.MinHits, "the least `NUMBER` of benign alerts that a rule covers")
	return cmd
}

// suggestedFor is how long a suggested rule holds unless --expires says otherwise.
const suggestedFor = 90 * 24 * time.Hour

func (f *suggestFlags) check(now time.Time) (expires time.Time, err error) {
	switch {
	case strings.TrimSpace(f.owner) == "":
		return expires, usage(errors.New("nobody is named who answers for the rules"), "give --owner NAME")
	case strings.ContainsFunc(f.owner, control), len(f.owner) > 200:
		return expires, usage(fmt.Errorf("--owner is %q, want a name or an address on one line", f.owner))
	case f.hits < allowlist.MinHits:
		return expires, usage(fmt.Errorf("--hits is %d, want %d or more", f.hits, allowlist.MinHits))
	case f.file == "-":
		return expires, usage(errors.New("the alerts are read several times, which standard input cannot be"), "name a file with --alerts FILE")
	case f.expires == "":
		return now.Add(suggestedFor), nil
	}
	if expires, err = time.Parse(time.DateOnly, f.expires); err != nil {
		return expires, usage(fmt.Errorf("--expires is %q, want a date like 2027-03-31", f.expires))
	}
	if !expires.After(now) || expires.After(now.AddDate(1, 0, 0)) {
		return expires, usage(fmt.Errorf("--expires is %s, want a day within the next year", f.expires))
	}
	return expires, nil
}

func (g *globals) rulesSuggest(ctx context.Context, f *suggestFlags) error {
	expires, err := f.check(g.now())
	if err != nil {
		return err
	}
	since, until, err := f.span(g.now())
	if err != nil {
		return err
	}
	d, err := g.openFor(f.file)
	if err != nil {
		return err
	}
	o := allowlist.SuggestOptions{Fields: d.Fields, Hits: f.hits, Owner: f.owner, Expires: expires, Now: g.now()}
	if err := g.presentRules(d, &o); err != nil {
		return err
	}
	o.Samples = func() iter.Seq2[allowlist.Sample, error] {
		return spanned(g.samples(ctx, d, f.file), since, until, f.file != "")
	}
	found, err := allowlist.Suggest(ctx, o)
	if err != nil {
		return err
	}
	return g.printSuggestions(found, g.unitPrice(d))
}

// presentRules reads the rules there are. A broken one drops nothing now, so it is no hindrance.
func (g *globals) presentRules(d *state.Deployment, o *allowlist.SuggestOptions) (err error) {
	if o.Lists, err = loadLists(d); o.Lists == nil {
		return err
	}
	set, err := rules.Load(rules.Options{Fields: d.Fields, Lists: o.Lists, Now: g.now()}, d.RulePaths()...)
	for _, p := range rules.Errors(err) {
		g.note("warning: %s", plain(p.Error()))
	}
	if set == nil {
		return err
	}
	o.Candidate, err = g.candidate(d, set, d.EscalatePaths())
	return err
}

// spanned yields the samples of a span of time. In a labelled file an alert without a label is
// undecided: nobody has said that it is not an attack.
func spanned(samples iter.Seq2[allowlist.Sample, error], since, until time.Time, labelled bool) iter.Seq2[allowlist.Sample, error] {
	return func(yield func(allowlist.Sample, error) bool) {
		for s, err := range samples {
			if err == nil && (s.Alert.Time.Before(since) || !until.IsZero() && !s.Alert.Time.Before(until)) {
				continue
			}
			if labelled && s.Truth == allowlist.TruthUnsaid {
				s.Truth = allowlist.TruthUndecided
			}
			if !yield(s, err) {
				return
			}
		}
	}
}

type suggestionJSON struct {
	Rule        string          `json:"rule"`
	SearchName  string          `json:"search_name"`
	When        string          `json:"when"`
	Mode        rules.Mode      `json:"mode"`
	MaxSeverity winnow.Severity `json:"max_severity"`
	Fields      []string        `json:"fields"`
	Covers      int             `json:"covers"`
	Benign      int             `json:"benign"`
	Attack      int             `json:"attack"`
	Undecided   int             `json:"undecided"`
	Unsaid      int             `json:"unsaid"`
	Saved       *int64          `json:"saved_microusd"`
	First       time.Time       `json:"first"`
	Last        time.Time       `json:"last"`
	YAML        string          `json:"yaml"`
}

func (g *globals) printSuggestions(found *allowlist.Suggestions, unit func(int64) winnow.NanoUSD) error {
	total, covered, shadows := winnow.NanoUSD(0), 0, 0
	if g.format == formatTable && len(found.Rules) > 0 {
		g.print("# Suggested by `winnow rules suggest` from %s. Look at each rule before it merges.", things(found.Alerts, "alert", "alerts"))
		g.print("rules:")
	}
	for _, s := range found.Rules {
		money := saved(unit, s.Covers, s.Bytes)
		switch {
		case s.Mode != rules.ModeEnforce:
			shadows++
		case money != nil:
			total += winnow.NanoUSD(*money) * 1000
			covered += s.Covers
		default:
			covered += s.Covers
		}
		if g.format == formatJSON {
			if err := g.json(suggestion(&s, money)); err != nil {
				return err
			}
			continue
		}
		g.print("\n  # proven: covers %d alerts from %s to %s, %d of them benign, 0 attack, 0 undecided; saves %s\n%s",
			s.Covers, s.First.UTC().Format(time.DateOnly), s.Last.UTC().Format(time.DateOnly), s.Truths[allowlist.TruthBenign],
			usd(money), strings.TrimSuffix(plain(s.YAML), "\n"))
	}
	g.note("%s suggested, %d of them in shadow; the others cover %d of %d alerts that people found benign and no rule drops, and save %s",
		things(len(found.Rules), "rule", "rules"), shadows, covered, found.Hits, total)
	g.passedOver(found)
	return nil
}

func suggestion(s *allowlist.Suggestion, money *int64) suggestionJSON {
	return suggestionJSON{
		Rule: s.ID, SearchName: s.SearchName, When: s.When, Mode: s.Mode, MaxSeverity: s.Severity, Fields: orEmpty(s.Fields),
		Covers: s.Covers, Benign: s.Truths[allowlist.TruthBenign], Attack: s.Truths[allowlist.TruthAttack],
		Undecided: s.Truths[allowlist.TruthUndecided], Unsaid: s.Truths[allowlist.TruthUnsaid], Saved: money,
		First: s.First.UTC(), Last: s.Last.UTC(), YAML: s.YAML,
	}
}

// passedOver says what was frequent enough and is no rule.
func (g *globals) passedOver(found *allowlist.Suggestions) {
	if found.Attacked > 0 {
		g.note("passed over: %s with a true positive", things(found.Attacked, "frequent pattern", "frequent patterns"))
	}
	if found.Undecided > 0 {
		g.note("passed over: %s with an alert that nobody has decided", things(found.Undecided, "frequent pattern", "frequent patterns"))
	}
	if found.Unproven > 0 {
		g.note("passed over: %s that the backtest did not bear out", things(found.Unproven, "rule", "rules"))
	}
	for _, name := range found.Varied {
		g.note("passed over: search %q has too many combinations of values", plain(name))
	}
}
