package alertaction

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

var testTime = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

func testKeys(t testing.TB) *winnow.Keys {
	t.Helper()
	keys, err := winnow.NewKeys(make([]byte, winnow.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return keys
}

func TestRID(t *testing.T) {
	const perResultFile = "/opt/splunk/var/run/splunk/dispatch/s/per_result_alert/tmp_17.csv.gz"
	for _, c := range []struct {
		name    string
		payload Payload
		row     int
		fields  winnow.Fields
		want    string
	}{
		{"rid column first", Payload{SID: "scheduler_1", ResultID: "5", ResultsFile: perResultFile}, 0, winnow.Fields{"rid": {"9"}}, "9"},
		{"then result_id", Payload{SID: "scheduler_1", ResultID: "5", ResultsFile: perResultFile}, 0, nil, "5"},
		{"then the number of the file", Payload{SID: "scheduler_1", ResultsFile: perResultFile}, 0, nil, "17"},
		{"then the number of the row", Payload{SID: "scheduler_1", ResultsFile: "/x/results.csv.gz"}, 3, nil, "3"},
		{"a file of that name elsewhere", Payload{SID: "scheduler_1", ResultsFile: "/x/tmp_17.csv.gz"}, 0, nil, "0"},
		{"a second row in a file for one", Payload{SID: "scheduler_1", ResultID: "5"}, 1, nil, "5/1"},
		{"snapshot of a real-time search", Payload{SID: "rt_scheduler__admin__search__RMD5_at_1465593470_1228.7"}, 2, nil, "2.7"},
	} {
		t.Run(c.name, func(t *testing.T) {
			f := NewFiring(&c.payload, "guid", winnow.SeverityUnknown, testTime)
			if got := f.Alert(c.row, c.fields).Key.RID; got != c.want {
				t.Errorf("rid %q, want %q", got, c.want)
			}
		})
	}
}

func TestSnapshotIsTakenOutOfSID(t *testing.T) {
	const guid = "_6F9619FF-8B86-D011-B42D-00C04FC964FF"
	for _, c := range []struct{ sid, base, snapshot string }{
		{"scheduler__admin__x_at_1767312000_42", "scheduler__admin__x_at_1767312000_42", ""},
		{"rt_scheduler__admin__x_at_1465593470_1228.3", "rt_scheduler__admin__x_at_1465593470_1228", "3"},
		{"rt_scheduler__admin__x_at_1465593470_1228.3" + guid, "rt_scheduler__admin__x_at_1465593470_1228" + guid, "3"},
		{"rt_1465593470.1228", "rt_1465593470.1228", ""},
		{"rt_1465593470.1228.3", "rt_1465593470.1228", "3"},
		{"1465593470.1228", "1465593470.1228", ""},
	} {
		if base, snapshot := splitSnapshot(c.sid); base != c.base || snapshot != c.snapshot {
			t.Errorf("%s: base %q, snapshot %q", c.sid, base, snapshot)
		}
	}
}

// TestLossOfEachSnapshotIsAnAlert: the firings of a real-time search share their sid, and each may
// lose rows.
func TestLossOfEachSnapshotIsAnAlert(t *testing.T) {
	for _, c := range []struct {
		name, results string
		reason        winnow.Reason
	}{
		{"file gone", "", winnow.ReasonResultsUnread},
		{"rows cut", "src,user\n203.0.113.9,ann\n", winnow.ReasonTruncated},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newApp(t, "")
			path := filepath.Join(a.home, "gone.csv.gz")
			if c.results != "" {
				path = a.results(c.results)
			}
			seen := map[winnow.Key]bool{}
			for _, snapshot := range []string{"5", "6", "7"} {
				a.run(a.payload(path, map[string]any{
					"sid":           "rt_scheduler__admin__x_at_1767312000_42." + snapshot,
					"configuration": map[string]any{"severity": "3", "result_count": "7"},
				}))
			}
			for _, item := range a.stored() {
				if item.Loss && item.Proposal.Reason == c.reason {
					seen[item.Alert.Key] = true
				}
			}
			if len(seen) != 3 {
				t.Errorf("three losses have the keys %v", seen)
			}
		})
	}
}

// TestFiveHundredFilesAreFiveHundredAlerts: with digest_mode = 0 every row comes in a file, and a
// run, of its own.
func TestFiveHundredFilesAreFiveHundredAlerts(t *testing.T) {
	keys, seen := testKeys(t), map[string]bool{}
	for i := range 500 {
		p := &Payload{SID: "scheduler_1", ResultsFile: fmt.Sprintf("/d/per_result_alert/tmp_%d.csv.gz", i)}
		a := NewFiring(p, "guid", winnow.SeverityLow, testTime).Alert(0, winnow.Fields{"src": {"10.8.0.4"}})
		Identify(a, keys)
		seen[a.ID] = true
	}
	if len(seen) != 500 {
		t.Errorf("%d alerts, want 500", len(seen))
	}
}

