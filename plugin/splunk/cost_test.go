package splunk

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow/plugin/ledger"
)

func costDelivery(n int64) ledger.Delivery {
	d := ledger.Delivery{
		Key: "ALERT0/call/1/events", Sink: "events", Kind: ledger.DeliverEvent, WinnowID: "ALERT0.mac",
		Cost: &ledger.Cost{Provider: "openai", AlertID: "ALERT0", Call: ledger.Call{
			N: n, At: time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC), Search: "Impossible\nTravel", Team: "iam", Severity: "low",
			Task: "vote", Agent: "network", Model: "gpt-5.4-mini", Answered: "gpt-5.4-mini-2026-03-17", Source: "mini", Prompt: "sha256:1", Attempt: 2,
			Tier: "flex", State: ledger.CallSettled, Reason: "ok", ReserveNano: 9000, BookedNano: 1234, Input: 100, Cached: 40, CacheWrite: 10, Output: 5,
			TookMicros: 1_500_000, Fields: []string{"src"}, Bytes: 400, SHA256: "ab",
		}},
	}
	d.Record.Outcome.Time = d.Cost.At
	return d
}

const costLine = `{"event_time":"2026-11-20T12:00:00Z","event_key":"ALERT0/call/1/events","winnow_id":"ALERT0.mac","event_type":"winnow:cost",` +
	`"gen_ai.operation.name":"chat","gen_ai.provider.name":"openai","gen_ai.request.model":"gpt-5.4-mini","gen_ai.response.model":"gpt-5.4-mini-2026-03-17",` +
	`"gen_ai.agent.name":"network","gen_ai.prompt.name":"vote","gen_ai.usage.input_tokens":100,"gen_ai.usage.cache_read.input_tokens":40,` +
	`"gen_ai.usage.cache_write.input_tokens":10,"gen_ai.usage.output_tokens":5,"error.type":"","id":"ALERT0","search_name":"Impossible\nTravel",` +
	`"severity":"low","team":"iam","stage":"vote","model":"mini","prompt_version":"sha256:1","attempt":2,"replay":false,"state":"settled","reason":"ok",` +
	`"service_tier":"flex","unpriced":false,"nanousd":1234,"microusd":2,"reserve_nanousd":9000,"duration_s":1.5}`

func TestCostEvents(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "outcomes.ndjson")
	s := newFileSink(t, FileOptions{Path: path})
	deliver(t, s, eventDelivery(1))
	for range 2 { // the second is one that came again
		deliver(t, s, costDelivery(1))
	}
	deliver(t, newFileSink(t, FileOptions{Path: path}), costDelivery(1)) // after a restart
	if got := lines(t, filepath.Join(dir, "costs.ndjson")); len(got) != 1 || string(got[0]) != costLine {
		t.Errorf("%d lines, want one:\n%s\n%s", len(got), got, costLine)
	}
	if got := lines(t, path); len(got) != 1 {
		t.Errorf("%d outcomes", len(got))
	}
}

func TestCostEventOfAFailure(t *testing.T) {
	d := costDelivery(1)
	d.Cost.State, d.Cost.Reason, d.Cost.Provider, d.Cost.Unpriced = ledger.CallUnsettled, "timeout", "gone", true
	line, err := encodeOutcome(d)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(line, &got); err != nil {
		t.Fatal(err)
	}
	if got["error.type"] != "timeout" || got["gen_ai.provider.name"] != "" || got["unpriced"] != true || got["state"] != "unsettled" {
		t.Errorf("%s", line)
	}
	if strings.Contains(string(line), "sha256\":\"ab") || strings.Contains(string(line), "src") {
		t.Errorf("it says what left: %s", line)
	}
}

// TestCostsHaveTheirSourcetype holds every sink against it.
func TestCostsHaveTheirSourcetype(t *testing.T) {
	cost, outcome := costDelivery(1), eventDelivery(1)
	if sourcetypeOf(&cost) != CostType || sourcetypeOf(&outcome) != OutcomeType {
		t.Errorf("%s and %s", sourcetypeOf(&cost), sourcetypeOf(&outcome))
	}
	hec := &HECSink{opts: HECOptions{}}
	if body, err := hec.encode(&cost); err != nil || !strings.Contains(string(body), `"sourcetype":"winnow:cost"`) || !strings.Contains(string(body), `"time":1763640000.000`) && !strings.Contains(string(body), `"time":1795176000.000`) {
		t.Errorf("%s, %v", body, err)
	}
	scs := &SCSSink{opts: SCSOptions{}}
	if e, err := scs.event(&cost); err != nil || *e.Sourcetype != CostType {
		t.Errorf("%+v, %v", e, err)
	}
}
