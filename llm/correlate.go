package llm

import (
	"context"
	"fmt"
	"slices"

	"github.com/winnow-soc/winnow"
)

// Correlation ties the alert to known ways of attack.
type Correlation struct {
	Techniques []Technique `json:"techniques"`
	Signals    []Statement `json:"signals"` // what in the alert points there
}

// Technique is an ATT&CK technique and how sure the analyst is that the alert shows it.
type Technique struct {
	ID         string `json:"id"`         // active in the catalogue
	Confidence int    `json:"confidence"` // 0 to 100
}

// IDs returns the technique ids in the order given.
func (c Correlation) IDs() []string {
	ids := make([]string, len(c.Techniques))
	for i, t := range c.Techniques {
		ids[i] = t.ID
	}
	return ids
}

func (c *Correlation) check(k *checker) {
	k.atMost("techniques", len(c.Techniques), maxTechniques)
	for i, t := range c.Techniques {
		k.within("technique confidence", t.Confidence, 0, 100)
		switch at, known := k.catalogue.Technique(t.ID); {
		case !known:
			k.fail("technique %.20q is not in the ATT&CK catalogue", t.ID)
		case !at.Active:
			k.fail("technique %s is %s", at.ID, at.Status)
		}
		for _, u := range c.Techniques[:i] {
			if u.ID == t.ID {
				k.fail("technique %.20q is named twice", t.ID)
			}
		}
	}
	k.statements("signals", c.Signals)
}

// correlate is the second stage, unless it is one call with the third.
func (r *run) correlate(ctx context.Context) (settled bool, err error) {
	if r.combined() {
		return false, nil
	}
	if err := ask(ctx, r, r.p.o.Correlate, Question{Task: TaskCorrelate, Case: &r.c}, &r.c.Correlation); err != nil {
		return false, err
	}
	r.picked(r.p.o.Correlate)
	return false, nil
}

// picked holds a language model to the candidates. A technique that is none of them stands in the
// verdict, because it may be one that always goes to a person, and the alert is not closed.
func (r *run) picked(m Model) {
	if m.Source() != winnow.SourceModel {
		return
	}
	for _, id := range r.c.Correlation.IDs() {
		if !slices.ContainsFunc(r.c.Candidates, func(t AttackTechnique) bool { return t.ID == id }) {
			r.object("G3", winnow.ReasonBadAnswer, fmt.Sprintf("technique %s is none of the candidates", id))
		}
	}
}
