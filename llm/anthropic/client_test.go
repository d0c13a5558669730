package anthropic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/chat"
	"github.com/winnow-soc/winnow/llm/prices"
)

// secret stands for what must not leave a request: text of an alert, and the key.
const (
	secret  = "CORP-ALICE-LAPTOP"
	testKey = "sk-ant-test-0123456789"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func client(t *testing.T, o Options) *Client {
	t.Helper()
	h, err := chat.NewHTTPClient(chat.HTTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.CloseIdleConnections)
	o.Model, o.HTTP, o.Now, o.Key = "claude-haiku-4-5", h, func() time.Time { return noon }, winnow.Secret(testKey)
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func serve(t *testing.T, status int, h http.Header, body string) string {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		maps.Copy(w.Header(), h)
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func ask() *chat.Request {
	return &chat.Request{
		System: "You judge alerts.", Messages: []chat.Message{{Role: chat.RoleUser, Text: "user=" + secret}}, MaxOutput: 300,
		Schema: &chat.Schema{Name: "vote", JSON: json.RawMessage(`{"type":"object","properties":{"why":{"type":"string","maxLength":80},"minimum":{"type":"integer","minimum":0}},"required":["why","minimum"],"additionalProperties":false}`)},
	}
}

func TestRequestOnTheWire(t *testing.T) {
	for name, value := range map[string]string{
		"ANTHROPIC_API_KEY": "sk-env", "ANTHROPIC_AUTH_TOKEN": "token-env", "ANTHROPIC_BASE_URL": "http://127.0.0.1:1/", "ANTHROPIC_PROFILE": "none",
		"ANTHROPIC_CUSTOM_HEADERS": "X-Env: yes", "ANTHROPIC_OPEN_TELEMETRY_TRACES_CONTENT_MODE": "content",
	} {
		t.Setenv(name, value)
	}
	const held = `{"type":"object","properties":{"why":{"type":"string"},"minimum":{"type":"integer"}},"required":["why","minimum"],"additionalProperties":false}`
	for _, test := range []struct {
		name string
		opts Options
		form chat.Form
		want []string
		not  []string
	}{
		{"strict", Options{Residency: "us", ServiceTier: "standard_only", Reasoning: "low"}, chat.FormStrict, []string{
			`"max_tokens":300`, `"model":"claude-haiku-4-5"`, `"inference_geo":"us"`, `"service_tier":"standard_only"`, `"effort":"low"`,
			`"system":[{"text":"You judge alerts.","cache_control":{"type":"ephemeral"},"type":"text"}]`,
			`"format":{"type":"json_schema","schema":` + held + `}`, `"name":"asset"`, `"input_schema":{"type":"object","properties":{"field":{"type":"string"}}}`,
			`"tool_use_id":"c1"`, `"tool_use_id":"c2"`, `"input":{"field":"src"}`,
		}, []string{"tool_choice", "temperature"}},
		{"json", Options{}, chat.FormJSON, []string{`"tool_choice":{"type":"any"}`, `"name":"vote"`}, []string{"output_config", "inference_geo", "service_tier"}},
		{"text", Options{}, chat.FormText, nil, []string{"output_config", "tool_choice", `"name":"vote"`}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var path, body string
			var h http.Header
			s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				b, _ := io.ReadAll(r.Body)
				path, h, body = r.URL.Path, r.Header, string(b)
			}))
			defer s.Close()
			r := ask()
			r.Form = test.form
			r.Tools = []chat.ToolSpec{{Name: "asset", Description: "Looks a host up.", Parameters: json.RawMessage(`{"type":"object","properties":{"field":{"type":"string"}}}`)}}
			r.Messages = append(r.Messages,
				chat.Message{Role: chat.RoleAssistant, Calls: []chat.ToolCall{{ID: "c1", Name: "asset", Arguments: `{"field":"src"}`}, {ID: "c2", Name: "asset", Arguments: "no JSON"}}},
				chat.Message{Role: chat.RoleTool, Of: "c1", Text: "none"}, chat.Message{Role: chat.RoleTool, Of: "c2", Text: "none"})
			test.opts.BaseURL = s.URL
			_, _ = client(t, test.opts).Complete(t.Context(), r)
			if path != "/v1/messages" || h.Get("X-Api-Key") != testKey || h.Get("Anthropic-Version") == "" {
				t.Errorf("asked %s with %q", path, h.Get("X-Api-Key"))
			}
			for _, name := range []string{"Authorization", "X-Env", "Traceparent", "Baggage"} {
				if v := h.Get(name); v != "" {
					t.Errorf("%s is %q", name, v)
				}
			}
			for _, want := range test.want {
				if !strings.Contains(body, want) {
					t.Errorf("the request has no %s:\n%s", want, body)
				}
			}
			for _, not := range test.not {
				if strings.Contains(body, not) {
					t.Errorf("the request has %s:\n%s", not, body)
				}
			}
			if n := strings.Count(body, `"role":"user"`); n != 2 {
				t.Errorf("%d messages of the user, want the alert, and the results of both calls in one:\n%s", n, body)
			}
		})
	}
}

