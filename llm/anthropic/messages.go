package anthropic

import (
	"encoding/json"
	"strings"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/packages/param"

	"github.com/winnow-soc/winnow/llm/chat"
	"github.com/winnow-soc/winnow/llm/prices"
)

func (c *Client) params(r *chat.Request) (anthropic.MessageNewParams, error) {
	p := anthropic.MessageNewParams{
		Model: c.opts.Model, MaxTokens: r.MaxOutput, Messages: messages(r.Messages),
		ServiceTier:  anthropic.MessageNewParamsServiceTier(c.opts.ServiceTier),
		OutputConfig: anthropic.OutputConfigParam{Effort: anthropic.OutputConfigEffort(c.opts.Reasoning)},
	}
	if c.opts.Residency != "" {
		p.InferenceGeo = anthropic.String(c.opts.Residency)
	}
	if r.System != "" {
		// The breakpoint: tools and system prompt are kept, the alert after them is not.
		p.System = []anthropic.TextBlockParam{{Text: r.System, CacheControl: anthropic.NewCacheControlEphemeralParam()}}
	}
	for _, t := range r.Tools {
		tool, err := toolParam(t.Name, t.Description, t.Parameters)
		if err != nil {
			return p, err
		}
		p.Tools = append(p.Tools, tool)
	}
	if r.Schema == nil {
		return p, nil
	}
	return p, hold(&p, r)
}

// hold asks the provider to keep the answer in its form: by its schema, or, for models that cannot
// do that, as the input of a tool that is not there.
func hold(p *anthropic.MessageNewParams, r *chat.Request) error {
	schema, err := supported(r.Schema.JSON)
	if err != nil {
		return err
	}
	switch r.Form {
	case chat.FormText:
	case chat.FormJSON:
		tool, err := toolParam(r.Schema.Name, "Gives the answer. Call it once, at the end.", r.Schema.JSON)
		if err != nil {
			return err
		}
		p.Tools = append(p.Tools, tool)
		p.ToolChoice.OfAny = &anthropic.ToolChoiceAnyParam{}
	case chat.FormStrict, "":
		// A model fills an answer in the order of its schema, so that order is kept: the SDK's own type
		// would sort it.
		p.OutputConfig.Format = param.Override[anthropic.JSONOutputFormatParam](struct {
			Type   string          `json:"type"`
			Schema json.RawMessage `json:"schema"`
		}{"json_schema", schema})
	}
	return nil
}

// answerTool names the tool whose input is the answer, "" where the answer is text.
func answerTool(r *chat.Request) string {
	if r.Schema == nil || r.Form != chat.FormJSON {
		return ""
	}
	return r.Schema.Name
}

func toolParam(name, description string, schema json.RawMessage) (anthropic.ToolUnionParam, error) {
	input := param.Override[anthropic.ToolInputSchemaParam](schema)
	if !json.Valid(schema) {
		return anthropic.ToolUnionParam{}, badRequest()
	}
	return anthropic.ToolUnionParam{OfTool: &anthropic.ToolParam{
		Name: name, Description: anthropic.String(description), InputSchema: input,
	}}, nil
}

// messages writes the turns. All results of one round of tools belong into one message.
func messages(turns []chat.Message) []anthropic.MessageParam {
	var out []anthropic.MessageParam
	results := false
	for _, m := range turns {
		switch m.Role {
		case chat.RoleTool:
			block := anthropic.NewToolResultBlock(m.Of, m.Text, false)
			if results {
				last := &out[len(out)-1]
				last.Content = append(last.Content, block)
				continue
			}
			out = append(out, anthropic.NewUserMessage(block))
		case chat.RoleAssistant:
			out = append(out, anthropic.NewAssistantMessage(assistantBlocks(m)...))
		case chat.RoleUser:
			out = append(out, anthropic.NewUserMessage(anthropic.NewTextBlock(m.Text)))
		}
		results = m.Role == chat.RoleTool
	}
	return out
}

func assistantBlocks(m chat.Message) []anthropic.ContentBlockParamUnion {
	var blocks []anthropic.ContentBlockParamUnion
	if m.Text != "" {
		blocks = append(blocks, anthropic.NewTextBlock(m.Text))
	}
	for _, call := range m.Calls {
		input := json.RawMessage(call.Arguments)
		if !json.Valid(input) {
			input = json.RawMessage("{}")
		}
		blocks = append(blocks, anthropic.NewToolUseBlock(call.ID, input, call.Name))
	}
	return blocks
}

// read reads an answer. Of a tool named answer, the input is the answer.
func read(body []byte, answer string) (*chat.Reply, *chat.Error) {
	var m anthropic.Message
	if err := json.Unmarshal(body, &m); err != nil || !m.JSON.Content.Valid() || m.Type != "message" {
		return nil, &chat.Error{Kind: chat.KindBadReply, Sent: true}
	}
	reply := &chat.Reply{Stop: stop(m.StopReason), Model: chat.Name(m.Model), Tier: chat.Name(string(m.Usage.ServiceTier))}
	var text strings.Builder
	answered := false
	for _, block := range m.Content {
		switch {
		case block.Type == "text":
			text.WriteString(block.Text)
		case block.Type == "tool_use" && answer != "" && block.Name == answer && !answered:
			answered = true
			text.Reset()
			text.Write(block.Input)
		case block.Type == "tool_use":
			reply.Calls = append(reply.Calls, chat.ToolCall{ID: block.ID, Name: block.Name, Arguments: string(block.Input)})
		}
	}
	reply.Text = text.String()
	if answered && reply.Stop == chat.StopTools {
		reply.Stop, reply.Calls = chat.StopEnd, nil
	}
	u := m.Usage
	reply.SetUsage(prices.Usage{
		Input:  u.InputTokens + u.CacheReadInputTokens + u.CacheCreationInputTokens,
		Cached: u.CacheReadInputTokens, CacheWrite: u.CacheCreationInputTokens, Output: u.OutputTokens,
	}, m.JSON.Usage.Valid() && u.JSON.InputTokens.Valid() && u.JSON.OutputTokens.Valid() && u.InputTokens >= 0)
	return reply, nil
}

func stop(reason anthropic.StopReason) chat.Stop {
	switch reason {
	case anthropic.StopReasonEndTurn:
		return chat.StopEnd
	case anthropic.StopReasonToolUse:
		return chat.StopTools
	case anthropic.StopReasonMaxTokens, anthropic.StopReasonModelContextWindowExceeded:
		return chat.StopLength
	case anthropic.StopReasonRefusal:
		return chat.StopRefusal
	case anthropic.StopReasonPauseTurn, anthropic.StopReasonStopSequence:
	}
	return chat.StopOther
}

// badRequest is a request that this package cannot put into the provider's form.
func badRequest() error { return &chat.Error{Kind: chat.KindRequest, Code: "invalid_request_error"} }
