package splunk

import (
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// CostType is the sourcetype of the events about calls to models.
const CostType = "winnow:cost"

// costEvent is one attempt of one call as sinks write it, one line. This is the only file with the names of
// OpenTelemetry's semantic conventions for generative AI: they are those of open-telemetry/semantic-conventions-genai
// in November 2026, none of which is stable yet (cache_write was cache_creation before). input_tokens holds the
// cached ones too, as there.
type costEvent struct {
	Time     string `json:"event_time"` // when it was booked, which says on whose day it is
	EventKey string `json:"event_key"`  // the same for every try to tell of one attempt
	WinnowID string `json:"winnow_id"`
	Type     string `json:"event_type"`

	Operation     string `json:"gen_ai.operation.name"`
	Provider      string `json:"gen_ai.provider.name"`
	RequestModel  string `json:"gen_ai.request.model"`
	ResponseModel string `json:"gen_ai.response.model"`
	Agent         string `json:"gen_ai.agent.name"`
	Prompt        string `json:"gen_ai.prompt.name"`
	Input         int64  `json:"gen_ai.usage.input_tokens"`
	CacheRead     int64  `json:"gen_ai.usage.cache_read.input_tokens"`
	CacheWrite    int64  `json:"gen_ai.usage.cache_write.input_tokens"`
	Output        int64  `json:"gen_ai.usage.output_tokens"`
	ErrorType     string `json:"error.type"`

	AlertID  string  `json:"id"`
	Search   string  `json:"search_name"`
	Severity string  `json:"severity"`
	Team     string  `json:"team"`
	Stage    string  `json:"stage"`
	Model    string  `json:"model"` // the [model:NAME]
	Version  string  `json:"prompt_version"`
	Attempt  int     `json:"attempt"`
	Replay   bool    `json:"replay"`
	State    string  `json:"state"`
	Reason   string  `json:"reason"`
	Tier     string  `json:"service_tier"`
	Unpriced bool    `json:"unpriced"`
	NanoUSD  int64   `json:"nanousd"`
	MicroUSD int64   `json:"microusd"`
	Reserve  int64   `json:"reserve_nanousd"`
	Seconds  float64 `json:"duration_s"`
}

// operationChat is what every call of winnow is.
const operationChat = "chat"

// otelProviders are the names that the conventions have for providers; a server with OpenAI's interface counts as
// openai there, whoever runs it.
var otelProviders = map[string]string{string(conf.ProviderOpenAI): "openai", string(conf.ProviderAnthropic): "anthropic"}

func costEventOf(d *ledger.Delivery) costEvent {
	c := d.Cost
	e := costEvent{
		Time: c.At.UTC().Format(time.RFC3339Nano), EventKey: d.Key, WinnowID: d.WinnowID, Type: CostType,
		Operation: operationChat, Provider: otelProviders[c.Provider], RequestModel: c.Model, ResponseModel: c.Answered, Agent: c.Agent, Prompt: c.Task,
		Input: c.Input, CacheRead: c.Cached, CacheWrite: c.CacheWrite, Output: c.Output,
		AlertID: c.AlertID, Search: c.Search, Severity: c.Severity, Team: c.Team, Stage: c.Task, Model: c.Source, Version: c.Prompt,
		Attempt: c.Attempt, Replay: c.Replay, State: string(c.State), Reason: c.Reason, Tier: c.Tier, Unpriced: c.Unpriced,
		NanoUSD: c.BookedNano, MicroUSD: winnow.NanoUSD(c.BookedNano).Micro(), Reserve: c.ReserveNano, Seconds: float64(c.TookMicros) / 1e6,
	}
	if c.State != ledger.CallSettled {
		e.ErrorType = c.Reason
	}
	return e
}

// sourcetypeOf is that of the event that a delivery makes.
func sourcetypeOf(d *ledger.Delivery) string {
	if d.Cost != nil {
		return CostType
	}
	return OutcomeType
}
