package llm

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

// A pipeline of recorded answers believes what the models' pipeline believed, in one call or two, with a panel and
// without, and with offline agents among the models.
func TestRecordedAnswersDecideTheSame(t *testing.T) {
	local := benignScript(winnow.SourceOffline)
	for name, change := range map[string]func(*Options){
		"stages": nil,
		"panel":  func(o *Options) { o.Panel.Always = true },
		"mixed": func(o *Options) {
			o.Panel.Always = true
			o.Enrich, o.Panel.Agents[0].Model = local, local
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := benignScript(winnow.SourceModel)
			s.usage = Usage{Calls: 1, Price: 10}
			p := newTest(t, s, change)
			before, err := p.Analyse(t.Context(), travel(t))
			if err != nil {
				t.Fatal(err)
			}
			s.seen = func(Question) { t.Error("a model was asked") }
			after, err := p.Recorded(before.Calls, local).Analyse(t.Context(), travel(t))
			if err != nil || after.Cost != (winnow.Cost{}) || before.Cost.Calls == 0 {
				t.Errorf("cost %+v, %v", after.Cost, err)
			}
			if diff := cmp.Diff(before.Verdict, after.Verdict); diff != "" {
				t.Errorf("verdict (-before +after):\n%s", diff)
			}
			if diff := cmp.Diff(before.Objections, after.Objections); diff != "" {
				t.Errorf("objections (-before +after):\n%s", diff)
			}
		})
	}
}

func TestWhatIsNotRecordedClosesNothing(t *testing.T) {
	s := benignScript(winnow.SourceModel)
	p := newTest(t, s, nil)
	before, err := p.Analyse(t.Context(), travel(t))
	if err != nil {
		t.Fatal(err)
	}
	for i := range before.Calls {
		calls := append(append([]Call{}, before.Calls[:i]...), before.Calls[i+1:]...)
		after, err := p.Recorded(calls, benignScript(winnow.SourceOffline)).Analyse(t.Context(), travel(t))
		if err != nil || after.Closable() || after.Failed == nil {
			t.Errorf("without the answer to %s: closable %v, %v", before.Calls[i].Task, after.Closable(), err)
		}
	}
	// nobody was asked then: the offline analysts are asked again, and the model is not
	s.seen = func(Question) { t.Error("a model was asked") }
	after, err := p.Recorded(nil, benignScript(winnow.SourceOffline)).Analyse(t.Context(), travel(t))
	if err != nil || after.Verdict.Source != winnow.SourceOffline {
		t.Errorf("source %q, %v", after.Verdict.Source, err)
	}
}
