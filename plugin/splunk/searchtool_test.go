package splunk

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

func TestTemplateRefuses(t *testing.T) {
	for spl, want := range map[string]string{
		``:                                     "a command is missing",
		`index=proxy src="$src$"`:              `"index" may do more`,
		`stats count`:                          "begin with",
		`search index=proxy`:                   "no field of the alert",
		`search index=proxy src=$src$`:         "outside of double quotes",
		`search src='$src$'`:                   "single quotes",
		`search src='"' $src$ '"'`:             "single quotes",
		`search a='b src="$src$"`:              "not closed",
		`search src="$src$`:                    "not closed",
		`search src="$src$" x=$`:               "a $ stands outside",
		`search src="\$src$"`:                  "a backslash",
		`search \"$src$\"`:                     "a backslash stands outside",
		`search src="$src$" "\`:                "a backslash",
		`search index="$index$"`:               "would choose the index",
		`search EARLIEST = "$src$"`:            "would choose the EARLIEST",
		`search "$src$"`:                       "not compared",
		`search src IN ("$src$")`:              "not compared",
		`search a=1 | rex "$src$"`:             "not compared",
		`search a=1 | eval x="$src$"`:          "not compared",
		`search a=1 | where match(a, "$src$")`: "not compared",
		"search `m` src=\"$src$\"":             "a macro",
		"search src=\"$src$\" a=\"`m`\"":       "a macro",
		"search src=\"$src$\" \x00":            "a control character",
		`search src="$src$" ||stats count`:     "a command is missing",
		`search src="$src$" |`:                 "a command is missing",
		`search src="$src$" [inputlookup x`:    "not closed",
		`search src="$src$" ]`:                 "not opened",
		`search src="$src$" [|delete]`:         `"delete"`,
		`search src="$src$" [[search a]]`:      "a command is missing",
		`search ` + strings.Repeat("x", 9000):  "8 KiB",
	} {
		if _, err := parseTemplate(spl); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60s: %v, want %s", spl, err, want)
		}
	}
	for command := range strings.FieldsSeq("delete collect outputlookup outputcsv sendemail map script run rest savedsearch dbxquery sendalert " +
		"mcollect meventcollect tscollect summaryindex loadjob from multisearch foreach crawl dump custom") {
		for _, form := range []string{`search src="$src$" | %s x`, `search src="$src$" |%s`, `| %s src="$src$"`, `search src="$src$" [ | %s x ]`, `search src="$src$"` + "\n|\n%s x"} {
			if _, err := parseTemplate(fmt.Sprintf(form, strings.ToUpper(command))); err == nil || !strings.Contains(err.Error(), command) {
				t.Errorf(form+": %v", command, err)
			}
		}
	}
}

func TestTemplateFills(t *testing.T) {
	one := func(v string) winnow.Fields { return winnow.Fields{"src": {v}, "x.y": {"z"}} }
	for _, tt := range []struct{ spl, value, want string }{
		{`search index=proxy src="$src$" | stats count by dest`, "10.0.0.1", `search index=proxy src="10.0.0.1" | stats count by dest`},
		{`| tstats count where All.src="$src$" by All.dest`, "a b", `| tstats count where All.src="a b" by All.dest`},
		{`search a="C:\\$src$\\*" b!="$x.y$" c="5$ $"`, "u", `search a="C:\\u\\*" b!="z" c="5$ $"`},
		{`search a="$src$" NOT [| inputlookup 'x y' | fields a] | where 'b c'=1`, "$x.y$", `search a="$x.y$" NOT [| inputlookup 'x y' | fields a] | where 'b c'=1`},
		{`search a="$src$"`, `x" | delete`, `search a="x\" | delete"`},
		{`search a="$src$"`, `x\`, `search a="x\\"`},
		{`search a="$src$"`, `\" | delete "`, `search a="\\\" | delete \""`},
		{`search a="$src$"`, `[ search index=* ]`, ""},
		{`search a="$src$"`, `[search index=_audit | head 1]`, `search a="[search index=_audit | head 1]"`},
		{`search a="$src$"`, "`m`", ""}, {`search a="$src$"`, "*", ""}, {`search a="$src$"`, "a\n| delete", ""},
		{`search a="$src$"`, "0.0.0.0/0", ""}, {`search a="$src$"`, "", ""}, {`search a="$src$"`, "\xff", ""},
		{`search a="$src$"`, strings.Repeat("x", 1025), ""}, {`search a="$none$"`, "x", ""},
	} {
		tpl, err := parseTemplate(tt.spl)
		if err != nil {
			t.Errorf("%s: %v", tt.spl, err)
			continue
		}
		got, err := tpl.fill(one(tt.value))
		if got != tt.want || (err == nil) != (tt.want != "") {
			t.Errorf("%s of %.20q = %s, %v", tt.spl, tt.value, got, err)
		}
		if err != nil && len(tt.value) > 3 && strings.Contains(err.Error(), tt.value) {
			t.Errorf("%v holds the value", err)
		}
	}
	tpl, _ := parseTemplate(`search a="$src$"`)
	if _, err := tpl.fill(winnow.Fields{"src": {"a", "b"}}); err == nil {
		t.Error("of two values one was searched for")
	}
}

// skeleton is a search without what is in its quotes.
func skeleton(spl string) string {
	var b strings.Builder
	for rest := spl; ; {
		before, after, found := strings.Cut(rest, `"`)
		b.WriteString(before)
		if !found {
			return b.String()
		}
		_, ended := unquote(after)
		if !ended {
			return b.String() + "<open>"
		}
		n := 0
		for after[n] != '"' {
			if after[n] == '\\' {
				n++
			}
			n++
		}
		b.WriteString(`""`)
		rest = after[n+1:]
	}
}

