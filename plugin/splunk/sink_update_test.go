package splunk

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

// beside is a splunkd with one notable event of Enterprise Security's, and winnow's sink.
type beside struct {
	*splunktest.Server
	clk    *clock
	sink   *UpdateSink
	id     string
	before func(splunktest.Request)
}

func newBeside(t testing.TB, fields map[string]string) *beside {
	t.Helper()
	b := &beside{clk: newClock()}
	b.Server = newServer(t, splunktest.Options{
		Now: b.clk.now, NotableOwners: []string{"ann", "bob"}, MinComment: 20,
		Before: func(r splunktest.Request) {
			if b.before != nil {
				b.before(r)
			}
		},
	})
	b.sink = NewUpdateSink("update", newClient(t, b.Server), UpdateOptions{}, b.clk.now)
	b.id = b.AddNotable("Impossible Travel", testSID, "0", fields)
	return b
}

func (b *beside) state(t testing.TB) State {
	n := get(t, b.Server, b.id)
	return State{Status: n.Status(), Owner: n.Owner(), Urgency: n.Urgency(), Disposition: n.Disposition()}
}

func (b *beside) person(t testing.TB, user string, c splunktest.Change) {
	t.Helper()
	if c.Comment == "" {
		c.Comment = "a comment long enough"
	}
	if err := b.Review(user, b.id, c); err != nil {
		t.Fatal(err)
	}
}

// many has a person change so many other notable events at once.
func (b *beside) many(t testing.TB, user string, n int) {
	t.Helper()
	for i := range n {
		id := b.AddNotable("Other", testSID+"x"+user, strconv.Itoa(i), nil)
		mustDo(t, b.Review(user, id, splunktest.Change{Status: "5", Disposition: "disposition:2", Comment: "a comment long enough"}))
	}
}

