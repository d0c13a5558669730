package stash

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Values of ModAction.Status.
const (
	ActionSuccess = "success"
	ActionFailure = "failure"
	ActionPending = "pending" // stored, to be triaged
)

// ModAction is one line of the audit log of alert actions, from which Incident Review shows what
// became of a response. Empty values are left out of the line.
type ModAction struct {
	Worker     string // host name
	Signature  string // what is being done, for people
	ActionName string
	SearchName string
	SID        string
	OrigSID    string
	RID        string
	OrigRID    string
	App        string
	User       string
	DigestMode bool
	Status     string
	Extra      map[string]string // further keys, written sorted
}

// ActionMode returns "saved" for a job of the scheduler and "adhoc" for one a person started.
func ActionMode(sid string) string {
	if strings.Contains(sid, "scheduler") {
		return "saved"
	}
	return "adhoc"
}

// Line renders the line, with its line break: UTC time with milliseconds, level, message. The
// format has no escapes: quotes become apostrophes, and whatever could break the line a space.
func (m ModAction) Line(now time.Time, level string) []byte {
	digest := "0"
	if m.DigestMode {
		digest = "1"
	}
	now = now.UTC()
	out := now.AppendFormat(nil, "2006-01-02 15:04:05")
	out = append(out, ',')
	ms := now.Nanosecond() / int(time.Millisecond)
	out = append(out, strconv.Itoa(1000 + ms)[1:]...)
	out = append(out, "+0000 "+level+" sendmodaction -"...)
	for _, kv := range [][2]string{
		{"worker", m.Worker}, {"signature", m.Signature}, {"action_name", m.ActionName},
		{"search_name", m.SearchName}, {"sid", m.SID}, {"orig_sid", m.OrigSID}, {"rid", m.RID},
		{"orig_rid", m.OrigRID}, {"app", m.App}, {"user", m.User}, {"digest_mode", digest},
		{"action_mode", ActionMode(m.SID)}, {"action_status", m.Status},
	} {
		out = appendAudit(out, kv[0], kv[1])
	}
	for _, key := range slices.Sorted(maps.Keys(m.Extra)) {
		out = appendAudit(out, strings.Map(wordRune, key), m.Extra[key])
	}
	return append(out, '\n')
}

func appendAudit(out []byte, key, value string) []byte {
	if value == "" {
		return out
	}
	out = append(out, ' ')
	out = append(out, key...)
	out = append(out, '=', '"')
	out = append(out, strings.Map(auditRune, value)...)
	return append(out, '"')
}

// auditRune also replaces a backslash: in front of the closing quote it would escape it for
// Splunk's extraction.
func auditRune(r rune) rune {
	switch {
	case r == '"':
		return '\''
	case r == '\\':
		return '/'
	case hides(r):
		return ' '
	}
	return r
}

func wordRune(r rune) rune {
	if r < 0x80 && alphanumeric(byte(r)) {
		return r
	}
	return '_'
}
