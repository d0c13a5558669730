package alertaction

import (
	"bytes"
	"strconv"
)

// Redacted returns a payload that could not be parsed with whatever follows the words session_key
// taken out, in JSON, in JSON inside of texts, and in XML: good for keeping what came, not for
// reading it. In doubt it takes out more.
func Redacted(data []byte) []byte {
	data = plainNames(data)
	lower := asciiLower(data)
	var out []byte
	for {
		i := bytes.Index(lower, []byte("session"))
		if i < 0 {
			return append(out, data...)
		}
		element := i > 0 && lower[i-1] == '<'
		i += len("session")
		end := i + secretAfter(lower[i:], element)
		out = append(out, data[:i]...)
		if end > i {
			out = append(out, withheld...)
		}
		data, lower = data[end:], lower[end:]
	}
}

// plainNames writes the letters that JSON text has escaped (\u0069) as they are, at any level of
// JSON in text, so that no name hides.
func plainNames(data []byte) []byte {
	mark := []byte(`\u00`)
	if !bytes.Contains(data, mark) {
		return data
	}
	var out []byte
	for {
		i := bytes.Index(data, mark)
		if i < 0 || len(data) < i+6 {
			return append(out, data...)
		}
		c, err := strconv.ParseUint(string(data[i+4:i+6]), 16, 8)
		if err != nil || !inName(byte(c)) {
			out, data = append(out, data[:i+4]...), data[i+4:]
			continue
		}
		out = append(append(out, bytes.TrimRight(data[:i], `\`)...), byte(c))
		data = data[i+6:]
	}
}

func inName(c byte) bool {
	return c == '_' || c == '-' || 'a' <= c|0x20 && c|0x20 <= 'z'
}

// asciiLower keeps the length, unlike bytes.ToLower.
func asciiLower(data []byte) []byte {
	lower := bytes.Clone(data)
	for i, c := range lower {
		if 'A' <= c && c <= 'Z' {
			lower[i] = c + 'a' - 'A'
		}
	}
	return lower
}

// secretAfter returns how many bytes to take out after the word "session": the rest of the name,
// what parts it from its value, and the value; 0 when no "key" follows. element says that the name
// is one of an XML element, which ends where an element is closed.
func secretAfter(lower []byte, element bool) int {
	rest := bytes.TrimLeft(lower, "_- ")
	if !bytes.HasPrefix(rest, []byte("key")) {
		return 0
	}
	rest = rest[len("key"):]
	if element {
		_, after, _ := bytes.Cut(rest, []byte("</"))
		if after == nil {
			return len(lower)
		}
		return len(lower) - len(after) - len("</")
	}
	rest = bytes.TrimLeft(rest, `"'\`)
	return len(lower) - len(afterValue(afterBlank(rest)))
}

// afterBlank skips what stands between name and value, also line breaks that are escaped.
func afterBlank(text []byte) []byte {
	for {
		text = bytes.TrimLeft(text, ":=> \t\r\n")
		bare := bytes.TrimLeft(text, `\`)
		if len(bare) == len(text) || len(bare) == 0 || !bytes.ContainsRune([]byte("nrt"), rune(bare[0])) {
			return text
		}
		text = bare[1:]
	}
}

// afterValue skips one value: a text, a list or an object, or what ends at the next mark.
func afterValue(text []byte) []byte {
	bare := bytes.TrimLeft(text, `\`)
	if len(bare) == 0 {
		return nil
	}
	switch bare[0] {
	case '"':
		return afterText(bare[1:], len(text)-len(bare))
	case '[', '{':
		return afterGroup(bare)
	}
	text = bytes.TrimLeft(text, "'")
	return text[markAt(text, "\"'<,}]& \t\r\n"):]
}

// afterText skips up to the quote that ends a text, and leaves that. The opening quote stood
// behind so many backslashes: as many are the level of JSON in text.
func afterText(text []byte, level int) []byte {
	slashes := 0
	for i, c := range text {
		switch {
		case c == '\\':
			slashes++
			continue
		case c == '"' && (slashes%2 == 0 || slashes <= level):
			return text[i-min(slashes, level):]
		}
		slashes = 0
	}
	return nil
}

// afterGroup skips up to the bracket that closes the first one.
func afterGroup(text []byte) []byte {
	depth := 0
	for len(text) > 0 {
		switch text[0] {
		case '[', '{':
			depth++
		case ']', '}':
			if depth--; depth == 0 {
				return text[1:]
			}
		case '"', '\\':
			bare := bytes.TrimLeft(text, `\`)
			if len(bare) == 0 || bare[0] != '"' {
				text = bare
				continue
			}
			text = afterText(bare[1:], len(text)-len(bare))
			text = bytes.TrimLeft(text, `\`)
		}
		if len(text) > 0 {
			text = text[1:]
		}
	}
	return nil
}

func markAt(text []byte, marks string) int {
	if i := bytes.IndexAny(text, marks); i >= 0 {
		return i
	}
	return len(text)
}
