package ledger

// FindOnly returns the alert with this sid and rid, "" when there is none or more than one. Alerts of ad-hoc
// runs do not count: their sid is text of a row.
func (t *Tx) FindOnly(sid, rid string) (string, error) {
	ids, err := t.ids("SELECT id FROM alerts WHERE sid = ? AND rid = ? AND coalesce(json_extract(alert, '$.adhoc'), 0) = 0 LIMIT 2", sid, rid)
	if err != nil || len(ids) != 1 {
		return "", err
	}
	return ids[0], nil
}

// Labels counts what people have said of alerts in Splunk: labels, and those that are weak.
func (t *Tx) Labels(action string) (labels, weak int, err error) {
	_, err = t.get("SELECT count(*) FILTER (WHERE weak = 0), count(*) FILTER (WHERE weak = 1) FROM reviews WHERE action = ?",
		[]any{action}, &labels, &weak)
	return labels, weak, err
}
