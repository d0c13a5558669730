package chat_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/anthropic"
	"github.com/winnow-soc/winnow/llm/chat"
	"github.com/winnow-soc/winnow/llm/llmtest"
	"github.com/winnow-soc/winnow/llm/openai"
	"github.com/winnow-soc/winnow/llm/prices"
	"github.com/winnow-soc/winnow/llm/redact"
)

const (
	defaults = "../../packaging/app/default/"
	wireKey  = "sk-wire"
)

var wireAPIs = []llmtest.API{llmtest.Responses, llmtest.Chat, llmtest.Messages}

// wire is a pipeline whose every question goes through an adapter to a server of models.
type wire struct {
	server   *llmtest.Server
	caller   *chat.Caller
	pipeline *llm.Pipeline
}

func open[T any](t *testing.T, name string, read func(name string, data []byte) (T, error)) T {
	t.Helper()
	data, err := os.ReadFile(defaults + name)
	if err != nil {
		t.Fatal(err)
	}
	v, err := read(name, data)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func priceList(t *testing.T) func(string, time.Time) (prices.Price, bool) {
	t.Helper()
	return open(t, "prices.yaml", func(name string, data []byte) (*prices.Table, error) {
		return prices.Read(name, bytes.NewReader(data))
	}).Price
}

func provider(t *testing.T, api llmtest.API, url string) chat.Provider {
	t.Helper()
	client, err := chat.NewHTTPClient(chat.HTTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	var p chat.Provider
	switch api {
	case llmtest.Messages:
		p, err = anthropic.New(anthropic.Options{Model: "claude-haiku-4-5", BaseURL: url, Key: wireKey, HTTP: client, Now: time.Now})
	default:
		p, err = openai.New(openai.Options{Model: "gpt-5.4-mini", BaseURL: url + "/v1", API: openai.API(api), Key: wireKey, HTTP: client, Now: time.Now})
	}
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func newWire(t *testing.T, api llmtest.API, o llmtest.Options, tools ...llm.Tool) *wire {
	t.Helper()
	o.Key, o.Price = wireKey, priceList(t)
	w := &wire{server: llmtest.New(o)}
	t.Cleanup(w.server.Close)
	name := map[llmtest.API]string{llmtest.Messages: "claude-haiku-4-5"}[api]
	if name == "" {
		name = "gpt-5.4-mini"
	}
	var err error
	w.caller, err = chat.NewCaller(chat.CallerOptions{
		Name: "wire", Model: name, Provider: provider(t, api, w.server.URL), Price: o.Price, Attempts: 1, Timeout: time.Minute, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	redactor, err := redact.New(redact.Options{Key: make([]byte, 32), Search: func(string) redact.Search { return redact.Search{} }})
	if err != nil {
		t.Fatal(err)
	}
	prompts, err := chat.LoadPrompts(defaults + "prompts")
	if err != nil {
		t.Fatal(err)
	}
	m, err := chat.New("wire", chat.Options{
		Backends: []chat.Backend{{Caller: w.caller, MaxOutput: 2000, Ceiling: "restricted"}}, Redactor: redactor, Prompts: prompts,
		Tools: tools, MaxSteps: len(tools), ToolTokens: 1000,
	})
	if err != nil {
		t.Fatal(err)
	}
	catalogue := open(t, "attack.csv", func(name string, data []byte) (*llm.Catalogue, error) {
		return llm.ReadCatalogue(name, bytes.NewReader(data))
	})
	agents := []llm.Agent{{Name: "network", Model: m, Weight: 1}, {Name: "identity", Model: m, Weight: 1}, {Name: "threat_intel", Model: m, Weight: 1}}
	w.pipeline, err = llm.New(llm.Options{
		Enrich: m, Correlate: m, Classify: m, Catalogue: catalogue, Panel: llm.Panel{Agents: agents, Coordinator: m, Low: 40, High: 80},
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

// analyse judges an alert that closes unless something goes wrong.
func (w *wire) analyse(t *testing.T) llm.Analysis {
	t.Helper()
	fields := open(t, "fields.csv", func(name string, data []byte) (*winnow.FieldTable, error) {
		var table winnow.FieldTable
		return &table, table.Read(name, bytes.NewReader(data))
	})
	got, err := w.pipeline.Analyse(t.Context(), llm.Input{
		Alert: &winnow.Alert{
			ID: "01J", SearchName: "Impossible Travel", Severity: winnow.SeverityLow, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
			Fields: winnow.Fields{"src": {"203.0.113.9"}, "user": {"ann"}, "action": {"success"}},
		},
		Fields: fields, Policy: llm.Policy{Confidence: 85, TrustUncalibrated: true},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := w.caller.Close(context.WithoutCancel(t.Context())); err != nil {
		t.Error(err)
	}
	return got
}

var benign = llmtest.Oracle(func(*llmtest.Request) llmtest.Opinion {
	return llmtest.Opinion{Disposition: "BenignPositive", Confidence: 95, Cite: []string{"src"}}
})

// atClassify fails every request of the third stage, and nothing else.
func atClassify(kind llmtest.FaultKind) llmtest.Faults {
	return func(r *llmtest.Request, _ int) llmtest.Fault {
		if r.Kind != "classify" {
			return llmtest.Fault{}
		}
		return llmtest.Fault{Kind: kind}
	}
}

// TestEveryFailureOnTheWireGoesToAPerson puts each way in which an answer can fail into each provider's
// words. The same alert is closed when nothing fails. A failed answer is asked for again once, and no more.
func TestEveryFailureOnTheWireGoesToAPerson(t *testing.T) {
	type want struct {
		reason winnow.Reason // "": the model failed, and the alert is tried again later
		asked  int
	}
	wants := map[llmtest.FaultKind]want{
		llmtest.None:      {"", 1},
		llmtest.Refusal:   {winnow.ReasonRefused, 2},
		llmtest.Filter:    {winnow.ReasonFiltered, 1},
		llmtest.Policy:    {winnow.ReasonFiltered, 1},
		llmtest.Length:    {winnow.ReasonAnswerCut, 2},
		llmtest.Empty:     {winnow.ReasonNoAnswer, 2},
		llmtest.Malformed: {winnow.ReasonBadAnswer, 2},
		llmtest.OffSchema: {winnow.ReasonBadAnswer, 2},
		llmtest.Garbage:   {"", 1}, llmtest.Nothing: {"", 1}, llmtest.Cut: {"", 1}, llmtest.Gone: {"", 1},
		llmtest.Rate: {"", 1}, llmtest.Quota: {"", 1}, llmtest.Auth: {"", 1},
		llmtest.Internal: {"", 1}, llmtest.Unavailable: {"", 1}, llmtest.Overloaded: {"", 1},
		llmtest.WrongUsage: {"", 1}, llmtest.NoUsage: {"", 1}, llmtest.Slow: {"", 1},
	}
	answered := []llmtest.FaultKind{llmtest.None, llmtest.Slow, llmtest.WrongUsage, llmtest.NoUsage} // the answer is whole all the same
	for _, kind := range append([]llmtest.FaultKind{llmtest.None}, llmtest.AllFaults...) {
		w, known := wants[kind]
		if !known {
			t.Fatalf("no expectation for %s", kind)
		}
		for _, api := range wireAPIs {
			if api == llmtest.Messages && (kind == llmtest.Filter || kind == llmtest.Policy) {
				continue // Anthropic has one word for refusal and filter, and no error of its own for it
			}
			at := newWire(t, api, llmtest.Options{Brain: benign, Faults: atClassify(kind)})
			got := at.analyse(t)
			whole := slices.Contains(answered, kind)
			if got.Closable() != whole {
				t.Errorf("%s %s: closable %v, objections %v, failed %v", api, kind, got.Closable(), got.Objections, got.Failed)
			}
			if w.reason != "" && !got.Objected(w.reason) {
				t.Errorf("%s %s: objections %v, want %s", api, kind, got.Objections, w.reason)
			}
			if failed := w.reason == "" && !whole; failed != (got.Failed != nil) {
				t.Errorf("%s %s: failed: %v", api, kind, got.Failed)
			}
			if n := asked(at.server, "classify"); n != w.asked {
				t.Errorf("%s %s: asked %d times, want %d", api, kind, n, w.asked)
			}
			compareBills(t, api, kind, at.server, got)
		}
	}
}

func asked(s *llmtest.Server, kind string) int {
	n := 0
	for _, e := range s.Entries() {
		if e.Kind == kind {
			n++
		}
	}
	return n
}

// compareBills holds what the analysis says it cost against the server's ledger: equal, and more only
// where the server did not tell what it bills, or told what cannot be.
func compareBills(t *testing.T, api llmtest.API, kind llmtest.FaultKind, s *llmtest.Server, got llm.Analysis) {
	t.Helper()
	var booked winnow.NanoUSD
	for _, c := range got.Calls {
		booked += c.Usage.Price
	}
	billed, _ := s.Billed()
	untold := slices.Contains([]llmtest.FaultKind{llmtest.Garbage, llmtest.Nothing, llmtest.Cut, llmtest.Gone, llmtest.WrongUsage, llmtest.NoUsage}, kind)
	if booked < billed || booked != billed && !untold {
		t.Errorf("%s %s: booked %d nano-dollars, billed %d", api, kind, booked, billed)
	}
}

// TestToolLoopOnTheWire has a model that asks for one look-up after the other.
func TestToolLoopOnTheWire(t *testing.T) {
	for _, api := range wireAPIs {
		loop := func(r *llmtest.Request) llmtest.Answer {
			if len(r.Tools) == 0 {
				return benign(r)
			}
			return llmtest.Answer{Calls: []llmtest.ToolCall{{Name: r.Tools[0].Name, Arguments: `{"field":"src"}`}}}
		}
		w := newWire(t, api, llmtest.Options{Brain: loop}, lookup{})
		got := w.analyse(t)
		if got.Closable() || !got.Objected(winnow.ReasonToolLoop) {
			t.Errorf("%s: closable %v, objections %v, failed %v", api, got.Closable(), got.Objections, got.Failed)
		}
		if n := asked(w.server, "classify"); n < 2 || n > 4 {
			t.Errorf("%s: asked %d times", api, n)
		}
		compareBills(t, api, llmtest.None, w.server, got)
	}
}

// lookup is a tool that finds nothing.
type lookup struct{}

func (lookup) Name() string        { return "lookup" }
func (lookup) Description() string { return "Looks a value up." }
func (lookup) Parameters() json.RawMessage {
	return json.RawMessage(`{"type":"object","properties":{"field":{"type":"string"}},"required":["field"],"additionalProperties":false}`)
}

func (lookup) Run(context.Context, *llm.Case, json.RawMessage) (llm.ToolResult, error) {
	return llm.ToolResult{JSON: []byte(`{}`), Control: winnow.ControlSystem}, nil
}
