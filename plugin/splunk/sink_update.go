package splunk

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// UpdateSink brings verdicts into the notable events that Enterprise Security wrote (place =
// beside). A person wins: winnow changes status, urgency and disposition only of a notable event
// that is as Enterprise Security made it or as winnow itself left it. As soon as anybody else has
// made an entry it adds a comment and leaves the rest, for good.
//
// notable_update has no way to change something only if it is unchanged. So winnow reads, writes,
// and reads again; where a person's entry came in between and winnow's write went over it, winnow
// sets back what the person had set, and says so.
type UpdateSink struct {
	name   string
	client *Client
	now    func() time.Time

	mu       sync.Mutex
	statuses Statuses
	readAt   time.Time
}

// NewUpdateSink makes the sink of that name.
func NewUpdateSink(name string, client *Client, now func() time.Time) *UpdateSink {
	return &UpdateSink{name: name, client: client, now: now}
}

// Name returns the name of the sink's stanza.
func (s *UpdateSink) Name() string { return s.name }

// Deliver finds the alert's notable event and updates it. Where a person has it already the answer
// is a [ledger.KeptError]. It is safe for concurrent use for different alerts.
func (s *UpdateSink) Deliver(ctx context.Context, d ledger.Delivery) error {
	if d.Kind != ledger.DeliverUpdate {
		return wrongKind(s.name, d)
	}
	statuses, err := s.reviewStatuses(ctx)
	if err != nil {
		return err
	}
	user, err := s.client.User(ctx)
	if err != nil {
		return err
	}
	from, to := span(&d.Alert)
	n, err := s.client.FindNotable(ctx, d.Alert.Key.SID, d.Alert.Key.RID, from, to)
	if err != nil {
		return err
	}
	h := history{base: filled(n.Base, statuses), reviews: n.Reviews, winnowID: d.WinnowID, user: user}
	m, done := h.done(d)
	if !done {
		u, what := plan(h, d, statuses)
		if what == "" {
			return nil
		}
		u.RuleID = n.RuleID
		if err := s.client.UpdateNotable(ctx, u); err != nil {
			return err
		}
		m.deed = what
	}
	switch m.deed {
	case deedSet:
		return s.settle(ctx, n.RuleID, h, d)
	case deedKept:
		return &ledger.KeptError{By: h.holder()}
	case deedNote, deedRestore: // a comment goes over nothing
	}
	return nil
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

// statusesKept is how long the site's review statuses are believed.
const statusesKept = 10 * time.Minute

func (s *UpdateSink) reviewStatuses(ctx context.Context) (Statuses, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.readAt.IsZero() && s.now().Sub(s.readAt) < statusesKept {
		return s.statuses, nil
	}
	statuses, err := s.client.Statuses(ctx)
	if err != nil {
		return Statuses{}, err
	}
	s.statuses, s.readAt = statuses, s.now()
	return statuses, nil
}

// plan decides what to write. No deed means that there is nothing to say.
func plan(h history, d ledger.Delivery, st Statuses) (Update, deed) {
	want, say := wanted(h, d, st)
	what := deedSet
	switch {
	case !say:
		return Update{}, ""
	case h.touched() || !untouched(h.base, st):
		want, what = State{}, deedKept
	case d.CommentOnly || want == (State{}):
		want, what = State{}, deedNote
	}
	return Update{State: want, Comment: comment(d, what)}, what
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
func wanted(h history, d ledger.Delivery, st Statuses) (State, bool) {
	r := &d.Record
	switch r.Outcome.State {
	case winnow.StateClosed:
		return State{Status: st.Closed, Disposition: disposition(r.Verdict.Disposition.ES())}, true
	case winnow.StateEscalated:
		want := reopened(h, st)
		want.Urgency = raised(h.now().Urgency, r.Verdict.Severity)
		return want, true
	case winnow.StateInReview:
		return reopened(h, st), true
	case winnow.StateQueued: // a recall opens again what winnow had closed; else it is too early
		want := reopened(h, st)
		return want, want != State{}
	}
	return State{}, true // left
}

// reopened takes back a close of winnow's own.
func reopened(h history, st Statuses) State {
	if !h.closed(st.Closed) {
		return State{}
	}
	return State{Status: st.New, Disposition: disposition(winnow.Undetermined.ES())}
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

// settle reads what came of winnow's write, and gives back what it took from a person.
func (s *UpdateSink) settle(ctx context.Context, ruleID string, h history, d ledger.Delivery) error {
	for range maxSettle {
		reviews, err := s.client.Reviews(ctx, ruleID)
		if err != nil {
			return fmt.Errorf("read back: %w", err)
		}
		h.reviews = reviews
		if _, ok := h.done(d); !ok {
			return &Error{
				Op: "update notable", Code: CodeBadAnswer, Retry: true,
				Message: "Splunk took the update, but it is not in the review history",
			}
		}
		lost := h.lost()
		if lost == (State{}) && h.restored(d) {
			return &ledger.KeptError{By: h.holder()}
		}
		if lost == (State{}) {
			return nil
		}
		u := Update{RuleID: ruleID, State: lost, Comment: comment(d, deedRestore)}
		if err := s.client.UpdateNotable(ctx, u); err != nil {
			return fmt.Errorf("give back what a person set: %w", err)
		}
	}
	return &Error{Op: "update notable", Code: CodeContested, Retry: true, Message: "people changed it at every try"}
}
