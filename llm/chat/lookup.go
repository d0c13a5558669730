package chat

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
)

const (
	callsPerStep   = 4       // look-ups of one round
	maxResult      = 8 << 10 // bytes of one look-up's result
	bytesPerToken  = 4
	maxArgumentLen = 2 << 10
)

// lookUp runs the tools that a model asked for, and puts what they found into the conversation. What
// they bring is data like the alert: redacted, in a fence, and scanned where others word it.
func (t *talk) lookUp(ctx context.Context, r *Reply) {
	t.steps++
	t.req.Messages = append(t.req.Messages, Message{Role: RoleAssistant, Text: r.Text, Calls: r.Calls})
	for i, call := range r.Calls {
		var result any
		if i >= callsPerStep {
			result = failed("too many look-ups at once; ask again for this one")
		} else {
			result = t.runTool(ctx, call)
		}
		t.req.Messages = append(t.req.Messages, Message{Role: RoleTool, Of: call.ID, Text: t.fenced(result)})
	}
	if t.steps >= t.m.o.MaxSteps || t.brought >= t.m.o.ToolTokens {
		t.closing = true
		t.req.Messages = append(t.req.Messages, Message{Role: RoleUser, Text: "There are no more look-ups. Answer now with what you have."})
	}
}

// refuseCalls answers calls that come after the last round: a conversation may not leave them open.
func (t *talk) refuseCalls(r *Reply) {
	if len(r.Calls) == 0 {
		return
	}
	t.req.Messages = append(t.req.Messages, Message{Role: RoleAssistant, Text: r.Text, Calls: r.Calls})
	for _, call := range r.Calls {
		t.req.Messages = append(t.req.Messages, Message{Role: RoleTool, Of: call.ID, Text: t.fenced(failed("no more look-ups"))})
	}
}

func (t *talk) fenced(v any) string {
	text, err := t.fence.wrap("RESULT", v)
	if err != nil {
		text, _ = t.fence.wrap("RESULT", failed("the result cannot be shown")) // of plain text: cannot fail
	}
	return text
}

func failed(why string) map[string]string { return map[string]string{"error": why} }

// runTool runs one tool. What goes wrong is told to the model as data; it ends nothing.
func (t *talk) runTool(ctx context.Context, call ToolCall) any {
	tool := t.tool(call.Name)
	if tool == nil {
		return failed("there is no such tool")
	}
	if len(call.Arguments) > maxArgumentLen || !json.Valid([]byte(call.Arguments)) {
		return failed("the arguments are not a JSON object of the tool's parameters")
	}
	found, err := tool.Run(ctx, t.q.Case, json.RawMessage(call.Arguments))
	if err != nil {
		return failed(t.view.Hide(err.Error()))
	}
	data, err := t.clean(&found)
	if err != nil {
		return failed(err.Error())
	}
	t.brought += int64(len(data)/bytesPerToken) + 1
	if found.Control != winnow.ControlSystem {
		for _, sign := range llm.ScanText("tool."+call.Name, string(found.JSON)) {
			t.noteTaint(sign)
		}
	}
	return json.RawMessage(data)
}

func (t *talk) clean(found *llm.ToolResult) ([]byte, error) {
	if len(found.JSON) > maxResult {
		return nil, errors.New("the result is too large to be shown")
	}
	data, err := t.view.HideJSON(bytes.TrimSpace(found.JSON))
	if err != nil {
		return nil, errors.New("the tool's result is not JSON")
	}
	return data, nil
}

func (t *talk) tool(name string) llm.Tool {
	for _, tool := range t.m.o.Tools {
		if tool.Name() == name {
			return tool
		}
	}
	return nil
}
