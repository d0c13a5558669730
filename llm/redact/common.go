package redact

import "strings"

// commonText are names and words that tell nobody apart: accounts and hosts that every system has, and words
// of security itself. They are never replaced in text: whoever chooses "powershell" as the name of an account
// must not be able to hide that word from a model.
const commonText = `
- -- * n/a na none null nil unknown undefined anonymous nobody everyone everybody anyone default public other others all any true false
system localsystem root admin administrator administrators guest guests defaultaccount wdagutilityaccount krbtgt
localservice networkservice trustedinstaller nobody daemon bin sys sync www www-data nginx apache httpd mysql postgres redis
ubuntu ec2-user centos debian vagrant docker jenkins git ansible oracle sshd mail news operator ftp tomcat
iusr postmaster abuse noreply no-reply donotreply do-not-reply mailer-daemon hostmaster webmaster
localhost localdomain broadcasthost workgroup builtin ntauthority self owner console
user users username account accounts host hosts hostname domain domains network local internal external internet
home public shared desktop documents downloads windows program programs system32 syswow64 temp tmp var usr etc opt lib
success failure failed fail allowed blocked allow block denied deny permit permitted error warning info informational notice
low medium high critical severe started stopped created deleted modified updated added removed changed enabled disabled
read write execute login logon logout logoff session process service services server servers client file files folder directory
registry script task driver malware virus trojan alert alerts event events security audit policy rule rules email
http https tcp udp icmp dns smtp smb ssh ftp rdp ldap kerberos ntlm tls ssl inbound outbound unassigned
password passwd secret token bearer basic authorization cookie key keys test testing prod production staging dev development
cmd cmd.exe powershell powershell.exe pwsh bash sh zsh python python3 perl ruby java node curl wget wmic rundll32 regsvr32
mshta certutil bitsadmin cscript wscript msiexec schtasks reg net net.exe netsh whoami nltest psexec psexesvc mimikatz procdump rubeus
sharphound bloodhound cobaltstrike cobalt strike beacon meterpreter metasploit lsass lsass.exe svchost svchost.exe explorer
explorer.exe winword excel outlook chrome firefox msedge teams invoke-expression invoke-webrequest invoke-mimikatz
downloadstring downloadfile iex encodedcommand encoded hidden bypass nop exec eval ransomware exfiltration
ignore previous instructions benign malicious suspicious attack attacker exploit payload shell reverse close escalate
vssadmin shadowcopy delete create bcdedit wbadmin ntds ntds.dit sam sekurlsa logonpasswords dcsync
`

// commonPhrases are those of more than one word.
var commonPhrases = []string{
	"nt authority", "nt service", "local service", "network service", "local system", "nt virtual machine",
	"window manager", "font driver host", "anonymous logon", "authenticated users", "domain admins", "domain users",
	"enterprise admins", "all users", "default user", "iis apppool", "not available", "golden ticket", "shadow copies",
}

var commonWords = func() map[string]bool {
	m := map[string]bool{}
	for w := range strings.FieldsSeq(commonText) {
		m[w] = true
	}
	for _, w := range commonPhrases {
		m[w] = true
	}
	return m
}()

// common reports whether a name, in lower case, is one of everybody's.
func common(folded string) bool {
	return commonWords[folded] || strings.HasPrefix(folded, "dwm-") && digitsOnly(folded[4:]) ||
		strings.HasPrefix(folded, "umfd-") && digitsOnly(folded[5:])
}
