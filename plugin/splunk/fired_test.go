package splunk

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

const (
	firedRun = "01JAAAAAAAAAAAAAAAAAAAAAAA"
	logHead  = "01-02-2026 03:04:05.123 +0000 INFO  sendmodalert [4711 AlertNotifierWorker-0] - "
)

func TestParseLogLine(t *testing.T) {
	other, bad := logLine{kind: lineOther}, errLine
	for _, c := range []struct {
		name, raw string
		want      logLine
		err       error
	}{
		{"started", logHead + `Invoking modular alert action=winnow_triage for search="Impossible Travel" sid="scheduler__a_1" in app="search" owner="ann" type="saved"`,
			logLine{kind: lineInvoked, search: "Impossible Travel", sid: "scheduler__a_1", app: "search", owner: "ann"}, nil},
		{"a name that looks like the rest", logHead + `Invoking modular alert action=winnow_triage for search="a" sid="x" in app="y" owner="z" type="saved"" sid="scheduler__a_1" in app="search" owner="ann" type="saved"`,
			logLine{kind: lineInvoked, search: `a" sid="x" in app="y" owner="z" type="saved"`, sid: "scheduler__a_1", app: "search", owner: "ann"}, nil},
		{"asked for by a person", logHead + `Invoking modular alert action=winnow_triage for search="" sid="176.1" in app="search" owner="ann" type="inline"`,
			logLine{kind: lineInvoked, sid: "176.1", app: "search", owner: "ann", adhoc: true}, nil},
		{"older, without a thread", strings.Replace(logHead, " [4711 AlertNotifierWorker-0]", "", 1) + `Invoking modular alert action=winnow_triage for search="a" sid="scheduler" in app="b" owner="c" type="saved"`,
			logLine{kind: lineInvoked, search: "a", sid: "scheduler", app: "b", owner: "c"}, nil},
		{"another action", logHead + `Invoking modular alert action=email for search="a" sid="b" in app="c" owner="d" type="saved"`, other, nil},
		{"another action that quotes the line", logHead + `action=email STDERR -  Invoking modular alert action=winnow_triage for search="a" sid="scheduler" in app="c" owner="d" type="saved"`, other, nil},
		{"not of sendmodalert", `Invoking modular alert action=winnow_triage for search="a" sid="scheduler" in app="c" owner="d" type="saved"`, logLine{}, bad},
		{"stored", logHead + "action=winnow_triage STDERR -  run=" + firedRun + " sid=scheduler__a_1 stored rows=12 drop=3 cached=0 escalate=1 pass=8 ms=17",
			logLine{kind: lineSaid, run: firedRun, sid: "scheduler__a_1", rows: 12}, nil},
		{"stored, with the level and a row", logHead + "action=winnow_triage STDERR - INFO run=" + firedRun + ` sid="odd \"sid\"" rid=7 stored rows=1 drop=0 cached=0 escalate=0 pass=1 ms=2`,
			logLine{kind: lineSaid, run: firedRun, sid: `odd "sid"`, rows: 1}, nil},
		{"a text that only ends like it", logHead + "action=winnow_triage STDERR -  run=" + firedRun + " sid=s cannot read x: stored rows=12 drop=3 cached=0 escalate=1 pass=8 ms=17",
			logLine{kind: lineSaid, run: firedRun, sid: "s", rows: -1}, nil},
		{"failed open", logHead + "action=winnow_triage STDERR -  run=" + firedRun + " sid=s spool full; 4 rows are not stored, 4 notables written",
			logLine{kind: lineSaid, run: firedRun, sid: "s", rows: -1, noted: true}, nil},
		{"failed open without notables", logHead + "action=winnow_triage STDERR -  run=" + firedRun + " sid=s spool full; 4 rows are not stored, 0 notables written",
			logLine{kind: lineSaid, run: firedRun, sid: "s", rows: -1}, nil},
		{"no payload yet", logHead + "action=winnow_triage STDERR -  run=" + firedRun + " read payload: not JSON", other, nil},
		{"a torn quote", logHead + "action=winnow_triage STDERR -  run=" + firedRun + ` sid="torn`, other, nil},
		{"ended", logHead + "action=winnow_triage - Alert action script completed in duration=12 ms with exit code=0", other, nil},
		{"ended badly", logHead + "action=winnow_triage - Alert action script completed in duration=12 ms with exit code=3", logLine{kind: lineFailed}, nil},
		{"the warning about it", logHead + "action=winnow_triage - Alert action script returned error code=3", other, nil},
		{"not executable", logHead + "action=winnow_triage - Execution of alert action script failed", logLine{kind: lineFailed}, nil},
		{"unknown", logHead + "action=winnow_triage - something new", logLine{}, bad},
		{"two lines", logHead + "a\n" + logHead + "b", logLine{}, bad},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := parseLogLine(c.raw)
			if got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%+v, %v; want %+v, %v", got, err, c.want, c.err)
			}
		})
	}
}

