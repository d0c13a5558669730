package chat

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"slices"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/winnow-soc/winnow/llm"
)

// The schemas are written by hand within the subset that every provider's strict mode takes: objects
// with all properties required and no others, closed lists of words, no limits of length or number.
// Those are in the descriptions, and held by the guards of package llm.
//
//go:embed schemas/*.json
var schemaFiles embed.FS

// SchemaOf returns the schema of a task's answers.
func SchemaOf(task llm.Task) (*Schema, error) {
	data, err := schemaFiles.ReadFile("schemas/" + string(task) + ".json")
	if err != nil {
		return nil, fmt.Errorf("no schema for task %q", task)
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, data); err != nil {
		return nil, fmt.Errorf("schema of task %q: %w", task, err)
	}
	return &Schema{Name: string(task), JSON: compact.Bytes()}, nil
}

var compiled sync.Map // task to *jsonschema.Schema

func compile(s *Schema) (*jsonschema.Schema, error) {
	if known, ok := compiled.Load(s.Name); ok {
		return known.(*jsonschema.Schema), nil //nolint:forcetypeassert // nothing else is stored
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(s.JSON))
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(s.Name, doc); err != nil {
		return nil, err
	}
	out, err := c.Compile(s.Name)
	if err == nil {
		compiled.Store(s.Name, out)
	}
	return out, err
}

// validate holds an answer against its schema. Providers promise to; the promise is not trusted.
func (s *Schema) validate(answer []byte) error {
	schema, err := compile(s)
	if err != nil {
		return fmt.Errorf("schema %s: %w", s.Name, err)
	}
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(answer))
	if err != nil {
		return fmt.Errorf("not one JSON value: %w", err)
	}
	if err := schema.Validate(doc); err != nil {
		return fmt.Errorf("not of the schema %s: %w", s.Name, err)
	}
	return nil
}

// CheckStrict reports what keeps a schema out of the strict subset: anything but an object, array,
// string, integer, number or boolean; an object that does not require all of its properties or
// allows others; a keyword beside type, properties, required, additionalProperties, items, enum and
// description.
func CheckStrict(schema json.RawMessage) error {
	var node map[string]any
	if err := json.Unmarshal(schema, &node); err != nil {
		return fmt.Errorf("schema is not a JSON object: %w", err)
	}
	return checkStrict("$", node)
}

var strictKeywords = []string{"type", "properties", "required", "additionalProperties", "items", "enum", "description"}

func checkStrict(at string, node map[string]any) error {
	for key := range node {
		if !slices.Contains(strictKeywords, key) {
			return fmt.Errorf("%s: keyword %q is outside the strict subset", at, key)
		}
	}
	switch node["type"] {
	case "string", "integer", "number", "boolean":
		return nil
	case "array":
		items, ok := node["items"].(map[string]any)
		if !ok {
			return fmt.Errorf("%s: an array needs items", at)
		}
		return checkStrict(at+"[]", items)
	case "object":
		return checkStrictObject(at, node)
	}
	return fmt.Errorf("%s: type is %v, want one of the plain types", at, node["type"])
}

func checkStrictObject(at string, node map[string]any) error {
	if node["additionalProperties"] != false {
		return fmt.Errorf("%s: additionalProperties is not false", at)
	}
	properties, _ := node["properties"].(map[string]any)
	required, _ := node["required"].([]any)
	if len(required) != len(properties) {
		return fmt.Errorf("%s: %d of %d properties are required, want all", at, len(required), len(properties))
	}
	for name, p := range properties {
		sub, ok := p.(map[string]any)
		if !ok || !slices.Contains(required, any(name)) {
			return fmt.Errorf("%s.%s: not an object, or not required", at, name)
		}
		if err := checkStrict(at+"."+name, sub); err != nil {
			return err
		}
	}
	return nil
}
