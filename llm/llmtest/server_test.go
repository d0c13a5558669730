package llmtest_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow/llm/llmtest"
	"github.com/winnow-soc/winnow/llm/prices"
)

const (
	voteSchema = `{"type":"object","properties":{"vote":{"type":"string","enum":["SAFE","ABSTAIN"]},"confidence":{"type":"integer"},` +
		`"reason":{"type":"string"},"fields":{"type":"array","items":{"type":"string"}}},"required":["vote","confidence","reason","fields"],"additionalProperties":false}`
	alertText = "BEGIN alert K3\\n{\\\"search\\\":\\\"x\\\",\\\"fields\\\":{\\\"user\\\":[\\\"bob\\\"],\\\"src\\\":\\\"10.0.0.1\\\"}}\\nEND alert K3"
	model     = "gpt-5.4-mini"
	key       = "sk-test"
)

// bodies are one question put through each interface.
var bodies = map[llmtest.API]string{
	llmtest.Responses: `{"model":"` + model + `","store":false,"max_output_tokens":500,"instructions":"SYSTEM","input":[{"role":"user","content":"` + alertText + `"}],` +
		`"text":{"format":{"type":"json_schema","name":"vote","strict":true,"schema":` + voteSchema + `}}}`,
	llmtest.Chat: `{"model":"` + model + `","store":false,"max_completion_tokens":500,"messages":[{"role":"system","content":"SYSTEM"},` +
		`{"role":"user","content":[{"type":"text","text":"` + alertText + `"}]}],` +
		`"response_format":{"type":"json_schema","json_schema":{"name":"vote","strict":true,"schema":` + voteSchema + `}}}`,
	llmtest.Messages: `{"model":"` + model + `","max_tokens":500,"system":[{"type":"text","text":"SYSTEM","cache_control":{"type":"ephemeral"}}],` +
		`"messages":[{"role":"user","content":"` + alertText + `"}],"output_config":{"format":{"type":"json_schema","schema":` + voteSchema + `}}}`,
}

var paths = map[llmtest.API]string{llmtest.Responses: "/v1/responses", llmtest.Chat: "/v1/chat/completions", llmtest.Messages: "/v1/messages"}

var apis = []llmtest.API{llmtest.Responses, llmtest.Chat, llmtest.Messages}

func price(t testing.TB) func(string, time.Time) (prices.Price, bool) {
	t.Helper()
	f, err := os.Open("../../packaging/app/default/prices.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	table, err := prices.Read("prices.yaml", f)
	if err != nil {
		t.Fatal(err)
	}
	return table.Price
}

func start(t testing.TB, o llmtest.Options) *llmtest.Server {
	t.Helper()
	if o.Brain == nil {
		o.Brain = llmtest.Oracle(func(*llmtest.Request) llmtest.Opinion {
			return llmtest.Opinion{Disposition: "BenignPositive", Confidence: 91}
		})
	}
	o.Key = key
	s := llmtest.New(o)
	t.Cleanup(s.Close)
	return s
}

// response is what is left of an answer once its body is read.
type response struct {
	StatusCode int
	Header     http.Header
}

func do(t testing.TB, r *http.Request) (*response, []byte, error) {
	t.Helper()
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	return &response{resp.StatusCode, resp.Header}, body, err
}

func post(t testing.TB, s *llmtest.Server, api llmtest.API, body string) (*response, []byte, error) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+paths[api], strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	if api == llmtest.Messages {
		r.Header.Set("X-Api-Key", key)
		r.Header.Set("Anthropic-Version", "2023-06-01")
	}
	return do(t, r)
}

// at walks into JSON by keys and indices.
func at(t testing.TB, body []byte, path ...any) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(body, &v); err != nil {
		t.Fatalf("%v: %s", err, body)
	}
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, _ := v.(map[string]any)
			v = m[p]
		case int:
			l, _ := v.([]any)
			if p >= len(l) {
				return nil
			}
			v = l[p]
		}
	}
	return v
}

