// Package triage takes an alert from the gate's proposal to its outcome. One file is one step, in
// the order of the flow:
//
//	admit.go    a row enters the ledger: own events, duplicates, the proposal asked again
//	join.go     repeats of an alert that is still open join it
//	cached.go   a verdict on the same key that is still valid closes
//	group.go    what was found on a like alert a moment ago holds for this one
//	outage.go   what waited long is read again; what cannot be asked waits
//	analyse.go  the analysts of package llm look at what is left
//	g1.go       ceilings and high-risk words, assets and techniques (guard G1)
//	g6.go       targets of recommended actions (guards G6 and G7)
//	policy.go   verdict and guards become a state
//	run.go      shadow and assist change nothing
//	settle.go   the outcome is kept, and what must be told of it posted
//	page.go     people are woken for what is believed real, and told when it is over
//	audit.go    what decides is archived, and the chain of what was decided signed
//	recallrule.go  what a rule dropped is triaged again
//	labels.go   what people say in Splunk settles the alert
//	reconcile.go   what Splunk fired and nobody triaged is raised
//	canary.go   what outcomes say about the rule that dropped the alert
//
// worker.go runs the steps over spool and queue, with the asking in the background (flight.go); files.go
// runs them over files; publish.go writes what the alert action reads.
package triage

import (
	"context"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/audit"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
	"github.com/winnow-soc/winnow/plugin/teams"
)

// Analyst looks at an alert that nothing cheaper could settle; llm.Pipeline is the real one.
type Analyst interface {
	Analyse(ctx context.Context, in llm.Input) (llm.Analysis, error)
}

// Options are the parts an Engine is made of. Lists, Facts, Sinks, Meter, Run, Free and Notables may be nil.
type Options struct {
	Ledger   *ledger.Ledger
	Gate     *allowlist.Gate
	Analyst  Analyst
	Facts    *llm.Facts
	Settings *conf.Settings
	Fields   *winnow.FieldTable
	Keys     *winnow.Keys
	Lists    llm.Lists

	// Generation names the policy, models and tables that kept verdicts hold for.
	Generation cache.Generation

	Now func() time.Time

	// Suspend writes the suspensions file.
	Suspend func(*allowlist.Suspensions) error

	// Sinks are the stanzas that outcomes are posted to; none for throw-away runs.
	Sinks []conf.Sink

	// Paid says that Analyst may ask language models. They cost money and time: they are asked outside
	// of transactions, and once for a group of like alerts.
	Paid bool

	// Free is asked in place of Analyst where [gate] shadow_sample leaves language models out.
	Free Analyst

	// Notables reads what people did to the notable events of alerts that waited long.
	Notables Notables

	// Signer signs checkpoints of the audit chain; nil signs none.
	Signer *audit.Signer

	// Actions says which response actions are proposed; nil: none.
	Actions *review.ActionPolicy

	// Version names the program; it is kept with what models answered.
	Version string

	// Teams says who pays for an alert's search; nil: nobody.
	Teams *teams.Table

	// Meter counts what happens; nil counts nothing.
	Meter Meter

	// Run overrides the configured run of every search when it is not nil: `winnow triage`.
	Run *winnow.Run
}

// Engine disposes of alerts. It holds in memory what a decision needs to be fast: valid verdicts,
// open cases and the keys that wait for a person. Everything in it can be read again from the
// ledger. Not safe for concurrent use: the worker is the one writer.
type Engine struct {
	Options

	memory     *cache.Memory
	cases      *cache.Cases
	open       map[cache.Key]openGroup
	precedents *precedents
	groups     *groups
	highRisk   map[string]*riskList // by what policy lists
	rebuilt    bool                 // the ledger has alerts that were read back from Splunk
	stale      bool                 // memory must be read again before it is used
	kept       []kept               // outcomes of the transaction that runs

	signedHead int64 // of the audit chain, when it was last signed
	signedAt   time.Time
}

// openGroup is the alerts of one key that wait for a person or are escalated.
type openGroup struct {
	first string // ID of the alert whose case the others join
	n     int
}

// New returns an engine that has read its memory from the ledger.
func New(ctx context.Context, o Options) (*Engine, error) {
	e := &Engine{Options: o, groups: newGroups(), highRisk: map[string]*riskList{}}
	if e.Meter == nil {
		e.Meter = silent{}
	}
	return e, e.Reload(ctx)
}

// Reload reads the memory again from the ledger. It is called after a transaction failed, and
// after a person's decisions were applied.
func (e *Engine) Reload(ctx context.Context) error {
	e.memory = cache.NewMemory(e.Settings.Cache.Size)
	e.cases = cache.NewCases(cache.CasesOptions{Block: e.Settings.Cache.Block})
	e.open = map[cache.Key]openGroup{}
	e.precedents = newPrecedents()
	e.groups.forget()
	err := e.Ledger.View(ctx, func(t *ledger.Tx) error {
		// Verdicts that have expired by now may still hold for an alert received before, so all
		// are read; the look-up compares with the alert's own time.
		if err := t.Verdicts(time.Time{}, e.Generation, e.keepVerdict); err != nil {
			return err
		}
		if err := t.Cases(e.importCase); err != nil {
			return err
		}
		if err := t.Precedents(e.remember); err != nil {
			return err
		}
		var err error
		if e.rebuilt, err = t.AnyRebuilt(); err != nil {
			return err
		}
		return t.OpenKeys(func(key cache.Key, first string, n int) { e.open[key] = openGroup{first, n} })
	})
	if err != nil {
		e.stale = true
		return fmt.Errorf("read the ledger: %w", err)
	}
	e.stale = false
	return nil
}

func (e *Engine) keepVerdict(key cache.Key, v cache.Entry) error {
	e.memory.Put(key, v)
	return nil
}

// Update runs f in one transaction of the ledger. When it fails, or panics, the engine's memory is
// read again, because f may have changed it.
func (e *Engine) Update(ctx context.Context, f func(*ledger.Tx) error) error {
	if e.stale {
		if err := e.Reload(ctx); err != nil {
			return err
		}
	}
	e.kept = e.kept[:0]
	err := e.Ledger.Update(ctx, func(t *ledger.Tx) error { return guarded(func() error { return f(t) }) })
	if err != nil {
		e.stale = true
		return err
	}
	e.counted()
	return nil
}

func (e *Engine) search(name string) conf.Search {
	s := e.Settings.Search(name)
	if e.Run != nil {
		s.Run = *e.Run
	}
	return s
}

// UseGate replaces rules, lists, escalate list and suspensions.
func (e *Engine) UseGate(g *allowlist.Gate) {
	e.Gate, e.Lists = g, g.Lists
}
