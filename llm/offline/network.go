package offline

import (
	"math"
	"strings"

	"github.com/winnow-soc/winnow"
)

// networkTable looks at who talks to whom, how much, and whether it got through.
var networkTable = []heuristic{
	{
		name: "known machine", vote: winnow.VoteSafe, confidence: 92, fields: []string{"src"},
		when:   func(v *view) bool { return v.factBeside("user") },
		reason: "expected here: {fact}",
	},
	{
		name: "command and control", vote: winnow.VoteMalicious, confidence: 85, fields: []string{"what", "src", "dest"},
		when: func(v *view) bool {
			return !v.stopped() && v.shows("c&cactivity", "command and control", "c2 beacon", "c2 traffic", "beacon activity", "cobalt strike")
		},
		reason: "the product recognised a connection to a controller: {what}",
	},
	{
		name: "cloud backdoor", vote: winnow.VoteMalicious, confidence: 85, fields: []string{"what", "dest"},
		when: func(v *view) bool {
			return v.shows("backdoor:", "trojan:", "cryptocurrency:", "impact:ec2", "exfiltration:s3/malicious")
		},
		reason: "the provider reports a compromised resource: {what}",
	},
	{
		name: "malware signature", vote: winnow.VoteMalicious, confidence: 80, fields: []string{"what", "src", "dest"},
		when: func(v *view) bool {
			return v.says("et malware", "et trojan", "et exploit_kit", "et attack_response", "et ransom", "a network trojan was detected") && !v.stopped()
		},
		reason: "the sensor matched traffic of malware: {what}",
	},
	{
		name: "tunnel in names", vote: winnow.VoteSuspicious, confidence: 75, fields: []string{"query", "src"}, factWins: true,
		when:   func(v *view) bool { return tunnelName(v) },
		reason: "the name {query} carries data rather than a host",
	},
	{
		name: "tunnel tool", vote: winnow.VoteSuspicious, confidence: 65, fields: []string{"what", "src"}, factWins: true,
		when:   func(v *view) bool { return v.says("dns tunnel", "dns exfil", "iodine", "dnscat") },
		reason: "the sensor speaks of a tunnel: {what}",
	},
	{
		name: "large upload", vote: winnow.VoteSuspicious, confidence: 70, fields: []string{"bytes_out", "src", "dest"}, factWins: true,
		when:   func(v *view) bool { return v.atLeast("bytes_out", 1e9) && !v.private("dest") },
		reason: "{src} sent {bytes_out} bytes out to {dest}",
	},
	{
		name: "service open to the internet", vote: winnow.VoteSuspicious, confidence: 70, fields: []string{"src", "port"}, factWins: true,
		when: func(v *view) bool {
			return v.public("src") && v.done() && v.is("port", "22", "445", "3389", "5985", "23")
		},
		reason: "{src} on the internet reached the administrative port {port}",
	},
	{
		name: "odd port", vote: winnow.VoteSuspicious, confidence: 60, fields: []string{"port", "dest"}, factWins: true,
		when: func(v *view) bool {
			return v.public("dest") && v.is("port", "4444", "1337", "31337", "6667", "9001", "5555")
		},
		reason: "traffic to {dest} uses port {port}, common for shells and bots",
	},
	{
		name: "scan from inside", vote: winnow.VoteSuspicious, confidence: 68, fields: []string{"src", "what"}, factWins: true,
		when:   func(v *view) bool { return scan(v) && v.private("src") },
		reason: "{src} inside our network scans, and is no known scanner",
	},
	{
		name: "web scan", vote: winnow.VoteSuspicious, confidence: 55, fields: []string{"src"}, factWins: true,
		when: func(v *view) bool {
			return v.says("web server 400 error", "new request method", "suspicious url access", "forbidden file or directory")
		},
		reason: "{src} asks a web server for what is not there",
	},
	{
		name: "scan from the internet, stopped", vote: winnow.VoteSafe, confidence: 65, fields: []string{"src", "result"},
		when:   func(v *view) bool { return scan(v) && v.public("src") && v.stopped() },
		reason: "{src} scanned from the internet and was stopped",
	},
	{
		name: "scan from the internet", vote: winnow.VoteSuspicious, confidence: 45, fields: []string{"src", "what"}, factWins: true,
		when:   func(v *view) bool { return scan(v) && v.public("src") && !v.stopped() },
		reason: "{src} on the internet scans, and nothing says that it was stopped",
	},
	{
		name: "blocked at the edge", vote: winnow.VoteSafe, confidence: 60, fields: []string{"src", "result"},
		when:   func(v *view) bool { return v.public("src") && v.is("action", "blocked", "denied", "dropped") },
		reason: "the connection from {src} was {result}",
	},
	{
		name: "protocol noise", vote: winnow.VoteSafe, confidence: 55, fields: []string{"src", "dest"},
		when: func(v *view) bool {
			return v.says("suricata tls invalid", "suricata stream", "suricata http unable", "invalid handshake", "apt user-agent outbound")
		},
		reason: "decoders report this between {src} and {dest} without an attack",
	},
}

func scan(v *view) bool {
	return v.says("port scan", "portscan", "port sweep", "host sweep", "network scan", "et scan", "nmap", "recon:", "portprobe", "(scan)")
}

// tunnelName reports whether a name asked of a resolver looks like data: long, and its longest
// label neither a word nor a short id.
func tunnelName(v *view) bool {
	_, name := v.get("query")
	if len(name) > 512 || len(name) < 30 {
		return len(name) > 512
	}
	longest := ""
	for label := range strings.SplitSeq(name, ".") {
		if len(label) > len(longest) {
			longest = label
		}
	}
	return len(longest) >= 24 && entropy(longest) >= 3.6 || len(longest) >= 50
}

// entropy is Shannon's, in bits per byte.
func entropy(s string) float64 {
	var count [256]int
	for i := range len(s) {
		count[s[i]]++
	}
	bits := 0.0
	for _, n := range count {
		if n > 0 {
			p := float64(n) / float64(len(s))
			bits -= p * math.Log2(p)
		}
	}
	return bits
}
