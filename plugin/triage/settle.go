package triage

import (
	"fmt"
	"slices"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
)

// settleNew keeps an alert whose outcome is known as it enters the ledger.
func (e *Engine) settleNew(t *ledger.Tx, entry ledger.Entry, rec winnow.Record) error {
	if err := t.Add(entry, rec); err != nil {
		return err
	}
	return e.settled(t, &entry, &rec, 1)
}

// Settle keeps a new outcome of an alert that the ledger has: the record, the open case or the
// end of one, the verdict for later alerts, and what the sinks have to be told, all in one
// transaction. It takes the alert out of the queue.
func (e *Engine) Settle(t *ledger.Tx, entry *ledger.Entry, rec *winnow.Record) error {
	before, err := t.Record(rec.ID)
	if err != nil {
		return err
	}
	// What is booked is what it cost, whoever asked and whatever came of it.
	if rec.Cost, err = t.CostOf(rec.ID); err != nil {
		return err
	}
	seq, err := t.Change(*rec, entry.Links)
	if err != nil {
		return err
	}
	if err := queue.Done(t.Context(), t.Conn(), rec.ID); err != nil {
		return err
	}
	if err := e.leaveOpen(t, entry, before.Outcome.State); err != nil {
		return err
	}
	if !keepsCase(rec) {
		if err := e.closeCase(t, rec.ID); err != nil {
			return err
		}
	}
	if err := e.prove(t, rec); err != nil {
		return err
	}
	return e.settled(t, entry, rec, seq)
}

func (e *Engine) settled(t *ledger.Tx, entry *ledger.Entry, rec *winnow.Record, seq int64) error {
	e.count(rec)
	switch rec.Outcome.State {
	case winnow.StateEscalated:
		e.enterOpen(entry.Key, rec.ID)
		if err := e.openCase(t, entry); err != nil {
			return err
		}
	case winnow.StateInReview:
		e.enterOpen(entry.Key, rec.ID)
		if err := e.standIn(t, rec); err != nil {
			return err
		}
	case winnow.StateClosed:
		if err := e.keep(t, entry, rec); err != nil {
			return err
		}
		if err := e.sample(t, entry, rec); err != nil {
			return err
		}
	case winnow.StateQueued, winnow.StateLeft:
	}
	if seq > 1 || pages(rec) { // what closes as it comes in ends no page: nobody was paged for it
		if err := e.page(t, entry, rec); err != nil {
			return err
		}
	}
	return e.post(t, entry, rec, seq)
}

// post puts what the sinks have to be told into the outbox. A notable that is written now tells of
// this outcome itself: only later ones update it.
func (e *Engine) post(t *ledger.Tx, entry *ledger.Entry, rec *winnow.Record, seq int64) error {
	written := false
	again, err := e.writesAgain(t, entry, rec)
	if err != nil {
		return err
	}
	for _, sink := range e.Sinks {
		if sink.Type == conf.SinkResponses {
			if err := e.respond(t, sink, entry, rec, seq); err != nil {
				return err
			}
			continue
		}
		kind, commentOnly := e.tell(sink, entry, rec)
		if again && e.writes(sink) {
			kind = ledger.DeliverNotable
		}
		if kind == "" {
			continue
		}
		d := ledger.Delivery{
			Key: fmt.Sprintf("%s/%d/%s", rec.ID, seq, sink.Name), Seq: seq,
			Sink: sink.Name, Kind: kind, WinnowID: e.Keys.Sign(rec.ID), Record: *rec, Alert: entry.Alert, CommentOnly: commentOnly,
		}
		if err := t.Post(d, e.Now()); err != nil {
			return err
		}
		written = written || kind == ledger.DeliverNotable
	}
	if !written {
		return nil
	}
	entry.Notable = true
	return t.SetNotable(rec.ID)
}

