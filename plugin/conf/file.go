package conf

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// DefaultStanza is the stanza whose keys every other stanza inherits. Keys written before the
// first stanza of a file belong to it.
const DefaultStanza = "default"

// File is one .conf file, or several laid over each other. It is not safe for concurrent use
// while [File.Merge] or [File.Set] run; reading it is.
type File struct {
	Name    string // for errors: the path, or the last one laid over
	order   []string
	stanzas map[string]*stanza
}

// Value is a key's text and where it was written.
type Value struct {
	Text string
	File string
	Line int // from 1; 0 for a value that no file holds, like one of --set
}

// String returns the place as file:line, or only the file where there is no line.
func (v Value) String() string {
	if v.Line == 0 {
		return v.File
	}
	return fmt.Sprintf("%s:%d", v.File, v.Line)
}

type stanza struct {
	at    Value // where the header was written first
	order []string
	keys  map[string]Value
}

// NewFile returns a file without stanzas.
func NewFile(name string) *File {
	return &File{Name: name, stanzas: map[string]*stanza{}}
}

// Get returns the text of a key: the stanza's own, or else the one of [default]. A stanza that is
// not in the file has no keys, also when [default] has some.
func (f *File) Get(stanza, key string) (string, bool) {
	v, ok := f.Lookup(stanza, key)
	return v.Text, ok
}

// Lookup is [File.Get] with the place.
func (f *File) Lookup(stanza, key string) (Value, bool) {
	s, ok := f.stanzas[stanza]
	if !ok {
		return Value{}, false
	}
	if v, ok := s.keys[key]; ok {
		return v, true
	}
	if d, ok := f.stanzas[DefaultStanza]; ok {
		v, ok := d.keys[key]
		return v, ok
	}
	return Value{}, false
}

// At returns where a stanza was written first.
func (f *File) At(stanza string) (Value, bool) {
	s, ok := f.stanzas[stanza]
	if !ok {
		return Value{}, false
	}
	return s.at, true
}

// Stanzas returns the names of all stanzas in the order they were written.
func (f *File) Stanzas() []string { return slices.Clone(f.order) }

// Keys returns the names of a stanza's own keys in the order they were written, without those it
// inherits from [default].
func (f *File) Keys(stanza string) []string {
	if s, ok := f.stanzas[stanza]; ok {
		return slices.Clone(s.order)
	}
	return nil
}

// Set writes one key.
func (f *File) Set(stanza, key string, v Value) {
	f.open(stanza, v).set(key, v)
}

// Merge lays another file over this one, key by key: what over says wins, what it does not
// mention stays. An empty value is a value.
func (f *File) Merge(over *File) {
	for _, name := range over.order {
		from := over.stanzas[name]
		to := f.open(name, from.at)
		for _, key := range from.order {
			to.set(key, from.keys[key])
		}
	}
	f.Name = over.Name
}

// Equal reports whether two files hold the same stanzas, keys and texts; places do not count.
func (f *File) Equal(g *File) bool {
	return maps.EqualFunc(f.stanzas, g.stanzas, func(a, b *stanza) bool {
		return maps.EqualFunc(a.keys, b.keys, func(v, w Value) bool { return v.Text == w.Text })
	})
}

// Format renders the file so that [Parse] reads the same stanzas, keys and texts back.
func (f *File) Format() []byte {
	var b strings.Builder
	for i, name := range f.order {
		if i > 0 {
			b.WriteByte('\n')
		}
		fmt.Fprintf(&b, "[%s]\n", name)
		s := f.stanzas[name]
		for _, key := range s.order {
			b.WriteString(key)
			b.WriteString(" = ")
			b.WriteString(continued(s.keys[key].Text))
			b.WriteByte('\n')
		}
	}
	return []byte(b.String())
}

// continued writes a text of several lines the way the format wants it. A last line that ends in
// a backslash needs an empty line to continue on, or it would swallow the line after it.
func continued(text string) string {
	text = strings.ReplaceAll(text, "\n", "\\\n")
	if strings.HasSuffix(text, `\`) {
		text += "\\\n"
	}
	return text
}

func (f *File) open(name string, at Value) *stanza {
	s, ok := f.stanzas[name]
	if !ok {
		s = &stanza{at: at, keys: map[string]Value{}}
		f.stanzas[name] = s
		f.order = append(f.order, name)
	}
	return s
}

func (s *stanza) set(key string, v Value) {
	if _, ok := s.keys[key]; !ok {
		s.order = append(s.order, key)
	}
	s.keys[key] = v
}
