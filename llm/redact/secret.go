package redact

import (
	"regexp"
	"strings"
)

// pattern finds one kind of secret. It runs only where one of its hints, in lower case, stands in the text.
type pattern struct {
	kind   string
	hints  []string
	re     *regexp.Regexp
	signed bool // a = or : follows its hint soon
	exact  bool // case counts: it reads the text as it is, others read it in lower case
	loose  bool // the secret can be any text: see loosely
	accept func(string) bool
}

// The value of an assignment or an option, quoted or not.
const valueText = `(\\"[^"\\]*\\"|"(?:[^"\\]|\\.)*"|'[^']*'|[^\s"',;&|<>]+)`

var patterns = []pattern{
	{kind: "private_key", hints: []string{"private key"}, loose: true,
		re: regexp.MustCompile(`(?s)(-----begin [a-z0-9 ]{0,40}private key[a-z ]{0,10}-----.*?(?:-----end [a-z0-9 ]{0,40}private key[a-z ]{0,10}-----|\z))`)},
	{kind: "jwt", hints: []string{"eyj"}, exact: true, re: regexp.MustCompile(`(eyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{4,}(?:\.[A-Za-z0-9_-]*){0,3})`)},
	{kind: "aws", hints: []string{"akia", "asia", "abia", "acca"}, exact: true, re: regexp.MustCompile(`\b((?:AKIA|ASIA|ABIA|ACCA)[A-Z0-9]{16})\b`)},
	{kind: "gcp", hints: []string{"aiza", "ya29.", "gocspx-"}, exact: true, re: regexp.MustCompile(`(AIza[0-9A-Za-z_-]{35}|ya29\.[0-9A-Za-z_-]{20,}|GOCSPX-[0-9A-Za-z_-]{20,})`)},
	{kind: "github", hints: []string{"gh", "glpat-"}, exact: true, re: regexp.MustCompile(`(gh[pousr]_[A-Za-z0-9]{20,}|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{20,})`)},
	{kind: "slack", hints: []string{"xox", "xapp-"}, exact: true, re: regexp.MustCompile(`(xox[abeoprs]-[A-Za-z0-9-]{10,}|xapp-[A-Za-z0-9-]{10,})`)},
	{kind: "slack", hints: []string{"hooks.slack.com/"}, re: regexp.MustCompile(`hooks\.slack\.com/[a-z]+/([a-z0-9/]{10,})`)},
	{kind: "api_key", hints: []string{"sk-", "sk_", "rk_", "hf_", "gsk_", "npm_", "pypi-", "sg.", "hvs.", "do", "age-secret-key-", "shp"}, exact: true,
		re: regexp.MustCompile(`\b(sk-[A-Za-z0-9_-]{20,}|[sr]k_(?:live|test)_[A-Za-z0-9]{16,}|hf_[A-Za-z0-9]{30,}|gsk_[A-Za-z0-9]{30,}|npm_[A-Za-z0-9]{36}|pypi-[A-Za-z0-9_-]{50,}|SG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}|hvs\.[A-Za-z0-9_-]{20,}|do[opr]_v1_[a-f0-9]{64}|AGE-SECRET-KEY-1[0-9A-Z]{40,}|shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32})`)},
	{kind: "authorization", hints: []string{"authorization"}, loose: true,
		re: regexp.MustCompile(`authorization\\?["']?\s*[:=]\s*\\?["']?(?:(?:bearer|basic|digest|negotiate|ntlm|token|apikey|aws4-hmac-sha256)\s+)?([^\s"',;\\]{4,})`)},
	{kind: "authorization", hints: []string{"bearer", "basic", "negotiate"}, exact: true, accept: random,
		re: regexp.MustCompile(`\b(?i:bearer|basic|negotiate)\s+([A-Za-z0-9+/=._~-]{12,})`)},
	{kind: "cookie", hints: []string{"cookie"}, loose: true, re: regexp.MustCompile(`cookie2?\\?["']?\s*[:=]\s*\\?["']?([^\r\n"']{4,})`)},
	{kind: "password", hints: []string{"://"}, loose: true, re: regexp.MustCompile(`://[^/\s:@"'<>]{0,128}:([^@/\s"'<>]{1,256})@`)},
	{kind: "password", hints: []string{"pass", "pwd", "secret", "token", "key", "credential", "signature=", "sig=", "sessionid", "sessid"}, signed: true, loose: true, accept: notAWord,
		re: regexp.MustCompile(`(?:^|[^:])(?:pass(?:word|wd|phrase|code)?|pwd|secret|token|(?:api|access|account|private|auth|shared|client|secret|master|session|signing|encryption|storage)[_ -]?key|credentials?|sharedaccesssignature|sharedaccesskey|(?:\?|&|;)sig|j?sessionid|phpsessid|asp\.net_sessionid)s?(?:[_.-][a-z0-9_.-]{0,24}|[0-9]{1,3}|value|key|text|string|data)?\\?["']?\s{0,4}(?:=>|:=|[=:])\s{0,4}` + valueText)},
	{kind: "password", hints: []string{"-pw", "--pass", "-pass", "/pass", "/p:", "/rp", "-secret", "-token", "-api", "/pw"}, loose: true, accept: notAWord,
		re: regexp.MustCompile(`(?:^|[\s"'])(?:--?|/)(?:p:|(?:password|passwd|passphrase|pass|pwd|pw|rp|secret-?key|secret|token|api-?key|access-?key|client-?secret)(?:\s+|[=:]\s*))` + valueText)},
	{kind: "password", hints: []string{" -p"}, loose: true, accept: notAWord,
		re: regexp.MustCompile(`(?:psexec(?:64)?|sshpass|mysql(?:dump|admin)?|plink|paexec|crackmapexec|nxc|netexec|evil-winrm|smbclient|wmiexec|xfreerdp|mongo|7z|rar|zip|rubeus|ldapsearch|kinit)(?:\.exe)?[^\r\n]{0,300}?\s-p\s*` + valueText)},
	{kind: "password", hints: []string{"net"}, loose: true, accept: notAWord,
		re: regexp.MustCompile(`\bnet1?(?:\.exe)?"?\s+user\s+(?:"[^"]+"|[^\s/"]\S*)\s+("[^"]+"|[^\s/*"]\S*)`)},
	{kind: "password", hints: []string{"/user:"}, loose: true, accept: notAWord,
		re: regexp.MustCompile(`\bnet1?(?:\.exe)?"?\s+use\s+[^\r\n]{0,200}?\s("[^"]+"|[^\s/*"\\:]\S*)\s+/user:`)},
	{kind: "password", hints: []string{"/user:"}, loose: true, accept: notAWord,
		re: regexp.MustCompile(`\bnet1?(?:\.exe)?"?\s+use\s+[^\r\n]{0,200}?/user:\S+\s+("[^"]+"|[^\s/*"\\]\S*)`)},
	{kind: "password", hints: []string{"securestring"}, loose: true, re: regexp.MustCompile(`convertto-securestring\s+(?:-string\s+)?("[^"]+"|'[^']+')`)},
	{kind: "password", hints: []string{"-u", "--user", "--proxy-user"}, loose: true, accept: notAWord,
		re: regexp.MustCompile(`(?:curl|wget|http|smbclient|rpcclient|smbmap)(?:\.exe)?[^\r\n]{0,300}?\s(?:-u|--user|--proxy-user|-U)[ =]?["']?[^\s:%"']{1,128}[:%]([^\s"']+)`)},
	{kind: "password", hints: []string{"chpasswd"}, loose: true, re: regexp.MustCompile(`echo\s+(?:-[en]+\s+)?["']?[^\s:"']{1,64}:([^\s"'|]+)["']?\s*\|[^|\r\n]{0,40}chpasswd`)},
}

