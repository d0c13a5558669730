package knowledge

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
)

func toolCase() *llm.Case {
	c := caseOf(winnow.Fields{"src": {"203.0.113.9"}, "dest": {"dc01"}, "user": {"CORP\\ann"}, "other": {"10.8.0.4"}})
	c.Lists = namedLists{"vpn_egress": {"10.8.0.4"}}
	c.Past = []llm.Past{{
		Field: "user", Value: "CORP\\ann", Looked: 1,
		Counts: []llm.PastCount{{Disposition: winnow.BenignPositive, Source: winnow.SourcePerson, State: winnow.StateClosed, Alerts: 1}},
		Recent: []llm.PastAlert{{ID: "01OLD", Search: "Odd", Received: time.Unix(0, 0), State: winnow.StateClosed}},
	}}
	return c
}

func runTool(t *testing.T, name, args string, c *llm.Case) (llm.ToolResult, error) {
	t.Helper()
	tools, err := shipped(t).Tools(name)
	if err != nil {
		t.Fatal(err)
	}
	return tools[0].Run(t.Context(), c, json.RawMessage(args))
}

func TestTools(t *testing.T) {
	for _, row := range []struct {
		tool, field, want string
		control           winnow.Control
	}{
		{"asset", "dest", `"owner":"pat"`, winnow.ControlSystem},
		{"identity", "user", `"name":"Dr Ann Example"`, winnow.ControlSystem},
		{"lists", "other", `"lists":"vpn_egress"`, winnow.ControlSystem},
		{"threat_intel", "src", `"feed":"ThreatFox"`, winnow.ControlAttacker},
		{"threat_intel", "dest", `{"found":[]}`, winnow.ControlAttacker},
		{"recent_alerts", "user", `"id":"01OLD"`, winnow.ControlAttacker},
		{"recent_alerts", "src", `{"found":[]}`, winnow.ControlAttacker},
	} {
		got, err := runTool(t, row.tool, fmt.Sprintf(`{"field":%q}`, row.field), toolCase())
		if err != nil || !strings.Contains(string(got.JSON), row.want) || got.Control != row.control || !json.Valid(got.JSON) {
			t.Errorf("%s(%s): %s, %s, %v; want %s, %s", row.tool, row.field, got.JSON, got.Control, err, row.want, row.control)
		}
	}
	if _, err := shipped(t).Tools("shell"); err == nil {
		t.Error("there is a shell")
	}
}

// A model names a field; it cannot bring a value of its own.
func TestToolArguments(t *testing.T) {
	for _, args := range []string{
		``, `null`, `{}`, `[]`, `"src"`, `{"field":""}`, `{"field":"nope"}`, `{"field":["src"]}`, `{"field":"src","value":"198.51.100.1"}`, `{"field":"src"}{"field":"dest"}`, `{"field":"203.0.113.9"}`,
	} {
		for _, name := range ToolNames {
			if got, err := runTool(t, name, args, toolCase()); err == nil {
				t.Errorf("%s took %s: %s", name, args, got.JSON)
			}
		}
	}
}

func TestToolResultsAreSmall(t *testing.T) {
	c := toolCase()
	for i := range 500 {
		c.Past[0].Recent = append(c.Past[0].Recent, llm.PastAlert{ID: fmt.Sprint(i), Search: strings.Repeat("é\n", 5000)})
	}
	got, err := runTool(t, "recent_alerts", `{"field":"user"}`, c)
	if err != nil || len(got.JSON) > maxResult || !json.Valid(got.JSON) || !strings.Contains(string(got.JSON), `"left_out":`) {
		t.Errorf("%d bytes, %v", len(got.JSON), err)
	}
}
