package splunktest

import (
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"
)

// send sends JSON, or what is no JSON, with any method.
func (f *fake) send(method, path, body string) (int, string) {
	f.t.Helper()
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.URL+path, strings.NewReader(body))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Authorization", f.auth)
	req.Header.Set("Content-Type", "application/json")
	resp, err := f.client.Do(req)
	if err != nil {
		f.t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp.StatusCode, string(got)
}

const (
	findings = "/servicesNS/nobody/missioncontrol/public/v2/findings"
	required = `"rule_title":"T","rule_description":"D","security_domain":"threat","risk_object":"ann","risk_object_type":"user","risk_score":40`
)

func newES8(t *testing.T, opts Options) *fake {
	t.Helper()
	opts.FindingsApp = AppMissionControl
	return newFake(t, opts)
}

func TestFindingsAreWhereTheirAppIs(t *testing.T) {
	for _, app := range []string{"", AppMissionControl, AppSecuritySuite} {
		f := newFake(t, Options{FindingsApp: app})
		for _, at := range []string{AppMissionControl, AppSecuritySuite} {
			want := 404
			if at == app {
				want = 200
			}
			status, body := f.send("GET", "/servicesNS/nobody/"+at+"/public/v2/findings", "")
			f.want(want, nil, status, body)
		}
	}
}

func TestFindingsAreMadeAndNeverChanged(t *testing.T) {
	now := testNow
	f := newES8(t, Options{Now: func() time.Time { return now }, IndexLag: time.Minute})
	status, body := f.send("POST", findings, "{"+required+`,"winnow_id":"x"}`)
	id := fmt.Sprintf("2008e99d-af14-4fec-89da-%012d@@notable@@time%d", 1, testNow.Unix())
	f.want(201, []string{`"finding_id":"` + id + `"`, `"status":"1"`, `"winnow_id":"x"`}, status, body)
	one := findings + "/" + url.QueryEscape(id)
	status, body = f.send("GET", one, "")
	f.want(404, []string{`"message":"finding not found"`}, status, body)
	now = now.Add(time.Minute)
	status, body = f.send("GET", one, "")
	f.want(200, []string{`"owner":"unassigned"`, `"disposition":"disposition:0"`}, status, body)
	for _, method := range []string{"DELETE", "PUT", "POST"} {
		status, body = f.send(method, one, "{"+required+"}")
		f.want(405, []string{"cannot be changed"}, status, body)
	}
	now = now.Add(25 * time.Hour)
	status, body = f.send("GET", one, "")
	f.want(404, nil, status, body) // unless told, it looks at one day
	status, body = f.send("GET", one+fmt.Sprintf("?earliest=%d", testNow.Unix()), "")
	f.want(200, nil, status, body)
}

func TestFindingsRefuse(t *testing.T) {
	f := newES8(t, Options{})
	for body, want := range map[string]string{
		"x":                                      "not JSON",
		`{"rule_title":"T"}`:                     "rule_description is required",
		"{" + required + `,"status":"77"}`:       "status 77",
		"{" + required + `,"owner":"eve"}`:       "Invalid owner",
		"{" + required + `,"disposition":"2"}`:   "Invalid disposition",
		"{" + required + `,"user":["ann"]}`:      "user must be text",
		"{" + required + `,"risk_score":"high"}`: "risk_score must be a number",
	} {
		status, got := f.send("POST", findings, body)
		f.want(400, []string{want}, status, got)
	}
	f.AddSession("weak", "weak", time.Time{})
	f.auth = "Splunk weak"
	status, body := f.send("POST", findings, "{"+required+"}")
	f.want(403, []string{CapEditNotables}, status, body)
}

func TestInvestigations(t *testing.T) {
	f := newES8(t, Options{NotableOwners: []string{"ann"}})
	id := f.AddNotable("S", "sid", "0", nil)
	path := "/servicesNS/nobody/missioncontrol/v1/investigations/" + url.QueryEscape(id)
	at := fmt.Sprintf("?notable_time=%d", f.Notables()[0].Time.Unix())
	for _, tt := range []struct {
		path, body string
		status     int
		text       string
	}{
		{path, `{"status":"2"}`, 400, "notable_time"},
		{path + "?notable_time=1", `{"status":"2"}`, 404, "not found"},
		{path + at, `{}`, 400, "empty"},
		{path + at, `{"rule_title":"x"}`, 400, "rule_title cannot be changed"},
		{path + at, `{"assignee":"eve"}`, 400, "Invalid owner"},
		{path + at, `{"status":"2","assignee":"ann","disposition":"disposition:1"}`, 200, id},
	} {
		status, body := f.send("POST", tt.path, tt.body)
		f.want(tt.status, []string{tt.text}, status, body)
	}
	n := f.Notables()[0]
	if n.Status() != "2" || n.Owner() != "ann" || n.Disposition() != "disposition:1" || len(n.Reviews) != 1 {
		t.Errorf("finding is %+v", n)
	}
}

func TestNotes(t *testing.T) {
	f := newES8(t, Options{})
	id := f.AddNotable("S", "sid", "0", nil)
	path := "/servicesNS/nobody/missioncontrol/public/v2/investigations/" + url.QueryEscape(id) + "/notes"
	for body, want := range map[string]string{
		`{"title":"` + strings.Repeat("x", 251) + `","content":"c"}`: "at most 250",
		`{"content":"` + strings.Repeat("x", 10_001) + `"}`:          "1 to 10000",
		`{"content":""}`:             "1 to 10000",
		`{"content":"c","type":"x"}`: "Incident or Task",
		`[]`:                         "not JSON",
	} {
		status, got := f.send("POST", path, body)
		f.want(400, []string{want}, status, got)
	}
	for i := range 3 {
		status, body := f.send("POST", path, fmt.Sprintf(`{"title":"t","content":"note %d","type":"Incident"}`, i))
		f.want(201, []string{`"id":"note-`}, status, body)
	}
	status, body := f.send("GET", path+"?limit=1&offset=1", "")
	f.want(200, []string{`"content":"note 1"`, `"total":3`}, status, body)
	if strings.Contains(body, "note 0") || strings.Contains(body, "svc") {
		t.Errorf("answer is %s", body)
	}
	status, body = f.send("GET", strings.Replace(path, "notable", "other", 1), "")
	f.want(500, []string{"MC_0050"}, status, body)
	if err := f.AddNote("ann", id, Note{}); err == nil {
		t.Error("an empty note was taken")
	}
	if err := f.AddNote("ann", "x", Note{Content: "c"}); err == nil {
		t.Error("a note on nothing was taken")
	}
}

func TestCommentRules(t *testing.T) {
	f := newFake(t, Options{MinComment: 12})
	status, body := f.call("/servicesNS/nobody/SA-ThreatIntelligence/configs/conf-log_review/comment?output_mode=json", nil)
	f.want(200, []string{`"is_required":"1"`, `"minimum_length":"12"`}, status, body)
	status, body = f.call("/servicesNS/nobody/search/configs/conf-log_review/comment?output_mode=json", nil)
	f.want(404, nil, status, body)
}
