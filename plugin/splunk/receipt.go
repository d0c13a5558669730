package splunk

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// receipt is what is known of a delivery that was sent and is not confirmed.
type receipt struct {
	d    ledger.Delivery
	at   time.Time
	asks int
	ack  *ack // nil: it is searched for

	arrived, lost bool
}

// sending is what came of sending one delivery.
type sending struct {
	err error
	ack *ack
}

// tracker remembers what was sent until it is known to have arrived. A server that answers has only taken an
// event: it may still lose it. What is not confirmed in time is sent again, under the same key. Receipts are
// in memory: after a restart, what was not confirmed is sent again too. It is safe for concurrent use.
type tracker struct {
	now    func() time.Time
	within time.Duration
	first  time.Duration // the first question makes sense after this long

	// send sends deliveries and says for each what came of it; ask marks receipts that have arrived or are
	// known to be lost. An error of ask says that nothing is known.
	send func(context.Context, []ledger.Delivery) []sending
	ask  func(context.Context, []*receipt) error

	mu   sync.Mutex
	sent map[string]*receipt
}

// errSent is why a delivery that was sent is not done.
var errSent = errors.New("sent, and waiting to be confirmed")

// deliver asks about what was sent before, sends the rest, and says for each what came of it.
func (t *tracker) deliver(ctx context.Context, name string, all []ledger.Delivery) []error {
	errs, events := refuseOthers(name, all)
	var fresh, waiting []int
	for _, i := range events {
		if t.receipt(all[i].Key) == nil {
			fresh = append(fresh, i)
		} else {
			waiting = append(waiting, i)
		}
	}
	fresh = append(fresh, t.confirm(ctx, all, waiting, errs)...)
	if len(fresh) == 0 {
		return errs
	}
	batch := make([]ledger.Delivery, len(fresh))
	for i, place := range fresh {
		batch[i] = all[place]
	}
	for i, s := range t.send(ctx, batch) {
		errs[fresh[i]] = s.err
		if s.err == nil {
			t.keep(&receipt{d: batch[i], at: t.now(), ack: s.ack})
			errs[fresh[i]] = &ledger.LaterError{After: t.first, Sent: true, Err: errSent}
		}
	}
	return errs
}

// deliverAs delivers, and believes what the server answers where nothing is to be verified.
func (t *tracker) deliverAs(ctx context.Context, name string, verify conf.Verify, all []ledger.Delivery) []error {
	if verify != conf.VerifyNone {
		return t.deliver(ctx, name, all)
	}
	errs, events := refuseOthers(name, all)
	batch := make([]ledger.Delivery, len(events))
	for i, place := range events {
		batch[i] = all[place]
	}
	if len(batch) == 0 {
		return errs
	}
	for i, s := range t.send(ctx, batch) {
		errs[events[i]] = s.err
	}
	return errs
}

// confirm asks about the deliveries at the places given, and returns those that have to be sent again now.
func (t *tracker) confirm(ctx context.Context, all []ledger.Delivery, places []int, errs []error) (again []int) {
	if len(places) == 0 {
		return nil
	}
	receipts := make([]*receipt, len(places))
	for i, place := range places {
		receipts[i] = t.receipt(all[place].Key)
	}
	failure := t.ask(ctx, receipts)
	for i, place := range places {
		r := receipts[i]
		switch r.asks++; {
		case r.arrived:
			t.forget(r.d.Key)
		case r.lost:
			t.forget(r.d.Key)
			again = append(again, place)
		default:
			errs[place] = t.unconfirmed(r, failure)
		}
	}
	return again
}

// unconfirmed says what to do with a delivery that is not known to have arrived. What cannot be asked about
// is not sent again: that nothing is known is no sign of a loss.
func (t *tracker) unconfirmed(r *receipt, failure error) error {
	late := t.now().Sub(r.at) >= t.within
	switch {
	case late && failure != nil:
		return failure
	case late:
		t.forget(r.d.Key)
		return &Error{Op: "confirm event", Code: CodeUnconfirmed, Retry: true, Message: "sent, and not found within " + t.within.String() + ": it is sent again"}
	case failure == nil:
		failure = errSent
	}
	return &ledger.LaterError{After: min(t.first<<min(r.asks, 5), 30*time.Second), Sent: true, Again: true, Err: failure}
}

func (t *tracker) receipt(key string) *receipt {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.sent[key]
}

// keep remembers a receipt, and forgets those that nobody came back for.
func (t *tracker) keep(r *receipt) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.sent == nil {
		t.sent = map[string]*receipt{}
	}
	if len(t.sent) >= maxReceipts {
		for key, old := range t.sent {
			if t.now().Sub(old.at) > t.within {
				delete(t.sent, key)
			}
		}
	}
	t.sent[r.d.Key] = r
}

// maxReceipts is how many receipts are kept before the oldest are looked through.
const maxReceipts = 10_000

func (t *tracker) awaited() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.sent)
}

func (t *tracker) forget(key string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.sent, key)
}
