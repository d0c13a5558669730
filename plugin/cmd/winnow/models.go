package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/anthropic"
	"github.com/winnow-soc/winnow/llm/chat"
	"github.com/winnow-soc/winnow/llm/openai"
	"github.com/winnow-soc/winnow/llm/prices"
	"github.com/winnow-soc/winnow/llm/redact"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/teams"
)

// models are the models of winnow.conf that somebody names: one caller for each, and whatever they
// share. What only language models need is opened when the first of them is named.
type models struct {
	g       *globals
	d       *state.Deployment
	offline llm.Model
	tools   []llm.Tool   // that language models may use
	teams   *teams.Table // who pays
	books   *lateBooks

	unbooked bool // calls are a person's, about made-up alerts: neither booked nor told of

	table    *prices.Table
	prompts  *chat.Prompts
	redactor *redact.Redactor
	budget   llm.Budget
	nonce    func(llm.Question) string
	batching *batching // nil: every request on its own

	callers   map[string]*chat.Caller
	providers map[string]*lazyProvider
	made      map[string]llm.Model
	err       error
}

func newModels(g *globals, d *state.Deployment, offline llm.Model, tools []llm.Tool) *models {
	return &models{
		g: g, d: d, offline: offline, tools: tools, books: &lateBooks{}, callers: map[string]*chat.Caller{}, providers: map[string]*lazyProvider{},
		made: map[string]llm.Model{},
	}
}

// of returns the model of a [model:NAME]; what is wrong with it is kept in err.
func (m *models) of(name string) llm.Model {
	if made, ok := m.made[name]; ok {
		return made
	}
	made, err := m.open(name)
	if err != nil {
		m.err = errors.Join(m.err, fmt.Errorf("winnow.conf: [model:%s]: %w", name, err))
		made = m.offline // nothing runs on it: err ends the program
	}
	m.made[name] = made
	return made
}

func (m *models) open(name string) (llm.Model, error) {
	s, ok := m.d.Settings.Models[name]
	if !ok {
		return nil, errors.New("there is no such stanza")
	}
	if s.Provider == conf.ProviderOffline {
		return m.offline, nil
	}
	if err := m.shared(); err != nil {
		return nil, err
	}
	o := chat.Options{
		Redactor: m.redactor, Prompts: m.prompts, Nonce: m.nonce, Tools: m.tools,
		MaxSteps: m.d.Settings.Tools.MaxSteps, ToolTokens: m.d.Settings.Tools.MaxTokens,
		Team: func(a *winnow.Alert) string { return m.teams.Of(a).Name },
	}
	for _, n := range append([]string{name}, s.Fallback...) {
		b, err := m.backend(n)
		if err != nil {
			return nil, err
		}
		o.Backends = append(o.Backends, b)
	}
	if b := m.d.Settings.Budget; b.WhenSpent == conf.SpentSmaller {
		smaller, err := m.backend(b.Smaller)
		if err != nil {
			return nil, fmt.Errorf("[budget] smaller: %w", err)
		}
		o.Smaller = &smaller
	}
	return chat.New(name, o)
}

func (m *models) backend(name string) (chat.Backend, error) {
	caller, err := m.caller(name)
	s := m.d.Settings.Models[name]
	return chat.Backend{
		Caller: caller, MaxOutput: s.MaxOutputTokens, Form: chat.Form(s.Form), Ceiling: redact.Class(s.DataClass), FlexSeverity: s.FlexSeverity,
	}, err
}

// shared opens what all language models share.
func (m *models) shared() (err error) {
	if m.prompts != nil {
		return nil
	}
	if m.table, err = openPrices(m.d); err != nil {
		return err
	}
	keys, err := m.d.Keys()
	if err != nil {
		return err
	}
	m.startBatching(keys, m.g.batchFor)
	key, err := keys.Redact()
	if err != nil {
		return err
	}
	if m.redactor, err = newRedactor(m.d, key); err != nil {
		return err
	}
	if !m.unbooked {
		m.budget = &egressBudget{next: m.books, report: m.d.ReportEgress, now: m.g.now}
	}
	if m.g.metrics != nil && m.budget != nil {
		m.budget = newCountedBudget(m.budget, m.g.metrics)
	}
	dirs := m.d.PromptDirs()
	if m.g.prompts != "" {
		dirs = append(dirs, m.g.prompts)
	}
	m.prompts, err = chat.LoadPrompts(dirs...)
	return err
}

