package demo

import (
	"fmt"
	"time"
)

// serverNoise: backups, continuous integration, mailboxes of the help desk.
func (d *day) serverNoise() {
	d.times(30, func(ago time.Duration) {
		d.logon(ago, ExpectDrop, pick(d, backupAccounts), pick(d, backups), "srv-sql-0"+fmt.Sprint(1+d.rand.IntN(4)), pick(d, []string{"3", "4"}))
	})
	d.times(12, func(ago time.Duration) {
		d.forward(ago, ExpectDrop, pick(d, vpnUsers), d.addr("10.20.2."), "New-InboxRule", "helpdesk@corp.example")
	})
	d.times(18, func(ago time.Duration) {
		d.container(ago, ExpectDrop, "Terminal shell in container", "Notice", "ci", "runner-"+d.hex(5),
			"registry.corp.example/ci/debug", "sh -c ./collect-logs.sh")
	})
}

// serverOpen: near misses and things nobody wrote a rule for.
func (d *day) serverOpen() {
	d.times(3, func(ago time.Duration) { // the right account from the wrong machine
		d.logon(ago, ExpectPass, pick(d, backupAccounts), d.addr("10.20.2."), "srv-sql-02", "3")
	})
	d.times(6, func(ago time.Duration) { // known jobs, which nobody wrote a rule for
		d.logon(ago, ExpectPass, pick(d, jobAccounts), pick(d, jobHosts), "srv-files-01", "3")
	})
	d.times(2, func(ago time.Duration) {
		user := pick(d, officeUsers)
		d.forward(ago, ExpectPass, user, d.addr("10.20.2."), "Set-Mailbox", user+"@private-mail.example")
	})
	d.times(4, func(ago time.Duration) {
		d.container(ago, ExpectPass, "Package management process launched in container", "Error", "shop", "cart-"+d.hex(5),
			"registry.corp.example/shop/cart", "apt-get install curl")
	})
}

// logon is a service account's sign-in, as Windows logs it.
func (d *day) logon(ago time.Duration, want Expected, user, src, dest, kind string) {
	d.happen(serviceLogon, ago, want,
		"user", user, "src", src, "dest", dest, "logon_type", kind, "LogonType", kind, "TargetUserName", user,
		"IpAddress", src, "AuthenticationPackageName", "Kerberos", "signature", "An account was successfully logged on",
		"LogonGuid", "{"+d.uuid()+"}", "RecordNumber", 1_000_000+d.rand.IntN(900_000))
}

// forward is a mailbox rule that sends mail on, as Microsoft 365 logs it.
func (d *day) forward(ago time.Duration, want Expected, user, src, operation string, to ...string) {
	d.happen(mailForwarding, ago, want,
		"user", mail(user), "src", src, "Operation", operation, "UserId", mail(user), "ClientIP", src,
		"rule_name", "Rule "+fmt.Sprint(1+d.rand.IntN(9)), "forward_to", to, "object", mail(user), "action", "created",
		"CreationTime", d.now.Add(-ago).Format("2006-01-02T15:04:05"))
}

// container is a Falco alert.
func (d *day) container(ago time.Duration, want Expected, rule, priority, space, pod, image, command string) {
	severity := map[string]string{"Notice": "informational", "Error": "medium", "Critical": "critical"}[priority]
	d.happen(containerAlert, ago, want,
		"signature", rule, "priority", priority, "severity", severity, "dest", "k8s-node-"+fmt.Sprint(1+d.rand.IntN(6)),
		"user", "root", "output_fields.k8s.ns.name", space, "output_fields.k8s.pod.name", pod,
		"output_fields.container.image.repository", image, "output_fields.proc.cmdline", command, "output_fields.user.name", "root",
		"output_fields.container.id", d.hex(12), "output", rule+" (user=root pod="+pod+" command="+command+")")
}