const usage = `"usage":{"input_tokens":76,"cache_creation_input_tokens":100,"cache_read_input_tokens":1024,"output_tokens":40,"service_tier":"standard"}`

func TestReplies(t *testing.T) {
	used := prices.Usage{Input: 1200, Cached: 1024, CacheWrite: 100, Output: 40}
	text := `{"type":"text","text":"{}"}`
	call := `{"type":"tool_use","id":"c1","name":"asset","input":{"field":"src"}}`
	body := func(stop, content, usage string) string {
		return `{"type":"message","role":"assistant","model":"claude-haiku-4-5-20251001","stop_reason":"` + stop + `","content":[` + content + `],` + usage + `}`
	}
	for _, test := range []struct {
		name string
		form chat.Form
		body string
		want chat.Reply
	}{
		{"whole", "", body("end_turn", `{"type":"thinking","thinking":"hm","signature":"s"},`+text, usage), chat.Reply{Text: "{}", Stop: chat.StopEnd, Usage: used}},
		{"tools", "", body("tool_use", call, usage), chat.Reply{Stop: chat.StopTools, Usage: used, Calls: []chat.ToolCall{{ID: "c1", Name: "asset", Arguments: `{"field":"src"}`}}}},
		{
			"answer as a tool", chat.FormJSON, body("tool_use", `{"type":"text","text":"I judge:"},{"type":"tool_use","id":"c2","name":"vote","input":{"why":"x"}}`, usage),
			chat.Reply{Text: `{"why":"x"}`, Stop: chat.StopEnd, Usage: used},
		},
		{
			"answer as a tool, cut", chat.FormJSON, body("max_tokens", `{"type":"tool_use","id":"c2","name":"vote","input":{}}`, usage),
			chat.Reply{Text: `{}`, Stop: chat.StopLength, Usage: used},
		},
		{
			"a tool named like the answer", "", body("tool_use", `{"type":"tool_use","id":"c2","name":"vote","input":{}}`, usage),
			chat.Reply{Stop: chat.StopTools, Usage: used, Calls: []chat.ToolCall{{ID: "c2", Name: "vote", Arguments: "{}"}}},
		},
		{"cut", "", body("max_tokens", text, usage), chat.Reply{Text: "{}", Stop: chat.StopLength, Usage: used}},
		{"too long", "", body("model_context_window_exceeded", text, usage), chat.Reply{Text: "{}", Stop: chat.StopLength, Usage: used}},
		{"refused", "", body("refusal", "", usage), chat.Reply{Stop: chat.StopRefusal, Usage: used}},
		{"paused", "", body("pause_turn", text, usage), chat.Reply{Text: "{}", Stop: chat.StopOther, Usage: used}},
		{"unknown stop", "", body("whim", text, usage), chat.Reply{Text: "{}", Stop: chat.StopOther, Usage: used}},
		{"no usage", "", body("end_turn", text, `"usage":null`), chat.Reply{Text: "{}", Stop: chat.StopEnd, NoUsage: true}},
		{"wrong usage", "", body("end_turn", text, `"usage":{"input_tokens":-5,"cache_read_input_tokens":50,"output_tokens":3}`), chat.Reply{Text: "{}", Stop: chat.StopEnd, NoUsage: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := ask()
			r.Form = test.form
			h := http.Header{"Request-Id": {"req_1"}, "Anthropic-Ratelimit-Tokens-Reset": {"2026-05-04T12:00:30Z"}, "Anthropic-Ratelimit-Requests-Remaining": {"49"}}
			got, err := client(t, Options{BaseURL: serve(t, 200, h, test.body)}).Complete(t.Context(), r)
			if err != nil {
				t.Fatal(err)
			}
			test.want.RequestID, test.want.Limits, test.want.Model = "req_1", chat.NoLimits(), "claude-haiku-4-5-20251001"
			test.want.Limits.TokensReset, test.want.Limits.Requests = 30*time.Second, 49
			if strings.Contains(test.body, "standard") {
				test.want.Tier = "standard"
			}
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// echo is what a provider might say of a request that it does not like: the request.
const echo = `{"type":"error","error":{"type":"%s","message":"cannot read 'user=` + secret + `' with key ` + testKey + `"}}`

func TestErrorsCarryNoText(t *testing.T) {
	var logged bytes.Buffer
	log.SetOutput(&logged)
	defer log.SetOutput(log.Default().Writer())
	for _, test := range []struct {
		name   string
		status int
		h      http.Header
		body   string
		want   chat.Error
	}{
		{"rate", 429, http.Header{"Retry-After": {"12"}}, fmt.Sprintf(echo, "rate_limit_error"), chat.Error{Kind: chat.KindRate, Code: "rate_limit_error", After: 12 * time.Second}},
		{"overloaded", 529, nil, fmt.Sprintf(echo, "overloaded_error"), chat.Error{Kind: chat.KindOverloaded, Code: "overloaded_error"}},
		{"key", 401, nil, fmt.Sprintf(echo, "authentication_error"), chat.Error{Kind: chat.KindAuth, Code: "authentication_error"}},
		{"money", 402, nil, fmt.Sprintf(echo, "billing_error"), chat.Error{Kind: chat.KindQuota, Code: "billing_error"}},
		{"request", 400, nil, fmt.Sprintf(echo, "invalid_request_error"), chat.Error{Kind: chat.KindRequest, Code: "invalid_request_error"}},
		{"too large", 413, nil, fmt.Sprintf(echo, "request_too_large"), chat.Error{Kind: chat.KindRequest, Code: "request_too_large"}},
		{"echo as type", 400, nil, fmt.Sprintf(echo, secret), chat.Error{Kind: chat.KindRequest}},
		{"server", 500, nil, fmt.Sprintf(echo, "api_error"), chat.Error{Kind: chat.KindServer, Code: "api_error"}},
		{"gateway", 502, nil, "<html>" + secret, chat.Error{Kind: chat.KindServer, Sent: true}},
		{"not JSON", 200, nil, "user=" + secret, chat.Error{Kind: chat.KindBadReply, Sent: true}},
		{"another form", 200, nil, `{"content":"` + secret + `"}`, chat.Error{Kind: chat.KindBadReply, Sent: true}},
		{"an error with success", 200, nil, fmt.Sprintf(echo, "api_error"), chat.Error{Kind: chat.KindBadReply, Sent: true}},
		{"nothing", 200, nil, "", chat.Error{Kind: chat.KindBadReply, Sent: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := test.h.Clone()
			if h == nil {
				h = http.Header{}
			}
			h.Set("Request-Id", "req_9")
			asked := serve(t, test.status, h, test.body)
			_, err := client(t, Options{BaseURL: asked}).Complete(t.Context(), ask())
			got, ok := errors.AsType[*chat.Error](err)
			if !ok {
				t.Fatalf("%T: %v", err, err)
			}
			limits := chat.NoLimits()
			test.want.RequestID, test.want.Limits = "req_9", &limits
			if test.status != 200 {
				test.want.Status = test.status
			}
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Error(diff)
			}
			for _, text := range []string{err.Error(), fmt.Sprintf("%+v %#v", err, err), fmt.Sprint(errors.Unwrap(err))} {
				if strings.Contains(text, secret) || strings.Contains(text, testKey) {
					t.Errorf("the error tells of the request: %s", text)
				}
			}
		})
	}
	if logged.Len() > 0 {
		t.Errorf("logged: %s", logged.String())
	}
}

func TestOneAttemptOnly(t *testing.T) {
	asked := 0
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked++
		w.Header().Set("X-Should-Retry", "true")
		w.WriteHeader(http.StatusInternalServerError)
	}))
	defer s.Close()
	r := ask()
	r.MaxOutput = 128_000 // the SDK would rather stream an answer this long
	if _, err := client(t, Options{BaseURL: s.URL}).Complete(t.Context(), r); err == nil || asked != 1 {
		t.Errorf("asked %d times: %v", asked, err)
	}
}

