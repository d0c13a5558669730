package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/prices"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
)

// change is what one setting has other than the present one. The zero change is the present setting.
type change struct {
	name  string
	sets  []string // STANZA.KEY=VALUE
	rules string   // a folder of rules, or of content
	model string   // that is asked in place of the language models that were
}

// replayed are the stanzas whose settings alerts of the past can be decided by again.
var replayed = []string{"policy", "pipeline", "search:", "stage:", "agent:", "model:"}

// checkSet refuses what a replay does not show: a setting without effect must not look harmless.
func checkSet(set string) error {
	stanza, key, _ := splitSet(set)
	for _, name := range replayed {
		if stanza == name || strings.HasSuffix(name, ":") && strings.HasPrefix(stanza, name) {
			return nil
		}
	}
	if stanza == "gate" && key == "canary" {
		return nil
	}
	return usage(fmt.Errorf("[%s] %s cannot be tried on past alerts", plain(stanza), plain(key)),
		"what can: [policy], [search:NAME], [pipeline], [stage:NAME], [agent:NAME], [model:NAME], and [gate] canary")
}

// splitSet returns the parts of STANZA.KEY=VALUE, as package conf reads it: stanza names may hold dots and equal
// signs. The key is "" when it is none.
func splitSet(set string) (stanza, key, value string) {
	for i := 0; i < len(set); i++ {
		if set[i] != '=' {
			continue
		}
		if dot := strings.LastIndexByte(set[:i], '.'); dot > 0 && dot < i-1 {
			return set[:dot], strings.TrimSpace(set[dot+1 : i]), set[i+1:]
		}
	}
	return set, "", ""
}

// gates reports whether rules and escalate list might let other alerts pass.
func (c *change) gates() bool {
	return c.rules != "" || slices.ContainsFunc(c.sets, func(set string) bool {
		stanza, key, _ := splitSet(set)
		return stanza == "gate" || strings.HasPrefix(key, "high_risk")
	})
}

// analyses reports whether analysts, guards or policy might come to something else.
func (c *change) analyses() bool {
	return c.rules != "" || slices.ContainsFunc(c.sets, func(set string) bool {
		stanza, _, _ := splitSet(set)
		return stanza != "gate"
	})
}

// setting is a deployment under one change, ready to decide alerts of the past. It asks nobody and writes nothing.
type setting struct {
	change

	d        *state.Deployment
	engine   *triage.Engine
	pipeline *llm.Pipeline
	asks     bool // what nothing cheaper settles goes to a language model
	table    *prices.Table
	price    func(bytes int64) winnow.NanoUSD // of one alert by list price; nil: there is none
	known    map[string]decidedFate           // of alerts that others hang on
}

// openSetting opens the deployment under a change, over a ledger that is only read.
func (g *globals) openSetting(ctx context.Context, l *ledger.Ledger, c change) (*setting, error) {
	away, quiet := *g, *g.console
	if quiet.quiet = g.quiet || c.name != ""; c.name != "" {
		away.set = c.sets
	}
	away.console = &quiet // what is wrong with the present setting is told once
	paths, err := away.rulesOf(c.rules)
	if err != nil {
		return nil, err
	}
	d, err := away.open()
	if err != nil {
		return nil, err
	}
	p, err := away.assemble(d, g.now())
	if err != nil {
		return nil, err
	}
	if c.rules != "" {
		quiet.quiet = g.quiet
		if paths == nil {
			paths = d.RulePaths()
		}
		if p.gate, err = away.otherRules(d, p.keys, paths); err != nil {
			return nil, err
		}
	}
	s := &setting{change: c, d: d, pipeline: p.pipeline, asks: p.pipeline.Paid(), known: map[string]decidedFate{}}
	if s.table, err = readPrices(d.Default("prices.yaml")); err != nil {
		return nil, usage(err)
	}
	if err := s.useModel(g); err != nil {
		return nil, err
	}
	s.price = priceOf(d, s.table, g.now())
	s.engine, err = p.reader(ctx, l, g)
	return s, err
}

// rulesOf points to the rules of a folder: those in it, or with rules/ in it, content of its own with its lists.
func (g *globals) rulesOf(dir string) (paths []string, err error) {
	if dir == "" {
		return nil, nil
	}
	info, err := os.Stat(dir)
	switch {
	case err != nil:
		return nil, usage(fmt.Errorf("--rules: %w", err))
	case !info.IsDir():
		return nil, usage(fmt.Errorf("--rules: %s is not a folder (name one with rules, or with rules/ in it)", dir))
	case isFolder(filepath.Join(dir, "rules")):
		g.content = dir
		return nil, nil
	}
	return []string{dir}, nil
}

// otherRules opens the gate over other rules, and tells what is wrong with them.
func (g *globals) otherRules(d *state.Deployment, keys *winnow.Keys, paths []string) (*allowlist.Gate, error) {
	gate, err := alertaction.OpenRules(d, keys, g.now(), paths)
	for _, e := range flatten(err) {
		g.note("warning: --rules: %s", plain(e.Error()))
	}
	if gate == nil {
		return nil, err
	}
	for _, e := range flatten(g.approve(d, gate)) {
		g.note("warning: --rules: %s", plain(e.Error()))
	}
	if len(gate.Rules.Rules()) == 0 {
		g.note("warning: --rules: no good rules: nothing is dropped")
	}
	return gate, nil
}

