package main

import (
	"fmt"
	"io"
	"runtime/debug"
)

// preamble says what was measured on what.
func preamble(out io.Writer, o options, c *corpus) {
	p := func(format string, args ...any) { _, _ = fmt.Fprintf(out, format+"\n", args...) }
	p("Engines, each with its alerts already in its own form:")
	for _, k := range kinds {
		if o.engines[k.name] {
			p("  %-12s %s", k.name, k.about)
		}
	}
	p("  Versions: %s. Where they have no function of their own, all use the same Go code for lists and networks.", versions())
	p("")
	made := 100.0
	if c.public() {
		made = 100 * (1 - sigmaShare - mispShare)
		p("Rules, with fixed seeds:")
		p("  %2.0f %%  Sigma filter blocks (%d of %d; the others repeat one, ask only that a field is absent, hold keywords,", 100*sigmaShare, len(c.sigma), c.total)
		p("        or cannot be said in every language), to the letter; when all are used, each again for a single computer")
		p("  %2.0f %%  MISP warning lists (%d lists): a quarter whole lists, the others one entry each; a list named once more, and", 100*mispShare, len(c.misp))
		p("        half of the networks, go with app ==")
	} else {
		p("Rules, with fixed seeds. The public data is not there (%s), so all of them are made up:", orNone(o.shared))
	}
	p("  %2.0f %%  made up, %.0f %% of them for a single search; of these:", made, 100*scoped)
	for _, s := range shapes {
		p("        %2d %%  %s", s.percent, s.text)
	}
	p("")
	if c.public() {
		p("Alerts: %s, %d %% from the AIT and Panther sets, the others made up; every second of those meets a rule.", thousands(float64(o.alerts)), publicPerMille/10)
	} else {
		p("Alerts: %s, made up; every second of them meets a rule.", thousands(float64(o.alerts)))
	}
	p("A field has one value, for the other engines know no rule over several.")
	p("ALERTS/S is per second of processor time on one core, garbage collection included. MEMORY is the heap after the")
	p("alerts, lists not counted. LOAD is processor time; winnow reads and checks YAML with tests, the others compile texts.")
	p("RULES TRUE is the mean number of rules that are true of an alert: all engines agree on each alert that both were asked")
	p("about, else the run fails. * stopped after %s: these alerts only, in the same random order for all.", o.box)
	p("")
}

func orNone(folder string) string {
	if folder == "" {
		return "no --data"
	}
	return folder
}

// versions names the other engines by what go.mod says.
func versions() string {
	text := ""
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, d := range info.Deps {
		switch d.Path {
		case "github.com/expr-lang/expr", "cel.dev/cel-go", "github.com/open-policy-agent/opa":
			if text != "" {
				text += ", "
			}
			text += d.Path + " " + d.Version
		}
	}
	return text
}

// verdict prints each goal, and says whether one was missed.
func verdict(out io.Writer, all []line) (missed bool) {
	for _, l := range all {
		if l.Want == "" {
			continue
		}
		word := "reached"
		if !l.OK {
			word, missed = "MISSED", true
		}
		_, _ = fmt.Fprintf(out, "%-7s  %s against %s: %sx, want %s\n", word, l.Name, l.Against, digits(l.Ratio), l.Want)
	}
	return missed
}
