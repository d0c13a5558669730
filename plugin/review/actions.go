package review

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/audit"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// ActionPolicy says which response actions there are, and what they need. The zero value, and nil, has none. Its
// functions are called in transactions of the one writer.
type ActionPolicy struct {
	Rules map[ledger.ActionKind]ActionRule
	TTL   time.Duration // how long a proposal waits, approved or not, before it expires

	// Allow says why nothing may be done to a target; nil is returned for one that may. Without it none may.
	Allow func(kind ledger.ActionKind, target string) error

	// Live reports whether actions on the alerts of a search are carried out. Without it, and where it says no,
	// it is only noted what would be done.
	Live func(search string) bool
}

// ActionRule is what holds for one kind of action.
type ActionRule struct {
	Approvers int  // how many people must approve; at least 1
	Undo      bool // it can be taken back
	Dry       bool // it is only noted what would be done
}

// Need is how many people must approve an action of the kind.
func (p *ActionPolicy) Need(kind ledger.ActionKind) int { return max(p.Rules[kind].Approvers, 1) }

func (p *ActionPolicy) has(kind ledger.ActionKind) bool {
	if p == nil {
		return false
	}
	_, ok := p.Rules[kind]
	return ok
}

// Proposal is an action with what people said of it.
type Proposal struct {
	ledger.Action

	SearchName string              `json:"search_name"`
	Votes      []ledger.ActionVote `json:"votes"`
	Approvals  int                 `json:"approvals"` // of people that count now
	Missing    int                 `json:"missing"`   // approvals that it still takes
	Live       bool                `json:"live"`      // it can still be decided
}

// ListActions returns the actions that people can still decide or that are under way, what expires first before
// the rest; with all also the others, the newest first. limit 0 is no limit.
func ListActions(t *ledger.Tx, p *ActionPolicy, now time.Time, all bool, limit int) ([]Proposal, error) {
	read := t.OpenActions
	if all {
		read = t.Actions
	}
	actions, err := read(limit)
	return proposals(t, p, now, actions, err)
}

// ActionsOf returns the actions on an alert, the oldest first.
func ActionsOf(t *ledger.Tx, p *ActionPolicy, now time.Time, alert string) ([]Proposal, error) {
	actions, err := t.ActionsOf(alert)
	return proposals(t, p, now, actions, err)
}

// ReadAction returns one action, or an error that wraps ledger.ErrNotFound.
func ReadAction(t *ledger.Tx, p *ActionPolicy, now time.Time, id string) (Proposal, error) {
	a, err := t.Action(id)
	if err != nil {
		return Proposal{}, err
	}
	return proposal(t, p, now, a)
}

func proposals(t *ledger.Tx, p *ActionPolicy, now time.Time, actions []ledger.Action, err error) ([]Proposal, error) {
	out := []Proposal{}
	for _, a := range actions {
		one, perr := proposal(t, p, now, a)
		if perr != nil {
			return nil, perr
		}
		out = append(out, one)
	}
	return out, err
}

func proposal(t *ledger.Tx, p *ActionPolicy, now time.Time, a ledger.Action) (Proposal, error) {
	rec, err := t.Record(a.Alert)
	if err != nil {
		return Proposal{}, err
	}
	votes, err := t.ActionVotes(a.ID)
	if err != nil {
		return Proposal{}, err
	}
	if p != nil {
		a.Need = max(a.Need, p.Need(a.Kind))
	}
	n, _ := tally(votes, &a, now)
	live := (a.State == ledger.ActionProposed || a.State == ledger.ActionApproved) && inTime(&a, now)
	return Proposal{
		Action: a, SearchName: rec.SearchName, Votes: orEmpty(votes), Approvals: n, Missing: max(a.Need-n, 0), Live: live,
	}, nil
}

// inTime reports whether an action is within its time. One that was proposed in the future is not: a clock that
// was set back must not make it last longer.
func inTime(a *ledger.Action, now time.Time) bool { return !now.Before(a.At) && now.Before(a.Expires) }

// tally adds up the approvals that count at a time, and whether anybody said no. Approvals of the future do not
// count; a no always does.
func tally(votes []ledger.ActionVote, a *ledger.Action, now time.Time) (approvals int, vetoed bool) {
	people := map[string]bool{}
	for _, v := range votes {
		switch {
		case !v.Approve:
			vetoed = true
		case !now.Before(v.At) && v.At.Before(a.Expires):
			people[ledger.ActorKey(v.Actor)] = true
		}
	}
	return len(people), vetoed
}

// Wish is what somebody would have done.
type Wish struct {
	Kind   ledger.ActionKind
	Field  string // whose value is the target
	Reason string
	Actor  string // the person; "" for the analysts
	Origin string // the action that it takes the place of
}