// reader is an engine that only reads. It decides as in enforce; a stop switch that is on now had no part in
// what was decided then.
func (p *parts) reader(ctx context.Context, l *ledger.Ledger, g *globals) (*triage.Engine, error) {
	switch p.gate.Blind {
	case "":
	case winnow.ReasonGateOff:
		p.gate.Blind = ""
	default:
		return nil, errors.New("rules, escalate list or suspensions cannot be read, so nothing can be said: see `winnow doctor`")
	}
	run := winnow.RunEnforce
	return triage.New(ctx, triage.Options{
		Ledger: l, Gate: p.gate, Analyst: p.pipeline, Facts: p.facts, Settings: p.Settings, Fields: p.Fields,
		Keys: p.keys, Lists: p.gate.Lists, Now: g.now, Run: &run, Paid: p.pipeline.Paid(), Version: version(),
	})
}

// useModel has another model asked, as far as money goes: what it would say is not known.
func (s *setting) useModel(g *globals) error {
	if s.model == "" {
		return nil
	}
	name := s.model
	if m, ok := s.d.Settings.Models[name]; ok {
		if m.Provider == conf.ProviderOffline {
			return usage(fmt.Errorf("--model %s asks nobody: name a language model", plain(name)))
		}
		name = string(m.Provider) + ":" + m.Model
	}
	if _, ok := s.table.Price(name, g.now()); !ok {
		return usage(fmt.Errorf("--model %s: prices.yaml has no price for it", plain(s.model)))
	}
	s.d.Settings.Pipeline.Model, s.asks = name, true
	return nil
}

// billed returns the price of a recorded call under this setting, where that is another than the one it was
// booked at. known is false where the other model has no price; offline analysts cost nothing.
func (s *setting) billed(g *globals, present *setting, c *ledger.Call) (p prices.Price, other, known bool) {
	name := s.d.Settings.Pipeline.Model
	if s.model == "" {
		now, then := s.stageModel(c), present.stageModel(c)
		if now == then {
			return p, false, true
		}
		m := s.d.Settings.Models[now]
		if m.Provider == conf.ProviderOffline {
			return p, true, true
		}
		name = string(m.Provider) + ":" + m.Model
	}
	p, known = s.table.Price(name, g.now())
	return p, true, known
}

// stageModel is the name of the [model:NAME] that answers such a call.
func (s *setting) stageModel(c *ledger.Call) string {
	set := s.d.Settings
	switch llm.Task(c.Task) {
	case llm.TaskVote:
		return set.Agents[c.Agent].Brain
	case llm.TaskCoordinate:
		return set.Pipeline.Coordinator
	case llm.TaskCorrelateClassify:
		return set.Stages[string(llm.TaskClassify)].Model
	case llm.TaskEnrich, llm.TaskCorrelate, llm.TaskClassify:
	}
	return set.Stages[c.Task].Model
}

// sweep is a key that takes one value after the other.
type sweep struct {
	key    string // STANZA.KEY
	values []string
}

// maxSweep is how many values a sweep may have: each is a deployment of its own.
const maxSweep = 40

// parseSweep reads STANZA.KEY=70..95:5, or STANZA.KEY=low,medium. The step is 1 unless it is given.
func parseSweep(text string) (s sweep, err error) {
	stanza, key, list := splitSet(text)
	if key == "" {
		return s, fmt.Errorf("--sweep %q: want STANZA.KEY=FROM..TO:STEP, like policy.confidence=70..95:5", text)
	}
	s.key = stanza + "." + key
	if from, rest, ok := strings.Cut(list, ".."); ok {
		s.values, err = sweepRange(text, from, rest)
		return s, err
	}
	for v := range strings.SplitSeq(list, ",") {
		s.values = append(s.values, strings.TrimSpace(v))
	}
	if len(s.values) < 2 || len(s.values) > maxSweep || slices.Contains(s.values, "") {
		return s, fmt.Errorf("--sweep %q: want 2 to %d values", text, maxSweep)
	}
	return s, nil
}

func sweepRange(text, from, rest string) (values []string, err error) {
	to, step, stepped := strings.Cut(rest, ":")
	if !stepped {
		step = "1"
	}
	var n [3]int
	for i, digits := range []string{from, to, step} {
		if n[i], err = strconv.Atoi(strings.TrimSpace(digits)); err != nil || n[i] < 0 || n[i] > 1_000_000 {
			return nil, fmt.Errorf("--sweep %q: %q is no whole number from 0 to 1000000", text, digits)
		}
	}
	if n[0] >= n[1] || n[2] == 0 || (n[1]-n[0])/n[2] >= maxSweep {
		return nil, fmt.Errorf("--sweep %q: want 2 to %d values, the lowest first", text, maxSweep)
	}
	for v := n[0]; v <= n[1]; v += n[2] {
		values = append(values, strconv.Itoa(v))
	}
	return values, nil
}
