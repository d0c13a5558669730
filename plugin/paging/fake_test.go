package paging

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk"
)

const (
	testToken  = "t0ken-7a1b"
	signSecret = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYqr"
)

var noon = time.Date(2026, 3, 2, 12, 0, 0, 0, time.UTC)

// fake is a receiver of pages: it keeps what it was told by the id of the page, as the real ones do.
type fake struct {
	*httptest.Server
	t testing.TB

	mu     sync.Mutex
	spoil  []func(w http.ResponseWriter) bool // of the next writing requests; true: the answer is lost
	bodies []string                           // of writing requests that had an effect
	made   map[string]string                  // id of the page: what the receiver calls it
	notes  []string                           // comments and updates, with what they are about
	open   map[string]string                  // PagerDuty: dedup key: state
	woken  int                                // PagerDuty: incidents made
	signed bool
}

func newFake(t testing.TB, handle func(*fake, *http.Request, []byte) (int, any)) *fake {
	f := &fake{t: t, made: map[string]string{}, open: map[string]string{}}
	f.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		lost := false
		if r.Method != http.MethodGet && r.URL.Path != "/api/v1/query" && len(f.spoil) > 0 {
			spoil := f.spoil[0]
			f.spoil = f.spoil[1:]
			if lost = spoil(w); !lost {
				return
			}
		}
		f.checkSignature(r, body)
		status, answer := handle(f, r, body)
		if lost {
			panic(http.ErrAbortHandler)
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_ = json.NewEncoder(w).Encode(answer)
	}))
	t.Cleanup(f.Close)
	return f
}

// checkSignature holds what is signed against the secret, with another implementation than ours.
func (f *fake) checkSignature(r *http.Request, body []byte) {
	if r.Header.Get("Webhook-Id") == "" {
		return
	}
	hook, err := standardwebhooks.NewWebhook(signSecret)
	if err == nil {
		err = hook.VerifyIgnoringTimestamp(body, r.Header)
	}
	if err != nil {
		f.t.Errorf("signature: %v", err)
	}
	f.signed = true
}

func refuse(status int) func(http.ResponseWriter) bool {
	return func(w http.ResponseWriter) bool {
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, `{"message": "`+testToken+`"}`)
		return false
	}
}

func loseAnswer(http.ResponseWriter) bool { return true }

