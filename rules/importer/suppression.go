package importer

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// Stanza is one of eventtypes.conf.
type Stanza struct {
	Name, Search, Description string

	File     string
	Line     int // of the search
	Disabled bool
}

// SuppressionPrefix is how the stanzas of notable suppressions begin.
const SuppressionPrefix = "notable_suppression-"

// Unreadable says what could not be read of a file, if anything.
func (im *Import) Unreadable(file string, err error) {
	if err == nil {
		return
	}
	for _, e := range unjoined(err) {
		im.refuse(origin{file, 0, "the file"}, refuseDetail("it is no .conf file", "%v", e))
	}
}

func unjoined(err error) []error {
	if list, ok := err.(interface{ Unwrap() []error }); ok { //nolint:errorlint // the join itself is meant
		return list.Unwrap()
	}
	return []error{err}
}

// Suppression imports a notable suppression of Enterprise Security: an event type that hides the
// notables that it finds, often between two times only. What it compares must be fields of the
// alert's row too.
func (im *Import) Suppression(s Stanza) {
	name := strings.TrimPrefix(s.Name, SuppressionPrefix)
	at := origin{s.File, s.Line, name}
	d, err := im.suppression(s, name)
	if err != nil {
		im.refuse(at, err)
		return
	}
	im.add(d, at)
}

func (im *Import) suppression(s Stanza, name string) (*draft, error) {
	switch {
	case s.Disabled:
		return nil, refuse("it is disabled")
	case s.Search == "":
		return nil, refuse("it has no search")
	case len(s.Search) > 16<<10:
		return nil, refuse("its search is too long")
	}
	tokens, err := splTokens(s.Search)
	if err != nil {
		return nil, err
	}
	p := &splParser{im: im, tokens: tokens}
	when, err := p.terms(true)
	if err == nil && len(p.tokens) > 0 {
		err = refuse("a parenthesis is not opened")
	}
	if err != nil {
		return nil, err
	}
	when = simplified(when)
	if len(when.fields()) == 0 {
		return nil, refuse("it names no field of the alert, and would cover every alert of its searches")
	}
	d := &draft{
		id:          slug(maxID, "suppression", name),
		description: strings.TrimSpace(name + " (notable suppression) " + s.Description),
		reason:      "notable suppression " + name,
		searches:    p.searches,
		when:        when,
	}
	return d, im.limit(d, p)
}

// limit lets the rule end when the suppression does, and puts its tests into that time.
func (im *Import) limit(d *draft, p *splParser) error {
	d.expires = im.Expires
	if p.end != 0 {
		end := time.Unix(p.end, 0).UTC()
		if !end.After(im.Now) {
			return refuseDetail("it has ended", "on %s", end.Format(time.DateOnly))
		}
		if day := end.Truncate(24 * time.Hour); day.Before(d.expires) {
			d.expires = day
		}
	}
	last := d.expires.AddDate(0, 0, 1).Add(-time.Hour).Unix()
	if p.end != 0 {
		last = min(last, p.end-1)
	}
	if p.start != 0 && last <= p.start {
		return refuse("it begins after the rule would end")
	}
	if p.start != 0 || p.end != 0 {
		d.at = time.Unix(last, 0).UTC()
	}
	return nil
}

// time reads a comparison of _time with seconds since 1970.
func (p *splParser) time(op, value string) (*part, error) {
	seconds, err := strconv.ParseInt(strings.TrimSuffix(value, ".000"), 10, 64)
	if err != nil || seconds <= 0 || seconds > 1<<36 {
		return nil, refuseDetail("a time is no number of seconds", "%.60q", value)
	}
	switch op {
	case ">", ">=":
		p.start = max(p.start, seconds)
	case "<", "<=":
		if p.end == 0 || seconds < p.end {
			p.end = seconds
		}
	default:
		return nil, refuse("a time is compared in another way than with < and >")
	}
	return &part{op: opTime, texts: []string{op, strconv.FormatInt(seconds, 10)}}, nil
}

// scope reads the name of the search: the source of a notable. A rule says it as its scope, so it
// must hold for the whole of the suppression.
func (p *splParser) scope(op string, value splToken, top bool) (*part, error) {
	switch {
	case !top || op != "=" && op != "==":
		return nil, refuse("the name of the search is not compared for the whole of it")
	case len(p.searches) > 0 && !slices.Equal(p.searches, []string{value.text}):
		return nil, refuse("the name of the search is compared twice")
	case strings.Trim(value.text, "*? ") == "":
		return nil, refuse("it is for every search")
	}
	// In a search only * is a wildcard.
	p.searches = []string{strings.NewReplacer(`\`, `\\`, "?", `\?`).Replace(value.text)}
	return &part{op: opAll}, nil
}

// simplified leaves out what became the scope: an and of nothing.
func simplified(p *part) *part {
	var kids []*part
	for _, kid := range p.kids {
		if kid = simplified(kid); kid.op != opAll || len(kid.kids) > 0 {
			kids = append(kids, kid)
		}
	}
	if p.op != opAll {
		return p
	}
	return allOf(kids)
}
