package main

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/knowledge"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/splunk"
	"github.com/winnow-soc/winnow/plugin/state"
)

// openKnowledge reads the inventories and feeds of the content. What is wrong with them is told by
// `winnow doctor` and in the worker's log, and is not known: nothing is closed by it.
func openKnowledge(d *state.Deployment) *knowledge.Store {
	return knowledge.Open(knowledge.Options{Lists: d.ListPaths(), Feeds: d.FeedPaths(), Trusted: d.Trusted})
}

// evidenceTools returns the tools that [tools] enables.
func (g *globals) evidenceTools(d *state.Deployment, known *knowledge.Store) ([]llm.Tool, error) {
	if d.Settings.Tools.MaxSteps == 0 {
		return nil, nil
	}
	own, err := g.searchTools(d)
	if err == nil {
		err = g.reputation(d, own)
	}
	if err != nil {
		return nil, usage(err)
	}
	var local []string
	var tools []llm.Tool
	for _, name := range d.Settings.Tools.Enabled {
		if t, ok := own[name]; ok {
			tools = append(tools, t)
			delete(own, name) // named twice, it is unknown
		} else {
			local = append(local, name)
		}
	}
	found, err := known.Tools(local...)
	if err != nil {
		return nil, usage(fmt.Errorf("winnow.conf: [tools] enabled: %w", err))
	}
	return append(found, tools...), nil
}

// reputation adds the tool that asks outside, if there is one.
func (g *globals) reputation(d *state.Deployment, into map[string]llm.Tool) error {
	s, ok := d.Settings.ReputationOf()
	if !ok {
		return nil
	}
	keys := &models{g: g, d: d}
	t, err := knowledge.NewReputation(knowledge.ReputationOptions{
		URL: s.URL, PerDay: s.PerDay, Internal: d.Settings.Redact.Networks, Now: g.now,
		Key:  func(ctx context.Context) (winnow.Secret, error) { return keys.key(ctx, s.Key) },
		Tell: func(l knowledge.Lookup) error { return d.ReportEgress(lookupEgress(l, g.now())) },
	})
	if err != nil {
		return fmt.Errorf("winnow.conf: [tool:%s] %w", conf.ReputationTool, err)
	}
	into[t.Name()] = t
	return nil
}

// lookupEgress is the event of a look-up outside.
func lookupEgress(l knowledge.Lookup, at time.Time) state.Egress {
	return state.Egress{
		Time: at, AlertID: l.AlertID, Search: l.Search, Task: "tool", Source: "tool:" + knowledge.ReputationTool, Attempt: 1,
		Fields: []string{l.Field}, Bytes: l.Bytes, SHA256: l.SHA256,
	}
}

// searchTools returns the searches of all [tool:NAME], enabled or not: a bad one is told either way. They
// share a client, which is opened when the first is asked.
func (g *globals) searchTools(d *state.Deployment) (map[string]llm.Tool, error) {
	var mu sync.Mutex
	var client *splunk.Client
	open := func() (_ *splunk.Client, err error) {
		mu.Lock()
		defer mu.Unlock()
		if client == nil {
			client, err = g.splunkClient(d, g.session)
		}
		return client, err
	}
	out := map[string]llm.Tool{}
	all := d.Settings.SearchTools()
	for _, name := range sortedNames(all) {
		if slices.Contains(knowledge.ToolNames, name) {
			return nil, fmt.Errorf("winnow.conf: [tool:%s]: there is a tool of that name already", name)
		}
		t, err := splunk.NewSearchTool(name, all[name], open)
		if err != nil {
			return nil, fmt.Errorf("winnow.conf: [tool:%s] %w", name, err)
		}
		out[name] = t
	}
	return out, nil
}

// learn reads inventories and feeds again when a file of them has changed.
func (r *refresher) learn() {
	p := r.parts
	now := signature(slices.Concat(p.ListPaths(), p.FeedPaths()))
	if now == r.known {
		return
	}
	if r.known != "" { // the first time they have just been read
		p.knowledge.Reload()
	}
	r.known = now
	for _, one := range flatten(p.knowledge.Problems()) {
		r.log.Error("an inventory or a feed is out of order: what it says is not known", "err", one)
	}
	if n := p.knowledge.Counts(); n != (knowledge.Counts{}) {
		r.log.Info("knowledge loaded", "assets", n.Assets, "identities", n.Identities, "indicators", n.Indicators, "exploited", n.Exploited)
	}
}

// knowledge looks at inventories and feeds.
func (x *diagnosis) knowledge() {
	known := openKnowledge(x.d)
	if _, err := x.g.evidenceTools(x.d, known); err != nil {
		x.wrong("tools", "name tools that there are", err)
	}
	x.all("knowledge", "what the file says is not known to the analysts", known.Problems())
	if n := known.Counts(); n != (knowledge.Counts{}) {
		x.ok("knowledge", "%s, %s, %s, %s", things(n.Assets, "asset", "assets"), things(n.Identities, "identity", "identities"),
			things(n.Indicators, "indicator", "indicators"), things(n.Exploited, "exploited vulnerability", "exploited vulnerabilities"))
	}
}
