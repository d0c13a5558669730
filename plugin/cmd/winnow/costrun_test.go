package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/intake"
	"github.com/winnow-soc/winnow/plugin/triage"
)

// What teams plan with: dollars an alert, times all alerts.
const (
	tableEnrich   winnow.NanoUSD = 300_000   // 0.0003
	tableClassify winnow.NanoUSD = 6_000_000 // 0.006, correlation and classification
)

// costModels is the deployment of the benchmark: a small model enriches, a larger one does the rest, at the
// prices of default/prices.yaml. One alert after the other, so that every run comes out the same.
var costModels = []string{
	"policy.trust_uncalibrated=1", "worker.concurrency=1",
	"model:nano.provider=openai", "model:nano.model=gpt-5.4-nano", "model:nano.key=env:KEY",
	"model:mini.provider=openai", "model:mini.model=gpt-5.4-mini", "model:mini.key=env:KEY",
	"stage:enrich.model=nano", "stage:correlate.model=mini", "stage:classify.model=mini",
}

// What each step adds to the settings.
var (
	noAnalysts = []string{"policy.offline_max_severity=unknown"} // offline analysts close nothing
	combined   = []string{"pipeline.combine=1"}
	paidPanel  = []string{
		"pipeline.coordinator=mini", "agent:network.brain=mini", "agent:identity.brain=mini", "agent:threat_intel.brain=mini",
	}
)

// costStep is what a set of alerts comes to with one gate more than the step before.
type costStep struct {
	name   string
	spent  winnow.NanoUSD
	asked  int // alerts that models were asked about
	missed int // attacks that were closed
	alike  int // of them those that equal an earlier benign alert in every field but the time
	closed int // benign alerts that were closed
	people int // alerts that are not closed, and do not join one that a person has already
}

// costRun is one set of alerts on its way through the steps.
type costRun struct {
	t       *testing.T
	content string
	file    string // in the order of time
	alerts  []winnow.Alert
	labels  map[string]string
	tokens  costTokens
	samples *costSamples

	keys []cache.Key  // of the alerts
	like map[int]bool // attacks that equal a benign alert of no more than [cache] model_ttl before

	steps   []costStep
	benign  int
	attacks int
	canary  winnow.NanoUSD // of the last step, for sampled drops
	unseen  []string       // attacks that the last step closed
}

// costParts is a deployment with the oracle behind its models.
type costParts struct {
	*replay

	analyst *costAnalyst
	oracle  *costOracle
}

// open opens a deployment in a state folder of its own.
func (c *costRun) open(caches bool, set ...string) *costParts {
	c.t.Helper()
	g := newTester(c.t, c.content)
	g.console.out = io.Discard
	g.getenv = func(string) string { return "no key: nobody is asked" }
	g.set = append(slices.Clone(costModels), set...)
	// Which drops are sampled hangs on the secret: the same in every run.
	for name, text := range map[string]string{"secret.key": strings.Repeat("c", 32), "suspensions.json": `{"rules": {}, "verdicts": {}}`} {
		if err := os.WriteFile(filepath.Join(g.state, name), []byte(text), 0o600); err != nil {
			c.t.Fatal(err)
		}
	}
	d, err := g.open()
	if err != nil {
		c.t.Fatal(err)
	}
	p, err := g.assemble(d, g.now())
	if err != nil {
		c.t.Fatal(err)
	}
	o := &costOracle{labels: c.labels, tokens: c.tokens, samples: c.samples, caches: caches, usual: map[string]int64{}, read: map[string]time.Time{}}
	for name, stage := range d.Settings.Stages {
		o.usual[name] = stage.OutputTokens
	}
	o.usual["correlate_classify"] = o.usual["correlate"] + o.usual["classify"]
	for name, provider := range p.models.providers {
		provider.p = &costProvider{o, d.Settings.Models[name].Model}
	}
	r, err := g.openReplayOn(c.t.Context(), p)
	if err != nil {
		c.t.Fatal(err)
	}
	analyst := &costAnalyst{next: p.pipeline}
	r.engine.Analyst = analyst
	return &costParts{r, analyst, o}
}

func (c *costRun) close(p *costParts) {
	c.t.Helper()
	if err := p.close(); err != nil {
		c.t.Fatal(err)
	}
}

// read reads the alerts as `winnow triage` does.
func (c *costRun) read(p *costParts) {
	c.t.Helper()
	in, err := os.Open(c.file)
	if err != nil {
		c.t.Fatal(err)
	}
	defer func() { _ = in.Close() }()
	opts := intake.Options{
		Keys: p.parts.keys, TempDir: p.parts.State,
		Severity: func(search string) winnow.Severity { return p.parts.Settings.Search(search).Severity },
	}
	for item, err := range intake.Open(c.t.Context(), c.file, in, opts) {
		if err != nil {
			c.t.Fatal(err)
		}
		c.alerts = append(c.alerts, item.Alert)
		switch c.label(&item.Alert) {
		case "benign":
			c.benign++
		case "attack":
			c.attacks++
		}
	}
}

