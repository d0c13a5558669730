package offline

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
)

// Name is the name under which offline answers are booked.
const Name = "offline"

// Model answers every task with heuristics. It keeps nothing between calls and is safe for
// concurrent use.
type Model struct {
	catalogue *llm.Catalogue
}

// New returns the offline analysts. They name techniques of the catalogue only.
func New(c *llm.Catalogue) *Model { return &Model{catalogue: c} }

// Name returns "offline".
func (*Model) Name() string { return Name }

// Source returns winnow.SourceOffline.
func (*Model) Source() winnow.Source { return winnow.SourceOffline }

// Answer judges the case. It fails only for a task or an agent it does not know.
func (m *Model) Answer(_ context.Context, q llm.Question) (llm.Answer, error) {
	v := newView(q.Case)
	var answer any
	switch q.Task {
	case llm.TaskEnrich:
		answer = enrich(v)
	case llm.TaskCorrelate:
		answer = correlate(v, m.catalogue)
	case llm.TaskClassify:
		answer = classify(v)
	case llm.TaskCoordinate:
		answer = coordinate(v)
	case llm.TaskVote:
		table, ok := agents[q.Agent]
		if !ok {
			return llm.Answer{}, fmt.Errorf("offline: no agent %q (there are identity, network and threat_intel)", q.Agent)
		}
		answer = v.ballot(table)
	default:
		return llm.Answer{}, fmt.Errorf("offline: unknown task %q", q.Task)
	}
	data, err := json.Marshal(answer)
	return llm.Answer{JSON: data}, err
}

// Agents of the panel.
const (
	Network     = "network"
	Identity    = "identity"
	ThreatIntel = "threat_intel"
)

var agents = map[string][]heuristic{
	Network:     networkTable,
	Identity:    identityTable,
	ThreatIntel: threatIntelTable,
}
