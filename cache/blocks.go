package cache

import (
	"fmt"
	"time"
)

// blocks finds the open cases that have a pair in common with an alert. Cases between the same
// ends are kept together, since one attack opens many.
type blocks struct {
	byEnds map[string]*endCases
	byName map[end]map[*endCases]bool
	loose  map[*endCases]bool // names nothing, or too much, at one end
	opened int                // cases so far
}

// end is a name at one end of an alert.
type end struct {
	dest bool
	name string
}

// endCases are the open cases between two ends.
type endCases struct {
	src, dest Side
	cases     map[Key]times
	newest    time.Time // the newest escalation
	opened    int       // number of the case that was opened last
}

// times are when a case was escalated last, and its number in the order of opening.
type times struct {
	opened int
	last   time.Time
}

func newBlocks() blocks {
	return blocks{
		byEnds: map[string]*endCases{}, byName: map[end]map[*endCases]bool{}, loose: map[*endCases]bool{},
	}
}

// add enters a case, or its newest time.
func (b *blocks) add(o *OpenCase) {
	id := endsID(o)
	e := b.byEnds[id]
	if e == nil {
		e = &endCases{src: o.Src, dest: o.Dest, cases: map[Key]times{}}
		b.byEnds[id] = e
		b.index(e)
	}
	t, known := e.cases[o.Key]
	if !known {
		b.opened++
		t.opened = b.opened
	}
	t.last = o.Last
	e.cases[o.Key] = t
	e.renew(t)
}

func (e *endCases) renew(t times) {
	if t.last.After(e.newest) {
		e.newest = t.last
	}
	e.opened = max(e.opened, t.opened)
}

func (b *blocks) remove(o *OpenCase) {
	id := endsID(o)
	e := b.byEnds[id]
	delete(e.cases, o.Key)
	if len(e.cases) == 0 {
		delete(b.byEnds, id)
		b.unindex(e)
		return
	}
	e.newest, e.opened = time.Time{}, 0
	for _, t := range e.cases {
		e.renew(t)
	}
}

// match reports whether there are cases between the two ends that are of interest.
func (b *blocks) match(src, dest Side, interest func(*endCases) bool) bool {
	hit := func(e *endCases) bool {
		return interest(e) && samePair(e.src, e.dest, src, dest)
	}
	if src.Any || dest.Any {
		for _, e := range b.byEnds {
			if hit(e) {
				return true
			}
		}
		return false
	}
	for e := range b.loose {
		if hit(e) {
			return true
		}
	}
	return b.matchNames(src.Names, false, hit) || b.matchNames(dest.Names, true, hit)
}

func (b *blocks) matchNames(names []string, dest bool, hit func(*endCases) bool) bool {
	for _, name := range names {
		for e := range b.byName[end{dest, name}] {
			if hit(e) {
				return true
			}
		}
	}
	return false
}

func (b *blocks) index(e *endCases) {
	if e.src.Any || e.dest.Any || e.src.missing() && e.dest.missing() {
		b.loose[e] = true
	}
	for _, n := range e.ends() {
		if b.byName[n] == nil {
			b.byName[n] = map[*endCases]bool{}
		}
		b.byName[n][e] = true
	}
}

func (b *blocks) unindex(e *endCases) {
	delete(b.loose, e)
	for _, n := range e.ends() {
		delete(b.byName[n], e)
		if len(b.byName[n]) == 0 {
			delete(b.byName, n)
		}
	}
}

func (e *endCases) ends() []end {
	var out []end
	for _, name := range e.src.Names {
		out = append(out, end{false, name})
	}
	for _, name := range e.dest.Names {
		out = append(out, end{true, name})
	}
	return out
}

func endsID(o *OpenCase) string { return o.Src.id() + " " + o.Dest.id() }

// id tells sides apart: quoted names, so that no name can look like two.
func (s Side) id() string {
	if s.Any {
		return "*"
	}
	return fmt.Sprintf("%q", s.Names)
}
