package splunk

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/winnow-soc/winnow"
)

// reading are the commands that a template may have. They read, and run nothing else: whatever is not
// here may write (collect, outputlookup, delete), send (sendemail), run what it is told (map, script,
// run, savedsearch, rest), or come from an app that nobody looked at.
var reading = strings.Fields(`addinfo append bin bucket chart convert datamodel dedup eval eventstats fields fillnull
	format head inputlookup iplocation join lookup makemv mstats mvcombine mvexpand nomv rare regex rename replace
	return reverse rex search sort spath stats streamstats strcat table tail timechart top transaction tstats uniq where`)

// comparing are the commands in which FIELD="TEXT" compares a field with a text.
var comparing = []string{"search", "where", "tstats", "mstats"}

// scoping are left sides of = that say where and when is searched: no alert chooses that.
var scoping = strings.Fields(`index splunk_server splunk_server_group earliest latest _index_earliest _index_latest
	starttime endtime eventtype eventtypetag hosttag tag savedsearch savedsplunk datamodel nodename`)

// template is SPL with places for values of the alert: texts[0] fields[0] texts[1] ...
type template struct {
	texts  []string // one more than fields
	fields []string
}

var (
	placeForm   = regexp.MustCompile(`^\$([A-Za-z_][A-Za-z0-9_.]*)\$`)
	commandForm = regexp.MustCompile(`^[\s|]*([A-Za-z_]+)`)
	leftForm    = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_.:{}-]*)\s*!?=\s*$`)
)

// parseTemplate reads a template and refuses what is not sure to read only, and a place where a value
// would be more than a text that a field is compared with.
func parseTemplate(spl string) (template, error) {
	if len(spl) > 8<<10 {
		return template{}, errors.New("longer than 8 KiB")
	}
	p := templateParser{spl: strings.TrimSpace(spl)}
	if !strings.HasPrefix(p.spl, "|") {
		if err := p.command(); err != nil {
			return template{}, err
		}
		if p.now() != "search" {
			return template{}, errors.New(`begin with "search " or with a pipe`)
		}
	}
	for p.at < len(p.spl) {
		if err := p.step(); err != nil {
			return template{}, err
		}
	}
	if p.quoted || p.depth > 0 {
		return template{}, errors.New("a quote or a bracket is not closed")
	}
	if len(p.fields) == 0 {
		return template{}, errors.New(`no field of the alert is in it: compare one, like src="$src$"`)
	}
	return template{texts: append(p.texts, p.spl[p.from:]), fields: p.fields}, nil
}

type templateParser struct {
	spl    string
	at     int // what is read next
	from   int // where the text after the last place begins
	quoted bool
	opened int // where the quoted text begins

	commands []string // of the search, and of the subsearches that it is in
	depth    int

	texts, fields []string
}

func (p *templateParser) now() string {
	if len(p.commands) == 0 {
		return ""
	}
	return p.commands[len(p.commands)-1]
}

// command reads the name of the command that begins here, and lets it take the place of the last one.
func (p *templateParser) command() error {
	m := commandForm.FindStringSubmatch(p.spl[p.at:])
	if m == nil || strings.Count(m[0], "|") > 1 {
		return errors.New("a command is missing")
	}
	name := strings.ToLower(m[1])
	if !slices.Contains(reading, name) {
		return fmt.Errorf("command %.40q may do more than read (want one of: %s)", name, strings.Join(reading, ", "))
	}
	p.at += len(m[0])
	if len(p.commands) <= p.depth {
		p.commands = append(p.commands, "")
	}
	p.commands[p.depth] = name
	return nil
}

// step reads one thing. Macros are refused in and out of quotes: nobody sees here what they stand for.
func (p *templateParser) step() error {
	c := p.spl[p.at]
	switch {
	case c == '`':
		return errors.New("a macro or a comment hides what is run: write it out")
	case c < ' ' && c != '\n' && c != '\t' || c == 0x7f:
		return errors.New("a control character is in it")
	case c == '$':
		return p.place()
	case c == '"':
		p.quoted = !p.quoted
		p.opened = p.at
		p.at++
		return nil
	case p.quoted:
		return p.inQuotes(c)
	}
	return p.outside(c)
}

