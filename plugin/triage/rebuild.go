package triage

import (
	"context"
	"fmt"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// DoStep carries out a step of a reconciliation. host names this search head in natural keys, as the
// alert action names it. The same step twice changes nothing the second time.
func (e *Engine) DoStep(ctx context.Context, host string, s *Step) error {
	before := *s.pass
	seen := make(map[string]int, len(s.rows))
	err := e.Update(ctx, func(t *ledger.Tx) error {
		done, err := t.Reconciled(s.Missing.SID)
		if err != nil || done {
			return err
		}
		if err := e.admitRebuilt(t, host, s, seen); err != nil || !s.last {
			return err
		}
		return e.endRebuild(t, host, s)
	})
	if err != nil {
		s.pass.added, s.pass.raised = before.added, before.raised
		return err
	}
	for content, n := range seen {
		s.pass.seen[content] += n
	}
	return nil
}

// admitRebuilt brings the rows of a step into the ledger, but for those that it has: of rows that hold
// the same, as many as it has. seen counts the rows of this step.
func (e *Engine) admitRebuilt(t *ledger.Tx, host string, s *Step, seen map[string]int) error {
	if len(s.rows) == 0 {
		return nil
	}
	f := e.firingOf(host, &s.Missing.Fired)
	have, err := e.contents(t, f)
	if err != nil {
		return err
	}
	for i, fields := range s.rows {
		a := f.Alert(s.pass.read+i, fields)
		if _, ok := fields.First("_time"); !ok {
			a.Time = s.Missing.At
		}
		content := e.content(a.Fields)
		seen[content]++
		if have[content] >= s.pass.seen[content]+seen[content] {
			continue
		}
		alertaction.Identify(a, e.Keys)
		done, err := e.Admit(t, Row{Alert: *a, Proposal: e.Gate.Propose(a), Notable: s.Missing.Noted, Rebuilt: true})
		if err != nil {
			return err
		}
		if done.Duplicate {
			continue
		}
		have[content]++
		s.pass.added++
		e.rebuilt = true
		if err := t.AddRebuilt(ledger.Rebuilt{ID: done.ID, Key: a.Key, Content: content}); err != nil {
			return err
		}
	}
	return nil
}

// endRebuild ends the work on a firing. Where not all of its rows could be read, one alert stands for it.
func (e *Engine) endRebuild(t *ledger.Tx, host string, s *Step) error {
	m := &s.Missing
	if s.gone != "" {
		f := e.firingOf(host, &m.Fired)
		have, err := t.DeliveredRows(f.SID, f.RIDSuffix())
		if err != nil {
			return err
		}
		if have > m.Have {
			return nil // it came in meanwhile: the next comparison says whether it is whole
		}
		a := f.Untriaged(fmt.Sprintf("Fired on %s, never triaged: %s, and %s", m.Host, m.Reason.sentence(), s.gone))
		a.Time = m.At
		found, err := t.Find(a.Key)
		if err != nil {
			return err
		}
		if found.Clashes == 0 {
			p := winnow.Proposal{Kind: winnow.ProposeEscalate, Reason: winnow.ReasonNeverTriaged, RuleSet: e.Gate.Rules.Version()}
			if _, err := e.Admit(t, Row{Alert: *a, Proposal: p, Rebuilt: true}); err != nil {
				return err
			}
			s.pass.raised = true
		}
	}
	return t.MarkReconciled(m.SID, string(m.Reason), e.Now())
}

func (e *Engine) firingOf(host string, f *Fired) *alertaction.Firing {
	p := &alertaction.Payload{
		SID: f.SID, SearchName: f.Search, App: f.App, Owner: f.Owner, ServerHost: f.Host, Configuration: map[string]string{"severity": f.Severity},
	}
	return alertaction.NewFiring(p, host, e.search(f.Search).Severity, e.Now())
}

// contents counts what the rows of a firing hold that the ledger has.
func (e *Engine) contents(t *ledger.Tx, f *alertaction.Firing) (map[string]int, error) {
	ids, err := t.FiredRows(f.SID, f.RIDSuffix())
	if err != nil {
		return nil, err
	}
	have := make(map[string]int, len(ids))
	for _, id := range ids {
		entry, err := t.Alert(id)
		if err != nil {
			return nil, err
		}
		have[e.content(entry.Alert.Fields)]++
	}
	return have, nil
}

// content says what a row holds. Splunk writes times otherwise in a results file than in an answer, so
// _time does not count.
func (e *Engine) content(f winnow.Fields) string {
	kept := make(winnow.Fields, len(f))
	for name, values := range f {
		if name != "_time" {
			kept[name] = values
		}
	}
	return e.Keys.RowMAC(kept)
}

// rebuiltBefore returns the alert that a row delivered late was rebuilt as, "" when it was not. Only a
// row that holds the same counts: sid and rid may be claimed by others.
func (e *Engine) rebuiltBefore(t *ledger.Tx, row *Row) (string, error) {
	a := &row.Alert
	if !e.rebuilt || row.Rebuilt || a.Adhoc {
		return "", nil
	}
	return t.ClaimRebuilt(a.Key, e.content(a.Fields), strings.HasPrefix(a.Key.SID, "rt_"))
}
