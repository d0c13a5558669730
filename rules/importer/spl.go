package importer

import (
	"net/netip"
	"regexp"
	"strings"
)

// splParser reads the search of a suppression: comparisons of fields with constants, put together
// with and, or, not and parentheses.
type splParser struct {
	im     *Import
	tokens []splToken

	depth, negated int

	searches   []string // what the search name must be
	start, end int64    // of _time; 0 for open
}

type splToken struct {
	text   string
	quoted bool
	op     bool // a comparison, a parenthesis or a comma
}

var splWord = regexp.MustCompile(`^[^\s"'()=<>!,|\[\]` + "`" + `]+`)

// splTokens splits a search. The macro that names the notable index is left out.
func splTokens(text string) ([]splToken, error) {
	var out []splToken
	for {
		text = strings.TrimLeft(text, " \t\r\n")
		if text == "" {
			return out, nil
		}
		switch c := text[0]; {
		case c == '`':
			name, rest, ok := strings.Cut(text[1:], "`")
			if !ok || name != "get_notable_index" {
				return nil, refuseDetail("it uses a macro that is not known", "%.60q", name)
			}
			text = rest
		case c == '"':
			value, rest, err := splQuoted(text[1:])
			if err != nil {
				return nil, err
			}
			out, text = append(out, splToken{text: value, quoted: true}), rest
		case strings.IndexByte("=<>!(),", c) >= 0:
			n := 1
			if strings.IndexByte("<>!=", c) >= 0 && len(text) > 1 && text[1] == '=' {
				n = 2
			}
			out, text = append(out, splToken{text: text[:n], op: true}), text[n:]
		default:
			word := splWord.FindString(text)
			if word == "" {
				return nil, refuseDetail("its search does more than compare fields", "%.60q", text)
			}
			out, text = append(out, splToken{text: word}), text[len(word):]
		}
	}
}

// splQuoted reads up to the closing quote.
func splQuoted(text string) (value, rest string, err error) {
	var b strings.Builder
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			return b.String(), text[i+1:], nil
		case c != '\\':
			b.WriteByte(c)
		case i+1 < len(text) && (text[i+1] == '"' || text[i+1] == '\\'):
			i++
			b.WriteByte(text[i])
		default:
			return "", "", refuse("a lone backslash stands in a text, which may be read in two ways")
		}
	}
	return "", "", refuse("a quote is not closed")
}

func (p *splParser) peek() splToken {
	if len(p.tokens) == 0 {
		return splToken{op: true}
	}
	return p.tokens[0]
}

