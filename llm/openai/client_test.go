package openai

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
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
	testKey = "sk-test-0123456789"
)

var noon = time.Date(2026, 5, 4, 12, 0, 0, 0, time.UTC)

func client(t *testing.T, o Options) *Client {
	t.Helper()
	h, err := chat.NewHTTPClient(chat.HTTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.CloseIdleConnections)
	if o.Model == "" {
		o.Model = "gpt-5.4-mini"
	}
	o.HTTP, o.Now, o.Key = h, func() time.Time { return noon }, winnow.Secret(testKey)
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// serve answers every request with one body, and returns the base address.
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
	return s.URL + "/v1"
}

func ask() *chat.Request {
	return &chat.Request{
		System: "You judge alerts.", Messages: []chat.Message{{Role: chat.RoleUser, Text: "user=" + secret}}, MaxOutput: 300,
		Schema: &chat.Schema{Name: "vote", JSON: json.RawMessage(`{"type":"object","properties":{"why":{"type":"string"},"vote":{"type":"string"}},"required":["why","vote"],"additionalProperties":false}`)},
	}
}

func TestRequestOnTheWire(t *testing.T) {
	for name, value := range map[string]string{
		"OPENAI_API_KEY": "sk-env", "OPENAI_BASE_URL": "http://127.0.0.1:1/", "OPENAI_ORG_ID": "org-env",
		"OPENAI_PROJECT_ID": "proj-env", "OPENAI_CUSTOM_HEADERS": "X-Env: yes",
	} {
		t.Setenv(name, value)
	}
	with := func(form chat.Form) *chat.Request {
		r := ask()
		r.Form = form
		r.Tools = []chat.ToolSpec{{Name: "asset", Description: "Looks a host up.", Parameters: json.RawMessage(`{"type":"object","properties":{},"required":[],"additionalProperties":false}`)}}
		r.Messages = append(r.Messages,
			chat.Message{Role: chat.RoleAssistant, Text: "a", Calls: []chat.ToolCall{{ID: "c1", Name: "asset", Arguments: "{}"}}},
			chat.Message{Role: chat.RoleTool, Of: "c1", Text: "none"})
		return r
	}
	const tool = `"tools":[{"strict":%t,"parameters":{"additionalProperties":false,"properties":{},"required":[],"type":"object"},"name":"asset"`
	schema := string(ask().Schema.JSON)
	for _, test := range []struct {
		name string
		opts Options
		form chat.Form
		path string
		want []string
		not  []string
	}{
		{"responses", Options{ServiceTier: "flex", Reasoning: "low"}, chat.FormStrict, "/v1/responses", []string{
			`"store":false`, `"max_output_tokens":300`, `"instructions":"You judge alerts."`, `"model":"gpt-5.4-mini"`, `"service_tier":"flex"`,
			`"reasoning":{"effort":"low"}`, `{"type":"json_schema","name":"vote","strict":true,"schema":` + schema + `}`, fmt.Sprintf(tool, true),
			`{"arguments":"{}","call_id":"c1","name":"asset","type":"function_call"}`, `"output":"none","call_id":"c1"`,
		}, []string{"previous_response_id"}},
		{"responses json", Options{}, chat.FormJSON, "/v1/responses", []string{`"format":{"type":"json_object"}`, fmt.Sprintf(tool, false)}, []string{"json_schema", "service_tier", "reasoning"}},
		{"responses text", Options{}, chat.FormText, "/v1/responses", nil, []string{`"format"`, `"text":{`}},
		{"chat", Options{API: ChatCompletions}, "", "/v1/chat/completions", []string{
			`"store":false`, `"max_tokens":300`, `{"content":"You judge alerts.","role":"system"}`, `"schema":` + schema, `"strict":true`,
			`"tool_call_id":"c1"`, `"tool_calls":[{"id":"c1"`,
		}, []string{"max_completion_tokens"}},
		{"chat json", Options{API: ChatCompletions}, chat.FormJSON, "/v1/chat/completions", []string{`"response_format":{"type":"json_object"}`}, []string{"strict"}},
		{"chat text", Options{API: ChatCompletions}, chat.FormText, "/v1/chat/completions", nil, []string{"response_format"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			var got struct {
				path string
				h    http.Header
				body string
			}
			s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				body, _ := io.ReadAll(r.Body)
				got.path, got.h, got.body = r.URL.Path, r.Header, string(body)
			}))
			defer s.Close()
			test.opts.BaseURL = s.URL + "/v1"
			_, _ = client(t, test.opts).Complete(t.Context(), with(test.form))
			if got.path != test.path || got.h.Get("Authorization") != "Bearer "+testKey {
				t.Errorf("asked %s with %q", got.path, got.h.Get("Authorization"))
			}
			for _, name := range []string{"OpenAI-Organization", "OpenAI-Project", "X-Env"} {
				if v := got.h.Get(name); v != "" {
					t.Errorf("%s is %q, from the environment", name, v)
				}
			}
			for _, want := range test.want {
				if !strings.Contains(got.body, want) {
					t.Errorf("the request has no %s:\n%s", want, got.body)
				}
			}
			for _, not := range test.not {
				if strings.Contains(got.body, not) {
					t.Errorf("the request has %s:\n%s", not, got.body)
				}
			}
		})
	}
}