var answerPath = map[llmtest.API][]any{
	llmtest.Responses: {"output", 0, "content", 0, "text"},
	llmtest.Chat:      {"choices", 0, "message", "content"},
	llmtest.Messages:  {"content", 0, "text"},
}

func TestEveryInterfaceAsksTheSameQuestion(t *testing.T) {
	for _, api := range apis {
		t.Run(string(api), func(t *testing.T) {
			var heard *llmtest.Request
			s := start(t, llmtest.Options{Price: price(t), Hear: func(r *llmtest.Request) { heard = r }})
			resp, body, err := post(t, s, api, bodies[api])
			if err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("%v %s", err, body)
			}
			want := `{"confidence":91,"fields":["src","user"],"reason":"what the fields show","vote":"SAFE"}`
			if got := at(t, body, answerPath[api]...); got != want {
				t.Errorf("answer is %v\nwant %s", got, want)
			}
			if heard.Kind != "vote" || heard.System != "SYSTEM" || heard.MaxOutput != 500 || heard.Model != model || len(heard.Turns) != 1 {
				t.Errorf("heard %+v", heard)
			}
			if fmt.Sprint(heard.Fields) != "map[src:[10.0.0.1] user:[bob]]" {
				t.Errorf("fields are %v", heard.Fields)
			}
			e := s.Entries()[0]
			usage := prices.Usage{Input: heard.InputTokens(), Output: llmtest.Tokens(want)}
			p, _ := price(t)(model, time.Now())
			if !e.Billed || e.Usage != usage || *e.Told != usage || e.Price != p.Cost(usage) || e.Price == 0 || e.Kind != "vote" {
				t.Errorf("ledger has %+v, want usage %+v", e, usage)
			}
		})
	}
}

func TestRequestsOfAnotherFormAreRefused(t *testing.T) {
	swap := func(api llmtest.API, old, new string) string {
		out := strings.ReplaceAll(bodies[api], old, new)
		if out == bodies[api] {
			t.Fatalf("%s: %s is not in the body", api, old)
		}
		return out
	}
	both := func(api llmtest.API) map[string]string {
		return map[string]string{
			"not JSON":       "{",
			"no model":       swap(api, model, ""),
			"unknown key":    swap(api, `{"model"`, `{"modle":1,"model"`),
			"open object":    swap(api, `"additionalProperties":false`, `"additionalProperties":true`),
			"optional key":   swap(api, `"required":["vote",`, `"required":[`),
			"length limit":   swap(api, `"reason":{"type":"string"}`, `"reason":{"type":"string","maxLength":5}`),
			"empty enum":     swap(api, `["SAFE","ABSTAIN"]`, `[]`),
			"no type":        swap(api, `{"type":"integer"}`, `{}`),
			"unknown type":   swap(api, `"integer"`, `"int"`),
			"list of no":     swap(api, `,"items":{"type":"string"}`, ``),
			"role":           swap(api, `"role":"user"`, `"role":"bystander"`),
			"stream":         swap(api, `{"model"`, `{"stream":true,"model"`),
			"no limit":       swap(api, `500`, `0`),
			"no schema root": swap(api, voteSchema, `{"type":"array","items":{"type":"string"}}`),
		}
	}
	openAI := func(api llmtest.API) map[string]string {
		m := both(api)
		m["stored"] = swap(api, `"store":false`, `"store":true`)
		m["store not said"] = swap(api, `"store":false,`, ``)
		m["not strict"] = swap(api, `"strict":true`, `"strict":false`)
		m["name"] = swap(api, `"name":"vote"`, `"name":"a vote"`)
		return m
	}
	cases := map[llmtest.API]map[string]string{
		llmtest.Responses: openAI(llmtest.Responses), llmtest.Chat: openAI(llmtest.Chat), llmtest.Messages: both(llmtest.Messages),
	}
	cases[llmtest.Messages]["cache control"] = swap(llmtest.Messages, `"ephemeral"`, `"lasting"`)
	cases[llmtest.Messages]["no content"] = swap(llmtest.Messages, alertText, "")
	for _, api := range apis {
		s := start(t, llmtest.Options{Price: price(t)})
		for name, body := range cases[api] {
			resp, out, err := post(t, s, api, body)
			if err != nil || resp.StatusCode != http.StatusBadRequest || at(t, out, "error", "message") == nil {
				t.Errorf("%s %s: %v, %s", api, name, err, out)
			}
		}
		if sum, calls := s.Billed(); sum != 0 || calls != 0 || len(s.Entries()) != len(cases[api]) {
			t.Errorf("%s: %d requests, %d billed for %s", api, len(s.Entries()), calls, sum)
		}
	}
}

