package llmtest

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/winnow-soc/winnow/llm/prices"
)

type responsesBody struct {
	Model        string            `json:"model"`
	Instructions json.RawMessage   `json:"instructions"`
	Input        json.RawMessage   `json:"input"`
	Store        *bool             `json:"store"`
	MaxOutput    int64             `json:"max_output_tokens"`
	Stream       bool              `json:"stream"`
	Tools        []json.RawMessage `json:"tools"`
	Text         struct {
		Format *format `json:"format"`
	} `json:"text"`
}

// format is how the answer is to look, in both of OpenAI's interfaces.
type format struct {
	Type   string          `json:"type"`
	Name   string          `json:"name"`
	Strict *bool           `json:"strict"`
	Schema json.RawMessage `json:"schema"`
}

type responsesItem struct {
	Type      string          `json:"type"`
	Role      string          `json:"role"`
	Content   json.RawMessage `json:"content"`
	CallID    string          `json:"call_id"`
	Name      string          `json:"name"`
	Arguments string          `json:"arguments"`
	Output    json.RawMessage `json:"output"`
}

func (r *Request) parseResponses(lenient bool) error {
	err := r.keysOf("background", "include", "input", "instructions", "max_output_tokens", "max_tool_calls", "metadata", "model",
		"parallel_tool_calls", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning", "safety_identifier",
		"service_tier", "store", "stream", "temperature", "text", "tool_choice", "tools", "top_p", "truncation", "user")
	if err != nil {
		return err
	}
	var b responsesBody
	if err := json.Unmarshal(r.body, &b); err != nil {
		return fmt.Errorf("invalid body: %w", err)
	}
	r.Model, r.MaxOutput = b.Model, b.MaxOutput
	if err := openAIOnly(b.Store, b.Stream, lenient); err != nil {
		return err
	}
	if r.System, err = text(b.Instructions, "input_text"); err != nil {
		return fmt.Errorf("instructions: %w", err)
	}
	if err := r.responsesInput(b.Input); err != nil {
		return err
	}
	for _, raw := range b.Tools {
		var t struct {
			Type string `json:"type"`
			function
		}
		if err := json.Unmarshal(raw, &t); err != nil || t.Type != "function" {
			return fmt.Errorf("tool of type %.40q, want function", t.Type)
		}
		if err := r.addTool(t.function, lenient); err != nil {
			return err
		}
	}
	return r.setFormat(b.Text.Format, lenient)
}

// openAIOnly holds what the house rules of this project add to the interface: nothing is stored.
func openAIOnly(store *bool, stream, lenient bool) error {
	switch {
	case stream:
		return errors.New("stream is not supported here")
	case lenient:
		return nil
	case store == nil || *store:
		return errors.New("store must be false: nothing of an alert is to stay with the provider")
	}
	return nil
}

type function struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Parameters  json.RawMessage `json:"parameters"`
	Strict      *bool           `json:"strict"`
}

func (r *Request) addTool(f function, lenient bool) error {
	if !lenient && (f.Strict == nil || !*f.Strict) {
		return fmt.Errorf("function %.60q is not strict", f.Name)
	}
	r.Tools = append(r.Tools, Tool{f.Name, f.Description, f.Parameters})
	return nil
}

func (r *Request) setFormat(f *format, lenient bool) error {
	r.Form = "text"
	if f == nil || f.Type == "text" {
		return nil
	}
	r.Form = f.Type
	switch f.Type {
	case "json_object":
		return r.mentionsJSON()
	case "json_schema":
		if !schemaName.MatchString(f.Name) {
			return fmt.Errorf("name of the schema is %.70q, want letters, digits, _ and -", f.Name)
		}
		if !lenient && (f.Strict == nil || !*f.Strict) {
			return fmt.Errorf("schema %q is not strict", f.Name)
		}
		if len(f.Schema) == 0 {
			return fmt.Errorf("schema %q is missing", f.Name)
		}
		r.Kind, r.Schema = f.Name, f.Schema
		return nil
	}
	return fmt.Errorf("format of type %.40q, want text, json_object or json_schema", f.Type)
}

