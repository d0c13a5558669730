package main

import (
	"context"
	"errors"
	"math"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/prices"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/triage"
)

// whatIf decides the alerts of a ledger by the present setting and by others. Where the two come to the same, what
// was recorded stands: lists, facts and rules have changed since, and that is not the doing of the other setting.
type whatIf struct {
	g       *globals
	ledger  *ledger.Ledger
	t       *ledger.Tx // while it runs
	present *setting
	others  []*setting
	units   *report.Units
	offline llm.Model
	counter *report.WhatIfCounter

	// replayed compares with what the present setting would decide today, and not with what was recorded: settings
	// may have been others then.
	replayed bool
}

// Why it cannot be told where an alert would go, beside those of package triage.
const (
	unknownParent  = "it repeats an alert of which it cannot be told"
	unknownAnother = "the built-in analysts would answer in the place of a language model"
)

// run decides every alert of a span, in one reading of the ledger.
func (w *whatIf) run(ctx context.Context, since, until time.Time) error {
	return w.ledger.View(ctx, func(t *ledger.Tx) error {
		w.t = t
		return w.all(ctx, since, until)
	})
}

func (w *whatIf) all(ctx context.Context, since, until time.Time) error {
	n, err := w.t.Count()
	if err != nil {
		return err
	}
	if w.units, err = report.NewUnits(w.t, since, until, w.present.price); err != nil {
		return err
	}
	bar, done := w.g.startCount("alerts", n), int64(0)
	defer bar.clear()
	return w.t.Outlines(since, until, func(o *ledger.Outline) error {
		done++
		bar.set(done)
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return w.alert(ctx, o)
	})
}

func (w *whatIf) alert(ctx context.Context, o *ledger.Outline) error {
	c, ok, err := w.caseOf(ctx, o)
	if err != nil {
		return err
	}
	if !ok {
		w.counter.Skip()
		return nil
	}
	if err := w.prefetch(ctx, c); err != nil {
		return err
	}
	fates := []report.Fate{c.was}
	for _, s := range w.others {
		f, err := w.fate(ctx, s, c, 0)
		if err != nil {
			return err
		}
		fates = append(fates, f)
	}
	w.counter.Add(o, !w.replayed && c.drifted(), fates)
	return nil
}

// past is one alert of the past: what was recorded of it, and what the present setting would make of it.
type past struct {
	o   *ledger.Outline
	rec winnow.Record // winnow's last decision
	was report.Fate

	alert  *winnow.Alert // nil until it is needed
	gate   *atGate
	course *triage.Course
	early  map[*setting]earlyCourse // courses that are known before they are asked for
	calls  []ledger.Call
	read   bool // calls are
}

// atGate is what escalate list and rules make of an alert.
type atGate struct {
	p     winnow.Proposal
	drops bool
}

// caseOf reads an alert. ok is false where winnow has decided nothing.
func (w *whatIf) caseOf(ctx context.Context, o *ledger.Outline) (*past, bool, error) {
	rec, ok, err := report.Decided(w.t, o)
	if err != nil || !ok {
		return nil, false, err
	}
	was, ok := report.Recorded(o, &rec)
	c := &past{o: o, rec: rec, was: was}
	if !ok || !w.replayed || was.Way == report.WayRule || was.Way == report.WayCache || was.Way == report.WayRepeats {
		return c, ok, nil
	}
	course, found, err := w.again(ctx, w.present, c)
	if err != nil || !found {
		return c, true, err
	}
	if c.course = &course; course.Unknown == "" {
		c.was.Way, c.was.Reason = report.WayOf(course.State, course.Source), course.Reason
	}
	return c, true, nil
}

// drifted reports whether the present setting would decide otherwise today.
func (c *past) drifted() bool {
	return c.course != nil && c.course.Unknown == "" && report.WayOf(c.course.State, c.course.Source) != c.was.Way
}

// maxHanging bounds how many alerts that others hang on are remembered.
const maxHanging = 50_000

// maxDepth is how deep alerts hang on one another at most: more is not a ledger of ours.
const maxDepth = 16

// decidedFate is the fate of an alert that others hang on.
type decidedFate struct {
	report.Fate

	found  bool
	person bool // whatever winnow decides, a person has called it benign
	same   bool // as it was
}

