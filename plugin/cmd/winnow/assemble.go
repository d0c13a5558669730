package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/knowledge"
	"github.com/winnow-soc/winnow/llm/offline"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/audit"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/respond"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/teams"
	"github.com/winnow-soc/winnow/plugin/triage"
)

// parts is a deployment put together: what the worker and `winnow triage` run on.
type parts struct {
	*state.Deployment

	keys     *winnow.Keys
	gate     *allowlist.Gate
	pipeline *llm.Pipeline
	facts    *llm.Facts
	models   *models
	teams    *teams.Table
	ledger   *ledger.Ledger
	started  *triage.Engine // nil before it is

	knowledge *knowledge.Store
	tools     []llm.Tool // what models may look up while they think
}

// assemble opens everything of a deployment but its ledger. What is wrong with rules or lists is
// told and makes the gate drop less; everything else that is wrong is an error.
func (g *globals) assemble(d *state.Deployment, now time.Time) (*parts, error) {
	if err := d.Init(); err != nil {
		return nil, err
	}
	keys, err := d.Keys()
	if err != nil {
		return nil, err
	}
	p := &parts{Deployment: d, keys: keys}
	if p.gate, err = alertaction.OpenAllowlist(d, keys, now); err != nil {
		for _, e := range flatten(err) {
			g.note("warning: %s", plain(e.Error()))
		}
	}
	if err := g.approve(d, p.gate); err != nil {
		for _, e := range flatten(err) {
			g.note("warning: %s", plain(e.Error()))
		}
	}
	if p.facts, err = llm.LoadFacts(d.FactsPaths()...); err != nil {
		return nil, usage(err)
	}
	if d.ModeErr != nil {
		g.note("warning: %s", plain(d.ModeErr.Error()))
	}
	calibration, err := readCalibration(d)
	if err != nil {
		g.note("warning: %s: until then a model's confidence counts as 80 at most", plain(err.Error()))
		calibration = llm.BrokenCalibration()
	}
	p.knowledge = openKnowledge(d)
	if p.tools, err = g.evidenceTools(d, p.knowledge); err != nil {
		return nil, err
	}
	if p.pipeline, p.models, err = g.openPipeline(d, p.facts, calibration, p.knowledge, p.tools...); err != nil {
		return p, err
	}
	if p.teams, err = readTeams(d); err != nil { // a bill that is not split must not keep alerts from being triaged
		g.note("warning: %s: until then nobody's team is known", plain(err.Error()))
	}
	p.models.teams = p.teams
	return p, nil
}

// openPipeline puts stages and panel together as winnow.conf says.
func (g *globals) openPipeline(
	d *state.Deployment, facts *llm.Facts, calibration *llm.Calibration, known llm.Knowledge, tools ...llm.Tool,
) (*llm.Pipeline, *models, error) {
	catalogue, err := readCatalogue(d.Default("attack.csv"))
	if err != nil {
		return nil, nil, usage(err)
	}
	s := d.Settings
	brains := newModels(g, d, offline.New(catalogue), tools)
	o := llm.Options{
		Enrich: brains.of(s.Stages["enrich"].Model), Correlate: brains.of(s.Stages["correlate"].Model),
		Classify: brains.of(s.Stages["classify"].Model), Catalogue: catalogue, Combine: s.Pipeline.Combine, Facts: facts, Calibration: calibration,
		Knowledge: known,
		Panel: llm.Panel{
			Coordinator: brains.of(s.Pipeline.Coordinator), Always: s.Pipeline.PanelAlways,
			Low: s.Pipeline.PanelLow, High: s.Pipeline.PanelHigh,
		},
	}
	for _, name := range []string{"network", "identity", "threat_intel"} {
		if a := s.Agents[name]; a.Weight > 0 {
			o.Panel.Agents = append(o.Panel.Agents, llm.Agent{Name: name, Model: brains.of(a.Brain), Weight: a.Weight})
		}
	}
	if brains.err != nil {
		return nil, nil, usage(brains.err)
	}
	if len(brains.callers) > 0 {
		if o.First, err = freePipeline(o, brains.offline); err != nil {
			return nil, nil, usage(err)
		}
	}
	p, err := llm.New(o)
	return p, brains, usage(err)
}