func TestKeys(t *testing.T) {
	s := start(t, llmtest.Options{})
	for _, c := range []struct {
		api         llmtest.API
		name, value string
		status      int
	}{
		{llmtest.Chat, "Authorization", "Bearer " + key, http.StatusOK},
		{llmtest.Chat, "Api-Key", key, http.StatusOK},
		{llmtest.Chat, "X-Api-Key", key, http.StatusUnauthorized},
		{llmtest.Responses, "Authorization", "Bearer other", http.StatusUnauthorized},
		{llmtest.Responses, "Authorization", key, http.StatusUnauthorized},
		{llmtest.Messages, "X-Api-Key", key, http.StatusUnauthorized}, // no version
	} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.URL+paths[c.api], strings.NewReader(bodies[c.api]))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set(c.name, c.value)
		resp, body, err := do(t, r)
		if err != nil || resp.StatusCode != c.status {
			t.Errorf("%s %s: %v %s", c.api, c.name, err, body)
		}
	}
	if n := len(s.Entries()); n != 2 {
		t.Errorf("%d requests in the ledger, want the 2 with a key", n)
	}
}

func TestFaultsOnTheWire(t *testing.T) {
	type want struct {
		status int
		billed bool
		where  []any // what is there in the body of each interface
		value  any
	}
	wants := map[llmtest.FaultKind]map[llmtest.API]want{}
	all := func(k llmtest.FaultKind, w want) {
		wants[k] = map[llmtest.API]want{llmtest.Responses: w, llmtest.Chat: w, llmtest.Messages: w}
	}
	each := func(k llmtest.FaultKind, responses, chat, messages want) {
		wants[k] = map[llmtest.API]want{llmtest.Responses: responses, llmtest.Chat: chat, llmtest.Messages: messages}
	}
	openAI := []any{"error", "code"}
	each(llmtest.Rate, want{429, false, openAI, "rate_limit_exceeded"}, want{429, false, openAI, "rate_limit_exceeded"}, want{429, false, []any{"error", "type"}, "rate_limit_error"})
	each(llmtest.Quota, want{429, false, openAI, "insufficient_quota"}, want{429, false, openAI, "insufficient_quota"}, want{429, false, []any{"type"}, "error"})
	all(llmtest.Auth, want{status: 401})
	all(llmtest.Internal, want{status: 500})
	all(llmtest.Unavailable, want{status: 503})
	each(llmtest.Overloaded, want{status: 529}, want{status: 529}, want{529, false, []any{"error", "type"}, "overloaded_error"})
	each(llmtest.Policy, want{400, false, openAI, "content_filter"}, want{400, false, openAI, "content_filter"}, want{status: 400})
	all(llmtest.Gone, want{})
	all(llmtest.Cut, want{billed: true})
	all(llmtest.Garbage, want{status: 200, billed: true})
	all(llmtest.Nothing, want{status: 200, billed: true})
	all(llmtest.Slow, want{status: 200, billed: true})
	each(llmtest.Empty, want{200, true, []any{"status"}, "completed"}, want{200, true, answerPath[llmtest.Chat], ""}, want{200, true, []any{"stop_reason"}, "end_turn"})
	each(llmtest.Refusal, want{200, true, []any{"output", 0, "content", 0, "type"}, "refusal"},
		want{200, true, []any{"choices", 0, "message", "refusal"}, "I cannot help with that."}, want{200, true, []any{"stop_reason"}, "refusal"})
	each(llmtest.Filter, want{200, true, []any{"incomplete_details", "reason"}, "content_filter"},
		want{200, true, []any{"choices", 0, "finish_reason"}, "content_filter"}, want{200, true, []any{"stop_reason"}, "refusal"})
	each(llmtest.Length, want{200, true, []any{"incomplete_details", "reason"}, "max_output_tokens"},
		want{200, true, []any{"choices", 0, "finish_reason"}, "length"}, want{200, true, []any{"stop_reason"}, "max_tokens"})
	each(llmtest.Malformed, want{200, true, []any{"status"}, "completed"}, want{200, true, []any{"choices", 0, "finish_reason"}, "stop"}, want{200, true, []any{"stop_reason"}, "end_turn"})
	wants[llmtest.OffSchema] = map[llmtest.API]want{}
	for _, api := range apis {
		wants[llmtest.OffSchema][api] = want{200, true, answerPath[api], `{"answer":"all is well"}`}
	}
	all(llmtest.NoUsage, want{200, true, []any{"usage"}, nil})
	each(llmtest.WrongUsage, want{200, true, []any{"usage", "output_tokens"}, -22.0}, want{200, true, []any{"usage", "completion_tokens"}, -22.0}, want{200, true, []any{"usage", "output_tokens"}, -22.0})
	for _, kind := range llmtest.AllFaults {
		for _, api := range apis {
			w, known := wants[kind][api]
			if !known {
				t.Fatalf("no expectation for %s", kind)
			}
			s := start(t, llmtest.Options{Price: price(t), Faults: llmtest.Scripted(llmtest.Fault{Kind: kind, After: 30 * time.Millisecond})})
			resp, body, err := post(t, s, api, bodies[api])
			if broken := w.status == 0; broken != (err != nil) {
				t.Errorf("%s %s: error %v", kind, api, err)
			}
			if w.status != 0 && resp.StatusCode != w.status {
				t.Errorf("%s %s: status %d, want %d", kind, api, resp.StatusCode, w.status)
			}
			if w.status > 400 && (resp.Header.Get("Retry-After") != "1" || resp.Header.Get("Retry-After-Ms") != "30") {
				t.Errorf("%s %s: headers %v", kind, api, resp.Header)
			}
			if w.where != nil && at(t, body, w.where...) != w.value {
				t.Errorf("%s %s: %v is not %v in %s", kind, api, w.where, w.value, body)
			}
			if e := s.Entries()[0]; e.Billed != w.billed || (e.Price > 0) != w.billed || e.Fault != kind {
				t.Errorf("%s %s: ledger has %+v", kind, api, e)
			}
			if resp, _, err := post(t, s, api, bodies[api]); err != nil || resp.StatusCode != http.StatusOK {
				t.Errorf("%s %s: the next request fails too: %v", kind, api, err)
			}
		}
	}
}

