package offline

import (
	"slices"
	"strings"

	"github.com/winnow-soc/winnow/llm"
)

// maxTechniques bounds how many techniques are named for an alert.
const maxTechniques = 5

// correlate names techniques: those that the search or the product is annotated with, then those
// that the alert's words point to. The catalogue has the last word.
func correlate(v *view, cat *llm.Catalogue) llm.Correlation {
	c := llm.Correlation{Techniques: []llm.Technique{}, Signals: []llm.Statement{}}
	for _, field := range concepts["technique"] {
		for _, value := range v.c.Alert.Fields[field] {
			if len(value) < 5 || value[0] != 'T' {
				continue
			}
			if add(&c, cat, value, 80) {
				c.Signals = append(c.Signals, llm.Statement{Text: "annotated with " + value, Field: field})
			}
		}
	}
	for i := range hints {
		h := &hints[i]
		if (!v.shows(h.words...) && !v.says(h.words...)) || !add(&c, cat, h.technique, h.confidence) {
			continue
		}
		if field := v.fieldWith(h.words); field != "" {
			c.Signals = append(c.Signals, llm.Statement{Text: h.signal, Field: field})
		}
	}
	return c
}

// add names a technique once; a part of a technique that is no longer in use falls back to the
// whole. It reports whether something was added.
func add(c *llm.Correlation, cat *llm.Catalogue, id string, confidence int) bool {
	t, ok := cat.Technique(id)
	if !ok || !t.Active {
		main, _, part := strings.Cut(id, ".")
		if t, ok = cat.Technique(main); !part || !ok || !t.Active {
			return false
		}
	}
	known := func(o llm.Technique) bool { return o.ID == t.ID }
	if len(c.Techniques) == maxTechniques || slices.ContainsFunc(c.Techniques, known) {
		return false
	}
	c.Techniques = append(c.Techniques, llm.Technique{ID: t.ID, Confidence: confidence})
	return true
}

// fieldWith returns a field that holds one of the words, "" when only the search's name does.
func (v *view) fieldWith(words []string) string {
	for _, fields := range [][]string{concepts["what"], freeText} {
		for _, f := range fields {
			for _, s := range v.c.Alert.Fields[f] {
				if len(s) <= maxWords && containsAny(strings.ToLower(s), words) {
					return f
				}
			}
		}
	}
	return ""
}

// hint ties words to a technique.
type hint struct {
	technique  string
	confidence int
	signal     string
	words      []string
}

var hints = []hint{
	{"T1110", 60, "passwords are tried", []string{"brute force", "failed login", "password spray", "authentication failure", "invalid user login", "credential stuffing"}},
	{"T1621", 75, "prompts for a second factor pile up", []string{"mfa fatigue", "mfa bomb", "push bomb", "mfa denied", "suspicious activity reported"}},
	{"T1078", 50, "a valid account is used oddly", []string{"impossible travel", "atypical travel", "logins without mfa", "unusual country", "rogue state"}},
	{"T1046", 65, "services are probed", []string{"port scan", "portscan", "port sweep", "nmap", "et scan", "portprobe", "(scan)"}},
	{"T1595", 45, "a web server is probed", []string{"web server 400 error", "suspicious url access", "vulnerability scan"}},
	{"T1071.004", 65, "names carry data", []string{"dns tunnel", "dns exfil", "high entropy in dns", "base64 encoded query"}},
	{"T1071", 60, "a controller is contacted", []string{"c&cactivity", "command and control", "beacon", "cobalt strike"}},
	{"T1003", 80, "credentials are read from memory or disk", []string{"mimikatz", "lsass", "ntds.dit", "credential dump", "secretsdump", "dcsync"}},
	{"T1059.001", 65, "PowerShell runs", []string{"powershell"}},
	{"T1059.004", 65, "a Unix shell runs", []string{"/dev/tcp/", "bash -i", "/bin/sh -c", "shell in container"}},
	{"T1027", 55, "a command is encoded", []string{"-encodedcommand", " -enc ", "frombase64string"}},
	{"T1105", 60, "code is fetched", []string{"certutil -urlcache", "bitsadmin /transfer", "downloadstring("}},
	{"T1098", 55, "an account is given more", []string{"createaccesskey", "admin role assigned", "add member to role", "attachuserpolicy", "putuserpolicy", "api_key_created"}},
	{"T1136", 55, "an account is created", []string{"createuser", "account created", "new admin", "useradd"}},
	{"T1562.008", 75, "cloud logs are turned off", []string{"stoplogging", "deletetrail", "deleteflowlogs", "diagnosticsettings/delete"}},
	{"T1070.001", 75, "event logs are cleared", []string{"event log cleared", "wevtutil cl", "audit log cleared"}},
	{"T1490", 80, "recovery is made impossible", []string{"delete shadows", "shadowcopy delete", "wbadmin delete"}},
	{"T1496", 70, "machines mine coins", []string{"xmrig", "stratum+tcp", "cryptocurrency:"}},
	{"T1190", 60, "a service is exploited", []string{"${jndi:", "union select", "/etc/passwd", "sql injection"}},
	{"T1611", 60, "a container reaches for its host", []string{"privileged pod", "hostpath", "container escape", "docker.sock"}},
	{"T1041", 50, "much data leaves", []string{"exfil", "large transfer", "unusual volume"}},
	{"T1566", 55, "a mail is bait", []string{"phish", "spoofed email", "malicious link"}},
	{"T1021", 50, "machines are entered from others", []string{"lateral movement", "psexec", "admin share", "remote desktop"}},
}
