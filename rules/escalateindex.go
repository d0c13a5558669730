package rules

import "github.com/winnow-soc/winnow"

// The escalate list is indexed as rules are, once it has been asked about many alerts. But an entry
// matches when it is true of any way to pick the values, so every value is looked up; and where
// doubt makes an entry match, whatever it is about, all entries are asked.

// indexed returns the index, nil while it is not worth having.
func (e *Escalate) indexed() *index {
	if e.index.Load() == nil && e.asked.Load() <= worthIndexing && e.asked.Add(1) == worthIndexing {
		e.makeIndex()
	}
	return e.index.Load()
}

func (e *Escalate) makeIndex() {
	rules := make([]*Rule, len(e.entries))
	for i, entry := range e.entries {
		rules[i] = &Rule{Global: true, loaded: entry.loaded}
	}
	data := buildIndex(rules)
	if x, ok := openIndex(section{memoryPages(data), 0, len(data)}, e.lists); ok {
		e.index.Store(x)
	}
}

// doubtful reports whether an alert has more values than can be tried, or one that is too long to
// look at.
func doubtful(a *winnow.Alert) bool {
	ways := 1
	for _, values := range a.Fields {
		ways *= max(1, len(values))
		if ways > maxPicks {
			return true
		}
		for _, v := range values {
			if len(v) > maxMatchBytes/maxFoldGrowth {
				return true
			}
		}
	}
	return false
}

// maxFoldGrowth is how much longer a text can get by lower or upper: two bytes become three, and one
// that is no UTF-8 becomes three.
const maxFoldGrowth = 3

// matchAmong returns the first entry among the candidates that matches.
func (e *Escalate) matchAmong(x *index, a *winnow.Alert) *Entry {
	candidates, done := x.candidatesOfAny(a)
	defer done()
	for _, n := range candidates {
		if e.entries[n].Match(a) {
			return e.entries[n]
		}
	}
	return nil
}
