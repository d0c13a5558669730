package llmtest

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/winnow-soc/winnow/llm/prices"
)

type messagesBody struct {
	Model     string          `json:"model"`
	MaxTokens int64           `json:"max_tokens"`
	Stream    bool            `json:"stream"`
	System    json.RawMessage `json:"system"`
	Messages  []struct {
		Role    string          `json:"role"`
		Content json.RawMessage `json:"content"`
	} `json:"messages"`
	Tools []struct {
		Type        string          `json:"type"`
		Name        string          `json:"name"`
		Description string          `json:"description"`
		Schema      json.RawMessage `json:"input_schema"`
		Strict      *bool           `json:"strict"`
		Cache       *cacheControl   `json:"cache_control"`
	} `json:"tools"`
	Output struct {
		Format *struct {
			Type   string          `json:"type"`
			Schema json.RawMessage `json:"schema"`
		} `json:"format"`
	} `json:"output_config"`
}

type cacheControl struct {
	Type string `json:"type"`
	TTL  string `json:"ttl"`
}

// block is a part of a message.
type block struct {
	Type    string          `json:"type"`
	Text    string          `json:"text"`
	ID      string          `json:"id"`
	Name    string          `json:"name"`
	Input   json.RawMessage `json:"input"`
	Of      string          `json:"tool_use_id"`
	Content json.RawMessage `json:"content"`
	Cache   *cacheControl   `json:"cache_control"`
}

const maxBreaks = 4

func (r *Request) parseMessages(lenient bool) error {
	err := r.keysOf("cache_control", "inference_geo", "max_tokens", "messages", "metadata", "model", "output_config", "service_tier",
		"stop_sequences", "stream", "system", "temperature", "thinking", "tool_choice", "tools", "top_k", "top_p")
	if err != nil {
		return err
	}
	var b messagesBody
	if err := json.Unmarshal(r.body, &b); err != nil {
		return fmt.Errorf("invalid body: %w", err)
	}
	r.Model, r.MaxOutput = b.Model, b.MaxTokens
	if b.Stream {
		return errors.New("stream is not supported here")
	}
	if err := r.messagesSystem(b.System); err != nil {
		return err
	}
	for i, m := range b.Messages {
		if err := r.message(m.Role, m.Content); err != nil {
			return fmt.Errorf("messages.%d: %w", i, err)
		}
	}
	for _, t := range b.Tools {
		if err := r.breakAt(t.Cache); err != nil {
			return err
		}
		if err := r.addTool(function{t.Name, t.Description, t.Schema, t.Strict}, lenient || t.Strict == nil); err != nil {
			return err
		}
	}
	if f := b.Output.Format; f != nil {
		if f.Type != "json_schema" || len(f.Schema) == 0 {
			return errors.New("output_config.format: want type json_schema and a schema")
		}
		r.Schema, r.Form = f.Schema, f.Type
	}
	if r.Breaks > maxBreaks {
		return fmt.Errorf("a maximum of %d blocks with cache_control may be provided, found %d", maxBreaks, r.Breaks)
	}
	return nil
}

func (r *Request) breakAt(c *cacheControl) error {
	if c == nil {
		return nil
	}
	if c.Type != "ephemeral" || !slices.Contains([]string{"", "5m", "1h"}, c.TTL) {
		return errors.New("cache_control: want type ephemeral, and ttl 5m or 1h")
	}
	r.Breaks++
	return nil
}

func (r *Request) messagesSystem(raw json.RawMessage) error {
	blocks, err := blocksOf(raw)
	if err != nil {
		return fmt.Errorf("system: %w", err)
	}
	for _, b := range blocks {
		if b.Type != "text" {
			return fmt.Errorf("system: block of type %.40q, want text", b.Type)
		}
		r.System += b.Text
		if err := r.breakAt(b.Cache); err != nil {
			return fmt.Errorf("system: %w", err)
		}
	}
	return nil
}

func blocksOf(raw json.RawMessage) ([]block, error) {
	var one string
	if len(raw) == 0 {
		return nil, nil
	}
	if json.Unmarshal(raw, &one) == nil {
		return []block{{Type: "text", Text: one}}, nil
	}
	var blocks []block
	if err := json.Unmarshal(raw, &blocks); err != nil {
		return nil, errors.New("content is neither a text nor a list of blocks")
	}
	return blocks, nil
}

func (r *Request) message(role string, content json.RawMessage) error {
	if role != "user" && role != "assistant" {
		return fmt.Errorf("role is %.40q, want user or assistant", role)
	}
	blocks, err := blocksOf(content)
	if err != nil {
		return err
	}
	if len(blocks) == 0 {
		return errors.New("messages must have non-empty content")
	}
	for _, b := range blocks {
		if err := r.breakAt(b.Cache); err != nil {
			return err
		}
		if err := r.block(role, b); err != nil {
			return err
		}
	}
	return nil
}

func (r *Request) block(role string, b block) error {
	switch {
	case b.Type == "text" && b.Text != "":
		r.Turns = append(r.Turns, Turn{Role: role, Text: b.Text})
	case b.Type == "tool_use" && role == "assistant":
		r.addCall(ToolCall{b.ID, b.Name, string(b.Input)})
	case b.Type == "tool_result" && role == "user":
		out, err := text(b.Content, "text")
		if err != nil {
			return err
		}
		r.Turns = append(r.Turns, Turn{Role: "tool", Text: out, Of: b.Of})
	default:
		return fmt.Errorf("block of type %.40q cannot stand here, or is empty", b.Type)
	}
	return nil
}

func (r *Request) writeMessages(a *reply) object {
	content := []object{}
	if a.Text != "" {
		content = append(content, object{"type": "text", "text": a.Text, "citations": nil})
	}
	for _, c := range a.Calls {
		input := json.RawMessage(c.Arguments)
		if !json.Valid(input) {
			input = json.RawMessage("{}") // the interface can carry nothing else
		}
		content = append(content, object{"type": "tool_use", "id": c.ID, "name": c.Name, "input": input})
	}
	doc := object{
		"id": "msg_" + a.id, "type": "message", "role": "assistant", "model": r.Model, "content": content,
		"stop_reason": messagesStop(a.stop), "stop_sequence": nil,
	}
	if a.usage != nil {
		doc["usage"] = messagesUsage(*a.usage)
	}
	return doc
}

func messagesStop(s stop) string {
	switch s {
	case stopTools:
		return "tool_use"
	case stopLength:
		return "max_tokens"
	case stopRefusal, stopFilter:
		return "refusal"
	case stopEnd:
	}
	return "end_turn"
}

// messagesUsage counts as Anthropic does: input_tokens are those that no cache had part in.
func messagesUsage(u prices.Usage) object {
	return object{
		"input_tokens": u.Input - u.Cached - u.CacheWrite, "cache_read_input_tokens": u.Cached,
		"cache_creation_input_tokens": u.CacheWrite, "output_tokens": u.Output, "service_tier": "standard",
		"cache_creation": object{"ephemeral_5m_input_tokens": u.CacheWrite, "ephemeral_1h_input_tokens": 0},
	}
}
