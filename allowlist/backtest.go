package allowlist

import (
	"cmp"
	"context"
	"iter"
	"runtime"
	"slices"
	"sync"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/rules"
)

// Truth is what is known of an alert by word of a person: a label in a file, or a disposition in
// the ledger. What winnow itself holds of an alert is no truth.
type Truth uint8

// The truths.
const (
	TruthUnsaid    Truth = iota // nobody has said, and nobody is waited for
	TruthBenign                 // a person found it benign
	TruthAttack                 // a person found it, now or ever, a true positive
	TruthUndecided              // it waits, or the person could not tell
)

// Sample is one alert that rules are tried on.
type Sample struct {
	Alert winnow.Alert
	Truth Truth
	Line  int // where the alert stands in its file, 0 when it comes from the ledger
}

// Candidate is a set of rules to be tried, with what speaks against a drop.
type Candidate struct {
	Rules    *rules.Set
	Escalate *rules.Escalate
	Failing  map[string]bool // rules whose own tests fail, by ID: the gate drops nothing by them
}

// NewCandidate runs the tests of the rules and takes out, as the gate does, those that fail.
func NewCandidate(set *rules.Set, escalate *rules.Escalate) Candidate {
	c := Candidate{Rules: set, Escalate: escalate, Failing: map[string]bool{}}
	for _, t := range set.Test(Decide) {
		if !t.OK && set.Find(t.Rule).ListError() == nil {
			c.Failing[t.Rule] = true
		}
	}
	return c
}

// covering returns the rules that would drop the alert if they were all enforced, in order. The
// gate's own steps are taken with the alert's own times: escalate list, condition, expiry,
// ceiling, window. Suspensions and samples do not count: a backtest asks what the rules say.
func (c *Candidate) covering(a *winnow.Alert, failed func(*rules.Rule)) []*rules.Rule {
	if a.Adhoc {
		return nil
	}
	if _, escalated := c.Escalate.Match(a); escalated {
		return nil
	}
	var out []*rules.Rule
	for r, err := range c.Rules.Matching(a) {
		switch {
		case c.Failing[r.ID]:
		case err != nil:
			failed(r)
		case judgeEnforced(r, a) == winnow.ReasonRule:
			out = append(out, r)
		}
	}
	return out
}

// BacktestOptions say what is tried, and on what.
type BacktestOptions struct {
	Candidate Candidate
	Before    *Candidate // rules to compare with; nil for none
	Since     time.Time  // only alerts at or after it, by their own time; zero for all
	Until     time.Time  // only alerts before it; zero for all
	List      int        // how many true positives are listed; the rest is counted
	Overlaps  bool       // also count which rules cover the same alerts
}

// Backtest is what rules would have done with alerts.
type Backtest struct {
	Alerts     int
	Truths     [4]int // alerts by Truth
	Dropped    int    // by enforced rules
	Shadowed   int    // by shadow rules alone, if they were enforced
	Bytes      int64  // of the text of all alerts
	Searches   map[string]int
	Rules      []RuleBacktest // in the order of the set
	Hidden     []Hidden       // true positives that would have been dropped, the first ones
	HiddenMore int            // how many there are beside those
	Changes    []Change       // against Before, by rule; empty without it
	Overlaps   map[Pair]int   // alerts that two rules both cover
	Errors     int            // evaluations that ended in an error, and so in no match
	byRule     map[*rules.Rule]int
	changes    map[changeKey]*Change
	cap        int
}

// RuleBacktest is what one rule would have done.
type RuleBacktest struct {
	Rule       *rules.Rule
	Covers     int // alerts that it would drop if it stood alone
	Drops      int // those that no rule before it takes; enforced rules come before shadow rules
	Truths     [4]int
	Severities [6]int // alerts that it covers, by severity
	Bytes      int64  // of the text of the alerts that it drops
	Last       time.Time
	Errors     int
	Failing    bool // its own tests fail: it drops nothing
	Searches   map[string]int
}

// Pair names two rules, the one that stands first in the set first.
type Pair struct{ First, Second *rules.Rule }

