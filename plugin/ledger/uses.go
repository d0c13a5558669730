package ledger

import "time"

// RuleHits returns when each rule was last named by a proposal, also of alerts past retention
// (then to the day), as the rule that drops or would drop.
func (t *Tx) RuleHits() (map[string]time.Time, error) {
	out := map[string]time.Time{}
	for _, query := range []string{
		"SELECT rule, max(received) FROM alerts WHERE rule <> '' AND proposal <> 'escalate' GROUP BY rule",
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