// freePipeline is o with the built-in analysts everywhere: they look before a language model is asked.
func freePipeline(o llm.Options, offline llm.Model) (*llm.Pipeline, error) {
	o.Enrich, o.Correlate, o.Classify, o.Panel.Coordinator = offline, offline, offline, offline
	o.Panel.Agents = slices.Clone(o.Panel.Agents)
	for i := range o.Panel.Agents {
		o.Panel.Agents[i].Model = offline
	}
	return llm.New(o)
}

// readTeams reads teams.csv of the content before that of the app: the first row that matches counts. Where one
// cannot be read there are no teams at all.
func readTeams(d *state.Deployment) (*teams.Table, error) {
	var t teams.Table
	for _, path := range slices.Backward(d.TeamsPaths()) {
		f, err := os.Open(path)
		if err != nil {
			return nil, fmt.Errorf("read teams: %w", err)
		}
		err = t.Parse(path, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return nil, err
		}
	}
	return &t, nil
}

func readCatalogue(path string) (*llm.Catalogue, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read ATT&CK catalogue: %w", err)
	}
	defer func() { _ = f.Close() }()
	return llm.ReadCatalogue(path, f)
}

// engine opens the engine, and the ledger for writing unless it is open already.
func (p *parts) engine(ctx context.Context, now func() time.Time, run *winnow.Run, sinks []conf.Sink) (*triage.Engine, error) {
	gen, err := alertaction.Generation(p.Deployment)
	if err != nil {
		return nil, err
	}
	if p.ledger == nil {
		if p.ledger, err = ledger.Open(ctx, p.Path("ledger.db")); err != nil {
			return nil, err
		}
	}
	seed, err := p.InitAuditSeed()
	if err != nil {
		return nil, err
	}
	signer, err := audit.NewSigner(seed)
	if err != nil {
		return nil, err
	}
	p.models.books.set(&triage.Books{Ledger: p.ledger, Settings: p.Settings, Now: p.models.g.now})
	o := triage.Options{
		Ledger: p.ledger, Gate: p.gate, Analyst: p.pipeline, Facts: p.facts, Settings: p.Settings, Fields: p.Fields,
		Keys: p.keys, Lists: p.gate.Lists, Generation: gen, Now: now, Run: run, Sinks: sinks,
		Paid: p.pipeline.Paid(), Version: version(), Signer: signer, Teams: p.teams,
		Suspend: func(s *allowlist.Suspensions) error { return state.WriteFile(p.Path("suspensions.json"), s.Encode()) },
	}
	if free := p.pipeline.First(); free != nil {
		o.Free = free
	}
	if m := p.models.g.metrics; m != nil {
		o.Meter = m
	}
	o.Actions = actionPolicy(p.Settings, func() respond.Lists { return p.started.Gate.Lists })
	if p.started, err = triage.New(ctx, o); err != nil {
		return nil, err
	}
	if err := p.archive(ctx, p.gate, false); err != nil {
		p.models.g.note("warning: %s", plain(err.Error()))
	}
	return p.started, ctx.Err()
}

// archive audits what is in force, before anything is decided on it.
func (p *parts) archive(ctx context.Context, gate *allowlist.Gate, kept bool) error {
	gen, err := alertaction.Generation(p.Deployment)
	if err != nil {
		return err
	}
	allowed, revoked, _ := signerPaths(p.Deployment) //nolint:errcheck // whoever reads them says what is wrong
	return p.started.NoteInForce(ctx, triage.InForce{
		Deployment: p.Deployment, Gate: gate, Kept: kept, Signers: []string{allowed, revoked}, Generation: fmt.Sprintf("%x", gen),
	})
}

// close waits for calls to models, signs the end of the audit chain and closes the ledger.
func (p *parts) close() error { return p.closeWithin(closeFor) }

// closeWithin does so for as long as given at most.
func (p *parts) closeWithin(most time.Duration) error {
	if p.ledger == nil {
		return nil
	}
	err := p.models.closeWithin(most)
	if p.started != nil {
		err = errors.Join(err, p.started.Checkpoint(context.Background(), true))
	}
	return errors.Join(err, p.ledger.Close())
}

// flatten returns the single errors of a joined one.
func flatten(err error) []error {
	joined, ok := err.(interface{ Unwrap() []error }) //nolint:errorlint // the join itself is meant
	if err == nil {
		return nil
	}
	if !ok {
		return []error{err}
	}
	var out []error
	for _, e := range joined.Unwrap() {
		out = append(out, flatten(e)...)
	}
	return out
}
