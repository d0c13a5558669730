package splunk

import (
	"context"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

// owner is a splunkd with Enterprise Security 8, and winnow's sink for findings.
type owner struct {
	*splunktest.Server
	clk  *clock
	sink *FindingSink
}

func newOwner(t testing.TB, opts splunktest.Options) *owner {
	t.Helper()
	o := &owner{clk: newClock()}
	if opts.FindingsApp == "" {
		opts.FindingsApp = splunktest.AppSecuritySuite
	}
	opts.Now = o.clk.now
	o.Server = newServer(t, opts)
	o.sink = o.open(t)
	return o
}

func (o *owner) open(t testing.TB) *FindingSink {
	t.Helper()
	sink, err := NewFindingSink("finding", newClient(t, o.Server), FindingOptions{Intents: filepath.Join(o.Home, "sent")}, o.clk.now)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

func findingDelivery(rid string) ledger.Delivery {
	d := notableDelivery(rid)
	d.Sink = "finding"
	return d
}

// One finding for one delivery, however often it is repeated; it is found by winnow's key, and updated.
func TestFindingIsMadeOnce(t *testing.T) {
	o := newOwner(t, splunktest.Options{})
	for range 2 {
		deliver(t, o.sink, findingDelivery("0"))
		deliver(t, o.open(t), findingDelivery("1"))
	}
	if got := len(o.Notables()); got != 2 {
		t.Fatalf("%d findings, want 2", got)
	}
	n, err := newClient(t, o.Server).Resolve(t.Context(), Ref{WinnowID: "ALERT1-00ff"}, testNow, testNow)
	if err != nil || n.WinnowID != "ALERT1-00ff" || !strings.Contains(n.RuleID, "@@notable@@time") {
		t.Fatalf("found %+v, %v", n, err)
	}
	update := NewUpdateSink("update", newClient(t, o.Server), UpdateOptions{}, o.clk.now)
	deliver(t, update, delivery("1", 2, winnow.StateClosed))
	if updated := get(t, o.Server, n.RuleID); o.Open() != 1 || updated.Status() != "5" {
		t.Errorf("%d open", o.Open())
	}
}

func TestFindingSaysWhatItMust(t *testing.T) {
	o := newOwner(t, splunktest.Options{})
	d := findingDelivery("0")
	d.Record.Severity, d.Record.Verdict.Severity = winnow.SeverityLow, winnow.SeverityHigh
	d.Alert.Fields.Add("user", "bob")
	deliver(t, o.sink, d)
	n := o.Notables()[0]
	for field, want := range map[string]string{
		"rule_title": "Impossible Travel", "search_name": "Impossible Travel", "security_domain": "threat", "risk_object": "ann",
		"risk_object_type": "user", "risk_score": "60", "winnow_id": d.WinnowID, "orig_sid": testSID, "orig_rid": "0", "user": "ann\nbob",
		"creator": winnowU, "severity": "high",
	} {
		if got := n.Fields[field]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", field, got, want)
		}
	}
}

// What is not triaged in time is a finding that says so.
func TestLateFinding(t *testing.T) {
	o := newOwner(t, splunktest.Options{})
	d := findingDelivery("0")
	d.Late = winnow.ReasonNoModel
	deliver(t, o.sink, d)
	n := o.Notables()[0]
	if n.Fields["winnow_status"][0] != "not triaged" || n.Fields["winnow_reason"][0] != string(winnow.ReasonNoModel) || n.Fields["winnow_state"] != nil {
		t.Errorf("fields are %v", n.Fields)
	}
}

// No field of an alert becomes one of Enterprise Security's or winnow's, and no text is without bounds.
func TestHostileFinding(t *testing.T) {
	o := newOwner(t, splunktest.Options{})
	d := findingDelivery("0")
	d.Alert.Fields = winnow.Fields{
		"status": {"5"}, "owner": {"ann"}, "disposition": {"disposition:2"}, "winnow_id": {"forged"}, "risk_score": {"0"}, "creator": {"ann"},
		"app": {"x"}, "assignee": {"ann"}, "finding_id": {"a@@notable@@time1"}, "user": {"eve\x00\n\u202e\"}"}, "long": {strings.Repeat("é", 20_000)},
		"orig_sid": {"forged"}, "notable_time": {"0"}, "rule_title": {"forged"},
	}
	for i := range 40 {
		d.Alert.Fields["x"+strings.Repeat("y", i)] = []string{strings.Repeat("z", 9_900)}
	}
	deliver(t, o.sink, d)
	n := o.Notables()[0]
	if n.Status() == "5" || n.Owner() == "ann" || n.Disposition() != "" {
		t.Errorf("the alert set %s, %s, %s", n.Status(), n.Owner(), n.Disposition())
	}
	for field, want := range map[string]string{
		"winnow_id": d.WinnowID, "creator": winnowU, "rule_title": "Impossible Travel", "risk_object": "eve \"}", "orig_sid": testSID,
	} {
		if got := n.Fields[field]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", field, got, want)
		}
	}
	body := o.Requests()[len(o.Requests())-1].Body
	if len(body) > maxFinding+64<<10 || n.Fields["winnow_cut"] == nil || n.Fields["app"] != nil || n.Fields["assignee"] != nil {
		t.Errorf("a body of %d bytes, cut %v, app %v", len(body), n.Fields["winnow_cut"], n.Fields["app"])
	}
}

