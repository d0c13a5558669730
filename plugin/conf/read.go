package conf

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/winnow-soc/winnow"
)

// A key of a stanza and where its text goes. optional keys may be absent; all others are written
// in default/winnow.conf, and a stanza without one is an error, not a zero.
type key struct {
	name     string
	set      func(text string) error
	optional bool
}

// single lists the stanzas that appear once, with the keys that fill s.
func (s *Settings) single() map[string][]key {
	return map[string][]key{
		"gate": s.Gate.keys(), "policy": s.Policy.keys(), "cache": s.Cache.keys(),
		"content": s.Content.keys(), "pipeline": s.Pipeline.keys(), "review": s.Review.keys(),
		"queue": s.Queue.keys(), "worker": s.Worker.keys(), "splunk": s.Splunk.keys(),
		"retention": s.Retention.keys(),
	}
}

// Read turns winnow.conf into Settings. Every bad value, unknown name and missing key is an
// [*Error] that names its place and what would be right; all of them are returned together.
func Read(f *File) (*Settings, error) {
	s := &Settings{
		Stages: map[string]Stage{}, Agents: map[string]Agent{}, Models: map[string]Model{},
		searches: map[string]Search{},
	}
	r := reader{file: f, s: s}
	for _, name := range sortedKeys(s.single()) {
		if _, ok := f.At(name); !ok {
			r.fail(&Error{At: Value{File: f.Name}, Stanza: name, Message: "missing; install the app's default/winnow.conf again"})
			continue
		}
		r.fill(name, s.single()[name])
	}
	for _, name := range f.Stanzas() {
		r.named(name)
	}
	r.check()
	if err := errors.Join(r.errs...); err != nil {
		return nil, err
	}
	return s, nil
}

type reader struct {
	file *File
	s    *Settings
	errs []error
}

func (r *reader) fail(err *Error) { r.errs = append(r.errs, err) }

// fill sets the keys of one stanza, and refuses those it does not know.
func (r *reader) fill(stanza string, keys []key) {
	names := make([]string, 0, len(keys))
	for _, k := range keys {
		names = append(names, k.name)
		v, ok := r.file.Lookup(stanza, k.name)
		if !ok {
			if !k.optional {
				at, _ := r.file.At(stanza)
				r.fail(&Error{At: at, Stanza: stanza, Key: k.name, Message: "missing"})
			}
			continue
		}
		if err := k.set(v.Text); err != nil {
			r.fail(&Error{At: v, Stanza: stanza, Key: k.name, Message: err.Error()})
		}
	}
	for _, name := range r.file.Keys(stanza) {
		if !slices.Contains(names, name) {
			v, _ := r.file.Lookup(stanza, name)
			r.fail(&Error{At: v, Stanza: stanza, Key: name, Message: "unknown key" + nearest(name, names)})
		}
	}
}

// kinds are the prefixes of stanzas that may appear more than once, each with its own name.
var kinds = []string{"search", "stage", "agent", "model", "sink"}

// named reads one [kind:NAME] stanza. [default] gives its keys to the others and has none of its own.
func (r *reader) named(stanza string) {
	if _, ok := r.s.single()[stanza]; ok || stanza == DefaultStanza {
		return
	}
	kind, name, ok := strings.Cut(stanza, ":")
	if !ok || name == "" || !slices.Contains(kinds, kind) {
		at, _ := r.file.At(stanza)
		r.fail(&Error{At: at, Stanza: stanza, Message: "unknown stanza" + nearest(stanza, stanzaNames())})
		return
	}
	switch kind {
	case "search":
		r.search(stanza, name)
	case "stage":
		v := Stage{}
		r.fill(stanza, v.keys())
		r.s.Stages[name] = v
	case "agent":
		v := Agent{}
		r.fill(stanza, v.keys())
		r.s.Agents[name] = v
	case "model":
		v := Model{}
		r.fill(stanza, v.keys())
		r.s.Models[name] = v
	case "sink":
		v := Sink{Name: name}
		r.fill(stanza, v.keys())
		r.s.Sinks = append(r.s.Sinks, v)
	}
}

// search lays the stanza's keys over the global ones. A stanza cannot make a search less cautious
// than [gate] run says.
func (r *reader) search(stanza, name string) {
	v := Search{Run: r.s.Gate.Run, Place: r.s.Gate.Place, Policy: r.s.Policy}
	r.fill(stanza, v.keys())
	v.Run = min(v.Run, r.s.Gate.Run)
	r.s.searches[name] = v
}

// check holds stanzas against each other.
func (r *reader) check() {
	models := sortedKeys(r.s.Models)
	for _, name := range sortedKeys(r.s.Stages) {
		r.knownModel("stage:"+name, "model", r.s.Stages[name].Model, models)
	}
	for _, name := range sortedKeys(r.s.Agents) {
		r.knownModel("agent:"+name, "brain", r.s.Agents[name].Brain, models)
	}
	if q := r.s.Queue; q.RetryMax < q.RetryMin {
		v, _ := r.file.Lookup("queue", "retry_max")
		r.fail(&Error{At: v, Stanza: "queue", Key: "retry_max", Message: fmt.Sprintf("%s is below retry_min, %s", q.RetryMax, q.RetryMin)})
	}
}

