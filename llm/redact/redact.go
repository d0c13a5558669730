// Package redact decides what of an alert may leave the building, and in which form. Nothing leaves
// unless it is allowed; secrets never do; the names of our users, hosts, domains and internal addresses are
// replaced by tokens that are the same in every alert and that only [View.Undo], here, takes back.
//
// The way of a text: learn (the names that the alert's own fields tell), find (spans of secrets, names,
// addresses, mail addresses, paths and of text that looks like a token), replace.
package redact

import (
	"crypto/hmac"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/winnow-soc/winnow"
)

// KeySize is the length in bytes of the key that tokens are made with.
const KeySize = 32

// Limits of a view, in bytes of values before they are replaced. What lies beyond them is not sent, and its
// fields are named in [View.Cut].
const (
	maxValue  = 8 << 10  // of one value
	maxText   = 48 << 10 // of one alert, and of one text given to Hide
	maxValues = 64       // of one field
	maxFields = 256      // shown
)

// Search is [redact:SEARCH] of winnow.conf: what holds for the alerts of one search.
type Search struct {
	Fields     []string // globs on names of fields that may leave too
	Irrelevant []string // globs on names of fields that nobody needs to see
	Class      Class
}

// Options say what leaves. The zero value of all but Key lets nothing but CIM fields leave.
type Options struct {
	Key      []byte                   // KeySize bytes; tokens are stable as long as it is
	All      bool                     // every field may leave, not only those of the CIM
	Search   func(name string) Search // nil: nothing holds for any search; safe for concurrent use
	Internal []netip.Prefix           // addresses of ours beside the private ones
	Domains  []string                 // domains of ours, with all below them
}

// Redactor makes views of alerts. Safe for concurrent use.
type Redactor struct {
	o       Options
	domains []string // lower case, without dots at the ends
}

// New checks the options.
func New(o Options) (*Redactor, error) {
	if len(o.Key) != KeySize {
		return nil, fmt.Errorf("redact: key has %d bytes, want %d", len(o.Key), KeySize)
	}
	if o.Search == nil {
		o.Search = func(string) Search { return Search{} }
	}
	o.Key = slices.Clone(o.Key)
	r := &Redactor{o: o}
	for _, d := range o.Domains {
		d = strings.ToLower(strings.Trim(strings.TrimPrefix(d, "*"), "."))
		if d == "" {
			return nil, errors.New("redact: empty domain")
		}
		r.domains = append(r.domains, d)
	}
	// The longest goes first, so that a name belongs to the nearest of its domains.
	slices.SortFunc(r.domains, func(a, b string) int { return len(b) - len(a) })
	return r, nil
}

// Class returns the data class of a search's alerts. What nobody classed is restricted.
func (r *Redactor) Class(search string) Class {
	if c := r.o.Search(search).Class; c.rank() > 0 {
		return c
	}
	return Restricted
}

// View decides what of an alert may leave. A nil table calls no field volatile.
func (r *Redactor) View(a *winnow.Alert, t *winnow.FieldTable) *View {
	v := &View{r: r, table: t, names: newNames(), tokens: tokens{
		mac: hmac.New(sha256.New, r.o.Key), known: map[string]string{}, made: map[tokenOf]string{},
	}}
	v.learn(a.Fields)
	s := r.o.Search(a.SearchName)
	left := maxText
	for _, name := range a.Fields.Names() {
		values := a.Fields[name]
		if len(values) == 0 {
			continue
		}
		switch needed := !matchesAny(s.Irrelevant, name); {
		case r.shown(&s, name, needed) && len(v.Fields) < maxFields:
			left = v.show(name, values, left)
		case !needed || (t != nil && t.Lookup(a.SearchName, name).Volatile):
			v.Left = append(v.Left, name)
		default:
			v.Withheld = append(v.Withheld, name)
		}
	}
	// Names of fields are in the order of what leaves, which can differ from the alert's own.
	slices.SortStableFunc(v.Fields, func(a, b Field) int { return strings.Compare(a.Name, b.Name) })
	return v
}

// shown reports whether a field may leave. A field that is irrelevant stays, unless it is named in fields.
func (r *Redactor) shown(s *Search, name string, needed bool) bool {
	switch {
	case SecretName(name):
		return false
	case matchesAny(s.Fields, name):
		return true
	}
	return needed && (r.o.All || CIM(name))
}
