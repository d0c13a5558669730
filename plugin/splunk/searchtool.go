package splunk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/conf"
)

// SearchTool lets models ask for one saved search about an alert. It takes no arguments: what is
// searched is the template, and the values are the alert's. It is safe for concurrent use.
type SearchTool struct {
	name     string
	conf     conf.SearchTool
	template template
	client   func() (*Client, error)
	slots    chan struct{} // searches that run at a time
}

// searchesAtOnce bounds how many searches of one tool run at a time: Splunk has a quota of them.
const searchesAtOnce = 4

// NewSearchTool checks the template. client is asked for each search, so that a tool is there before its
// credentials are; it must be safe for concurrent use.
func NewSearchTool(name string, c conf.SearchTool, client func() (*Client, error)) (*SearchTool, error) {
	t, err := parseTemplate(c.Spl)
	if err != nil {
		return nil, fmt.Errorf("spl: %w", err)
	}
	return &SearchTool{name: name, conf: c, template: t, client: client, slots: make(chan struct{}, searchesAtOnce)}, nil
}

// Name is the name of the stanza.
func (s *SearchTool) Name() string { return s.name }

// Description says what the search tells, as the stanza does.
func (s *SearchTool) Description() string { return s.conf.Description }

// Parameters takes nothing.
func (*SearchTool) Parameters() json.RawMessage { return noParameters }

var noParameters = json.RawMessage(`{"type":"object","properties":{},"required":[],"additionalProperties":false}`)

// Run searches. Errors hold neither values of the alert nor what Splunk says of them.
func (s *SearchTool) Run(ctx context.Context, c *llm.Case, args json.RawMessage) (llm.ToolResult, error) {
	if a := bytes.Join(bytes.Fields(args), nil); len(a) > 0 && string(a) != "{}" {
		return llm.ToolResult{}, errors.New("this look-up takes no arguments: {}")
	}
	spl, err := s.template.fill(c.Alert.Fields)
	if err != nil {
		return llm.ToolResult{}, err
	}
	at := c.Alert.Time
	if at.IsZero() {
		at = c.Alert.Received
	}
	if at.IsZero() {
		return llm.ToolResult{}, errors.New("the alert has no time to search around")
	}
	ctx, cancel := context.WithTimeout(ctx, s.conf.Timeout)
	defer cancel()
	// One row more than is told says that there are more.
	rows, err := s.search(ctx, fmt.Sprintf("%s | head %d", spl, s.conf.MaxRows+1), at)
	if err != nil {
		return llm.ToolResult{}, err
	}
	return s.result(rows)
}

func (s *SearchTool) search(ctx context.Context, spl string, at time.Time) ([]Row, error) {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, errors.New("too many searches are running")
	}
	client, err := s.client()
	if err != nil {
		return nil, errors.New("there is no connection to Splunk")
	}
	rows, err := client.Search(ctx, spl, at.Add(s.conf.Earliest), at.Add(s.conf.Latest))
	if err == nil {
		return rows, nil
	}
	if e, ok := errors.AsType[*Error](err); ok && ctx.Err() == nil {
		return nil, fmt.Errorf("the search failed (%s)", e.Code)
	}
	return nil, errors.New("the search took too long")
}

// What one search tells: bytes in all, and of one text.
const (
	maxToolResult = 4 << 10
	maxCell       = 200
	maxCells      = 20 // values of one field
)

// result writes rows. What does not fit is left out from the end, and said.
func (s *SearchTool) result(rows []Row) (llm.ToolResult, error) {
	more := len(rows) > s.conf.MaxRows
	told := make([]map[string]any, 0, len(rows))
	for _, row := range rows[:min(len(rows), s.conf.MaxRows)] {
		told = append(told, tellRow(row))
	}
	for n := len(told); ; n-- {
		answer := map[string]any{"rows": told[:n]}
		if more || n < len(told) {
			answer["more"] = true
		}
		text, err := json.Marshal(answer)
		if err != nil {
			return llm.ToolResult{}, errors.New("the rows cannot be written as JSON")
		}
		if len(text) <= maxToolResult || n == 0 {
			return llm.ToolResult{JSON: text, Control: winnow.ControlAttacker}, nil
		}
	}
}

func tellRow(row Row) map[string]any {
	out := make(map[string]any, len(row))
	for field, values := range row {
		var all []string
		for _, v := range values[:min(len(values), maxCells)] {
			all = append(all, cut(strings.ToValidUTF8(v, "\ufffd"), maxCell))
		}
		name := cut(strings.ToValidUTF8(field, "\ufffd"), maxCell)
		if out[name] = all; len(all) == 1 {
			out[name] = all[0]
		}
	}
	return out
}