func (r *reader) knownModel(stanza, key, model string, models []string) {
	if model == "" || slices.Contains(models, model) {
		return // empty: already an error of its own
	}
	v, _ := r.file.Lookup(stanza, key)
	r.fail(&Error{At: v, Stanza: stanza, Key: key, Message: fmt.Sprintf("no stanza [model:%s]%s", model, nearest(model, models))})
}

func stanzaNames() []string {
	names := sortedKeys(new(Settings).single())
	for _, kind := range kinds {
		names = append(names, kind+":NAME")
	}
	return names
}

func (g *Gate) keys() []key {
	return []key{
		{name: "run", set: parsed(&g.Run, winnow.ParseRun)},
		{name: "place", set: parsed(&g.Place, winnow.ParsePlace)},
		{name: "off", set: boolean(&g.Off)},
		{name: "worker_grace", set: duration(&g.WorkerGrace, second, day)},
		{name: "start_worker", set: boolean(&g.StartWorker)},
		{name: "list_shrink", set: share(&g.ListShrink)},
		{name: "canary", set: share(&g.Canary)},
		{name: "deadline", set: duration(&g.Deadline, second, hour)},
		{name: "min_free", set: size(&g.MinFree)},
		{name: "large_results", set: size(&g.LargeResults)},
	}
}

func (p *Policy) keys() []key {
	return []key{
		{name: "confidence", set: integer(&p.Confidence, 0, 100)},
		{name: "trust_uncalibrated", set: boolean(&p.TrustUncalibrated)},
		{name: "require_fact", set: boolean(&p.RequireFact)},
		{name: "offline_max_severity", set: severity(&p.OfflineMaxSeverity)},
		{name: "max_severity", set: severity(&p.MaxSeverity)},
		{name: "high_risk_words", set: list(&p.HighRiskWords)},
		{name: "high_risk_assets", set: list(&p.HighRiskAssets)},
		{name: "high_risk_techniques", set: list(&p.HighRiskTechniques)},
		{name: "escalate_confidence", set: integer(&p.EscalateConfidence, 0, 100)},
		{name: "escalate_severity", set: severity(&p.EscalateSeverity)},
	}
}

func (c *Cache) keys() []key {
	return []key{
		{name: "ttl", set: duration(&c.TTL, second, 90*day)},
		{name: "size", set: integer(&c.Size, 1, 100_000_000)},
		{name: "block", set: duration(&c.Block, 0, 30*day)},
		{name: "group", set: duration(&c.Group, second, day)},
	}
}

func (c *Content) keys() []key { return []key{{name: "apps", set: apps(&c.Apps)}} }

func (p *Pipeline) keys() []key { return []key{{name: "model", set: text(&p.Model)}} }

func (s *Stage) keys() []key {
	return []key{
		{name: "model", set: text(&s.Model)},
		{name: "input_tokens", set: integer(&s.InputTokens, 0, 10_000_000)},
		{name: "output_tokens", set: integer(&s.OutputTokens, 0, 10_000_000)},
	}
}

func (a *Agent) keys() []key {
	return []key{
		{name: "brain", set: text(&a.Brain)},
		{name: "weight", set: number(&a.Weight, 0, 100)},
	}
}

func (m *Model) keys() []key {
	return []key{{name: "provider", set: oneOf(&m.Provider, "offline")}}
}

func (s *Sink) keys() []key {
	return []key{
		{name: "type", set: oneOf(&s.Type, SinkNotable, SinkUpdate, SinkFile)},
		{name: "path", set: anyText(&s.Path), optional: true},
		{name: "index", set: anyText(&s.Index), optional: true},
		{name: "disabled", set: boolean(&s.Disabled), optional: true},
	}
}

func (v *Review) keys() []key {
	return []key{{name: "fact_ttl", set: duration(&v.FactTTL, 0, 10*365*day)}}
}

func (q *Queue) keys() []key {
	return []key{
		{name: "retry_min", set: duration(&q.RetryMin, second, day)},
		{name: "retry_max", set: duration(&q.RetryMax, second, day)},
	}
}

func (w *Worker) keys() []key {
	return []key{
		{name: "poll", set: duration(&w.Poll, second, hour)},
		{name: "concurrency", set: integer(&w.Concurrency, 1, 256)},
		{name: "max_attempts", set: integer(&w.MaxAttempts, 1, 100)},
		{name: "lease", set: duration(&w.Lease, second, day)},
	}
}

func (s *Splunk) keys() []key {
	return []key{
		{name: "uri", set: anyText(&s.URI)},
		{name: "token_file", set: anyText(&s.TokenFile)},
		{name: "ca_file", set: anyText(&s.CAFile)},
		{name: "app", set: text(&s.App)},
	}
}

func (r *Retention) keys() []key {
	return []key{
		{name: "records", set: duration(&r.Records, day, 100*365*day)},
		{name: "quarantine", set: duration(&r.Quarantine, day, 100*365*day)},
	}
}

func (s *Search) keys() []key {
	keys := []key{
		{name: "run", set: parsed(&s.Run, winnow.ParseRun)},
		{name: "place", set: parsed(&s.Place, winnow.ParsePlace)},
		{name: "severity", set: severity(&s.Severity)},
		{name: "raw", set: boolean(&s.Raw)},
	}
	keys = append(keys, s.Policy.keys()...)
	for i := range keys {
		keys[i].optional = true
	}
	return keys
}
