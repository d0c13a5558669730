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