// fate says where an alert goes under another setting: the gate first, then what it hangs on, then the analysts.
func (w *whatIf) fate(ctx context.Context, s *setting, c *past, depth int) (report.Fate, error) {
	if s.gates() {
		f, settled, err := w.atGate(ctx, s, c)
		if err != nil || settled {
			return f, err
		}
	}
	f, settled, err := w.hanging(ctx, s, c, depth)
	if err == nil && !settled {
		f, err = w.analysed(ctx, s, c)
	}
	if err != nil {
		return f, err
	}
	return f, w.reprice(s, c, &f)
}

// atGate asks the rules. It settles what another setting drops, and what it no longer does. Other rules are held
// against what was recorded: a rule that has missed an attack is suspended since, and was not then.
func (w *whatIf) atGate(ctx context.Context, s *setting, c *past) (f report.Fate, settled bool, err error) {
	if c.o.Bare {
		return report.Fate{Way: report.WayUnknown, Unknown: triage.UnknownFields}, true, nil
	}
	if c.gate == nil {
		if c.gate, err = w.ask(w.present, c); err != nil {
			return f, false, err
		}
	}
	was := c.gate
	if s.rules != "" {
		was = &atGate{c.rec.Proposal, c.was.Way == report.WayRule && c.rec.Proposal.Reason != winnow.ReasonCanary}
	}
	now, err := w.ask(s, c)
	if err != nil || now.drops == was.drops && now.p.Kind == was.p.Kind && (now.drops || now.p.Reason == was.p.Reason) {
		return f, false, err
	}
	if now.drops {
		return report.Fate{Way: report.WayRule}, true, nil
	}
	dropped := c.was.Way == report.WayRule || c.rec.Proposal.Kind == winnow.ProposeDrop
	if !dropped && now.p.Kind != winnow.ProposeEscalate {
		return f, false, nil // it went to the analysts then, and would again
	}
	f, err = w.fresh(ctx, s, c, now.p)
	return f, true, err
}

func (w *whatIf) ask(s *setting, c *past) (*atGate, error) {
	if c.alert == nil {
		entry, err := w.t.Alert(c.o.Record.ID)
		if err != nil {
			return nil, err
		}
		c.alert = &entry.Alert
	}
	p, drops, err := s.engine.AtGate(w.t, c.alert)
	return &atGate{p, drops}, err
}

// fresh decides an alert that no analyst has looked at. A language model is not asked: what the built-in analysts
// close needs none, and of the rest nobody knows.
func (w *whatIf) fresh(ctx context.Context, s *setting, c *past, p winnow.Proposal) (report.Fate, error) {
	if p.Kind == winnow.ProposeEscalate {
		return report.Fate{Way: report.WayEscalated, Reason: p.Reason}, nil // whatever anybody says of it
	}
	course, err := w.unasked(ctx, s, c, p)
	if err != nil {
		return report.Fate{}, err
	}
	way := report.WayOf(course.State, course.Source)
	if !s.asks || way.Closes() {
		return report.Fate{Way: way, Reason: course.Reason}, nil
	}
	return w.wouldAsk(s, c), nil
}

// unasked puts an alert to the built-in analysts.
func (w *whatIf) unasked(ctx context.Context, s *setting, c *past, p winnow.Proposal) (triage.Course, error) {
	one, err := s.engine.Unasked(w.t, c.o.Record.ID, p)
	if err != nil {
		return triage.Course{}, err
	}
	free := s.pipeline
	if first := free.First(); first != nil {
		free = first
	}
	return s.engine.Course(ctx, one, free)
}

// wouldAsk is the fate of an alert that a language model would be asked about.
func (w *whatIf) wouldAsk(s *setting, c *past) report.Fate {
	f := report.Fate{Way: report.WayUnknown, Unknown: triage.UnknownModel}
	unit, basis := w.units.Of(c.rec.SearchName, c.o.Bytes)
	switch {
	case basis == report.BasisMeasured || basis == report.BasisElsewhere && s.model == "":
		f.Estimated = unit
	case s.price != nil:
		f.Estimated = s.price(c.o.Bytes)
	default:
		f.Unpriced = 1
	}
	return f
}

// hanging follows the alert that closed this one from the cache, or that it repeats.
func (w *whatIf) hanging(ctx context.Context, s *setting, c *past, depth int) (f report.Fate, settled bool, err error) {
	id := c.o.Derived
	if c.was.Way == report.WayRepeats {
		id = c.o.Joined
	} else if c.was.Way != report.WayCache {
		return f, false, nil
	}
	first, err := w.parent(ctx, s, id, depth)
	switch {
	case err != nil:
		return f, false, err
	case id == "" || !first.found || first.same || first.person && c.was.Way == report.WayCache:
		return c.was, true, nil
	case first.Way == report.WayUnknown:
		return report.Fate{Way: report.WayUnknown, Unknown: unknownParent}, true, nil
	case first.Way.Closes():
		f.Way = first.Way
		if first.Way == report.WayModel {
			f.Way = report.WayCache // its verdict is kept
		}
		return f, true, nil
	}
	return report.Fate{Way: report.WayRepeats}, true, nil
}

