package splunk

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// UpdateSink brings verdicts into the notable events that Enterprise Security wrote (place =
// beside). A person wins: winnow changes status, urgency and disposition only of a notable event
// that is as Enterprise Security made it or as winnow itself left it. As soon as anybody else has
// made an entry it adds a comment and leaves the rest, for good.
//
// Neither notable_update nor the interface for findings can change something only if it is unchanged.
// So winnow reads, writes, and reads again; where a person's entry came in between and winnow's write
// went over it, winnow sets back what the person had set, and says so.
type UpdateSink struct {
	name   string
	client *Client
	within time.Duration
	site   *site
	now    func() time.Time
}

// UpdateOptions say which Enterprise Security there is. The zero value finds out.
type UpdateOptions struct {
	ES     conf.ES       // "" is auto
	App    string        // the app that has findings; "" tries those known
	Within time.Duration // how long a notable event is looked for before an escalation goes another way, 1 h if zero
	Facts  string        // the file that what is known of the site is kept in; "" for none
}

// NewUpdateSink makes the sink of that name.
func NewUpdateSink(name string, client *Client, opts UpdateOptions, now func() time.Time) *UpdateSink {
	if opts.Within <= 0 {
		opts.Within = time.Hour
	}
	return &UpdateSink{
		name: name, client: client, within: opts.Within, now: now,
		site: &site{client: client, es: opts.ES, app: opts.App, file: opts.Facts, now: now},
	}
}

// Name returns the name of the sink's stanza.
func (s *UpdateSink) Name() string { return s.name }

// notablesAtOnce is how many notable events or findings are worked on at the same time: splunkd answers several
// requests for each.
const notablesAtOnce = 8

// AtOnce is how many deliveries are made at the same time.
func (s *UpdateSink) AtOnce() int { return notablesAtOnce }

// Deliver finds the alert's notable event and updates it. Where a person has it already the answer
// is a [ledger.KeptError]. It is safe for concurrent use for different alerts.
func (s *UpdateSink) Deliver(ctx context.Context, d ledger.Delivery) error {
	if d.Kind != ledger.DeliverUpdate {
		return wrongKind(s.name, d)
	}
	k, err := s.open(ctx, &d.Alert, d.WinnowID)
	if err != nil {
		return s.tooLong(d, s.site.wrong(err))
	}
	return s.site.wrong(k.deliver(ctx, d))
}

// tooLong gives up on a notable event that is not found for so long that the index cannot be behind: then
// what is escalated has to go out another way. A close waits on, since its notable event may come yet.
func (s *UpdateSink) tooLong(d ledger.Delivery, err error) error {
	e, ok := errors.AsType[*Error](err)
	if !ok || e.Code != CodeNoNotable || d.Record.Outcome.State == winnow.StateClosed || s.now().Sub(d.Record.Outcome.Time) < s.within {
		return err
	}
	late := *e
	late.Retry = false
	late.Message += fmt.Sprintf("; looked for %s: given up", s.within)
	return &late
}

// desk is one notable event with all that was done to it, as winnow last read it.
type desk struct {
	sink  *UpdateSink
	facts Facts
	n     *Notable
	h     history
}

// open finds the notable event of an alert and reads it.
func (s *UpdateSink) open(ctx context.Context, a *winnow.Alert, winnowID string) (*desk, error) {
	facts, err := s.site.read(ctx)
	if err != nil {
		return nil, err
	}
	user, err := s.client.User(ctx)
	if err != nil {
		return nil, err
	}
	from, to := span(a)
	n, err := s.client.Resolve(ctx, Ref{WinnowID: winnowID, SID: a.Key.SID, RID: a.Key.RID}, from, knownUntil(to, s.now()))
	if err != nil {
		return nil, err
	}
	k := &desk{sink: s, facts: facts, n: n, h: history{base: filled(n.Base, facts.Statuses), winnowID: winnowID, user: user}}
	return k, k.read(ctx)
}

// read reads the history anew: first what is shown, so that what happens meanwhile is in the history.
func (k *desk) read(ctx context.Context) (err error) {
	c := k.sink.client
	if k.facts.ES == 8 {
		if k.h.shown, err = c.FindingState(ctx, k.facts.App, k.n); err != nil {
			return err
		}
		notes, err := c.Notes(ctx, k.n)
		if err != nil {
			return err
		}
		k.h.take(notes)
	}
	k.h.reviews, err = c.Reviews(ctx, k.n.RuleID)
	return err
}

func (k *desk) deliver(ctx context.Context, d ledger.Delivery) error {
	m, done := k.h.done(d)
	if done {
		return k.settle(ctx, d, m.deed, true)
	}
	d.CommentOnly = d.CommentOnly || k.facts.Traceless
	want, what := plan(k.h, d, k.facts)
	if what == "" {
		return k.settle(ctx, d, what, true)
	}
	what, err := k.write(ctx, d, want, what)
	if err != nil {
		return err
	}
	// A note goes over nothing. An entry with a comment repeats the whole state.
	return k.settle(ctx, d, what, k.facts.ES == 8 && what != deedSet)
}

// write makes one entry, and returns what it came to: where a person came first, only a note.
func (k *desk) write(ctx context.Context, d ledger.Delivery, to State, what deed) (deed, error) {
	c := k.sink.client
	if k.facts.ES != 8 {
		return what, c.UpdateNotable(ctx, Update{RuleID: k.n.RuleID, State: to, Comment: comment(d, what, k.facts.Comment.Minimum)})
	}
	if err := k.note(ctx, d, to, what); err != nil || what == deedNote || what == deedKept {
		return what, err
	}
	if what == deedSet { // the note took its time
		if err := k.read(ctx); err != nil {
			return what, err
		}
		if k.h.touched() {
			return deedKept, k.note(ctx, d, State{}, deedKept)
		}
	}
	return what, c.UpdateFinding(ctx, k.n, to)
}

