package redact

import (
	"regexp"
	"strings"
)

// homes are folders that are called like the account they belong to.
var homes = []string{`\users\`, `\\users\\`, "/users/", "/home/", `\documents and settings\`, `\profiles\`}

// pathSpans finds accounts and hosts in paths of a folded text: C:\Users\ann, /home/ann, \\fs1\share.
func pathSpans(list []span, s string) []span {
	for _, home := range homes {
		for at := 0; ; {
			i := strings.Index(s[at:], home)
			if i < 0 {
				break
			}
			at += i + len(home)
			end := at + pathName(s[at:min(len(s), at+64)])
			if name := s[at:end]; name != "" && !common(name) {
				list = append(list, span{from: at, to: end, kind: kindUser})
			}
		}
	}
	return shareSpans(list, s)
}

// pathName returns the length of the first name of a path. A blank is part of it where a folder follows.
func pathName(s string) int {
	end := strings.IndexAny(s, "\\/\"'<>|*?:;,\r\n\t%$&(){}[]")
	if end < 0 {
		end = len(s)
	}
	if blank := strings.IndexByte(s[:end], ' '); blank >= 0 && (end == len(s) || s[end] != '\\') {
		end = blank
	}
	return end
}

// shareSpans finds the hosts of \\host\share, also with every backslash written twice.
func shareSpans(list []span, s string) []span {
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			continue
		}
		from := i
		for i < len(s) && s[i] == '\\' {
			i++
		}
		if i-from < 2 || from > 0 && (isAlnum(s[from-1]) || strings.IndexByte(":.)%>_-", s[from-1]) >= 0) {
			continue
		}
		end := i
		for end < len(s) && hostByte(s[end]) {
			end++
		}
		if end < len(s) && (s[end] == '\\' || s[end] == '@' || s[end] == '$') && end > i && !common(s[i:end]) {
			list = append(list, span{from: i, to: end, kind: kindHost})
		}
	}
	return list
}

// Accounts that a text names by what stands before them.
var (
	accountWords = regexp.MustCompile(`(?:^|[^a-z0-9])(?:user(?:[ _]?(?:name|id))?|account[ _]?name|acct|login|uname|(?:target|subject)user(?:name|sid)?)\\?["']?\s*[=:]\s*\\?["']?([^\s"',;&|<>(){}\[\]\\/@:=%$]{2,64})`)
	loginWords   = regexp.MustCompile(`(?:password for|publickey for|invalid user|session (?:opened|closed) for user|user unknown|authentication failure for)(?: (?:invalid|illegal) user)? ([^\s"',;&|<>(){}\[\]\\/@:]{2,64})`)
	domainSIDs   = regexp.MustCompile(`s-1-5-21-\d{1,10}-\d{1,10}-\d{1,10}(?:-\d{4,10})?`)
	securityIDs  = regexp.MustCompile(`^s-1(?:-\d{1,10}){1,8}$`)
)

var accountHints = []string{"user", "account", "acct", "login", "uname"}

// contextSpans finds accounts by the words before them, and security identifiers of our domains. The numbers
// that Windows gives to accounts of its own stay.
func contextSpans(list []span, s string) []span {
	if signed(s, accountHints) {
		list = accountSpans(list, s, accountWords)
	}
	if strings.Contains(s, " for ") || strings.Contains(s, "user ") {
		list = accountSpans(list, s, loginWords)
	}
	if strings.Contains(s, "s-1-5-21-") {
		for _, at := range domainSIDs.FindAllStringIndex(s, -1) {
			list = append(list, span{from: at[0], to: at[1], kind: kindSID})
		}
	}
	return list
}

func accountSpans(list []span, s string, words *regexp.Regexp) []span {
	for _, at := range words.FindAllStringSubmatchIndex(s, -1) {
		name := strings.TrimRight(s[at[2]:at[3]], ".")
		if name == "" || common(name) || digitsOnly(name) && len(name) < 4 {
			continue
		}
		list = append(list, span{from: at[2], to: at[2] + len(name), kind: kindUser})
	}
	return list
}
