package redact

import (
	"slices"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/winnow-soc/winnow"
)

// Field is a field of a view, safe to send.
type Field struct {
	Name   string   `json:"name"`
	Values []string `json:"values"`
}

// Removed is a secret that was taken out.
type Removed struct {
	Field string `json:"field"`
	Kind  string `json:"kind"`
}

// View is what may leave of one alert, and the way back from its tokens. Safe for concurrent use.
//
// The lists name fields as the alert does; what leaves of them is [View.Name]. A field in Withheld or Cut was not seen in full
// by whoever is shown the view (guard G5).
type View struct {
	Fields   []Field   // sorted by name
	Withheld []string  // not shown, and neither volatile nor irrelevant
	Left     []string  // not shown, and needs not be
	Cut      []string  // shown in part: too long, too many values, or more hidden than a name or a secret
	Secrets  []Removed // taken out of the fields shown, once for each field and kind

	r      *Redactor
	table  *winnow.FieldTable
	names  *names
	mu     sync.Mutex // guards names, which are built on first use, and tokens
	tokens tokens
}

// margin is how much more than the limit is read, so that nothing is missed for having been cut in two.
const margin = 1 << 10

// show adds a field, and returns how many bytes of text are left for others.
func (v *View) show(name string, values []string, left int) int {
	role := roleOf(name)
	f := Field{Name: v.fieldName(name)}
	for i, value := range values {
		if i == maxValues || left <= 0 {
			v.noteCut(name)
			break
		}
		limit := min(maxValue, left)
		window := value[:runeEnd(value, limit+margin)]
		list := v.spans(role, window)
		hidden, whole := v.replaced(window, list, runeEnd(value, limit))
		if !whole || len(window) < len(value) {
			v.noteCut(name)
		}
		v.noteSpans(name, list)
		f.Values = append(f.Values, hidden)
		left -= min(len(value), limit)
	}
	if f.Values != nil {
		v.Fields = append(v.Fields, f)
	}
	return left
}

// Name returns what a field of the alert is called outside, for the lists of the view.
func (v *View) Name(field string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.fieldName(field)
}

// fieldName leaves names alone that products choose; others can be the keys of somebody's JSON.
func (v *View) fieldName(name string) string {
	if cim[name] || v.table != nil && v.table.Known(name) {
		return name
	}
	hidden, _ := v.replaced(name, v.spans(roleText, name), maxValue)
	return hidden
}

func (v *View) noteCut(field string) {
	if !slices.Contains(v.Cut, field) {
		v.Cut = append(v.Cut, field)
	}
}

func (v *View) noteSpans(field string, list []span) {
	for _, s := range list {
		if s.odd {
			v.noteCut(field)
		}
		if removed := (Removed{field, s.secret}); s.kind == kindSecret && !slices.Contains(v.Secrets, removed) {
			v.Secrets = append(v.Secrets, removed)
		}
	}
}

// runeEnd returns the last place up to limit at which no character is cut in two.
func runeEnd(s string, limit int) int {
	if len(s) <= limit {
		return len(s)
	}
	for limit > 0 && !utf8.RuneStart(s[limit]) {
		limit--
	}
	return limit
}

// Hide prepares other text that goes out beside the view: a tool's result, an earlier answer. The same names get
// the same tokens, secrets are removed, and text beyond 48 KiB is cut off. Text that looks like a token is hidden
// as well, so undo a model's answer before it is hidden again.
func (v *View) Hide(text string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.hide(roleText, text)
}

// HideAs is [View.Hide] for a text that is known to be what a field of that name holds: a name that the alert itself
// does not tell is hidden too.
func (v *View) HideAs(field, text string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.hideAs(field, text)
}

func (v *View) hideAs(field, text string) string {
	r := roleOf(field)
	if r == roleSecret {
		return "[secret:field]"
	}
	return v.hide(r, text)
}

func (v *View) hide(role role, text string) string {
	window := text[:runeEnd(text, maxText+margin)]
	hidden, _ := v.replaced(window, v.spans(role, window), runeEnd(text, maxText))
	return hidden
}

// Undo puts back what the tokens of this view stand for. Other tokens, and secrets, stay as they are. What comes
// back is text of the alert again: it is not safe to send.
func (v *View) Undo(text string) string {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.tokens.undo(text)
}

// Tokens counts the tokens of each kind that the view has made, for people.
func (v *View) Tokens() map[string]int {
	v.mu.Lock()
	defer v.mu.Unlock()
	count := map[string]int{}
	for token := range v.tokens.known {
		k, _, _ := strings.Cut(token[1:], ":")
		count[k]++
	}
	return count
}