func (c *costRun) label(a *winnow.Alert) string { return c.labels[a.Key.SID+"/"+a.Key.RID] }

// run takes the alerts through all steps.
func (c *costRun) run() {
	c.withoutMemory()
	asked := c.whole()
	// The steps between differ in how those are asked that the last one asks about, not in which.
	between := []costStep{
		c.ask("open cases: repeats join, escalations block, storms are groups", asked, false, noAnalysts...),
		c.ask("offline analysts before the models", asked, false),
		c.ask("correlate and classify in one call", asked, false, combined...),
		c.ask("the provider's prompt cache", asked, true, combined...),
	}
	last := len(c.steps) - 1
	full := c.steps[last]
	for i := range between {
		between[i].missed, between[i].alike, between[i].closed, between[i].people = full.missed, full.alike, full.closed, full.people
	}
	c.steps = slices.Insert(c.steps, last, between...)
}

// withoutMemory adds the steps in which no alert knows of another but through the cache.
func (c *costRun) withoutMemory() {
	p := c.open(false, noAnalysts...)
	defer c.close(p)
	p.parts.models.books.set(noBooks{})
	c.read(p)
	c.compare(p)
	tried := newCostTrials(c, p)
	table := costStep{name: "(a) static table: every alert through three stages"}
	all := costStep{name: "(a) by the tokens of our prompts"}
	alike := costStep{name: "(a) of the best model that answers alike what is alike"}
	guards := costStep{name: "guards: what a model may close"}
	rules := costStep{name: "rules"}
	best := c.bestAnswers()
	for i := range c.alerts {
		is := tried.of(i)
		v := &is.Analysis.Verdict
		believed, closed := v.Disposition.Benign() && len(v.Votes) == 0, is.State == winnow.StateClosed // (a) has no panel
		c.add(&table, i, believed, tableEnrich+tableClassify)
		c.add(&all, i, believed, tried.price)
		c.add(&alike, i, best[c.keys[i]], tried.price)
		c.add(&guards, i, closed, tried.price)
		if tried.dropped(i) {
			c.add(&rules, i, true, 0)
		} else {
			c.add(&rules, i, closed, tried.price)
		}
	}
	c.steps = append(c.steps, table, all, alike, guards, rules, c.cached(p, tried))
}

// compare finds the attacks that nobody could tell from a benign alert but by the hour.
func (c *costRun) compare(p *costParts) {
	c.keys, c.like = make([]cache.Key, len(c.alerts)), map[int]bool{}
	benign := map[cache.Key]time.Time{}
	for i := range c.alerts {
		a := &c.alerts[i]
		c.keys[i] = cache.KeyOf(p.parts.keys, p.parts.Fields, a)
		last, ok := benign[c.keys[i]]
		switch c.label(a) {
		case "attack":
			c.like[i] = ok && a.Received.Sub(last) < p.parts.Settings.Cache.ModelTTL
		case "benign":
			benign[c.keys[i]] = a.Received
		}
	}
}

// bestAnswers is what to say of alerts that are alike in every field but the time, to be wrong least often:
// whether they are benign.
func (c *costRun) bestAnswers() map[cache.Key]bool {
	more := map[cache.Key]int{}
	for i := range c.alerts {
		switch c.label(&c.alerts[i]) {
		case "attack":
			more[c.keys[i]]--
		case "benign":
			more[c.keys[i]]++
		}
	}
	best := map[cache.Key]bool{}
	for key, n := range more {
		best[key] = n > 0
	}
	return best
}

// add counts an alert. Who is asked costs something.
func (c *costRun) add(s *costStep, i int, closed bool, spent winnow.NanoUSD) {
	s.spent += spent
	if spent > 0 {
		s.asked++
	}
	if closed {
		c.count(s, i)
	} else {
		s.people++
	}
}

// count counts an alert that was closed.
func (c *costRun) count(s *costStep, i int) {
	switch c.label(&c.alerts[i]) {
	case "attack":
		s.missed++
		if c.like[i] {
			s.alike++
		}
	case "benign":
		s.closed++
	}
}

// cached adds verdicts on the same alert, and nothing that knows of open cases.
func (c *costRun) cached(p *costParts, tried *costTrials) costStep {
	s := costStep{name: "the verdict cache by itself"}
	settings := p.parts.Settings
	memory := cache.NewMemory(settings.Cache.Size)
	for i := range c.alerts {
		a := &c.alerts[i]
		if tried.dropped(i) {
			c.add(&s, i, true, 0)
			continue
		}
		if v, ok := memory.Get(c.keys[i], a.Received); ok && v.Covers(a) && a.Severity.Within(settings.Policy.MaxSeverity) {
			c.add(&s, i, true, 0)
			continue
		}
		is := tried.of(i)
		c.add(&s, i, is.State == winnow.StateClosed, tried.price)
		if is.State != winnow.StateClosed {
			continue
		}
		if v, err := cache.Keep(a, &is.Analysis.Verdict, a.Received, settings.Cache.ModelTTL); err == nil {
			memory.Put(c.keys[i], v)
		}
	}
	return s
}