func TestPromptCache(t *testing.T) {
	long := strings.Repeat("what is the same for every alert. ", 200) // 6800 bytes, 1700 tokens
	for _, c := range []struct {
		api    llmtest.API
		system string
		want   [2]prices.Usage // Cached and CacheWrite of the first and the second request
	}{
		{llmtest.Responses, "SYSTEM", [2]prices.Usage{}},
		{llmtest.Responses, long, [2]prices.Usage{{}, {Cached: 1664}}},
		{llmtest.Chat, long, [2]prices.Usage{{}, {Cached: 1664}}},
		{llmtest.Messages, long, [2]prices.Usage{{CacheWrite: 1773}, {Cached: 1773}}},
		{llmtest.Messages, "SYSTEM", [2]prices.Usage{}},
	} {
		s := start(t, llmtest.Options{Price: price(t)})
		for i := range c.want {
			if _, body, err := post(t, s, c.api, strings.Replace(bodies[c.api], "SYSTEM", c.system, 1)); err != nil {
				t.Fatal(err, string(body))
			}
			u := s.Entries()[i].Usage
			if u.Cached != c.want[i].Cached || u.CacheWrite != c.want[i].CacheWrite || u.Input <= u.Cached+u.CacheWrite {
				t.Errorf("%s, request %d: %+v, want %+v", c.api, i, u, c.want[i])
			}
		}
	}
	s := start(t, llmtest.Options{})
	body := strings.Replace(strings.Replace(bodies[llmtest.Messages], "SYSTEM", long, 1), `,"cache_control":{"type":"ephemeral"}`, "", 1)
	if _, _, err := post(t, s, llmtest.Messages, body); err != nil || s.Entries()[0].Usage.CacheWrite != 0 {
		t.Errorf("without a breakpoint: %v, %+v", err, s.Entries()[0].Usage)
	}
}