func TestIdentity(t *testing.T) {
	keys := testKeys(t)
	p := &Payload{SID: "scheduler_1", SearchName: "Impossible Travel", ServerHost: "sh1"}
	f := NewFiring(p, "", winnow.SeverityLow, testTime)
	row := func(rid, src string) *winnow.Alert {
		a := f.Alert(0, winnow.Fields{"rid": {rid}, "src": {src}, "search_name": {"Another"}, "orig_sid": {"other"}})
		Identify(a, keys)
		return a
	}
	a, again, other := row("1", "10.8.0.4"), row("1", "10.8.0.4"), row("1", "10.8.0.5")
	if a.ID != again.ID || a.Key != again.Key {
		t.Error("the same row got another identity")
	}
	if a.ID == other.ID {
		t.Error("two rows that claim one rid have one identity")
	}
	if a.Key.Host != "sh1" || a.SearchName != "Impossible Travel" || a.Key.SID != "scheduler_1" {
		t.Errorf("a saved search takes its identity from the row: %+v", a)
	}
}

func TestAdhocRunOnANotable(t *testing.T) {
	p := &Payload{SID: "1767312000.42", App: "search", Owner: "bob"}
	f := NewFiring(p, "guid", winnow.SeverityUnknown, testTime)
	a := f.Alert(0, winnow.Fields{
		"orig_sid": {"scheduler_1"}, "orig_rid": {"7"}, "search_name": {"Impossible Travel"},
		"source": {"wineventlog"}, "orig_app": {"SecurityApp"}, "owner": {"unassigned"},
	})
	want := winnow.Alert{
		Key: winnow.Key{Host: "guid", SID: "scheduler_1", RID: "7"}, SearchName: "Impossible Travel",
		App: "SecurityApp", Owner: "bob", Adhoc: true, Time: testTime, Received: testTime, Fields: a.Fields,
		Job: winnow.Job{SID: "1767312000.42", RID: "0"},
	}
	if diff := cmp.Diff(want, *a); diff != "" {
		t.Error(diff)
	}
	plain := f.Alert(0, winnow.Fields{"src": {"10.8.0.4"}})
	if !plain.Adhoc || plain.Key.SID != p.SID || plain.SearchName != "" {
		t.Errorf("an ad-hoc run on a plain row: %+v", plain)
	}
}

func TestSeverityIsOnlyRaised(t *testing.T) {
	for _, c := range []struct {
		param string
		base  winnow.Severity
		row   winnow.Fields
		want  winnow.Severity
	}{
		{"3", 0, nil, winnow.SeverityMedium},
		{"3", 0, winnow.Fields{"severity": {"informational"}}, winnow.SeverityMedium},
		{"3", 0, winnow.Fields{"severity": {"low", "critical"}}, winnow.SeverityCritical},
		{"3", 0, winnow.Fields{"urgency": {"high"}}, winnow.SeverityHigh},
		{"3", 0, winnow.Fields{"severity": {"9"}}, winnow.SeverityMedium},
		{"2", winnow.SeverityHigh, nil, winnow.SeverityHigh},
		{"", winnow.SeverityLow, nil, winnow.SeverityLow},
		{"", 0, winnow.Fields{"severity": {"low"}}, winnow.SeverityUnknown},
		{"$alert.severity$", 0, winnow.Fields{"severity": {"low"}}, winnow.SeverityUnknown},
	} {
		p := &Payload{SID: "scheduler_1", Configuration: map[string]string{"severity": c.param}}
		if got := NewFiring(p, "", c.base, testTime).Alert(0, c.row).Severity; got != c.want {
			t.Errorf("param %q, base %v, row %v: %v, want %v", c.param, c.base, c.row, got, c.want)
		}
	}
}

func TestTimeOfARow(t *testing.T) {
	f := NewFiring(&Payload{SID: "scheduler_1"}, "", 0, testTime)
	for _, c := range []struct {
		text string
		want time.Time
	}{
		{"1767312000", time.Unix(1767312000, 0)},
		{"1767312000.123456789", time.Unix(1767312000, 123456789)},
		{" 1767312000.5 ", time.Unix(1767312000, 5e8)},
		{"2026-01-02T03:04:05.250+01:00", time.Date(2026, 1, 2, 2, 4, 5, 25e7, time.UTC)},
		{"2026-01-02T03:04:05.250+0100", time.Date(2026, 1, 2, 2, 4, 5, 25e7, time.UTC)},
		{"2026-01-02 03:04:05 +0100", time.Date(2026, 1, 2, 2, 4, 5, 0, time.UTC)},
		{"", testTime},
	} {
		fields := winnow.Fields{}
		fields.Add("_time", c.text)
		a := f.Alert(0, fields)
		if !a.Time.Equal(c.want) || len(a.Warnings) != 0 {
			t.Errorf("%q: %v %v, want %v", c.text, a.Time, a.Warnings, c.want)
		}
	}
	for _, text := range []string{"yesterday", "-1", "253402300800", "1e9", "1.2.3", "1.x", "1960-01-01T00:00:00Z", "NaN"} {
		a := f.Alert(0, winnow.Fields{"_time": {text}})
		if !a.Time.Equal(testTime) || len(a.Warnings) != 1 {
			t.Errorf("%q: %v, warnings %q", text, a.Time, a.Warnings)
		}
	}
}