// FuzzTemplate: no value changes what is outside of quotes, whatever the template.
func FuzzTemplate(f *testing.F) {
	for _, value := range []string{"a", `"`, `\`, `\"`, `" | delete "`, "[search]", "$src$", "'"} {
		f.Add(`search index=a b="x\\$src$" 'c d'=1 [| inputlookup e] | where f="\"$src$\""`, value)
		f.Add(`search a='"' b="$src$"`, value)
	}
	f.Fuzz(func(t *testing.T, spl, value string) {
		tpl, err := parseTemplate(spl)
		if err != nil {
			return
		}
		fields := winnow.Fields{}
		for _, name := range tpl.fields {
			fields[name] = []string{value}
		}
		filled, err := tpl.fill(fields)
		if err != nil {
			return
		}
		if got, want := skeleton(filled), skeleton(strings.TrimSpace(spl)); got != want || strings.Contains(got, "<open>") {
			t.Fatalf("%q of %q became %q", spl, value, filled)
		}
	})
}

const toolSPL = `search index=notable src="$src$" | table src, dest`

func newTool(t *testing.T, s *splunktest.Server, spl string, rows int, client func() (*Client, error)) *SearchTool {
	t.Helper()
	if client == nil {
		c := newClient(t, s)
		client = func() (*Client, error) { return c, nil }
	}
	tool, err := NewSearchTool("proxy", conf.SearchTool{
		Spl: spl, Description: "d", Earliest: -24 * time.Hour, Latest: time.Hour, MaxRows: rows, Timeout: 20 * time.Second,
	}, client)
	if err != nil {
		t.Fatal(err)
	}
	return tool
}

func toolCase(src ...string) *llm.Case {
	return &llm.Case{Alert: &winnow.Alert{ID: "a", Time: testNow, Fields: winnow.Fields{"src": src}}}
}

func TestSearchTool(t *testing.T) {
	s := newServer(t, splunktest.Options{})
	for i, src := range []string{"10.0.0.1", "10.0.0.1", "10.0.0.1", "10.0.0.2", `x" OR src="10.0.0.2`} {
		s.AddNotable("S", "sid", fmt.Sprint(i), map[string]string{"src": src, "dest": fmt.Sprintf("d%d%s", i, strings.Repeat("é", i*100))})
	}
	tool := newTool(t, s, toolSPL, 2, nil)
	for src, want := range map[string]int{"10.0.0.1": 2, "10.0.0.2": 1, `x" OR src="10.0.0.2`: 1, "10.0.0.9": 0} {
		got, err := tool.Run(t.Context(), toolCase(src), json.RawMessage(` { } `))
		if err != nil {
			t.Fatal(err)
		}
		var told struct {
			Rows []map[string]string
			More bool
		}
		if err := json.Unmarshal(got.JSON, &told); err != nil {
			t.Fatal(err)
		}
		if len(told.Rows) != want || told.More != (src == "10.0.0.1") || got.Control != winnow.ControlAttacker {
			t.Errorf("%s: %s, %v", src, got.JSON, got.Control)
		}
		for _, row := range told.Rows {
			if row["src"] != src || len(row["dest"]) > maxCell {
				t.Errorf("%s: %v", src, row)
			}
		}
	}
	r := s.Requests()[0].Form
	from, to := epoch(testNow.Add(-24*time.Hour)), epoch(testNow.Add(time.Hour))
	if r.Get("earliest_time") != from || r.Get("latest_time") != to || !strings.HasSuffix(r.Get("search"), "| head 3") {
		t.Errorf("asked %v", r)
	}
	if tool.Name() != "proxy" || tool.Description() != "d" || !json.Valid(tool.Parameters()) {
		t.Error("the tool says other things of itself")
	}
}

