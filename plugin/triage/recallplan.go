package triage

import (
	"fmt"
	"slices"

	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/rules"
)

// RecallCount is what a recall finds.
type RecallCount struct {
	Requeue int `json:"requeue"` // dropped because of it, and kept: they are triaged again
	Other   int `json:"other"`   // looked at and left closed: they do not rest on the value, or --only leaves them out
	Unsure  int `json:"unsure"`  // of a recalled list value: closed by rules that no file has any more, left closed
	Gone    int `json:"gone"`    // past retention: only their number is known
}

// recaller picks the alerts of one recall.
type recaller struct {
	Recall

	gate    *allowlist.Gate
	without *allowlist.Suspensions // the list value alone
	only    *rules.Filter
	count   RecallCount
}

func newRecaller(r Recall, gate *allowlist.Gate) (*recaller, error) {
	out := &recaller{Recall: r, gate: gate}
	if r.List != "" {
		out.without = new(allowlist.Suspensions).Clone()
		out.without.AddListValue(r.List, r.Value, allowlist.Suspension{})
	}
	if r.Only == "" {
		return out, nil
	}
	var err error
	if out.only, err = rules.NewFilter("--only", r.Only, rules.Options{Fields: gate.Fields, Lists: gate.Lists}); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	return out, nil
}

// picks reports whether an alert is triaged again.
func (r *recaller) picks(t *ledger.Tx, d ledger.Drop) (bool, error) {
	if r.Version != "" && d.RuleSet != r.Version {
		return false, nil
	}
	var rule *rules.Rule
	if r.List != "" {
		if rule = r.gate.Rules.Find(d.Rule); rule == nil {
			r.count.Unsure++
			return false, nil
		}
		if !slices.Contains(rule.Lists(), r.List) {
			return false, nil
		}
	}
	picked := true
	if r.List != "" || r.only != nil {
		entry, err := t.Alert(d.ID)
		if err != nil {
			return false, err
		}
		picked = (rule == nil || r.gate.RestsOn(rule, &entry.Alert, r.without)) && (r.only == nil || r.only.Match(&entry.Alert))
	}
	if !picked {
		r.count.Other++
	}
	return picked, nil
}

// gone counts what is past retention.
func (r *recaller) gone(t *ledger.Tx) error {
	return t.Gone(r.Since, func(rule, ruleset string, n int) {
		switch {
		case r.Rule != "" && rule != r.Rule, r.Version != "" && ruleset != r.Version:
			return
		case r.List != "":
			if known := r.gate.Rules.Find(rule); known != nil && !slices.Contains(known.Lists(), r.List) {
				return
			}
		}
		r.count.Gone += n
	})
}

// recallBatch is how many drops are looked at in one transaction.
const recallBatch = 500

// PlanRecall counts what a recall would do. It changes nothing.
func PlanRecall(t *ledger.Tx, gate *allowlist.Gate, r Recall) (RecallCount, error) {
	p, err := newRecaller(r, gate)
	if err != nil {
		return RecallCount{}, err
	}
	if err := p.gone(t); err != nil {
		return p.count, err
	}
	after := ""
	for {
		drops, err := t.Drops(r.Rule, after, r.Since, recallBatch)
		if err != nil || len(drops) == 0 {
			return p.count, err
		}
		for _, d := range drops {
			picked, err := p.picks(t, d)
			if err != nil {
				return p.count, err
			}
			if picked {
				p.count.Requeue++
			}
		}
		after = drops[len(drops)-1].ID
	}
}
