package conf

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
)

// single lists the stanzas that appear once, with the keys that fill s.
func (s *Settings) single() map[string][]key {
	return map[string][]key{
		"gate": s.Gate.keys(), "policy": s.Policy.keys(), "cache": s.Cache.keys(),
		"content": s.Content.keys(), "pipeline": s.Pipeline.keys(), "review": s.Review.keys(),
		"queue": s.Queue.keys(), "worker": s.Worker.keys(), "splunk": s.Splunk.keys(),
		"retention": s.Retention.keys(), "reconcile": s.Reconcile.keys(), "tools": s.Tools.keys(), "budget": s.Budget.keys(), "redact": s.Redact.keys(),
		"report": s.Report.keys(),
	}
}

// Read turns winnow.conf into Settings. Every bad value, unknown name and missing key is an
// [*Error] that names its place and what would be right; all of them are returned together.
func Read(f *File) (*Settings, error) {
	s := &Settings{
		Stages: map[string]Stage{}, Agents: map[string]Agent{}, Models: map[string]Model{}, Teams: map[string]Team{}, Modes: map[string]Mode{},
		searches: map[string]Search{}, redacted: map[string]RedactSearch{}, searchTools: map[string]SearchTool{},
		actions: map[string]Action{},
	}
	r := reader{file: f, s: s, single: s.single()}
	for _, name := range sortedKeys(r.single) {
		if _, ok := f.At(name); !ok {
			r.fail(&Error{At: Value{File: f.Name}, Stanza: name, Message: "missing" + reinstall})
			continue
		}
		r.fill(name, r.single[name])
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

const reinstall = "; install the app's default/winnow.conf again"

type reader struct {
	file   *File
	s      *Settings
	single map[string][]key
	errs   []error
}

func (r *reader) fail(err *Error) { r.errs = append(r.errs, err) }

// fill sets the keys of one stanza, and refuses those it does not know.
func (r *reader) fill(stanza string, keys []key) {
	for _, k := range keys {
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
	r.refuseUnknown(stanza, keyNames(keys))
}

func (r *reader) refuseUnknown(stanza string, names []string) {
	for _, name := range r.file.Keys(stanza) {
		if !slices.Contains(names, name) {
			v, _ := r.file.Lookup(stanza, name)
			r.fail(&Error{At: v, Stanza: stanza, Key: name, Message: "unknown key" + nearest(name, names)})
		}
	}
}

// kinds are the prefixes of stanzas that may appear more than once, each with its own name.
var kinds = []string{"search", "stage", "agent", "model", "team", "mode", "sink", "redact", "tool", "action"}

// named reads one [kind:NAME] stanza.
func (r *reader) named(stanza string) {
	if _, ok := r.single[stanza]; ok {
		return
	}
	if stanza == DefaultStanza {
		r.inherited()
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
		if r.oneOf(stanza, name, stageNames) {
			instance(r, stanza, name, r.s.Stages, (*Stage).keys)
		}
	case "agent":
		if r.oneOf(stanza, name, agentNames) {
			instance(r, stanza, name, r.s.Agents, (*Agent).keys)
		}
	case "model":
		r.model(stanza, name)
	case "team":
		instance(r, stanza, name, r.s.Teams, (*Team).keys)
	case "mode":
		r.mode(stanza, name)
	case "redact":
		r.redacted(stanza, name)
	case "tool":
		r.tool(stanza, name)
	case "action":
		r.action(stanza, name)
	case "sink":
		r.sink(stanza, name)
	}
}

// inherited refuses keys of [default] that no stanza could inherit.
func (r *reader) inherited() {
	var names []string
	for _, keys := range r.single {
		names = append(names, keyNames(keys)...)
	}
	for _, keys := range [][]key{new(Search).keys(), new(Stage).keys(), new(Agent).keys(), new(Model).keys(), new(Team).keys(), new(Mode).keys(), new(Sink).keys(), new(RedactSearch).keys(), new(SearchTool).keys(), new(Reputation).keys(), new(Action).keys()} {
		names = append(names, keyNames(keys)...)
	}
	slices.Sort(names)
	r.refuseUnknown(DefaultStanza, slices.Compact(names))
}

// instance reads a stanza that there may be several of into its place.
func instance[T any](r *reader, stanza, name string, into map[string]T, keys func(*T) []key) {
	var v T
	r.fill(stanza, keys(&v))
	into[name] = v
}

func (r *reader) oneOf(stanza, name string, known []string) bool {
	if slices.Contains(known, name) {
		return true
	}
	at, _ := r.file.At(stanza)
	r.fail(&Error{At: at, Stanza: stanza, Message: fmt.Sprintf("unknown name %q%s", name, nearest(name, known))})
	return false
}

// search lays the stanza's keys over the global ones. A stanza cannot make a search less cautious
// than [gate] run says.
func (r *reader) search(stanza, name string) {
	v := Search{Run: r.s.Gate.Run, Place: r.s.Gate.Place, Policy: r.s.Policy}
	r.fill(stanza, v.keys())
	v.Run = min(v.Run, r.s.Gate.Run)
	r.s.searches[name] = v
}

// Stages and agents are part of the program: every stage has its stanza, agents may be fewer.
var (
	stageNames = []string{"enrich", "correlate", "classify"}
	agentNames = []string{"network", "identity", "threat_intel"}
)

// check holds stanzas against each other.
func (r *reader) check() {
	for _, name := range stageNames {
		if stage, ok := r.s.Stages[name]; !ok {
			r.fail(&Error{At: Value{File: r.file.Name}, Stanza: "stage:" + name, Message: "missing" + reinstall})
		} else {
			r.knownModel("stage:"+name, "model", stage.Model)
		}
	}
	for _, name := range sortedKeys(r.s.Agents) {
		r.knownModel("agent:"+name, "brain", r.s.Agents[name].Brain)
	}
	r.knownModel("pipeline", "coordinator", r.s.Pipeline.Coordinator)
	r.fallbacks()
	r.budget()
	r.review()
	for _, name := range r.s.Report.Weekly {
		r.reportsTo(name)
	}
	for i := range r.s.Sinks {
		r.pagesNext(&r.s.Sinks[i])
	}
	if p := r.s.Pipeline; p.PanelHigh < p.PanelLow {
		r.below("pipeline", "panel_high", "panel_low")
	}
	if q := r.s.Queue; q.RetryMax < q.RetryMin {
		r.below("queue", "retry_max", "retry_min")
	}
	if c := r.s.Reconcile; c.LookBack < c.Lag {
		r.below("reconcile", "look_back", "lag")
	}
	if q := r.s.Queue; q.WaitMax < q.WaitMaxHigh {
		r.below("queue", "wait_max", "wait_max_high")
	}
}

// review refuses a page that would send tokens and alerts over a network in the clear.
func (r *reader) review() {
	v := &r.s.Review
	fail := func(key, message string) {
		at, _ := r.file.Lookup("review", key)
		r.fail(&Error{At: at, Stanza: "review", Key: key, Message: message})
	}
	if (v.CertFile == "") != (v.KeyFile == "") {
		fail("key_file", "cert_file and key_file go together: give both or neither")
	}
	at, err := netip.ParseAddrPort(v.Listen)
	if err == nil && !at.Addr().IsLoopback() && v.CertFile == "" {
		fail("listen", fmt.Sprintf("%q is not a loopback address: give cert_file and key_file too, so that the page is served over TLS", v.Listen))
	}
}

// budget holds the keys of [budget] against each other and against the models.
func (r *reader) budget() {
	b := &r.s.Budget
	fail := func(key, format string, args ...any) {
		at, ok := r.file.Lookup("budget", key)
		if ok {
			r.fail(&Error{At: at, Stanza: "budget", Key: key, Message: fmt.Sprintf(format, args...)})
		}
	}
	if b.ReserveCritical+b.ReserveHigh > 1 {
		fail("reserve_high", "and reserve_critical are more than all of it together")
	}
	m, known := r.s.Models[b.Smaller]
	switch {
	case b.Smaller == "" && b.WhenSpent == SpentSmaller:
		fail("when_spent", "smaller asks the model that [budget] smaller names, and that is empty: name a [model:NAME]")
	case b.Smaller != "" && !known:
		r.knownModel("budget", "smaller", b.Smaller)
	case b.Smaller != "" && m.Provider == ProviderOffline:
		fail("smaller", "offline costs nothing: say when_spent = offline")
	}
}

// reportsTo refuses a sink that is not there, or that takes no events.
func (r *reader) reportsTo(name string) {
	var names []string
	for _, s := range r.s.Sinks {
		if s.Name == name && s.Type.Events() {
			return
		}
		if s.Type.Events() {
			names = append(names, s.Name)
		}
	}
	v, _ := r.file.Lookup("report", "weekly")
	r.fail(&Error{At: v, Stanza: "report", Key: "weekly", Message: fmt.Sprintf("no [sink:%s] that takes winnow's own events%s", name, nearest(name, names))})
}

// pagesNext refuses a sink whose next is not there, pages nobody, or leads back: in a ring nobody would be first.
func (r *reader) pagesNext(s *Sink) {
	if s.Disabled || !s.Type.Pages() || s.Next == "" {
		return
	}
	message, at := "", s
	for range r.s.Sinks {
		i := slices.IndexFunc(r.s.Sinks, func(o Sink) bool { return o.Name == at.Next && o.Type.Pages() && !o.Disabled })
		if i < 0 {
			message = fmt.Sprintf("no enabled [sink:%s] that pages people", at.Next)
			break
		}
		if at = &r.s.Sinks[i]; at.Next == "" {
			return
		}
	}
	if message == "" {
		message = "leads back to itself: somebody has to be paged last"
	}
	v, _ := r.file.Lookup("sink:"+s.Name, "next")
	r.fail(&Error{At: v, Stanza: "sink:" + s.Name, Key: "next", Message: message})
}

// below reports two keys that are the wrong way round; neither may be reported already.
func (r *reader) below(stanza, high, low string) {
	h, _ := r.file.Lookup(stanza, high)
	l, _ := r.file.Lookup(stanza, low)
	if h.Text != "" && l.Text != "" {
		r.fail(&Error{At: h, Stanza: stanza, Key: high, Message: fmt.Sprintf("%s is below %s, which is %s", h.Text, low, l.Text)})
	}
}

func (r *reader) knownModel(stanza, key, model string) {
	if _, ok := r.s.Models[model]; ok || model == "" {
		return // empty: already an error of its own
	}
	v, _ := r.file.Lookup(stanza, key)
	r.fail(&Error{At: v, Stanza: stanza, Key: key, Message: fmt.Sprintf("no stanza [model:%s]%s", model, nearest(model, sortedKeys(r.s.Models)))})
}

func stanzaNames() []string {
	names := sortedKeys(new(Settings).single())
	for _, kind := range kinds {
		names = append(names, kind+":NAME")
	}
	return names
}
