package main

import (
	"fmt"
	"slices"

	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/knowledge"
	"github.com/winnow-soc/winnow/plugin/state"
)

// openKnowledge reads the inventories and feeds of the content. What is wrong with them is told by
// `winnow doctor` and in the worker's log, and is not known: nothing is closed by it.
func openKnowledge(d *state.Deployment) *knowledge.Store {
	return knowledge.Open(knowledge.Options{Lists: d.ListPaths(), Feeds: d.FeedPaths(), Trusted: d.Trusted})
}

// evidenceTools returns the tools that [tools] enables.
func evidenceTools(d *state.Deployment, known *knowledge.Store) ([]llm.Tool, error) {
	if d.Settings.Tools.MaxSteps == 0 {
		return nil, nil
	}
	tools, err := known.Tools(d.Settings.Tools.Enabled...)
	if err != nil {
		return nil, usage(fmt.Errorf("winnow.conf: [tools] enabled: %w", err))
	}
	return tools, nil
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
	if _, err := evidenceTools(x.d, known); err != nil {
		x.wrong("tools", "name tools that there are", err)
	}
	x.all("knowledge", "what the file says is not known to the analysts", known.Problems())
	if n := known.Counts(); n != (knowledge.Counts{}) {
		x.ok("knowledge", "%s, %s, %s, %s", things(n.Assets, "asset", "assets"), things(n.Identities, "identity", "identities"),
			things(n.Indicators, "indicator", "indicators"), things(n.Exploited, "exploited vulnerability", "exploited vulnerabilities"))
	}
}
