package anthropic

import (
	"bytes"
	"encoding/json"
)

// unsupported are the keywords that the provider refuses a schema for. Answers are held to them all the
// same, by winnow itself.
var unsupported = map[string]bool{
	"minimum": true, "maximum": true, "exclusiveMinimum": true, "exclusiveMaximum": true, "multipleOf": true,
	"minLength": true, "maxLength": true, "minItems": true, "maxItems": true, "uniqueItems": true,
	"minProperties": true, "maxProperties": true,
}

// supported takes out of a schema what the provider does not know, and keeps the order of the rest.
func supported(schema json.RawMessage) (json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(schema))
	dec.UseNumber()
	var out bytes.Buffer
	if err := copyValue(dec, &out, true); err != nil || !json.Valid(out.Bytes()) {
		return nil, badRequest()
	}
	return out.Bytes(), nil
}

// copyValue copies the next value. In a schema, members are keywords; in a map of schemas, like that
// of properties, they are names.
func copyValue(dec *json.Decoder, out *bytes.Buffer, isSchema bool) error {
	token, err := dec.Token()
	if err != nil {
		return err
	}
	delim, ok := token.(json.Delim)
	if !ok {
		return write(out, token)
	}
	out.WriteString(delim.String())
	comma := ""
	for dec.More() {
		var member bytes.Buffer
		keep := true
		if delim == '{' {
			keep, err = copyMember(dec, &member, isSchema)
		} else {
			err = copyValue(dec, &member, isSchema)
		}
		if err != nil {
			return err
		}
		if keep {
			out.WriteString(comma)
			out.Write(member.Bytes())
			comma = ","
		}
	}
	out.WriteByte(map[json.Delim]byte{'{': '}', '[': ']'}[delim])
	_, err = dec.Token()
	return err
}

func copyMember(dec *json.Decoder, out *bytes.Buffer, isSchema bool) (keep bool, err error) {
	token, err := dec.Token()
	if err != nil {
		return false, err
	}
	key, _ := token.(string)
	if err := write(out, key); err != nil {
		return false, err
	}
	out.WriteByte(':')
	names := isSchema && (key == "properties" || key == "$defs" || key == "definitions")
	return !isSchema || !unsupported[key], copyValue(dec, out, !names)
}

func write(out *bytes.Buffer, v any) error {
	text, err := json.Marshal(v)
	out.Write(text)
	return err
}