// The answer is lost: the next try looks for the finding by winnow's key until the index has surely caught up,
// and makes a second one only if there is none.
func TestFindingAfterALostAnswer(t *testing.T) {
	o := newOwner(t, splunktest.Options{IndexLag: time.Minute})
	path := "/servicesNS/nobody/SplunkEnterpriseSecuritySuite/public/v2/findings"
	deliver(t, o.sink, findingDelivery("1")) // the facts are known now
	o.Fail(splunktest.Fault{Path: path, Times: 1, After: true})
	d := findingDelivery("0")
	wantError(t, o.sink.Deliver(t.Context(), d), CodeNetwork, true)
	wantError(t, o.open(t).Deliver(t.Context(), d), CodeNoNotable, true, "not found yet")
	o.clk.advance(time.Minute)
	deliver(t, o.open(t), d)
	if got := len(o.Notables()); got != 2 {
		t.Errorf("%d findings, want 2", got)
	}

	o.Fail(splunktest.Fault{Path: path, Times: 1, Cut: true})
	d = findingDelivery("2")
	wantError(t, o.sink.Deliver(t.Context(), d), CodeNetwork, true)
	wantError(t, o.sink.Deliver(t.Context(), d), CodeNoNotable, true)
	o.clk.advance(indexLag)
	deliver(t, o.sink, d)
	if got := len(o.Notables()); got != 3 {
		t.Errorf("%d findings, want 3", got)
	}
}

// What Splunk has surely not done is tried again at once; after an hour it goes out another way.
func TestFindingIsGivenUp(t *testing.T) {
	o := newOwner(t, splunktest.Options{})
	deliver(t, o.sink, findingDelivery("1"))
	o.Fail(splunktest.Fault{Path: "/servicesNS/nobody/SplunkEnterpriseSecuritySuite/public/v2/findings", Status: 404})
	d := findingDelivery("0")
	wantError(t, o.sink.Deliver(t.Context(), d), CodeNotFound, true)
	wantError(t, o.sink.Deliver(t.Context(), d), CodeNotFound, true)
	o.clk.advance(time.Hour)
	wantError(t, o.sink.Deliver(t.Context(), d), CodeNotFound, false, "tried for 1h0m0s: given up")
	o.Heal()
	deliver(t, o.sink, d)
	if got := len(o.Notables()); got != 2 {
		t.Errorf("%d findings, want 2", got)
	}
	wantError(t, o.sink.Deliver(context.Background(), delivery("0", 1, winnow.StateClosed)), CodeInput, false, "kind update")
}

func TestRiskObjects(t *testing.T) {
	a := winnow.Alert{SearchName: "S", Fields: winnow.Fields{"user": {"ann", "bob"}, "dest": {"db1"}, "src": {""}}}
	want := []riskObject{{"user", "ann", "user"}, {"user", "bob", "user"}, {"dest", "db1", "system"}}
	opt := cmp.AllowUnexported(riskObject{})
	if diff := cmp.Diff(want, riskObjects(&a), opt); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if diff := cmp.Diff([]riskObject{{"search_name", "S", "other"}}, riskObjects(&winnow.Alert{SearchName: "S"}), opt); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := conf.DefaultScores().Of(winnow.Severity(99)); got != 20 {
		t.Errorf("score %d", got)
	}
}

