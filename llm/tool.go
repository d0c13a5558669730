package llm

import (
	"context"
	"encoding/json"

	"github.com/winnow-soc/winnow"
)

// Tool brings evidence to a model that asks for it. It only reads. Its arguments name fields of the
// alert and members of closed lists, never free values: code copies what is looked up from the
// alert, so that a model, or whoever writes to it, cannot choose where a question goes (G6, G7).
// Safe for concurrent use.
type Tool interface {
	// Name is snake_case and unique.
	Name() string
	// Description tells a model what the tool knows and when it helps.
	Description() string
	// Parameters is a JSON Schema within the strict subset (see llm/chat).
	Parameters() json.RawMessage
	// Run looks something up. The arguments are what a model wrote: an error about them is told to the
	// model as data; it ends nothing.
	Run(ctx context.Context, c *Case, args json.RawMessage) (ToolResult, error)
}

// ToolResult is what a tool found: data for the model to read, worded by whoever fills the source.
type ToolResult struct {
	JSON    []byte         // one JSON value, at most a few KiB
	Control winnow.Control // who can word it: text that an attacker can set is scanned for injection
}