func TestSearchToolFails(t *testing.T) {
	s := newServer(t, splunktest.Options{})
	tool := newTool(t, s, toolSPL, 2, nil)
	none := toolCase("secret")
	none.Alert.Time = time.Time{}
	for _, tt := range []struct {
		tool *SearchTool
		c    *llm.Case
		args string
		want string
	}{
		{tool, toolCase("secret"), `{"spl":"x"}`, "no arguments"},
		{tool, toolCase("secret"), `[]`, "no arguments"},
		{tool, toolCase("secret", "b"), `{}`, "2 values of src"},
		{tool, toolCase(), `{}`, "0 values of src"},
		{tool, toolCase("secret*"), `{}`, "wildcard"},
		{tool, none, `{}`, "no time"},
		{newTool(t, s, `search index=notable src="$src$" | stats count`, 2, nil), toolCase("secret"), `{}`, "the search failed (refused)"},
		{newTool(t, s, toolSPL, 2, func() (*Client, error) { return nil, errors.New("secret") }), toolCase("a"), `{}`, "no connection"},
	} {
		_, err := tt.tool.Run(t.Context(), tt.c, json.RawMessage(tt.args))
		if err == nil || !strings.Contains(err.Error(), tt.want) || strings.Contains(err.Error(), "secret") {
			t.Errorf("%v, want %s", err, tt.want)
		}
	}
	if n := len(s.Requests()); n != 1 {
		t.Errorf("%d requests, want that of the search which Splunk refused", n)
	}
	s.Fail(splunktest.Fault{Status: http.StatusInternalServerError, Body: "secret"})
	if _, err := tool.Run(t.Context(), toolCase("a"), nil); err == nil || strings.Contains(err.Error(), "secret") {
		t.Errorf("error is %v", err)
	}
	s.Heal()
	s.Fail(splunktest.Fault{Delay: time.Hour})
	tool.conf.Timeout = 50 * time.Millisecond
	if _, err := tool.Run(t.Context(), toolCase("a"), nil); err == nil || err.Error() != "the search took too long" {
		t.Errorf("error is %v", err)
	}
	for range searchesAtOnce {
		tool.slots <- struct{}{}
	}
	if _, err := tool.Run(t.Context(), toolCase("a"), nil); err == nil || err.Error() != "too many searches are running" {
		t.Errorf("error is %v", err)
	}
	if _, err := NewSearchTool("x", conf.SearchTool{Spl: "| delete"}, nil); err == nil {
		t.Error("a deleting search was taken")
	}
}

func TestSearchToolCuts(t *testing.T) {
	tool := &SearchTool{conf: conf.SearchTool{MaxRows: 1000}}
	rows := make([]Row, 1000)
	for i := range rows {
		rows[i] = Row{"a": {fmt.Sprint(i), "\xff"}, "b": {strings.Repeat("x", 5000)}, "c": {}}
	}
	got, err := tool.result(rows)
	if err != nil || len(got.JSON) > maxToolResult || !strings.Contains(string(got.JSON), `"more":true`) {
		t.Errorf("%d bytes, %v", len(got.JSON), err)
	}
	got, err = tool.result(nil)
	if diff := cmp.Diff(`{"rows":[]}`, string(got.JSON)); diff != "" || err != nil {
		t.Error(diff, err)
	}
	wide := Row{}
	for i := range 100 {
		wide[fmt.Sprint(i)] = []string{strings.Repeat("x", 5000)}
	}
	got, err = tool.result([]Row{wide})
	if diff := cmp.Diff(`{"more":true,"rows":[]}`, string(got.JSON)); diff != "" || err != nil {
		t.Error(diff, err)
	}
}
