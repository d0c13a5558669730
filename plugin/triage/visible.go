package triage

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

// An alert that is not settled within [queue] visible_within of its severity must be seen by people all the
// same. Where winnow owns the notable events its raw one is written, marked "not triaged" with the reason;
// where Enterprise Security does, the one there gets a comment. Either is brought up to date when the alert
// is settled. In shadow nothing is written into Enterprise Security's, and the log says what would have been.

// lateBatch is how many alerts one turn tells of.
const lateBatch = 200

// late is one alert that is not settled in time, and what has to be told of it.
type late struct {
	item       queue.Item
	why        winnow.Reason
	did        string // for the log
	deliveries []ledger.Delivery
}

// What is done about an alert that is not settled in time.
const (
	lateNotable = "notables"         // its notable event is written
	lateComment = "comments"         // the one of Enterprise Security gets a comment
	lateShadow  = "would_comment"    // it would get one, if this were not shadow
	lateSeen    = "visible_already"  // people see it in another way
	lateNoSink  = "no_sink_for_them" // no sink writes what they need
)

// visibleBy is by when people must see an alert that is queued now, or zero when they do. A clock that was
// wrong when it was received delays nothing.
func (e *Engine) visibleBy(entry *ledger.Entry, rec *winnow.Record, since time.Time) time.Time {
	if e.seen(entry, rec) {
		return time.Time{}
	}
	return since.Add(e.Settings.VisibleWithin(entry.Alert.SearchName, entry.Alert.Severity))
}

// since is when an alert that comes in now has begun to wait.
func (e *Engine) since(received time.Time) time.Time {
	if now := e.Now(); received.After(now) {
		return now
	}
	return received
}

// seen reports whether people see an alert while it waits: its own notable event stands, they asked for it, or
// the finding of a recall stands for it.
func (e *Engine) seen(entry *ledger.Entry, rec *winnow.Record) bool {
	owned := e.search(rec.SearchName).Place == winnow.PlaceOwner
	return owned && entry.Notable || entry.Alert.Adhoc || isRecalled(rec.Proposal)
}

// showLate tells people of alerts that are not settled in time. It is one indexed query when there are none.
func (w *Worker) showLate(ctx context.Context) (int, error) {
	var all []late
	err := w.Engine.Ledger.View(ctx, func(t *ledger.Tx) error {
		items, err := queue.Late(ctx, t.Conn(), w.Engine.Now(), lateBatch)
		for _, it := range items {
			all = append(all, w.Engine.late(t, it, w.lateReason(&it)))
		}
		return err
	})
	if err != nil || len(all) == 0 {
		return 0, err
	}
	err = w.Engine.Update(ctx, func(t *ledger.Tx) error {
		for i := range all {
			if err := w.Engine.postLate(t, &all[i]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil { // a full disk, say: what can be told without the ledger is told
		return 0, errors.Join(fmt.Errorf("alerts that are not settled in time: %w", err), w.tellNow(ctx, all))
	}
	w.logLate(all)
	return len(all), w.deliverNow(ctx, all)
}

// lateReason says why an alert is not settled, as far as it is known.
func (w *Worker) lateReason(it *queue.Item) winnow.Reason {
	switch {
	case it.Cause == queue.CauseModel:
		return winnow.ReasonNoModel
	case it.Cause != "":
		return winnow.ReasonTryFailed
	case it.VisibleBy.Before(w.since):
		return winnow.ReasonStaleHeartbeat
	}
	return winnow.ReasonQueued
}

// late works out what has to be told of an alert. One whose entry cannot be read is told of as far as it is
// known.
func (e *Engine) late(t *ledger.Tx, it queue.Item, why winnow.Reason) late {
	one := late{item: it, why: why}
	entry, err := t.Alert(it.ID)
	if err != nil {
		entry = ledger.Entry{Alert: winnow.Alert{ID: it.ID, SearchName: it.Search, Received: it.Enqueued}}
	}
	rec, err := t.Record(it.ID)
	if err != nil {
		rec = winnow.NewRecord(&entry.Alert, winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonQueued})
	}
	run, owned := e.run(it.Search), e.search(it.Search).Place == winnow.PlaceOwner
	seq, _ := t.Seq(it.ID) // 0 for one that is gone: there is no second of it either
	kind := ledger.DeliverUpdate
	switch {
	case rec.Outcome.State.Settled() || e.seen(&entry, &rec):
		one.did = lateSeen
		return one
	case owned:
		kind, one.did = ledger.DeliverNotable, lateNotable
	case run == winnow.RunShadow:
		one.did = lateShadow
		return one
	default:
		one.did = lateComment
	}
	for _, sink := range e.Sinks {
		if owned && e.writes(sink) || !owned && sink.Type == conf.SinkUpdate {
			one.deliveries = append(one.deliveries, ledger.Delivery{
				Key: fmt.Sprintf("%s/%d/late/%s", it.ID, seq, sink.Name), Seq: seq,
				Sink: sink.Name, Kind: kind, WinnowID: e.Keys.Sign(it.ID), Record: rec, Alert: entry.Alert, CommentOnly: true, Late: why,
			})
		}
	}
	if one.deliveries == nil {
		one.did = lateNoSink
	}
	return one
}

// postLate keeps what has to be told of an alert, and that it is.
func (e *Engine) postLate(t *ledger.Tx, one *late) error {
	for _, d := range one.deliveries {
		if err := t.Post(d, e.Now()); err != nil {
			return err
		}
		if d.Kind == ledger.DeliverNotable {
			if err := t.SetNotable(d.Record.ID); err != nil {
				return err
			}
		}
	}
	return queue.Told(t.Context(), t.Conn(), one.item.ID)
}

// deliverNow brings notable events out at once: what lies in the outbox before them may take its time.
func (w *Worker) deliverNow(ctx context.Context, all []late) error {
	var due []ledger.Pending
	for i := range all {
		for _, d := range all[i].deliveries {
			if d.Kind == ledger.DeliverNotable {
				due = append(due, ledger.Pending{Delivery: d})
			}
		}
	}
	if len(due) == 0 {
		return nil
	}
	_, err := w.bring(ctx, due)
	return err
}

// tellNow hands notable events to their sinks without noting it. The keys are those under which they are posted
// once the ledger can be written, so no sink takes one twice.
func (w *Worker) tellNow(ctx context.Context, all []late) error {
	var errs []error
	for i := range all {
		for _, d := range all[i].deliveries {
			if d.Kind == ledger.DeliverNotable {
				errs = append(errs, guarded(func() error { return w.deliverOne(ctx, d) }))
			}
		}
	}
	return errors.Join(errs...)
}

func (w *Worker) logLate(all []late) {
	did, why := map[string]int{}, map[string]int{}
	for i := range all {
		did[all[i].did]++
		why[string(all[i].why)]++
		w.Engine.Meter.Late(all[i].did, all[i].why)
	}
	args := []any{"alerts", len(all)}
	for _, name := range slices.Sorted(maps.Keys(did)) {
		args = append(args, name, did[name])
	}
	var reasons []string
	for _, name := range slices.Sorted(maps.Keys(why)) {
		reasons = append(reasons, fmt.Sprintf("%s=%d", name, why[name]))
	}
	w.Log.Warn("alerts are not settled in time", append(args, "why", strings.Join(reasons, " "))...)
}
