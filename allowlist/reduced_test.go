package allowlist

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

const listed = `event.src in lists.ours && not (event.user in lists.privileged)`

func reducedGate(t *testing.T, s *Suspensions, unproven bool) *Gate {
	t.Helper()
	f := newFolder(t, ruleText("listed", listed, "mode: enforce"), ruleText("plain", `event.src == "10.8.0.4" && event.user == "bob"`, "mode: enforce"))
	f.write("lists/ours.txt", "10.8.0.0/16\n10.9.0.0/16\n")
	f.write("lists/privileged.txt", "root\nann-admin\n")
	f.write("suspensions.json", string(s.Encode()))
	c := f.config()
	c.Unproven = unproven
	g, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// A value that is out of force counts as not listed where that keeps an alert from being dropped, and
// never where it would drop one more.
func TestSuspendedListValues(t *testing.T) {
	for name, c := range map[string]struct {
		list, value string
		src, user   string
		want        winnow.Reason
	}{
		"it rests on it":                {"ours", "10.8.0.0/16", ownIP, "ann", winnow.ReasonSuspended},
		"it rests on another value":     {"ours", "10.8.0.0/16", "10.9.0.1", "ann", winnow.ReasonRule},
		"another list":                  {"theirs", "10.8.0.0/16", ownIP, "ann", winnow.ReasonRule},
		"a value that is not listed":    {"ours", "10.8.0.0/24", ownIP, "ann", winnow.ReasonRule},
		"a list that the rule excludes": {"privileged", "root", ownIP, "root", winnow.ReasonNoRule},
		"a rule without lists":          {"ours", "10.8.0.0/16", ownIP, "bob", winnow.ReasonRule},
	} {
		t.Run(name, func(t *testing.T) {
			s := suspend()
			s.AddListValue(c.list, c.value, Suspension{By: "ann", At: now})
			for _, unproven := range []bool{false, true} {
				g := reducedGate(t, s, unproven)
				a := alert()
				a.Fields = winnow.Fields{"src": {c.src}, "user": {c.user}}
				if got := g.Propose(a); got.Reason != c.want {
					t.Errorf("unproven %v: %+v, want %s", unproven, got, c.want)
				}
			}
		})
	}
}

// The engine takes values out of force under an open gate.
func TestListValueSuspendedWhileTheGateIsOpen(t *testing.T) {
	g := reducedGate(t, suspend(), false)
	for range 2 {
		if got := g.Propose(alert()).Reason; got != winnow.ReasonRule {
			t.Fatalf("the reason is %s", got)
		}
		s := g.Suspensions.Clone()
		s.AddListValue("ours", "10.8.0.0/16", Suspension{})
		before := g.Suspensions
		g.Suspensions = s
		if got := g.Propose(alert()).Reason; got != winnow.ReasonSuspended {
			t.Errorf("the reason is %s", got)
		}
		g.Suspensions = before
	}
}

func TestSuspendedRuleSet(t *testing.T) {
	g := reducedGate(t, suspend(), false)
	s := g.Suspensions.Clone()
	s.AddRuleSet("sha256:other", Suspension{})
	g.Suspensions = s
	if got := g.Propose(alert()).Reason; got != winnow.ReasonRule {
		t.Errorf("the reason is %s", got)
	}
	s = s.Clone()
	s.AddRuleSet(g.Rules.Version(), Suspension{})
	g.Suspensions = s
	if got := g.Propose(alert()); got.Reason != winnow.ReasonSuspended || got.Kind != winnow.ProposePass {
		t.Errorf("the proposal is %+v", got)
	}
	if got := g.Confirm(alert(), winnow.Proposal{Kind: winnow.ProposeDrop, Reason: winnow.ReasonRule, Rule: "listed"}); got != winnow.ReasonSuspended {
		t.Errorf("confirmed as %s", got)
	}
}

func TestSuspensionsOfListsRoundTrip(t *testing.T) {
	s := suspend("vpn")
	s.AddListValue("ours", "a=b", Suspension{By: "ann", At: now})
	s.AddListValue("ours", "c", Suspension{By: "ann", At: now})
	s.AddRuleSet("sha256:1", Suspension{By: "bob", At: now})
	got, err := ParseSuspensions("s.json", s.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	c := got.Clone()
	delete(c.Lists["ours"], "c")
	delete(c.RuleSets, "sha256:1")
	if !got.ListValue("ours", "c") || got.ListValue("c", "ours") || !got.RuleSet("sha256:1") || (*Suspensions)(nil).ListValue("a", "b") {
		t.Error("lists and rule sets are mixed up")
	}
}

// A gate that was not opened from files cannot tell, and drops nothing that reads a suspended list.
func TestGateWithoutFilesDropsNothingInDoubt(t *testing.T) {
	s := suspend()
	s.AddListValue("ours", "10.9.0.0/16", Suspension{})
	g := reducedGate(t, s, false)
	g.reduced = nil
	if got := g.Propose(alert()).Reason; got != winnow.ReasonSuspended {
		t.Errorf("the reason is %s", got)
	}
}
