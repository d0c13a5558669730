package llm

// tacticOrder is the order of ATT&CK's tactics along an attack.
var tacticOrder = []string{
	"initial-access", "execution", "persistence", "privilege-escalation", "defense-evasion", "credential-access", "discovery",
	"lateral-movement", "collection", "command-and-control", "exfiltration", "impact", "reconnaissance", "resource-development",
}

// everyday are the techniques of a tactic that alerts show most often, most often first.
var everyday = map[string][]string{
	"initial-access":       {"T1078", "T1190", "T1566"},
	"execution":            {"T1059", "T1204"},
	"persistence":          {"T1098", "T1136", "T1053"},
	"privilege-escalation": {"T1548", "T1484"},
	"defense-evasion":      {"T1562", "T1070"},
	"credential-access":    {"T1110", "T1552"},
	"discovery":            {"T1087", "T1580"},
	"lateral-movement":     {"T1021", "T1550"},
	"collection":           {"T1530", "T1213"},
	"command-and-control":  {"T1071", "T1105"},
	"exfiltration":         {"T1567", "T1041"},
	"impact":               {"T1485", "T1486"},
	"reconnaissance":       {"T1595"},
	"resource-development": {"T1588"},
}

// stopWords stand in so many names that they tell nothing.
var stopWords = set("of", "or", "and", "the", "to", "in", "for", "from", "over", "via", "with", "on", "by", "an", "other", "use", "us", "windows", "linux", "system", "data", "information", "application", "service")

func set(list ...string) map[string]bool {
	m := make(map[string]bool, len(list))
	for _, w := range list {
		m[stem(w)] = true
	}
	return m
}

// synonym ties phrases of products, tools and event ids to techniques, the likeliest first. Endings
// and letter case do not count.
type synonym struct {
	ids     []string
	phrases []string
}

