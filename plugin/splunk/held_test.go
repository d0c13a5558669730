package splunk

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

// What a person owns, works on or has closed is theirs. A comment, and what winnow did itself, is not.
func TestHeld(t *testing.T) {
	for name, c := range map[string]struct {
		born   map[string]string
		change func(*testing.T, *beside)
		want   Held
	}{
		"untouched":      {nil, nil, Held{}},
		"born owned":     {map[string]string{"owner": "bob"}, nil, Held{By: "bob"}},
		"only commented": {nil, func(t *testing.T, b *beside) { b.person(t, "ann", splunktest.Change{}) }, Held{}},
		"taken on": {nil, func(t *testing.T, b *beside) {
			b.person(t, "ann", splunktest.Change{Owner: "ann"})
		}, Held{By: "ann"}},
		"worked on, no owner": {nil, func(t *testing.T, b *beside) {
			b.person(t, "ann", splunktest.Change{Status: "2"})
		}, Held{By: "ann"}},
		"closed as benign": {nil, func(t *testing.T, b *beside) {
			b.person(t, "ann", splunktest.Change{Status: "5", Disposition: "disposition:2"})
		}, Held{By: "ann", Closed: true, Disposition: winnow.BenignPositive}},
		"closed, nothing said": {nil, func(t *testing.T, b *beside) {
			b.person(t, "ann", splunktest.Change{Status: "5"})
		}, Held{By: "ann", Closed: true}},
		"closed by winnow itself": {nil, func(t *testing.T, b *beside) {
			deliver(t, b.sink, delivery("0", 1, winnow.StateClosed))
		}, Held{}},
		"opened after winnow's close": {nil, func(t *testing.T, b *beside) {
			deliver(t, b.sink, delivery("0", 1, winnow.StateClosed))
			b.person(t, "ann", splunktest.Change{Status: "1"})
		}, Held{By: "ann", Reopened: true}},
		"opened and closed again after winnow's close": {nil, func(t *testing.T, b *beside) {
			deliver(t, b.sink, delivery("0", 1, winnow.StateClosed))
			b.person(t, "ann", splunktest.Change{Status: "2"})
			b.person(t, "ann", splunktest.Change{Status: "5", Disposition: "disposition:1"})
		}, Held{By: "ann", Closed: true, Disposition: winnow.TruePositive}},
		"called an attack after winnow's close": {nil, func(t *testing.T, b *beside) {
			deliver(t, b.sink, delivery("0", 1, winnow.StateClosed))
			b.person(t, "ann", splunktest.Change{Disposition: "disposition:1"})
		}, Held{By: "ann", Closed: true, Disposition: winnow.TruePositive}},
		"opened by winnow's own recall": {nil, func(t *testing.T, b *beside) {
			deliver(t, b.sink, delivery("0", 1, winnow.StateClosed))
			deliver(t, b.sink, delivery("0", 2, winnow.StateQueued))
			b.person(t, "ann", splunktest.Change{Status: "2"})
		}, Held{By: "ann"}},
		"closed with eleven others": {nil, func(t *testing.T, b *beside) {
			b.person(t, "ann", splunktest.Change{Status: "5", Disposition: "disposition:2"})
			b.many(t, "ann", 10)
		}, Held{By: "ann", Closed: true, Disposition: winnow.BenignPositive, Weak: true}},
		"closed with ten others": {nil, func(t *testing.T, b *beside) {
			b.person(t, "ann", splunktest.Change{Status: "5", Disposition: "disposition:2"})
			b.many(t, "ann", 9)
			b.many(t, "bob", 9)
		}, Held{By: "ann", Closed: true, Disposition: winnow.BenignPositive}},
		"closed, then touched with eleven others": {nil, func(t *testing.T, b *beside) {
			b.person(t, "ann", splunktest.Change{Status: "5", Disposition: "disposition:2"})
			b.clk.advance(10 * time.Minute)
			b.person(t, "ann", splunktest.Change{Owner: "ann"})
			b.many(t, "ann", 10)
		}, Held{By: "ann", Closed: true, Disposition: winnow.BenignPositive}},
		"opened again after a close": {nil, func(t *testing.T, b *beside) {
			b.person(t, "ann", splunktest.Change{Status: "5", Disposition: "disposition:2"})
			b.person(t, "bob", splunktest.Change{Status: "1", Owner: "bob"})
		}, Held{By: "bob"}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBeside(t, c.born)
			if c.change != nil {
				c.change(t, b)
			}
			b.clk.advance(5 * time.Minute) // what came in the minute after is known
			d := delivery("0", 1, winnow.StateClosed)
			got, err := b.sink.Held(t.Context(), &d.Alert, d.WinnowID)
			if err != nil {
				t.Fatal(err)
			}
			if got.At.IsZero() != (c.change == nil || name == "closed by winnow itself") {
				t.Errorf("people were there at %v", got.At)
			}
			got.At = time.Time{}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// What was said just now may be the first of many, and what cannot be looked up may be one of them.
func TestHeldIsWeakWhileNothingIsKnown(t *testing.T) {
	b := newBeside(t, nil)
	b.person(t, "ann", splunktest.Change{Status: "5", Disposition: "disposition:2"})
	weak := func() bool {
		t.Helper()
		d := delivery("0", 1, winnow.StateClosed)
		got, err := b.sink.Held(t.Context(), &d.Alert, d.WinnowID)
		if err != nil || !got.Closed || got.Disposition != winnow.BenignPositive {
			t.Fatalf("%+v, %v", got, err)
		}
		return got.Weak
	}
	if !weak() {
		t.Error("what others do in the same minute is not known yet")
	}
	b.clk.advance(5 * time.Minute)
	if weak() {
		t.Error("it was one change alone")
	}
	b.before = func(r splunktest.Request) {
		if strings.Contains(r.Query.Get("query"), "$or") {
			b.before = nil
			b.Fail(splunktest.Fault{Times: 1, Status: 503})
		}
	}
	if !weak() {
		t.Error("what cannot be looked up counts")
	}
}

// An alert without a notable event, or a Splunk that does not answer, says nothing of anybody.
func TestHeldFails(t *testing.T) {
	b := newBeside(t, nil)
	a := winnow.Alert{Key: winnow.Key{SID: "scheduler_other", RID: "7"}, Time: b.clk.now(), Received: b.clk.now().Add(time.Second)}
	if h, err := b.sink.Held(t.Context(), &a, "x"); err == nil || h.By != "" {
		t.Errorf("held %+v, error %v", h, err)
	}
}
