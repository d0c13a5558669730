package rules

import (
	"iter"
	"slices"
	"strconv"
	"strings"

	"github.com/winnow-soc/winnow"
)

// vocabulary is the set of names a condition may use.
type vocabulary struct {
	fields        *winnow.FieldTable
	tested        map[string]bool // fields that the rule's own tests set
	lists         *Lists
	compareFields bool
	unproven      bool // every name of a field is taken
}

// alertFields are the names after "alert.".
var alertFields = []string{"search_name", "app", "owner", "severity", "time", "source"}

// functions are the names that may be called.
var functions = []string{
	"cidr", "glob", "has", "num", "age", "lower", "upper", "len", "any", "all", "none", "one", "count", "values",
}

func (v *vocabulary) knows(field string) bool {
	return v.unproven || v.tested[field] || v.fields != nil && v.fields.Known(field)
}

// near returns the known field that a misspelt one most likely means.
func (v *vocabulary) near(field string) string {
	var names iter.Seq[string] = func(yield func(string) bool) {
		for name := range v.tested {
			if !yield(name) {
				return
			}
		}
		if v.fields != nil {
			v.fields.Names(yield)
		}
	}
	return nearest(field, names)
}

// reserved are words of the language that cannot stand after a dot.
var reserved = [...]string{
	"and", "or", "not", "in", "matches", "contains", "startsWith", "endsWith", "true", "false", "nil", "let", "if", "else",
}

// EventName writes a field of the event the way a condition does.
func EventName(field string) string {
	for part := range strings.SplitSeq(field, ".") {
		if !IsWord(part) || slices.Contains(reserved[:], part) {
			return "event[" + strconv.Quote(field) + "]"
		}
	}
	return "event." + field
}

// syntaxHint helps with what people bring along from other languages.
func syntaxHint(msg string) string {
	for _, h := range [...]struct{ in, hint string }{
		{`Operator("=")`, "compare with =="},
		{`Operator("&")`, "connect conditions with &&"},
		{`Operator("|")`, "connect conditions with ||"},
		{`Identifier("AND")`, "write and"},
		{`Identifier("OR")`, "write or"},
		{`Identifier("NOT")`, "write not"},
		{`Identifier("IN")`, "write in"},
		{`Identifier("LIKE")`, `write glob(event.FIELD, "pat*tern")`},
		{`Identifier("like")`, `write glob(event.FIELD, "pat*tern")`},
	} {
		if strings.Contains(msg, h.in) {
			return h.hint
		}
	}
	return ""
}

// plainSyntax says what the parser says without its names for kinds of tokens.
func plainSyntax(msg string) string {
	if msg == "unexpected token EOF" {
		return "the condition ends too early"
	}
	for _, kind := range [...]string{"Operator(", "Identifier(", "Bracket(", "Number(", "String("} {
		if before, after, ok := strings.Cut(msg, "token "+kind); ok {
			return before + strings.TrimSuffix(after, ")")
		}
	}
	return msg
}

// functionHint suggests a function for a name that is none.
func functionHint(name string) string {
	switch strings.ToLower(name) {
	case "cidrmatch", "cidr_match", "incidr", "subnet":
		return `write cidr(event.FIELD, "10.0.0.0/8")`
	case "match", "regex", "searchmatch":
		return `write event.FIELD matches "^pattern$"`
	case "like":
		return `write glob(event.FIELD, "pat*tern")`
	case "isnull", "isnotnull", "exists", "isempty":
		return "write has(event.FIELD) or not has(event.FIELD)"
	case "tonumber", "int", "float", "number":
		return "write num(event.FIELD)"
	case "now", "date", "duration", "timezone":
		return "write age(event.FIELD), or use alert.time"
	case "filter", "map", "find", "reduce":
		return "write any, all, none, one or count over values(event.FIELD)"
	}
	return didYouMean(nearest(name, slices.Values(functions)))
}
