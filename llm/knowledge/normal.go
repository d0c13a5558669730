package knowledge

import (
	"net"
	"strings"
)

// The kinds of indicators.
const (
	kindIP     = "ip"
	kindDomain = "domain"
	kindHost   = "hostname"
	kindURL    = "url"
	kindHash   = "hash"
	kindEmail  = "email"
)

// normal returns the form under which an indicator of a kind is kept, and the same for what an alert
// holds. ok is false for what is no such thing.
func normal(kind, value string) (string, bool) {
	value = strings.TrimSpace(value)
	if value == "" || len(value) > 2048 {
		return "", false
	}
	switch kind {
	case kindIP:
		if host, _, err := net.SplitHostPort(value); err == nil {
			value = host
		}
		ip, ok := parseIP(value)
		return ip.String(), ok
	case kindURL:
		return normalURL(value)
	case kindHash:
		value = strings.ToLower(value)
		return value, isHash(value)
	case kindEmail:
		value = strings.ToLower(value)
		return value, strings.Contains(value, "@")
	case kindDomain, kindHost:
		value = strings.ToLower(strings.TrimSuffix(value, "."))
		return value, strings.Contains(value, ".") && !strings.ContainsAny(value, " /\t@")
	}
	return "", false
}

// isHash reports whether a text has the length and letters of an MD5, SHA-1, SHA-256 or SHA-512 sum.
func isHash(s string) bool {
	switch len(s) {
	case 32, 40, 64, 128:
	default:
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}

// normalURL lowers scheme and host, which do not heed letter case, and drops a lone slash.
func normalURL(value string) (string, bool) {
	scheme, rest, ok := strings.Cut(value, "://")
	if !ok || scheme == "" || rest == "" {
		return "", false
	}
	host, path := rest, ""
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		host, path = rest[:i], rest[i:]
	}
	if path == "/" {
		path = ""
	}
	return strings.ToLower(scheme) + "://" + strings.ToLower(host) + path, host != ""
}

// hostOf returns the host of a URL in normal form, without account and port.
func hostOf(url string) string {
	_, rest, _ := strings.Cut(url, "://")
	if i := strings.IndexAny(rest, "/?#"); i >= 0 {
		rest = rest[:i]
	}
	rest = rest[strings.LastIndexByte(rest, '@')+1:]
	if host, _, err := net.SplitHostPort(rest); err == nil {
		return host
	}
	return strings.Trim(rest, "[]")
}

// question is one form in which a value may be in a feed. Only indicators of kind, where that is set.
type question struct{ normal, kind string }

// questions returns the forms in which a feed may know a value or one of its words.
func questions(value string) []question {
	var out []question
	put := func(kind, v, only string) bool {
		n, ok := normal(kind, v)
		if ok {
			out = append(out, question{n, only})
		}
		return ok
	}
	if strings.Contains(value, "://") {
		if u, ok := normalURL(value); ok {
			out = append(out, question{u, ""})
			value = hostOf(u)
		}
	}
	if put(kindIP, value, "") || put(kindHash, value, "") {
		return out
	}
	if strings.Contains(value, "@") {
		put(kindEmail, value, "")
		value = value[strings.LastIndexByte(value, '@')+1:]
	}
	if host, _, err := net.SplitHostPort(value); err == nil {
		value = host
	}
	if !put(kindHost, value, "") {
		return out
	}
	// A domain in a feed stands for the hosts below it too.
	for range 4 {
		_, parent, ok := strings.Cut(value, ".")
		if !ok || !put(kindDomain, parent, kindDomain) {
			break
		}
		value = parent
	}
	return out
}