func TestLimits(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	s := start(t, llmtest.Options{Limit: llmtest.Limit{Requests: 2, Tokens: 10_000}, Now: func() time.Time { return now }})
	for i, want := range []int{200, 200, 429} {
		api := []llmtest.API{llmtest.Chat, llmtest.Messages, llmtest.Chat}[i]
		resp, _, err := post(t, s, api, bodies[api])
		if err != nil || resp.StatusCode != want {
			t.Fatalf("request %d: %v, %v", i, err, resp)
		}
		h := resp.Header
		switch {
		case i == 0 && (h.Get("X-Ratelimit-Remaining-Requests") != "1" || h.Get("X-Ratelimit-Limit-Tokens") != "10000" || h.Get("X-Ratelimit-Reset-Requests") != "1m0s"):
			t.Errorf("headers %v", h)
		case i == 1 && (h.Get("Anthropic-Ratelimit-Requests-Remaining") != "0" || h.Get("Anthropic-Ratelimit-Requests-Reset") != "2026-01-02T03:05:05Z"):
			t.Errorf("headers %v", h)
		case i == 2 && h.Get("Retry-After") != "60":
			t.Errorf("headers %v", h)
		}
	}
	now = now.Add(time.Minute)
	if resp, _, err := post(t, s, llmtest.Chat, bodies[llmtest.Chat]); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("a minute later: %v", err)
	}
}

func TestToolsAreHonoured(t *testing.T) {
	tool := `{"type":"function","name":"lookup","description":"d","strict":true,"parameters":{"type":"object","properties":{"field":{"type":"string"}},"required":["field"],"additionalProperties":false}}`
	call := llmtest.Answer{Calls: []llmtest.ToolCall{{Name: "lookup", Arguments: `{"field":"user"}`}}}
	for api, parts := range map[llmtest.API]struct{ tools, next, id, turn string }{
		llmtest.Responses: {
			tool, `{"type":"function_call","call_id":"c1","name":"lookup","arguments":"{}"},{"type":"function_call_output","call_id":"c1","output":"found"}`,
			"output.0.call_id", `"input":[`,
		},
		llmtest.Chat: {
			`{"type":"function","function":` + strings.Replace(tool, `"type":"function",`, "", 1) + `}`,
			`{"role":"assistant","content":"","tool_calls":[{"id":"c1","type":"function","function":{"name":"lookup","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c1","content":"found"}`,
			"", `"messages":[`,
		},
		llmtest.Messages: {
			`{"name":"lookup","description":"d","input_schema":{"type":"object","properties":{"field":{"type":"string"}},"required":["field"],"additionalProperties":false}}`,
			`{"role":"assistant","content":[{"type":"tool_use","id":"c1","name":"lookup","input":{}}]},{"role":"user","content":[{"type":"tool_result","tool_use_id":"c1","content":"found"}]}`,
			"", `"messages":[`,
		},
	} {
		s := start(t, llmtest.Options{Brain: llmtest.Script(call, llmtest.Answer{Text: "done"})})
		with := strings.Replace(bodies[api], `{"model"`, `{"tools":[`+parts.tools+`],"model"`, 1)
		resp, body, err := post(t, s, api, with)
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "call_req_") || !strings.Contains(string(body), "lookup") {
			t.Errorf("%s: %v %s", api, err, body)
		}
		// The answer to the call goes at the end of the messages.
		head, tail, _ := strings.Cut(with, alertText)
		end := strings.Index(tail, "]") // of a list of parts, or of the messages
		if api == llmtest.Chat {
			end += 1 + strings.Index(tail[end+1:], "]")
		}
		next := head + alertText + tail[:end] + "," + parts.next + tail[end:]
		if resp, body, err := post(t, s, api, next); err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(body), "done") {
			t.Errorf("%s: %v %s\n%s", api, err, body, next)
		}
		open := strings.Replace(next, `"c1"`, `"c2"`, 1)
		if resp, body, err := post(t, s, api, open); err != nil || resp.StatusCode != http.StatusBadRequest {
			t.Errorf("%s, a call without its answer: %v %s", api, err, body)
		}
	}
}

