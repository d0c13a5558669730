package rules

import "bytes"

// withoutTests returns a rule file with the lines of its tests made empty, so that everything else
// keeps its place. More than half of a good rule file is tests, and reading YAML is most of what
// the alert action does; the worker, which confirms every drop, reads them all.
//
// Only tests in block form at the place of a rule's own keys are found. Where the file is written
// in another way it is returned as it is, and merely read more slowly.
func withoutTests(data []byte) []byte {
	out := make([]byte, 0, len(data))
	s := testSkipper{key: -1}
	for line := range bytes.Lines(data) {
		if s.skip(line) {
			line = line[len(line)-1:] // the line break
		}
		out = append(out, line...)
	}
	return out
}

// testSkipper follows the indentation of a list of mappings. The text of a block scalar is
// indented further than the keys of its mapping, so it is never taken for a key.
type testSkipper struct {
	key     int // column of the keys of an item; -1 before it is known
	inTests bool
}

func (s *testSkipper) skip(line []byte) bool {
	text := bytes.TrimRight(line, "\r\n")
	trimmed := bytes.TrimLeft(text, " ")
	if len(trimmed) == 0 || !bytes.HasSuffix(line, []byte("\n")) {
		return false // an empty line, or one without a line break to keep
	}
	column := len(text) - len(trimmed)
	dash := bytes.HasPrefix(trimmed, []byte("- "))
	if s.key < 0 {
		if dash {
			s.key = column + len(trimmed) - len(bytes.TrimLeft(trimmed[1:], " "))
		}
		return false
	}
	if s.inTests {
		s.inTests = column > s.key || column == s.key && dash || trimmed[0] == '#'
		if s.inTests {
			return true
		}
	}
	s.inTests = column == s.key && bytes.Equal(bytes.TrimRight(trimmed, " "), []byte("tests:"))
	return s.inTests
}