// tell says what a sink has to hear of an outcome; "" is nothing. Every outcome is an event, for the
// sinks that want to hear of its state. A
// notable is written where winnow owns them and none stands yet: in enforce for what survives,
// else for every alert, because nobody else writes one. Where one stands it is updated in
// enforce, commented on in assist, and left alone in shadow unless winnow wrote it.
func (e *Engine) tell(sink conf.Sink, entry *ledger.Entry, rec *winnow.Record) (kind ledger.DeliveryKind, commentOnly bool) {
	if sink.Type.Events() {
		if !sink.Tells(rec.Outcome.State) {
			return "", false
		}
		return ledger.DeliverEvent, false
	}
	if sink.Type.Pages() {
		return "", false // see page
	}
	if rec.Outcome.Reason == winnow.ReasonOwn || wasKept(rec) {
		return "", false
	}
	if isFinding(rec.Proposal) && rec.Outcome.Run != winnow.RunEnforce {
		return "", false // the review queue has it
	}
	if sink.Type == conf.SinkRisk {
		return risk(sink, rec), false
	}
	stands := e.stands(entry, rec)
	switch {
	case e.writes(sink) && !stands && e.survives(rec) && !e.groupedIn(rec):
		return ledger.DeliverNotable, false
	case sink.Type == conf.SinkUpdate && stands && rec.Outcome.Run == winnow.RunEnforce:
		return ledger.DeliverUpdate, false
	case sink.Type == conf.SinkUpdate && stands && rec.Outcome.Run == winnow.RunAssist:
		return ledger.DeliverUpdate, true
	case sink.Type == conf.SinkUpdate && e.ownStands(entry, rec) && e.Gate.Blind != winnow.ReasonGateOff:
		return ledger.DeliverUpdate, true // also in shadow: it still says that nobody triaged it
	}
	return "", false
}

// writesAgain reports whether an escalation is written as another notable event: winnow's own stands, written
// when there was no outcome or another one, and there is no sink that could bring it up to date. Two of them
// are a nuisance; one that goes on to say "not triaged" of what is believed real is worse. It happens once, and
// for nothing else: what is closed or waits in the review queue is worth no second one.
func (e *Engine) writesAgain(t *ledger.Tx, entry *ledger.Entry, rec *winnow.Record) (bool, error) {
	updates := slices.ContainsFunc(e.Sinks, func(s conf.Sink) bool { return s.Type == conf.SinkUpdate })
	if updates || rec.Outcome.State != winnow.StateEscalated || !e.ownStands(entry, rec) {
		return false, nil
	}
	history, err := t.History(rec.ID)
	if err != nil {
		return false, err
	}
	return !slices.ContainsFunc(history, func(r winnow.Record) bool { return r.Outcome.State == winnow.StateEscalated }), nil
}

// ownStands reports whether the notable event that stands for the alert is winnow's own, written before there was
// an outcome.
func (e *Engine) ownStands(entry *ledger.Entry, rec *winnow.Record) bool {
	return entry.Notable && e.search(rec.SearchName).Place == winnow.PlaceOwner
}

// stands reports whether there is a notable event for the alert. Where Enterprise Security writes
// them there is one for every row; but rows that were lost have none, so in enforce winnow writes
// the one that tells of them.
func (e *Engine) stands(entry *ledger.Entry, rec *winnow.Record) bool {
	beside := e.search(rec.SearchName).Place == winnow.PlaceBeside
	if (isLoss(rec.Proposal) || isFinding(rec.Proposal)) && rec.Outcome.Run == winnow.RunEnforce {
		beside = false
	}
	return beside || entry.Notable || entry.Alert.Adhoc
}

// survives reports whether the alert needs a notable.
func (e *Engine) survives(rec *winnow.Record) bool {
	return rec.Outcome.State != winnow.StateClosed
}

// groupedIn reports whether an alert is told of by one finding for many: by that of its recall, or by the one for
// all for which there was no money. What is believed real stands for itself.
func (e *Engine) groupedIn(rec *winnow.Record) bool {
	return rec.Outcome.State == winnow.StateInReview && (isRecalled(rec.Proposal) || e.unpaid(rec))
}

// GiveUpUnread escalates an alert whose entry in the ledger cannot be read, as far as it is known.
func (e *Engine) GiveUpUnread(t *ledger.Tx, it queue.Item) error {
	entry, rec := ledger.Entry{Alert: winnow.Alert{ID: it.ID, SearchName: it.Search}}, winnow.Record{ID: it.ID, SearchName: it.Search}
	if known, err := t.Record(it.ID); err == nil {
		rec = known
	}
	if key, err := t.KeyOf(it.ID); err == nil {
		entry.Key = key
	}
	return e.GiveUp(t, &entry, &rec, queue.CauseLedger)
}

// GiveUp escalates an alert that could not be judged in the last of its tries: nobody knows what
// it is, so a person must look.
func (e *Engine) GiveUp(t *ledger.Tx, entry *ledger.Entry, rec *winnow.Record, cause queue.Cause) error {
	rec.Verdict = winnow.Verdict{Case: winnow.Case{
		What:          "Triage failed: " + string(cause),
		Why:           "Nobody has judged this alert; it may be anything.",
		FirstResponse: "Look at the alert itself, then at `winnow doctor`.",
	}}
	e.decide(rec, winnow.StateEscalated, winnow.ReasonGaveUp+":"+winnow.Reason(cause), "winnow")
	return e.Settle(t, entry, rec)
}