// note says in a note what was done or is about to be set, unless one says so already.
func (k *desk) note(ctx context.Context, d ledger.Delivery, to State, what deed) error {
	m := newMark(d, what)
	m.set, m.nonce = to, newNonce()
	if what != deedKept && k.h.noted(m) {
		return nil
	}
	title := cut(plain("winnow: "+string(d.Record.Outcome.State), maxNoteTitle), maxNoteTitle)
	return k.sink.client.AddNote(ctx, k.n, title, m.sign(said(d, what)))
}

// span returns the earliest and latest time under which an alert is known.
func span(a *winnow.Alert) (from, to time.Time) {
	from, to = a.Time, a.Received
	if from.IsZero() {
		from = to
	}
	if to.IsZero() {
		to = from
	}
	if to.Before(from) {
		from, to = to, from
	}
	return from, to
}

// plan decides what to write. No deed means that there is nothing to say.
func plan(h history, d ledger.Delivery, f Facts) (State, deed) {
	if d.Late != "" { // whoever has it already need not be told
		if h.touched() || !untouched(h.base, f.Statuses) {
			return State{}, ""
		}
		return State{}, deedNote
	}
	want, say := wanted(h, d, f)
	switch {
	case !say:
		return State{}, ""
	case h.touched() || !untouched(h.base, f.Statuses):
		return State{}, deedKept
	case d.CommentOnly || want == (State{}):
		return State{}, deedNote
	}
	return want, deedSet
}

// filled names what an event that says nothing of its state counts as in Incident Review.
func filled(base State, st Statuses) State {
	return base.over(State{Status: st.New, Owner: nobody, Disposition: disposition(unassigned)})
}

// untouched reports whether a notable event was born as one that waits for anybody. One that a
// correlation search gave an owner, or any status but New, is somebody's already.
func untouched(base State, st Statuses) bool {
	isNew := base.Status == "0" || base.Status == st.New
	open := base.Disposition == disposition(unassigned) ||
		base.Disposition == disposition(winnow.Undetermined.ES())
	return base.Owner == nobody && isNew && open
}

// What Enterprise Security calls an owner and a disposition that nobody has given.
const (
	nobody     = "unassigned"
	unassigned = 0
)

func disposition(n int) string { return "disposition:" + strconv.Itoa(n) }

// wanted returns the state that an outcome asks for, and whether there is anything to say at all.
func wanted(h history, d ledger.Delivery, f Facts) (State, bool) {
	r := &d.Record
	switch r.Outcome.State {
	case winnow.StateClosed:
		return State{Status: f.Statuses.Closed, Disposition: f.disposition(r.Verdict.Disposition)}, true
	case winnow.StateEscalated:
		want := reopened(h, f)
		want.Urgency = raised(h.now().Urgency, r.Verdict.Severity)
		return want, true
	case winnow.StateInReview:
		return reopened(h, f), true
	case winnow.StateQueued: // a recall opens again what winnow had closed; else it is too early
		want := reopened(h, f)
		return want, want != State{}
	}
	return State{}, true // left
}

// reopened takes back a close of winnow's own.
func reopened(h history, f Facts) State {
	if !h.closed(f.Statuses.Closed) {
		return State{}
	}
	return State{Status: f.Statuses.New, Disposition: f.disposition(winnow.Undetermined)}
}

// raised returns the verdict's severity when it is above a known urgency, else "": winnow never
// makes a notable event look less urgent.
func raised(urgency string, to winnow.Severity) string {
	is := winnow.ParseSeverity(winnow.ScaleWords, urgency)
	if is == winnow.SeverityUnknown || to <= is {
		return ""
	}
	return to.String()
}

func (h history) now() State {
	return (&Notable{Base: h.base, Reviews: h.reviews}).State()
}

// maxSettle is how often winnow gives back a person's change within one delivery.
const maxSettle = 5

// settle reads what came of winnow's write, unless there was none since the last look, and gives back what
// winnow took from a person. That may also be something older: the entry of a person whose clock is slow lies
// below one that winnow had made before.
func (k *desk) settle(ctx context.Context, d ledger.Delivery, what deed, fresh bool) error {
	for try := range maxSettle {
		if !fresh || try > 0 {
			if err := k.read(ctx); err != nil {
				return fmt.Errorf("read back: %w", err)
			}
			if _, ok := k.h.done(d); !ok && what != "" {
				return k.traceless(d)
			}
		}
		lost := k.h.lost()
		if lost == (State{}) && (what == deedKept || k.h.restored(d)) {
			return &ledger.KeptError{By: k.h.holder()}
		}
		if lost == (State{}) {
			return nil
		}
		if _, err := k.write(ctx, d, lost, deedRestore); err != nil {
			return fmt.Errorf("give back what a person set: %w", err)
		}
	}
	return &Error{Op: "update notable", Code: CodeContested, Retry: true, Message: "people changed it at every try"}
}

// traceless says what it means that winnow's write is not in the review history. Where the finding shows it
// all the same, changes leave no trace here: then a person's could not be told from winnow's, and from now on
// winnow writes only notes.
func (k *desk) traceless(d ledger.Delivery) error {
	key := newMark(d, "").key
	for _, m := range k.h.marks {
		if m.key == key && m.deed == deedSet && m.set != (State{}) && k.h.shown.has(m.set) {
			k.sink.site.traceless()
			return nil
		}
	}
	return &Error{
		Op: "update notable", Code: CodeBadAnswer, Retry: true,
		Message: "Splunk took the update, but it is not in the review history",
	}
}
