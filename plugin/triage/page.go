package triage

import (
	"context"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// pages reports whether somebody has to be woken for an outcome: it is believed real, winnow may act, and no
// person has decided.
func pages(rec *winnow.Record) bool {
	return rec.Outcome.State == winnow.StateEscalated && rec.Outcome.Run == winnow.RunEnforce &&
		rec.Verdict.Source != winnow.SourcePerson && rec.Outcome.Reason != winnow.ReasonOwn
}

// page wakes people for an outcome, once for a group of like alerts, or tells those who were woken that it is over.
func (e *Engine) page(t *ledger.Tx, entry *ledger.Entry, rec *winnow.Record) error {
	if !rec.Outcome.State.Settled() {
		return nil
	}
	group := ledger.PageGroup(entry)
	if !pages(rec) {
		return e.endPages(t, group, entry, rec)
	}
	for _, sink := range conf.PageTargets(e.Sinks) {
		if err := e.openPage(t, sink, group, rec, &entry.Alert); err != nil {
			return err
		}
	}
	return nil
}

// openPage pages one target, unless it has been for the same group, and nobody has settled that. A target that
// has had its share of an hour gets it later: never what is critical, or of unknown severity.
func (e *Engine) openPage(t *ledger.Tx, sink conf.Sink, group string, rec *winnow.Record, a *winnow.Alert) error {
	stands, err := t.Page(group, sink.Name)
	if err != nil || stands.Stands() {
		return err
	}
	p := ledger.PageRow{Group: group, Sink: sink.Name, ID: rec.ID, Severity: max(rec.Severity, rec.Verdict.Severity), Opened: e.Now(), State: ledger.PageHeld}
	room, err := e.pageRoom(t, sink)
	if err != nil {
		return err
	}
	if !room && p.Severity != winnow.SeverityCritical && p.Severity != winnow.SeverityUnknown {
		return t.PutPage(&p)
	}
	return e.tellPage(t, sink, &p, rec, a)
}

// pageHour is the time for which pages are counted.
const pageHour = time.Hour

func (e *Engine) pageRoom(t *ledger.Tx, sink conf.Sink) (bool, error) {
	if sink.PerHour <= 0 {
		return true, nil
	}
	n, err := t.PagesTold(sink.Name, e.Now().Add(-pageHour))
	return n < sink.PerHour, err
}

// tellPage posts a page that is opened or was held.
func (e *Engine) tellPage(t *ledger.Tx, sink conf.Sink, p *ledger.PageRow, rec *winnow.Record, a *winnow.Alert) error {
	p.State, p.Told, p.Due = ledger.PageOpen, e.Now(), time.Time{}
	if sink.Next != "" {
		p.Due = p.Told.Add(sink.AckWithin)
	}
	if err := t.PutPage(p); err != nil {
		return err
	}
	return e.postPage(t, p, ledger.PageTrigger, "", rec, a)
}

// postPage puts one message about a page into the outbox. All of a page go under the alert that it was opened for, so
// that a receiver hears of the trigger before it hears of the end. A sink that is gone from winnow.conf hears nothing.
func (e *Engine) postPage(t *ledger.Tx, p *ledger.PageRow, action ledger.PageAction, by string, rec *winnow.Record, a *winnow.Alert) error {
	if _, ok := e.sinkNamed(p.Sink); !ok {
		return nil
	}
	seq, err := t.Seq(rec.ID)
	if err != nil {
		return err
	}
	d := ledger.Delivery{
		Key: fmt.Sprintf("%s/%d/%s/%s", p.Group, p.Opened.UnixMicro(), p.Sink, action), Seq: seq, Sink: p.Sink, Kind: ledger.DeliverPage,
		WinnowID: e.Keys.Sign(p.ID), Record: *rec, Alert: *a,
		Page: &ledger.Page{Action: action, Group: p.Group, Opened: p.Opened, By: by},
	}
	d.Record.ID, d.Alert.ID = p.ID, p.ID
	return t.Post(d, e.Now())
}

// endPages tells those who were paged for a group that nobody need look any more, when none of its alerts still
// waits. What a person confirms is in somebody's hands: pagers take it as acknowledged, and the rest is theirs.
func (e *Engine) endPages(t *ledger.Tx, group string, entry *ledger.Entry, rec *winnow.Record) error {
	rows, err := t.PagesOf(group)
	if err != nil || !anyStands(rows) {
		return err
	}
	if entry.Key != (cache.Key{}) {
		if waits, err := t.EscalatedWaits(entry.Key); err != nil || waits {
			return err
		}
	}
	action := ledger.PageResolve
	if rec.Outcome.State == winnow.StateEscalated {
		action = ledger.PageAcknowledge
	}
	for i := range rows {
		p := &rows[i]
		if !p.Stands() {
			continue
		}
		told, had := !p.Told.IsZero(), p.State == ledger.PageAcknowledged
		p.State, p.Due, p.Actor = ledger.PageOver, time.Time{}, rec.Outcome.Actor
		if err := t.PutPage(p); err != nil {
			return err
		}
		if !told || had && action == ledger.PageAcknowledge {
			continue
		}
		if err := e.postPage(t, p, action, rec.Outcome.Actor, rec, &entry.Alert); err != nil {
			return err
		}
	}
	return nil
}

func anyStands(rows []ledger.PageRow) bool {
	for i := range rows {
		if rows[i].Stands() {
			return true
		}
	}
	return false
}

// pageBatch is how many pages go on to their next target in a turn.
const pageBatch = 100

// pageOn pages the next target where nobody has answered in time, and those that were held where there is room again.
func (w *Worker) pageOn(ctx context.Context) (n int, err error) {
	e := w.Engine
	if len(conf.PageTargets(e.Sinks)) == 0 {
		return 0, nil
	}
	var due []ledger.PageRow
	var held []conf.Sink
	err = e.Ledger.View(ctx, func(t *ledger.Tx) (err error) {
		if due, err = t.PagesDue(e.Now(), pageBatch); err != nil {
			return err
		}
		held, err = e.heldWithRoom(t)
		return err
	})
	if err != nil || len(due)+len(held) == 0 {
		return 0, err
	}
	err = e.Update(ctx, func(t *ledger.Tx) error {
		n = 0
		for i := range due {
			if err := e.nextTarget(t, &due[i]); err != nil {
				return err
			}
			n++
		}
		for _, sink := range held {
			if err := e.releaseHeld(t, sink); err != nil {
				return err
			}
			n++
		}
		return nil
	})
	return n, err
}

// heldWithRoom returns the sinks that have a page waiting, and room for one.
func (e *Engine) heldWithRoom(t *ledger.Tx) (out []conf.Sink, err error) {
	for _, sink := range e.Sinks {
		if !sink.Type.Pages() {
			continue
		}
		p, err := t.PageHeldFor(sink.Name)
		if err != nil {
			return nil, err
		}
		if p.State == "" {
			continue
		}
		room, err := e.pageRoom(t, sink)
		if err != nil {
			return nil, err
		}
		if room {
			out = append(out, sink)
		}
	}
	return out, nil
}

// releaseHeld tells a sink of the most severe page that was held for it.
func (e *Engine) releaseHeld(t *ledger.Tx, sink conf.Sink) error {
	p, err := t.PageHeldFor(sink.Name)
	if err != nil || p.State == "" {
		return err
	}
	rec, a, err := pageSubject(t, p.ID)
	if err != nil {
		return err
	}
	return e.tellPage(t, sink, &p, &rec, &a)
}

// nextTarget pages whom the target that did not answer names.
func (e *Engine) nextTarget(t *ledger.Tx, p *ledger.PageRow) error {
	p.Due = time.Time{}
	if err := t.PutPage(p); err != nil {
		return err
	}
	from, ok := e.sinkNamed(p.Sink)
	if !ok || p.State != ledger.PageOpen {
		return nil
	}
	next, ok := e.sinkNamed(from.Next)
	if !ok {
		return nil
	}
	rec, a, err := pageSubject(t, p.ID)
	if err != nil {
		return err
	}
	return e.openPage(t, next, p.Group, &rec, &a)
}

func (e *Engine) sinkNamed(name string) (conf.Sink, bool) {
	for _, s := range e.Sinks {
		if s.Name == name {
			return s, true
		}
	}
	return conf.Sink{}, false
}

// pageSubject reads what a page is about. An alert whose entry is damaged is told of without its fields.
func pageSubject(t *ledger.Tx, id string) (rec winnow.Record, a winnow.Alert, err error) {
	if rec, err = t.Record(id); err != nil {
		return rec, a, err
	}
	a = winnow.Alert{ID: id, SearchName: rec.SearchName}
	if entry, err := t.Alert(id); err == nil {
		a = entry.Alert
	}
	return rec, a, nil
}

// pagePast looks again at a page just before it is delivered, and brings in what the receiver calls it. A trigger for
// what was settled meanwhile is past: what is no more believed real wakes nobody.
func (w *Worker) pagePast(ctx context.Context, d *ledger.Delivery) (past bool, err error) {
	err = w.Engine.Ledger.View(ctx, func(t *ledger.Tx) error {
		p, err := t.Page(d.Page.Group, d.Sink)
		if err != nil {
			return err
		}
		same := p.Opened.Equal(d.Page.Opened.Truncate(time.Microsecond))
		past = d.Page.Action == ledger.PageTrigger && (!same || !p.Stands())
		if same {
			d.Page.Ref = p.Ref
		}
		return nil
	})
	return past, err
}

// pageLost has the next target paged at once: this one cannot be told.
func (e *Engine) pageLost(t *ledger.Tx, d *ledger.Delivery) error {
	sink, ok := e.sinkNamed(d.Sink)
	if d.Page == nil || d.Page.Action != ledger.PageTrigger || !ok || sink.Next == "" {
		return nil
	}
	p, err := t.Page(d.Page.Group, d.Sink)
	if err != nil || p.State != ledger.PageOpen {
		return err
	}
	p.Due = e.Now()
	return t.PutPage(&p)
}

// pageTaken keeps what a receiver calls a page that it has taken.
func pageTaken(t *ledger.Tx, d *ledger.Delivery, ref string) error {
	if d.Page == nil || ref == "" {
		return nil
	}
	p, err := t.Page(d.Page.Group, d.Sink)
	if err != nil || !p.Opened.Equal(d.Page.Opened.Truncate(time.Microsecond)) {
		return err
	}
	return t.PageTaken(d.Page.Group, d.Sink, ref)
}
