package demo

import (
	"crypto/sha256"
	"fmt"
	"slices"
	"time"
)

// search is a saved search that calls the alert action.
type search struct {
	name      string
	severity  string // its alert severity: 2 low, 3 medium, 4 high
	every     time.Duration
	perResult bool
	fixed     [][2]string // fields that every row has, unless it says otherwise
}

// The searches. Each reads one kind of log.
var (
	impossibleTravel = &search{name: "Impossible Travel", severity: "3", every: time.Hour, perResult: true,
		fixed: [][2]string{{"sourcetype", "OktaIM2:log"}, {"app", "okta"}, {"annotations.mitre_attack", "T1078"},
			{"eventType", "user.session.start"}, {"outcome.result", "SUCCESS"}}}
	mfaFatigue = &search{name: "MFA Fatigue", severity: "3", every: time.Hour, perResult: true,
		fixed: [][2]string{{"sourcetype", "azure:monitor:aad"}, {"app", "entra"}, {"annotations.mitre_attack", "T1621"}, {"signature", "Repeated MFA prompts"}}}
	bruteForce = &search{name: "Brute Force", severity: "3", every: time.Hour, perResult: true,
		fixed: [][2]string{{"sourcetype", "XmlWinEventLog"}, {"app", "win:remote"}, {"annotations.mitre_attack", "T1110"}, {"EventCode", "4625"}}}
	serviceLogon = &search{name: "Service Account Logon", severity: "1", every: 2 * time.Hour,
		fixed: [][2]string{{"sourcetype", "XmlWinEventLog"}, {"EventCode", "4624"}, {"annotations.mitre_attack", "T1078"}, {"action", "success"}}}
	portScan = &search{name: "Port Scan", severity: "3", every: 2 * time.Hour,
		fixed: [][2]string{{"sourcetype", "pan:traffic"}, {"transport", "tcp"}, {"annotations.mitre_attack", "T1046"},
			{"vendor_product", "Palo Alto Networks Firewall"}}}
	idsAlert = &search{name: "IDS Alert", severity: "2", every: 2 * time.Hour,
		fixed: [][2]string{{"sourcetype", "suricata"}, {"event_type", "alert"}, {"ids_type", "network"}, {"vendor_product", "Suricata"}}}
	dnsTunnel = &search{name: "DNS Tunnel", severity: "3", every: 2 * time.Hour,
		fixed: [][2]string{{"sourcetype", "zeek:dns"}, {"dest_port", "53"}, {"annotations.mitre_attack", "T1071.004"}, {"transport", "udp"}}}
	edrDetection = &search{name: "EDR Detection", severity: "3", every: time.Hour, perResult: true,
		fixed: [][2]string{{"sourcetype", "CrowdStrike:Event:Streams:JSON"}, {"vendor_product", "CrowdStrike Falcon"}}}
	antivirusUpdate = &search{name: "Antivirus Software Update", severity: "1", every: 2 * time.Hour,
		fixed: [][2]string{{"sourcetype", "XmlWinEventLog:Microsoft-Windows-Windows Defender/Operational"}, {"vendor_product", "Microsoft Defender Antivirus"}}}
	guardDuty = &search{name: "GuardDuty Finding", severity: "3", every: time.Hour, perResult: true,
		fixed: [][2]string{{"sourcetype", "aws:cloudwatch:guardduty"}, {"vendor_product", "AWS GuardDuty"}, {"detail-type", "GuardDuty Finding"},
			{"detail.schemaVersion", "2.0"}, {"detail.service.serviceName", "guardduty"}, {"detail.accountId", account}, {"vendor_account", account}}}
	cloudAudit = &search{name: "AWS Audit Change", severity: "3", every: time.Hour,
		fixed: [][2]string{{"sourcetype", "aws:cloudtrail"}, {"vendor_product", "AWS CloudTrail"}, {"eventVersion", "1.11"}, {"recipientAccountId", account},
			{"vendor_account", account}}}
	mailForwarding = &search{name: "Mail Forwarding Rule", severity: "3", every: 2 * time.Hour, perResult: true,
		fixed: [][2]string{{"sourcetype", "o365:management:activity"}, {"Workload", "Exchange"}, {"annotations.mitre_attack", "T1114.003"}, {"ResultStatus", "True"}}}
	containerAlert = &search{name: "Container Runtime Alert", severity: "2", every: 2 * time.Hour, perResult: true,
		fixed: [][2]string{{"sourcetype", "falco"}, {"source", "syscall"}, {"vendor_product", "Falco"}}}

	searches = []*search{impossibleTravel, mfaFatigue, bruteForce, serviceLogon, portScan, idsAlert, dnsTunnel,
		edrDetection, antivirusUpdate, guardDuty, cloudAudit, mailForwarding, containerAlert}
)

// account is an AWS account number that AWS uses in its own examples.
const account = "111122223333"

const (
	searchApp   = "corp_detections"
	searchOwner = "detection"
)

// run is one scheduled run of the search with the rows it found.
func (s *search) run(at time.Time, rows []Row) []Dispatch {
	name := sha256.Sum256([]byte(s.name))
	d := Dispatch{
		SearchName: s.name, App: searchApp, Owner: searchOwner, Severity: s.severity, At: at,
		SID:       fmt.Sprintf("scheduler__%s__%s__RMD5%x_at_%d_%d", searchOwner, searchApp, name[:8], at.Unix(), int(name[8])+1),
		PerResult: s.perResult,
	}
	if !s.perResult {
		d.Rows, d.Columns = rows, columns(rows)
		return []Dispatch{d}
	}
	var all []Dispatch
	for i := range rows {
		one := d
		one.ResultID, one.Rows, one.Columns = i, rows[i:i+1], columns(rows)
		all = append(all, one)
	}
	return all
}

// columns are the fields of all rows, _time first.
func columns(rows []Row) []string {
	seen := map[string]bool{}
	names := []string{"_time"}
	for _, r := range rows {
		for name := range r.Fields {
			if name != "_time" && !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
	}
	slices.Sort(names[1:])
	return names
}