// Hidden is a true positive that rules would have dropped.
type Hidden struct {
	Key        winnow.Key
	ID         string
	SearchName string
	Time       time.Time
	Severity   winnow.Severity
	Line       int
	Rules      []*rules.Rule // all that cover it
}

// Change says what one rule drops that was not dropped before, and the other way round.
type Change struct {
	Rule           string
	Mode           rules.Mode
	Gained, Lost   int
	GainedAttacks  int
	LostAttacks    int
	GainedSeverity winnow.Severity // the highest among the gained
}

type changeKey struct {
	rule string
	mode rules.Mode
}

// batchSize is how many alerts a goroutine decides at once.
const batchSize = 512

type batch struct {
	samples []Sample
	now     [][]*rules.Rule
	before  [][]*rules.Rule
	failed  []*rules.Rule
	done    chan struct{}
}

// RunBacktest decides every sample as the gate would have at the alert's own time. All processors
// are used; samples count in their order, so the result is the same at every run. Memory does not
// grow with the samples.
func RunBacktest(ctx context.Context, samples iter.Seq2[Sample, error], o BacktestOptions) (*Backtest, error) {
	out := newBacktest(&o)
	workers := runtime.GOMAXPROCS(0)
	work, order := make(chan *batch, workers), make(chan *batch, 2*workers)
	var deciding, counting sync.WaitGroup
	for range workers {
		deciding.Go(func() {
			for b := range work {
				b.decide(&o)
				close(b.done)
			}
		})
	}
	counting.Go(func() {
		for b := range order {
			<-b.done
			out.count(b, &o)
		}
	})
	err := feed(ctx, samples, &o, func(b *batch) {
		order <- b
		work <- b
	})
	close(work)
	close(order)
	deciding.Wait()
	counting.Wait()
	out.finish()
	return out, err
}

// feed cuts the samples into batches.
func feed(ctx context.Context, samples iter.Seq2[Sample, error], o *BacktestOptions, send func(*batch)) error {
	b := &batch{done: make(chan struct{})}
	for s, err := range samples {
		if err != nil {
			return err
		}
		if s.Alert.Time.Before(o.Since) || !o.Until.IsZero() && !s.Alert.Time.Before(o.Until) {
			continue
		}
		b.samples = append(b.samples, s)
		if len(b.samples) == batchSize {
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			send(b)
			b = &batch{done: make(chan struct{}), samples: make([]Sample, 0, batchSize)}
		}
	}
	if len(b.samples) > 0 {
		send(b)
	}
	return nil
}

func (b *batch) decide(o *BacktestOptions) {
	b.now = make([][]*rules.Rule, len(b.samples))
	failed := func(r *rules.Rule) { b.failed = append(b.failed, r) }
	for i := range b.samples {
		b.now[i] = o.Candidate.covering(&b.samples[i].Alert, failed)
	}
	if o.Before == nil {
		return
	}
	b.before = make([][]*rules.Rule, len(b.samples))
	for i := range b.samples {
		b.before[i] = o.Before.covering(&b.samples[i].Alert, func(*rules.Rule) {})
	}
}

func newBacktest(o *BacktestOptions) *Backtest {
	out := &Backtest{
		Searches: map[string]int{}, Overlaps: map[Pair]int{},
		byRule: map[*rules.Rule]int{}, changes: map[changeKey]*Change{}, cap: o.List,
	}
	for i, r := range o.Candidate.Rules.Rules() {
		out.byRule[r] = i
		out.Rules = append(out.Rules, RuleBacktest{Rule: r, Failing: o.Candidate.Failing[r.ID], Searches: map[string]int{}})
	}
	return out
}

// maxSearchesCounted bounds what is kept of searches: their names come out of files.
const maxSearchesCounted = 10_000

func (t *Backtest) count(b *batch, o *BacktestOptions) {
	for _, r := range b.failed {
		t.Errors++
		t.Rules[t.byRule[r]].Errors++
	}
	for i := range b.samples {
		s := &b.samples[i]
		size := textSize(&s.Alert)
		t.Alerts++
		t.Truths[s.Truth]++
		t.Bytes += size
		countName(t.Searches, s.Alert.SearchName)
		t.countRules(s, size, b.now[i])
		if o.Overlaps {
			t.overlap(b.now[i])
		}
		if o.Before != nil {
			t.compare(s, b.now[i], b.before[i])
		}
	}
}

