package openai

import (
	"cmp"
	"encoding/json"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/shared"

	"github.com/winnow-soc/winnow/llm/chat"
	"github.com/winnow-soc/winnow/llm/prices"
)

var zeroTime time.Time

func (c *Client) chatParams(r *chat.Request) (openai.ChatCompletionNewParams, error) {
	p := openai.ChatCompletionNewParams{
		Model: c.opts.Model, Store: openai.Bool(false),
		ServiceTier:     openai.ChatCompletionNewParamsServiceTier(cmp.Or(r.Tier, c.opts.ServiceTier)),
		ReasoningEffort: shared.ReasoningEffort(c.opts.Reasoning),
	}
	// OpenAI's newer models refuse the old name, most other servers know no other.
	if c.openai {
		p.MaxCompletionTokens = openai.Int(r.MaxOutput)
	} else {
		p.MaxTokens = openai.Int(r.MaxOutput)
	}
	if r.System != "" {
		p.Messages = append(p.Messages, openai.SystemMessage(r.System))
	}
	for _, m := range r.Messages {
		p.Messages = append(p.Messages, chatMessage(m))
	}
	if r.Schema != nil {
		p.ResponseFormat = chatFormat(r)
	}
	for _, t := range r.Tools {
		parameters, err := object(t.Parameters)
		if err != nil {
			return p, err
		}
		f := shared.FunctionDefinitionParam{Name: t.Name, Description: openai.String(t.Description), Parameters: parameters}
		if strict(r) {
			f.Strict = openai.Bool(true)
		}
		p.Tools = append(p.Tools, openai.ChatCompletionFunctionTool(f))
	}
	return p, nil
}

func chatMessage(m chat.Message) openai.ChatCompletionMessageParamUnion {
	switch m.Role {
	case chat.RoleTool:
		return openai.ToolMessage(m.Text, m.Of)
	case chat.RoleAssistant:
		a := openai.ChatCompletionAssistantMessageParam{}
		if m.Text != "" {
			a.Content.OfString = openai.String(m.Text)
		}
		for _, call := range m.Calls {
			a.ToolCalls = append(a.ToolCalls, openai.ChatCompletionMessageToolCallUnionParam{
				OfFunction: &openai.ChatCompletionMessageFunctionToolCallParam{
					ID: call.ID, Function: openai.ChatCompletionMessageFunctionToolCallFunctionParam{Name: call.Name, Arguments: call.Arguments},
				},
			})
		}
		return openai.ChatCompletionMessageParamUnion{OfAssistant: &a}
	case chat.RoleUser:
	}
	return openai.UserMessage(m.Text)
}

func chatFormat(r *chat.Request) openai.ChatCompletionNewParamsResponseFormatUnion {
	switch r.Form {
	case chat.FormText:
		return openai.ChatCompletionNewParamsResponseFormatUnion{}
	case chat.FormJSON:
		return openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONObject: &shared.ResponseFormatJSONObjectParam{}}
	case chat.FormStrict:
	}
	return openai.ChatCompletionNewParamsResponseFormatUnion{OfJSONSchema: &shared.ResponseFormatJSONSchemaParam{
		JSONSchema: shared.ResponseFormatJSONSchemaJSONSchemaParam{Name: r.Schema.Name, Strict: openai.Bool(true), Schema: r.Schema.JSON},
	}}
}

// readChat reads an answer of Chat Completions.
func readChat(body []byte) (*chat.Reply, *chat.Error) {
	var r openai.ChatCompletion
	if err := json.Unmarshal(body, &r); err != nil || len(r.Choices) != 1 {
		return nil, badReply()
	}
	choice := r.Choices[0]
	reply := &chat.Reply{
		Text: choice.Message.Content, Stop: chatStop(choice),
		Model: chat.Name(r.Model), Tier: chat.Name(string(r.ServiceTier)),
	}
	for _, call := range choice.Message.ToolCalls {
		reply.Calls = append(reply.Calls, chat.ToolCall{ID: call.ID, Name: call.Function.Name, Arguments: call.Function.Arguments})
	}
	u := r.Usage
	reply.SetUsage(prices.Usage{
		Input: u.PromptTokens, Cached: u.PromptTokensDetails.CachedTokens, CacheWrite: u.PromptTokensDetails.CacheWriteTokens, Output: u.CompletionTokens,
	}, r.JSON.Usage.Valid() && u.JSON.PromptTokens.Valid() && u.JSON.CompletionTokens.Valid())
	return reply, nil
}

func chatStop(c openai.ChatCompletionChoice) chat.Stop {
	if c.Message.Refusal != "" {
		return chat.StopRefusal
	}
	switch c.FinishReason {
	case "length":
		return chat.StopLength
	case "content_filter":
		return chat.StopFilter
	case "stop", "tool_calls":
		// Some servers say stop where the model asks for tools.
		if len(c.Message.ToolCalls) > 0 {
			return chat.StopTools
		}
		return chat.StopEnd
	}
	return chat.StopOther
}