var synonyms = []synonym{
	{[]string{"T1110", "T1110.001", "T1110.003", "T1110.004"}, []string{"brute force", "failed login", "login failed", "failed logins", "failed log in", "authentication failure", "password spray", "credential stuffing", "4625", "invalid user", "failed password", "user locked", "account locked", "many failed", "bulk fail"}},
	{[]string{"T1621", "T1556.006"}, []string{"mfa fatigue", "push bomb", "mfa push", "mfa denied", "push fraud", "mfa bypass", "suspicious activity reported", "too many push", "denied push"}},
	{[]string{"T1556.006", "T1556", "T1098.005", "T1562"}, []string{"mfa disabled", "mfa deactivate", "two factor disabled", "2fa disabled", "two factor", "mfa", "disable mfa", "without mfa", "2sv", "deactivate mfa device", "mfa requirement", "second factor", "factor reset", "authentication policy"}},
	{[]string{"T1078", "T1078.004"}, []string{"impossible travel", "atypical travel", "unusual country", "unusual location", "new country", "anomalous login", "geographically improbable", "sign in", "login", "logon", "console login", "root", "sso", "new device", "admin login", "leaked password", "compromised credential", "banned ip", "unsanctioned country", "break glass"}},
	{[]string{"T1078.004", "T1550.001", "T1528", "T1552.005"}, []string{"assume role", "instance credential", "access key", "service account", "service principal", "oauth token", "access token", "api token", "api key", "saml"}},
	{[]string{"T1098", "T1098.001", "T1098.003"}, []string{"create access key", "api key created", "add member to role", "admin role", "role assigned", "role grant", "grant", "attach user policy", "put user policy", "iam policy", "set iam policy", "owner added", "admin added", "made admin", "privilege granted", "permission", "add credential", "key created", "token created", "admin granted", "user role", "role changed", "add role", "new admin", "super admin", "super user", "policy attach", "policy modified", "access granted", "owner", "key upload"}},
	{[]string{"T1098.004"}, []string{"ssh key", "authorized keys", "deploy key", "import key pair", "public key"}},
	{[]string{"T1136", "T1136.003", "T1136.001"}, []string{"create user", "user created", "account created", "new user", "useradd", "net user add", "4720", "invite user", "user invited", "create service account", "create login profile", "external user", "guest user"}},
	{[]string{"T1531", "T1485"}, []string{"account deleted", "delete user", "user removed", "user deleted", "account removed", "access removed", "password reset", "user suspended", "password changed"}},
	{[]string{"T1562.008", "T1562", "T1562.001"}, []string{"stop logging", "delete trail", "update trail", "delete flow log", "flow log", "diagnostic setting", "logging disabled", "log disabled", "cloud trail", "audit log disabled", "delete sink", "log sink", "config recorder", "delete log", "logging deleted", "log stream", "monitoring disabled", "log export"}},
	{[]string{"T1562.001", "T1562"}, []string{"defender disabled", "antivirus disabled", "disable security", "guard duty", "security hub", "tamper", "uninstall agent", "real time protection", "detector deleted", "protection disabled", "security alert", "alert suppress", "rule deleted", "rule disabled", "policy disabled", "branch protection", "secret scanning", "setting changed", "scan disabled", "check disabled"}},
	{[]string{"T1562.007", "T1562.004", "T1562", "T1190"}, []string{"security group", "firewall rule", "firewall", "ip allow list", "ip access list", "network acl", "network policy", "ingress", "authorize security group", "allowed ip", "any any", "public access", "open to the internet", "waf", "web acl", "ip restriction"}},
	{[]string{"T1070", "T1070.001", "T1070.004"}, []string{"event log cleared", "wevtutil", "1102", "clear log", "history cleared", "log cleared", "audit log cleared", "delete log group", "log tamper"}},
	{[]string{"T1003", "T1003.001", "T1003.006"}, []string{"mimikatz", "lsass", "credential dump", "secretsdump", "procdump"}},
	{[]string{"T1003.006", "T1003"}, []string{"dcsync", "replication"}},
	{[]string{"T1003.003", "T1003"}, []string{"ntds", "ntdsutil"}},
	{[]string{"T1558.003", "T1558"}, []string{"kerberoast", "4769", "kerberos", "golden ticket", "silver ticket"}},
	{[]string{"T1552", "T1552.001", "T1552.004", "T1552.007", "T1555.006"}, []string{"secret", "private key", "exposed credential", "credential leak", "leaked credential", "hard coded", "secret exposed", "unencrypted", "key file"}},
	{[]string{"T1555", "T1555.006", "T1552.007"}, []string{"secrets manager", "get secret value", "password manager", "vault", "1password", "key vault", "password export", "secret access", "get parameter", "item usage", "decrypt"}},
	{[]string{"T1552.005"}, []string{"169.254.169.254", "instance metadata", "imds", "metadata service"}},
	{[]string{"T1528", "T1550.001", "T1199"}, []string{"oauth app", "oauth", "consent", "app authorized", "third party app", "application installed", "app installed", "app approved", "app added", "integration", "marketplace", "api client", "connected app", "domain delegation", "app token"}},
	{[]string{"T1539", "T1550.004"}, []string{"session hijack", "cookie", "session token", "stolen session", "session"}},
	{[]string{"T1557", "T1557.003"}, []string{"adversary in the middle", "man in the middle", "evilginx", "aitm", "phishing proxy", "fastpass"}},
	{[]string{"T1566", "T1566.002", "T1566.001", "T1598"}, []string{"phish", "malicious link", "malicious attachment", "spoofed", "suspicious email", "malicious email", "spear", "business email", "impersonation", "phishing attempt"}},
	{[]string{"T1114", "T1114.003", "T1114.002"}, []string{"mailbox", "inbox rule", "email forward", "forwarding rule", "mail forward", "forwarding", "email delegation", "mail delegate", "auto forward"}},
	{[]string{"T1564.008", "T1114.003"}, []string{"new inbox rule", "email rule", "hide rule", "mail rule"}},
	{[]string{"T1204", "T1204.002"}, []string{"malicious file", "user clicked", "malware detected", "malware", "virus", "trojan"}},
	{[]string{"T1059", "T1059.001"}, []string{"powershell", "encoded command", "encodedcommand", "download string", "4104", "invoke expression"}},
	{[]string{"T1059.004", "T1059"}, []string{"reverse shell", "bash", "shell", "dev tcp", "netcat", "terminal", "command line", "interactive shell"}},
	{[]string{"T1059.003", "T1059"}, []string{"cmd.exe", "cmd exe"}},
	{[]string{"T1059.009", "T1651", "T1059"}, []string{"cloud shell", "cloud api", "aws cli", "user agent", "run command", "ssm", "send command", "start session", "boto3", "gcloud"}},
	{[]string{"T1027", "T1140"}, []string{"obfuscate", "base64", "encoded", "from base64", "enc"}},
	{[]string{"T1105", "T1588"}, []string{"certutil", "bitsadmin", "wget", "curl", "download", "ingress tool"}},
	{[]string{"T1218", "T1218.011", "T1218.005"}, []string{"rundll32", "regsvr32", "mshta", "lolbin", "living off the land", "msbuild"}},
	{[]string{"T1036"}, []string{"masquerade", "renamed binary", "double extension", "rename"}},
	{[]string{"T1055"}, []string{"inject", "process hollow", "remote thread"}},
	{[]string{"T1053", "T1053.005", "T1053.003"}, []string{"schtask", "scheduled task", "cron", "crontab", "4698", "scheduled job", "cronjob", "schedule"}},
	{[]string{"T1543", "T1543.003"}, []string{"service installed", "7045", "new service", "systemd", "launch daemon", "launch agent", "daemon"}},
	{[]string{"T1547", "T1547.001"}, []string{"run key", "startup folder", "autorun", "login item"}},
	{[]string{"T1546", "T1546.003", "T1546.016"}, []string{"wmi subscription", "event trigger", "webhook", "lambda trigger", "hook"}},
	{[]string{"T1548", "T1548.003", "T1548.005"}, []string{"sudo", "uac bypass", "setuid", "elevate", "elevated", "privilege escalation", "privileged", "temporary elevated", "impersonate", "root access", "superuser", "admin access", "pass role"}},
	{[]string{"T1484", "T1484.002", "T1484.001"}, []string{"group policy", "federation", "identity provider", "sso setting", "saml provider", "domain trust", "trusted domain", "domain policy", "idp", "sso disabled", "sso", "saml enabled", "saml disabled", "trust modified", "org setting", "security setting", "password policy"}},
	{[]string{"T1556", "T1556.007", "T1556.009"}, []string{"conditional access", "authentication method", "password policy", "login setting", "sso enforce", "authenticat", "saml", "sign in policy", "auth bypass", "policy change"}},
	{[]string{"T1068", "T1190", "T1203"}, []string{"exploit", "cve", "vulnerability", "vulnerabilities", "shellshock", "log4shell", "log4j", "jndi", "overflow"}},
	{[]string{"T1190", "T1595.002"}, []string{"sql injection", "union select", "etc passwd", "path traversal", "directory traversal", "web attack", "xss", "cross site", "command injection", "ssrf", "web shell", "react2shell", "remote code execution", "rce"}},
	{[]string{"T1505.003"}, []string{"web shell", "webshell"}},
	{[]string{"T1595", "T1595.002", "T1046"}, []string{"vulnerability scan", "scanner", "web server 400", "400 error", "bot", "automated browser", "crawler", "suspicious url access", "high volume", "http flood", "bot traffic"}},
	{[]string{"T1046", "T1018"}, []string{"port scan", "portscan", "nmap", "port sweep", "port probe", "network scan", "masscan", "scan"}},
	{[]string{"T1087", "T1087.004", "T1069"}, []string{"enumerate", "enumeration", "list users", "whoami", "net group", "bloodhound", "get caller identity", "directory listing", "list roles", "net user"}},
	{[]string{"T1580", "T1526", "T1619"}, []string{"describe instance", "list buckets", "describe", "recon", "discovery", "list resources", "cloud infrastructure", "get account", "reconnaissance"}},
	{[]string{"T1082", "T1016", "T1057"}, []string{"systeminfo", "ipconfig", "tasklist", "hostname", "osquery", "uname"}},
	{[]string{"T1613", "T1609"}, []string{"get pods", "kube", "kubernetes api", "list pods", "kubectl"}},
	{[]string{"T1609", "T1610", "T1611"}, []string{"pod exec", "kubectl exec", "exec into pod", "container exec", "pods exec", "ephemeral container", "shell in container", "pod", "container", "k8s"}},
	{[]string{"T1611", "T1610"}, []string{"privileged pod", "privileged container", "host path", "hostpath", "container escape", "docker sock", "host pid", "host network", "pod attached", "daemon set", "daemonset", "admission controller"}},
	{[]string{"T1525", "T1612"}, []string{"container image", "ecr", "image push", "docker image", "malicious image", "implant"}},
	{[]string{"T1021", "T1021.001", "T1021.002", "T1021.004", "T1021.007"}, []string{"lateral movement", "psexec", "remote desktop", "rdp", "smb", "admin share", "ssh", "winrm", "4648", "remote session", "vnc", "cloud service login"}},
	{[]string{"T1219", "T1133"}, []string{"team viewer", "anydesk", "remote access", "screen connect", "remote support", "vpn", "citrix", "ngrok", "tailscale", "tunnel", "teleport", "ssh error"}},
	{[]string{"T1530", "T1619"}, []string{"s3 bucket", "bucket", "blob", "storage object", "get object", "public bucket", "s3", "cloud storage", "object access", "storage account"}},
	{[]string{"T1213", "T1213.003", "T1213.002", "T1213.006"}, []string{"share point", "confluence", "repository", "git clone", "github", "jira", "notion", "slack", "wiki", "repo archived", "repo download", "git", "source code", "code repository", "document shared", "query", "database export", "repo transfer", "repo"}},
	{[]string{"T1567", "T1567.002", "T1537", "T1048"}, []string{"exfil", "exfiltration", "upload", "large transfer", "public link", "shared externally", "external share", "shared with", "share link", "google drive", "dropbox", "made public", "publicly accessible", "public", "data export", "export", "external", "visibility", "file shared", "anyone", "rclone", "mega"}},
	{[]string{"T1537", "T1578.001"}, []string{"snapshot", "share snapshot", "modify snapshot", "snapshot shared", "ami shared", "image shared", "transfer", "replication", "copy snapshot", "make public", "create snapshot", "data transfer", "inter org"}},
	{[]string{"T1041", "T1048", "T1030"}, []string{"unusual volume", "bytes out", "data transfer", "large upload", "large download", "mass download", "excessive", "unusual amount"}},
	{[]string{"T1020", "T1029"}, []string{"automated export", "copy into", "unload", "stage", "copy command"}},
	{[]string{"T1071", "T1071.001", "T1071.004"}, []string{"command and control", "beacon", "cobalt strike", "c2", "c2 server", "dns tunnel", "dns", "high entropy", "callback"}},
	{[]string{"T1071.004", "T1572", "T1568"}, []string{"dns tunnel", "dns exfil", "dns query", "dga", "domain generation", "long domain", "base64 query", "dns"}},
	{[]string{"T1090", "T1090.003"}, []string{"tor", "proxy", "anonymizer", "anonymous", "tor exit", "onion"}},
	{[]string{"T1496", "T1496.001"}, []string{"xmrig", "crypto", "cryptocurrency", "mining", "miner", "stratum", "coin", "bitcoin"}},
	{[]string{"T1486", "T1490"}, []string{"ransom", "ransomware", "encrypt", "encrypted files", "kms key", "customer key", "sse c"}},
	{[]string{"T1490", "T1485"}, []string{"shadow copy", "vssadmin", "wbadmin", "backup deleted", "delete backup", "recovery", "versioning disabled", "backup", "delete snapshot", "retention", "lifecycle"}},
	{[]string{"T1485", "T1485.001"}, []string{"delete", "deleted", "destroy", "terminate", "wipe", "removed", "mass delete", "bulk delete", "bucket deleted", "repository deleted", "resource deleted", "lifecycle", "purge", "destruction"}},
	{[]string{"T1489", "T1529"}, []string{"stop service", "service stopped", "stop instance", "shutdown", "disable service", "stopped"}},
	{[]string{"T1498", "T1499"}, []string{"ddos", "denial of service", "dos attack", "flood", "rate limit", "too many requests", "amplification"}},
	{[]string{"T1491", "T1565"}, []string{"deface", "website modified", "data manipulation", "record changed", "dns record", "content modified"}},
	{[]string{"T1578", "T1578.002", "T1578.005"}, []string{"run instances", "create instance", "instance created", "new instance", "modify instance", "compute instance", "launch instance", "unused region", "virtual machine", "modify attribute", "user data", "vm", "ec2"}},
	{[]string{"T1535"}, []string{"unused region", "unapproved region", "unusual region", "new region", "region"}},
	{[]string{"T1648", "T1546"}, []string{"lambda", "cloud function", "serverless", "function created", "workflow", "logic app", "update function code", "crud", "function"}},
	{[]string{"T1195", "T1195.002", "T1195.001"}, []string{"supply chain", "github action", "dependency", "workflow", "ci cd", "pipeline", "npm", "package", "self hosted runner", "runner", "pull request", "force push", "merge", "commit", "code signing"}},
	{[]string{"T1199"}, []string{"trusted relation", "cross account", "external account", "third party", "partner", "vendor access", "support access", "vpc peer", "shared channel", "slack connect", "organization invite", "resource share"}},
	{[]string{"T1584", "T1583", "T1583.001"}, []string{"subdomain takeover", "hosted zone", "domain transfer", "domain registered", "typosquat", "takeover", "dangling"}},
	{[]string{"T1205", "T1557"}, []string{"traffic mirror", "packet capture", "mirror"}},
	{[]string{"T1040"}, []string{"traffic mirror", "packet capture", "tcpdump", "packet mirror", "sniff", "flow mirror"}},
	{[]string{"T1056", "T1113"}, []string{"keylog", "screenshot", "screen record", "clipboard"}},
	{[]string{"T1606", "T1606.002"}, []string{"golden saml", "forged token", "signing certificate", "token signing"}},
	{[]string{"T1649"}, []string{"certificate authority", "certificate", "adcs", "client certificate", "ca certificate"}},
	{[]string{"T1599", "T1133"}, []string{"vpn gateway", "internet gateway", "network gateway", "router", "route table", "vpc", "nat"}},
	{[]string{"T1201"}, []string{"password policy"}},
	{[]string{"T1210"}, []string{"eternalblue", "zerologon", "bluekeep", "smb exploit"}},
	{[]string{"T1553", "T1553.004"}, []string{"gatekeeper", "unsigned", "root certificate", "code signature", "unsigned driver"}},
	{[]string{"T1589", "T1598"}, []string{"credential harvest", "personal information", "pii", "account verification"}},
	{[]string{"T1200", "T1091", "T1052"}, []string{"usb", "removable media", "external drive"}},
	{[]string{"T1550", "T1550.002"}, []string{"pass the hash", "pass the ticket", "alternate authentication"}},
	{[]string{"T1134"}, []string{"token impersonation", "access token manipulation", "impersonate token", "runas"}},
	{[]string{"T1176"}, []string{"browser extension", "chrome extension", "vscode extension"}},
	{[]string{"T1112"}, []string{"registry modif", "reg add", "registry key"}},
	{[]string{"T1047"}, []string{"wmic", "wmi"}},
	{[]string{"T1569", "T1569.002"}, []string{"service execution", "psexec service", "sc create"}},
}
