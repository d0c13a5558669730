package splunk

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

func TestLabel(t *testing.T) {
	closeIt := func(t *testing.T, b *beside) { deliver(t, b.sink, delivery("0", 1, winnow.StateClosed)) }
	for name, c := range map[string]struct {
		change func(*testing.T, *beside)
		want   Label
	}{
		"untouched":                {func(*testing.T, *beside) {}, Label{}},
		"winnow's own disposition": {closeIt, Label{}},
		"benign, still open": {func(t *testing.T, b *beside) {
			b.person(t, "ann", splunktest.Change{Disposition: "disposition:2"})
		}, Label{By: "ann", Disposition: winnow.BenignPositive}},
		"the last one stands": {func(t *testing.T, b *beside) {
			b.person(t, "ann", splunktest.Change{Disposition: "disposition:2"})
			b.person(t, "bob", splunktest.Change{Disposition: "disposition:1", Status: "2"})
			b.person(t, "eve", splunktest.Change{Owner: "ann"})
		}, Label{By: "bob", Disposition: winnow.TruePositive}},
		"taken back": {func(t *testing.T, b *beside) {
			b.person(t, "ann", splunktest.Change{Disposition: "disposition:2"})
			b.person(t, "ann", splunktest.Change{Disposition: "disposition:6"})
		}, Label{}},
		"a comment that looks like winnow's": {func(t *testing.T, b *beside) {
			b.person(t, "ann", splunktest.Change{Disposition: "disposition:2", Comment: "x " + newMark(delivery("0", 1, winnow.StateClosed), deedSet).String()})
		}, Label{By: "ann", Disposition: winnow.BenignPositive}},
		"opened again": {func(t *testing.T, b *beside) {
			closeIt(t, b)
			b.person(t, "ann", splunktest.Change{Status: "2"})
		}, Label{By: "ann", Reopened: true}},
		"opened again as an attack": {func(t *testing.T, b *beside) {
			closeIt(t, b)
			b.person(t, "ann", splunktest.Change{Status: "2", Disposition: "disposition:1"})
		}, Label{By: "ann", Disposition: winnow.TruePositive, Reopened: true}},
		"confirmed, then opened again": {func(t *testing.T, b *beside) {
			closeIt(t, b)
			b.person(t, "ann", splunktest.Change{Disposition: "disposition:3"})
			b.person(t, "bob", splunktest.Change{Status: "1"})
		}, Label{By: "bob", Reopened: true}},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBeside(t, nil)
			c.change(t, b)
			d := delivery("0", 1, winnow.StateClosed)
			got, err := b.sink.Label(t.Context(), &d.Alert, d.WinnowID, b.id)
			if err != nil || got.At.IsZero() != (got.By == "") {
				t.Fatalf("%+v, %v", got, err)
			}
			got.At = time.Time{}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
			if _, err := b.sink.Label(t.Context(), &d.Alert, d.WinnowID, b.id+"0"); !NoLabel(err) {
				t.Errorf("another event's label: %v", err)
			}
		})
	}
}

