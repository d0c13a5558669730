package rules

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
)

// randomSet makes rules of random conditions, some of them in scope of other searches.
func randomSet(w *author, v vocabulary, n int) *Set {
	s := &Set{lists: v.lists, bySearch: map[string][]*Rule{}}
	for len(s.rules) < n {
		c, err := parseCondition(w.cond(w.IntN(5)), v)
		if err != nil {
			continue
		}
		r := &Rule{ID: fmt.Sprint("r", len(s.rules)), loaded: loaded{cond: c}}
		switch w.IntN(6) {
		case 0:
			r.Searches = []string{"Search", "Another"}
		case 1:
			r.Searches = []string{"Another"}
		case 2:
			r.Searches = []string{"Sea*"}
		default:
			r.Global = true
		}
		s.rules = append(s.rules, r)
	}
	return s
}

// answers are the rules that a set finds, and whether they failed.
func answers(each func(yield func(*Rule, error) bool)) (out []string) {
	each(func(r *Rule, err error) bool {
		out = append(out, fmt.Sprint(r.ID, " ", err))
		return true
	})
	return out
}

// TestIndexIsTheLoop: the index finds the rules that asking all of them finds, in their order and
// with their errors. Set WINNOW_INDEX_PAIRS for more pairs of a rule and an alert.
func TestIndexIsTheLoop(t *testing.T) {
	pairs := 100_000
	if testing.Short() {
		pairs = 30_000
	}
	if n, err := strconv.Atoi(os.Getenv("WINNOW_INDEX_PAIRS")); err == nil {
		pairs = n
	}
	v, _ := meaningLists(t)
	w := &author{Rand: newRand(uint64(pairs))}
	done, found, asked := 0, 0, 0
	for done < pairs {
		s := randomSet(w, v, 50)
		s.Index()
		x := s.index.Load()
		if x == nil {
			t.Fatal("no index")
		}
		for range 40 {
			a := w.alert()
			if w.IntN(40) == 0 {
				a.Fields["src"] = make([]string, maxElements+2)
				for i := range a.Fields["src"] {
					a.Fields["src"][i] = fmt.Sprint("v", i)
				}
			}
			want := answers(func(yield func(*Rule, error) bool) { s.each(a, yield) })
			got := answers(func(yield func(*Rule, error) bool) { s.Matching(a)(yield) })
			if fmt.Sprint(want) != fmt.Sprint(got) {
				t.Fatalf("alert %q: the index finds %v, all rules %v%s", a.Fields, got, want, difference(s, want, got))
			}
			candidates, end := x.candidates(a)
			asked += len(candidates)
			end()
			done, found = done+len(s.rules), found+len(want)
		}
	}
	if found < done/20 || asked > done*3/4 {
		t.Errorf("of %d pairs %d match and %d are asked: the test asks too little", done, found, asked)
	}
	t.Logf("%d pairs, %d asked, %d match", done, asked, found)
}

// difference writes the conditions of rules that only one of two found.
func difference(s *Set, want, got []string) (out string) {
	count := map[string]int{}
	for _, w := range append(want, got...) {
		count[w]++
	}
	for i, r := range s.rules {
		for w, n := range count {
			if n == 1 && len(w) > len(r.ID) && w[:len(r.ID)+1] == r.ID+" " {
				out += fmt.Sprintf("\nrule %d, scope %v: %+v", i, r.Searches, r.cond.root)
			}
		}
	}
	return out
}