// caller returns the one caller of a [model:NAME]: its limits hold for all who ask it.
func (m *models) caller(name string) (*chat.Caller, error) {
	if c, ok := m.callers[name]; ok {
		return c, nil
	}
	s := m.d.Settings.Models[name]
	provider, err := m.provider(name, s)
	if err != nil {
		return nil, err
	}
	batcher, err := m.batching.of(name, s, provider)
	if err != nil {
		return nil, err
	}
	price := func(model string, at time.Time) (prices.Price, bool) { return modelPrice(m.table, s, model, at) }
	c, err := chat.NewCaller(chat.CallerOptions{
		Name: name, Model: s.Model, Provider: provider, Price: price, Budget: m.budget, Attempts: s.Attempts, Timeout: s.Timeout, Now: m.g.now,
		ServiceTier: s.ServiceTier,
		Limit:       chat.Limit{Concurrency: s.Concurrency, RequestsPerMinute: s.RequestsPerMinute, TokensPerMinute: s.TokensPerMinute},
		Batch:       batcher,
	})
	if err == nil {
		m.callers[name] = c
	}
	return c, err
}

// provider checks everything but the key, which is looked for when the model is first asked.
func (m *models) provider(name string, s conf.Model) (*lazyProvider, error) {
	caFile := s.CAFile
	if caFile != "" {
		var err error
		if caFile, err = m.d.Resolve(caFile); err != nil {
			return nil, err
		}
	}
	client, err := chat.NewHTTPClient(chat.HTTPOptions{Proxy: s.Proxy, CAFile: caFile})
	if err != nil {
		return nil, err
	}
	if _, err := m.adapter(s, "", client); err != nil {
		return nil, err
	}
	p := &lazyProvider{open: func(ctx context.Context) (chat.Provider, error) {
		key, err := m.key(ctx, s.Key)
		if err != nil {
			return nil, fmt.Errorf("[model:%s] key: %w", name, err)
		}
		return m.adapter(s, key, client)
	}, tell: func(err error) { m.g.note("error: %s: the model is not asked", plain(err.Error())) }}
	m.providers[name] = p
	return p, nil
}

func (m *models) adapter(s conf.Model, key winnow.Secret, client *http.Client) (chat.Provider, error) {
	if s.Provider == conf.ProviderAnthropic {
		return anthropic.New(anthropic.Options{
			Model: s.Model, BaseURL: s.BaseURL, Key: key, HTTP: client, Now: m.g.now,
			Residency: s.Residency, ServiceTier: s.ServiceTier, Reasoning: s.Reasoning,
		})
	}
	return openai.New(openai.Options{
		Model: s.Model, BaseURL: s.BaseURL, API: openai.API(s.API), Key: key, HTTP: client, Now: m.g.now,
		Residency: s.Residency, ServiceTier: s.ServiceTier, Reasoning: s.Reasoning,
	})
}

// check looks for every key that the models need.
func (m *models) check(ctx context.Context) error {
	var all error
	for _, name := range sortedNames(m.providers) {
		_, err := m.providers[name].get(ctx)
		all = errors.Join(all, err)
	}
	return all
}

// close waits for calls that nobody waits for any more, and books them.
func (m *models) close() error { return m.closeWithin(closeFor) }

// closeWithin does so for as long as given at most. What has no answer then stays booked at its worst case.
func (m *models) closeWithin(most time.Duration) error {
	ctx, cancel := context.WithTimeout(context.Background(), most)
	defer cancel()
	var wg sync.WaitGroup
	errs := make([]error, len(m.callers))
	for i, name := range sortedNames(m.callers) {
		wg.Go(func() { errs[i] = m.callers[name].Close(ctx) })
	}
	wg.Wait()
	return errors.Join(append(errs, m.batching.close())...)
}

// closeFor is how long calls that are on their way may take at the end of a command. The worker has
// [worker] drain.
const closeFor = 20 * time.Second