func TestNewRefuses(t *testing.T) {
	now := func() time.Time { return noon }
	for name, o := range map[string]Options{
		"no model":             {HTTP: http.DefaultClient, Now: now},
		"clear text elsewhere": {Model: "m", HTTP: http.DefaultClient, Now: now, BaseURL: "http://llm.corp.example"},
		"no address":           {Model: "m", HTTP: http.DefaultClient, Now: now, BaseURL: "llm.corp.example"},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func TestSchemaThatTheProviderTakes(t *testing.T) {
	for in, want := range map[string]string{
		`{"type":"object","properties":{"maxLength":{"type":"string","maxLength":3}},"required":["maxLength"]}`:         `{"type":"object","properties":{"maxLength":{"type":"string"}},"required":["maxLength"]}`,
		`{"anyOf":[{"minimum":0,"type":"integer"},{"type":"null"}],"$defs":{"minItems":{"type":"array","minItems":1}}}`: `{"anyOf":[{"type":"integer"},{"type":"null"}],"$defs":{"minItems":{"type":"array"}}}`,
		`{"enum":["a","b"],"maxLength":1}`: `{"enum":["a","b"]}`,
		`{"minimum":1}`:                    `{}`,
	} {
		if got, err := supported(json.RawMessage(in)); err != nil || string(got) != want {
			t.Errorf("%s became %s, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "{", `{"a"`, `[1,`} {
		if got, err := supported(json.RawMessage(in)); err == nil {
			t.Errorf("%q became %s", in, got)
		}
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"type":"message","content":[{"type":"text","text":"x"}],"stop_reason":"end_turn",` + usage + `}`))
	f.Add([]byte(`{"type":"message","content":[{"type":"tool_use","name":"vote","input":{}}],"stop_reason":"tool_use"}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		reply, failed := read(body, "vote")
		if (reply == nil) == (failed == nil) {
			t.Fatal("neither a reply nor an error, or both")
		}
		if reply != nil && !reply.NoUsage && (reply.Usage.Input <= 0 || reply.Usage.Output < 0 || reply.Usage.Cached < 0) {
			t.Fatalf("usage is %+v", reply.Usage)
		}
	})
}
