package ledger

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
)

// posted is what a delivery is in the model of the outbox.
type posted struct {
	d        Delivery
	due      time.Time
	attempts int
	state    string // waiting, done, failed
}

// outbox is the model beside the real one.
type outbox struct {
	t    *testing.T
	rt   *rapid.T
	path string
	l    *Ledger
	now  time.Time
	all  []*posted // in the order in which they were posted
	due  []Pending // of the last look
}

// TestOutboxModel posts, looks, delivers, fails, gives up and restarts in any order: the outbox hands out what
// is due and nothing else, at most one of an alert and sink at a time and those in the order of the outcomes they
// tell of, and forgets nothing.
func TestOutboxModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		o := &outbox{t: t, rt: rt, path: filepath.Join(t.TempDir(), "ledger.db"), now: noon}
		var err error
		if o.l, err = Open(t.Context(), o.path); err != nil {
			rt.Fatal(err)
		}
		defer func() { _ = o.l.Close() }()
		rt.Repeat(map[string]func(*rapid.T){
			"post": o.post, "post again": o.postAgain, "look": o.look, "deliver": o.deliver, "fail": o.fail,
			"wait": o.wait, "restart": o.restart, "": o.check,
		})
	})
}

func (o *outbox) update(f func(*Tx) error) {
	if err := o.l.Update(o.t.Context(), f); err != nil {
		o.rt.Fatal(err)
	}
}

// post tells a sink of the next outcome of an alert. An update takes the place of older ones that wait.
func (o *outbox) post(rt *rapid.T) {
	kind := rapid.SampledFrom([]DeliveryKind{DeliverEvent, DeliverNotable, DeliverUpdate}).Draw(rt, "kind")
	id, sink := fmt.Sprint("ALERT", rapid.IntRange(0, 2).Draw(rt, "alert")), string(kind)
	d := Delivery{Key: fmt.Sprintf("%s/%d/%s", id, len(o.all)+1, sink), Sink: sink, Kind: kind, Record: winnow.Record{ID: id}}
	o.update(func(tx *Tx) error { return tx.Post(d, o.now) })
	for _, p := range o.all {
		if kind == DeliverUpdate && p.d.Kind == kind && p.d.Record.ID == id && p.state != "done" {
			p.state = "done"
		}
	}
	o.all = append(o.all, &posted{d: d, due: o.now, state: "waiting"})
}

func (o *outbox) postAgain(rt *rapid.T) {
	if len(o.all) == 0 {
		rt.Skip()
	}
	p := o.all[rapid.IntRange(0, len(o.all)-1).Draw(rt, "which")]
	if p.d.Kind != DeliverUpdate { // one of these would supersede later ones; nobody posts an old outcome
		o.update(func(tx *Tx) error { return tx.Post(p.d, o.now) })
	}
}

// look compares what is due.
func (o *outbox) look(rt *rapid.T) {
	const limit = 100
	err := o.l.View(o.t.Context(), func(tx *Tx) (err error) {
		o.due, err = tx.Due(o.now, limit)
		return err
	})
	if err != nil {
		rt.Fatal(err)
	}
	var want []*posted
	first := map[string]bool{}
	for _, p := range o.all {
		lane := p.d.Record.ID + "/" + p.d.Sink
		if p.state != "waiting" || first[lane] {
			continue
		}
		first[lane] = true
		if !p.due.After(o.now) {
			want = append(want, p)
		}
	}
	slices.SortStableFunc(want, func(a, b *posted) int { return cmp.Compare(a.due.UnixNano(), b.due.UnixNano()) })
	same := slices.EqualFunc(o.due, want, func(got Pending, p *posted) bool { return got.Key == p.d.Key && got.Attempts == p.attempts })
	if !same {
		rt.Fatalf("due are %v, want %v", o.due, want)
	}
}

// take takes one of what was due.
func (o *outbox) take(rt *rapid.T) *posted {
	if len(o.due) == 0 {
		rt.Skip()
	}
	i := rapid.IntRange(0, len(o.due)-1).Draw(rt, "which")
	key := o.due[i].Key
	o.due = slices.Delete(o.due, i, i+1)
	for _, p := range o.all {
		if p.d.Key == key {
			return p
		}
	}
	rt.Fatalf("nobody posted %s", key)
	return nil
}

func (o *outbox) deliver(rt *rapid.T) {
	p := o.take(rt)
	o.update(func(tx *Tx) error { return tx.Delivered(p.d.Key, o.now) })
	p.state = "done"
}

func (o *outbox) fail(rt *rapid.T) {
	p := o.take(rt)
	if p.state == "done" { // superseded since it was handed out
		return
	}
	var next time.Time
	if !rapid.Bool().Draw(rt, "gives up") {
		next = o.now.Add(time.Duration(rapid.IntRange(1, 100).Draw(rt, "seconds")) * time.Second)
	}
	o.update(func(tx *Tx) error { return tx.Undelivered(p.d.Key, "no route", next) })
	p.attempts, p.due = p.attempts+1, next
	if next.IsZero() {
		p.state = "failed"
	}
}

func (o *outbox) wait(rt *rapid.T) {
	o.now = o.now.Add(time.Duration(rapid.IntRange(1, 60).Draw(rt, "seconds")) * time.Second)
}

// restart loses what was handed out.
func (o *outbox) restart(rt *rapid.T) {
	_ = o.l.Close()
	var err error
	if o.l, err = Open(o.t.Context(), o.path); err != nil {
		rt.Fatal(err)
	}
	o.due = nil
}

func (o *outbox) check(rt *rapid.T) {
	waiting, failed := 0, 0
	err := o.l.View(o.t.Context(), func(tx *Tx) (err error) {
		waiting, failed, err = tx.OutboxCounts()
		return err
	})
	counts := map[string]int{}
	for _, p := range o.all {
		counts[p.state]++
	}
	if err != nil || waiting != counts["waiting"] || failed != counts["failed"] {
		rt.Fatalf("%d wait and %d failed, want %v; error %v", waiting, failed, counts, err)
	}
}
