package main

import (
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/splunk"
)

// factsOld is the age at which what is known of Enterprise Security is doubtful: it is read daily.
const factsOld = 3 * 24 * time.Hour

// enterpriseSecurity says what the worker last knew of Enterprise Security.
func (x *diagnosis) enterpriseSecurity() {
	for _, sink := range x.d.Settings.EnabledSinks() {
		if sink.Type != conf.SinkUpdate && sink.Type != conf.SinkFinding {
			continue
		}
		f, err := splunk.ReadFacts(x.d.State, sink.Name)
		switch {
		case errors.Is(err, fs.ErrNotExist): // nothing was to be written yet
		case err != nil:
			x.warn("enterprise security", "the worker asks again at its next start", "sink %s: %v", sink.Name, err)
		default:
			x.facts(sink.Name, f)
		}
	}
}

func (x *diagnosis) facts(sink string, f splunk.Facts) {
	const check = "enterprise security"
	x.ok(check, "sink %s: %s; %s; %s; read %s", sink, interfaceOf(f), statusesOf(f), commentsOf(f), f.ReadAt.Format(time.RFC3339))
	if age := x.g.now().Sub(f.ReadAt); age > factsOld {
		x.warn(check, "see why in the worker's log", "sink %s: statuses and dispositions were last read %s ago", sink, age.Round(time.Hour))
	}
	if f.Traceless {
		x.warn(check, "set es = 7 in [sink:"+sink+"] of winnow.conf", "sink %s: findings change without a trace here, so winnow writes only notes", sink)
	}
	var unknown []string
	for _, d := range f.Dispositions {
		if d.Means == winnow.Undetermined && d.ID != "disposition:0" && d.ID != "disposition:6" {
			unknown = append(unknown, fmt.Sprintf("%s (%s)", d.ID, d.Label))
		}
	}
	if len(unknown) > 0 {
		x.warn(check, "let their labels begin with True Positive, Benign Positive, False Positive, or be Other",
			"sink %s: these dispositions count as undetermined: %s", sink, strings.Join(unknown, ", "))
	}
}

func interfaceOf(f splunk.Facts) string {
	if f.ES == 8 {
		return "findings, in " + f.App
	}
	return "notable_update"
}

func statusesOf(f splunk.Facts) string {
	known := 0
	for _, d := range f.Dispositions {
		if d.Means != winnow.Undetermined {
			known++
		}
	}
	return fmt.Sprintf("new is status %s, closed %s, %s", f.Statuses.New, f.Statuses.Closed,
		things(known, "disposition is understood", "dispositions are understood"))
}

func commentsOf(f splunk.Facts) string {
	if f.Comment.Required || f.Comment.Minimum > 0 {
		return fmt.Sprintf("comments need %d characters", f.Comment.Minimum)
	}
	return "comments may be of any length"
}
