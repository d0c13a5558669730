// Package importer makes allow-list rules of what other products call filters, lookups and
// suppressions: the filter blocks of Sigma rules, Splunk lookup files, and the notable suppressions
// of Enterprise Security.
//
// An imported rule never covers more than its original did. What cannot be said exactly is said
// more narrowly, and what cannot be said that way either is refused, with its place and the reason:
// nothing is left out in silence. Every rule comes in shadow mode with a note that it waits for
// review, and with two tests, one that it drops and one that it just does not; a rule that does not
// load, or whose tests do not come out, is refused too.
package importer

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
)

// Options are what an original does not say.
type Options struct {
	Owner, Reason string
	Expires       time.Time // the last day of the rules; what ends earlier ends then
	Now           time.Time
	Searches      []string          // scope, instead of what the original says
	Global        bool              // scope: every search, where the original names none
	Fields        map[string]string // names of fields in alerts, by their names in the original

	// Table says which fields an attacker may set; nil knows none.
	Table *winnow.FieldTable

	// Nulls says that rows carry every field that their event has, so that a missing field is one
	// that was null there.
	Nulls bool
}

// Validate says what is missing or cannot be.
func (o *Options) Validate() error {
	switch {
	case strings.TrimSpace(o.Owner) == "":
		return errors.New("no owner is given: somebody must answer for each rule")
	case o.Expires.After(o.Now.UTC().AddDate(1, 0, 0)):
		return fmt.Errorf("expires %s is more than a year ahead", o.Expires.Format(time.DateOnly))
	case !o.Now.Before(o.Expires.AddDate(0, 0, 1)):
		return fmt.Errorf("expires %s is over", o.Expires.Format(time.DateOnly))
	case o.Global && len(o.Searches) > 0:
		return errors.New("a rule is for some searches, or for all: not both")
	}
	return nil
}

// Rule is an imported rule.
type Rule struct {
	ID   string `json:"rule"`
	File string `json:"file"` // of the original
	Line int    `json:"line"`
	What string `json:"what"`
	Text string `json:"text"` // the rule, as an item of a rule file

	// Trust says on which fields that an attacker may set the rule rests, "" if there are others: such
	// a rule is imported, and rules check refuses it until a person narrows it.
	Trust string `json:"trust"`

	Parts int `json:"-"` // how many blocks of the original it stands for
}

// List is a value list that an imported rule reads.
type List struct {
	Name string
	Text []byte // a CSV file
}

// Refusal is something that was not imported.
type Refusal struct {
	File string `json:"file"`
	Line int    `json:"line"`
	What string `json:"what"`
	Why  string `json:"why"`
	Kind string `json:"kind"` // Why without what is special to this one
}

// Import collects what is imported. Not safe for concurrent use.
type Import struct {
	Options

	Rules   []Rule
	Lists   []List
	Refused []Refusal

	ids map[string]bool
}

// New returns an empty import.
func New(o Options) *Import { return &Import{Options: o, ids: map[string]bool{}} }

// problem is why something is not imported. kind is the same for all of its kind.
type problem struct{ kind, detail string }

func (p *problem) Error() string {
	if p.detail == "" {
		return p.kind
	}
	return p.kind + ": " + p.detail
}

func refuse(kind string) error { return &problem{kind: kind} }

func refuseDetail(kind, format string, args ...any) error {
	return &problem{kind, fmt.Sprintf(format, args...)}
}

// origin is where something comes from.
type origin struct {
	file string
	line int
	what string
}

func (im *Import) refuse(at origin, err error) {
	kind := err.Error()
	if p, ok := errors.AsType[*problem](err); ok {
		kind = p.kind
	}
	im.Refused = append(im.Refused, Refusal{File: at.file, Line: at.line, What: at.what, Why: err.Error(), Kind: kind})
}

// add makes a rule of a draft, or refuses all that it was made of.
func (im *Import) add(d *draft, made ...origin) {
	d.id = im.unused(d.id)
	text, trust, err := im.finish(d)
	if err != nil {
		for _, at := range made {
			im.refuse(at, err)
		}
		return
	}
	at := made[0]
	if len(made) > 1 {
		var names []string
		for _, m := range made {
			names = append(names, m.what)
		}
		at.what = strings.Join(names, " and ")
	}
	im.ids[d.id] = true
	im.Rules = append(im.Rules, Rule{ID: d.id, File: at.file, Line: at.line, What: at.what, Text: text, Trust: trust, Parts: len(made)})
}

// File returns a rule file of all rules.
func (im *Import) File() []byte {
	var b strings.Builder
	b.WriteString("# review: imported rules, in shadow mode. Read each, then say mode: enforce.\nrules:\n")
	for _, r := range im.Rules {
		b.WriteString(r.Text)
	}
	return []byte(b.String())
}

// Kinds counts the refusals by kind, the most frequent first.
func (im *Import) Kinds() []KindCount {
	counts := map[string]int{}
	for _, r := range im.Refused {
		counts[r.Kind]++
	}
	var out []KindCount
	for kind, n := range counts {
		out = append(out, KindCount{kind, n})
	}
	slices.SortFunc(out, func(a, b KindCount) int { return cmp.Or(b.Count-a.Count, strings.Compare(a.Kind, b.Kind)) })
	return out
}

// KindCount is a reason and how often it was given.
type KindCount struct {
	Kind  string
	Count int
}

// maxID is the longest id that rules may have.
const maxID = 100

// unused returns the id, with a number when it is taken.
func (im *Import) unused(id string) string {
	out := id
	for n := 2; im.ids[out]; n++ {
		suffix := fmt.Sprint("-", n)
		out = strings.TrimRight(id[:min(len(id), maxID-len(suffix))], "-") + suffix
	}
	return out
}

// slug makes small letters, digits and - of texts.
func slug(most int, texts ...string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.Join(texts, "-")) {
		switch {
		case r >= 'a' && r <= 'z' || r >= '0' && r <= '9':
			b.WriteRune(r)
		case b.Len() > 0 && !strings.HasSuffix(b.String(), "-"):
			b.WriteByte('-')
		}
	}
	out := b.String()
	return strings.Trim(out[:min(len(out), most)], "-")
}
