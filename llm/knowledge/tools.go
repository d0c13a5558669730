package knowledge

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
)

// ToolNames are the tools that look nowhere but here.
var ToolNames = []string{"asset", "identity", "lists", "threat_intel", "recent_alerts"}

// Tools returns the tools of these names. Each takes the name of a field of the alert: code copies the
// values, so a model cannot ask about anything else. An unknown name is an error.
func (s *Store) Tools(names ...string) ([]llm.Tool, error) {
	var out []llm.Tool
	for n, name := range names {
		if slices.Contains(names[:n], name) {
			return nil, fmt.Errorf("tool %q is named twice", name)
		}
		i := slices.IndexFunc(localTools, func(t localTool) bool { return t.name == name })
		if i < 0 {
			return nil, fmt.Errorf("there is no tool %q (want %s)", name, strings.Join(ToolNames, ", "))
		}
		t := localTools[i]
		t.store = s
		out = append(out, t)
	}
	return out, nil
}

// localTool looks the values of one field up.
type localTool struct {
	store    *Store
	name     string
	describe string
	control  winnow.Control // who words what it finds
	look     func(t *tables, c *llm.Case, field string) any
}

var localTools = []localTool{
	{
		name: "asset", describe: "Who owns the host in a field, and how much it matters, by the asset inventory.", control: winnow.ControlSystem,
		look: func(t *tables, c *llm.Case, field string) any {
			return lines(lookFields(c, llm.KnownAsset, []string{field}, t.assets.asset))
		},
	},
	{
		name: "identity", describe: "Whose account is in a field, its priority, category and whether it is watched, by the identity inventory.", control: winnow.ControlSystem,
		look: func(t *tables, c *llm.Case, field string) any {
			return lines(lookFields(c, llm.KnownIdentity, []string{field}, t.identities.identity))
		},
	},
	{
		name: "lists", describe: "Which of the deployment's value lists hold a value of a field, like known scanners or VPN exits.", control: winnow.ControlSystem,
		look: func(_ *tables, c *llm.Case, field string) any { return lines(lookLists(only(c, field))) },
	},
	{
		name: "threat_intel", describe: "What threat feeds, warning lists and the catalogue of exploited vulnerabilities say of the values of a field.", control: winnow.ControlAttacker,
		look: func(t *tables, c *llm.Case, field string) any { return lines(t.lookFeeds(only(c, field))) },
	},
	{
		name: "recent_alerts", describe: "What was decided in 30 days on alerts with the host or account in a field, and the newest of them.", control: winnow.ControlAttacker,
		look: func(_ *tables, c *llm.Case, field string) any { return past(c, field) },
	},
}

// only returns the case with one field, so that nothing else is looked at.
func only(c *llm.Case, field string) *llm.Case {
	alert := winnow.Alert{ID: c.Alert.ID, Fields: winnow.Fields{field: c.Alert.Fields[field]}}
	return &llm.Case{Alert: &alert, Fields: c.Fields, Lists: c.Lists}
}

// Name is the tool's name.
func (t localTool) Name() string { return t.name }

// Description says what it knows.
func (t localTool) Description() string { return t.describe }

// Parameters takes the name of one field.
func (localTool) Parameters() json.RawMessage { return fieldParameters }

var fieldParameters = json.RawMessage(`{"type":"object","properties":{"field":{"type":"string","description":"name of a field of the alert"}},"required":["field"],"additionalProperties":false}`)

// Run looks the field's values up.
func (t localTool) Run(_ context.Context, c *llm.Case, args json.RawMessage) (llm.ToolResult, error) {
	field, err := fieldOf(c, args)
	if err != nil {
		return llm.ToolResult{}, err
	}
	return result(t.look(t.store.now.Load(), c, field), t.control)
}

// fieldOf reads the one argument: the name of a field that the alert has.
func fieldOf(c *llm.Case, args json.RawMessage) (string, error) {
	var a struct {
		Field string `json:"field"`
	}
	dec := json.NewDecoder(bytes.NewReader(args))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&a); err != nil {
		return "", errors.New(`the arguments are not {"field": "NAME"}`)
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return "", errors.New("something follows the arguments")
	}
	if len(c.Alert.Fields[a.Field]) == 0 {
		return "", fmt.Errorf("the alert has no field %.60q", a.Field)
	}
	return a.Field, nil
}

// maxResult bounds what one tool tells, in bytes.
const maxResult = 4 << 10

// result writes what was found. What does not fit is left out from the end, and said.
func result(found any, control winnow.Control) (llm.ToolResult, error) {
	text, err := json.Marshal(map[string]any{"found": found})
	if err != nil {
		return llm.ToolResult{}, err
	}
	if list, ok := found.([]line); ok {
		for n := len(list); len(text) > maxResult && n > 0; {
			n--
			if text, err = json.Marshal(map[string]any{"found": list[:n], "left_out": len(list) - n}); err != nil {
				return llm.ToolResult{}, err
			}
		}
	}
	return llm.ToolResult{JSON: text, Control: control}, nil
}

// line is one thing found, as a model reads it.
type line struct {
	Source string            `json:"source"`
	Value  string            `json:"value"`
	Data   map[string]string `json:"data"`
}

func lines(known []llm.Known) []line {
	out := []line{}
	for _, k := range known {
		data := make(map[string]string, len(k.Data))
		for key, text := range k.Data {
			data[key] = short(text)
		}
		out = append(out, line{k.Source, short(k.Value), data})
	}
	return out
}

// past tells what was decided on alerts with the values of a field.
func past(c *llm.Case, field string) []line {
	out := []line{}
	for _, p := range c.Past {
		if p.Field != field && !slices.Contains(c.Alert.Fields[field], p.Value) {
			continue
		}
		for _, n := range p.Counts {
			out = append(out, line{"count", short(p.Value), map[string]string{
				"alerts": fmt.Sprint(n.Alerts), "disposition": n.Disposition.String(), "verdict_of": string(n.Source), "state": string(n.State),
			}})
		}
		for _, a := range p.Recent {
			out = append(out, line{"alert", short(p.Value), map[string]string{
				"id": a.ID, "search": short(a.Search), "received": a.Received.UTC().Format(time.RFC3339), "severity": a.Severity.String(),
				"disposition": a.Disposition.String(), "verdict_of": string(a.Source), "state": string(a.State),
			}})
		}
	}
	return out
}
