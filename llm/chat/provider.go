package chat

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow/llm/prices"
)

// Provider sends one request to a language model, once: whoever calls it counts attempts, waits and
// books. Safe for concurrent use.
type Provider interface {
	// Complete returns the answer, or an *Error that carries no text of the request.
	Complete(ctx context.Context, r *Request) (*Reply, error)
}

// BatchProvider answers many requests together, later and cheaper. Safe for concurrent use.
type BatchProvider interface {
	Provider
	// SubmitBatch hands requests over, each with an ID of its own, and returns the provider's name for
	// the batch. After an error with Sent the batch may exist all the same.
	SubmitBatch(ctx context.Context, requests []*Request) (id string, err error)
	// Batch tells how far a batch is. Replies and errors are by the ID of their request, and complete
	// once the state is not [BatchRunning]; a request that is then in neither was not answered.
	Batch(ctx context.Context, id string) (state BatchState, done map[string]*Reply, failed map[string]*Error, err error)
	// CancelBatch asks the provider to end a batch. What was answered by then is billed, and stays.
	CancelBatch(ctx context.Context, id string) error
}

// BatchState says how far a batch is.
type BatchState string

// The states of a batch.
const (
	BatchRunning  BatchState = "running"
	BatchDone     BatchState = "done"
	BatchFailed   BatchState = "failed"   // the provider refused it: nothing in it was answered
	BatchExpired  BatchState = "expired"  // its time was over: what is done is done
	BatchCanceled BatchState = "canceled" // likewise
)

// Request is one request. What is the same for every alert comes first (Tools, System), so that
// providers can keep it in their caches; an adapter marks the end of System as a cache breakpoint
// where its provider wants that said.
type Request struct {
	ID       string // names the request across restarts: the custom id of a batch; "" for none
	System   string
	Messages []Message
	Tools    []ToolSpec
	Schema   *Schema // what the answer looks like, nil for free text
	Form     Form    // how the provider is asked to hold the answer to Schema

	MaxOutput int64 // tokens, above 0: bounds what the call can cost

	Tier string // service tier to ask for in place of the model's own; "" for that. A batch is one itself
}

// Form is how a provider is asked to keep an answer in the form of its schema. Whatever it promises,
// the answer is checked.
type Form string

// The forms. Those that know less are for servers that know less.
const (
	FormStrict Form = "strict" // the provider holds the answer to the schema; also the meaning of ""
	FormJSON   Form = "json"   // the provider sees to it that the answer is some JSON object
	FormText   Form = "text"   // only the prompt asks for it
)

// Schema is the JSON Schema of an answer, within the strict subset.
type Schema struct {
	Name string // snake_case
	JSON json.RawMessage
}

// ToolSpec tells a model of a tool.
type ToolSpec struct {
	Name        string
	Description string
	Parameters  json.RawMessage
}

// Role says whose message it is.
type Role string

// The roles.
const (
	RoleUser      Role = "user"
	RoleAssistant Role = "assistant"
	RoleTool      Role = "tool" // the result of a tool call
)

// Message is one turn of the conversation.
type Message struct {
	Role  Role
	Text  string
	Calls []ToolCall // of an assistant's turn
	Of    string     // of a tool's turn: the ID of the call that it answers
}

// ToolCall is a model's wish to use a tool. The arguments are unchecked text of the model.
type ToolCall struct {
	ID        string
	Name      string
	Arguments string
}

// Reply is what came back with a status of success, whether or not it is of use.
type Reply struct {
	Text  string
	Calls []ToolCall
	Stop  Stop

	Usage     prices.Usage // as billed
	NoUsage   bool         // the provider told no usage: Usage is unknown, not zero
	Model     string       // as the provider calls it
	Tier      string       // service tier that was billed
	Batch     bool         // answered through the batch interface, at its price
	RequestID string
	Limits    Limits
}

// Stop says why an answer ended.
type Stop string

// The stops.
const (
	StopEnd     Stop = "end"     // the answer is whole
	StopTools   Stop = "tools"   // the model asks for tools
	StopLength  Stop = "length"  // cut at MaxOutput
	StopRefusal Stop = "refusal" // the model would not answer
	StopFilter  Stop = "filter"  // the provider's content filter took the answer
	StopOther   Stop = "other"   // anything else: not to be trusted
)

// Limits is what the provider's headers say of its rate limits. Negative numbers: nothing was said.
type Limits struct {
	Requests, Tokens             int64 // that remain
	RequestsReset, TokensReset   time.Duration
	RequestsPerMin, TokensPerMin int64 // the limits themselves
}

// Kind says what kept a call from being answered.
type Kind string

// The kinds. Rate, Overloaded, Server, Timeout, Network and BadReply may pass; the others do not by
// trying again.
const (
	KindRate       Kind = "rate"       // 429: too many requests or tokens
	KindOverloaded Kind = "overloaded" // 503, 529
	KindServer     Kind = "server"     // other 5xx
	KindTimeout    Kind = "timeout"    // no answer in time
	KindNetwork    Kind = "network"    // no connection, or it broke
	KindBadReply   Kind = "bad_reply"  // status of success, but not what the interface promises
	KindAuth       Kind = "auth"       // 401, 403
	KindQuota      Kind = "quota"      // the account has no money left
	KindRequest    Kind = "request"    // 400, 404, 413, 422: this request will never do
	KindPolicy     Kind = "policy"     // the provider refused the request's content
)

// Error is a call without an answer. It never holds text of the request or of the provider's answer.
type Error struct {
	Kind      Kind
	Status    int // HTTP status, 0 for none
	Code      string
	RequestID string
	After     time.Duration // the provider asks to wait this long, 0: it does not say
	Limits    *Limits

	// Sent reports whether the request may have reached the provider and been billed. A refusal by
	// status is not billed.
	Sent bool
}

// Error names kind, status and the provider's request id.
func (e *Error) Error() string {
	text := string(e.Kind)
	if e.Status != 0 {
		text = fmt.Sprintf("%s (status %d", e.Kind, e.Status)
		if e.Code != "" {
			text += ", " + e.Code
		}
		text += ")"
	}
	if e.RequestID != "" {
		text += ", request " + e.RequestID
	}
	return text
}

// Retryable reports whether another try may succeed.
func (e *Error) Retryable() bool {
	switch e.Kind {
	case KindRate, KindOverloaded, KindServer, KindTimeout, KindNetwork, KindBadReply:
		return true
	case KindAuth, KindQuota, KindRequest, KindPolicy:
	}
	return false
}
