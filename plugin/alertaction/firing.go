package alertaction

import (
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/winnow-soc/winnow"
)

// Firing is one triggered alert: what all of its rows share. Safe for concurrent use.
type Firing struct {
	Host       string // GUID of the search head, or its name
	SID        string // without the number of a real-time search's snapshot
	SearchName string
	App        string
	Owner      string
	URI        string
	Severity   winnow.Severity // base: what the search says, before any row
	Received   time.Time
	Adhoc      bool // a person asked for this run: nothing is dropped

	snapshot string // of a real-time search, appended to every rid
	fileRID  string // rid of the one row of a per-result file
	perRow   bool
}

// NewFiring reads from a payload what its rows share. host is the GUID of the search head, ""
// when it has none: its name stands in then. base is the severity that the configuration gives
// the search; the payload's own (the action's parameter severity, Splunk's 1 to 6) counts too,
// and the higher holds.
func NewFiring(p *Payload, host string, base winnow.Severity, received time.Time) *Firing {
	f := &Firing{
		Host: host, SID: p.SID, SearchName: p.SearchName, App: p.App, Owner: p.Owner, URI: p.SearchURI,
		Received: received,
		Adhoc:    !strings.Contains(p.SID, "scheduler"),
	}
	if f.Host == "" {
		f.Host = p.ServerHost
	}
	f.Severity = base.Max(winnow.ParseSeverity(winnow.ScaleSplunkAlert, p.Configuration["severity"]))
	f.SID, f.snapshot = splitSnapshot(p.SID)
	f.fileRID, f.perRow = perResult(p)
	return f
}

// PerResult reports whether the action runs once for each row (digest_mode = 0).
func (f *Firing) PerResult() bool { return f.perRow }

// perResult returns the rid that payload or results file give to the one row of a per-result run.
func perResult(p *Payload) (rid string, ok bool) {
	dir, name := filepath.Split(filepath.ToSlash(p.ResultsFile))
	number, isTemp := strings.CutPrefix(name, "tmp_")
	number, _, _ = strings.Cut(number, ".")
	_, err := strconv.ParseUint(number, 10, 64)
	inDir := filepath.Base(dir) == "per_result_alert"
	switch {
	case p.ResultID != "":
		return p.ResultID, true
	case isTemp && inDir && err == nil:
		return number, true
	}
	return "", inDir
}

// snapshotForms are the sids of real-time searches: scheduled ones have a name, others a time and
// a number, before the number of the snapshot. A search head cluster appends a GUID.
var snapshotForms = sync.OnceValue(func() []*regexp.Regexp {
	return []*regexp.Regexp{
		regexp.MustCompile(`^(rt_scheduler_.*)\.([0-9]+)(_[0-9A-Fa-f-]{36})?$`),
		regexp.MustCompile(`^(rt_(?:.*_)?[0-9]+\.[0-9]+)\.([0-9]+)(_[0-9A-Fa-f-]{36})?$`),
	}
})

// splitSnapshot takes the number of the snapshot out of a real-time search's sid.
func splitSnapshot(sid string) (base, snapshot string) {
	if !strings.HasPrefix(sid, "rt_") {
		return sid, ""
	}
	for _, form := range snapshotForms() {
		if m := form.FindStringSubmatch(sid); m != nil {
			return m[1] + m[3], m[2]
		}
	}
	return sid, ""
}

// Alert makes the alert of a row. It has no MAC and no ID yet: see [Identify].
func (f *Firing) Alert(number int, fields winnow.Fields) *winnow.Alert {
	a := &winnow.Alert{
		Key:        winnow.Key{Host: f.Host, SID: f.SID, RID: f.rid(number, fields)},
		SearchName: f.SearchName, App: f.App, Owner: f.Owner, URI: f.URI,
		Received: f.Received, Adhoc: f.Adhoc, Fields: fields, Job: winnow.Job{PerRow: f.perRow},
	}
	if f.Adhoc {
		a.Job.SID, a.Job.RID = a.Key.SID, a.Key.RID
		f.unwrap(a)
	}
	a.Time = f.Received
	if text, ok := fields.First("_time"); ok {
		if t, ok := parseTime(text); ok {
			a.Time = t
		} else {
			a.Warnings = append(a.Warnings, "_time is not a time: the alert's own time is when it was received")
		}
	}
	a.Severity = raise(f.Severity, fields)
	return a
}

// RIDSuffix is what the rids of a real-time search's firing end with: its firings share their sid. It is ""
// for other searches.
func (f *Firing) RIDSuffix() string { return f.inSnapshot("") }

// Untriaged makes the alert that stands for a firing which never came here.
func (f *Firing) Untriaged(what string) *winnow.Alert {
	return f.lost(string(winnow.ReasonNeverTriaged), what)
}

// Identify fills in MAC and ID of an alert.
func Identify(a *winnow.Alert, keys *winnow.Keys) {
	a.Key.MAC = keys.RowMAC(a.Fields)
	a.ID = keys.NewID(a.Key, a.Received)
}

// rid is the first of a rid column, the payload's result_id, the number of a per-result file and
// the row's number. A per-result file has one row; should it have more, the others are told apart.
func (f *Firing) rid(number int, fields winnow.Fields) string {
	rid, ok := fields.First("rid")
	if !ok {
		rid = f.fileRID
		if rid == "" {
			rid = strconv.Itoa(number)
		} else if number > 0 {
			rid += "/" + strconv.Itoa(number)
		}
	}
	return f.inSnapshot(rid)
}

// inSnapshot tells the firings of a real-time search apart: they share their sid.
func (f *Firing) inSnapshot(rid string) string {
	if f.snapshot == "" {
		return rid
	}
	return rid + "." + f.snapshot
}

// unwrap brings an ad-hoc run on a notable back to the alert that the notable is about.
func (f *Firing) unwrap(a *winnow.Alert) {
	sid, ok := a.Fields.First("orig_sid")
	if !ok {
		return
	}
	a.Key.SID = sid
	if rid, ok := a.Fields.First("orig_rid"); ok {
		a.Key.RID = rid
	}
	setFirst(&a.SearchName, a.Fields, "search_name", "orig_search_name", "source")
	setFirst(&a.App, a.Fields, "orig_app")
	setFirst(&a.Owner, a.Fields, "orig_owner")
}

// setFirst takes the first of the named fields that is there; without any, to stays as it is.
func setFirst(to *string, fields winnow.Fields, names ...string) {
	for _, name := range names {
		if text, ok := fields.First(name); ok {
			*to = text
			return
		}
	}
}

// raise returns the base severity raised by the row's own severity and urgency. Without a base it
// stays unknown: a row alone must not make an alert look harmless.
func raise(base winnow.Severity, fields winnow.Fields) winnow.Severity {
	if base == winnow.SeverityUnknown {
		return base
	}
	for _, name := range [...]string{"severity", "urgency"} {
		for _, word := range fields[name] {
			base = base.Max(winnow.ParseSeverity(winnow.ScaleWords, word))
		}
	}
	return base
}