// secretSpans finds the secrets of a text, which is given as it is and in lower case.
func secretSpans(text, folded string) []span {
	var list []span
	for i := range patterns {
		p := &patterns[i]
		if !p.hinted(folded) {
			continue
		}
		from := folded
		if p.exact {
			from = text
		}
		for _, at := range p.re.FindAllStringSubmatchIndex(from, -1) {
			a, b := unquoted(text, at[2], at[3])
			secret := text[a:b]
			if a == b || p.accept != nil && !p.accept(secret) || strings.Trim(secret, "*x.•-") == "" {
				continue
			}
			list = append(list, span{from: a, to: b, kind: kindSecret, secret: p.kind, odd: p.loose && loosely(secret)})
		}
	}
	return randomSpans(list, text, folded)
}

func (p *pattern) hinted(folded string) bool {
	if p.signed {
		return signed(folded, p.hints)
	}
	for _, h := range p.hints {
		if strings.Contains(folded, h) {
			return true
		}
	}
	return false
}

// signed reports whether one of the words has a = or : soon after it, as an assignment has: without one, an expression
// need not be tried on a long text.
func signed(s string, words []string) bool {
	const soon = 56
	for _, w := range words {
		for at := 0; ; {
			i := strings.Index(s[at:], w)
			if i < 0 {
				break
			}
			at += i + len(w)
			if strings.ContainsAny(s[at-1:min(len(s), at+soon)], "=:") {
				return true
			}
		}
	}
	return false
}

// unquoted leaves the quotes around a secret where they are.
func unquoted(s string, from, to int) (int, int) {
	for _, quote := range []string{`\"`, `"`, `'`} {
		if to-from >= 2*len(quote) && strings.HasPrefix(s[from:to], quote) && strings.HasSuffix(s[from:to], quote) {
			return from + len(quote), to - len(quote)
		}
	}
	return from, to
}

// loosely reports whether what is taken for a secret could be more: a command, or a message. Then it counts as
// not seen, or an attack would hide behind "password=".
func loosely(secret string) bool {
	return len(secret) > 64 || strings.ContainsAny(secret, " \t\r\n`$(){}|<>;&")
}

// notAWord refuses values that only say that there is, or is no, secret.
func notAWord(secret string) bool {
	if strings.HasPrefix(secret, "//") {
		return false // the rest of a URL
	}
	switch fold(secret) {
	case "true", "false", "null", "none", "nil", "yes", "no", "0", "1", "n/a", "-", "changed", "expired", "reset", "set", "required",
		"invalid", "incorrect", "failed", "success", "failure", "unknown", "redacted", "hidden", "masked", "/add", "/delete", "/domain":
		return false
	}
	return true
}

// random reports whether a text looks made by a machine: of what people write, little has both.
func random(s string) bool {
	return strings.ContainsAny(s, "0123456789=") && strings.IndexFunc(s, func(r rune) bool { return r >= 'A' && r <= 'z' }) >= 0
}