func TestKindsWithoutASchema(t *testing.T) {
	var heard string
	s := start(t, llmtest.Options{Hear: func(r *llmtest.Request) { heard = r.Kind }})
	body := `{"model":"m","store":false,"max_tokens":9,"messages":[{"role":"user","content":"Answer with one JSON object of the schema coordinate."}],"response_format":{"type":"json_object"}}`
	resp, out, err := post(t, s, llmtest.Chat, body)
	if err != nil || resp.StatusCode != http.StatusOK || heard != "coordinate" {
		t.Errorf("heard %q: %v %s", heard, err, out)
	}
	resp, out, err = post(t, s, llmtest.Chat, strings.ReplaceAll(body, "JSON", "")) // which the interface does not take
	if err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("%v %s", err, out)
	}
}

func TestAnswersOverTheLimitAreCut(t *testing.T) {
	s := start(t, llmtest.Options{Brain: llmtest.Script(llmtest.Answer{Text: strings.Repeat("x", 5000)})})
	_, body, err := post(t, s, llmtest.Chat, bodies[llmtest.Chat])
	if err != nil || at(t, body, "choices", 0, "finish_reason") != "length" || s.Entries()[0].Usage.Output != 500 {
		t.Errorf("%v %s", err, body)
	}
}

func TestChanceIsRepeatable(t *testing.T) {
	draw := func() (out []llmtest.FaultKind) {
		f := llmtest.Chance(7, 0.3, 0, llmtest.AllFaults...)
		for i := range 1000 {
			out = append(out, f(nil, i).Kind)
		}
		return out
	}
	a, b := draw(), draw()
	failed := len(a) - len(slices.DeleteFunc(slices.Clone(b), func(k llmtest.FaultKind) bool { return k != llmtest.None }))
	if !slices.Equal(a, b) || failed < 250 || failed > 350 {
		t.Errorf("%d of 1000 failed", failed)
	}
}

func TestClientThatGoesAwayIsBilled(t *testing.T) {
	ctx, leave := context.WithCancel(t.Context())
	s := start(t, llmtest.Options{
		Price: price(t), Faults: llmtest.Always(llmtest.Fault{Kind: llmtest.Slow, After: time.Hour}),
		Hear: func(*llmtest.Request) { leave() },
	})
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.URL+paths[llmtest.Chat], strings.NewReader(bodies[llmtest.Chat]))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	if _, _, err := do(t, r); err == nil {
		t.Error("an answer came after an hour")
	}
	s.Close()
	if sum, calls := s.Billed(); calls != 1 || sum == 0 {
		t.Errorf("%d calls billed for %s", calls, sum)
	}
}
