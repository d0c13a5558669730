package review_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/review"
)

// waiting adds an alert that waits for a person, of a search and about a user.
func waiting(tx *ledger.Tx, n int, state winnow.State, s winnow.Severity, search, user string) error {
	e := ledger.Entry{Alert: winnow.Alert{
		ID: fmt.Sprintf("01M7SF89VEEV0AZN6235X%05d", n), Key: winnow.Key{Host: "h", SID: "s", RID: fmt.Sprint(n)}, SearchName: search,
		Severity: s, Time: noon, Received: noon.Add(time.Duration(n) * time.Second), Fields: winnow.Fields{"user": {user}, "n": {fmt.Sprint(n)}},
	}, Key: cache.Key{1, byte(n), byte(n >> 8)}, Team: "blue"}
	r := winnow.NewRecord(&e.Alert, winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonNoRule})
	r.Outcome.State, r.Outcome.Reason = state, winnow.ReasonUndecidable
	return tx.Add(e, r)
}

// shortIDs tells groups by the end of their IDs.
func shortIDs(groups []review.Group) string {
	var out []string
	for _, g := range groups {
		out = append(out, strings.TrimLeft(g.First.ID[21:], "0"))
	}
	return strings.Join(out, " ")
}

func queueOf(t *testing.T, l *ledger.Ledger, f review.Filter, cursor string) (p review.Page) {
	t.Helper()
	err := l.View(t.Context(), func(tx *ledger.Tx) (err error) {
		p, err = review.Queue(tx, f, cursor)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestQueueIsGroupedFilteredAndPaged(t *testing.T) {
	l := newLedger(t)
	err := l.Update(t.Context(), func(tx *ledger.Tx) error {
		return errors.Join(
			waiting(tx, 1, winnow.StateInReview, winnow.SeverityLow, "Port Scan", "ann"),
			waiting(tx, 2, winnow.StateEscalated, winnow.SeverityHigh, "EDR Detection", "bob"),
			waiting(tx, 3, winnow.StateInReview, winnow.SeverityHigh, "Port Scan", "ann"),
			waiting(tx, 4, winnow.StateInReview, winnow.SeverityLow, "Port Scan", "BOB"), // stands with bob's other one
			waiting(tx, 5, winnow.StateInReview, winnow.SeverityUnknown, "Port Scan", "eve"),
			waiting(tx, 6, winnow.StateClosed, winnow.SeverityHigh, "Port Scan", "eve"),
		)
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		filter review.Filter
		want   string
	}{
		{review.Filter{}, "2 4 3 1 5"},
		{review.Filter{State: winnow.StateEscalated}, "2"},
		{review.Filter{State: winnow.StateInReview}, "4 3 1 5"},
		{review.Filter{Search: "Port Scan"}, "4 3 1 5"},
		{review.Filter{Severity: winnow.SeverityHigh}, "2 3 5"},
		{review.Filter{Entity: "user=ann"}, "3 1"},
		{review.Filter{Entity: "Ann"}, "3 1"},
		{review.Filter{Entity: "src=ann"}, ""},
		{review.Filter{Entity: "user=' OR 1=1 --"}, ""},
		{review.Filter{Search: "none"}, ""},
	} {
		if got := shortIDs(queueOf(t, l, c.filter, "").Groups); got != c.want {
			t.Errorf("%+v: %q, want %q", c.filter, got, c.want)
		}
		var paged []review.Group
		for f, cursor := c.filter, ""; ; {
			f.Limit = 2
			p := queueOf(t, l, f, cursor)
			if paged = append(paged, p.Groups...); len(p.Groups) > 2 {
				t.Fatalf("a page of %d groups", len(p.Groups))
			}
			if cursor = p.Next; cursor == "" {
				break
			}
		}
		if got := shortIDs(paged); got != c.want {
			t.Errorf("%+v, page by page: %q, want %q", c.filter, got, c.want)
		}
	}
	p := queueOf(t, l, review.Filter{Limit: 1}, "")
	g := p.Groups[0]
	if p.Storms != 5 || p.Alerts != 5 || g.Storms != 2 || g.Entity.Value != "bob" || g.Team != "blue" || g.Seq != 1 || !g.Urgent || g.Size != 1 {
		t.Errorf("page %+v", p)
	}
}

func TestForeignCursorIsRefused(t *testing.T) {
	l := newLedger(t)
	for _, cursor := range []string{"x", "e30=", "eyJlIjoxfQ", strings.Repeat("A", 2000), "../../etc", "\x00"} {
		err := l.View(t.Context(), func(tx *ledger.Tx) error {
			_, err := review.Queue(tx, review.Filter{}, cursor)
			return err
		})
		if !errors.Is(err, review.ErrCursor) {
			t.Errorf("%q: %v", cursor, err)
		}
	}
}

// BenchmarkQueue reads the first page of 10,000 groups.
func BenchmarkQueue(b *testing.B) {
	l := newLedger(b)
	err := l.Update(b.Context(), func(tx *ledger.Tx) error {
		for n := range 10_000 {
			state := winnow.StateInReview
			if n%10 == 0 {
				state = winnow.StateEscalated
			}
			if err := waiting(tx, n, state, winnow.Severity(n%6), "Port Scan", fmt.Sprint("user", n%5000)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for name, f := range map[string]review.Filter{
		"first": {Limit: 50}, "severe": {Limit: 50, Severity: winnow.SeverityCritical}, "nothing": {Limit: 50, Search: "none"}, "entity": {Limit: 50, Entity: "user=user7"},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				err := l.View(b.Context(), func(tx *ledger.Tx) error {
					_, err := review.Queue(tx, f, "")
					return err
				})
				if err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