// TestLabelOfAFinding: with Enterprise Security 8 people give dispositions through the interface of
// investigations, without a comment, as winnow does; winnow's own entries are those that a note of its own
// announces.
func TestLabelOfAFinding(t *testing.T) {
	closeIt := func(t *testing.T, f *findings) { deliver(t, f.sink, delivery("0", 1, winnow.StateClosed)) }
	for name, c := range map[string]struct {
		change func(*testing.T, *findings)
		want   Label
	}{
		"untouched":                {func(*testing.T, *findings) {}, Label{}},
		"winnow's own disposition": {closeIt, Label{}},
		"benign": {func(t *testing.T, f *findings) {
			f.person(t, "ann", State{Status: "5", Disposition: "disposition:2"})
		}, Label{By: "ann", Disposition: winnow.BenignPositive}},
		"the last one stands": {func(t *testing.T, f *findings) {
			f.person(t, "ann", State{Disposition: "disposition:3"})
			f.person(t, "bob", State{Disposition: "disposition:1", Status: "2"})
			f.person(t, "ann", State{Owner: "ann"})
		}, Label{By: "bob", Disposition: winnow.TruePositive}},
		"taken back": {func(t *testing.T, f *findings) {
			f.person(t, "ann", State{Disposition: "disposition:2"})
			f.person(t, "ann", State{Disposition: "disposition:6"})
		}, Label{}},
		"opened again": {func(t *testing.T, f *findings) {
			closeIt(t, f)
			f.person(t, "ann", State{Status: "2"})
		}, Label{By: "ann", Reopened: true}},
		"an attack after winnow's close": {func(t *testing.T, f *findings) {
			closeIt(t, f)
			f.person(t, "ann", State{Status: "2", Disposition: "disposition:1"})
		}, Label{By: "ann", Disposition: winnow.TruePositive, Reopened: true}},
		"a note alone": {func(t *testing.T, f *findings) {
			mustDo(t, f.AddNote("ann", f.id, splunktest.Note{Title: "mine", Content: "disposition:2, says [winnow]"}))
		}, Label{}},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFindings(t)
			c.change(t, f)
			d := delivery("0", 1, winnow.StateClosed)
			got, err := f.sink.Label(t.Context(), &d.Alert, d.WinnowID, f.id)
			if err != nil || got.At.IsZero() != (got.By == "") {
				t.Fatalf("%+v, %v", got, err)
			}
			got.At = time.Time{}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// TestChangesOfFindings: changes through the interface of investigations are read like those in Incident
// Review, and more than ten of a person's in a minute are marked.
func TestChangesOfFindings(t *testing.T) {
	for _, n := range []int{10, 11} {
		f := newFindings(t)
		ids := []string{f.id}
		for i := range n - 1 {
			ids = append(ids, f.AddNotable("Impossible Travel", testSID, fmt.Sprint(i+1), nil))
		}
		for _, id := range ids {
			f.change(t, "ann", id, State{Disposition: "disposition:2"})
		}
		f.person(t, "bob", State{Owner: "bob"})
		f.clk.advance(10 * time.Minute)
		all, err := f.client.Changes(t.Context(), testNow.Add(-time.Minute), f.clk.now())
		mustDo(t, err)
		got := map[string]int{}
		for _, c := range all {
			if c.Marked {
				t.Errorf("%+v bears winnow's mark", c)
			}
			got[fmt.Sprintf("%s %v", c.User, c.Bulk)]++
		}
		if diff := cmp.Diff(map[string]int{fmt.Sprintf("ann %v", n > 10): n, "bob false": 1}, got); diff != "" {
			t.Errorf("%d at once: -want +got:\n%s", n, diff)
		}
		d := delivery("0", 1, winnow.StateClosed)
		held, err := f.sink.Held(t.Context(), &d.Alert, d.WinnowID)
		mustDo(t, err)
		if held.Closed || held.By != "bob" {
			t.Errorf("held %+v", held)
		}
		f.person(t, "ann", State{Status: "5"})
		f.clk.advance(10 * time.Minute)
		held, err = f.sink.Held(t.Context(), &d.Alert, d.WinnowID)
		mustDo(t, err)
		if !held.Closed || held.Weak != (n > 10) || held.Disposition != winnow.BenignPositive {
			t.Errorf("%d at once: held %+v", n, held)
		}
	}
}

// findings is a splunkd with Enterprise Security 8, and a finding of the alert that delivery tells of.
type findings struct {
	*splunktest.Server
	clk    *clock
	client *Client
	sink   *UpdateSink
	id     string
	people map[string]*Client
}

func newFindings(t testing.TB) *findings {
	t.Helper()
	f := &findings{clk: newClock(), people: map[string]*Client{}}
	f.Server = newServer(t, splunktest.Options{Now: f.clk.now, NotableOwners: []string{"ann", "bob"}, FindingsApp: splunktest.AppMissionControl})
	f.client = newClient(t, f.Server)
	f.sink = NewUpdateSink("update", f.client, UpdateOptions{}, f.clk.now)
	for _, user := range []string{"ann", "bob"} {
		f.AddSession(user, "key-of-"+user, time.Time{}, splunktest.CapEditNotables)
		f.people[user] = newClient(t, f.Server, func(o *Options) { o.Credentials = SessionKey(winnow.Secret("key-of-" + user)) })
	}
	f.id = f.AddNotable("Impossible Travel", testSID, "0", nil)
	return f
}

// person changes the finding the way Enterprise Security 8 does for a person.
func (f *findings) person(t testing.TB, user string, to State) {
	t.Helper()
	f.change(t, user, f.id, to)
}

func (f *findings) change(t testing.TB, user, id string, to State) {
	t.Helper()
	mustDo(t, f.people[user].UpdateFinding(t.Context(), &Notable{RuleID: id, Time: get(t, f.Server, id).Time}, to))
}

// TestLabelsAreNeverWinnows: whatever winnow and people write in turn, a label is what a person said last,
// and winnow's own writes give none.
func TestLabelsAreNeverWinnows(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		b := newBeside(t, nil)
		change, said := 0, ""
		for range rapid.IntRange(1, 6).Draw(rt, "writes") {
			if rapid.Bool().Draw(rt, "winnow writes") {
				change++
				state := rapid.SampledFrom([]winnow.State{winnow.StateClosed, winnow.StateEscalated, winnow.StateQueued}).Draw(rt, "state")
				deliver(t, b.sink, delivery("0", change, state))
				continue
			}
			d := rapid.SampledFrom([]string{"", "disposition:1", "disposition:2", "disposition:6"}).Draw(rt, "disposition")
			n := get(t, b.Server, b.id)
			if d != "" && d != n.Disposition() {
				said = d
			}
			b.person(t, "ann", splunktest.Change{Disposition: d, Status: rapid.SampledFrom([]string{"1", "2", "5"}).Draw(rt, "status")})
		}
		d := delivery("0", 1, winnow.StateClosed)
		got, err := b.sink.Label(t.Context(), &d.Alert, d.WinnowID, b.id)
		if err != nil {
			rt.Fatal(err)
		}
		want := map[string]winnow.Disposition{"disposition:1": winnow.TruePositive, "disposition:2": winnow.BenignPositive}[said]
		if got.By != "" && got.By != "ann" || got.Disposition != want && !got.Reopened || got.Reopened && got.Disposition != want && got.Disposition != winnow.Undetermined {
			rt.Fatalf("label %+v, a person said %q: %+v", got, said, get(t, b.Server, b.id).Reviews)
		}
	})
}