func (p *splParser) word(word string) bool {
	t := p.peek()
	if t.op || t.quoted || !strings.EqualFold(t.text, word) || t.text == "" {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

func (p *splParser) sign(sign string) bool {
	t := p.peek()
	if !t.op || t.text != sign || t.text == "" {
		return false
	}
	p.tokens = p.tokens[1:]
	return true
}

// terms reads comparisons side by side up to a closing parenthesis or the end. In a search OR binds
// closer than AND; where both stand side by side few know that, and it is refused.
func (p *splParser) terms(top bool) (*part, error) {
	if p.depth++; p.depth > 50 {
		return nil, refuse("it is nested too deeply")
	}
	defer func() { p.depth-- }()
	top = top && !p.offersChoice()
	var kids []*part
	ands, ors := false, false
	for len(p.tokens) > 0 && (!p.peek().op || p.peek().text != ")") {
		if len(kids) > 0 {
			switch {
			case p.word("OR"):
				ors = true
			default:
				p.word("AND")
				ands = true
			}
		}
		kid, err := p.term(top)
		if err != nil {
			return nil, err
		}
		kids = append(kids, kid)
	}
	switch {
	case len(kids) == 0:
		return nil, refuse("it compares nothing")
	case ands && ors:
		return nil, refuse("OR and AND stand side by side without parentheses")
	case ors:
		return anyOf(merged(kids)), nil
	}
	return allOf(flattened(kids)), nil
}

func (p *splParser) term(top bool) (*part, error) {
	if p.word("NOT") {
		return p.not()
	}
	if p.sign("(") {
		kid, err := p.terms(top)
		if err != nil {
			return nil, err
		}
		if !p.sign(")") {
			return nil, refuse("a parenthesis is not closed")
		}
		return kid, nil
	}
	return p.comparison(top)
}

// not reads what follows NOT. Under it a comparison that finds less than the original would make a
// rule that covers more: the ones that may are refused.
func (p *splParser) not() (*part, error) {
	if p.depth++; p.depth > 50 {
		return nil, refuse("it is nested too deeply")
	}
	p.negated++
	kid, err := p.term(false)
	p.negated--
	p.depth--
	if err != nil {
		return nil, err
	}
	return &part{op: opNot, kids: []*part{kid}}, nil
}

// offersChoice reports whether an OR stands at the level that is about to be read.
func (p *splParser) offersChoice() bool {
	level := 0
	for _, t := range p.tokens {
		switch {
		case t.op && t.text == "(":
			level++
		case t.op && t.text == ")":
			if level--; level < 0 {
				return false
			}
		case level == 0 && !t.op && !t.quoted && strings.EqualFold(t.text, "OR"):
			return true
		}
	}
	return false
}

func (p *splParser) comparison(top bool) (*part, error) {
	field := p.peek()
	if field.op || len(p.tokens) < 3 {
		return nil, refuseDetail("its search does more than compare fields", "%.60q", field.text)
	}
	p.tokens = p.tokens[1:]
	if p.word("IN") {
		return p.in(field.text)
	}
	op := p.peek()
	if !op.op || op.text == "(" || op.text == ")" || op.text == "," || op.text == "!" {
		return nil, refuseDetail("it looks for words in the whole event, which an alert does not have", "%.60q", field.text)
	}
	p.tokens = p.tokens[1:]
	value := p.peek()
	if value.op {
		return nil, refuse("a comparison has no value")
	}
	p.tokens = p.tokens[1:]
	return p.compare(field.text, op.text, value, top)
}

func (p *splParser) in(field string) (*part, error) {
	if !p.sign("(") {
		return nil, refuse("IN has no list")
	}
	var kids []*part
	for {
		value := p.peek()
		if value.op {
			return nil, refuse("IN has no list")
		}
		p.tokens = p.tokens[1:]
		kid, err := p.compare(field, "=", value, false)
		if err != nil {
			return nil, err
		}
		kids = append(kids, kid)
		if p.sign(")") {
			return anyOf(merged(kids)), nil
		}
		if !p.sign(",") {
			return nil, refuse("IN has no list")
		}
	}
}

// onNotables are fields that a notable has and the row of an alert has not.
var onNotables = map[string]bool{
	"status": true, "owner": true, "urgency": true, "event_id": true, "event_hash": true, "rule_id": true, "rule_title": true,
	"rule_name": true, "rule_description": true, "disposition": true, "notable_type": true, "orig_sid": true, "orig_rid": true,
}

func (p *splParser) compare(field, op string, value splToken, top bool) (*part, error) {
	switch {
	case field == "_time":
		if !top {
			return nil, refuse("a time is not compared for the whole of it")
		}
		return p.time(op, value.text)
	case field == "search_name" || field == "source":
		return p.scope(op, value, top)
	case field == "index" && op == "=" && value.text == "notable":
		return &part{op: opAll}, nil
	case onNotables[field] || field == "sourcetype" || field == "host" || field == "index":
		return nil, refuseDetail("a field is on notables only", "%s", field)
	}
	field = p.im.fieldOf(field)
	switch op {
	case "<", ">", "<=", ">=":
		if !plainNumber.MatchString(value.text) || value.text[0] == '-' {
			return nil, refuse("a number is not a plain decimal")
		}
		return &part{op: opNumber, field: field, texts: []string{op, value.text}}, nil
	}
	negated := p.negated > 0 || op == "!="
	if negated && numeric.MatchString(value.text) {
		return nil, refuse("a number is excluded, which may be written in several ways")
	}
	out, err := splValue(field, value.text)
	if err == nil && negated && out.op == opHas && !p.im.Nulls {
		return nil, refuse("a missing field is asked for, and alerts may lack it for other reasons (say --nulls if theirs never do)")
	}
	if err == nil && op == "!=" {
		return &part{op: opNot, kids: []*part{out}}, nil
	}
	if err == nil && op != "=" && op != "==" {
		err = refuseDetail("a comparison is not known", "%s", op)
	}
	return out, err
}

var numeric = regexp.MustCompile(`^[-+]?[0-9.]+([eE][-+]?[0-9]+)?$`)

// splValue compares a field with a value, in which * is a wildcard. A network finds the addresses
// inside of it.
func splValue(field, value string) (*part, error) {
	if value == "" {
		return nil, refuse("an empty text is asked for, which rows cannot tell from a missing one")
	}
	if n, err := netip.ParsePrefix(value); err == nil {
		if n != n.Masked() {
			return nil, refuseDetail("a network is none", "%.60q", value)
		}
		return &part{op: opCIDR, field: field, texts: []string{value}}, nil
	}
	var shape []piece
	for i, text := range strings.Split(value, "*") {
		if i > 0 && (len(shape) == 0 || shape[len(shape)-1].wild == 0) {
			shape = append(shape, piece{wild: '*'})
		}
		if text != "" {
			shape = append(shape, piece{text: text})
		}
	}
	if strings.Contains(value, `\*`) {
		return nil, refuse("a backslash stands before *, which may be read in two ways")
	}
	return comparison(field, shape, false), nil
}
