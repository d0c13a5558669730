package alertaction

import (
	"path/filepath"
	"strconv"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/stash"
)

// ActionName is the name of the alert action, of its stanza and of its program.
const ActionName = "winnow_triage"

// audit writes the line from which Splunk's Common Action Model, and Incident Review with it, know
// what became of the action. An ad-hoc run has few rows, and a person waits for each: it gets a
// line a row. A missing folder is a warning: the record in the spool is what counts.
func (a *action) audit(code int) {
	if a.deployment.SplunkHome == "" {
		a.log.Warn("no audit line: SPLUNK_HOME is not set")
		return
	}
	path := filepath.Join(a.deployment.SplunkHome, "var", "log", "splunk", ActionName+"_modalert.log")
	line := a.modAction(code)
	if !a.firing.Adhoc {
		line.RID = a.firing.fileRID
		line.Extra["rows"] = strconv.Itoa(a.tally.rows())
		a.appendAudit(path, line, code)
		return
	}
	for _, r := range a.tally.audit {
		line.RID, line.OrigSID, line.OrigRID = r.rid, r.origSID, r.origRID
		if !a.appendAudit(path, line, code) {
			return
		}
	}
}

func (a *action) modAction(code int) stash.ModAction {
	m := stash.ModAction{
		Signature: "Stored for triage", ActionName: ActionName, SearchName: a.payload.SearchName,
		SID: a.payload.SID, App: a.payload.App, User: a.payload.User,
		DigestMode: !a.firing.perRow, Status: stash.ActionPending,
		Extra: map[string]string{"run": a.id},
	}
	if m.User == "" {
		m.User = a.payload.Owner
	}
	if code != ExitStored {
		m.Signature, m.Status = "Could not be stored", stash.ActionFailure
	}
	return m
}

func (a *action) appendAudit(path string, line stash.ModAction, code int) bool {
	level := "INFO"
	if code != ExitStored {
		level = "ERROR"
	}
	err := stash.AppendLine(path, line.Line(a.env.Now(), level))
	if err != nil {
		a.log.Warn("no audit line: %v", err)
	}
	return err == nil
}

// auditRow is what an audit line says of a row of an ad-hoc run.
type auditRow struct{ rid, origSID, origRID string }

// maxAuditRows bounds the lines of one run: people start ad-hoc runs on what they look at.
const maxAuditRows = 1000

// auditRow returns what to say of a row, nil for rows that get no line of their own.
func (f *Firing) auditRow(row int, fields winnow.Fields) *auditRow {
	if !f.Adhoc || row >= maxAuditRows {
		return nil
	}
	r := &auditRow{rid: f.rid(row, fields)}
	r.origSID, _ = fields.First("orig_sid")
	r.origRID, _ = fields.First("orig_rid")
	return r
}
