package allowlist

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/rules"
)

// pattern is a cluster of alerts of one search: those whose fields hold these values.
type pattern struct {
	tuple

	search string
	parts  []part // none: the whole search

	meant *winnow.Alert // a hit
	near  *winnow.Alert // an alert of the search that it does not cover, nil when there is none
	score int           // how near that is
}

type part struct {
	field, value string
	index        int
	code         uint16
}

func (p *pattern) covers(codes []uint16) bool {
	for _, part := range p.parts {
		if codes[part.index] != part.code {
			return false
		}
	}
	return true
}

// misses counts the parts that an alert does not meet.
func (p *pattern) misses(a *winnow.Alert) (n int) {
	for _, part := range p.parts {
		if v, ok := single(a.Fields[part.field]); !ok || v != part.value {
			n++
		}
	}
	return n
}

// exemplify keeps the alert for a test if it is the best so far. Attacks make better near misses
// than anything else; among them, and among the others, the one that misses fewest parts.
func (p *pattern) exemplify(s *Sample) {
	n := p.misses(&s.Alert)
	if n == 0 {
		if p.meant == nil && droppable(s) {
			a := s.Alert
			p.meant = &a
		}
		return
	}
	score := 2*maxMinedFields + 1 - n
	if s.Truth == TruthAttack {
		score += 2 * maxMinedFields
	}
	if score > p.score && p.shown(&s.Alert) {
		a := s.Alert
		p.near, p.score = &a, score
	}
}

// shown reports whether a test can show the alert: the fields of the pattern are text for people.
func (p *pattern) shown(a *winnow.Alert) bool {
	for _, part := range p.parts {
		for _, v := range a.Fields[part.field] {
			if !plainValue([]string{v}) {
				return false
			}
		}
	}
	return true
}

// when is the condition, its parts by name.
func (p *pattern) when() string {
	if len(p.parts) == 0 {
		return "true"
	}
	parts := slices.SortedFunc(slices.Values(p.parts), func(a, b part) int { return cmp.Compare(a.field, b.field) })
	var texts []string
	for _, part := range parts {
		texts = append(texts, rules.EventName(part.field)+" == "+quote(part.value))
	}
	return strings.Join(texts, " && ")
}

// quote writes a text as a constant of the rule language, and of YAML.
func quote(s string) string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil {
		return `""`
	}
	return strings.TrimSuffix(b.String(), "\n")
}

// id is the same for the same search and condition, so that a rule is not suggested twice.
func (p *pattern) id() string {
	sum := sha256.Sum256([]byte(p.search + "\x00" + p.when()))
	var slug strings.Builder
	for _, r := range strings.ToLower(p.search) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			slug.WriteRune(r)
		case slug.Len() > 0 && !strings.HasSuffix(slug.String(), "-"):
			slug.WriteByte('-')
		}
		if slug.Len() >= 40 {
			break
		}
	}
	return strings.Trim("suggested-"+slug.String(), "-") + "-" + hex.EncodeToString(sum[:4])
}

// write makes the rules of the patterns.
func (m *miner) write() {
	m.found = slices.DeleteFunc(m.found, func(p *pattern) bool { return p.meant == nil })
	for _, p := range m.found {
		s := Suggestion{
			ID: p.id(), SearchName: p.search, When: p.when(), Mode: rules.ModeEnforce, Severity: p.severity, First: p.first, Last: p.last,
		}
		if len(p.parts) == 0 {
			s.Mode = rules.ModeShadow
		}
		for _, part := range p.parts {
			s.Fields = append(s.Fields, part.field)
		}
		s.YAML = m.yaml(p, &s)
		m.out.Rules = append(m.out.Rules, s)
	}
}

func (m *miner) yaml(p *pattern, s *Suggestion) string {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, "    "+format+"\n", args...) }
	fmt.Fprintf(&b, "  - id: %s\n", s.ID)
	line("description: %s", quote("Recurring alerts of "+p.search))
	line("owner: %s", quote(m.o.Owner))
	line("reason: %s", quote(fmt.Sprintf("People found %d such alerts benign from %s to %s; none was an attack, and none is undecided",
		p.hits, p.first.UTC().Format(time.DateOnly), p.last.UTC().Format(time.DateOnly))))
	line("expires: %s", m.o.Expires.Format(time.DateOnly))
	line("search_name: [%s]", quote(globQuoter.Replace(p.search)))
	line("when: '%s'", strings.ReplaceAll(s.When, "'", "''"))
	line("mode: %s", s.Mode)
	line("max_severity: %s", s.Severity)
	line("tests:")
	line("  - {name: an alert that was found benign, alert: %s, want: drop}", p.example(p.meant, p.meant.Severity))
	if p.near != nil {
		line("  - {name: another alert of this search, alert: %s, want: pass}", p.example(p.near, p.near.Severity))
	} else {
		line("  - {name: the same above the ceiling, alert: %s, want: pass}", p.example(p.meant, winnow.SeverityHigh))
	}
	return b.String()
}

var globQuoter = strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`)

// example writes an alert of the samples as a test has it: what the condition reads.
func (p *pattern) example(a *winnow.Alert, severity winnow.Severity) string {
	texts := []string{"search_name: " + quote(a.SearchName)}
	if severity != winnow.SeverityUnknown {
		texts = append(texts, "severity: "+severity.String())
	}
	for _, part := range slices.SortedFunc(slices.Values(p.parts), func(a, b part) int { return cmp.Compare(a.field, b.field) }) {
		switch values := a.Fields[part.field]; len(values) {
		case 0:
		case 1:
			texts = append(texts, yamlKey(part.field)+": "+quote(values[0]))
		default:
			var list []string
			for _, v := range values[:min(len(values), maxMinedFields)] {
				list = append(list, quote(v))
			}
			texts = append(texts, yamlKey(part.field)+": ["+strings.Join(list, ", ")+"]")
		}
	}
	return "{" + strings.Join(texts, ", ") + "}"
}

// yamlKey writes a field's name as the key of a test's alert, in quotes where it needs them.
func yamlKey(name string) string {
	if rules.EventName(name) == "event."+name && name != "true" && name != "false" && name != "null" {
		return name
	}
	return quote(name)
}

// RuleFile writes suggestions as a rule file.
func RuleFile(list []Suggestion) string {
	var b strings.Builder
	b.WriteString("rules:\n")
	for i, s := range list {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(s.YAML)
	}
	return b.String()
}
