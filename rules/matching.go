package rules

import (
	"iter"

	"github.com/winnow-soc/winnow"
)

// worthIndexing is how many alerts a set is asked about before it is indexed: for the one alert of
// most processes asking each rule is faster.
const worthIndexing = 64

// Matching returns, in order, the rules in scope of the alert's search whose condition is true of
// the alert, see [Rule.Match], and with an error those of which it cannot be told. It looks at
// nothing else that a rule says. The search name is the alert's own, which must come from Splunk's
// payload.
func (s *Set) Matching(a *winnow.Alert) iter.Seq2[*Rule, error] {
	if s.snapshot != nil {
		return s.snapshot.matching(a)
	}
	return func(yield func(*Rule, error) bool) {
		x := s.indexed()
		if x == nil {
			s.each(a, yield)
			return
		}
		candidates, done := x.candidates(a)
		defer done()
		for _, n := range candidates {
			if r := s.rules[n]; r.InScope(a.SearchName) && !offer(r, a, yield) {
				return
			}
		}
	}
}

// matching reads the candidates before any is asked: what they say counts only when all of them
// could be read.
func (s *snapshot) matching(a *winnow.Alert) iter.Seq2[*Rule, error] {
	return func(yield func(*Rule, error) bool) {
		candidates, ok := s.candidates(a)
		if !ok {
			s.instead().Matching(a)(yield)
			return
		}
		for _, r := range candidates {
			if !offer(r, a, yield) {
				return
			}
		}
	}
}

// each asks every rule.
func (s *Set) each(a *winnow.Alert, yield func(*Rule, error) bool) {
	for _, r := range s.For(a.SearchName) {
		if !offer(r, a, yield) {
			return
		}
	}
}

func offer(r *Rule, a *winnow.Alert, yield func(*Rule, error) bool) bool {
	matched, err := r.Match(a)
	return !matched && err == nil || yield(r, err)
}

// Index makes the index now, and not after the first alerts.
func (s *Set) Index() {
	s.indexing.Do(func() {
		if s.snapshot != nil {
			return
		}
		if data := buildIndex(s.rules); len(data) <= maxIndex {
			if x, ok := openIndex(section{memoryPages(data), 0, len(data)}, s.lists); ok {
				s.index.Store(x)
			}
		}
	})
}

func (s *Set) indexed() *index {
	if s.index.Load() == nil && s.asked.Load() <= worthIndexing && s.asked.Add(1) == worthIndexing {
		s.Index()
	}
	return s.index.Load()
}
