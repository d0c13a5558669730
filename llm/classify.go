package llm

import (
	"context"

	"github.com/winnow-soc/winnow"
)

// Classification is the third stage's judgement.
type Classification struct {
	Disposition     DispositionName   `json:"disposition"`
	Confidence      int               `json:"confidence"` // 0 to 100, as stated
	Case            winnow.Case       `json:"case"`
	Evidence        []winnow.Evidence `json:"evidence"` // fields and values that the judgement rests on
	Recommendations []Advice          `json:"recommendations"`
}

// DispositionName is a disposition as analysts write it: one of the six names to the letter.
type DispositionName string

// Disposition returns the disposition; a name that is none of the six is Undetermined.
func (n DispositionName) Disposition() winnow.Disposition {
	d, err := winnow.ParseDisposition(string(n))
	if err != nil {
		return winnow.Undetermined
	}
	return d
}

func (c *Classification) check(k *checker) {
	k.disposition(c.Disposition)
	k.within("confidence", c.Confidence, 0, 100)
	k.threeLines(&c.Case)
	k.atMost("evidence", len(c.Evidence), maxItems)
	for _, e := range c.Evidence {
		k.size("evidence field", e.Field, maxNameRunes)
		k.size("evidence value", e.Value, maxValueRunes)
	}
	k.atMost("recommendations", len(c.Recommendations), maxItems)
	for i := range c.Recommendations {
		c.Recommendations[i].check(k)
	}
}

// classify is the third stage. It settles the case unless its judgement lies in the disputed
// band, where the panel is asked.
func (r *run) classify(ctx context.Context) (settled bool, err error) {
	before := len(r.objections)
	if r.combined() {
		err = r.judge(ctx)
	} else {
		err = ask(ctx, r, r.p.o.Classify, Question{Task: TaskClassify, Case: &r.c}, &r.c.Classification)
	}
	if err != nil {
		return false, err
	}
	r.decided(r.p.o.Classify)
	cl := &r.c.Classification
	r.judgement = judgement{cl.Disposition.Disposition(), cl.Confidence, cl.Case}
	refused := len(r.objections) > before // a bad answer is no judgement: the panel gives one
	return !refused && !r.p.o.Panel.disputed(r.judgement), nil
}

// Judgement is correlation and classification in one answer.
type Judgement struct {
	Correlation
	Classification
}

func (j *Judgement) check(k *checker) {
	j.Correlation.check(k)
	j.Classification.check(k)
}

func (r *run) combined() bool {
	return r.p.o.Combine && r.p.o.Classify.Source() == winnow.SourceModel
}

// judge asks for correlation and classification at once.
func (r *run) judge(ctx context.Context) error {
	var j Judgement
	if err := ask(ctx, r, r.p.o.Classify, Question{Task: TaskCorrelateClassify, Case: &r.c}, &j); err != nil {
		return err
	}
	r.c.Correlation, r.c.Classification = j.Correlation, j.Classification
	r.picked(r.p.o.Classify)
	return nil
}