func TestParseAudit(t *testing.T) {
	const good = `Audit:[timestamp=01-02-2026 03:04:05.123, user=ann, action=alert_fired, ss_user="ann", ss_app="search", ss_name="Impossible, Travel", ` +
		`sid="scheduler__a_1", alert_actions="email,winnow_triage", severity=4, trigger_time=1767323045, triggered_alerts=1]`
	want := Fired{SID: "scheduler__a_1", Search: "Impossible, Travel", App: "search", Owner: "ann", Severity: "4", Audited: true}
	for _, raw := range []string{good, good + "[n/a]\n"} {
		got, ours, err := parseAudit(raw)
		if diff := cmp.Diff(want, got); diff != "" || !ours || err != nil {
			t.Errorf("%v, %v:\n%s", ours, err, diff)
		}
	}
	if _, ours, err := parseAudit(strings.Replace(good, ",winnow_triage", "", 1)); ours || err != nil {
		t.Errorf("another action counts: %v, %v", ours, err)
	}
	for name, raw := range map[string]string{
		"a name with a quote":     strings.Replace(good, "Impossible", `x", sid="scheduler__b`, 1),
		"a name with one quote":   strings.Replace(good, "Impossible", `x"`, 1),
		"cut off":                 good[:len(good)-20],
		"another event":           strings.Replace(good, "alert_fired", "search", 1),
		"nothing":                 "",
		"a key twice":             strings.Replace(good, "severity=4", "severity=4, severity=1", 1),
		"without the search's id": strings.Replace(good, `sid="scheduler__a_1", `, "", 1),
	} {
		if got, _, err := parseAudit(raw); err == nil {
			t.Errorf("%s: taken as %+v", name, got)
		}
	}
}

// FuzzFiredLines: whatever stands in the logs, nothing panics, and a sid is what stands at its place.
func FuzzFiredLines(f *testing.F) {
	f.Add(logHead+`Invoking modular alert action=winnow_triage for search="a" sid="scheduler" in app="c" owner="d" type="saved"`, "a")
	f.Add(logHead+"action=winnow_triage STDERR -  run="+firedRun+` sid="a b" stored rows=1 drop=0 cached=0 escalate=0 pass=1 ms=2`, `" sid="x`)
	f.Add(`Audit:[action=alert_fired, sid="a", alert_actions="winnow_triage"]`, `\`)
	f.Fuzz(func(t *testing.T, raw, name string) {
		if line, err := parseLogLine(raw); err == nil && line.kind == lineInvoked && !strings.Contains(raw, ` sid="`+line.sid+`" in app="`) {
			t.Errorf("sid %q is not in %q", line.sid, raw)
		}
		if _, ours, err := parseAudit(raw); ours && (err != nil || !strings.Contains(raw, "winnow_triage")) {
			t.Errorf("ours: %q", raw)
		}
		if strings.ContainsAny(name, "\r\n") {
			return
		}
		line, err := parseLogLine(logHead + `Invoking modular alert action=winnow_triage for search="` + name + `" sid="scheduler__1" in app="b" owner="c" type="saved"`)
		if err != nil || line.sid != "scheduler__1" || line.search != name {
			t.Errorf("name %q: %+v, %v", name, line, err)
		}
	})
}

// firedServer is a splunkd with n firings, a second apart.
func firedServer(t *testing.T, n int) (*splunktest.Server, *Client) {
	t.Helper()
	s := newServer(t, splunktest.Options{})
	for i := range n {
		f := splunktest.Firing{SID: fmt.Sprintf("scheduler__a_%d", i), Search: "S", At: testNow.Add(time.Duration(i) * time.Second)}
		s.Invoke(f)
		s.Said(f.At, "", fmt.Sprintf("INFO run=%s sid=%s stored rows=2 drop=0 cached=0 escalate=0 pass=2 ms=1", firedRun, f.SID))
		s.Ended(f.At, "", i%2)
	}
	return s, newClient(t, s)
}

