package offline

import (
	"slices"
	"strings"

	"github.com/winnow-soc/winnow"
)

// threatIntelTable looks at what tools, files and requests are known for.
var threatIntelTable = []heuristic{
	{
		name: "explained by a fact", vote: winnow.VoteSafe, confidence: 90,
		when:   func(v *view) bool { return len(v.c.Facts) > 0 },
		reason: "nothing known to be bad in it, and explained by {fact}",
	},
	{
		name: "credential theft", vote: winnow.VoteMalicious, confidence: 90, fields: []string{"process", "what", "dest"},
		when: func(v *view) bool {
			return v.shows("mimikatz", "sekurlsa", "lsass", "ntds.dit", "secretsdump", "comsvcs.dll, minidump", "comsvcs.dll,minidump", "lazagne",
				"procdump", "credential dump", "dcsync")
		},
		reason: "{what}: a known way to steal credentials on {dest}",
	},
	{
		name: "destroying backups", vote: winnow.VoteMalicious, confidence: 92, fields: []string{"process", "what", "dest"},
		when: func(v *view) bool {
			return v.shows("vssadmin delete shadows", "vssadmin.exe delete shadows", "wbadmin delete", "shadowcopy delete", "bcdedit /set {default} recoveryenabled no", "ransomware")
		},
		reason: "{process} on {dest}: what ransomware does before it encrypts",
	},
	{
		name: "shell to the outside", vote: winnow.VoteMalicious, confidence: 90, fields: []string{"process", "what", "dest"},
		when: func(v *view) bool {
			return v.shows("/dev/tcp/", "nc -e ", "ncat -e", "bash -i >&", "reverse shell", "socat exec", "pty.spawn", "redirect stdout/stdin to network")
		},
		reason: "a shell on {dest} is wired to the network: {process}",
	},
	{
		name: "coin miner", vote: winnow.VoteMalicious, confidence: 85, fields: []string{"process", "query", "what"},
		when:   func(v *view) bool { return v.shows("xmrig", "stratum+tcp", "minexmr", "cryptonight", "coinhive") },
		reason: "a coin miner: {process} {query}",
	},
	{
		name: "exploit in a request", vote: winnow.VoteMalicious, confidence: 80, fields: []string{"url", "http_user_agent", "userAgent", "what"},
		when: func(v *view) bool {
			return !v.stopped() && v.shows("${jndi:", "/etc/passwd", "union select", "union all select", "cmd.exe?/c", "<?php", "/bin/sh -c", "%24%7bjndi")
		},
		reason: "the request carries an exploit: {url}",
	},
	{
		name: "download and run", vote: winnow.VoteMalicious, confidence: 82, fields: []string{"process", "dest"},
		when: func(v *view) bool {
			return v.shows("downloadstring(", "iex (new-object", "iex(new-object", "certutil -urlcache", "bitsadmin /transfer", "mshta http", "regsvr32 /s /n /u /i:http") ||
				(v.shows("curl ", "wget ") && v.shows("| sh", "| bash", "|sh", "|bash"))
		},
		reason: "{process} fetches code from the network and runs it",
	},
	{
		name: "product is sure", vote: winnow.VoteMalicious, confidence: 85, fields: []string{"event.SeverityName", "what", "dest"},
		when: func(v *view) bool {
			return v.is("event.SeverityName", "critical", "high") || (v.has("threatFamilyName") && v.is("severity", "high", "critical"))
		},
		reason: "endpoint protection rates {what} on {dest} as {event.SeverityName}",
	},
	{
		name: "known bad", vote: winnow.VoteMalicious, confidence: 90, fields: []string{"src", "dest", "query", "file_hash"},
		when: func(v *view) bool {
			for _, concept := range []string{"src", "dest", "query", "file_hash"} {
				if v.listed("threat_indicators", concept) {
					return true
				}
			}
			return false
		},
		reason: "the list threat_indicators names {src}, {dest}, {query} or {file_hash}",
	},
	{
		name: "bad neighbourhood", vote: winnow.VoteSuspicious, confidence: 55, fields: []string{"query", "url"}, factWins: true,
		when:   func(v *view) bool { return badTLD(v) },
		reason: "{query} is under a top-level domain that is used for abuse more than for anything else",
	},
	{
		name: "hidden command", vote: winnow.VoteSuspicious, confidence: 72, fields: []string{"process", "dest"},
		when: func(v *view) bool {
			return v.shows("-encodedcommand", " -enc ", "-w hidden", "-windowstyle hidden", "frombase64string", "base64 -d")
		},
		reason: "{process} hides what it does",
	},
	{
		name: "container turned host", vote: winnow.VoteSuspicious, confidence: 70, fields: []string{"what", "dest", "user"}, factWins: true,
		when: func(v *view) bool {
			return !v.stopped() && v.says("privileged pod", "hostpath", "host pid", "hostnetwork", "terminal shell in container", "container escape", "docker.sock")
		},
		reason: "a container reaches for its host: {what}",
	},
	{
		name: "sensor is alarmed", vote: winnow.VoteSuspicious, confidence: 70, fields: []string{"severity", "what", "dest"},
		when:   func(v *view) bool { return v.is("output_fields.evt.type", "dup") || v.is("severity_id", "critical") },
		reason: "the sensor rates {what} as critical",
	},
	{
		name: "high risk score", vote: winnow.VoteSuspicious, confidence: 66, fields: []string{"risk_score", "risk_object"},
		when:   func(v *view) bool { return v.atLeast("risk_score", 80) },
		reason: "the risk score is {risk_score}",
	},
	{
		name: "grave technique", vote: winnow.VoteSuspicious, confidence: 60, fields: []string{"technique", "what"}, factWins: true,
		when: func(v *view) bool {
			return !v.stopped() && v.annotated("T1486", "T1490", "T1003", "T1485", "T1562", "T1567", "T1041", "T1611")
		},
		reason: "the search is about {technique}, which leaves little time",
	},
	{
		name: "nothing known, nothing done", vote: winnow.VoteSafe, confidence: 55, fields: []string{"result", "readOnly", "what"},
		when: func(v *view) bool {
			return v.stopped() || v.is("readOnly", "true") || (v.deed() == reads && v.asksFor()&^reads != 0)
		},
		reason: "nothing known to be bad in it, and it changed nothing",
	},
	{
		name: "antivirus test file", vote: winnow.VoteSafe, confidence: 75, fields: []string{"file_hash"},
		when: func(v *view) bool {
			return v.is("file_hash", "275a021bbfb6489e54d471899f7db9d1663fc695ec2fe2a2c4538aabf651fd0f", "44d88612fea8a8f36de82e1278abb02f")
		},
		reason: "{file_hash} is the test file that antivirus vendors agreed on",
	},
	{
		name: "removed by protection", vote: winnow.VoteSafe, confidence: 55, fields: []string{"result", "what"},
		when: func(v *view) bool {
			return v.is("action", "quarantined", "cleaned", "deleted") && v.is("severity", "low", "informational")
		},
		reason: "{what} was {result} before it ran",
	},
}

// annotated reports whether the alert is annotated with one of the techniques, or a part of it.
func (v *view) annotated(ids ...string) bool {
	for _, field := range concepts["technique"] {
		for _, value := range v.c.Alert.Fields[field] {
			main, _, _ := strings.Cut(value, ".")
			if slices.Contains(ids, main) {
				return true
			}
		}
	}
	return false
}

func badTLD(v *view) bool {
	_, name := v.get("query")
	if name == "" {
		return v.says(".biz tld", ".cc tld", ".top tld", ".tk tld", ".xyz tld", ".to tld")
	}
	_, tld, ok := cutLast(strings.TrimSuffix(strings.ToLower(name), "."), ".")
	switch tld {
	case "tk", "ml", "ga", "cf", "gq", "top", "xyz", "biz", "icu", "cyou", "rest", "zip", "mov", "click", "onion":
		return ok
	}
	return false
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
