// Package demo is a made-up day of a security operations center: some 400 alerts in the formats
// of thirteen searches, as Splunk would hand them to an alert action, with the rules and lists
// that a team would have written for them. Most alerts are known noise, some need a look, and a
// few tell the story of one real break-in.
//
// Names, addresses and values are invented: corp.example, the networks 10.0.0.0/8, and the
// addresses reserved for documentation. The same seed and time give the same day to the byte.
package demo

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
)

// Expected is what should become of an alert, for tests: winnow itself never sees it.
type Expected string

// The expectations.
const (
	ExpectDrop     Expected = "drop"     // an enforced rule of the demo covers it
	ExpectPass     Expected = "pass"     // no rule covers it; an analyst or a person decides
	ExpectEscalate Expected = "escalate" // part of a real attack: nothing may close it
)

// Label is the word that winnow's NDJSON format has for the expectation.
func (e Expected) Label() string {
	if e == ExpectEscalate {
		return "attack"
	}
	return "benign"
}

// Row is one result row.
type Row struct {
	Fields   winnow.Fields // with _time
	Expected Expected
}

// Dispatch is one run of the alert action: all results of a search at once, or, with PerResult,
// one of them.
type Dispatch struct {
	SearchName string
	App        string
	Owner      string
	SID        string
	Severity   string // what $alert.severity$ is replaced by, "1" to "6"
	At         time.Time
	PerResult  bool
	ResultID   int      // with PerResult: the number of the result, from 0
	Columns    []string // of the search, without the __mv_ companions
	Rows       []Row
}

// Day is how much time before now the alerts cover.
const Day = 24 * time.Hour

// Dispatches returns the alerts of the day that ends at now, in the order in which splunkd would
// start the action.
func Dispatches(seed uint64, now time.Time) []Dispatch {
	d := &day{rand: rand.New(rand.NewPCG(seed, 0x77696e6e6f77)), now: now.UTC().Truncate(time.Second)}
	for _, tell := range []func(*day){
		(*day).identityNoise, (*day).networkNoise, (*day).endpointNoise, (*day).cloudNoise, (*day).serverNoise,
		(*day).identityOpen, (*day).networkOpen, (*day).endpointOpen, (*day).cloudOpen, (*day).serverOpen,
		(*day).breakIn, (*day).manipulation,
	} {
		tell(d)
	}
	return d.dispatches()
}

// Alerts counts the rows of the dispatches.
func Alerts(all []Dispatch) int {
	n := 0
	for _, d := range all {
		n += len(d.Rows)
	}
	return n
}

// day collects what happened, in no order.
type day struct {
	rand   *rand.Rand
	now    time.Time
	events []event
}

type event struct {
	search *search
	at     time.Time
	row    Row
}

// happen adds a row. Pairs are field names and values; a value that is a []string makes a
// multivalue field, any other its text.
func (d *day) happen(s *search, ago time.Duration, want Expected, pairs ...any) {
	at := d.now.Add(-ago)
	f := winnow.Fields{}
	f.Add("_time", epoch(at))
	for i := 0; i+1 < len(pairs); i += 2 {
		name := pairs[i].(string)
		delete(f, name) // a later pair replaces an earlier one
		if many, ok := pairs[i+1].([]string); ok {
			f.Add(name, many...)
		} else {
			f.Add(name, fmt.Sprint(pairs[i+1]))
		}
	}
	for _, fixed := range s.fixed {
		if f[fixed[0]] == nil {
			f.Add(fixed[0], fixed[1])
		}
	}
	d.events = append(d.events, event{search: s, at: at, row: Row{Fields: f, Expected: want}})
}

// epoch writes a time as Splunk does in results, with milliseconds.
func epoch(t time.Time) string {
	return fmt.Sprintf("%d.%03d", t.Unix(), t.Nanosecond()/1e6)
}

// times calls f n times with times spread over the day.
func (d *day) times(n int, f func(ago time.Duration)) {
	for range n {
		f(10*time.Minute + time.Duration(d.rand.Int64N(int64(Day-40*time.Minute))).Truncate(time.Millisecond))
	}
}

func pick[T any](d *day, from []T) T { return from[d.rand.IntN(len(from))] }

// addr returns an address of the network that begins with prefix: "10.8.0." or "10.20.".
func (d *day) addr(prefix string) string {
	for strings.Count(prefix, ".") < 3 {
		prefix += fmt.Sprint(d.rand.IntN(4)) + "."
	}
	return prefix + fmt.Sprint(10+d.rand.IntN(200))
}

func (d *day) hex(digits int) string {
	const set = "0123456789abcdef"
	b := make([]byte, digits)
	for i := range b {
		b[i] = set[d.rand.IntN(len(set))]
	}
	return string(b)
}

// dispatches runs every search on its schedule: each run finds what happened since the last.
func (d *day) dispatches() []Dispatch {
	slices.SortStableFunc(d.events, func(a, b event) int { return a.at.Compare(b.at) })
	var out []Dispatch
	for _, s := range searches {
		runs := map[int64][]Row{}
		var order []int64
		for _, e := range d.events {
			if e.search != s {
				continue
			}
			k := int64(d.now.Sub(e.at) / s.every) // runs ago
			if runs[k] == nil {
				order = append(order, k)
			}
			runs[k] = append(runs[k], e.row)
		}
		for _, k := range order {
			out = append(out, s.run(d.now.Add(-time.Duration(k)*s.every), runs[k])...)
		}
	}
	slices.SortStableFunc(out, func(a, b Dispatch) int {
		return cmp.Or(a.At.Compare(b.At), strings.Compare(a.SID, b.SID), a.ResultID-b.ResultID)
	})
	return out
}
