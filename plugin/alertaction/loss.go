package alertaction

import (
	"errors"
	"strconv"
	"strings"

	"github.com/winnow-soc/winnow"
)

// A reading says how far the results of a firing could be read. Action and worker work out the
// same from the same bytes, so that both count the same rows.
type reading struct {
	rows int
	err  error // why the rows after these could not be read; nil when all were
}

// standIn returns the alert of a firing that has no rows. An alert that fires because nothing was
// found is an alert all the same; and where the results could not be read, the payload's own copy
// of the first row is better than nothing.
func (r reading) standIn(f *Firing, p *Payload) (*winnow.Alert, bool) {
	if r.rows > 0 || (r.err != nil && p.Result == nil) {
		return nil, false
	}
	fields := p.Result
	if fields == nil {
		fields = winnow.Fields{}
	}
	a := f.Alert(0, fields)
	a.Warnings = append(a.Warnings, "no row in the results: this is what the payload says of the first one")
	return a, true
}

// loss returns the alert that stands for rows which were never seen, so that somebody looks: rows
// of a file that was missing or cut, and rows beyond Splunk's own limits.
func (r reading) loss(f *Firing, p *Payload) (*winnow.Alert, winnow.Proposal, bool) {
	expected := expectedRows(f, p)
	reason, what := winnow.ReasonTruncated, "Splunk handed over fewer rows than the search found"
	switch {
	case r.err != nil:
		reason, what = winnow.ReasonResultsUnread, "The results could not be read to their end: "+cause(r.err)
	case expected <= r.rows:
		return nil, winnow.Proposal{}, false
	}
	a := f.lost(string(reason), what)
	a.Fields.Add("rows_read", strconv.Itoa(r.rows))
	if expected > 0 {
		a.Fields.Add("rows_expected", strconv.Itoa(expected))
	}
	return a, winnow.Proposal{Kind: winnow.ProposeEscalate, Reason: reason}, true
}

// lost makes an alert that no row stands for.
func (f *Firing) lost(rid, what string) *winnow.Alert {
	if f.fileRID != "" {
		rid = f.fileRID + "/" + rid
	}
	rid = f.inSnapshot(rid)
	return &winnow.Alert{
		Key:        winnow.Key{Host: f.Host, SID: f.SID, RID: rid},
		SearchName: f.SearchName, App: f.App, Owner: f.Owner, URI: f.URI,
		Severity: f.Severity, Time: f.Received, Received: f.Received, Adhoc: f.Adhoc,
		Fields:   winnow.Fields{"signature": {what}},
		Warnings: []string{what},
	}
}

// cause shortens an error to its last part, which says what happened without naming our files.
func cause(err error) string {
	if errors.Is(err, ErrCut) {
		return ErrCut.Error()
	}
	text := err.Error()
	return text[strings.LastIndex(text, ": ")+1:]
}

// expectedRows returns how many rows Splunk says the search found, 0 when it does not. A run per
// result is told the number of all results, and has one.
func expectedRows(f *Firing, p *Payload) int {
	if f.perRow {
		return 0
	}
	n, err := strconv.ParseUint(strings.TrimSpace(p.Configuration["result_count"]), 10, 31)
	if err != nil {
		return 0
	}
	return int(n)
}