func countName(m map[string]int, name string) {
	if _, known := m[name]; known || len(m) < maxSearchesCounted {
		m[name]++
	}
}

func (t *Backtest) countRules(s *Sample, size int64, covering []*rules.Rule) {
	taken := taker(covering)
	if taken != nil {
		if taken.Mode == rules.ModeEnforce {
			t.Dropped++
		} else {
			t.Shadowed++
		}
	}
	for _, r := range covering {
		row := &t.Rules[t.byRule[r]]
		row.Covers++
		row.Truths[s.Truth]++
		row.Severities[min(int(s.Alert.Severity), len(row.Severities)-1)]++
		countName(row.Searches, s.Alert.SearchName)
		if s.Alert.Time.After(row.Last) {
			row.Last = s.Alert.Time
		}
		if r == taken {
			row.Drops++
			row.Bytes += size
		}
	}
	if s.Truth == TruthAttack && len(covering) > 0 {
		t.hide(s, covering)
	}
}

// taker is the rule that gets the drop: the first enforced one, else the first.
func taker(covering []*rules.Rule) *rules.Rule {
	if r := firstEnforced(covering); r != nil || len(covering) == 0 {
		return r
	}
	return covering[0]
}

func firstEnforced(covering []*rules.Rule) *rules.Rule {
	for _, r := range covering {
		if r.Mode == rules.ModeEnforce {
			return r
		}
	}
	return nil
}

// firstShadow is the first shadow rule that covers what no enforced one does.
func firstShadow(covering []*rules.Rule) *rules.Rule {
	if firstEnforced(covering) != nil {
		return nil
	}
	return taker(covering)
}

func (t *Backtest) hide(s *Sample, covering []*rules.Rule) {
	if len(t.Hidden) >= t.cap {
		t.HiddenMore++
		return
	}
	a := &s.Alert
	t.Hidden = append(t.Hidden, Hidden{
		Key: a.Key, ID: a.ID, SearchName: a.SearchName, Time: a.Time, Severity: a.Severity, Line: s.Line, Rules: covering,
	})
}

// maxOverlapping bounds the pairs that one alert makes.
const maxOverlapping = 32

func (t *Backtest) overlap(covering []*rules.Rule) {
	covering = covering[:min(len(covering), maxOverlapping)]
	for i, first := range covering {
		for _, second := range covering[i+1:] {
			t.Overlaps[Pair{first, second}]++
		}
	}
}

// compare counts what is dropped now and was not before, and the other way round: for enforced
// rules, and apart from them for shadow rules.
func (t *Backtest) compare(s *Sample, now, before []*rules.Rule) {
	for _, pick := range []func([]*rules.Rule) *rules.Rule{firstEnforced, firstShadow} {
		is, was := pick(now), pick(before)
		switch {
		case is != nil && was == nil:
			c := t.change(is)
			c.Gained++
			c.GainedSeverity = c.GainedSeverity.Max(s.Alert.Severity)
			if s.Truth == TruthAttack {
				c.GainedAttacks++
			}
		case is == nil && was != nil:
			c := t.change(was)
			c.Lost++
			if s.Truth == TruthAttack {
				c.LostAttacks++
			}
		}
	}
}

func (t *Backtest) change(r *rules.Rule) *Change {
	key := changeKey{r.ID, r.Mode}
	if t.changes[key] == nil {
		t.changes[key] = &Change{Rule: r.ID, Mode: r.Mode}
	}
	return t.changes[key]
}

func (t *Backtest) finish() {
	for _, c := range t.changes {
		t.Changes = append(t.Changes, *c)
	}
	slices.SortFunc(t.Changes, func(a, b Change) int {
		return cmp.Or(cmp.Compare(a.Mode, b.Mode), cmp.Compare(a.Rule, b.Rule))
	})
}

// textSize is about how many bytes of text a model would be sent of an alert.
func textSize(a *winnow.Alert) (n int64) {
	const quotes = 6
	for name, values := range a.Fields {
		n += int64(len(name)) + quotes
		for _, v := range values {
			n += int64(len(v)) + quotes
		}
	}
	return n
}
