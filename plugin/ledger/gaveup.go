package ledger

// GaveUp returns the alerts whose outcome is that they were given up for a cause, "" is for any, oldest
// first.
func (t *Tx) GaveUp(cause string) ([]string, error) {
	if cause == "" {
		return t.ids("SELECT id FROM alerts WHERE reason GLOB 'gave_up:*' ORDER BY id")
	}
	return t.ids("SELECT id FROM alerts WHERE reason GLOB 'gave_up:*' AND reason = ? ORDER BY id", "gave_up:"+cause)
}
