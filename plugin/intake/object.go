package intake

import (
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/alertaction"
)

// object reads one JSON object: a row, a finding, a row of an export, or a whole payload.
func (rd *reader) object(line int, text []byte) error {
	f, err := winnow.Flatten(text)
	return rd.flat(line, text, f, err)
}

// flat is object of what was taken apart already.
func (rd *reader) flat(line int, text []byte, f winnow.Fields, err error) error {
	if err != nil {
		return rd.damaged(line, text, err, "want one JSON object a line, or a list of objects")
	}
	if isPayload(f) {
		return rd.payload(line, text)
	}
	if isExport(f) {
		if preview, _ := f.First("preview"); preview == "true" {
			rd.previews++
			return nil // the same row comes again when the search has ended
		}
		rd.final = true
		if f = unwrapResult(f); len(f) == 0 {
			return nil // the export's last line says that it is complete
		}
	}
	if _, named := f.First("search_name"); !named {
		f = fromGuardDuty(f)
	}
	return rd.fields(line, f)
}

// isPayload reports whether splunkd would have given the object to an alert action.
func isPayload(f winnow.Fields) bool {
	return f["session_key"] != nil || f["results_file"] != nil && f["sid"] != nil
}

// isExport reports whether the object is a line of a search export: {"preview":false,"result":{}}.
func isExport(f winnow.Fields) bool {
	marked := false
	for name := range f {
		switch {
		case name == "preview", name == "offset", name == "lastrow":
			marked = marked || name != "offset"
		case !strings.HasPrefix(name, "result."):
			return false
		}
	}
	return marked
}

func unwrapResult(f winnow.Fields) winnow.Fields {
	row := make(winnow.Fields, len(f))
	for name, values := range f {
		if name, ok := strings.CutPrefix(name, "result."); ok {
			row[name] = values
		}
	}
	return row
}

// fields yields the alert that a row's fields make.
func (rd *reader) fields(line int, f winnow.Fields) error {
	item := Item{Line: line, Label: take(f, "label")}
	a := &item.Alert
	a.SearchName = rd.searchName(f)
	a.Fields = f
	a.Severity = severity(rd.configured(a.SearchName), f)
	if err := rd.identify(a, take(f, "sid"), take(f, "rid")); err != nil {
		return err
	}
	rd.times(a)
	rd.sign(a)
	rd.emit(item, nil)
	return nil
}

// take removes a field that is about the row and not part of what the alert says.
func take(f winnow.Fields, name string) string {
	v, _ := f.First(name)
	delete(f, name)
	return v
}

// searchName is the row's own search_name, for notables the source they were written with.
func (rd *reader) searchName(f winnow.Fields) string {
	if name := take(f, "search_name"); name != "" {
		return name
	}
	if isNotable(f) {
		if name, ok := f.First("source"); ok {
			return name
		}
	}
	return rd.opts.SearchName
}

func isNotable(f winnow.Fields) bool {
	return f["orig_sid"] != nil || f["event_id"] != nil || f["rule_id"] != nil
}

// severity is the worst of what the configuration and the row itself say. Urgency, which ES
// computes, may raise it; alone it is no base.
func severity(configured winnow.Severity, f winnow.Fields) winnow.Severity {
	base := configured.Max(worst(f["severity"]))
	if base == winnow.SeverityUnknown {
		return base
	}
	return base.Max(worst(f["urgency"]))
}

func worst(words []string) winnow.Severity {
	s := winnow.SeverityUnknown
	for _, w := range words {
		s = s.Max(winnow.ParseSeverity(winnow.ScaleWords, w))
	}
	return s
}

// timeFields are where a row's time is looked for, best first.
var timeFields = [...]string{"_time", "@timestamp", "timestamp", "time"}

// times sets the alert's time. What comes from a file is received when it happened, so that
// expiry, windows and time limits replay.
func (rd *reader) times(a *winnow.Alert) {
	a.Time = rd.opts.Now
	for _, name := range timeFields {
		text, ok := a.Fields.First(name)
		if !ok {
			continue
		}
		if t, ok := parseTime(text); ok {
			a.Time = t
			a.Received = t
			return
		}
		a.Warnings = append(a.Warnings, "field "+name+" holds no time that winnow reads")
	}
	if t, ok := scheduledAt(a.Key.SID); ok {
		a.Time = t
	}
	a.Received = a.Time
	a.Warnings = append(a.Warnings, "the row tells no time: that of its search or file is used")
}

// scheduledAt is the time in the sid of a scheduled search, scheduler__..._at_1767225600_17.
func scheduledAt(sid string) (time.Time, bool) {
	_, at, found := strings.Cut(sid, "_at_")
	if !found || !strings.HasPrefix(sid, "scheduler__") {
		return time.Time{}, false
	}
	at, _, _ = strings.Cut(at, "_")
	return parseTime(at)
}

// identify sets the natural key. A notable is known by the search that
// raised it.
func (rd *reader) identify(a *winnow.Alert, sid, rid string) (err error) {
	if orig, ok := a.Fields.First("orig_sid"); ok {
		sid = orig
		if orig, ok := a.Fields.First("orig_rid"); ok {
			rid = orig
		}
	}
	if sid == "" {
		if sid, err = rd.src.SID(); err != nil {
			return err
		}
	}
	if rid == "" {
		rid = strconv.Itoa(rd.row)
	}
	a.Key = winnow.Key{Host: Host, SID: sid, RID: rid}
	return nil
}

// sign sets what needs the deployment's secret.
func (rd *reader) sign(a *winnow.Alert) {
	if k := rd.opts.Keys; k != nil {
		a.Key.MAC = k.RowMAC(a.Fields)
		a.ID = k.NewID(a.Key, a.Received)
	}
}

// maxRaw is how much is kept of a row that cannot be read.
const maxRaw = 64 << 10

// damaged yields a row that cannot be read, as an alert for a person. Its severity is unknown,
// so nothing closes it.
func (rd *reader) damaged(line int, text []byte, err error, hint string) error {
	raw := alertaction.Redacted(text[:min(len(text), maxRaw)])
	item := Item{Line: line, Raw: raw}
	a := &item.Alert
	a.SearchName = rd.opts.SearchName
	a.Time, a.Received = rd.opts.Now, rd.opts.Now
	a.Fields = winnow.Fields{}
	a.Fields.Add("_raw", strings.ToValidUTF8(string(raw), "\uFFFD"))
	a.Warnings = []string{"the row could not be read: " + err.Error()}
	if err := rd.identify(a, "", ""); err != nil {
		return err
	}
	rd.sign(a)
	rd.emit(item, &LineError{File: rd.name, Line: line, Err: err, Hint: hint})
	return nil
}
