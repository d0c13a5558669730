package ledger

import (
	"time"

	"github.com/winnow-soc/winnow/plugin/audit"
)

// AddCheckpoint signs the head of the chain and keeps it. What happened in this transaction is not in it:
// it is signed after the next one. found is false when there is nothing new to sign, or nothing can be
// audited.
func (t *Tx) AddCheckpoint(s *audit.Signer, at time.Time) (c audit.Checkpoint, found bool, err error) {
	if !t.l.audits() {
		return c, false, nil
	}
	head, err := t.readHead()
	if err != nil || head.seq == 0 {
		return c, false, err
	}
	last, err := t.LastCheckpoint()
	if err != nil || last >= head.seq {
		return c, false, err
	}
	c = s.Sign(head.seq, head.hash, at)
	return c, true, t.exec("INSERT INTO checkpoints (seq, at, head, key, signature) VALUES (?,?,?,?,?)",
		c.Seq, micro(c.At), c.Head[:], c.Key[:], c.Signature[:])
}

// LastCheckpoint returns the entry that the last checkpoint is of, 0 when there is none.
func (t *Tx) LastCheckpoint() (seq int64, err error) {
	_, err = t.get("SELECT coalesce(max(seq), 0) FROM checkpoints", nil, &seq)
	return seq, err
}

// PruneAudit removes the oldest entries from before a time, at most limit of them: one step, in a transaction
// that also says behind which entry the chain begins now, so that it verifies between any two steps. Only
// what a checkpoint from before the time covers goes. It returns how many it removed, 0 when there are none.
func (t *Tx) PruneAudit(before, now time.Time, limit int64) (removed int64, err error) {
	if !t.l.audits() {
		return 0, nil // the end of a broken chain is looked at by a person first
	}
	first, err := t.firstEntry()
	if err != nil || first.Seq == 0 {
		return 0, err
	}
	through, err := t.pruneThrough(first.Seq, before, limit)
	if err != nil || through < first.Seq {
		return 0, err
	}
	kept, err := t.inForce(through + 1)
	if err != nil {
		return 0, err
	}
	if err := t.fillRemoved(&kept, through); err != nil {
		return 0, err
	}
	if err := t.note(audit.KindRetention, "", micro(now), kept); err != nil {
		return 0, err
	}
	return through - first.Seq + 1, t.removeEntries(through, kept)
}

// fillRemoved says what is needed to verify the rest.
func (t *Tx) fillRemoved(r *audit.Retention, through int64) (err error) {
	before, err := t.removed()
	if err != nil {
		return err
	}
	r.Through = through
	if r.Head, err = t.hashOf(through); err != nil {
		return err
	}
	_, err = t.get("SELECT coalesce(max(at), 0) FROM audit WHERE seq <= ?", []any{through}, &r.Until)
	r.Until = max(r.Until, before.Until)
	return err
}

// removeEntries takes out the entries up to a number, and what only they refer to.
func (t *Tx) removeEntries(through int64, kept audit.Retention) error {
	var one int
	refers, err := t.get(`SELECT 1 FROM audit WHERE subject = '' AND kind IN ('rules', 'configuration', 'approvals', 'suspensions') AND seq <= ? LIMIT 1`,
		[]any{through}, &one)
	if err != nil {
		return err
	}
	if err := t.exec("DELETE FROM audit WHERE seq <= ?", through); err != nil {
		return err
	}
	if err := t.exec("DELETE FROM checkpoints WHERE seq < ?", through); err != nil || !refers {
		return err
	}
	return t.pruneArchive(kept)
}

// checkpointsAtOnce is how many checkpoints one step looks at. They may be close to each other, then it
// removes less than it may.
const checkpointsAtOnce = 100

// pruneThrough returns the last entry to remove: one up to a checkpoint, all up to which are older.
func (t *Tx) pruneThrough(first int64, before time.Time, limit int64) (through int64, err error) {
	_, err = t.get(`SELECT coalesce(max(seq), 0) FROM (SELECT c.seq FROM checkpoints c JOIN audit a ON a.seq = c.seq
 WHERE c.at < ? AND a.at < ? AND c.seq >= ? AND c.seq < (SELECT max(seq) FROM audit) ORDER BY c.seq LIMIT ?)`,
		[]any{micro(before), micro(before), first, checkpointsAtOnce}, &through)
	return min(through, first+limit-1), err
}

// inForce returns which rules and configuration were in force at an entry.
func (t *Tx) inForce(at int64) (r audit.Retention, err error) {
	rules, err := t.InForce(audit.KindRules, at)
	if err != nil {
		return r, err
	}
	conf, err := t.InForce(audit.KindConfiguration, at)
	r.Rules, r.RulesVersion, r.Configuration = rules.Content, rules.New, conf.Content
	return r, err
}

// notePruned audits that alerts were removed because of their age. received is that of the newest.
func (t *Tx) notePruned(alerts int, received int64, now time.Time) error {
	if alerts == 0 {
		return nil
	}
	return t.note(audit.KindRetention, "", micro(now), audit.Retention{Alerts: alerts, Received: received})
}
