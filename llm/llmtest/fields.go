package llmtest

import (
	"encoding/json"
	"strings"
)

// Fields finds the alert in a text: the largest JSON object with a key "fields", which holds either an
// object of field to value or values, or a list of objects with a name and values. Nil when there is none.
func Fields(text string) map[string][]string {
	var best json.RawMessage
	for at := 0; ; {
		i := strings.IndexByte(text[at:], '{')
		if i < 0 {
			break
		}
		at += i
		raw, fields := objectAt(text[at:])
		if raw == nil {
			at++
			continue
		}
		if len(fields) > len(best) {
			best = fields
		}
		at += len(raw)
	}
	return parseFields(best)
}

// objectAt returns the JSON object that a text begins with, and what its key "fields" holds.
func objectAt(text string) (raw, fields json.RawMessage) {
	dec := json.NewDecoder(strings.NewReader(text))
	if dec.Decode(&raw) != nil {
		return nil, nil
	}
	var doc struct {
		Fields json.RawMessage `json:"fields"`
		Alert  struct {
			Fields json.RawMessage `json:"fields"`
		} `json:"alert"`
	}
	if json.Unmarshal(raw, &doc) != nil {
		return raw, nil
	}
	if doc.Fields == nil {
		doc.Fields = doc.Alert.Fields
	}
	return raw, doc.Fields
}

func parseFields(raw json.RawMessage) map[string][]string {
	var object map[string]json.RawMessage
	if json.Unmarshal(raw, &object) == nil && object != nil {
		out := map[string][]string{}
		for name, value := range object {
			out[name] = values(value)
		}
		return out
	}
	var list []struct {
		Name   string          `json:"name"`
		Field  string          `json:"field"`
		Value  json.RawMessage `json:"value"`
		Values json.RawMessage `json:"values"`
	}
	if json.Unmarshal(raw, &list) != nil || len(list) == 0 {
		return nil
	}
	out := map[string][]string{}
	for _, f := range list {
		name := f.Name
		if name == "" {
			name = f.Field
		}
		out[name] = append(values(f.Values), values(f.Value)...)
	}
	return out
}

// values reads a text, or a list of texts; also that of an object's key "values".
func values(raw json.RawMessage) []string {
	var one string
	if json.Unmarshal(raw, &one) == nil && raw != nil {
		return []string{one}
	}
	var many []string
	if json.Unmarshal(raw, &many) == nil {
		return many
	}
	var object struct {
		Values []string `json:"values"`
	}
	if json.Unmarshal(raw, &object) == nil {
		return object.Values
	}
	return nil
}