// lazyProvider opens a provider when it is first asked, and again until that succeeds: a worker starts
// without a key, and goes on when there is one. Safe for concurrent use.
type lazyProvider struct {
	open func(context.Context) (chat.Provider, error)
	tell func(error)

	mu   sync.Mutex
	p    chat.Provider
	told string
}

func (l *lazyProvider) get(ctx context.Context) (chat.Provider, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.p != nil {
		return l.p, nil
	}
	p, err := l.open(ctx)
	if err != nil {
		return nil, err
	}
	l.p = p
	return p, nil
}

// Complete asks, if there is a key.
func (l *lazyProvider) Complete(ctx context.Context, r *chat.Request) (*chat.Reply, error) {
	p, err := l.get(ctx)
	if err == nil {
		return p.Complete(ctx, r)
	}
	l.mu.Lock()
	if text := err.Error(); text != l.told {
		l.told = text
		l.tell(err)
	}
	l.mu.Unlock()
	return nil, &chat.Error{Kind: chat.KindAuth}
}

// lateBooks are the books of a ledger that is opened after the models. Until then nothing is sent.
type lateBooks struct{ at atomic.Pointer[llm.Budget] }

func (b *lateBooks) set(books llm.Budget) { b.at.Store(&books) }

var errNoBooks = errors.New("no ledger is open to book calls to models in")

// Reserve books in the ledger.
func (b *lateBooks) Reserve(ctx context.Context, c llm.Charge) (llm.Booking, error) {
	books := b.at.Load()
	if books == nil {
		return 0, errNoBooks
	}
	return (*books).Reserve(ctx, c)
}

// Settle books in the ledger.
func (b *lateBooks) Settle(ctx context.Context, n llm.Booking, s llm.Settlement) error {
	books := b.at.Load()
	if books == nil {
		return errNoBooks
	}
	return (*books).Settle(ctx, n, s)
}

// useModel lets one model answer everything.
func (g *globals) useModel(d *state.Deployment, model, baseURL string) error {
	if err := g.nameModel(d, model, baseURL); err != nil {
		return err
	}
	askInStages(d.Settings, model)
	for name, agent := range d.Settings.Agents {
		agent.Brain = model
		d.Settings.Agents[name] = agent
	}
	return nil
}

// askInStages lets one model answer all stages, and coordinate the panel.
func askInStages(s *conf.Settings, model string) {
	for name, stage := range s.Stages {
		stage.Model = model
		s.Stages[name] = stage
	}
	s.Pipeline.Coordinator = model
}

// nameModel makes sure that the settings have a model: one of winnow.conf, or openai:NAME and anthropic:NAME
// with the key that their makers' variables hold.
func (g *globals) nameModel(d *state.Deployment, model, baseURL string) error {
	s := d.Settings
	if _, ok := s.Models[model]; !ok {
		provider, name, _ := strings.Cut(model, ":")
		variable, ok := map[string]string{"openai": "OPENAI_API_KEY", "anthropic": "ANTHROPIC_API_KEY"}[provider]
		if !ok || name == "" {
			return usage(fmt.Errorf("unknown --model %q (want openai:NAME, anthropic:NAME or a [model:NAME] of winnow.conf: %s)",
				plain(model), strings.Join(sortedNames(s.Models), ", ")))
		}
		m := conf.NewModel()
		m.Provider, m.Model = conf.Provider(provider), name
		if baseURL != "" && m.Provider == conf.ProviderOpenAI {
			m.API = "chat" // what all servers with this interface have
		}
		if m.BaseURL = baseURL; g.getenv(variable) != "" {
			m.Key = "env:" + variable
		}
		switch key, err := m.Check(); {
		case key == "key":
			return usage(fmt.Errorf("--model %s: no key in %s", plain(model), variable))
		case err != nil:
			return usage(fmt.Errorf("--model %s: %s: %w", plain(model), key, err))
		}
		s.Models[model] = m
	} else if baseURL != "" {
		return usage(errors.New("--base-url goes with --model openai:NAME or anthropic:NAME; a [model:NAME] has base_url"))
	}
	return nil
}