// TestBulkIsTheSameInAnyOrder: which changes are among many does not hang on the order in which they are read.
func TestBulkIsTheSameInAnyOrder(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var all []Change
		for i := range rapid.IntRange(0, 40).Draw(rt, "changes") {
			all = append(all, Change{
				RuleID: fmt.Sprint(i), User: rapid.SampledFrom([]string{"ann", "bob"}).Draw(rt, "user"),
				At:     testNow.Add(time.Duration(rapid.IntRange(0, 300).Draw(rt, "seconds")) * time.Second),
				Marked: rapid.IntRange(0, 9).Draw(rt, "marked") == 0,
			})
		}
		want := slices.Clone(all)
		for i := range want {
			want[i].Bulk = !want[i].Marked && amongMany(all, want[i])
		}
		other := rapid.Permutation(slices.Clone(all)).Draw(rt, "order")
		markBulk(other)
		got := map[string]bool{}
		for _, c := range other {
			got[c.RuleID] = c.Bulk
		}
		for _, c := range want {
			if got[c.RuleID] != c.Bulk {
				rt.Fatalf("%s of %s at %s: bulk %v, want %v", c.RuleID, c.User, c.At, got[c.RuleID], c.Bulk)
			}
		}
	})
}

// amongMany is the definition: in some minute that a change is in, its user made more than ten.
func amongMany(all []Change, of Change) bool {
	for _, first := range all {
		n, in := 0, false
		for _, c := range all {
			if c.User == of.User && !c.Marked && !c.At.Before(first.At) && c.At.Sub(first.At) < bulkMinute {
				n++
				in = in || c == of
			}
		}
		if n > bulkMost && in {
			return true
		}
	}
	return false
}

// TestChangesComeInPages: also across pages, many changes at once are many.
func TestChangesComeInPages(t *testing.T) {
	clock := newClock()
	s := newServer(t, splunktest.Options{Now: clock.now, NotableOwners: []string{"ann", "bob"}})
	c := newClient(t, s)
	var ids []string
	for i := range changesPage + 20 {
		ids = append(ids, s.AddNotable("S", "scheduler__1", fmt.Sprint(i), nil))
	}
	review := func(user string, id string) {
		t.Helper()
		if err := s.Review(user, id, splunktest.Change{Disposition: "disposition:2", Comment: "seen"}); err != nil {
			t.Fatal(err)
		}
	}
	from := clock.now()
	clock.advance(time.Minute)
	review("bob", ids[0])
	clock.advance(10 * time.Minute)
	for _, id := range ids {
		review("ann", id)
	}
	clock.advance(10 * time.Minute)
	got, err := c.Changes(t.Context(), from, clock.now())
	if err != nil || len(got) != len(ids)+1 || got[0].User != "bob" || got[0].Bulk {
		t.Fatalf("%d changes, %v", len(got), err)
	}
	for _, one := range got[1:] {
		if !one.Bulk || one.User != "ann" || one.Marked {
			t.Fatalf("%+v", one)
		}
	}
	origins, err := c.Origins(t.Context(), ids[:120], from.Add(-time.Hour), clock.now())
	if err != nil || len(origins) != 120 || origins[ids[7]] != (Origin{SID: "scheduler__1", RID: "7"}) {
		t.Errorf("%d origins, %v", len(origins), err)
	}
	if _, err := c.Origins(t.Context(), []string{`x" OR index=*`}, from, clock.now()); !NoLabel(err) {
		t.Errorf("err = %v", err)
	}
	if got, err := c.Changes(t.Context(), clock.now().Add(-5*time.Minute), clock.now()); err != nil || len(got) != 0 {
		t.Errorf("%d changes of nothing, %v", len(got), err)
	}
}