// costTrials judge alerts by themselves. Alerts that differ in their times only are judged once.
type costTrials struct {
	c     *costRun
	p     *costParts
	known map[string]*triage.Tried
	price winnow.NanoUSD // of the last one
}

func newCostTrials(c *costRun, p *costParts) *costTrials {
	return &costTrials{c: c, p: p, known: map[string]*triage.Tried{}}
}

func (x *costTrials) of(i int) *triage.Tried {
	a := &x.c.alerts[i]
	key := x.c.keys[i].String() + a.Severity.String() + x.c.label(a)
	is := x.known[key]
	if is == nil {
		tried, err := x.p.engine.NewTrial(*a).Run(x.c.t.Context())
		if err = cmp.Or(err, tried.Failed); err != nil {
			x.c.t.Fatal(err)
		}
		is = &tried
		x.known[key] = is
	}
	x.price = costOf(&is.Analysis)
	return is
}

// dropped reports whether a rule closes an alert. The samples that it does not are asked about.
func (x *costTrials) dropped(i int) bool {
	p := x.p.parts.gate.Propose(&x.c.alerts[i])
	return p.Kind == winnow.ProposeDrop && p.Reason == winnow.ReasonRule
}

func costOf(an *llm.Analysis) (sum winnow.NanoUSD) {
	for i := range an.Calls {
		sum += an.Calls[i].Usage.Price
	}
	return sum
}

// costAsked is one question to the analysts, and whether their answer may close.
type costAsked struct {
	in       llm.Input
	closable bool
}

// whole runs all of the product and adds its step.
func (c *costRun) whole() (asked []costAsked) {
	p := c.open(true, append(slices.Clone(combined), paidPanel...)...)
	defer c.close(p)
	s := costStep{name: "the panel where it is disputed: all of winnow"}
	p.analyst.watch = func(in llm.Input, an *llm.Analysis) {
		alert := *in.Alert
		in.Alert = &alert
		asked = append(asked, costAsked{in, an.Closable()})
		if price := costOf(an); price > 0 {
			s.spent += price
			s.asked++
		}
	}
	if err := p.file(c.t.Context(), c.file); err != nil {
		c.t.Fatal(err)
	}
	c.outcomes(p, &s)
	c.steps = append(c.steps, s)
	return asked
}

// outcomes counts what became of the alerts, and holds the money in their records against what was asked.
func (c *costRun) outcomes(p *costParts, s *costStep) {
	at := map[string]int{}
	for i := range c.alerts {
		at[c.alerts[i].Key.SID+"/"+c.alerts[i].Key.RID] = i
	}
	var booked int64
	for _, r := range (&tester{globals: p.g}).recordsOf(c.t, p.parts.ledger) {
		i, ok := at[r.SID+"/"+r.RID]
		if !ok {
			c.t.Fatalf("%s/%s is no alert of the file", r.SID, r.RID)
		}
		booked += r.Cost.MicroUSD
		if r.Proposal.Reason == winnow.ReasonCanary || r.Outcome.Reason == winnow.ReasonCanary {
			c.canary += winnow.NanoUSD(r.Cost.MicroUSD) * 1000
		}
		if r.Outcome.State != winnow.StateClosed {
			if r.Outcome.Reason != winnow.ReasonOpenCase {
				s.people++
			}
			continue
		}
		c.count(s, i)
		if c.label(&c.alerts[i]) == "attack" {
			c.unseen = append(c.unseen, fmt.Sprintf("%s %s/%s %s by %s, equals a benign alert: %v", r.Time.Format(time.RFC3339), r.SID, r.RID,
				r.SearchName, r.Outcome.Actor, c.like[i]))
		}
	}
	// Records round each alert up to a millionth of a dollar.
	if least, most := s.spent.Micro(), s.spent.Micro()+int64(s.asked); booked < least || booked > most {
		c.t.Errorf("%d microdollars are booked, want %d to %d", booked, least, most)
	}
}

// ask asks about the same alerts in another way.
func (c *costRun) ask(name string, asked []costAsked, caches bool, set ...string) costStep {
	p := c.open(caches, set...)
	defer c.close(p)
	p.parts.models.books.set(noBooks{})
	s := costStep{name: name}
	for _, q := range asked {
		q.in.Policy.OfflineMaxSeverity = p.parts.Settings.Policy.OfflineMaxSeverity
		an, err := p.analyst.Analyse(c.t.Context(), q.in)
		if err = cmp.Or(err, an.Failed); err != nil {
			c.t.Fatal(err)
		}
		if an.Closable() != q.closable {
			c.t.Errorf("%s: %s/%s may close: %v, in the whole product: %v", name, q.in.Alert.Key.SID, q.in.Alert.Key.RID, an.Closable(), q.closable)
		}
		if price := costOf(&an); price > 0 {
			s.spent += price
			s.asked++
		}
	}
	return s
}
