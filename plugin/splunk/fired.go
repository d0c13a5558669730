package splunk

import (
	"errors"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fired is a search run that fired winnow's alert action, as Splunk itself logs it. All texts are what
// whoever may save a search has chosen.
type Fired struct {
	SID    string // as splunkd gave it to the action
	Search string
	App    string
	Owner  string
	Host   string // that logged it
	At     time.Time

	Severity string // the alert's, 1 to 6, "" when no audit line says

	Audited bool // an audit line says that the alert fired with the action
	Invoked int  // how often splunkd started the action for it

	// What the action itself said, in lines that splunkd logs for it.
	Runs  map[string]int // rows stored, by run: a run is a spool record
	Said  bool           // a line at all
	Noted bool           // it could not store the rows, and has written their notable events itself
}

// FiredCount is what was read beside the firings.
type FiredCount struct {
	Elsewhere  int // firings of other search heads
	Adhoc      int // runs that a person asked for, and saw
	Unreadable int // lines that name the action and are not of a known form
	Failed     int // runs that did not end with exit code 0; these lines name no search run
}

// sendmodalert is a line of splunkd.log of that component. Text that a program wrote can only stand
// after the " - ".
var sendmodalert = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^\d{2}-\d{2}-\d{4} \d{2}:\d{2}:\d{2}\.\d{3} [+-]\d{4} (?:DEBUG|INFO|WARN|ERROR|FATAL) +sendmodalert(?: \[[^\[\]\n]*\])? - ([^\n]*)$`)
})

// invoking is the line of a start. Only the search's name may hold quotes: what follows it is read from
// the end of the line.
var invoking = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^Invoking modular alert action=winnow_triage for search="(.*)" sid="([^"]+)" in app="([^"]*)" owner="([^"]*)" type="([a-z]*)"$`)
})

const (
	actionPrefix = "action=winnow_triage "
	stderrPrefix = actionPrefix + "STDERR -"
)

// endings are the lines of an end. They name no search run.
var endings = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^action=winnow_triage - (?:Alert action script completed in duration=\d+ ms with exit code=(-?\d+)` +
		`|Alert action script returned error code=(-?\d+)|Execution of alert action script failed)$`)
})

// lineKind is what a line of splunkd.log tells.
type lineKind int

const (
	lineOther   lineKind = iota // of another action, or nothing to count
	lineInvoked                 // the action was started
	lineSaid                    // the action's own
	lineFailed                  // it did not end well
)

// logLine is one line of splunkd.log about the action.
type logLine struct {
	kind                    lineKind
	sid, search, app, owner string
	adhoc                   bool

	run   string
	rows  int // that the run has stored, -1 when the line is about something else
	noted bool
}

var errLine = errors.New("not a line of sendmodalert that is known")

// parseLogLine reads a line of splunkd.log. Whatever is not exactly of a known form is an error: a line
// that somebody worded must not pass for one of splunkd's.
func parseLogLine(raw string) (logLine, error) {
	m := sendmodalert().FindStringSubmatch(strings.TrimRight(raw, "\r\n"))
	if m == nil {
		return logLine{}, errLine
	}
	text := m[1]
	if s := invoking().FindStringSubmatch(text); s != nil {
		return logLine{
			kind: lineInvoked, search: s[1], sid: s[2], app: s[3], owner: s[4],
			adhoc: s[5] != "saved" || !strings.Contains(s[2], "scheduler"),
		}, nil
	}
	if own, ok := strings.CutPrefix(text, stderrPrefix); ok {
		return parseOwnLine(own)
	}
	if s := endings().FindStringSubmatch(text); s != nil {
		// The warning says the same as the completion before it: it is not counted again.
		if s[1] == "0" || s[2] != "" {
			return logLine{kind: lineOther}, nil
		}
		return logLine{kind: lineFailed}, nil
	}
	if strings.HasPrefix(text, actionPrefix) {
		return logLine{}, errLine
	}
	return logLine{kind: lineOther}, nil
}

var (
	ownStart = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^ *(?:(?:DEBUG|INFO|WARN|ERROR|FATAL) )?run=([0-9A-HJKMNP-TV-Z]{26})(?: |$)`)
	})
	storedRows = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`^stored rows=(\d{1,9}) drop=\d+ cached=\d+ escalate=\d+ pass=\d+ ms=\d+$`)
	})
	notStored = sync.OnceValue(func() *regexp.Regexp {
		return regexp.MustCompile(`; \d+ rows are not stored, [1-9]\d* notables written$`)
	})
)

