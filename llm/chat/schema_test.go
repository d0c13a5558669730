package chat

import (
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/llm"
)

var answerTypes = map[llm.Task]any{
	llm.TaskEnrich: llm.Enrichment{}, llm.TaskCorrelate: llm.Correlation{}, llm.TaskClassify: llm.Classification{},
	llm.TaskCorrelateClassify: llm.Judgement{}, llm.TaskVote: llm.Ballot{}, llm.TaskCoordinate: llm.Resolution{},
}

// The schema that a provider is given and the Go type that its answer is read into name the same
// keys, at every depth.
func TestSchemasAreStrictAndFitTheirTypes(t *testing.T) {
	for task, value := range answerTypes {
		s, err := SchemaOf(task)
		if err != nil {
			t.Fatal(err)
		}
		if err := CheckStrict(s.JSON); err != nil {
			t.Errorf("%s: %v", task, err)
		}
		var node map[string]any
		if err := json.Unmarshal(s.JSON, &node); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(keysOfType(reflect.TypeOf(value)), keysOfSchema("", node)); diff != "" {
			t.Errorf("%s: -type +schema:\n%s", task, diff)
		}
	}
}

func keysOfSchema(at string, node map[string]any) (keys []string) {
	if items, ok := node["items"].(map[string]any); ok {
		return keysOfSchema(at+"[]", items)
	}
	properties, _ := node["properties"].(map[string]any)
	for name, p := range properties {
		keys = append(keys, at+"."+name)
		keys = append(keys, keysOfSchema(at+"."+name, p.(map[string]any))...)
	}
	slices.Sort(keys)
	return keys
}

func keysOfType(typ reflect.Type) []string {
	keys := typeKeys("", typ)
	slices.Sort(keys)
	return keys
}

func typeKeys(at string, typ reflect.Type) (keys []string) {
	switch typ.Kind() {
	case reflect.Slice:
		return typeKeys(at+"[]", typ.Elem())
	case reflect.Struct:
		for f := range typ.Fields() {
			if f.Anonymous {
				keys = append(keys, typeKeys(at, f.Type)...)
				continue
			}
			name := at + "." + f.Tag.Get("json")
			keys = append(append(keys, name), typeKeys(name, f.Type)...)
		}
	}
	return keys
}

func TestOutsideTheStrictSubset(t *testing.T) {
	for schema, want := range map[string]string{
		`[]`:                                "not a JSON object",
		`{"type":"text"}`:                   "want one of the plain types",
		`{"type":["string","null"]}`:        "want one of the plain types",
		`{"type":"string","maxLength":3}`:   `"maxLength" is outside`,
		`{"type":"array"}`:                  "needs items",
		`{"$ref":"#"}`:                      "outside",
		`{"type":"object","properties":{}}`: "additionalProperties",
		`{"type":"object","properties":{"a":{"type":"string"}},"required":[],"additionalProperties":false}`: "0 of 1",
		`{"type":"object","properties":{"a":1},"required":["a"],"additionalProperties":false}`:              "$.a",
	} {
		if err := CheckStrict(json.RawMessage(schema)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", schema, err, want)
		}
	}
}
