package ledger

import "time"

// Prune removes alerts that were received before a time and need nobody any more, with their
// history, reviews and deliveries; of what a rule dropped the number stays; precedents older than facts; and verdicts that have expired by
// now. Alerts that are queued, in review, or have deliveries waiting stay. It returns how many
// alerts were removed.
func (t *Tx) Prune(records, facts, now time.Time) (int, error) {
	const old = `SELECT id FROM alerts WHERE received < ? AND state NOT IN ('queued', 'in_review')
 AND id NOT IN (SELECT id FROM outbox WHERE done = 0)`
	ids, err := t.ids(old, micro(records))
	if err != nil {
		return 0, err
	}
	var newest int64
	if _, err := t.get("SELECT coalesce(max(received), 0) FROM alerts WHERE id IN ("+old+")", []any{micro(records)}, &newest); err != nil {
		return 0, err
	}
	if err := t.notePruned(len(ids), newest, now); err != nil {
		return 0, err
	}
	if err := t.exec("DELETE FROM outbox WHERE id = '' AND done > 0 AND done < ?", micro(records)); err != nil {
		return 0, err
	}
	for _, id := range ids {
		if err := t.rememberDrop(id); err != nil {
			return 0, err
		}
		if err := t.leaveCounts(id); err != nil {
			return 0, err
		}
		for _, query := range []string{
			"DELETE FROM history WHERE id = ?", "DELETE FROM reviews WHERE id = ?", "DELETE FROM outbox WHERE id = ?",
			"DELETE FROM cases WHERE id = ?", "DELETE FROM calls WHERE alert = ?", "DELETE FROM answers WHERE id = ?", "DELETE FROM recalled WHERE id = ?", "DELETE FROM alerts WHERE id = ?",
		} {
			if err := t.exec(query, id); err != nil {
				return 0, err
			}
		}
	}
	if err := t.exec("DELETE FROM precedents WHERE at < ?", micro(facts)); err != nil {
		return 0, err
	}
	if err := t.pruneEntities(now); err != nil {
		return 0, err
	}
	if err := t.exec("DELETE FROM imports WHERE at < ?", micro(records)); err != nil {
		return 0, err
	}
	if err := t.pruneReconciled(records); err != nil {
		return 0, err
	}
	return len(ids), t.exec("DELETE FROM verdicts WHERE expires < ?", micro(now.Add(-verdictGrace)))
}

// verdictGrace is how long a verdict stays after it has expired: an alert received while it was
// valid may still be on its way through the queue.
const verdictGrace = 24 * time.Hour

// rememberDrop counts an alert that a rule closed, before it is removed: what can no longer be
// recalled must at least be known.
func (t *Tx) rememberDrop(id string) error {
	return t.exec(`INSERT INTO dropped (rule, ruleset, day, alerts)
 SELECT rule, coalesce(json_extract(record, '$.proposal.ruleset'), ''), received - received % ?, 1 FROM alerts
 WHERE id = ? AND source = 'rule' AND state = 'closed'
 ON CONFLICT (rule, ruleset, day) DO UPDATE SET alerts = alerts + 1`, microDay, id)
}

// microDay is a day in the file's unit.
const microDay = int64(24 * time.Hour / time.Microsecond)

// leaveCounts takes an alert and its calls out of the tallies.
func (t *Tx) leaveCounts(id string) error {
	if err := t.recount(id, nil); err != nil {
		return err
	}
	return t.eachCallGroup("alert = ?", []any{id}, func(g callGroup, a callAmount) { t.countedCall(g, a.times(-1)) })
}
