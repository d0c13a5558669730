package rules

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// canonicalHead is the first line of what approvers sign. It is raised when the text would mean
// something else.
const canonicalHead = "winnow rule, version 1"

// Canonical returns what approvers of the rule sign: everything that says what it may drop, and who
// answers for it. Line by line, in this order: id, owner, when, search_name (quoted, sorted), global,
// compare_fields, mode, max_severity, expires (the last day), window, canary ("default" where the rule
// does not say). Texts are quoted as Go does, so that no text can look like another line. Words for
// people (description, reason, ticket), tests, and the values of lists are no part of it.
func (r *Rule) Canonical() []byte {
	var b strings.Builder
	line := func(key, value string) { fmt.Fprintf(&b, "%s: %s\n", key, value) }
	b.WriteString(canonicalHead + "\n")
	line("id", strconv.Quote(r.ID))
	line("owner", strconv.Quote(r.Owner))
	line("when", strconv.Quote(r.When))
	searches := make([]string, 0, len(r.Searches))
	for _, s := range slices.Sorted(slices.Values(r.Searches)) {
		searches = append(searches, strconv.Quote(s))
	}
	line("search_name", "["+strings.Join(searches, ", ")+"]")
	line("global", strconv.FormatBool(r.Global))
	line("compare_fields", strconv.FormatBool(r.compareFields))
	line("mode", string(r.Mode))
	line("max_severity", r.MaxSeverity.String())
	line("expires", r.Expires.AddDate(0, 0, -1).Format(time.DateOnly))
	line("window", r.Window.canonical())
	share := "default"
	if r.Canary >= 0 {
		share = strconv.FormatFloat(r.Canary, 'g', -1, 64)
	}
	line("canary", share)
	return []byte(b.String())
}

func (w *Window) canonical() string {
	if w == nil {
		return "always"
	}
	var days []string
	for i, on := range w.Days {
		if on {
			days = append(days, weekdays[i])
		}
	}
	clock := func(minute int) string { return fmt.Sprintf("%02d:%02d", minute/60, minute%60) }
	return fmt.Sprintf("%s %s-%s %q", strings.Join(days, ","), clock(w.From), clock(w.To), w.Zone.String())
}
