package splunktest

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// query is a search that the server understands: terms and phrases over one index, for index=notable
// Enterprise Security's macros that name and rate an event, and a table at the end.
type query struct {
	terms  []term
	either [][]term // one of these must fit too, where there are any
	macros bool
	ids    []string // rule_id must be one of these, where there are any
	table  []string
	head   int // 0 = all
}

type term struct {
	field, value string
	not          bool           // of a phrase, which has no field: it must not be in the text
	like         *regexp.Regexp // nil without a wildcard
}

// parseSPL reads a search. Everything it does not know is refused as Splunk refuses it.
func parseSPL(spl string) (query, error) {
	stages, err := splitPipes(spl)
	if err != nil {
		return query{}, err
	}
	var q query
	for i, stage := range stages {
		command, args, _ := strings.Cut(strings.TrimSpace(stage), " ")
		args = strings.TrimSpace(args)
		switch {
		case i == 0 && command == "search":
			q.terms, q.either, err = parseSearch(args)
		case i > 0 && command == "eval" && args == "`get_event_id_meval`, rule_id=event_id, notable_time=_time", i > 0 && command == "`get_urgency`":
			q.macros = true
		case i > 0 && q.macros && command == "search" && idsForm.MatchString(args):
			for _, m := range regexp.MustCompile(`"((?:[^"\\]|\\.)*)"`).FindAllStringSubmatch(args, -1) {
				q.ids = append(q.ids, unescape(m[1]))
			}
		case i > 0 && i == len(stages)-1 && len(q.table) > 0 && command == "head":
			if q.head, err = strconv.Atoi(args); err != nil || q.head < 1 {
				err = sayf("Error in 'head' command: Invalid value '%s'.", args)
			}
		case i > 0 && len(q.table) == 0 && command == "table":
			q.table = strings.FieldsFunc(args, func(r rune) bool { return r == ',' || r == ' ' })
		default:
			err = sayf("Unknown search command '%s'.", command)
		}
		if err != nil {
			return query{}, err
		}
	}
	if len(q.table) == 0 || !slices.Contains([]string{"notable", "_internal", "_audit"}, q.index()) {
		return query{}, says("Error in 'search' command: only searches of index=notable, _internal and _audit with a table are supported here.")
	}
	return q, nil
}

var idsForm = regexp.MustCompile(`^rule_id IN \(("(?:[^"\\]|\\.)*"(?:, )?)+\)$`)

// index names the index that is searched.
func (q query) index() string {
	for _, t := range q.terms {
		if t.field == "index" {
			return t.value
		}
	}
	return ""
}

// splitPipes splits at pipes outside quotes.
func splitPipes(spl string) ([]string, error) {
	var stages []string
	start, quoted := 0, false
	for i := 0; i < len(spl); i++ {
		switch {
		case spl[i] == '\\' && quoted:
			i++
		case spl[i] == '"':
			quoted = !quoted
		case spl[i] == '|' && !quoted:
			stages = append(stages, spl[start:i])
			start = i + 1
		}
	}
	if quoted {
		return nil, says("Error in 'SearchParser': Mismatched quotes and/or parenthesis.")
	}
	return append(stages, spl[start:]), nil
}

var termForm = regexp.MustCompile(`^([A-Za-z_][A-Za-z0-9_.]*)=(?:"((?:[^"\\]|\\.)*)"|([^\s"|()\[\]]+))(?:\s+|$)`)

var phraseForm = regexp.MustCompile(`^(NOT )?"((?:[^"\\]|\\.)*)"(?:\s+|$)`)

func parseTerms(s string) ([]term, error) {
	var terms []term
	for s != "" {
		if m := phraseForm.FindStringSubmatch(s); m != nil {
			terms = append(terms, term{value: strings.ToLower(unescape(m[2])), not: m[1] != ""})
			s = s[len(m[0]):]
			continue
		}
		m := termForm.FindStringSubmatch(s)
		if m == nil {
			return nil, sayf("Error in 'search' command: Unable to parse the search: Comparator '=' is missing a term on the right hand side near '%s'.", s)
		}
		value := m[3]
		if value == "" {
			value = unescape(m[2])
		}
		terms = append(terms, term{field: m[1], value: value, like: wildcard(value)})
		s = s[len(m[0]):]
	}
	return terms, nil
}

var eitherForm = regexp.MustCompile(`^(.*?)\((.*?) OR \((.*)\)\)$`)

// parseSearch reads terms, and at their end two ways of which one must fit: (a="b" OR (c="d" e="f")).
func parseSearch(s string) (all []term, either [][]term, err error) {
	m := eitherForm.FindStringSubmatch(s)
	if m == nil {
		all, err = parseTerms(s)
		return all, nil, err
	}
	for _, part := range m[2:] {
		terms, err := parseTerms(part)
		if err != nil {
			return nil, nil, err
		}
		either = append(either, terms)
	}
	all, err = parseTerms(m[1])
	return all, either, err
}

func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+1 < len(s) {
			i++
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// matches compares as the search command does: without regard to case, and with * for anything,
// in quotes or not.
func (q query) matches(n *Notable) bool {
	if len(q.ids) > 0 && !slices.Contains(q.ids, n.ID) {
		return false
	}
	if len(q.either) > 0 && !slices.ContainsFunc(q.either, func(way []term) bool { return fits(way, n) }) {
		return false
	}
	return fits(q.terms, n)
}

// fits looks at phrases last: they are sought in the whole text.
func fits(terms []term, n *Notable) bool {
	for _, t := range terms {
		if t.field == "" {
			continue
		}
		values := n.Fields[t.field]
		switch t.field {
		case "index":
			values = []string{n.Index}
		case "source":
			values = []string{n.Source}
		}
		if !slices.ContainsFunc(values, t.fits) {
			return false
		}
	}
	return !slices.ContainsFunc(terms, func(t term) bool {
		return t.field == "" && strings.Contains(strings.ToLower(n.Raw), t.value) == t.not
	})
}

func (t term) fits(value string) bool {
	if t.like != nil {
		return t.like.MatchString(value)
	}
	return strings.EqualFold(t.value, value)
}

func wildcard(pattern string) *regexp.Regexp {
	if !strings.Contains(pattern, "*") {
		return nil
	}
	parts := strings.Split(pattern, "*")
	for i, p := range parts {
		parts[i] = regexp.QuoteMeta(p)
	}
	return regexp.MustCompile(`(?is)^` + strings.Join(parts, ".*") + `$`)
}
