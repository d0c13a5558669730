package chat

import (
	"bytes"
	"encoding/json"
	"errors"
)

// rewriteTexts replaces every text value in a JSON document by what f makes of it. Keys, numbers,
// order and repeated keys stay as they are, so that whoever checks the document sees all that was
// there.
func rewriteTexts(data []byte, f func(string) string) ([]byte, error) {
	if !json.Valid(data) {
		return nil, errors.New("not one JSON value")
	}
	var out bytes.Buffer
	for i := 0; i < len(data); i++ {
		if data[i] != '"' {
			out.WriteByte(data[i])
			continue
		}
		end := literalEnd(data, i)
		literal := data[i:end]
		if !isKey(data, end) {
			var err error
			if literal, err = rewriteText(literal, f); err != nil {
				return nil, err
			}
		}
		out.Write(literal)
		i = end - 1
	}
	return out.Bytes(), nil
}

func rewriteText(literal []byte, f func(string) string) ([]byte, error) {
	var text string
	if err := json.Unmarshal(literal, &text); err != nil {
		return nil, err
	}
	changed := f(text)
	if changed == text {
		return literal, nil
	}
	return json.Marshal(changed)
}

// literalEnd returns the index after the quote that ends the text that begins at i. The JSON is
// known to be valid.
func literalEnd(data []byte, i int) int {
	for i++; data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i + 1
}

func isKey(data []byte, i int) bool {
	rest := bytes.TrimLeft(data[i:], " \t\r\n")
	return len(rest) > 0 && rest[0] == ':'
}
