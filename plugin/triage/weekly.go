package triage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Weekly makes the report of the week that begins with a Monday of UTC.
type Weekly func(t *ledger.Tx, monday time.Time) (json.RawMessage, error)

const (
	week = 7 * 24 * time.Hour

	// weekSettles is how long after its end a week is reported: calls that were on their way are booked by then.
	weekSettles = time.Hour

	weeklyEvery = time.Minute // at which the worker looks whether a week is over
	missedWeeks = 8           // that are made up for after an outage
)

// Monday returns the start of the week of UTC that a time lies in.
func Monday(t time.Time) time.Time {
	day := t.UTC().Truncate(24 * time.Hour)
	return day.AddDate(0, 0, -int(day.Weekday()+6)%7)
}

// WeekName names a week as ISO 8601 does, like 2026-W47.
func WeekName(monday time.Time) string {
	year, n := monday.UTC().ISOWeek()
	return fmt.Sprintf("%04d-W%02d", year, n)
}

// weekly posts the report of every week that is over to the sinks that [report] weekly names. The week that a sink
// was told last is kept in the transaction that posts it, so that none is posted twice; the outbox takes a key once
// and delivers at least once, under the same key at every try. A sink that was told of weeks to come, by a clock that
// was wrong, is told of the last one under its key.
func (w *Worker) weekly(ctx context.Context) error {
	e, now := w.Engine, w.Engine.Now()
	if w.Weekly == nil || len(e.Settings.Report.Weekly) == 0 || now.Sub(w.weekLooked).Abs() < weeklyEvery {
		return nil
	}
	w.weekLooked = now
	over := Monday(now.Add(-weekSettles)) // weeks that begin before it are over
	var errs []error
	for _, sink := range e.reportSinks() {
		for range missedWeeks {
			posted, err := w.nextWeek(ctx, sink, over)
			if err != nil {
				errs = append(errs, fmt.Errorf("weekly report: %w", err))
			}
			if !posted {
				break
			}
		}
	}
	return errors.Join(errs...)
}

// reportSinks are those of [report] weekly that are on.
func (e *Engine) reportSinks() (out []conf.Sink) {
	for _, s := range e.Sinks {
		if slices.Contains(e.Settings.Report.Weekly, s.Name) && s.Type.Events() {
			out = append(out, s)
		}
	}
	return out
}

// nextWeek posts the first week before over that a sink was not told of.
func (w *Worker) nextWeek(ctx context.Context, sink conf.Sink, over time.Time) (posted bool, err error) {
	meta := "weekly/" + sink.Name
	err = w.Engine.Update(ctx, func(t *ledger.Tx) error {
		posted = false
		_, doubt, err := ReadClockDoubt(t)
		if err != nil || doubt {
			return err // a clock that was set forward by mistake reports no weeks that are still to come
		}
		said, err := t.Meta(meta)
		if err != nil {
			return err
		}
		next := over.Add(-week)
		if last, err := time.Parse(time.DateOnly, said); err == nil && last.Before(over) {
			next = maxOf(Monday(last).Add(week), over.Add(-missedWeeks*week))
		}
		if !next.Before(over) {
			return nil
		}
		posted = true
		return errors.Join(w.Engine.postWeek(t, w.Weekly, sink, next, ""), t.SetMeta(meta, next.Format(time.DateOnly)))
	})
	if err == nil && posted {
		w.dirty = true
	}
	return posted && err == nil, err
}

func maxOf(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// PostWeek posts the report of a week to the sinks of [report] weekly because somebody asked, whether or not they were
// told of it before. asked is what sets the request apart from others. It returns how many sinks there are.
func (e *Engine) PostWeek(t *ledger.Tx, make Weekly, monday time.Time, asked string) (int, error) {
	sinks := e.reportSinks()
	for _, sink := range sinks {
		if err := e.postWeek(t, make, sink, monday, "/"+asked); err != nil {
			return 0, err
		}
	}
	return len(sinks), nil
}

func (e *Engine) postWeek(t *ledger.Tx, make Weekly, sink conf.Sink, monday time.Time, asked string) error {
	body, err := make(t, monday)
	if err != nil {
		return err
	}
	d := ledger.Delivery{
		Key: "weekly/" + WeekName(monday) + "/" + sink.Name + asked, Sink: sink.Name, Kind: ledger.DeliverEvent,
		Report: &ledger.Report{Name: "weekly", Body: body},
	}
	d.Record.Outcome.Time = e.Now() // sinks give the event this time
	return t.Post(d, e.Now())
}
