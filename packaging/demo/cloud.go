package demo

import (
	"fmt"
	"time"
)

// cloudNoise: automation, and our own scanner seen by AWS.
func (d *day) cloudNoise() {
	d.times(16, func(ago time.Duration) {
		d.finding(ago, ExpectDrop, "Recon:EC2/Portscan", 5, "i-0scan"+d.hex(10), pick(d, scanners), d.addr("10.40.2."),
			"EC2 instance is performing outbound port scans against a host in the VPC.")
	})
	d.times(32, func(ago time.Duration) {
		action := pick(d, []string{"RunInstances", "CreateTags", "ModifyInstanceAttribute", "AuthorizeSecurityGroupIngress"})
		d.change(ago, ExpectDrop, pick(d, automationRoles), pick(d, ciRunners), "ec2.amazonaws.com", action, terraform,
			"source_range", "10.40.0.0/16")
	})
}

// cloudOpen: people at work in the cloud console, and findings of little weight.
func (d *day) cloudOpen() {
	d.times(5, func(ago time.Duration) {
		d.finding(ago, ExpectPass, "Policy:S3/BucketBlockPublicAccessDisabled", 2, "corp-assets-"+d.hex(4), d.addr("10.20.2."), "corp-assets",
			"Public access block was switched off for a bucket.")
	})
	d.times(5, func(ago time.Duration) {
		d.change(ago, ExpectPass, pick(d, officeUsers), d.addr("10.20.2."), "signin.amazonaws.com", "ConsoleLogin", browser, "additionalEventData.MFAUsed", "Yes", "responseElements.ConsoleLogin", "Success")
	})
	d.times(2, func(ago time.Duration) { // the right role, but it opens a port to everybody
		d.change(ago, ExpectPass, "terraform-deploy", pick(d, ciRunners), "ec2.amazonaws.com", "AuthorizeSecurityGroupIngress", terraform,
			"source_range", "0.0.0.0/0")
	})
}

// finding is a GuardDuty finding as EventBridge delivers it, with the names CIM has for it.
func (d *day) finding(ago time.Duration, want Expected, kind string, severity float64, object, src, dest, text string, more ...any) {
	word := map[bool]string{true: "medium", false: "low"}[severity >= 4]
	if severity >= 7 {
		word = "high"
	}
	id, when := d.hex(32), d.now.Add(-ago).Format("2006-01-02T15:04:05.000Z")
	d.happen(guardDuty, ago, want, append([]any{
		"signature", kind, "severity", word, "src", src, "dest", dest, "object", object, "vendor_region", "eu-central-1",
		"detail.type", kind, "detail.severity", severity, "detail.id", id, "detail.title", text, "detail.description", text,
		"detail.region", "eu-central-1", "detail.service.count", 1 + d.rand.IntN(9), "detail.service.eventLastSeen", when, "detail.updatedAt", when,
		"detail.arn", "arn:aws:guardduty:eu-central-1:" + account + ":detector/" + d.hex(12) + "/finding/" + id,
	}, more...)...)
}

// change is a CloudTrail event that alters something.
func (d *day) change(ago time.Duration, want Expected, user, src, service, action, agent string, more ...any) {
	identity := "AssumedRole"
	if user == "root" {
		identity = "Root"
	}
	d.happen(cloudAudit, ago, want, append([]any{
		"user", user, "src", src, "eventSource", service, "eventName", action, "command", action, "action", "success",
		"userIdentity.type", identity, "userIdentity.arn", fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s", account, user),
		"sourceIPAddress", src, "userAgent", agent, "user_agent", agent, "awsRegion", "eu-central-1", "vendor_region", "eu-central-1",
		"eventID", d.uuid(), "requestID", d.uuid(), "eventTime", d.now.Add(-ago).Format(time.RFC3339),
	}, more...)...)
}
