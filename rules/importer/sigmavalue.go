package importer

import (
	"net/netip"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// sigmaItem is a field of a block with what its modifiers say.
type sigmaItem struct {
	field   string
	mode    string // contains, startswith, endswith, re, cidr, exists, lt, lte, gt, gte, or ""
	flags   string // of re
	all     bool   // each value must hold, not one of them
	exact   bool
	windash bool
	nulls   bool
}

func (s *sigmaItem) modifiers(names []string) error {
	for _, m := range names {
		switch m {
		case "contains", "startswith", "endswith", "re", "cidr", "exists", "lt", "lte", "gt", "gte":
			if s.mode != "" {
				return refuseDetail("two modifiers stand together", "%s and %s", s.mode, m)
			}
			s.mode = m
		case "i", "m", "s":
			if s.mode != "re" {
				return refuseDetail("a modifier is not known", "%s", m)
			}
			s.flags += m
		case "all":
			s.all = true
		case "cased":
			s.exact = true
		case "windash":
			s.windash = true
		default:
			return refuseDetail("a modifier is not known", "%.40s", m)
		}
	}
	if (s.exact || s.windash) && !slices.Contains([]string{"", "contains", "startswith", "endswith"}, s.mode) {
		return refuse("two modifiers stand together")
	}
	return nil
}

// value makes a part of one value.
func (s *sigmaItem) value(n *yaml.Node) (*part, error) {
	text, null, err := sigmaScalar(n)
	if err != nil {
		return nil, err
	}
	if null {
		return s.null()
	}
	switch s.mode {
	case "re":
		return s.regexp(text)
	case "cidr":
		if _, err := netip.ParsePrefix(text); err != nil {
			return nil, refuseDetail("a network is none", "%.60q", text)
		}
		return &part{op: opCIDR, field: s.field, texts: []string{text}}, nil
	case "exists":
		if strings.EqualFold(text, "true") {
			return &part{op: opHas, field: s.field}, nil
		}
		return s.null()
	case "lt", "lte", "gt", "gte":
		op := map[string]string{"lt": "<", "lte": "<=", "gt": ">", "gte": ">="}[s.mode]
		if !plainNumber.MatchString(text) || strings.HasPrefix(text, "-") {
			return nil, refuse("a number is not a plain decimal")
		}
		return &part{op: opNumber, field: s.field, texts: []string{op, text}}, nil
	}
	return s.text(text)
}

// null asks for a missing field. In the rows of an alert a field may also be missing because its
// search does not return it, and then the rule would cover every alert.
func (s *sigmaItem) null() (*part, error) {
	if s.mode != "" && s.mode != "exists" {
		return nil, refuse("a null stands where a text is wanted")
	}
	if !s.nulls {
		return nil, refuse("a missing field is asked for, and alerts may lack it for other reasons (say --nulls if theirs never do)")
	}
	return &part{op: opMissing, field: s.field}, nil
}

func (s *sigmaItem) text(text string) (*part, error) {
	if text == "" {
		return nil, refuse("an empty text is asked for, which rows cannot tell from a missing one")
	}
	var kids []*part
	for _, t := range s.variants(text) {
		shape := wildcards(t)
		if s.mode == "contains" || s.mode == "endswith" {
			shape = append([]piece{{wild: '*'}}, trimmed(shape, true, false)...)
		}
		if s.mode == "contains" || s.mode == "startswith" {
			shape = append(trimmed(shape, false, true), piece{wild: '*'})
		}
		kids = append(kids, comparison(s.field, shape, s.exact))
	}
	return anyOf(merged(kids)), nil
}

// trimmed takes a * away from an end at which another one comes.
func trimmed(shape []piece, first, last bool) []piece {
	if first && len(shape) > 0 && shape[0].wild == '*' {
		shape = shape[1:]
	}
	if last && len(shape) > 0 && shape[len(shape)-1].wild == '*' {
		shape = shape[:len(shape)-1]
	}
	return shape
}

var dashed = regexp.MustCompile(`(^|[^\w])[-/](\w)`)

// variants are the ways to write a flag of a Windows program, where that is asked for.
func (s *sigmaItem) variants(text string) []string {
	out := []string{text}
	if !s.windash {
		return out
	}
	for _, dash := range []string{"-", "/", "\u2013", "\u2014", "\u2015"} {
		if t := dashed.ReplaceAllString(text, "${1}"+dash+"${2}"); !slices.Contains(out, t) {
			out = append(out, t)
		}
	}
	return out
}

// regexp takes an expression over where it means the same in RE2. Where the two differ, what is
// taken over matches less: the classes of letters that are not in a class would match more.
func (s *sigmaItem) regexp(text string) (*part, error) {
	if s.flags != "" {
		text = "(?" + s.flags + ")" + text
	}
	if notInClass.MatchString(text) {
		return nil, refuse("a regular expression asks for what is in no class of characters, which differs between languages")
	}
	re, err := syntax.Parse(text, syntax.Perl)
	if err != nil {
		return nil, refuseDetail("a regular expression is not one here", "%v", err)
	}
	if regexp.MustCompile(re.String()).MatchString("") {
		return nil, refuse("a regular expression matches everything")
	}
	return &part{op: opRegexp, field: s.field, texts: []string{text}}, nil
}

var (
	notInClass  = regexp.MustCompile(`\\[DWSBPNXR]|\[\^[^\]]*\\[dws]|\[:\^`)
	plainNumber = regexp.MustCompile(`^-?(0|[1-9][0-9]{0,14})$`)
	plainFloat  = regexp.MustCompile(`^-?(0|[1-9][0-9]*)\.[0-9]+$`)
	oddNumber   = regexp.MustCompile(`^[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+$|^[-+]?0[0-9_]+$|^[-+]?[0-9][0-9_]*_[0-9_]*$|^[-+]?0[xob]`)
)

// oldWords are true and false to some readers of YAML, and texts to others.
var oldWords = []string{"y", "n", "yes", "no", "on", "off"}

// sigmaScalar returns the text of a value. A value that readers of YAML take for different things is
// refused: a number that is not a plain decimal, a date, an old word for true.
func sigmaScalar(n *yaml.Node) (text string, null bool, err error) {
	if n.Kind != yaml.ScalarNode || n.Anchor != "" || n.Style&yaml.TaggedStyle != 0 {
		return "", false, refuse("a value is neither a text nor a number")
	}
	bare := n.Style == 0
	switch n.Tag {
	case "!!null":
		return "", true, nil
	case "!!str":
		if bare && (oddNumber.MatchString(n.Value) || slices.Contains(oldWords, strings.ToLower(n.Value))) {
			return "", false, refuseDetail("readers of YAML differ about a value", "%.60q", n.Value)
		}
		return n.Value, false, nil
	case "!!int":
		if plainNumber.MatchString(n.Value) {
			return n.Value, false, nil
		}
	case "!!float":
		if plainFloat.MatchString(n.Value) {
			return n.Value, false, nil
		}
	case "!!bool":
		return strings.ToLower(n.Value), false, nil
	}
	return "", false, refuseDetail("readers of YAML differ about a value", "%.60q", n.Value)
}
