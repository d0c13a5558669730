package llmtest

import (
	"encoding/json"
	"regexp"
	"strings"
)

// API names an interface that the server speaks.
type API string

// The interfaces.
const (
	Responses API = "responses" // OpenAI's /responses
	Chat      API = "chat"      // OpenAI's /chat/completions
	Messages  API = "messages"  // Anthropic's /messages
)

// Request is a request in one form, whichever interface it came through. Read only.
type Request struct {
	API      API
	Model    string
	Kind     string // what is asked for: the schema's name, like "classify"; "" when it cannot be told
	CustomID string // of a request in a batch
	System   string
	Turns    []Turn
	Tools    []Tool
	Schema   json.RawMessage // nil for free text
	Form     string          // "json_schema", "json_object" or "text"

	MaxOutput int64
	Breaks    int // cache breakpoints that were set (Anthropic)

	// Fields is the alert as the request shows it; nil when it shows none. See [Fields].
	Fields map[string][]string

	body []byte
}

// Turn is one message.
type Turn struct {
	Role  string // "user", "assistant" or "tool"
	Text  string
	Calls []ToolCall // of an assistant's turn
	Of    string     // of a tool's turn: the call that it answers
}

// Tool is a tool that the request offers.
type Tool struct {
	Name        string
	Description string
	Parameters  json.RawMessage
}

// ToolCall is the use of a tool.
type ToolCall struct {
	ID        string
	Name      string
	Arguments string // JSON
}

// Asked reports how often tools were called already.
func (r *Request) Asked() int {
	n := 0
	for _, t := range r.Turns {
		n += len(t.Calls)
	}
	return n
}

// Data returns the texts that are not the system's: those of the user and of tools, in order.
func (r *Request) Data() []string {
	var out []string
	for _, t := range r.Turns {
		if t.Role != "assistant" {
			out = append(out, t.Text)
		}
	}
	return out
}

// schemaInWords is how a prompt names the schema for a model that takes none.
var schemaInWords = regexp.MustCompile(`one JSON object of the schema (\w+)`)

func (r *Request) finish() {
	if r.Kind == "" {
		r.Kind = kindOf(r.Schema)
	}
	if m := schemaInWords.FindStringSubmatch(strings.Join(r.Data(), "\n")); r.Kind == "" && m != nil {
		r.Kind = m[1]
	}
	for _, t := range r.Turns {
		if t.Role != "user" {
			continue
		}
		if f := Fields(t.Text); len(f) > 0 {
			r.Fields = f
			return
		}
	}
}

// kindOf tells a question by the properties of its schema, where the interface has no name for it.
func kindOf(schema json.RawMessage) string {
	var s struct {
		Properties map[string]json.RawMessage `json:"properties"`
	}
	if json.Unmarshal(schema, &s) != nil {
		return ""
	}
	has := func(name string) bool { _, ok := s.Properties[name]; return ok }
	switch {
	case has("techniques") && has("disposition"):
		return "correlate_classify"
	case has("techniques"):
		return "correlate"
	case has("evidence"):
		return "classify"
	case has("disposition"):
		return "coordinate"
	case has("vote"):
		return "vote"
	case has("sensitivity"):
		return "enrich"
	}
	return ""
}