func (r *Request) responsesInput(raw json.RawMessage) error {
	var one string
	if json.Unmarshal(raw, &one) == nil && raw != nil {
		r.Turns = []Turn{{Role: "user", Text: one}}
		return nil
	}
	var items []responsesItem
	if err := json.Unmarshal(raw, &items); err != nil {
		return errors.New("input is neither a text nor a list of items")
	}
	for i, item := range items {
		if err := r.responsesItem(item); err != nil {
			return fmt.Errorf("input[%d]: %w", i, err)
		}
	}
	return nil
}

func (r *Request) responsesItem(item responsesItem) error {
	switch item.Type {
	case "function_call":
		r.addCall(ToolCall{item.CallID, item.Name, item.Arguments})
		return nil
	case "function_call_output":
		out, err := text(item.Output, "input_text")
		r.Turns = append(r.Turns, Turn{Role: "tool", Text: out, Of: item.CallID})
		return err
	case "message", "":
	default:
		return fmt.Errorf("item of type %.40q is not supported here", item.Type)
	}
	content, err := text(item.Content, "input_text", "output_text", "refusal")
	if err != nil {
		return err
	}
	return r.addMessage(item.Role, content)
}

// addCall puts a call into the assistant's turn that it belongs to.
func (r *Request) addCall(c ToolCall) {
	if n := len(r.Turns); n > 0 && r.Turns[n-1].Role == "assistant" {
		r.Turns[n-1].Calls = append(r.Turns[n-1].Calls, c)
		return
	}
	r.Turns = append(r.Turns, Turn{Role: "assistant", Calls: []ToolCall{c}})
}

func (r *Request) addMessage(role, content string) error {
	switch role {
	case "system", "developer":
		if len(r.Turns) > 0 {
			return fmt.Errorf("a %s message after others: what is the same for every alert comes first", role)
		}
		r.System += content
	case "user", "assistant":
		r.Turns = append(r.Turns, Turn{Role: role, Text: content})
	default:
		return fmt.Errorf("role is %.40q", role)
	}
	return nil
}

func (r *Request) writeResponses(a *reply) object {
	out := []object{}
	content := object{"type": "output_text", "text": a.Text, "annotations": []any{}}
	if a.stop == stopRefusal {
		content = object{"type": "refusal", "refusal": a.Text}
	}
	if a.Text != "" {
		out = append(out, object{
			"id": "msg_" + a.id, "type": "message", "role": "assistant", "status": "completed", "content": []object{content},
		})
	}
	for _, c := range a.Calls {
		out = append(out, object{
			"id": "fc_" + c.ID, "type": "function_call", "status": "completed", "call_id": c.ID, "name": c.Name, "arguments": c.Arguments,
		})
	}
	doc := object{
		"id": "resp_" + a.id, "object": "response", "created_at": a.at.Unix(), "status": "completed", "model": r.Model,
		"error": nil, "incomplete_details": nil, "max_output_tokens": r.MaxOutput, "output": out, "store": false, "service_tier": "default",
	}
	if a.usage != nil {
		doc["usage"] = responsesUsage(*a.usage)
	}
	switch a.stop {
	case stopLength:
		doc["status"], doc["incomplete_details"] = "incomplete", object{"reason": "max_output_tokens"}
	case stopFilter:
		doc["status"], doc["incomplete_details"] = "incomplete", object{"reason": "content_filter"}
	case stopEnd, stopTools, stopRefusal:
	}
	return doc
}

func responsesUsage(u prices.Usage) object {
	return object{
		"input_tokens": u.Input, "input_tokens_details": object{"cached_tokens": u.Cached, "cache_write_tokens": u.CacheWrite},
		"output_tokens": u.Output, "output_tokens_details": object{"reasoning_tokens": 0}, "total_tokens": u.Input + u.Output,
	}
}