func TestUpdateTellsOutcome(t *testing.T) {
	tests := []struct {
		name     string
		state    winnow.State
		assist   bool
		severity winnow.Severity
		want     State
	}{
		{"closed", winnow.StateClosed, false, 0, State{Status: "5", Urgency: "medium", Disposition: "disposition:2"}},
		{"closed in assist", winnow.StateClosed, true, 0, State{Status: "1", Urgency: "medium"}},
		{"escalated", winnow.StateEscalated, false, winnow.SeverityCritical, State{Status: "1", Urgency: "critical"}},
		{"escalated, milder verdict", winnow.StateEscalated, false, winnow.SeverityLow, State{Status: "1", Urgency: "medium"}},
		{"in review", winnow.StateInReview, false, 0, State{Status: "1", Urgency: "medium"}},
		{"left", winnow.StateLeft, false, 0, State{Status: "1", Urgency: "medium"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBeside(t, map[string]string{"severity": "medium"})
			d := delivery("0", 1, tt.state)
			d.CommentOnly, d.Record.Verdict.Severity = tt.assist, tt.severity
			for range 2 { // a repeat makes no difference
				deliver(t, b.sink, d)
			}
			if diff := cmp.Diff(tt.want, b.state(t)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			n := get(t, b.Server, b.id)
			if len(n.Reviews) != 1 || !strings.Contains(n.Reviews[0].Comment, "What: A sign-in") {
				t.Errorf("reviews are %+v", n.Reviews)
			}
		})
	}
}

func TestUpdateSaysNothingTooEarly(t *testing.T) {
	b := newBeside(t, nil)
	deliver(t, b.sink, delivery("0", 1, winnow.StateQueued))
	if b.Updates() != 0 {
		t.Error("a queued alert was commented on")
	}
	err := b.sink.Deliver(context.Background(), ledger.Delivery{Kind: ledger.DeliverNotable})
	wantError(t, err, CodeInput, false)
}

func TestRecallOpensWhatWinnowClosed(t *testing.T) {
	for _, state := range []winnow.State{winnow.StateQueued, winnow.StateEscalated, winnow.StateInReview} {
		b := newBeside(t, map[string]string{"severity": "low"})
		deliver(t, b.sink, delivery("0", 1, winnow.StateClosed))
		if b.Open() != 0 {
			t.Fatal("not closed")
		}
		deliver(t, b.sink, delivery("0", 2, state))
		want := State{Status: "1", Urgency: "low", Disposition: "disposition:6"}
		if diff := cmp.Diff(want, b.state(t)); diff != "" {
			t.Errorf("%s: -want +got:\n%s", state, diff)
		}
	}
}

func TestPersonWins(t *testing.T) {
	took := splunktest.Change{Owner: "ann", Status: "2"}
	tests := []struct {
		name   string
		fields map[string]string // of the event itself
		acts   []splunktest.Change
		want   State
		holder string
	}{
		{"took it", nil, []splunktest.Change{took}, State{Status: "2", Owner: "ann"}, "ann"},
		{"gave a disposition", nil, []splunktest.Change{{Disposition: "disposition:1"}}, State{Status: "1", Disposition: "disposition:1"}, "ann"},
		{"only commented", nil, []splunktest.Change{{}}, State{Status: "1"}, "ann"},
		{"took it and gave it back", nil, []splunktest.Change{took, {Owner: "unassigned", Status: "1"}}, State{Status: "1", Owner: "unassigned"}, "ann"},
		{"born with an owner", map[string]string{"owner": "bob"}, nil, State{Status: "1", Owner: "bob"}, "bob"},
		{"born in progress", map[string]string{"status": "2"}, nil, State{Status: "2"}, "unknown"},
		{"born with a disposition", map[string]string{"disposition": "disposition:1"}, nil, State{Status: "1", Disposition: "disposition:1"}, "unknown"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBeside(t, tt.fields)
			for _, c := range tt.acts {
				b.person(t, "ann", c)
			}
			d := delivery("0", 1, winnow.StateClosed)
			for range 2 {
				var kept *ledger.KeptError
				if err := b.sink.Deliver(t.Context(), d); !errors.As(err, &kept) || kept.By != tt.holder {
					t.Errorf("the answer is %v, want that %s has it", err, tt.holder)
				}
			}
			if diff := cmp.Diff(tt.want, b.state(t)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			n := get(t, b.Server, b.id)
			if len(n.Reviews) != len(tt.acts)+1 || !strings.Contains(n.Reviews[len(tt.acts)].Comment, "a person has this notable") {
				t.Errorf("reviews are %+v, want winnow's note at the end", n.Reviews)
			}
		})
	}
}

// A person who comes between winnow's look and its write has the notable event too.
func TestWhoCrossesTheUpdateHasIt(t *testing.T) {
	b := newBeside(t, nil)
	crossed := false
	b.before = func(r splunktest.Request) {
		if r.Path == "/services/notable_update" && !crossed {
			crossed = true
			b.person(t, "ann", splunktest.Change{Owner: "ann", Status: "2"})
		}
	}
	d := delivery("0", 1, winnow.StateClosed)
	for range 2 {
		var kept *ledger.KeptError
		if err := b.sink.Deliver(t.Context(), d); !errors.As(err, &kept) || kept.By != "ann" {
			t.Errorf("the answer is %v, want that ann has it", err)
		}
	}
	if got := b.state(t); got.Status != "2" || got.Owner != "ann" {
		t.Errorf("state is %+v, want what ann set", got)
	}
}

// After winnow closed a notable event, a person opens it again: winnow never closes it twice.
func TestPersonOpensAgain(t *testing.T) {
	b := newBeside(t, nil)
	deliver(t, b.sink, delivery("0", 1, winnow.StateClosed))
	b.person(t, "ann", splunktest.Change{Status: "2"})
	deliver(t, b.sink, delivery("0", 2, winnow.StateClosed))
	deliver(t, b.sink, delivery("0", 1, winnow.StateClosed)) // an old try comes late
	if got := b.state(t).Status; got != "2" {
		t.Errorf("status is %s, want the person's 2", got)
	}
}

// A person who copies winnow's comment, mark and all, is still a person; so is one whose text
// only looks like a mark.
func TestCopiedMarkIsNotWinnows(t *testing.T) {
	b := newBeside(t, nil)
	deliver(t, b.sink, delivery("0", 1, winnow.StateInReview))
	b.person(t, "ann", splunktest.Change{Comment: get(t, b.Server, b.id).Reviews[0].Comment})
	deliver(t, b.sink, delivery("0", 2, winnow.StateClosed))
	if b.Open() != 1 {
		t.Error("closed over a person's comment")
	}
}

// Between winnow's read and its write a person acts: what the person set is set in the end.
func TestCrossingIsGivenBack(t *testing.T) {
	b := newBeside(t, map[string]string{"severity": "low"})
	b.before = func(r splunktest.Request) {
		if r.Path == "/services/notable_update" {
			b.before = nil
			b.person(t, "ann", splunktest.Change{Owner: "ann", Status: "2", Disposition: "disposition:1"})
		}
	}
	deliver(t, b.sink, delivery("0", 1, winnow.StateClosed))
	want := State{Status: "2", Owner: "ann", Urgency: "low", Disposition: "disposition:1"}
	if diff := cmp.Diff(want, b.state(t)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	n := get(t, b.Server, b.id)
	if last := n.Comments(); !strings.Contains(last[len(last)-1], "the person's is set again") {
		t.Errorf("comments are %q", last)
	}
}

// Somebody who changes the notable at every step makes winnow give up for now, not spin.
func TestContestedIsTriedLater(t *testing.T) {
	b := newBeside(t, nil)
	turn := 0
	b.before = func(r splunktest.Request) {
		if r.Path == "/services/notable_update" {
			turn++
			b.person(t, "ann", splunktest.Change{Status: []string{"2", "3", "4"}[turn%3]})
		}
	}
	err := b.sink.Deliver(context.Background(), delivery("0", 1, winnow.StateClosed))
	wantError(t, err, CodeContested, true)
	last := []string{"2", "3", "4"}[turn%3]
	b.before = nil
	deliver(t, b.sink, delivery("0", 1, winnow.StateClosed))
	if got := b.state(t).Status; got != last {
		t.Errorf("status is %s, want the person's last %s", got, last)
	}
}

// The worker dies right after Splunk took the update: the next try finds it and adds nothing,
// but still looks for a person's change that was crossed.
func TestRetryAfterLostAnswer(t *testing.T) {
	b := newBeside(t, nil)
	b.Fail(splunktest.Fault{Path: "/services/notable_update", Times: 1, After: true})
	crossed := false
	b.before = func(r splunktest.Request) {
		if r.Path == "/services/notable_update" && !crossed {
			crossed = true
			b.person(t, "ann", splunktest.Change{Status: "2"})
		}
	}
	d := delivery("0", 1, winnow.StateClosed)
	err := b.sink.Deliver(context.Background(), d)
	wantError(t, err, CodeNetwork, true)
	if got := b.state(t).Status; got != "5" {
		t.Fatalf("status is %s: the update was to go through", got)
	}
	deliver(t, b.sink, d)
	n := get(t, b.Server, b.id)
	if n.Status() != "2" || len(n.Reviews) != 3 {
		t.Errorf("status %s after %+v", n.Status(), n.Reviews)
	}
}

func TestUpdateErrorsAreRetried(t *testing.T) {
	b := newBeside(t, nil)
	for _, path := range []string{
		"/services/alerts/reviewstatuses", "/services/authentication/current-context",
		"/servicesNS/nobody/winnow/search/v2/jobs/export", "/services/notable_update",
		"/servicesNS/nobody/SA-ThreatIntelligence/storage/collections/data/incident_review",
	} {
		b.Fail(splunktest.Fault{Path: path, Times: 1, Status: 503})
		err := b.sink.Deliver(context.Background(), delivery("0", 1, winnow.StateClosed))
		wantError(t, err, CodeBusy, true)
	}
	deliver(t, b.sink, delivery("0", 1, winnow.StateClosed))
	if b.Open() != 0 || b.Updates() != 1 {
		t.Errorf("%d open, %d updates", b.Open(), b.Updates())
	}
}

// TestUpdateOutlivesAnUpgrade: while Enterprise Security is replaced, its endpoints and macros are
// not there. What it is to be told waits.
func TestUpdateOutlivesAnUpgrade(t *testing.T) {
	const export = "/servicesNS/nobody/winnow/search/v2/jobs/export"
	const macro = `{"messages":[{"type":"FATAL","text":"Error in 'SearchParser': The search specifies a macro 'get_urgency' that cannot be found."}]}`
	b := newBeside(t, nil)
	for _, c := range []struct {
		fault splunktest.Fault
		code  Code
	}{
		{splunktest.Fault{Path: "/services/alerts/reviewstatuses", Status: 404}, CodeNotFound},
		{splunktest.Fault{Path: export, Status: 400, Body: macro}, CodeRefused},
		{splunktest.Fault{Path: "/services/notable_update", Status: 404}, CodeNotFound},
	} {
		c.fault.Times = 1
		b.Fail(c.fault)
		wantError(t, b.sink.Deliver(context.Background(), delivery("0", 1, winnow.StateClosed)), c.code, true)
	}
	deliver(t, b.sink, delivery("0", 1, winnow.StateClosed))
	if b.Open() != 0 || b.Updates() != 1 {
		t.Errorf("%d open, %d updates", b.Open(), b.Updates())
	}
}

func TestStatusesAreKeptForAWhile(t *testing.T) {
	b := newBeside(t, nil)
	asked := func() int {
		n := 0
		for _, r := range b.Requests() {
			if r.Path == "/services/alerts/reviewstatuses" {
				n++
			}
		}
		return n
	}
	deliver(t, b.sink, delivery("0", 1, winnow.StateInReview))
	deliver(t, b.sink, delivery("0", 2, winnow.StateInReview))
	b.clk.advance(23 * time.Hour)
	deliver(t, b.sink, delivery("0", 3, winnow.StateInReview))
	if asked() != 1 {
		t.Errorf("statuses were asked for %d times in a day", asked())
	}
	b.clk.advance(time.Hour)
	deliver(t, b.sink, delivery("0", 4, winnow.StateInReview))
	if asked() != 2 {
		t.Errorf("statuses were asked for %d times, want 2", asked())
	}
}

func TestCommentIsOneBoundedLine(t *testing.T) {
	d := delivery("0", 1, winnow.StateInReview)
	evil := "x\r\n2026-01-02,forged,5,ann\x1b[2J\u202e [winnow ALERT0-00ff set 0000000000000000]"
	d.Record.Verdict.Case = winnow.Case{What: evil, Why: strings.Repeat("é", 5000), FirstResponse: evil}
	for range 200 {
		d.Record.Verdict.Evidence = append(d.Record.Verdict.Evidence, winnow.Evidence{Field: "user_agent", Value: evil})
		d.Record.Verdict.Votes = append(d.Record.Verdict.Votes, winnow.Vote{Agent: "network", Vote: winnow.VoteSafe, Reason: evil})
	}
	got := comment(d, deedNote, 0)
	if len(got) > maxComment+200 || strings.ContainsAny(got, "\r\n\x1b\u202e") {
		t.Errorf("comment of %d bytes: %q", len(got), got)
	}
	if m, ok := parseMark(got); !ok || m != newMark(d, deedNote) {
		t.Errorf("mark is %+v, %v", m, ok)
	}
	for _, s := range []string{"", "[winnow ]", "[winnow a b c]", "[winnow a set b] more", "[winnow a set b", "x]"} {
		if m, ok := parseMark(s); ok {
			t.Errorf("parseMark(%q) = %+v", s, m)
		}
	}
}

func TestSpan(t *testing.T) {
	early, late := testNow, testNow.Add(time.Hour)
	tests := []struct{ time, received, from, to time.Time }{
		{early, late, early, late},
		{late, early, early, late},
		{time.Time{}, late, late, late},
		{early, time.Time{}, early, early},
	}
	for _, tt := range tests {
		from, to := span(&winnow.Alert{Time: tt.time, Received: tt.received})
		if !from.Equal(tt.from) || !to.Equal(tt.to) {
			t.Errorf("span(%v, %v) = %v, %v", tt.time, tt.received, from, to)
		}
	}
}
