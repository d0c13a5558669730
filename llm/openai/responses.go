package openai

import (
	"cmp"
	"encoding/json"
	"strings"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/packages/param"
	"github.com/openai/openai-go/v3/responses"
	"github.com/openai/openai-go/v3/shared"

	"github.com/winnow-soc/winnow/llm/chat"
	"github.com/winnow-soc/winnow/llm/prices"
)

func (c *Client) responseParams(r *chat.Request) (responses.ResponseNewParams, error) {
	p := responses.ResponseNewParams{
		Model: c.opts.Model, Store: openai.Bool(false), MaxOutputTokens: openai.Int(r.MaxOutput),
		ServiceTier: responses.ResponseNewParamsServiceTier(cmp.Or(r.Tier, c.opts.ServiceTier)),
		Reasoning:   shared.ReasoningParam{Effort: shared.ReasoningEffort(c.opts.Reasoning)},
	}
	if r.System != "" {
		p.Instructions = openai.String(r.System)
	}
	for _, m := range r.Messages {
		p.Input.OfInputItemList = append(p.Input.OfInputItemList, inputItems(m)...)
	}
	if r.Schema != nil {
		p.Text.Format = textFormat(r)
	}
	for _, t := range r.Tools {
		parameters, err := object(t.Parameters)
		if err != nil {
			return p, err
		}
		tool := &responses.FunctionToolParam{
			Name: t.Name, Description: openai.String(t.Description), Parameters: parameters, Strict: openai.Bool(strict(r)),
		}
		p.Tools = append(p.Tools, responses.ToolUnionParam{OfFunction: tool})
	}
	return p, nil
}

// strict reports whether the server is asked to hold answers to their schema.
func strict(r *chat.Request) bool { return r.Form == "" || r.Form == chat.FormStrict }

// inputItems writes one turn. Earlier answers go back as they were, without the provider's ids: it
// stores nothing that they could name.
func inputItems(m chat.Message) []responses.ResponseInputItemUnionParam {
	switch m.Role {
	case chat.RoleTool:
		item := responses.ResponseInputItemFunctionCallOutputParam{CallID: openai.String(m.Of)}
		item.Output.OfString = openai.String(m.Text)
		return []responses.ResponseInputItemUnionParam{{OfFunctionCallOutput: &item}}
	case chat.RoleAssistant:
		var items []responses.ResponseInputItemUnionParam
		if m.Text != "" {
			items = append(items, responses.ResponseInputItemParamOfMessage(m.Text, responses.EasyInputMessageRoleAssistant))
		}
		for _, call := range m.Calls {
			items = append(items, responses.ResponseInputItemParamOfFunctionCall(call.Arguments, call.ID, call.Name))
		}
		return items
	case chat.RoleUser:
	}
	return []responses.ResponseInputItemUnionParam{responses.ResponseInputItemParamOfMessage(m.Text, responses.EasyInputMessageRoleUser)}
}

func textFormat(r *chat.Request) responses.ResponseFormatTextConfigUnionParam {
	switch r.Form {
	case chat.FormText:
		return responses.ResponseFormatTextConfigUnionParam{}
	case chat.FormJSON:
		return responses.ResponseFormatTextConfigUnionParam{OfJSONObject: &shared.ResponseFormatJSONObjectParam{}}
	case chat.FormStrict:
	}
	// A model fills an answer in the order of its schema, so that order is kept: the SDK's own type
	// would sort it.
	format := param.Override[responses.ResponseFormatTextJSONSchemaConfigParam](struct {
		Type   string          `json:"type"`
		Name   string          `json:"name"`
		Strict bool            `json:"strict"`
		Schema json.RawMessage `json:"schema"`
	}{"json_schema", r.Schema.Name, true, r.Schema.JSON})
	return responses.ResponseFormatTextConfigUnionParam{OfJSONSchema: &format}
}

func object(schema json.RawMessage) (map[string]any, error) {
	var m map[string]any
	if err := json.Unmarshal(schema, &m); err != nil || m == nil {
		return nil, badRequest()
	}
	return m, nil
}

// readResponse reads an answer of the Responses API.
func readResponse(body []byte) (*chat.Reply, *chat.Error) {
	var r responses.Response
	if err := json.Unmarshal(body, &r); err != nil || !r.JSON.Output.Valid() && r.Status != responses.ResponseStatusFailed {
		return nil, badReply()
	}
	if r.Status == responses.ResponseStatusFailed {
		e := chat.StatusError(500, nil, string(r.Error.Code), zeroTime)
		e.Status, e.Sent = 0, true
		return nil, e
	}
	reply := &chat.Reply{Model: chat.Name(r.Model), Tier: chat.Name(string(r.ServiceTier))}
	refused := readOutput(r.Output, reply)
	reply.Stop = responseStop(&r, refused, len(reply.Calls) > 0)
	u := r.Usage
	reply.SetUsage(prices.Usage{
		Input: u.InputTokens, Cached: u.InputTokensDetails.CachedTokens, CacheWrite: u.InputTokensDetails.CacheWriteTokens, Output: u.OutputTokens,
	}, r.JSON.Usage.Valid() && u.JSON.InputTokens.Valid() && u.JSON.OutputTokens.Valid())
	return reply, nil
}

// readOutput collects the answer's text and calls. What a model thinks aloud on the way is neither.
func readOutput(items []responses.ResponseOutputItemUnion, reply *chat.Reply) (refused bool) {
	var text strings.Builder
	for _, item := range items {
		switch item.Type {
		case "message":
			for _, part := range item.Content {
				refused = refused || part.Type == "refusal"
				if part.Type == "output_text" && item.Phase != responses.ResponseOutputMessagePhaseCommentary {
					text.WriteString(part.Text)
				}
			}
		case "function_call":
			reply.Calls = append(reply.Calls, chat.ToolCall{ID: item.CallID, Name: item.Name, Arguments: item.Arguments.OfString})
		}
	}
	reply.Text = text.String()
	return refused
}

func responseStop(r *responses.Response, refused, calls bool) chat.Stop {
	switch {
	case refused:
		return chat.StopRefusal
	case r.IncompleteDetails.Reason == "max_output_tokens":
		return chat.StopLength
	case r.IncompleteDetails.Reason == "content_filter":
		return chat.StopFilter
	case r.Status != responses.ResponseStatusCompleted:
		return chat.StopOther
	case calls:
		return chat.StopTools
	}
	return chat.StopEnd
}
