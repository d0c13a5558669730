package llmtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/winnow-soc/winnow/llm/prices"
)

type chatBody struct {
	Model         string        `json:"model"`
	Messages      []chatMessage `json:"messages"`
	Store         *bool         `json:"store"`
	Stream        bool          `json:"stream"`
	MaxTokens     int64         `json:"max_tokens"`
	MaxCompletion int64         `json:"max_completion_tokens"`
	Tools         []struct {
		Type     string   `json:"type"`
		Function function `json:"function"`
	} `json:"tools"`
	Format *struct {
		Type   string  `json:"type"`
		Schema *format `json:"json_schema"`
	} `json:"response_format"`
}

type chatMessage struct {
	Role      string          `json:"role"`
	Content   json.RawMessage `json:"content"`
	CallID    string          `json:"tool_call_id"`
	ToolCalls []struct {
		ID       string `json:"id"`
		Type     string `json:"type"`
		Function struct {
			Name      string `json:"name"`
			Arguments string `json:"arguments"`
		} `json:"function"`
	} `json:"tool_calls"`
}

func (r *Request) parseChat(lenient bool) error {
	err := r.keysOf("frequency_penalty", "max_completion_tokens", "max_tokens", "messages", "metadata", "model", "n", "parallel_tool_calls",
		"presence_penalty", "prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "reasoning_effort", "response_format",
		"safety_identifier", "seed", "service_tier", "stop", "store", "stream", "temperature", "tool_choice", "tools", "top_p", "user", "verbosity")
	if err != nil {
		return err
	}
	var b chatBody
	if err := json.Unmarshal(r.body, &b); err != nil {
		return fmt.Errorf("invalid body: %w", err)
	}
	r.Model, r.MaxOutput = b.Model, max(b.MaxTokens, b.MaxCompletion)
	if err := openAIOnly(b.Store, b.Stream, lenient); err != nil {
		return err
	}
	for i, m := range b.Messages {
		if err := r.chatMessage(m); err != nil {
			return fmt.Errorf("messages[%d]: %w", i, err)
		}
	}
	for _, t := range b.Tools {
		if t.Type != "function" {
			return fmt.Errorf("tool of type %.40q, want function", t.Type)
		}
		if err := r.addTool(t.Function, lenient); err != nil {
			return err
		}
	}
	if b.Format == nil {
		return r.setFormat(nil, lenient)
	}
	f := format{}
	if b.Format.Schema != nil {
		f = *b.Format.Schema
	}
	f.Type = b.Format.Type
	return r.setFormat(&f, lenient)
}

func (r *Request) chatMessage(m chatMessage) error {
	content, err := text(m.Content, "text", "refusal")
	if err != nil {
		return err
	}
	if m.Role == "tool" {
		r.Turns = append(r.Turns, Turn{Role: "tool", Text: content, Of: m.CallID})
		return nil
	}
	if err := r.addMessage(m.Role, content); err != nil {
		return err
	}
	for _, c := range m.ToolCalls {
		if m.Role != "assistant" || c.Type != "function" {
			return errors.New("a tool call that is no function's, or not the assistant's")
		}
		r.addCall(ToolCall{c.ID, c.Function.Name, c.Function.Arguments})
	}
	return nil
}

// mentionsJSON is what OpenAI asks of a request for a JSON object without a schema.
func (r *Request) mentionsJSON() error {
	all := r.System + strings.Join(r.Data(), "\n")
	if !strings.Contains(strings.ToLower(all), "json") {
		return errors.New("messages must contain the word 'json' in some form, to use a format of type 'json_object'")
	}
	return nil
}

func (r *Request) writeChat(a *reply) object {
	message := object{"role": "assistant", "content": a.Text, "refusal": nil, "annotations": []any{}}
	if a.stop == stopRefusal {
		message["content"], message["refusal"] = nil, a.Text
	}
	var calls []object
	for _, c := range a.Calls {
		calls = append(calls, object{
			"id": c.ID, "type": "function", "function": object{"name": c.Name, "arguments": c.Arguments},
		})
	}
	if calls != nil {
		message["tool_calls"] = calls
	}
	doc := object{
		"id": "chatcmpl-" + a.id, "object": "chat.completion", "created": a.at.Unix(), "model": r.Model, "service_tier": "default",
		"choices": []object{{"index": 0, "message": message, "logprobs": nil, "finish_reason": chatStop(a.stop)}},
	}
	if a.usage != nil {
		doc["usage"] = chatUsage(*a.usage)
	}
	return doc
}

func chatStop(s stop) string {
	switch s {
	case stopTools:
		return "tool_calls"
	case stopLength:
		return "length"
	case stopFilter:
		return "content_filter"
	case stopEnd, stopRefusal:
	}
	return "stop"
}

func chatUsage(u prices.Usage) object {
	return object{
		"prompt_tokens": u.Input, "completion_tokens": u.Output, "total_tokens": u.Input + u.Output,
		"prompt_tokens_details":     object{"cached_tokens": u.Cached, "cache_write_tokens": u.CacheWrite},
		"completion_tokens_details": object{"reasoning_tokens": 0},
	}
}