func (p *templateParser) inQuotes(c byte) error {
	p.at++
	if c != '\\' {
		return nil
	}
	if p.at == len(p.spl) || p.spl[p.at] == '$' {
		return errors.New("a backslash stands before a place or at the end")
	}
	p.at++
	return nil
}

func (p *templateParser) outside(c byte) error {
	switch c {
	case '\\':
		return errors.New("a backslash stands outside of quotes")
	case '\'':
		name, _, closed := strings.Cut(p.spl[p.at+1:], "'")
		if !closed || strings.ContainsAny(name, "\"$|[]`\\\n") {
			return errors.New("single quotes enclose more than the name of a field, or are not closed")
		}
		p.at += len(name) + 2
		return nil
	case '|':
		return p.command()
	case '[':
		p.depth++
		p.at++
		return p.command()
	case ']':
		if p.depth--; p.depth < 0 {
			return errors.New("a bracket is closed that was not opened")
		}
		p.commands = p.commands[:p.depth+1]
	}
	p.at++
	return nil
}

// place reads $field$. Its value may only be compared: FIELD="$field$", with more text in the quotes or not.
func (p *templateParser) place() error {
	m := placeForm.FindStringSubmatch(p.spl[p.at:])
	if m == nil {
		if !p.quoted {
			return errors.New("a $ stands outside of quotes")
		}
		p.at++
		return nil
	}
	if !p.quoted {
		return fmt.Errorf("%s stands outside of double quotes: write FIELD=\"%s\"", m[0], m[0])
	}
	left := leftForm.FindStringSubmatch(p.spl[:p.opened])
	if left == nil || !slices.Contains(comparing, p.now()) {
		return fmt.Errorf("%s is not compared with a field: write FIELD=\"%s\" in %s", m[0], m[0], strings.Join(comparing, ", "))
	}
	if slices.Contains(scoping, strings.ToLower(left[1])) {
		return fmt.Errorf("%s would choose the %s: an alert does not say where or when is searched", m[0], left[1])
	}
	p.texts = append(p.texts, p.spl[p.from:p.at])
	p.fields = append(p.fields, m[1])
	p.at += len(m[0])
	p.from = p.at
	return nil
}

// fill puts the values of the alert in. A field without exactly one value is an error; errors name
// fields, and no values.
func (t template) fill(f winnow.Fields) (string, error) {
	var b strings.Builder
	for i, field := range t.fields {
		values := f[field]
		if len(values) != 1 {
			return "", fmt.Errorf("the alert has %d values of %s: the search needs one", len(values), field)
		}
		text, err := literal(values[0])
		if err != nil {
			return "", fmt.Errorf("the value of %s %w", field, err)
		}
		b.WriteString(t.texts[i])
		b.WriteString(text)
	}
	b.WriteString(t.texts[len(t.fields)])
	return b.String(), nil
}

// literal escapes a value for the inside of double quotes. What Splunk reads as more than a text even
// there cannot be looked up: a *, a network for an address, a macro.
func literal(value string) (string, error) {
	if strings.TrimSpace(value) == "" || len(value) > 1024 {
		return "", errors.New("is empty or longer than 1024 bytes")
	}
	for _, r := range value {
		if r < ' ' || r == 0x7f || r == '*' || r == '`' || r == 0xfffd {
			return "", errors.New("holds a wildcard, a backtick or a control character")
		}
	}
	if _, err := netip.ParsePrefix(value); err == nil {
		return "", errors.New("is a network, which would match all its addresses")
	}
	return escapeQuoted(value), nil
}
