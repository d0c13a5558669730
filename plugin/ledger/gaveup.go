package ledger

import "fmt"

// GaveUp returns the alerts whose outcome is that they were given up for a cause, "" is for any, oldest
// first.
func (t *Tx) GaveUp(cause string) ([]string, error) {
	if cause == "" {
		return t.ids("SELECT id FROM alerts WHERE reason GLOB 'gave_up:*' ORDER BY id")
	}
	return t.ids("SELECT id FROM alerts WHERE reason GLOB 'gave_up:*' AND reason = ? ORDER BY id", "gave_up:"+cause)
}

// unaudited are the alerts that would have been closed, had there been an audit chain to tell of it, and that
// wait for a person because of that. Nobody has decided about them since.
const unaudited = " FROM %s WHERE reason = 'unaudited' AND state IN ('in_review', 'escalated')"

// UnauditedAlerts returns how many alerts wait for a person only because their close could not be audited.
func (t *Tx) UnauditedAlerts() (n int, err error) {
	if err := t.keepCounts(); err != nil {
		return 0, err
	}
	_, err = t.get("SELECT coalesce(sum(alerts), 0)"+fmt.Sprintf(unaudited, "alert_sums")+" AND grain = 0", nil, &n)
	return n, err
}

// UnauditedIDs returns them, oldest first.
func (t *Tx) UnauditedIDs() ([]string, error) {
	return t.ids("SELECT id" + fmt.Sprintf(unaudited, "alerts") + " ORDER BY id")
}
