package splunk

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

func find(c *Client, sid, rid string) (*Notable, error) {
	return c.FindNotable(context.Background(), sid, rid, testNow, testNow)
}

func TestFindNotable(t *testing.T) {
	s := newServer(t, splunktest.Options{NotableOwners: []string{"ann"}})
	s.AddNotable("Other", testSID, "1", nil)
	id := s.AddNotable("Impossible Travel", testSID, "0", map[string]string{"severity": "high"})
	if err := s.Review("ann", id, splunktest.Change{Owner: "ann", Comment: "mine"}); err != nil {
		t.Fatal(err)
	}
	if err := s.Review("ann", id, splunktest.Change{Status: "2"}); err != nil {
		t.Fatal(err)
	}
	n, err := find(newClient(t, s), testSID, "0")
	if err != nil {
		t.Fatal(err)
	}
	if n.RuleID != id || n.SearchName != "Impossible Travel" || n.Comment() != "mine" || len(n.Reviews) != 2 {
		t.Errorf("found %+v", n)
	}
	want := State{Status: "2", Owner: "ann", Urgency: "high"}
	if diff := cmp.Diff(want, n.State()); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestFindNotableNoneOrMany(t *testing.T) {
	clk := newClock()
	s := newServer(t, splunktest.Options{Now: clk.now, IndexLag: time.Minute})
	c := newClient(t, s)
	_, err := find(c, testSID, "0")
	wantError(t, err, CodeNoNotable, true, testSID)

	first := s.AddNotable("Impossible Travel", testSID, "0", nil)
	_, err = find(c, testSID, "0")
	wantError(t, err, CodeNoNotable, true)
	clk.advance(time.Minute)
	if n, err := find(c, testSID, "0"); err != nil || n.RuleID != first {
		t.Fatalf("after the lag: %v, %v", n, err)
	}
	second := s.AddNotable("Impossible Travel", testSID, "0", map[string]string{"src": "10.0.0.1"})
	clk.advance(time.Minute)
	_, err = find(c, testSID, "0")
	wantError(t, err, CodeManyNotable, false, first, second, "none is touched")
}

// A sid or rid that an attacker could choose finds that very event or nothing.
func TestFindNotableIsExact(t *testing.T) {
	s := newServer(t, splunktest.Options{})
	s.AddNotable("Impossible Travel", testSID, "0", nil)
	c := newClient(t, s)
	for _, rid := range []string{"*", `0" OR orig_rid="0`, "0\" | delete", `0\`, "", "0\n"} {
		if n, err := find(c, testSID, rid); err == nil {
			t.Errorf("rid %q found %+v", rid, n)
		}
	}
	_, err := find(c, strings.ToUpper(testSID), "0")
	wantError(t, err, CodeNoNotable, true)
	s.AddNotable("Impossible Travel", `a"b\c`, "0", nil)
	if _, err := find(c, `a"b\c`, "0"); err != nil {
		t.Error(err)
	}
}

func TestFindNotableWithoutES(t *testing.T) {
	s := newServer(t, splunktest.Options{NoES: true})
	_, err := find(newClient(t, s), testSID, "0")
	wantError(t, err, CodeRefused, true, "macro", "find notable")
}

func TestUpdateNotable(t *testing.T) {
	s := newServer(t, splunktest.Options{MinComment: 10, NotableOwners: []string{"ann"}})
	id := s.AddNotable("Impossible Travel", testSID, "0", nil)
	c := newClient(t, s)
	ctx := context.Background()

	all := State{Status: "5", Owner: "ann", Urgency: "low", Disposition: "disposition:2"}
	if err := c.UpdateNotable(ctx, Update{RuleID: id, State: all, Comment: "0123456789"}); err != nil {
		t.Fatal(err)
	}
	n := get(t, s, id)
	got := State{n.Status(), n.Owner(), n.Urgency(), n.Disposition()}
	if diff := cmp.Diff(all, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	err := c.UpdateNotable(ctx, Update{RuleID: id, Comment: "short"})
	wantError(t, err, CodeRefused, true, "minimum requirement", "HTTP 200")
	err = c.UpdateNotable(ctx, Update{RuleID: id, State: State{Owner: "eve"}, Comment: "0123456789"})
	wantError(t, err, CodeRefused, false, "Invalid owner", "HTTP 400")
	err = c.UpdateNotable(ctx, Update{RuleID: "x", Comment: "0123456789"})
	wantError(t, err, CodeInput, false)
}

func TestStatuses(t *testing.T) {
	shipped := splunktest.DefaultReviewStatuses()
	renamed := []splunktest.ReviewStatus{
		{ID: "1", Label: "Triage", Default: true}, {ID: "5", Label: "Closed", Disabled: true, End: true},
		{ID: "11", Label: "Done", End: true}, {ID: "disposition:9", Label: "Closed", Type: "disposition", End: true},
	}
	tests := []struct {
		name string
		all  []splunktest.ReviewStatus
		want Statuses
	}{
		{"as shipped", shipped, Statuses{New: "1", Closed: "5"}},
		{"renamed", renamed, Statuses{New: "1", Closed: "11"}},
		{"two ends", append(renamed, splunktest.ReviewStatus{ID: "12", Label: "Void", End: true}), Statuses{}},
		{"no default", shipped[2:], Statuses{}},
		{"label wins", append(renamed[:1:1], splunktest.ReviewStatus{ID: "7", Label: "closed"}, splunktest.ReviewStatus{ID: "8", Label: "Z", End: true}), Statuses{New: "1", Closed: "7"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := newServer(t, splunktest.Options{ReviewStatuses: tt.all})
			got, err := newClient(t, s).Statuses(context.Background())
			if got != tt.want || (err == nil) != (tt.want != Statuses{}) {
				t.Errorf("got %+v, %v, want %+v", got, err, tt.want)
			}
		})
	}
}