// TestIndexFindsMutants: each of these mistakes of an index must be found, and soon. A mistake is
// made by indexing other conditions than those that are asked, or by looking another alert up.
func TestIndexFindsMutants(t *testing.T) {
	v, _ := meaningLists(t)
	for name, m := range map[string]struct {
		cond  func(*cond) *cond
		value func(string) string
	}{
		"none": {},
		"one branch of an or": {cond: func(c *cond) *cond {
			if c.op == condOr {
				return c.kids[0]
			}
			return c
		}},
		"a value that must not be": {cond: func(c *cond) *cond {
			if c.op == condNot {
				return c.kids[0]
			}
			return c
		}},
		"ToLower as fold":              {value: strings.ToLower},
		"no letters beyond ASCII":      {value: func(v string) string { return strings.ToValidUTF8(strings.Map(onlyASCII, v), "?") }},
		"the first value though empty": {value: func(v string) string { return strings.TrimPrefix(v, "ann") }},
	} {
		t.Run(name, func(t *testing.T) {
			w := &author{Rand: newRand(11)}
			found := false
			for sets := 0; sets < 1000 && !found && (m.cond != nil || m.value != nil || sets < 100); sets++ {
				s := randomSet(w, v, 40)
				other := &Set{lists: v.lists}
				for _, r := range s.rules {
					c := &condition{root: mutateCond(r.cond.root, m.cond), slots: r.cond.slots, lists: r.cond.lists}
					other.rules = append(other.rules, &Rule{ID: r.ID, Global: r.Global, Searches: r.Searches, loaded: loaded{cond: c}})
				}
				other.Index()
				found = mutantDiffers(s, other.index.Load(), w, m.value)
			}
			if found != (name != "none") {
				t.Errorf("found: %v", found)
			}
		})
	}
}

func onlyASCII(r rune) rune {
	if r >= 0x80 {
		return '?'
	}
	return r
}

func mutateCond(c *cond, mutate func(*cond) *cond) *cond {
	if mutate == nil {
		return c
	}
	out := *mutate(c)
	out.kids = nil
	for _, kid := range mutate(c).kids {
		out.kids = append(out.kids, mutateCond(kid, mutate))
	}
	return &out
}

// mutantDiffers reports whether an index leaves a rule out that matches.
func mutantDiffers(s *Set, x *index, w *author, value func(string) string) bool {
	for range 20 {
		a := w.alert()
		seen := *a
		if value != nil {
			seen.Fields = winnow.Fields{}
			for f, values := range a.Fields {
				for _, v := range values {
					seen.Fields[f] = append(seen.Fields[f], value(v))
				}
			}
		}
		candidates, done := x.candidates(&seen)
		asked := map[string]bool{}
		for _, n := range candidates {
			asked[s.rules[n].ID] = true
		}
		done()
		missed := false
		s.each(a, func(r *Rule, _ error) bool {
			missed = missed || !asked[r.ID]
			return !missed
		})
		if missed {
			return true
		}
	}
	return false
}

// TestEscalateIndexIsTheLoop: the index finds the entry that asking one after the other finds.
func TestEscalateIndexIsTheLoop(t *testing.T) {
	v, _ := meaningLists(t)
	w := &author{Rand: newRand(13)}
	found, indexed := 0, 0
	for range 25 {
		e := &Escalate{lists: v.lists}
		for _, r := range randomSet(w, v, 12).rules {
			e.entries = append(e.entries, &Entry{ID: r.ID, loaded: r.loaded})
		}
		e.makeIndex()
		x := e.index.Load()
		for range 40 {
			a := w.alert()
			var want string
			for _, entry := range e.entries {
				if entry.Match(a) {
					want = entry.ID
					break
				}
			}
			if got, _ := e.Match(a); got != want {
				t.Fatalf("alert %q: the index finds %q, the list %q", a.Fields, got, want)
			}
			if want != "" {
				found++
			}
			if x != nil && !doubtful(a) {
				indexed++
			}
		}
	}
	if found < 50 || indexed < 300 {
		t.Errorf("%d alerts are escalated, %d go by the index: the test asks too little", found, indexed)
	}
}

func TestIndexOfNothing(t *testing.T) {
	s := &Set{bySearch: map[string][]*Rule{}}
	s.Index()
	for r := range s.Matching(&winnow.Alert{Fields: winnow.Fields{"a": {"b"}}}) {
		t.Errorf("found %v", r)
	}
}