// errNoWish wraps what keeps a wish from being a proposal.
var errNoWish = errors.New("it cannot be proposed")

// Propose makes a proposal of what the analysts recommend, where there is such an action and nothing speaks against
// it: the alert waits for people or is escalated, its text does not try to steer, the target may be acted upon. What
// does not qualify is left to what the case says. It returns how many proposals there are more.
func Propose(t *ledger.Tx, p *ActionPolicy, now time.Time, entry *ledger.Entry, rec *winnow.Record) (n int, err error) {
	for _, advice := range readAdvice(entry.Advice) {
		wish := Wish{Kind: ledger.ActionKind(advice.Kind), Field: advice.Field, Reason: advice.Reason}
		if !p.has(wish.Kind) || len(rec.Verdict.Taint) > 0 {
			continue
		}
		a, err := p.propose(now, entry, rec, wish)
		if errors.Is(err, errNoWish) {
			continue
		}
		if err != nil {
			return n, err
		}
		added, err := t.AddAction(a)
		if err != nil {
			return n, err
		}
		if added {
			n++
		}
	}
	return n, nil
}

// propose makes the proposal, with the target that code copies from the alert (guard G6).
func (p *ActionPolicy) propose(now time.Time, entry *ledger.Entry, rec *winnow.Record, w Wish) (a ledger.Action, err error) {
	if !p.has(w.Kind) {
		return a, fmt.Errorf("%w: there is no action %.40q here: [action:...] in winnow.conf", errNoWish, w.Kind)
	}
	a = ledger.Action{
		Alert: rec.ID, Kind: w.Kind, Field: w.Field, Reason: w.Reason, Actor: w.Actor, Origin: w.Origin,
		Need: p.Need(w.Kind), At: now, Expires: now.Add(p.TTL),
	}
	if a.Target, err = target(&entry.Alert, w.Field); err != nil {
		return a, err
	}
	if err := p.stands(&a, rec); err != nil {
		return a, fmt.Errorf("%w: %w", errNoWish, err)
	}
	return a, bind(&a, rec)
}

// target is the only value of a field.
func target(a *winnow.Alert, field string) (string, error) {
	values := a.Fields[field]
	if len(values) != 1 || values[0] == "" {
		return "", fmt.Errorf("%w: field %.80q of the alert has %d values, and a target is exactly one", errNoWish, field, len(values))
	}
	return values[0], nil
}

// stands says why an action must not be done, whoever approves it.
func (p *ActionPolicy) stands(a *ledger.Action, rec *winnow.Record) error {
	switch {
	case !p.has(a.Kind):
		return fmt.Errorf("action %s is switched off", a.Kind)
	case a.Undo && !p.Rules[a.Kind].Undo:
		return fmt.Errorf("%s cannot be taken back here any more", a.Kind)
	case a.Undo:
		return nil // what was done may be taken back, whatever the alert turned out to be
	case !isOpen(rec.Outcome.State):
		return fmt.Errorf("alert %s is %s", rec.ID, rec.Outcome.State)
	case rec.Verdict.Disposition.Benign():
		return fmt.Errorf("alert %s is judged %s", rec.ID, rec.Verdict.Disposition)
	case p.Allow == nil:
		return errors.New("nothing says what may be acted upon")
	}
	return p.Allow(a.Kind, a.Target)
}

// bind sets hash and ID: of action, target and evidence. A hash that is the same is the same proposal.
func bind(a *ledger.Action, rec *winnow.Record) (err error) {
	a.Hash, err = hashOf(a, rec)
	a.ID = strings.ToUpper(a.Hash.String()[:actionIDLen])
	return err
}

// actionIDLen is how much of the hash names an action: enough that nobody meets another.
const actionIDLen = 20

// actionDomain begins what is hashed, so that the hash is nothing else's.
const actionDomain = "winnow:action:v1"

func hashOf(a *ledger.Action, rec *winnow.Record) (audit.Hash, error) {
	parts := [][]byte{
		[]byte(actionDomain), []byte(a.Alert), []byte(a.Kind), []byte(a.Field), []byte(a.Target), []byte(a.Origin),
	}
	if a.Undo {
		return audit.Sum(append(parts, []byte("undo"))...), nil
	}
	evidence, err := audit.Canonical(struct {
		Evidence   []winnow.Evidence
		Techniques []string
		Votes      []winnow.Vote
	}{rec.Verdict.Evidence, rec.Verdict.Techniques, rec.Verdict.Votes})
	return audit.Sum(append(parts, evidence)...), err
}
