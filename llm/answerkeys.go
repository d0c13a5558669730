package llm

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
)

const maxAnswerDepth = 8

// checkKeys refuses what encoding/json would let pass: a key written twice (the last one wins
// there), a key in other letter case, and text after the object. The first would let an answer
// say one thing to a reader and another to the decoder.
func checkKeys(data []byte) error {
	if !json.Valid(data) {
		return errors.New("not one JSON value")
	}
	var open [][]string // keys seen of each open object; nil of each open list
	for i := 0; i < len(data); i++ {
		switch data[i] {
		case '{', '[':
			if len(open) == maxAnswerDepth {
				return fmt.Errorf("nested deeper than %d levels", maxAnswerDepth)
			}
			open = append(open, nil)
		case '}', ']':
			open = open[:len(open)-1]
		case '"':
			end := textEnd(data, i+1)
			if followedByColon(data, end+1) {
				if err := addKey(&open[len(open)-1], string(data[i+1:end])); err != nil {
					return err
				}
			}
			i = end
		}
	}
	return nil
}

func addKey(seen *[]string, key string) error {
	if strings.ContainsFunc(key, func(r rune) bool { return r != '_' && (r < 'a' || r > 'z') }) {
		return fmt.Errorf("unknown key %.40q", key)
	}
	if slices.Contains(*seen, key) {
		return fmt.Errorf("key %.40q is written twice", key)
	}
	*seen = append(*seen, key)
	return nil
}

// textEnd returns the index of the quote that ends a text. The JSON is known to be valid.
func textEnd(data []byte, i int) int {
	for data[i] != '"' {
		if data[i] == '\\' {
			i++
		}
		i++
	}
	return i
}

func followedByColon(data []byte, i int) bool {
	for ; i < len(data); i++ {
		switch data[i] {
		case ' ', '\t', '\n', '\r':
		default:
			return data[i] == ':'
		}
	}
	return false
}
