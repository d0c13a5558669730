// Package conf reads Splunk's .conf files: the format, the layering of default and local, and the
// typed [Settings] of winnow.conf. No default lives in this package: all of them are written, with
// a comment, in the app's default/winnow.conf.
//
// The format, as splunkd reads it:
//
//	# a comment, only at the start of a line
//	[stanza]                  everything up to the last ] of the line
//	key = value               up to the first =; white space around both does not count
//	long = first line \       a backslash at the end of a line: the value goes on,
//	second line               with a line break, whatever the next line looks like
//
// Keys before the first stanza belong to [default], which all stanzas inherit. A stanza may be
// opened more than once; a key written twice has its last value. Nothing in a value is special:
// not #, ;, %, quotes or backticks. Names are case-sensitive.
package conf

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
)

// maxSize bounds a .conf file. No real one comes near it.
const maxSize = 4 << 20

// blank is the white space the format ignores.
const blank = " \t\r\n\v\f"

// Parse reads a .conf file. name is used in errors. All bad lines are reported together as
// [*Error]s; the file returned with an error holds the good ones.
func Parse(name string, r io.Reader) (*File, error) {
	f := NewFile(name)
	text, err := io.ReadAll(io.LimitReader(r, maxSize+1))
	if err != nil {
		return f, fmt.Errorf("%s: read: %w", name, err)
	}
	if len(text) > maxSize {
		return f, fmt.Errorf("%s: larger than %d bytes", name, maxSize)
	}
	p := parser{file: f, stanza: DefaultStanza, rest: string(bytes.TrimPrefix(text, []byte("\xef\xbb\xbf")))}
	for p.next() {
		p.parse()
	}
	return f, errors.Join(p.errs...)
}

type parser struct {
	file   *File
	rest   string
	stanza string
	line   int    // number of the line that text starts on
	read   int    // lines taken so far
	text   string // one logical line, continuation lines joined by line breaks
	errs   []error
}

// next takes one logical line. Comments do not continue: a backslash at the end of one is text.
func (p *parser) next() bool {
	text, ok := p.physical()
	if !ok {
		return false
	}
	p.line, p.text = p.read, text
	if strings.HasPrefix(strings.TrimLeft(text, blank), "#") || !strings.HasSuffix(text, `\`) {
		return true
	}
	var b strings.Builder
	for ok && strings.HasSuffix(text, `\`) {
		b.WriteString(text[:len(text)-1])
		b.WriteByte('\n')
		text, ok = p.physical()
	}
	b.WriteString(text)
	p.text = b.String()
	return true
}

func (p *parser) physical() (string, bool) {
	if p.rest == "" {
		return "", false
	}
	line, rest, _ := strings.Cut(p.rest, "\n")
	p.rest = rest
	p.read++
	return strings.TrimSuffix(line, "\r"), true
}

func (p *parser) parse() {
	text := strings.Trim(p.text, blank)
	switch {
	case text == "" || text[0] == '#':
	case text[0] == '[':
		p.header(text)
	default:
		p.pair(text)
	}
}

func (p *parser) header(text string) {
	name, closed := strings.CutSuffix(text[1:], "]")
	name = strings.Trim(name, blank)
	switch {
	case !closed:
		p.fail("stanza without its closing ]")
	case strings.Contains(name, "\n"):
		p.fail("stanza name of more than one line")
	case name == "":
		p.fail("stanza without a name")
	default:
		p.stanza = name
		p.file.open(name, p.at(""))
		return
	}
	p.stanza = "" // keys of a broken stanza belong nowhere, least of all to the one before it
}

func (p *parser) pair(text string) {
	key, value, ok := strings.Cut(text, "=")
	key = strings.Trim(key, blank)
	switch {
	case !ok:
		p.fail("want [stanza], key = value or # comment")
	case key == "":
		p.fail("value without a key")
	case strings.Contains(key, "\n"):
		p.fail("key of more than one line")
	case p.stanza != "":
		p.file.Set(p.stanza, key, p.at(strings.Trim(value, blank)))
	}
}

func (p *parser) at(text string) Value {
	return Value{Text: text, File: p.file.Name, Line: p.line}
}

func (p *parser) fail(message string) {
	p.errs = append(p.errs, &Error{At: p.at(""), Stanza: p.stanza, Message: message})
}
