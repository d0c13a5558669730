package redact

import (
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/winnow-soc/winnow"
)

// learn reads the names that the alert's own fields tell, also those that do not leave, so that they are found
// wherever else they stand.
func (v *View) learn(f winnow.Fields) {
	for _, field := range f.Names() {
		role := roleOf(field)
		if role == roleText {
			continue
		}
		for _, text := range f[field] {
			v.learnValue(role, text)
		}
	}
}

// minSecret is the length of the shortest value of a secret field that is taken out of other fields.
const minSecret = 6

func (v *View) learnValue(role role, text string) {
	if role == roleSecret {
		if len(text) >= minSecret && !digitsOnly(text) && strings.Trim(text, text[:1]) != "" { // shorter ones, and "XXXXXX", are found in everything
			v.names.add(kindSecret, text)
		}
		return
	}
	if len(text) > maxValue {
		return
	}
	for _, s := range v.r.roleSpans(role, text) {
		if !s.odd {
			v.names.add(s.kind, text[s.from:s.to])
		}
	}
}

// roleSpans takes the value of a field apart that holds names.
func (r *Redactor) roleSpans(role role, text string) []span {
	if role == roleText || role == roleSecret || text == "" || common(fold(text)) || addresses(text) {
		return nil
	}
	switch role { //nolint:exhaustive // the others are done with
	case roleUser:
		return r.userSpans(text, 0)
	case roleDomain:
		return whole(text, 0, kindDomain)
	}
	return r.hostNames(role, text)
}

// addresses reports whether a value is nothing but addresses, with or without a port.
func addresses(text string) bool {
	parts := 0
	for part := range strings.FieldsFuncSeq(text, func(r rune) bool { return strings.ContainsRune(", ;|\t\n", r) }) {
		parts++
		if _, err := netip.ParseAddr(part); err == nil {
			continue
		}
		if _, err := netip.ParseAddrPort(part); err == nil {
			continue
		}
		if _, err := netip.ParsePrefix(part); err == nil || hardwareAt(fold(part), 0) == len(part) {
			continue
		}
		return false
	}
	return parts > 0
}

// whole takes a value for one name. One that does not look like a name is hidden too, and counts as not seen:
// it can be a message to the reader, or an attack on whoever logs it.
func whole(text string, at int, k kind) []span {
	return []span{{from: at, to: at + len(text), kind: k, odd: !nameShaped(text)}}
}

func nameShaped(text string) bool {
	if utf8.RuneCountInString(text) > 64 || strings.Count(text, " ") > 5 || strings.Contains(text, "${") || strings.Contains(text, "//") {
		return false
	}
	for _, r := range text {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && !unicode.IsMark(r) && !strings.ContainsRune(" ._-'(),&+#$@|:/", r) {
			return false
		}
	}
	return true
}

// userSpans knows DOMAIN\user, ann@corp.example, "Ann <ann@corp.example>", ARNs, machine accounts and SIDs.
func (r *Redactor) userSpans(text string, at int) []span {
	if text == "" || common(fold(text)) {
		return nil
	}
	if i := strings.IndexByte(text, '\\'); i >= 0 {
		name := strings.TrimLeft(text[i:], `\`)
		var list []span
		if i > 0 && !common(fold(text[:i])) {
			list = whole(text[:i], at, kindDomain)
		}
		return append(list, r.userSpans(name, at+len(text)-len(name))...)
	}
	folded := fold(text)
	if strings.Contains(text, "@") {
		if list := r.mailUsers(text, folded, at); list != nil {
			return list
		}
	}
	if i := strings.LastIndexByte(text, '/'); i >= 0 && strings.HasPrefix(folded, "arn:") {
		return r.userSpans(text[i+1:], at+i+1)
	}
	if securityIDs.MatchString(folded) {
		return nil // read as text
	}
	if name, machine := strings.CutSuffix(text, "$"); machine && name != "" && !common(fold(name)) {
		return whole(name, at, kindHost)
	}
	if addresses(text) || strings.HasPrefix(folded, "arn:") && strings.HasSuffix(folded, ":root") {
		return nil
	}
	return whole(text, at, kindUser)
}

// mailUsers finds the addresses of a value, and takes what stands between them for names.
func (r *Redactor) mailUsers(text, folded string, at int) []span {
	var ends []int
	list := mailSpans(nil, folded, func(from, to int) { ends = append(ends, from, to) })
	if len(ends) == 0 {
		return nil
	}
	for i := range list {
		list[i].from, list[i].to = list[i].from+at, list[i].to+at
	}
	from := 0
	for i := 0; i <= len(ends); i += 2 {
		to := len(text)
		if i < len(ends) {
			to = ends[i]
		}
		gap := strings.TrimLeft(text[from:max(from, to)], " <>,;\"'()[]:")
		start := max(from, to) - len(gap)
		gap = strings.TrimRight(gap, " <>,;\"'()[]:")
		if gap != "" && !common(fold(gap)) && fold(gap) != "mailto" && fold(gap) != "smtp" {
			list = append(list, whole(gap, at+start, kindUser)...)
		}
		if i < len(ends) {
			from = ends[i+1]
		}
	}
	if list == nil {
		list = []span{}
	}
	return list
}

// hostNames knows short and qualified names, with a port or a domain before them. A qualified name of a field
// that only ever holds our own hosts is ours whatever its domain.
func (r *Redactor) hostNames(role role, text string) []span {
	name := text
	if i := strings.LastIndexByte(name, ':'); i > 0 && digitsOnly(name[i+1:]) {
		name = name[:i]
	}
	name = strings.TrimRight(name, ".$")
	at := 0
	if i := strings.IndexByte(name, '\\'); i > 0 && !strings.Contains(name[:i], ":") {
		return append(whole(name[:i], 0, kindDomain), whole(name[i+1:], i+1, kindHost)...)
	}
	if name == "" || common(fold(name)) || addresses(name) {
		return nil
	}
	for i := range len(name) {
		if !hostByte(name[i]) && name[i] != '.' {
			if role != roleOwn && (strings.Contains(name, "/") || strings.Contains(name, "@")) {
				return nil // an address of the web, a path, a mail address: read as text
			}
			return whole(text, 0, kindHost)
		}
	}
	dot := strings.IndexByte(name, '.')
	if dot <= 0 {
		return whole(name, at, kindHost)
	}
	if list := r.qualified(nil, fold(name), 0, len(name)); list != nil {
		return list
	}
	if role != roleOwn {
		return nil
	}
	return append(whole(name[:dot], 0, kindHost), whole(name[dot+1:], dot+1, kindDomain)...)
}
