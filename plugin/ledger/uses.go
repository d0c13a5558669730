package ledger

import "time"

// RuleHits returns the day of UTC on which each rule was last named by a proposal, also of alerts past retention,
// as the rule that drops or would drop.
func (t *Tx) RuleHits() (map[string]time.Time, error) {
	if err := t.keepCounts(); err != nil {
		return nil, err
	}
	out := map[string]time.Time{}
	for _, query := range []string{
		`SELECT rule, (SELECT max(start) FROM alert_sums d WHERE d.rule = t.rule AND d.grain = 2 AND d.rule <> '' AND d.proposal <> 'escalate')
 FROM (SELECT DISTINCT rule FROM alert_sums WHERE grain = 0 AND rule <> '' AND proposal <> 'escalate') t`,
		"SELECT rule, max(day) FROM dropped GROUP BY rule",
	} {
		err := t.each(query, nil, func(scan func(...any) error) error {
			var rule string
			var at int64
			if err := scan(&rule, &at); err != nil {
				return err
			}
			if last := timeOf(at); last.After(out[rule]) {
				out[rule] = last
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Reach returns when the oldest alert was received that the ledger holds or has counted; the zero
// time when there is none.
func (t *Tx) Reach() (time.Time, error) {
	var oldest int64
	_, err := t.get(`SELECT coalesce(min(at), 0) FROM (SELECT min(received) AS at FROM alerts UNION ALL SELECT min(day) FROM dropped)
 WHERE at IS NOT NULL`, nil, &oldest)
	return timeOf(oldest), err
}