// A finding that a person works on gets a note, and is left alone; the note keeps to its limits.
func TestFindingOfAPerson(t *testing.T) {
	clk := newClock()
	s := newServer(t, splunktest.Options{Now: clk.now, NotableOwners: []string{"ann"}, FindingsApp: splunktest.AppMissionControl})
	id := s.AddNotable("Impossible Travel", testSID, "0", nil)
	sink := NewUpdateSink("update", newClient(t, s), UpdateOptions{Facts: FactsFile(t.TempDir(), "update")}, clk.now)
	d := delivery("0", 1, winnow.StateInReview)
	d.Record.Verdict.Case.What = strings.Repeat("é", 30_000)
	deliver(t, sink, d)
	mustDo(t, s.AddNote("ann", id, splunktest.Note{Title: "mine", Content: "I look into it"}))
	for range 2 {
		deliver(t, sink, delivery("0", 2, winnow.StateClosed))
	}
	n := get(t, s, id)
	if n.Status() == "5" || len(n.Reviews) != 0 || len(n.Notes) != 3 || !strings.Contains(n.Notes[2].Content, "a person has this notable") {
		t.Errorf("status %s, notes %+v", n.Status(), n.Notes)
	}
}

// Where changes of findings leave no trace, the first one shows it, and from then on there are only notes.
func TestTracelessSiteGetsOnlyNotes(t *testing.T) {
	clk, facts := newClock(), FactsFile(t.TempDir(), "update")
	s := newServer(t, splunktest.Options{Now: clk.now, NoHistory: true, FindingsApp: splunktest.AppMissionControl})
	open := func() *UpdateSink {
		return NewUpdateSink("update", newClient(t, s), UpdateOptions{Facts: facts}, clk.now)
	}
	first := s.AddNotable("Impossible Travel", testSID, "0", nil)
	second := s.AddNotable("Impossible Travel", testSID, "1", nil)
	deliver(t, open(), delivery("0", 1, winnow.StateClosed))
	deliver(t, open(), delivery("1", 1, winnow.StateClosed))
	clk.advance(25 * time.Hour) // what was learnt is not forgotten when the rest is read again
	deliver(t, open(), delivery("1", 2, winnow.StateClosed))
	if a, b := get(t, s, first), get(t, s, second); a.Status() != "5" || b.Status() == "5" || len(b.Notes) != 2 {
		t.Errorf("%s with %d notes, %s with %d notes", a.Status(), len(a.Notes), b.Status(), len(b.Notes))
	}
}

// A note that is not quite winnow's is somebody else's.
func TestNoteMarks(t *testing.T) {
	d := delivery("0", 1, winnow.StateClosed)
	m := newMark(d, deedSet)
	m.set, m.nonce = State{Status: "5", Owner: "a b&c=]"}, newNonce()
	note := m.sign("winnow:  closed\n| What: x [winnow a set b]")
	got, ok := parseNote("  " + strings.ReplaceAll(note, " ", "\n ") + " ")
	if !ok || got != m {
		t.Errorf("%q gives %+v, %v", note, got, ok)
	}
	for _, s := range []string{"", "]", "x [winnow ]", note + ".", strings.Replace(note, "closed", "open", 1), strings.Replace(note, "status=5", "status=1", 1)} {
		if m, ok := parseNote(s); ok {
			t.Errorf("parseNote(%q) = %+v", s, m)
		}
	}
	h := history{winnowID: d.WinnowID}
	h.take([]Note{{Content: note}, {Content: note}, {Content: "hello"}})
	if len(h.marks) != 1 || h.strangers != 2 {
		t.Errorf("%d marks, %d strangers", len(h.marks), h.strangers)
	}
}

// FuzzParseNote: no text makes it panic, and what it takes is signed.
func FuzzParseNote(f *testing.F) {
	d := delivery("0", 1, winnow.StateClosed)
	m := newMark(d, deedKept)
	m.nonce = "00"
	f.Add(m.sign("a"))
	f.Add("x [winnow a set b c - d]")
	f.Fuzz(func(t *testing.T, note string) {
		if m, ok := parseNote(note); ok {
			if again, ok := parseNote(m.sign("x")); !ok || again != m {
				t.Errorf("%+v, %+v", m, again)
			}
		}
	})
}

// FuzzFindingBody: whatever is in an alert, the body is JSON within its bounds and says what winnow says.
func FuzzFindingBody(f *testing.F) {
	f.Add("status", "5", "x")
	f.Fuzz(func(t *testing.T, name, value, search string) {
		d := findingDelivery("0")
		d.Alert.SearchName, d.Alert.Fields = search, winnow.Fields{name: {value, value}}
		body := (&FindingSink{}).body(&d)
		data, err := json.Marshal(body)
		if err != nil || body["winnow_id"] != d.WinnowID || body["status"] != nil || body["owner"] != nil || body["risk_object"] == "" {
			t.Errorf("%s, %v", data, err)
		}
	})
}
