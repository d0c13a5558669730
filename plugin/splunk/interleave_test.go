package splunk

import (
	"context"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

// desk is one notable event on which people and winnow act at the same time, and what it must
// come to: people's changes in their order, and winnow's only as long as no person was there.
type desk struct {
	t      *rapid.T
	server *splunktest.Server
	id     string
	want   State
	person bool // somebody has acted
	left   int  // how many more times somebody will
	quoted string
}

// before runs at every request of winnow's: somebody may come first.
func (d *desk) before(r splunktest.Request) {
	if d.left > 0 && rapid.IntRange(0, 3).Draw(d.t, "a person acts") == 0 {
		d.left--
		d.act()
	}
	if r.Path == "/services/notable_update" && !d.person {
		d.want = State{Status: r.Form.Get("status"), Urgency: r.Form.Get("urgency"), Disposition: r.Form.Get("disposition")}.over(d.want)
	}
}

// act makes one change of a person's: of each field or of none, always to another value than it
// shows, with a comment that may be winnow's own, copied.
func (d *desk) act() {
	is := d.shown()
	pick := func(label, is string, values ...string) string {
		if v := rapid.SampledFrom(values).Draw(d.t, label); v != is {
			return v
		}
		return ""
	}
	c := splunktest.Change{
		Status:      pick("status", is.Status, is.Status, "1", "2", "4", "5"),
		Owner:       pick("owner", is.Owner, is.Owner, "ann", "bob", "unassigned"),
		Urgency:     pick("urgency", is.Urgency, is.Urgency, "low", "high"),
		Disposition: pick("disposition", is.Disposition, is.Disposition, "disposition:1", "disposition:2"),
		Comment:     rapid.SampledFrom([]string{"a comment", d.quoted}).Draw(d.t, "comment"),
	}
	if c.Comment == "" {
		c.Comment = "a comment"
	}
	user := rapid.SampledFrom([]string{"ann", "bob"}).Draw(d.t, "user")
	if err := d.server.Review(user, d.id, c); err != nil {
		d.t.Fatal(err)
	}
	d.person = true
	d.want = State{Status: c.Status, Owner: c.Owner, Urgency: c.Urgency, Disposition: c.Disposition}.over(d.want)
}

// shown is what Incident Review shows of the notable event.
func (d *desk) shown() State {
	n, _ := d.server.Notable(d.id)
	if comments := n.Comments(); len(comments) > 0 {
		d.quoted = comments[len(comments)-1]
	}
	return filled(State{Status: n.Status(), Owner: n.Owner(), Urgency: n.Urgency(), Disposition: n.Disposition()}, Statuses{New: "1"})
}

// People and winnow act on the same notable event in any order, with answers lost on the way:
// no person's change is ever lost, and where a person was, nothing of winnow's later changes
// stays.
func TestNoPersonsChangeIsLost(t *testing.T) {
	var now *desk
	clk := newClock()
	s := newServer(t, splunktest.Options{
		Now: clk.now, NotableOwners: []string{"ann", "bob"},
		Before: func(r splunktest.Request) {
			if now != nil {
				now.before(r)
			}
		},
	})
	c := newClient(t, s)
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		round++
		rid := fmt.Sprint(round)
		d := &desk{t: rt, server: s, left: rapid.IntRange(0, 8).Draw(rt, "acts")}
		d.id = s.AddNotable("Impossible Travel", testSID, rid, map[string]string{"severity": "medium"})
		d.want = d.shown()
		now = d
		defer func() { now = nil }()
		work(rt, s, NewUpdateSink("update", c, clk.now), rid)
		if diff := cmp.Diff(d.want, d.shown()); diff != "" {
			n, _ := s.Notable(d.id)
			rt.Fatalf("-want +got:\n%s\nhistory: %+v", diff, n.Reviews)
		}
	})
}

// work delivers a few outcomes of one alert, each until it is taken.
func work(rt *rapid.T, s *splunktest.Server, sink Sink, rid string) {
	states := []winnow.State{winnow.StateClosed, winnow.StateEscalated, winnow.StateInReview, winnow.StateQueued, winnow.StateLeft}
	for change := range rapid.IntRange(1, 3).Draw(rt, "deliveries") {
		d := delivery(rid, change, rapid.SampledFrom(states).Draw(rt, "state"))
		d.CommentOnly = rapid.IntRange(0, 4).Draw(rt, "assist") == 0
		d.Record.Verdict.Severity = rapid.SampledFrom([]winnow.Severity{winnow.SeverityLow, winnow.SeverityHigh, winnow.SeverityCritical}).Draw(rt, "severity")
		if rapid.Bool().Draw(rt, "answer lost") {
			s.Fail(splunktest.Fault{Path: "/services/notable_update", Times: 1, After: true})
		}
		for try := 0; ; try++ {
			err := sink.Deliver(context.Background(), d)
			if taken(err) {
				break
			}
			if !Retryable(err) || try > 20 {
				rt.Fatalf("try %d: %v", try, err)
			}
		}
		s.Heal()
	}
}
