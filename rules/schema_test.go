package rules

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

func compileSchema(t *testing.T, text []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("schema.json", doc); err != nil {
		t.Fatal(err)
	}
	schema, err := c.Compile("schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

// asJSON is a YAML file as an editor's language server sees it: days are texts.
func asJSON(t *testing.T, text []byte) any {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var days func(n *yaml.Node)
	days = func(n *yaml.Node) {
		if n.Tag == "!!timestamp" {
			n.Tag = "!!str"
		}
		for _, kid := range n.Content {
			days(kid)
		}
	}
	days(&doc)
	var v any
	if err := doc.Decode(&v); err != nil {
		t.Fatal(err)
	}
	body, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out, err := jsonschema.UnmarshalJSON(bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// shippedFiles are the rule and escalate files of the repository.
func shippedFiles(t *testing.T) (files []string) {
	t.Helper()
	for _, pattern := range []string{"../packaging/demo/content/rules/*.yaml", "../testdata/ait/rules/*.yaml", "../packaging/app/default/escalate.yaml"} {
		found, err := filepath.Glob(pattern)
		if err != nil || len(found) == 0 {
			t.Fatalf("no files %s (%v)", pattern, err)
		}
		files = append(files, found...)
	}
	return files
}

var modeline = regexp.MustCompile(`\A# yaml-language-server: \$schema=(\S+)\n`)

// Every shipped file names a schema that is there, offline, that is what the program prints, and
// that finds nothing wrong with the file.
func TestShippedFilesFollowTheSchema(t *testing.T) {
	for _, file := range shippedFiles(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		m := modeline.FindSubmatch(text)
		if m == nil {
			t.Errorf("%s does not begin with the line of the language server", file)
			continue
		}
		want := Schema()
		if filepath.Base(file) == "escalate.yaml" {
			want = EscalateSchema()
		}
		got, err := os.ReadFile(filepath.Join(filepath.Dir(file), filepath.FromSlash(string(m[1]))))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s: %s is not what `winnow rules schema` prints", file, m[1])
		}
		if err := compileSchema(t, want).Validate(asJSON(t, text)); err != nil {
			t.Errorf("%s: %v", file, err)
		}
	}
}

// The app ships the schemas; with -update they are written there.
func TestShippedSchemas(t *testing.T) {
	for name, want := range map[string][]byte{"rules": Schema(), "escalate": EscalateSchema()} {
		path := filepath.Join("..", "packaging", "app", "default", "schema", name+".schema.json")
		if *update {
			write(t, path, string(want))
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not rules/%s.schema.json (%v)", path, name, err)
		}
	}
}

// The schemas name the keys that the readers know, and each key says what it means.
func TestSchemaHasEveryKey(t *testing.T) {
	type object struct {
		Description string
		Properties  map[string]json.RawMessage
		Required    []string
	}
	for _, test := range []struct {
		schema []byte
		def    string
		want   []string
	}{
		{Schema(), "rule", ruleKeys}, {Schema(), "window", windowKeys}, {Schema(), "test", testKeys},
		{EscalateSchema(), "entry", entryKeys}, {EscalateSchema(), "test", testKeys},
	} {
		var doc struct {
			Defs map[string]object `json:"$defs"`
		}
		if err := json.Unmarshal(test.schema, &doc); err != nil {
			t.Fatal(err)
		}
		var got []string
		for name, raw := range doc.Defs[test.def].Properties {
			got = append(got, name)
			var p struct {
				Description string
				Ref         string `json:"$ref"`
			}
			if err := json.Unmarshal(raw, &p); err != nil {
				t.Fatal(err)
			}
			if p.Description == "" && doc.Defs[strings.TrimPrefix(p.Ref, "#/$defs/")].Description == "" {
				t.Errorf("%s: %s has no description", test.def, name)
			}
		}
		want := slices.Clone(test.want)
		slices.Sort(want)
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: keys (-reader +schema):\n%s", test.def, diff)
		}
	}
}

const schemaRule = `rules:
  - id: vpn
    owner: detection@corp.example
    reason: known
    ticket: 1423
    expires: 2027-03-31
    search_name: [Travel, "Odd *"]
    when: event.user == "ann"
    window: {days: [sat, sun], from: "22:00", to: "24:00", tz: Europe/Berlin}
    canary: 2.5%
    tests:
      - {name: ann, alert: {user: [ann, null, 7], deep: {a: true}, severity: low, _time: 1795000000, alert.source: file}, want: drop}
      - {alert: {user: eve}, want: pass}
`

// What the readers refuse for its shape, the schema refuses.
func TestSchemaRefuses(t *testing.T) {
	schema := compileSchema(t, Schema())
	if err := schema.Validate(asJSON(t, []byte(schemaRule))); err != nil {
		t.Fatal(err)
	}
	loads := func(text string) error {
		path := filepath.Join(t.TempDir(), "r.yaml")
		write(t, path, text)
		_, err := Load(Options{Fields: smallTable(t), Now: fixedNow}, path)
		return err
	}
	if err := loads(schemaRule); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{"id: vpn", "id: VPN"}, {"id: vpn", "id: a--b"}, {"id: vpn", "idd: vpn"},
		{"    owner: detection@corp.example\n", ""}, {"owner: detection@corp.example", `owner: " "`}, {"owner: detection@corp.example", "owner: [a]"},
		{"    reason: known\n", ""}, {"expires: 2027-03-31", "expires: soon"}, {"expires: 2027-03-31", "expires: 2027-02-31"},
		{"search_name: [Travel, \"Odd *\"]", "search_name: []"}, {"search_name: [Travel, \"Odd *\"]", `search_name: "*"`},
		{"search_name: [Travel, \"Odd *\"]", "global: false"}, {"    when:", "    global: true\n    when:"}, {"    when:", "    global: maybe\n    when:"},
		{"    window:", "    mode: enforced\n    window:"}, {"    window:", "    max_severity: severe\n    window:"}, {"    window:", "    compare_fields: 1\n    window:"},
		{"[sat, sun]", "[saturday]"}, {"[sat, sun]", "[]"}, {`"22:00"`, `"24:00"`}, {`"22:00"`, `"7:00"`}, {`to: "24:00", `, ""}, {"tz:", "zone:"},
		{"canary: 2.5%", "canary: 2.5"}, {"canary: 2.5%", "canary: 101%"},
		{"want: pass", "want: drop"}, {"want: pass", "want: escalate"}, {", want: pass", ""}, {"alert: {user: eve}, ", ""}, {"alert: {user: eve}", "alert: 7"},
		{"severity: low", "severity: urgent"}, {"alert.source: file", "alert.source: mail"}, {"name: ann", "title: ann"},
		{"rules:", "rule:"}, {"when: event.user == \"ann\"", "when: ''"},
	} {
		text := strings.Replace(schemaRule, change[0], change[1], 1)
		if text == schemaRule {
			t.Fatalf("%q is not in the rule", change[0])
		}
		if loads(text) == nil {
			t.Errorf("%q for %q loads", change[1], change[0])
		}
		if schema.Validate(asJSON(t, []byte(text))) == nil {
			t.Errorf("%q for %q is let through", change[1], change[0])
		}
	}
}

func TestEscalateSchemaRefuses(t *testing.T) {
	const good = "escalate:\n  - id: a\n    when: event.user == \"ann\"\n    techniques: [T1003.001, T1098]\n" +
		"    tests: [{alert: {user: ann}, want: escalate}, {alert: {user: eve}, want: pass}]\n"
	schema := compileSchema(t, EscalateSchema())
	if err := schema.Validate(asJSON(t, []byte(good))); err != nil {
		t.Fatal(err)
	}
	for _, change := range [][2]string{
		{"T1098", "T109"}, {"want: escalate", "want: drop"}, {"want: pass", "want: escalate"}, {"id: a", "id: A"},
		{"    when: event.user == \"ann\"\n", ""}, {"techniques", "technique"}, {"escalate:", "rules:"},
	} {
		text := strings.Replace(good, change[0], change[1], 1)
		if text == good || schema.Validate(asJSON(t, []byte(text))) == nil {
			t.Errorf("%q for %q is let through", change[1], change[0])
		}
	}
}