// parseOwnLine reads what package stash writes: run, sid and rid, then the text.
func parseOwnLine(s string) (logLine, error) {
	m := ownStart().FindStringSubmatch(s)
	if m == nil {
		return logLine{kind: lineOther}, nil // of a run that had not read its payload
	}
	line := logLine{kind: lineSaid, run: m[1], rows: -1}
	rest := s[len(m[0]):]
	var ok bool
	if line.sid, rest, ok = cutValue(rest, "sid="); !ok {
		return logLine{kind: lineOther}, nil
	}
	if strings.HasPrefix(rest, "rid=") {
		if _, rest, ok = cutValue(rest, "rid="); !ok {
			return logLine{}, errLine
		}
	}
	if m := storedRows().FindStringSubmatch(rest); m != nil {
		line.rows, _ = strconv.Atoi(m[1]) // nine digits
	}
	line.noted = notStored().MatchString(rest)
	return line, nil
}

// cutValue reads name=value and the space after it. The value is a word, or quoted as Go does.
func cutValue(s, name string) (value, rest string, ok bool) {
	s, ok = strings.CutPrefix(s, name)
	if !ok {
		return "", s, false
	}
	if !strings.HasPrefix(s, `"`) {
		value, rest, _ = strings.Cut(s, " ")
		return value, rest, value != ""
	}
	quoted, err := strconv.QuotedPrefix(s)
	if err != nil {
		return "", s, false
	}
	value, err = strconv.Unquote(quoted)
	rest, space := strings.CutPrefix(s[len(quoted):], " ")
	return value, rest, err == nil && (space || rest == "") && value != ""
}

var auditPair = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([a-z_]+)=(?:"([^"]*)"|([^",\[\]]*))(?:, |\]|$)`)
})

// parseAudit reads the audit line of a triggered alert:
//
//	Audit:[timestamp=..., user=..., action=alert_fired, ss_user="...", ss_app="...", ss_name="...",
//	sid="...", alert_actions="...", severity=3, trigger_time=..., triggered_alerts=1]
//
// The fields beside ss_user, ss_app, ss_name, sid, severity and triggered_alerts are known from memory
// of such lines only: without alert_actions nobody knows whether the action was one of them, and the line counts for
// nothing. How splunkd writes a quote inside of a name is not known either; such a line is an error.
func parseAudit(raw string) (f Fired, ours bool, err error) {
	rest, ok := strings.CutPrefix(strings.TrimRight(raw, "\r\n"), "Audit:[")
	if !ok {
		return f, false, errors.New("not an audit line")
	}
	pairs := map[string]string{}
	for closed := false; !closed; {
		m := auditPair().FindStringSubmatch(rest)
		if m == nil {
			return f, false, errors.New("not key=value as audit lines have it")
		}
		if _, twice := pairs[m[1]]; twice {
			return f, false, fmt.Errorf("%s is there twice", m[1])
		}
		pairs[m[1]] = m[2] + m[3]
		closed = strings.HasSuffix(m[0], "]")
		if rest = rest[len(m[0]):]; rest == "" && !closed {
			return f, false, errors.New("it is cut off")
		}
	}
	if pairs["action"] != "alert_fired" || pairs["sid"] == "" {
		return f, false, errors.New("not about an alert that fired")
	}
	for action := range strings.SplitSeq(pairs["alert_actions"], ",") {
		ours = ours || strings.TrimSpace(action) == "winnow_triage"
	}
	f = Fired{
		SID: pairs["sid"], Search: pairs["ss_name"], App: pairs["ss_app"], Owner: pairs["ss_user"], Severity: pairs["severity"], Audited: true,
	}
	return f, ours, nil
}
