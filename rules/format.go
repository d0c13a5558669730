package rules

import (
	"reflect"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// Format returns a rule or escalate file in canonical form: the keys in the order of the
// documentation, two blanks of indentation, quotes only where they are needed, a blank line between
// rules. Comments stay, and so does the meaning: the result is read again and held against what it
// was made of. A file with errors is refused.
func Format(path string, data []byte, opts Options) ([]byte, error) {
	opts.Unproven = false
	before, errs := readMeaning(path, data, opts)
	if len(errs) > 0 {
		return nil, join(errs)
	}
	text := strings.ReplaceAll(strings.TrimPrefix(string(data), "\ufeff"), "\r\n", "\n")
	out, comments, err := format(text)
	if err != nil {
		return nil, &Error{File: path, Message: err.Error(), Hint: formatHint}
	}
	after, errs := readMeaning(path, []byte(out), opts)
	if len(errs) > 0 || !reflect.DeepEqual(before, after) {
		return nil, &Error{File: path, Message: "the canonical form would mean something else", Hint: formatHint}
	}
	_, kept, err := parseSource(out)
	if err != nil || !slices.Equal(sortedTexts(comments), sortedTexts(kept)) {
		return nil, &Error{File: path, Message: "the canonical form would lose a comment", Hint: formatHint}
	}
	return []byte(out), nil
}

const formatHint = "the file is left as it is; write the place in a plainer way"

func sortedTexts(comments []comment) (out []string) {
	for _, c := range comments {
		out = append(out, c.text)
	}
	slices.Sort(out)
	return out
}

// readMeaning reads a file, as what it is, without its places.
func readMeaning(path string, data []byte, opts Options) (meaning any, errs []*Error) {
	r := newReader(path, data, opts, map[string]Position{})
	root, ok := r.parse()
	if !ok {
		return nil, r.errs
	}
	r.errs = nil
	if root.Kind == yaml.MappingNode && len(root.Content) > 0 && root.Content[0].Value == "escalate" {
		entries := r.entries()
		for _, e := range entries {
			e.Pos, e.cond = Position{}, nil
			forgetPlaces(e.Tests)
		}
		return entries, r.errs
	}
	rules := r.read()
	for _, rule := range rules {
		rule.Pos, rule.cond = Position{}, nil
		forgetPlaces(rule.Tests)
	}
	return rules, r.errs
}

func forgetPlaces(tests []Test) {
	for i := range tests {
		tests[i].Pos = Position{}
	}
}

// format lays a good file out anew.
func format(text string) (out string, comments []comment, err error) {
	src, comments, err := parseSource(text)
	if err != nil {
		return "", nil, err
	}
	root := src.tree()
	src.attach(root, comments)
	p := &layouter{source: src, fits: map[string]bool{}}
	p.sort(root)
	p.kids(root, 0)
	return p.out.String(), comments, nil
}
