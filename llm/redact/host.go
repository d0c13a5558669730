package redact

import (
	"slices"
	"strings"
)

// ownEndings are endings of names that never lead out of a network.
var ownEndings = map[string]bool{
	"local": true, "lan": true, "corp": true, "internal": true, "intranet": true, "home": true, "localdomain": true,
	"private": true, "home.arpa": true, "intra": true,
}

const maxHost = 253 // characters of a name

// domainAt returns where the internal domain of a name begins, or -1 for a name that is not ours.
func (r *Redactor) domainAt(host string) int {
	for i := 0; i < len(host); i++ {
		if i > 0 && host[i-1] != '.' {
			continue
		}
		if slices.Contains(r.domains, host[i:]) {
			return i
		}
	}
	ending := host[strings.LastIndexByte(host, '.')+1:]
	if ending == "arpa" && strings.HasSuffix(host, ".home.arpa") {
		ending = "home.arpa"
	}
	if !ownEndings[ending] || len(host) < len(ending)+2 {
		return -1
	}
	return strings.LastIndexByte(host[:len(host)-len(ending)-1], '.') + 1
}

// hostSpans finds names below our domains, in a folded text.
func (r *Redactor) hostSpans(list []span, s string) []span {
	for i := 0; i < len(s); {
		if !hostByte(s[i]) {
			i++
			continue
		}
		end, dots := i, 0
		for end < len(s) && (hostByte(s[end]) || s[end] == '.') {
			if s[end] == '.' {
				dots++
			}
			end++
		}
		if dots > 0 {
			list = r.qualified(list, s, max(i, end-maxHost), end)
		}
		i = end
	}
	return list
}

// qualified takes a name apart into the host and our domain. Bare endings of other names are none.
func (r *Redactor) qualified(list []span, s string, from, to int) []span {
	for to > from && s[to-1] == '.' {
		to--
	}
	at := r.domainAt(s[from:to])
	if at < 0 {
		return list
	}
	list = append(list, span{from: from + at, to: to, kind: kindDomain})
	if at > 1 && !common(s[from:from+at-1]) {
		list = append(list, span{from: from, to: from + at - 1, kind: kindHost})
	}
	return list
}

func mailByte(b byte) bool {
	return isAlnum(b) || b >= 0x80 || strings.IndexByte("._%+'-=#", b) >= 0
}

// mailSpans finds what stands before the @ of mail addresses and of logins like ann@ws12; domains of ours are
// found elsewhere, and others stay. extent, when not nil, is told the ends of each address.
func mailSpans(list []span, s string, extent func(from, to int)) []span {
	for i := 1; i < len(s); i++ {
		if s[i] != '@' {
			continue
		}
		from, to := i, i+1
		for from > 0 && mailByte(s[from-1]) {
			from--
		}
		for from < i && strings.IndexByte("'.%=-", s[from]) >= 0 {
			from++
		}
		for to < len(s) && (hostByte(s[to]) || s[to] == '.') {
			to++
		}
		for to > i+1 && strings.IndexByte(".-_", s[to-1]) >= 0 {
			to--
		}
		domain := s[i+1 : to]
		last := domain[strings.LastIndexByte(domain, '.')+1:]
		if from == i || last == "" || isDigit(last[0]) && !strings.Contains(last, "-") {
			continue
		}
		if extent != nil {
			extent(from, to)
		}
		if !common(s[from:i]) {
			list = append(list, span{from: from, to: i, kind: kindUser})
		}
		if len(last) == len(domain) && len(domain) >= minName && !common(domain) {
			list = append(list, span{from: i + 1, to: to, kind: kindHost})
		}
	}
	return list
}
