package splunktest

import (
	"crypto/md5"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

var testNow = time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)

const key = "k3y"

// fake is a server with a caller that speaks HTTP as it is.
type fake struct {
	*Server
	t      *testing.T
	client *http.Client
	auth   string
}

func newFake(t *testing.T, opts Options) *fake {
	t.Helper()
	if opts.Now == nil {
		opts.Now = func() time.Time { return testNow }
	}
	s := New(t, opts)
	s.AddSession("svc", key, time.Time{}, CapEditNotables, CapListPasswords)
	pem, err := os.ReadFile(s.CAFile())
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(pem)
	conf := &tls.Config{RootCAs: pool, InsecureSkipVerify: true, VerifyConnection: func(cs tls.ConnectionState) error {
		_, err := cs.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: pool})
		return err
	}}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: conf}}
	t.Cleanup(client.CloseIdleConnections)
	return &fake{Server: s, t: t, client: client, auth: "Splunk " + key}
}

// call sends a GET, or a POST when there is a form, and returns status and body.
func (f *fake) call(path string, form url.Values) (int, string) {
	f.t.Helper()
	method := http.MethodGet
	if form != nil {
		method = http.MethodPost
	}
	req, err := http.NewRequestWithContext(f.t.Context(), method, f.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		f.t.Fatal(err)
	}
	req.Header.Set("Authorization", f.auth)
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	resp, err := f.client.Do(req)
	if err != nil {
		return 0, err.Error()
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return resp.StatusCode, string(body)
}

func (f *fake) want(status int, texts []string, gotStatus int, body string) {
	f.t.Helper()
	if gotStatus != status {
		f.t.Errorf("status %d, want %d: %s", gotStatus, status, body)
	}
	for _, text := range texts {
		if !strings.Contains(body, text) {
			f.t.Errorf("answer does not hold %s: %s", text, body)
		}
	}
}

func TestLogin(t *testing.T) {
	now := testNow
	f := newFake(t, Options{Now: func() time.Time { return now }})
	f.AddSession("ann", "short", testNow.Add(time.Minute))
	f.AddToken("bot", "t0ken", time.Time{})
	const path = "/services/authentication/current-context?output_mode=json"
	tests := []struct {
		auth   string
		status int
		text   string
	}{
		{"Splunk " + key, 200, `"username":"svc"`},
		{"Bearer " + key, 200, `"username":"svc"`}, // session keys are taken as Bearer too
		{"Bearer t0ken", 200, `"username":"bot"`},
		{"Splunk t0ken", 401, `{"messages":[{"text":"call not properly authenticated","type":"WARN"}]}`},
		{"Splunk short", 200, `"username":"ann"`},
		{"Basic YTpi", 401, "call not properly"},
		{"", 401, "call not properly"},
	}
	for _, tt := range tests {
		f.auth = tt.auth
		status, body := f.call(path, nil)
		f.want(tt.status, []string{tt.text}, status, body)
	}
	now = testNow.Add(time.Minute)
	f.auth = "Splunk short"
	status, body := f.call("/services/authentication/current-context", nil)
	f.want(401, []string{`<msg type="WARN">call not properly authenticated</msg>`}, status, body) // XML unless JSON is asked for
	f.Revoke(key)
	f.auth = "Splunk " + key
	status, body = f.call(path, nil)
	f.want(401, nil, status, body)
}

func TestNotFoundAndForbidden(t *testing.T) {
	f := newFake(t, Options{})
	status, body := f.call("/services/nope?output_mode=json", nil)
	f.want(404, []string{`"Not Found"`}, status, body)
	status, body = f.call("/servicesNS/nobody/winnow/storage/passwords/%3Anone%3A?output_mode=json", nil)
	f.want(404, []string{"Could not find object id=:none:"}, status, body)
	status, body = f.call("/servicesNS/nobody/search/storage/collections/data/incident_review", nil)
	f.want(404, nil, status, body)

	f.AddSession("weak", "weak", time.Time{})
	f.auth = "Splunk weak"
	status, body = f.call("/services/notable_update?output_mode=json", url.Values{"ruleUIDs": {"a@@notable@@b"}, "comment": {"x"}})
	f.want(403, []string{"user=weak", CapEditNotables}, status, body)
	status, body = f.call("/servicesNS/nobody/winnow/storage/passwords/%3Aa%3A?output_mode=json", nil)
	f.want(403, []string{CapListPasswords}, status, body)
}

// update posts to notable_update and returns the status and the answer.
func (f *fake) update(form url.Values) (int, map[string]any) {
	f.t.Helper()
	status, body := f.call("/services/notable_update", form)
	var a map[string]any
	if err := json.Unmarshal([]byte(body), &a); err != nil {
		f.t.Fatalf("%v: %s", err, body)
	}
	return status, a
}

func TestNotableUpdate(t *testing.T) {
	f := newFake(t, Options{MinComment: 5, NotableOwners: []string{"ann"}})
	id := f.AddNotable("S", "sid", "0", map[string]string{"severity": "low"})
	tests := []struct {
		form    url.Values
		status  int
		success bool
		text    string
	}{
		{url.Values{"status": {"5"}, "comment": {"12345"}, "disposition": {"disposition:2"}}, 200, true, "1 event(s) updated"},
		{url.Values{"newOwner": {"ann"}, "urgency": {"high"}, "comment": {"12345"}}, 200, true, "1 event(s) updated"},
		{url.Values{"status": {"1"}, "comment": {"1234"}}, 200, false, "minimum requirement"},
		{url.Values{"status": {"77"}, "comment": {"12345"}}, 200, false, "not allowed"},
		{url.Values{"status": {"closed"}, "comment": {"12345"}}, 400, false, "Invalid status value."},
		{url.Values{"urgency": {"dire"}, "comment": {"12345"}}, 400, false, "Invalid urgency value."},
		{url.Values{"newOwner": {"eve"}, "comment": {"12345"}}, 400, false, "Invalid owner value."},
		{url.Values{"disposition": {"2"}, "comment": {"12345"}}, 400, false, "Invalid disposition value."},
		{url.Values{}, 400, false, "is required."},
	}
	for _, tt := range tests {
		tt.form.Set("ruleUIDs", id)
		status, a := f.update(tt.form)
		text, _ := json.Marshal(a)
		f.want(tt.status, []string{tt.text}, status, string(text))
		if a["success"] != tt.success {
			t.Errorf("%v: success is %v", tt.form, a["success"])
		}
	}
	status, a := f.update(url.Values{"ruleUIDs": {"x"}, "comment": {"12345"}})
	if status != 400 || a["message"] != "ValueError: Invalid rule_id value." {
		t.Errorf("%d %v", status, a)
	}
	status, a = f.update(url.Values{"comment": {"12345"}})
	if status != 400 || a["success"] != false {
		t.Errorf("%d %v", status, a)
	}

	n, _ := f.Notable(id)
	got := []string{n.Status(), n.Owner(), n.Urgency(), n.Disposition()}
	if diff := cmp.Diff([]string{"5", "ann", "high", "disposition:2"}, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if f.Open() != 0 || f.Updates() != 2 || len(n.Comments()) != 2 {
		t.Errorf("%d open, %d updates, comments %q", f.Open(), f.Updates(), n.Comments())
	}
}

// A record of the history repeats what its change left alone.
func TestReviewHistory(t *testing.T) {
	f := newFake(t, Options{NotableOwners: []string{"ann"}, NoUrgency: true})
	id := f.AddNotable("S", "sid", "0", nil)
	for _, c := range []Change{{Owner: "ann"}, {Status: "2", Urgency: "high"}, {Comment: "done"}} {
		if err := f.Review("ann", id, c); err != nil {
			t.Fatal(err)
		}
	}
	path := "/servicesNS/nobody/SA-ThreatIntelligence/storage/collections/data/incident_review?query="
	status, body := f.call(path+url.QueryEscape(`{"rule_id":"`+id+`"}`), nil)
	f.want(200, nil, status, body)
	var docs []map[string]any
	if err := json.Unmarshal([]byte(body), &docs); err != nil || len(docs) != 3 {
		t.Fatalf("%v: %s", err, body)
	}
	for i, want := range []map[string]any{
		{"status": "1", "owner": "ann", "urgency": nil, "comment": ""},
		{"status": "2", "owner": "ann", "urgency": nil, "comment": ""},
		{"status": "2", "owner": "ann", "urgency": nil, "comment": "done"},
	} {
		for field, v := range want {
			if docs[i][field] != v {
				t.Errorf("record %d: %s is %v, want %v", i, field, docs[i][field], v)
			}
		}
	}
	if a, b := docs[0]["time"].(string), docs[1]["time"].(string); a >= b {
		t.Errorf("times are %s, %s", a, b)
	}
	status, body = f.call(path+"x", nil)
	f.want(400, []string{"Invalid query"}, status, body)
	if err := f.Review("ann", id, Change{Owner: "eve"}); err == nil {
		t.Error("an unknown owner was taken")
	}
}

func search(spl string) url.Values {
	return url.Values{"search": {spl}, "output_mode": {"json"}, "preview": {"0"}, "latest_time": {"1767400000"}}
}

const exportPath = "/services/search/v2/jobs/export"

func TestExport(t *testing.T) {
	now := testNow
	f := newFake(t, Options{Now: func() time.Time { return now }, IndexLag: time.Second})
	id := f.AddNotable("S", `si"d\`, "0", map[string]string{"severity": "high"})
	const spl = "search index=notable orig_sid=\"SI\\\"d\\\\\" orig_rid=0 | eval `get_event_id_meval`, rule_id=event_id, notable_time=_time | `get_urgency` | table rule_id, orig_sid, urgency, status"
	status, body := f.call(exportPath, search(spl))
	f.want(200, nil, status, body)
	if body != `{"lastrow":true,"preview":false}`+"\n" {
		t.Errorf("before the index has it: %s", body)
	}
	now = now.Add(time.Second)
	_, body = f.call(exportPath, search(spl))
	want := `{"lastrow":true,"offset":0,"preview":false,"result":{"orig_sid":"si\"d\\","rule_id":"` + id + `","urgency":"high"}}` + "\n"
	if body != want {
		t.Errorf("got  %swant %s", body, want)
	}
	for bound, v := range map[string]string{"earliest_time": "1767323046", "latest_time": "1767323045"} {
		form := search(spl)
		form.Set(bound, v)
		if _, body := f.call(exportPath, form); strings.Contains(body, "rule_id") {
			t.Errorf("found outside %s", bound)
		}
	}
}

func TestExportRefusesWhatItDoesNotKnow(t *testing.T) {
	f := newFake(t, Options{})
	tests := map[string]string{
		"index=notable":                                 "Unknown search command 'index=notable'.",
		"search index=notable | delete":                 "Unknown search command 'delete'.",
		"search index=notable":                          "only searches of index=notable",
		"search index=main | table a":                   "only searches of index=notable",
		`search index=notable a="b | table a`:           "Mismatched quotes",
		"search index=notable a=b OR c=d | table a":     "Unable to parse",
		"search index=notable a=[search x] | table a":   "Unable to parse",
		"search index=notable | table a | eval x=now()": "Unknown search command",
	}
	for spl, want := range tests {
		status, body := f.call(exportPath, search(spl))
		f.want(400, []string{want, "FATAL"}, status, body)
	}
	bad := search("search index=notable | table a")
	bad.Set("earliest_time", "yesterday")
	status, body := f.call(exportPath, bad)
	f.want(400, []string{"Invalid earliest_time"}, status, body)
}

// The search command takes * for anything, in quotes too.
func TestExportWildcard(t *testing.T) {
	f := newFake(t, Options{MaxExportResults: 1})
	f.AddNotable("S", "a.c", "0", nil)
	f.AddNotable("S", "abc", "0", map[string]string{"x": "1"})
	count := func(value string) int {
		_, body := f.call(exportPath, search(`search index=notable orig_sid="`+value+`" source="s" | table orig_sid`))
		return strings.Count(body, `"result"`)
	}
	if count("a*") != 1 || count("a.c") != 1 || count("ac") != 0 || count("*") != 1 {
		t.Errorf("counts are %d %d %d %d", count("a*"), count("a.c"), count("ac"), count("*"))
	}
}

func TestWithoutES(t *testing.T) {
	f := newFake(t, Options{NoES: true})
	status, body := f.call("/services/alerts/reviewstatuses?output_mode=json", nil)
	f.want(404, nil, status, body)
	status, body = f.call("/services/notable_update?output_mode=json", url.Values{"comment": {"x"}})
	f.want(404, nil, status, body)
	status, body = f.call(exportPath, search("search index=notable | `get_urgency` | table a"))
	f.want(400, []string{"specifies a macro"}, status, body)
}

func TestFaults(t *testing.T) {
	f := newFake(t, Options{})
	id := f.AddNotable("S", "sid", "0", nil)
	form := url.Values{"ruleUIDs": {id}, "comment": {"x"}}
	f.Fail(Fault{Path: "/services/notable_update", Times: 1, Status: 503})
	f.Fail(Fault{Path: "/services/notable_update", Times: 1, Cut: true})
	f.Fail(Fault{Path: "/services/notable_update", Times: 1, After: true})
	for i, want := range []int{503, 0, 0, 200} {
		if status, body := f.call("/services/notable_update", form); status != want {
			t.Errorf("call %d: status %d, want %d: %s", i, status, want, body)
		}
	}
	if f.Updates() != 2 {
		t.Errorf("%d updates, want that of the lost answer and the last", f.Updates())
	}
	f.Fail(Fault{Status: 500, Body: "oops", Delay: time.Millisecond})
	status, body := f.call("/services/alerts/reviewstatuses", nil)
	f.want(500, []string{"oops"}, status, body)
	f.Heal()
	status, body = f.call("/services/alerts/reviewstatuses?count=-1&output_mode=json", nil)
	f.want(200, []string{`"label":"Closed"`, `"status_type":"disposition"`}, status, body)

	last := f.Requests()[len(f.Requests())-1]
	if last.User != "svc" || last.Scheme != "Splunk" || last.Query.Get("count") != "-1" || last.Method != http.MethodGet {
		t.Errorf("last request is %+v", last)
	}
}

func TestIngest(t *testing.T) {
	f := newFake(t, Options{})
	raw := `1767323045, search_name="S", orig_sid="sid", orig_rid="0", quote="a \"b\" \\", many="1", many="2"`
	text := "***SPLUNK*** index=\"notable\" host=\"sh1\" source=\"S\"" + breaker + raw + breaker + "1767323045.500, a=\"1\"\n"
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(f.SpoolDir(), name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("x.stash_new", text)
	write("y.stash_new", strings.Replace(text, "notable", "risk", 1))
	write("x.stash_other", "left alone")
	if n, err := f.Ingest(); n != 4 || err != nil {
		t.Fatalf("took in %d, %v", n, err)
	}
	if n, err := f.Ingest(); n != 0 || err != nil {
		t.Errorf("took in %d more, %v", n, err)
	}
	if len(f.Notables()) != 2 || len(f.Events("risk")) != 2 {
		t.Fatalf("%d notables, %d in risk", len(f.Notables()), len(f.Events("risk")))
	}
	n := f.Notables()[0]
	sum := md5.Sum([]byte("1767323045" + raw))
	if want := defaultGUID + "@@notable@@" + hex.EncodeToString(sum[:]); n.ID != want {
		t.Errorf("event_id is %s, want %s", n.ID, want)
	}
	if n.Source != "S" || n.Host != "sh1" || n.Raw != raw || !n.Time.Equal(time.Unix(1767323045, 0)) {
		t.Errorf("event is %+v", n.Event)
	}
	if diff := cmp.Diff([]string{`a "b" \`, "1", "2"}, append(n.Fields["quote"], n.Fields["many"]...)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestIngestRefuses(t *testing.T) {
	head := "***SPLUNK*** index=\"notable\""
	for want, text := range map[string]string{
		"no ***SPLUNK***":   "1, a=\"b\"",
		"begin with a time": head + breaker + "a=\"b\"",
		"names no index":    "***SPLUNK***" + breaker + "1, a=\"b\"",
		"an id line":        head + breaker + "***Common Action Model*** orig_sid=\"1\"\n1, a=\"b\"",
	} {
		f := newFake(t, Options{})
		if err := os.WriteFile(filepath.Join(f.SpoolDir(), "x.stash_new"), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := f.Ingest(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want %q", err, want)
		}
	}
}

func TestAddPassword(t *testing.T) {
	f := newFake(t, Options{})
	f.AddPassword("winnow", "realm", "na:me", "s3cret")
	status, body := f.call("/servicesNS/nobody/winnow/storage/passwords/realm%3Ana%5C%3Ame%3A?output_mode=json", nil)
	f.want(200, []string{`"clear_password":"s3cret"`, `"realm":"realm"`}, status, body)
}
