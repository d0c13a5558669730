package ledger

import (
	"crypto/sha256"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/audit"
)

// Recall is one request to triage again what was dropped, and how far it has come.
type Recall struct {
	N        int64
	Target   string
	Body     []byte // the command
	At       time.Time
	After    string // the last alert that was looked at
	Requeued int
	Severity winnow.Severity // the highest of what was queued again
	Gone     int
	Finding  string
	Done     time.Time // zero: it goes on

	Actor, Reason string // who asks and why, for the audit; they stand in Body
}

// AddRecall keeps a new request. Its N is set by the ledger.
func (t *Tx) AddRecall(r Recall) error {
	body := audit.Recall{Actor: r.Actor, Body: sha256.Sum256(r.Body), Reason: r.Reason, Target: r.Target}
	if err := t.note(audit.KindRecall, "", micro(r.At), body); err != nil {
		return err
	}
	return t.exec(`INSERT INTO recalls (target, body, at, after, requeued, severity, gone, finding, done) VALUES (?,?,?,?,?,?,?,?,?)`,
		r.Target, r.Body, micro(r.At), r.After, r.Requeued, r.Severity, r.Gone, r.Finding, micro(r.Done))
}

// UpdateRecall keeps how far a request has come.
func (t *Tx) UpdateRecall(r *Recall) error {
	return t.exec("UPDATE recalls SET after = ?, requeued = ?, severity = ?, finding = ?, done = ? WHERE n = ?",
		r.After, r.Requeued, r.Severity, r.Finding, micro(r.Done), r.N)
}

// OpenRecall returns the oldest request that goes on; found is false when there is none.
func (t *Tx) OpenRecall() (Recall, bool, error) {
	return t.recall("SELECT n, target, body, at, after, requeued, severity, gone, finding, done FROM recalls WHERE done = 0 ORDER BY n LIMIT 1")
}

// LastFinding returns the last request for a target that has a finding.
func (t *Tx) LastFinding(target string) (Recall, bool, error) {
	return t.recall(`SELECT n, target, body, at, after, requeued, severity, gone, finding, done FROM recalls
 WHERE target = ? AND finding <> '' ORDER BY n DESC LIMIT 1`, target)
}

func (t *Tx) recall(query string, args ...any) (r Recall, found bool, err error) {
	var at, done int64
	found, err = t.get(query, args, &r.N, &r.Target, &r.Body, &at, &r.After, &r.Requeued, &r.Severity, &r.Gone, &r.Finding, &done)
	r.At, r.Done = timeOf(at), timeOf(done)
	return r, found, err
}

// FindingTotals returns how many alerts the requests that share a finding queued again, and how many
// were past retention when the first was made.
func (t *Tx) FindingTotals(finding string) (requeued, gone int, severity winnow.Severity, err error) {
	_, err = t.get("SELECT coalesce(sum(requeued), 0), coalesce(max(gone), 0), coalesce(max(severity), 0) FROM recalls WHERE finding = ?",
		[]any{finding}, &requeued, &gone, &severity)
	return requeued, gone, severity, err
}

// AddRecalled books an alert, with what it has cost so far, on a recall.
func (t *Tx) AddRecalled(id string, n int64) error {
	return t.exec("INSERT OR IGNORE INTO recalled (id, n, cost) SELECT id, ?, cost FROM alerts WHERE id = ?", n, id)
}

// Drop is an alert that a rule has closed.
type Drop struct{ ID, Rule, RuleSet string }

// Drops returns up to limit alerts that are closed by a rule and have their fields, from the one after an ID on, received
// at or after a time. rule "" is every rule.
func (t *Tx) Drops(rule, after string, since time.Time, limit int) (out []Drop, err error) {
	const where = `SELECT id, rule, coalesce(json_extract(record, '$.proposal.ruleset'), '') FROM alerts WHERE source = 'rule' AND state = 'closed'
 AND bare = 0 AND id > ? AND received >= ?`
	query, args := where+" ORDER BY id LIMIT ?", []any{after, micro(since), limit}
	if rule != "" {
		query, args = where+" AND rule = ? ORDER BY id LIMIT ?", []any{after, micro(since), rule, limit}
	}
	err = t.each(query, args, func(scan func(...any) error) error {
		var d Drop
		err := scan(&d.ID, &d.Rule, &d.RuleSet)
		out = append(out, d)
		return err
	})
	return out, err
}

// Gone calls f with the number of drops past retention, or kept without their fields, by rule and rule set, of days that end after a time.
func (t *Tx) Gone(since time.Time, f func(rule, ruleset string, n int)) error {
	return t.each(`SELECT rule, ruleset, sum(alerts) FROM (SELECT * FROM dropped UNION ALL SELECT * FROM bared WHERE alerts > 0)
 WHERE day > ? GROUP BY rule, ruleset`, []any{micro(since) - microDay},
		func(scan func(...any) error) error {
			var rule, ruleset string
			var n int
			if err := scan(&rule, &ruleset, &n); err != nil {
				return err
			}
			f(rule, ruleset, n)
			return nil
		})
}

// RecallCost is what the alerts of a recall have cost since they were queued again.
type RecallCost struct {
	Target   string
	Alerts   int
	Waiting  int // for triage
	MicroUSD int64
}

// RecallCosts returns the budget lines of all recalls, by target.
func (t *Tx) RecallCosts() (out []RecallCost, err error) {
	err = t.each(`SELECT c.target, count(DISTINCT a.id), count(DISTINCT a.id) FILTER (WHERE a.state = 'queued'), sum(a.cost - r.cost)
 FROM recalled r JOIN recalls c ON c.n = r.n JOIN alerts a ON a.id = r.id GROUP BY c.target ORDER BY c.target`, nil,
		func(scan func(...any) error) error {
			var c RecallCost
			err := scan(&c.Target, &c.Alerts, &c.Waiting, &c.MicroUSD)
			out = append(out, c)
			return err
		})
	return out, err
}
