package llmtest

import (
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
)

// What both providers' strict modes take. Limits of length and number are in neither's common part.
var (
	strictKeywords = []string{"type", "properties", "required", "additionalProperties", "items", "enum", "const", "description", "anyOf"}
	plainTypes     = []string{"string", "integer", "number", "boolean", "null"}
	schemaName     = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,64}$`)
)

const (
	maxSchemaDepth = 10
	maxSchemaEnum  = 1000
)

// CheckSchema reports what keeps a schema out of the strict subset: every object forbids additional
// properties and requires all of its own, and there is no keyword that a provider refuses or ignores.
func CheckSchema(schema json.RawMessage) error {
	var node map[string]any
	if err := json.Unmarshal(schema, &node); err != nil {
		return fmt.Errorf("schema is not a JSON object: %w", err)
	}
	if node["type"] != "object" {
		return fmt.Errorf("schema is of type %v, want object", node["type"])
	}
	return checkNode("$", node, 1)
}

func checkNode(at string, node map[string]any, depth int) error {
	if depth > maxSchemaDepth {
		return fmt.Errorf("%s: nested deeper than %d levels", at, maxSchemaDepth)
	}
	for key := range node {
		if !slices.Contains(strictKeywords, key) {
			return fmt.Errorf("%s: %q is not permitted", at, key)
		}
	}
	if some, ok := node["anyOf"].([]any); ok {
		return checkEach(at+".anyOf", some, depth)
	}
	if err := checkEnum(at, node); err != nil {
		return err
	}
	switch t := node["type"].(type) {
	case string:
		return checkType(at, t, node, depth)
	case []any:
		for _, one := range t {
			name, _ := one.(string)
			if err := checkType(at, name, node, depth); err != nil {
				return err
			}
		}
		return nil
	}
	return fmt.Errorf("%s: has no type", at)
}

func checkEach(at string, nodes []any, depth int) error {
	for i, n := range nodes {
		sub, ok := n.(map[string]any)
		if !ok {
			return fmt.Errorf("%s[%d]: is not an object", at, i)
		}
		if err := checkNode(fmt.Sprintf("%s[%d]", at, i), sub, depth+1); err != nil {
			return err
		}
	}
	return nil
}

func checkEnum(at string, node map[string]any) error {
	enum, given := node["enum"]
	if !given {
		return nil
	}
	list, ok := enum.([]any)
	if !ok || len(list) == 0 || len(list) > maxSchemaEnum {
		return fmt.Errorf("%s: enum is not a list of 1 to %d values", at, maxSchemaEnum)
	}
	return nil
}

func checkType(at, name string, node map[string]any, depth int) error {
	switch {
	case slices.Contains(plainTypes, name):
		return nil
	case name == "array":
		items, ok := node["items"].(map[string]any)
		if !ok {
			return fmt.Errorf("%s: array schema missing items", at)
		}
		return checkNode(at+"[]", items, depth+1)
	case name == "object":
		return checkObject(at, node, depth)
	}
	return fmt.Errorf("%s: type %q is not a type", at, name)
}

func checkObject(at string, node map[string]any, depth int) error {
	if node["additionalProperties"] != false {
		return fmt.Errorf("%s: 'additionalProperties' is required to be supplied and to be false", at)
	}
	properties, _ := node["properties"].(map[string]any)
	required, _ := node["required"].([]any)
	if len(required) != len(properties) {
		return fmt.Errorf("%s: 'required' is required to be supplied and to be an array including every key in properties", at)
	}
	for name, p := range properties {
		sub, ok := p.(map[string]any)
		if !ok {
			return fmt.Errorf("%s.%s: is not an object", at, name)
		}
		if !slices.Contains(required, any(name)) {
			return fmt.Errorf("%s: 'required' misses %q", at, name)
		}
		if err := checkNode(at+"."+name, sub, depth+1); err != nil {
			return err
		}
	}
	return nil
}