// parent decides an alert that others hang on.
func (w *whatIf) parent(ctx context.Context, s *setting, id string, depth int) (p decidedFate, err error) {
	if p, ok := s.known[id]; ok || id == "" {
		return p, nil
	}
	o, err := w.t.Outline(id)
	if errors.Is(err, ledger.ErrNotFound) {
		return p, nil // it is past retention: what hangs on it stands
	}
	if err != nil {
		return p, err
	}
	c, ok, err := w.caseOf(ctx, &o)
	if err != nil {
		return p, err
	}
	p.found = ok
	p.person = report.LabelOf(&o) == report.LabelBenign
	switch {
	case ok && depth < maxDepth:
		p.Fate, err = w.fate(ctx, s, c, depth+1)
		p.same = p.Way == c.was.Way
	case ok:
		p.Way, p.Unknown = report.WayUnknown, unknownParent
	}
	if len(s.known) >= maxHanging {
		clear(s.known)
	}
	s.known[id] = p
	return p, err
}

// analysed decides again on what analysts said, under the present setting and under the other.
func (w *whatIf) analysed(ctx context.Context, s *setting, c *past) (report.Fate, error) {
	if c.was.Way == report.WayRule || c.was.Way == report.WayCache || !s.analyses() && s.asks == w.present.asks {
		return c.was, nil
	}
	if c.course == nil {
		course, ok, err := w.again(ctx, w.present, c)
		if err != nil || !ok {
			return c.was, err
		}
		c.course = &course
	}
	now, ok, err := w.again(ctx, s, c)
	if err != nil || !ok {
		return c.was, err
	}
	return w.onCourse(s, c, &now), nil
}

// onCourse is the fate of an alert that comes to another course, or to the same.
func (w *whatIf) onCourse(s *setting, c *past, now *triage.Course) report.Fate {
	f := c.was
	switch {
	case now.Unknown == triage.UnknownModel:
		f = w.wouldAsk(s, c)
		if now.Forced {
			f.Way, f.Reason, f.Unknown = report.WayOf(now.State, now.Source), now.Reason, ""
		}
		return f
	case now.Unknown != "" && now.Unknown == c.course.Unknown:
		return c.was // it can be told of neither
	case now.Unknown != "":
		f.Way, f.Unknown = report.WayUnknown, now.Unknown
		return f
	case now.State != c.course.State || now.Source != c.course.Source || c.course.Unknown != "":
		f.Way, f.Reason = report.WayOf(now.State, now.Source), now.Reason
	}
	if now.NothingUsed && !c.course.NothingUsed {
		f.Measured, f.Unpriced = 0, 0
	} else {
		f.Measured = max(f.Measured-max(now.Unused-c.course.Unused, 0), 0)
	}
	return f
}

// reprice puts the calls that were made at the prices of other models. Their answers stay as they are.
func (w *whatIf) reprice(s *setting, c *past, f *report.Fate) error {
	if f.Measured == 0 || s.model == "" && !s.analyses() {
		return nil
	}
	if !c.read {
		calls, err := w.t.Calls(c.o.Record.ID)
		if err != nil {
			return err
		}
		c.calls, c.read = calls, true
	}
	var kept, other winnow.NanoUSD
	booked := winnow.NanoUSD(0)
	for i := range c.calls {
		call := &c.calls[i]
		if call.Replay || call.State == ledger.CallReleased {
			continue
		}
		booked += winnow.NanoUSD(call.BookedNano)
		p, changed, known := s.billed(w.g, w.present, call)
		switch {
		case !changed:
			kept += winnow.NanoUSD(call.BookedNano)
		case !known:
			f.Unpriced++
		default:
			other += p.Cost(prices.Usage{Input: call.Input, Cached: call.Cached, CacheWrite: call.CacheWrite, Output: call.Output})
		}
	}
	if kept == booked {
		return nil
	}
	// What is not asked any more under this setting comes off both parts alike.
	share := math.Min(float64(f.Measured)/math.Max(float64(booked), 1), 1)
	f.Measured, f.Estimated = winnow.NanoUSD(float64(kept)*share), f.Estimated+winnow.NanoUSD(float64(other)*share)
	return nil
}
