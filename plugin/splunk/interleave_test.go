package splunk

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

// scene is one notable event or finding on which people and two members of winnow's act at the same time,
// and what it must come to: people's changes in their order, and winnow's only as long as winnow could not
// know of a person.
type scene struct {
	t      *rapid.T
	server *splunktest.Server
	other  func() // the second member delivers the same
	id     string
	es     int
	skew   time.Duration // how far the clock of people's search head is ahead of winnow's
	want   State
	theirs State         // what people set last
	person bool          // somebody has acted
	noted  bool          // somebody has written a note ...
	knows  map[bool]bool // ... and a member, the nested one or the first, has read it
	left   int           // how many more times somebody will act
	nested bool          // the second member is at work
	quoted string
}

// before runs at every request of winnow's: somebody may come first.
func (d *scene) before(r splunktest.Request) {
	if d.left > 0 && rapid.IntRange(0, 3).Draw(d.t, "a person acts") == 0 {
		d.left--
		d.act()
	}
	if !d.nested && d.other != nil && rapid.IntRange(0, 9).Draw(d.t, "the other member delivers") == 0 {
		d.nested = true
		d.other()
		d.nested = false
	}
	if r.Method == http.MethodGet && strings.HasSuffix(r.Path, "/notes") {
		d.knows[d.nested] = d.noted
	}
	if to, ok := written(r); ok && !d.person && !d.knows[d.nested] {
		d.want = to.over(d.want)
	}
}

// written returns what a request of winnow's sets.
func written(r splunktest.Request) (State, bool) {
	if r.Path == "/services/notable_update" {
		return State{Status: r.Form.Get("status"), Urgency: r.Form.Get("urgency"), Disposition: r.Form.Get("disposition")}, true
	}
	var body map[string]string
	if !strings.Contains(r.Path, "/v1/investigations/") || json.Unmarshal([]byte(r.Body), &body) != nil {
		return State{}, false
	}
	return State{Status: body["status"], Urgency: body["urgency"], Disposition: body["disposition"]}, true
}

// act makes one change of a person's: of each field or of none, always to another value than it
// shows, with a comment that may be winnow's own, copied; or writes a note.
func (d *scene) act() {
	user := rapid.SampledFrom([]string{"ann", "bob"}).Draw(d.t, "user")
	is := d.shown()
	text := rapid.SampledFrom([]string{"a comment", d.quoted}).Draw(d.t, "comment")
	if text == "" {
		text = "a comment"
	}
	if d.es == 8 && rapid.IntRange(0, 2).Draw(d.t, "only a note") == 0 {
		if err := d.server.AddNote(user, d.id, splunktest.Note{Content: text}); err != nil {
			d.t.Fatal(err)
		}
		d.noted = true
		return
	}
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
		Comment:     text, Skew: d.skew,
	}
	if err := d.server.Review(user, d.id, c); err != nil {
		d.t.Fatal(err)
	}
	d.person = true
	set := State{Status: c.Status, Owner: c.Owner, Urgency: c.Urgency, Disposition: c.Disposition}
	d.want, d.theirs = set.over(d.want), set.over(d.theirs)
}

// shown is what Incident Review shows of the notable event.
func (d *scene) shown() State {
	n, _ := d.server.Notable(d.id)
	if comments := n.Comments(); len(comments) > 0 {
		d.quoted = comments[len(comments)-1]
	}
	if len(n.Notes) > 0 {
		d.quoted = n.Notes[len(n.Notes)-1].Content
	}
	return filled(State{Status: n.Status(), Owner: n.Owner(), Urgency: n.Urgency(), Disposition: n.Disposition()}, Statuses{New: "1"})
}

// People and two members of winnow's act on the same notable event in any order, with answers lost on the
// way and search heads whose clocks differ: no person's change is ever lost, and where a person was, nothing
// of winnow's later changes stays. `make interleave` tries 10,000 of them on each interface.
func TestNoPersonsChangeIsLost(t *testing.T) {
	for _, es := range []int{7, 8} {
		t.Run(fmt.Sprintf("Enterprise Security %d", es), func(t *testing.T) { interleave(t, es) })
	}
}

