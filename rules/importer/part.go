package importer

import (
	"strconv"
	"strings"
	"unicode"

	"github.com/winnow-soc/winnow/rules"
)

// part is a condition on its way from another language to ours: only what both can say.
type part struct {
	op    partOp
	kids  []*part  // all, any, not
	field string   // as alerts call it
	texts []string // one of them holds; for opNumber and opTime an operator and a number
	exact bool     // upper and lower case differ
	shape []piece  // opPattern
}

type partOp uint8

const (
	opAll partOp = iota
	opAny
	opNot
	opEquals
	opContains
	opStarts
	opEnds
	opPattern // wildcards
	opRegexp
	opCIDR
	opHas
	opMissing
	opNumber
	opList // in lists.texts[0]
	opTime // of the alert
)

// piece is a run of plain text in a pattern, or a wildcard.
type piece struct {
	text string
	wild byte // '*' any run, '?' one character, 0: text
}

// allOf and anyOf leave out a connective over one part.
func allOf(kids []*part) *part { return joined(opAll, kids) }
func anyOf(kids []*part) *part { return joined(opAny, kids) }

func joined(op partOp, kids []*part) *part {
	if len(kids) == 1 {
		return kids[0]
	}
	return &part{op: op, kids: kids}
}

// text writes the part in the language of rules.
func (p *part) text() string {
	switch p.op {
	case opAll:
		return p.join(" && ")
	case opAny:
		return "(" + p.join(" || ") + ")"
	case opNot:
		return "not (" + p.kids[0].text() + ")"
	case opEquals:
		if len(p.texts) > 1 {
			return p.subject() + " in [" + strings.Join(p.constants(), ", ") + "]"
		}
		return p.each(" == ")
	case opContains:
		return p.each(" contains ")
	case opStarts:
		return p.each(" startsWith ")
	case opEnds:
		return p.each(" endsWith ")
	case opPattern:
		return p.subject() + " matches " + literal(p.expression())
	case opRegexp:
		return rules.EventName(p.field) + " matches " + literal(p.texts[0])
	}
	return p.plainText()
}

func (p *part) plainText() string {
	name := rules.EventName(p.field)
	switch p.op {
	case opCIDR:
		return "cidr(" + name + ", [" + strings.Join(p.constants(), ", ") + "])"
	case opHas:
		return "has(" + name + ")"
	case opMissing:
		return "not has(" + name + ")"
	case opNumber:
		return "num(" + name + ") " + p.texts[0] + " " + p.texts[1]
	case opList:
		return name + " in lists." + p.texts[0]
	}
	return "alert.time " + p.texts[0] + " " + p.texts[1]
}

func (p *part) join(op string) string {
	var out []string
	for _, kid := range p.kids {
		text := kid.text()
		if kid.op == opAll {
			text = "(" + text + ")"
		}
		out = append(out, text)
	}
	return strings.Join(out, op)
}

// each writes a comparison with each of the texts.
func (p *part) each(op string) string {
	var out []string
	for _, c := range p.constants() {
		out = append(out, p.subject()+op+c)
	}
	if len(out) == 1 {
		return out[0]
	}
	return "(" + strings.Join(out, " || ") + ")"
}

// subject is what is compared: the field, in small letters where case does not count.
func (p *part) subject() string {
	if p.exact {
		return rules.EventName(p.field)
	}
	return "lower(" + rules.EventName(p.field) + ")"
}

// constants are the texts in our notation, in small letters like the subject.
func (p *part) constants() []string {
	var out []string
	for _, t := range p.texts {
		out = append(out, literal(p.fold(t)))
	}
	return out
}

func (p *part) fold(text string) string {
	if p.exact || p.op == opCIDR {
		return text
	}
	return strings.ToLower(text)
}

// literal writes a text constant: between backticks where that saves escapes.
func literal(text string) string {
	plain := strings.IndexFunc(text, func(r rune) bool { return r == '`' || !unicode.IsPrint(r) }) < 0
	if plain && strings.ContainsAny(text, "\\\"") {
		return "`" + text + "`"
	}
	return strconv.Quote(text)
}