func TestFiredIsReadInSpans(t *testing.T) {
	s, c := firedServer(t, 40)
	s.Audit(splunktest.Firing{SID: "scheduler__never", Search: "N", At: testNow.Add(20 * time.Minute)}, 4, "winnow_triage")
	s.Audit(splunktest.Firing{SID: "scheduler__mail", Search: "N", At: testNow}, 4, "email")
	s.Invoke(splunktest.Firing{SID: "scheduler__elsewhere", Search: "S", Host: "sh2", At: testNow})
	s.Invoke(splunktest.Firing{SID: "176.1", Search: "S", Type: "inline", At: testNow})
	s.LogLine(testNow, "", "INFO", "action=winnow_triage - what is this")
	var got []Fired
	spans := 0
	count, err := c.Fired(t.Context(), testNow, testNow.Add(time.Hour), time.Minute, func(h string) bool { return h == "sh1" },
		func(_ time.Time, all []Fired) error { got, spans = append(got, all...), spans+1; return nil })
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 41 || spans != 4 || got[0].SID != "scheduler__a_0" || got[0].Runs[firedRun] != 2 || got[0].Invoked != 1 || !got[0].Said {
		t.Errorf("%d firings in %d spans, first %+v", len(got), spans, got[0])
	}
	if last := got[40]; last.SID != "scheduler__never" || last.Severity != "4" || last.Invoked != 0 || !last.Audited {
		t.Errorf("last %+v", last)
	}
	if want := (FiredCount{Elsewhere: 1, Adhoc: 1, Unreadable: 1, Failed: 20}); count != want {
		t.Errorf("count %+v, want %+v", count, want)
	}
	for _, r := range s.Requests() {
		if !strings.HasSuffix(r.Path, "/export") || strings.Contains(r.Form.Get("search"), "scheduler__") {
			t.Errorf("%s %s: text of an alert is searched for", r.Path, r.Form.Get("search"))
		}
	}
}

// TestFiredOfABusySecond: slices become smaller until they fit, and an answer that is cut counts for nothing.
func TestFiredOfABusySecond(t *testing.T) {
	s, c := firedServer(t, 3)
	for i := range sliceRows {
		s.Invoke(splunktest.Firing{SID: fmt.Sprintf("scheduler__b_%d", i), Search: "S", At: testNow.Add(time.Minute)})
	}
	n := 0
	all := func(string) bool { return true }
	count := func(_ time.Time, all []Fired) error { n += len(all); return nil }
	if _, err := c.Fired(t.Context(), testNow, testNow.Add(10*time.Minute), time.Minute, all, count); err != nil || n != sliceRows+3 {
		t.Fatalf("%d firings, %v", n, err)
	}
	s.Invoke(splunktest.Firing{SID: "scheduler__c", Search: "S", At: testNow.Add(time.Minute)})
	_, err := c.Fired(t.Context(), testNow, testNow.Add(10*time.Minute), time.Minute, all, count)
	if e, ok := errors.AsType[*Error](err); !ok || e.Code != CodeTooLarge {
		t.Errorf("err = %v", err)
	}
	s.Fail(splunktest.Fault{Status: 503})
	if _, err := c.Fired(t.Context(), testNow, testNow.Add(time.Hour), time.Minute, all, count); err == nil {
		t.Error("no error while Splunk is busy")
	}
}

func TestResultsComeInPages(t *testing.T) {
	s, c := firedServer(t, 0)
	var rows []map[string]any
	for i := range resultsPage + 7 {
		rows = append(rows, map[string]any{"n": fmt.Sprint(i), "user": []string{"ann", "bob"}})
	}
	s.KeepResults("scheduler__a/../b", time.Time{}, rows)
	s.KeepResults("scheduler__a_1", testNow.Add(time.Hour), rows)
	n, pages := 0, 0
	err := c.Results(t.Context(), "scheduler__a_1", func(page []Row) error {
		for _, r := range page {
			if r.Get("n") != fmt.Sprint(n) || len(r["user"]) != 2 {
				t.Fatalf("row %d: %v", n, r)
			}
			n++
		}
		pages++
		return nil
	})
	if err != nil || n != len(rows) || pages != 2 {
		t.Errorf("%d rows in %d pages, %v", n, pages, err)
	}
	for sid, code := range map[string]Code{"gone": CodeNotFound, "": CodeInput, "scheduler__a/../b": CodeInput, "..": CodeInput} {
		err := c.Results(context.WithoutCancel(t.Context()), sid, func([]Row) error { return nil })
		if e, ok := errors.AsType[*Error](err); !ok || e.Code != code {
			t.Errorf("%q: %v", sid, err)
		}
	}
}

func TestServerNames(t *testing.T) {
	_, c := firedServer(t, 0)
	got, err := c.ServerNames(t.Context())
	if diff := cmp.Diff([]string{"sh1", "sh1.corp.example"}, got); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}
