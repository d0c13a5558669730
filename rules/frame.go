package rules

import (
	"errors"
	"slices"
	"sync"

	"github.com/expr-lang/expr/vm"

	"github.com/winnow-soc/winnow"
)

// frame is what one evaluation reads: the alert, and the value picked for each slot. Slots are read
// from the alert when they are first asked for.
type frame struct {
	alert  *winnow.Alert
	slots  []slot
	loaded []bool
	vals   []string
	picks  [][]string // more than one value, for slots read as a single value
	at     []int      // the current pick of each
	ways   int        // product of the numbers of picks loaded so far; over maxPicks means too many
	err    error
	doubt  bool // doubt goes to a person: what cannot be told holds
	looked int  // bytes of long values looked at, where doubt goes to a person
	budget int  // how many there may be
	vm     vm.VM
}

var frames = sync.Pool{New: func() any { return new(frame) }}

var errTooManyValues = errors.New("a field has more values than values(...) reads")

// open takes a frame for an evaluation. Give it back with close.
func open(slots []slot, a *winnow.Alert) *frame {
	fr := frames.Get().(*frame)
	fr.alert, fr.slots, fr.ways, fr.err = a, slots, 1, nil
	fr.doubt, fr.looked = false, 0
	n := len(slots)
	fr.loaded = zeroed(fr.loaded, n)
	fr.vals = zeroed(fr.vals, n)
	fr.picks = zeroed(fr.picks, n)
	fr.at = zeroed(fr.at, n)
	return fr
}

func (fr *frame) close() {
	clear(fr.vals)
	clear(fr.picks)
	fr.alert, fr.slots, fr.err = nil, nil, nil
	frames.Put(fr)
}

func zeroed[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	s = s[:n]
	clear(s)
	return s
}

// text returns the value picked for a slot, "" when it is missing.
func (fr *frame) text(i int) string {
	if !fr.loaded[i] {
		fr.load(i)
	}
	return fr.vals[i]
}

// mayLook reports whether, where doubt goes to a person, matches and glob look at a value of n
// bytes. An attacker must neither hide behind a long value nor make it cost hours.
func (fr *frame) mayLook(n int) bool {
	if n <= maxMatchBytes {
		return true
	}
	fr.looked += n
	return n <= maxDoubtBytes && fr.looked <= fr.budget
}

func (fr *frame) present(i int) bool { return fr.text(i) != "" }

func (fr *frame) load(i int) {
	fr.loaded[i] = true
	s := &fr.slots[i]
	if s.alert {
		fr.vals[i] = alertText(fr.alert, s.name)
		return
	}
	values := fr.alert.Fields[s.name]
	if len(values) == 1 {
		fr.vals[i] = values[0]
		return
	}
	fr.vals[i] = firstText(values)
	if s.single && len(values) > 1 {
		fr.loadPicks(i, values)
	}
}

// loadPicks keeps the different values of a slot, unless there are too many to try.
func (fr *frame) loadPicks(i int, values []string) {
	different := distinct(values, maxPicks)
	if len(different) > 1 {
		fr.picks[i] = different
	}
	if n := len(different); n > 0 {
		fr.ways = min(fr.ways*n, maxPicks+1)
	}
}

// distinct returns the different texts that are not empty, at most one more than limit.
func distinct(values []string, limit int) []string {
	var out []string
	var seen map[string]bool
	for _, v := range values {
		if v == "" || seen[v] || seen == nil && slices.Contains(out, v) {
			continue
		}
		if out = append(out, v); len(out) > limit {
			return out
		}
		if len(out) > 16 && seen == nil {
			seen = make(map[string]bool, len(values))
			for _, o := range out {
				seen[o] = true
			}
		} else if seen != nil {
			seen[v] = true
		}
	}
	return out
}

// alertText returns alert.name. What Splunk did not say is missing.
func alertText(a *winnow.Alert, name string) string {
	switch name {
	case "search_name":
		return a.SearchName
	case "app":
		return a.App
	case "owner":
		return a.Owner
	case "severity":
		if a.Severity != winnow.SeverityUnknown {
			return a.Severity.String()
		}
	case "time":
		if !a.Time.IsZero() {
			return "set"
		}
	case "source":
		return Source(a)
	}
	return ""
}

// Source says where an alert comes from, as alert.source does: "splunk" for a search that fired,
// "adhoc" when a person asked, "file" for files given to winnow triage.
func Source(a *winnow.Alert) string {
	switch {
	case a.Adhoc:
		return "adhoc"
	case a.Key.Host == "file":
		return "file"
	}
	return "splunk"
}

func (fr *frame) time() float64 { return epoch(fr.alert.Time) }

// elements returns the values of values(event.f) or lists.l.
func (fr *frame) elements(t *term) []string {
	if t.list != nil {
		return t.list.values
	}
	values := fr.alert.Fields[fr.slots[t.slot].name]
	if slices.Contains(values, "") {
		values = slices.DeleteFunc(slices.Clone(values), func(v string) bool { return v == "" })
	}
	if len(values) > maxElements {
		fr.err = errTooManyValues
		return nil
	}
	return values
}

// next moves to the next way to pick values, and reports whether there is one.
func (fr *frame) next() bool {
	for i, values := range fr.picks {
		if values == nil {
			continue
		}
		fr.at[i]++
		if fr.at[i] < len(values) {
			fr.vals[i] = values[fr.at[i]]
			return true
		}
		fr.at[i] = 0
		fr.vals[i] = values[0]
	}
	return false
}

// loadAll reads every slot, and reports whether the ways to pick are few enough to try.
func (fr *frame) loadAll() bool {
	for i := range fr.slots {
		if !fr.loaded[i] {
			fr.load(i)
		}
	}
	return fr.ways <= maxPicks
}