func TestOfficialServersGetTheNewNameOfTheLimit(t *testing.T) {
	for address, want := range map[string]bool{
		"": true, "https://eu.api.openai.com/v1": true, "https://x.openai.azure.com/openai/v1": true,
		"https://llm.corp.example/v1": false, "https://api.openai.com.evil.example/v1": false, "http://127.0.0.1:8000/v1": false,
	} {
		c := client(t, Options{BaseURL: address, API: ChatCompletions})
		p, err := c.chatParams(ask())
		if err != nil || p.MaxCompletionTokens.Valid() != want || p.MaxTokens.Valid() == want {
			t.Errorf("%q: max_completion_tokens is %v, max_tokens is %v, %v", address, p.MaxCompletionTokens, p.MaxTokens, err)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	now := func() time.Time { return noon }
	for name, o := range map[string]Options{
		"no model":             {HTTP: http.DefaultClient, Now: now},
		"clear text elsewhere": {Model: "m", HTTP: http.DefaultClient, Now: now, BaseURL: "http://llm.corp.example/v1"},
		"password in address":  {Model: "m", HTTP: http.DefaultClient, Now: now, BaseURL: "https://a:hunter2@llm.corp.example/v1"},
		"unknown region":       {Model: "m", HTTP: http.DefaultClient, Now: now, Residency: "mars"},
		"region and address":   {Model: "m", HTTP: http.DefaultClient, Now: now, Residency: "eu", BaseURL: "https://llm.corp.example"},
		"unknown api":          {Model: "m", HTTP: http.DefaultClient, Now: now, API: "completions"},
	} {
		if _, err := New(o); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%s: %v", name, err)
		}
	}
	c := client(t, Options{Residency: "eu"})
	if u, _ := server(c.opts); u.String() != "https://eu.api.openai.com/v1/" {
		t.Errorf("residency eu asks %s", u)
	}
}

const usage = `"usage":{"input_tokens":1200,"input_tokens_details":{"cached_tokens":1024,"cache_write_tokens":100},"output_tokens":40,"output_tokens_details":{"reasoning_tokens":8},"total_tokens":1240}`

func TestResponses(t *testing.T) {
	used := prices.Usage{Input: 1200, Cached: 1024, CacheWrite: 100, Output: 40}
	text := `{"type":"message","role":"assistant","content":[{"type":"output_text","text":"{\"a\":1}","annotations":[]}]}`
	for _, test := range []struct {
		name, body string
		want       chat.Reply
	}{
		{
			"whole", `{"status":"completed","model":"gpt-5.4-mini-2026-03-17","service_tier":"flex","output":[{"type":"reasoning","summary":[]},` + text + `],` + usage + `}`,
			chat.Reply{Text: `{"a":1}`, Stop: chat.StopEnd, Usage: used, Model: "gpt-5.4-mini-2026-03-17", Tier: "flex"},
		},
		{
			"tools", `{"status":"completed","output":[{"type":"function_call","call_id":"c1","name":"asset","arguments":"{\"field\":\"src\"}"}],` + usage + `}`,
			chat.Reply{Stop: chat.StopTools, Usage: used, Calls: []chat.ToolCall{{ID: "c1", Name: "asset", Arguments: `{"field":"src"}`}}},
		},
		{
			"thought aloud", `{"status":"completed","output":[{"type":"message","phase":"commentary","content":[{"type":"output_text","text":"hm"}]},` + text + `],` + usage + `}`,
			chat.Reply{Text: `{"a":1}`, Stop: chat.StopEnd, Usage: used},
		},
		{"refused", `{"status":"completed","output":[{"type":"message","content":[{"type":"refusal","refusal":"no"}]}],` + usage + `}`, chat.Reply{Stop: chat.StopRefusal, Usage: used}},
		{"cut", `{"status":"incomplete","incomplete_details":{"reason":"max_output_tokens"},"output":[` + text + `],` + usage + `}`, chat.Reply{Text: `{"a":1}`, Stop: chat.StopLength, Usage: used}},
		{"filtered", `{"status":"incomplete","incomplete_details":{"reason":"content_filter"},"output":[],` + usage + `}`, chat.Reply{Stop: chat.StopFilter, Usage: used}},
		{"another reason", `{"status":"incomplete","incomplete_details":{"reason":"steered"},"output":[` + text + `],` + usage + `}`, chat.Reply{Text: `{"a":1}`, Stop: chat.StopOther, Usage: used}},
		{"not finished", `{"status":"in_progress","output":[` + text + `],` + usage + `}`, chat.Reply{Text: `{"a":1}`, Stop: chat.StopOther, Usage: used}},
		{"no usage", `{"status":"completed","output":[` + text + `]}`, chat.Reply{Text: `{"a":1}`, Stop: chat.StopEnd, NoUsage: true}},
		{"usage null", `{"status":"completed","output":[` + text + `],"usage":null}`, chat.Reply{Text: `{"a":1}`, Stop: chat.StopEnd, NoUsage: true}},
		{"usage of nothing", `{"status":"completed","output":[` + text + `],"usage":{"input_tokens":0,"output_tokens":0}}`, chat.Reply{Text: `{"a":1}`, Stop: chat.StopEnd, NoUsage: true}},
		{"usage below zero", `{"status":"completed","output":[` + text + `],"usage":{"input_tokens":5,"output_tokens":-7}}`, chat.Reply{Text: `{"a":1}`, Stop: chat.StopEnd, NoUsage: true}},
		{"hostile names", `{"status":"completed","model":"gpt\n` + secret + `","service_tier":"<b>","output":[` + text + `],` + usage + `}`, chat.Reply{Text: `{"a":1}`, Stop: chat.StopEnd, Usage: used}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := http.Header{"X-Request-Id": {"req_1"}}
			got, err := client(t, Options{BaseURL: serve(t, 200, h, test.body)}).Complete(t.Context(), ask())
			if err != nil {
				t.Fatal(err)
			}
			test.want.RequestID, test.want.Limits = "req_1", chat.NoLimits()
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestChatCompletions(t *testing.T) {
	const usage = `"usage":{"prompt_tokens":900,"prompt_tokens_details":{"cached_tokens":512},"completion_tokens":30,"total_tokens":930}`
	used := prices.Usage{Input: 900, Cached: 512, Output: 30}
	for _, test := range []struct {
		name, body string
		want       chat.Reply
	}{
		{"whole", `{"model":"m","choices":[{"finish_reason":"stop","message":{"content":"{}"}}],` + usage + `}`, chat.Reply{Text: "{}", Stop: chat.StopEnd, Model: "m", Usage: used}},
		{
			"tools, said to have stopped", `{"choices":[{"finish_reason":"stop","message":{"content":null,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}}],` + usage + `}`,
			chat.Reply{Stop: chat.StopTools, Usage: used, Calls: []chat.ToolCall{{ID: "c", Name: "f", Arguments: "{}"}}},
		},
		{"refused", `{"choices":[{"finish_reason":"stop","message":{"content":null,"refusal":"no"}}],` + usage + `}`, chat.Reply{Stop: chat.StopRefusal, Usage: used}},
		{"cut", `{"choices":[{"finish_reason":"length","message":{"content":"{"}}],` + usage + `}`, chat.Reply{Text: "{", Stop: chat.StopLength, Usage: used}},
		{"filtered", `{"choices":[{"finish_reason":"content_filter","message":{"content":""}}],` + usage + `}`, chat.Reply{Stop: chat.StopFilter, Usage: used}},
		{"no reason", `{"choices":[{"message":{"content":"{}"}}],` + usage + `}`, chat.Reply{Text: "{}", Stop: chat.StopOther, Usage: used}},
		{"no usage", `{"choices":[{"finish_reason":"stop","message":{"content":"{}"}}]}`, chat.Reply{Text: "{}", Stop: chat.StopEnd, NoUsage: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := client(t, Options{API: ChatCompletions, BaseURL: serve(t, 200, nil, test.body)}).Complete(t.Context(), ask())
			if err != nil {
				t.Fatal(err)
			}
			test.want.Limits = chat.NoLimits()
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestLimitsFromHeaders(t *testing.T) {
	h := http.Header{}
	for k, v := range map[string]string{
		"X-Ratelimit-Remaining-Requests": "59", "X-Ratelimit-Remaining-Tokens": "149984", "X-Ratelimit-Reset-Requests": "1s",
		"X-Ratelimit-Reset-Tokens": "6m0s", "X-Ratelimit-Limit-Requests": "60", "X-Ratelimit-Limit-Tokens": "150000",
	} {
		h.Set(k, v)
	}
	got, err := client(t, Options{BaseURL: serve(t, 200, h, `{"status":"completed","output":[],`+usage+`}`)}).Complete(t.Context(), ask())
	want := chat.Limits{Requests: 59, Tokens: 149984, RequestsReset: time.Second, TokensReset: 6 * time.Minute, RequestsPerMin: 60, TokensPerMin: 150000}
	if err != nil || got.Limits != want {
		t.Errorf("limits are %+v, %v; want %+v", got.Limits, err, want)
	}
}

// echo is what a provider might say of a request that it does not like: the request.
const echo = `{"error":{"message":"cannot read 'user=` + secret + `' with key ` + testKey + `","type":"%s","param":"` + secret + `","code":"%s"}}`

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
		{"rate", 429, http.Header{"Retry-After": {"7"}}, fmt.Sprintf(echo, "requests", "rate_limit_exceeded"), chat.Error{Kind: chat.KindRate, Code: "rate_limit_exceeded", After: 7 * time.Second}},
		{"rate in milliseconds", 429, http.Header{"Retry-After-Ms": {"250"}, "Retry-After": {"9"}}, "", chat.Error{Kind: chat.KindRate, After: 250 * time.Millisecond}},
		{"rate until", 429, http.Header{"Retry-After": {noon.Add(time.Minute).Format(http.TimeFormat)}}, "", chat.Error{Kind: chat.KindRate, After: time.Minute}},
		{"rate for ever", 429, http.Header{"Retry-After": {"1e300"}}, "", chat.Error{Kind: chat.KindRate, After: time.Hour}},
		{"quota", 429, nil, fmt.Sprintf(echo, "insufficient_quota", "insufficient_quota"), chat.Error{Kind: chat.KindQuota, Code: "insufficient_quota"}},
		{"key", 401, nil, fmt.Sprintf(echo, "invalid_request_error", "invalid_api_key"), chat.Error{Kind: chat.KindAuth, Code: "invalid_api_key"}},
		{"forbidden", 403, nil, "<html>" + secret, chat.Error{Kind: chat.KindAuth}},
		{"too long", 400, nil, fmt.Sprintf(echo, "invalid_request_error", "context_length_exceeded"), chat.Error{Kind: chat.KindRequest, Code: "context_length_exceeded"}},
		{"content", 400, nil, fmt.Sprintf(echo, "", "content_filter"), chat.Error{Kind: chat.KindPolicy, Code: "content_filter"}},
		{"echo as code", 400, nil, fmt.Sprintf(echo, "invalid_request_error", secret), chat.Error{Kind: chat.KindRequest}},
		{"a number as code", 422, nil, `{"error":{"code":422,"message":"` + secret + `"}}`, chat.Error{Kind: chat.KindRequest}},
		{"server", 500, nil, fmt.Sprintf(echo, "server_error", ""), chat.Error{Kind: chat.KindServer, Code: "server_error"}},
		{"gateway", 504, nil, secret, chat.Error{Kind: chat.KindTimeout, Sent: true}},
		{"overloaded", 503, nil, `{"error":"` + secret + `"}`, chat.Error{Kind: chat.KindOverloaded}},
		{"neither", 304, nil, "", chat.Error{Kind: chat.KindRequest}},
		{"not JSON", 200, nil, "user=" + secret, chat.Error{Kind: chat.KindBadReply, Sent: true}},
		{"nothing", 200, nil, "", chat.Error{Kind: chat.KindBadReply, Sent: true}},
		{"another form", 200, nil, `{"text":"` + secret + `"}`, chat.Error{Kind: chat.KindBadReply, Sent: true}},
		{"plain text", 200, http.Header{"Content-Type": {"text/plain"}}, secret, chat.Error{Kind: chat.KindBadReply, Sent: true}},
		{"failed", 200, nil, `{"status":"failed","error":{"code":"rate_limit_exceeded","message":"` + secret + `"}}`, chat.Error{Kind: chat.KindRate, Code: "rate_limit_exceeded", Sent: true}},
		{"failed without words", 200, nil, `{"status":"failed"}`, chat.Error{Kind: chat.KindServer, Sent: true}},
		{"too large", 200, nil, `{"x":"` + strings.Repeat("x", 4<<20) + secret + `"}`, chat.Error{Kind: chat.KindBadReply, Sent: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := test.h.Clone()
			if h == nil {
				h = http.Header{}
			}
			h.Set("X-Request-Id", "req_9")
			_, err := client(t, Options{BaseURL: serve(t, test.status, h, test.body)}).Complete(t.Context(), ask())
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

func TestLostConnections(t *testing.T) {
	closed := httptest.NewServer(nil)
	closed.Close()
	var asked, elsewhere atomic.Int64
	second := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { elsewhere.Add(1) }))
	defer second.Close()
	do := func(h http.HandlerFunc) string {
		s := httptest.NewServer(h)
		t.Cleanup(s.Close)
		return s.URL
	}
	for _, test := range []struct {
		name, address string
		want          chat.Error
	}{
		{"nobody there", closed.URL, chat.Error{Kind: chat.KindNetwork}},
		{"cut before the status", do(func(http.ResponseWriter, *http.Request) { asked.Add(1); panic(http.ErrAbortHandler) }), chat.Error{Kind: chat.KindNetwork, Sent: true}},
		{"cut in the answer", do(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			_, _ = io.WriteString(w, `{"status":`)
		}), chat.Error{Kind: chat.KindNetwork, Sent: true}},
		{"sent elsewhere", do(func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, second.URL+"/v1/responses", http.StatusTemporaryRedirect)
		}), chat.Error{Kind: chat.KindRequest, Status: 307}},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := client(t, Options{BaseURL: test.address + "/v1"}).Complete(t.Context(), ask())
			got, ok := errors.AsType[*chat.Error](err)
			if !ok {
				t.Fatalf("%T: %v", err, err)
			}
			got.Limits = nil
			if diff := cmp.Diff(&test.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
	if elsewhere.Load() != 0 {
		t.Error("an alert and a key went to another server")
	}
	if n := asked.Load(); n != 1 {
		t.Errorf("the SDK asked %d times, want once: whoever calls counts attempts", n)
	}
}

func TestDeadline(t *testing.T) {
	hold := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		<-hold
	}))
	defer s.Close()
	defer close(hold)
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	_, err := client(t, Options{BaseURL: s.URL}).Complete(ctx, ask())
	if e, ok := errors.AsType[*chat.Error](err); !ok || e.Kind != chat.KindTimeout || !e.Sent {
		t.Errorf("%#v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"status":"completed","output":[{"type":"message","content":[{"type":"output_text","text":"x"}]}],` + usage + `}`))
	f.Add([]byte(`{"choices":[{"finish_reason":"stop","message":{"content":"{}"}}]}`))
	f.Add([]byte(`{"output":[{"type":"function_call","arguments":{}}],"usage":{"input_tokens":-1}}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		for _, read := range []reader{readResponse, readChat} {
			reply, failed := read(body)
			if (reply == nil) == (failed == nil) {
				t.Fatal("neither a reply nor an error, or both")
			}
			if reply != nil && !reply.NoUsage && (reply.Usage.Input <= 0 || reply.Usage.Output < 0 || reply.Usage.Cached < 0) {
				t.Fatalf("usage is %+v", reply.Usage)
			}
		}
	})
}
