package llm

import (
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// eachKey hands the values of a mapping to the reader of their key. Unknown keys, keys written
// twice and aliases are errors.
func eachKey(n *yaml.Node, what string, readers map[string]func(*yaml.Node) error) error {
	if n.Kind != yaml.MappingNode {
		return at(n, "%s is not a mapping", what)
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		read, ok := readers[key.Value]
		if !ok {
			want := strings.Join(slices.Sorted(maps.Keys(readers)), ", ")
			return at(key, "unknown key %q in %s (want %s)", key.Value, what, want)
		}
		if seen[key.Value] {
			return at(key, "key %q is written twice in %s", key.Value, what)
		}
		seen[key.Value] = true
		if err := read(value); err != nil {
			return err
		}
	}
	return nil
}

func eachItem(n *yaml.Node, what string, read func(*yaml.Node) error) error {
	if n.Kind != yaml.SequenceNode {
		return at(n, "%s is not a list", what)
	}
	for _, item := range n.Content {
		if err := read(item); err != nil {
			return err
		}
	}
	return nil
}

func scalar(into *string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if n.Kind != yaml.ScalarNode || n.Value == "" {
			return at(n, "want a text that is not empty")
		}
		*into = n.Value
		return nil
	}
}

// texts reads a text or a list of texts.
func texts(into *[]string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		items := []*yaml.Node{n}
		if n.Kind == yaml.SequenceNode {
			items = n.Content
		}
		for _, item := range items {
			var s string
			if err := scalar(&s)(item); err != nil {
				return err
			}
			*into = append(*into, s)
		}
		return nil
	}
}

func lowerTexts(into *[]string) func(*yaml.Node) error {
	return func(n *yaml.Node) error {
		if err := texts(into)(n); err != nil {
			return err
		}
		for i, s := range *into {
			(*into)[i] = strings.ToLower(s)
		}
		return nil
	}
}
