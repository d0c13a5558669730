package demo

import "time"

// approvedTool is the hash of the tool that software deployment uses on every machine.
const approvedTool = "5f2b8c1e9d7a4630b1c2d3e4f5061728394a5b6c7d8e9fa0b1c2d3e4f5a6b7c8"

// endpointNoise: software deployment and antivirus housekeeping.
func (d *day) endpointNoise() {
	d.times(18, func(ago time.Duration) {
		host := d.workstation(pick(d, append(vpnUsers, officeUsers...)))
		d.detection(ago, ExpectDrop, "low", "svc-deploy", host, "Remote Administration Tool", "Execution", "T1569",
			"deployrun.exe", `C:\Windows\CCM\deployrun.exe /quiet /package:4711`, "ccmexec.exe", approvedTool)
	})
	d.times(28, func(ago time.Duration) {
		d.antivirus(ago, ExpectDrop, d.addr("10.20.2."), pick(d, mirrors), "2001", "Antivirus signature update failed")
	})
}

// endpointOpen: what administrators do by hand.
func (d *day) endpointOpen() {
	d.times(5, func(ago time.Duration) {
		d.detection(ago, ExpectPass, "medium", pick(d, officeUsers), "ws-admin-02", "Suspicious Script Execution", "Execution", "T1059.001",
			"powershell.exe", `powershell.exe -NoProfile -File C:\Admin\inventory.ps1`, "explorer.exe", d.hex(64))
	})
	d.times(3, func(ago time.Duration) { // not our mirror
		d.antivirus(ago, ExpectPass, d.addr("10.20.2."), "192.0.2.200", "2001", "Antivirus signature update failed")
	})
	d.times(6, func(ago time.Duration) { // our mirror, but another message than the rule is about
		d.antivirus(ago, ExpectPass, d.addr("10.20.2."), pick(d, mirrors), "2003", "Antivirus engine update failed")
	})
}

// detection is an EDR detection summary.
func (d *day) detection(ago time.Duration, want Expected, severity, user, host, name, tactic, technique, file, command, parent, hash string) {
	d.happen(edrDetection, ago, want,
		"user", user, "dest", host, "severity", severity, "signature", name,
		"event.DetectName", name, "event.ComputerName", host, "event.UserName", user, "event.SeverityName", severity,
		"event.Tactic", tactic, "event.TechniqueId", technique, "mitre_technique_id", technique,
		"process_name", file, "process", command, "parent_process_name", parent, "file_hash", hash,
		"event.DetectId", "ldt:"+d.hex(32)+":"+d.hex(10), "event.PatternDispositionDescription", "Detection, standard detection.",
	)
}

// antivirus is an event of the antivirus client.
func (d *day) antivirus(ago time.Duration, want Expected, client, server, id, text string) {
	d.happen(antivirusUpdate, ago, want,
		"src", client, "dest", server, "dest_port", "443", "signature_id", id, "signature", text, "EventCode", id,
		"severity", "informational", "error_code", "0x80072ee7", "action", "failure")
}