func interleave(t *testing.T, es int) {
	var now *scene
	clk := newClock()
	opts := splunktest.Options{
		Now: clk.now, NotableOwners: []string{"ann", "bob"},
		Before: func(r splunktest.Request) {
			if now != nil {
				now.before(r)
			}
		},
	}
	if es == 8 {
		opts.FindingsApp = splunktest.AppMissionControl
	}
	s := newServer(t, opts)
	members := [2]*UpdateSink{}
	for i := range members {
		members[i] = NewUpdateSink("update", newClient(t, s), UpdateOptions{}, clk.now)
	}
	round := 0
	rapid.Check(t, func(rt *rapid.T) {
		s.Clear()
		round++
		rid := fmt.Sprint(round)
		d := &scene{t: rt, server: s, es: es, knows: map[bool]bool{}, left: rapid.IntRange(0, 8).Draw(rt, "acts")}
		if d.skew = rapid.SampledFrom([]time.Duration{0, 0, -3 * time.Second, 3 * time.Second}).Draw(rt, "skew"); d.skew != 0 {
			// An entry repeats what its author saw. With two people on a slow clock the history does not tell
			// which of it they chose.
			d.left = min(d.left, 1)
		}
		d.id = s.AddNotable("Impossible Travel", testSID, rid, map[string]string{"severity": "medium"})
		d.want = d.shown()
		now = d
		defer func() { now = nil }()
		work(rt, d, members, clk, rid)
		if d.skew != 0 {
			d.want = d.theirs.over(d.shown()) // which of the two was first the history does not tell
		}
		if diff := cmp.Diff(d.want, d.shown()); diff != "" {
			n, _ := s.Notable(d.id)
			rt.Fatalf("-want +got:\n%s\nhistory: %+v\nnotes: %+v", diff, n.Reviews, n.Notes)
		}
	})
}

// work delivers a few outcomes of one alert, each until it is taken.
func work(rt *rapid.T, d *scene, members [2]*UpdateSink, clk *clock, rid string) {
	states := []winnow.State{winnow.StateClosed, winnow.StateEscalated, winnow.StateInReview, winnow.StateQueued, winnow.StateLeft}
	for change := range rapid.IntRange(1, 3).Draw(rt, "deliveries") {
		del := delivery(rid, change, rapid.SampledFrom(states).Draw(rt, "state"))
		del.CommentOnly = rapid.IntRange(0, 4).Draw(rt, "assist") == 0
		del.Record.Verdict.Severity = rapid.SampledFrom([]winnow.Severity{winnow.SeverityLow, winnow.SeverityHigh, winnow.SeverityCritical}).Draw(rt, "severity")
		if rapid.Bool().Draw(rt, "fault") {
			d.server.Fail(rapid.SampledFrom(faults).Draw(rt, "which"))
		}
		d.other = func() { _ = members[1].Deliver(context.Background(), del) }
		for _, sink := range members {
			deliverUntilTaken(rt, sink, del, clk)
			d.server.Heal()
			d.other = nil
		}
	}
}

// faults lose an answer after the request has had its effect, or make a reading fail.
var faults = []splunktest.Fault{
	{Path: "/services/notable_update", Times: 1, After: true},
	{Path: "/servicesNS/nobody/missioncontrol/v1/investigations/*", Times: 1, After: true},
	{Path: "/servicesNS/nobody/missioncontrol/public/v2/investigations/*/notes", Times: 2, After: true},
	{Path: "/servicesNS/nobody/missioncontrol/public/v2/findings/*", Times: 1, Status: 503},
	{Path: reviewPath, Times: 1, Status: 503},
}

func deliverUntilTaken(rt *rapid.T, sink Sink, d ledger.Delivery, clk *clock) {
	for try := 0; ; try++ {
		err := sink.Deliver(context.Background(), d)
		if taken(err) {
			return
		}
		if !Retryable(err) || try > 20 {
			rt.Fatalf("try %d: %v", try, err)
		}
		clk.advance(10 * time.Second) // the outbox waits between its tries
	}
}