func (f *fake) sink(t testing.TB, c conf.Sink) splunk.Sink {
	t.Helper()
	c.URL = f.URL
	c.Name = "oncall"
	key := func(context.Context) (winnow.Secret, error) { return testToken, nil }
	s, err := Open(c, Options{
		Server: splunk.ServerOptions{URL: f.URL, Key: key, Now: func() time.Time { return noon }, Timeout: 30 * time.Second},
		Secret: func(context.Context, string) (winnow.Secret, error) { return signSecret, nil },
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func pagerDutyFake(f *fake, r *http.Request, body []byte) (int, any) {
	var e struct {
		RoutingKey string `json:"routing_key"`
		Action     string `json:"event_action"`
		Dedup      string `json:"dedup_key"`
		Payload    *struct{ Summary, Source, Severity string }
	}
	if r.Method != http.MethodPost || r.URL.Path != "/v2/enqueue" || json.Unmarshal(body, &e) != nil || e.RoutingKey != testToken {
		return http.StatusBadRequest, map[string]string{"status": "invalid event"}
	}
	if e.Action == "trigger" && (e.Payload == nil || e.Payload.Summary == "" || len(e.Payload.Summary) > 1024 || e.Payload.Source == "" ||
		!strings.Contains(" critical error warning info ", " "+e.Payload.Severity+" ")) {
		return http.StatusBadRequest, map[string]string{"status": "invalid event"}
	}
	f.bodies = append(f.bodies, string(body))
	switch state := f.open[e.Dedup]; {
	case e.Action == "trigger" && (state == "" || state == "resolved"):
		f.open[e.Dedup] = "triggered"
		f.woken++
	case e.Action == "acknowledge" && state == "triggered":
		f.open[e.Dedup] = "acknowledged"
	case e.Action == "resolve" && state != "":
		f.open[e.Dedup] = "resolved"
	}
	return http.StatusAccepted, map[string]string{"status": "success", "message": "Event processed", "dedup_key": e.Dedup}
}

func slackFake(f *fake, r *http.Request, body []byte) (int, any) {
	if r.Header.Get("Authorization") != "Bearer "+testToken {
		return http.StatusOK, map[string]any{"ok": false, "error": "invalid_auth"}
	}
	var m slackMessage
	_ = json.Unmarshal(body, &m)
	switch r.URL.Path {
	case "/api/conversations.history":
		var messages []any
		for id, ts := range f.made {
			messages = append(messages, map[string]any{"ts": ts, "metadata": slackMetadata{slackEvent, map[string]string{"page": id}}})
		}
		return http.StatusOK, map[string]any{"ok": r.URL.Query().Get("channel") == "C1", "messages": messages}
	case "/api/chat.postMessage":
		f.bodies = append(f.bodies, string(body))
		ts := fmt.Sprintf("1700000000.%06d", len(f.made)+1)
		f.made[m.Metadata.Payload["page"]] = ts
		return http.StatusOK, map[string]any{"ok": true, "channel": m.Channel, "ts": ts}
	case "/api/chat.update":
		f.notes = append(f.notes, m.TS+" "+m.Blocks[len(m.Blocks)-1].Text.Text)
		return http.StatusOK, map[string]any{"ok": true, "ts": m.TS}
	}
	return http.StatusOK, map[string]any{"ok": false, "error": "unknown_method"}
}

// field reads a text out of JSON by its path.
func field(body []byte, path ...string) string {
	var v any
	_ = json.Unmarshal(body, &v)
	for _, name := range path {
		m, _ := v.(map[string]any)
		v = m[name]
	}
	return fmt.Sprint(v)
}

func denied(status int) (int, any) { return status, map[string]string{"message": "denied"} }

func soarFake(f *fake, r *http.Request, body []byte) (int, any) {
	if r.Header.Get("Ph-Auth-Token") != testToken {
		return denied(http.StatusUnauthorized)
	}
	switch id := field(body, "source_data_identifier"); {
	case r.Method == http.MethodGet && r.URL.Path == "/rest/container":
		data := []any{}
		if ref := f.made[strings.Trim(r.URL.Query().Get("_filter_source_data_identifier"), `"`)]; ref != "" {
			data = append(data, map[string]any{"id": json.Number(ref)})
		}
		return http.StatusOK, map[string]any{"count": len(data), "data": data}
	case r.URL.Path == "/rest/container" && f.made[id] != "":
		return http.StatusBadRequest, map[string]any{"failed": true, "existing_container_id": json.Number(f.made[id])}
	case r.URL.Path == "/rest/container" && field(body, "label") == "events":
		f.bodies = append(f.bodies, string(body))
		f.made[id] = fmt.Sprint(40 + len(f.made))
		return http.StatusOK, map[string]any{"success": true, "id": json.Number(f.made[id])}
	case r.URL.Path == "/rest/container_comment":
		f.notes = append(f.notes, field(body, "container_id")+" "+field(body, "comment"))
		return http.StatusOK, map[string]any{"success": true}
	}
	return denied(http.StatusBadRequest)
}

func jiraFake(f *fake, r *http.Request, body []byte) (int, any) {
	if r.Header.Get("Authorization") != "Basic "+base64.StdEncoding.EncodeToString([]byte("ann@corp.example:"+testToken)) {
		return denied(http.StatusUnauthorized)
	}
	path, isComment := strings.CutSuffix(r.URL.Path, "/comment")
	switch {
	case r.URL.Path == "/rest/api/2/search": // as a data center has it, which has no search/jql
		issues := []any{}
		id := strings.Trim(strings.TrimPrefix(r.URL.Query().Get("jql"), "labels = "), `"`)
		if ref := f.made[id]; ref != "" {
			issues = append(issues, map[string]any{"id": "1", "key": ref})
		}
		return http.StatusOK, map[string]any{"issues": issues}
	case r.URL.Path == "/rest/api/2/issue" && field(body, "fields", "project", "key") == "SEC" && field(body, "fields", "issuetype", "name") == "Task":
		var v struct{ Fields struct{ Labels []string } }
		_ = json.Unmarshal(body, &v)
		f.bodies = append(f.bodies, string(body))
		f.made[v.Fields.Labels[1]] = fmt.Sprintf("SEC-%d", 7+len(f.made))
		return http.StatusCreated, map[string]any{"id": "10000", "key": f.made[v.Fields.Labels[1]], "self": f.URL}
	case isComment:
		f.notes = append(f.notes, strings.TrimPrefix(path, "/rest/api/2/issue/")+" "+field(body, "body"))
		return http.StatusCreated, map[string]any{"id": "1"}
	}
	return denied(http.StatusNotFound)
}

func serviceNowFake(f *fake, r *http.Request, body []byte) (int, any) {
	if r.Header.Get("Authorization") != "Bearer "+testToken {
		return denied(http.StatusUnauthorized)
	}
	const table = "/api/now/table/incident"
	switch {
	case r.Method == http.MethodGet && r.URL.Path == table:
		rows := []any{}
		if ref := f.made[strings.TrimPrefix(r.URL.Query().Get("sysparm_query"), "correlation_id=")]; ref != "" {
			rows = append(rows, map[string]any{"sys_id": ref, "number": "INC0010001"})
		}
		return http.StatusOK, map[string]any{"result": rows}
	case r.Method == http.MethodPost && r.URL.Path == table:
		id := field(body, "correlation_id")
		f.bodies = append(f.bodies, string(body))
		f.made[id] = fmt.Sprintf("9d385017c611228701d22104cc95c3%02d", len(f.made))
		return http.StatusCreated, map[string]any{"result": map[string]any{"sys_id": f.made[id], "number": "INC0010001"}}
	case r.Method == http.MethodPatch:
		f.notes = append(f.notes, strings.TrimPrefix(r.URL.Path, table+"/")+" "+field(body, "work_notes"))
		return http.StatusOK, map[string]any{"result": map[string]any{}}
	}
	return denied(http.StatusBadRequest)
}

func hiveFake(f *fake, r *http.Request, body []byte) (int, any) {
	if r.Header.Get("Authorization") != "Bearer "+testToken {
		return denied(http.StatusUnauthorized)
	}
	path, isComment := strings.CutSuffix(r.URL.Path, "/comment")
	switch id := field(body, "sourceRef"); {
	case r.URL.Path == "/api/v1/query":
		var q struct{ Query []map[string]any }
		_ = json.Unmarshal(body, &q)
		found := []any{}
		if ref := f.made[fmt.Sprint(q.Query[1]["_value"])]; ref != "" {
			found = append(found, map[string]any{"_id": ref})
		}
		return http.StatusOK, found
	case r.URL.Path == "/api/v1/alert" && f.made[id] != "":
		return http.StatusBadRequest, map[string]any{"type": "CreateError", "message": "Alert already exists"}
	case r.URL.Path == "/api/v1/alert":
		f.bodies = append(f.bodies, string(body))
		f.made[id] = fmt.Sprintf("~4096%d", len(f.made))
		return http.StatusCreated, map[string]any{"_id": f.made[id], "_type": "Alert"}
	case isComment:
		f.notes = append(f.notes, strings.TrimPrefix(path, "/api/v1/alert/")+" "+field(body, "message"))
		return http.StatusCreated, map[string]any{"_id": "~1"}
	}
	return denied(http.StatusBadRequest)
}

// delivery is a page about the i-th group.
func delivery(i int, action ledger.PageAction) ledger.Delivery {
	group := fmt.Sprintf("winnow-%032x", i)
	d := ledger.Delivery{
		Key: fmt.Sprintf("%s/%d/oncall/%s", group, noon.UnixMicro(), action), Seq: 1, Sink: "oncall", Kind: ledger.DeliverPage,
		Page: &ledger.Page{Action: action, Group: group, Opened: noon},
		Record: winnow.Record{
			ID: fmt.Sprintf("01J9ZV3M4T5Q6R7S8T9VAWBX%02d", i), SearchName: "Impossible Travel", Time: noon, Severity: winnow.SeverityHigh,
			Verdict: winnow.Verdict{
				Disposition: winnow.TruePositive, Techniques: []string{"T1078"},
				Case: winnow.Case{What: "bob signed in twice", Why: "two countries in an hour", FirstResponse: "ask bob"},
			},
			Outcome: winnow.Outcome{State: winnow.StateEscalated, Run: winnow.RunEnforce},
		},
	}
	if action != ledger.PageTrigger {
		d.Page.By = "person:ann"
		d.Record.Verdict.Disposition, d.Record.Verdict.Source = winnow.FalsePositiveLogic, winnow.SourcePerson
		d.Record.Outcome.State = winnow.StateClosed
	}
	return d
}
