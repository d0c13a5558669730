package triage

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
	"github.com/winnow-soc/winnow/plugin/review"
)

// work is one queued alert on its way to an outcome. It goes through prepare and finish inside
// transactions, and through ask outside of any, so that a slow model holds nothing up.
type work struct {
	entry  ledger.Entry
	rec    winnow.Record
	seq    int64         // of the record that it was prepared from
	forced winnow.Reason // it goes to a person whatever the analysts say
	detail string        // why it does, for that person
	raise  bool          // it may be raised, not closed
	taint  []string
	past   []llm.Past // read in prepare, because ask stands outside of any transaction

	group groupID
	leads bool // others of its group wait for what is found on it
	waits bool // it waits itself
	cases int  // mark of the cases that were open when it was asked about
	epoch int  // of the groups

	// What asking needs, so that it touches nothing of the engine.
	analyst  Analyst
	input    llm.Input
	notables Notables
	mark     string // signed id of the alert

	settled  bool
	unknown  bool // a canary that the analysts could not judge
	analysis llm.Analysis
	err      error // the analysts gave no answer
	held     *Held // a person has its notable event
}

// prepare reads a queued alert and settles it when nobody has to be asked: it repeats an open
// alert, or a cached verdict holds.
func (e *Engine) prepare(t *ledger.Tx, id string) (*work, error) {
	entry, err := t.Alert(id)
	if err != nil {
		return nil, err
	}
	rec, err := t.Record(id)
	if err != nil {
		return nil, err
	}
	history, err := t.History(id)
	if err != nil {
		return nil, err
	}
	entry.Links = ledger.Links{}
	w := &work{entry: entry, rec: rec}
	if w.seq, err = t.Seq(id); err != nil {
		return nil, err
	}
	if w.taint, err = e.forgery(t, &entry.Alert); err != nil {
		return nil, err
	}
	w.forced, w.detail = e.forced(&w.entry.Alert, &w.rec)
	w.raise = w.taint != nil || unread(rec.Proposal) || spokenFor(history)
	if w.settled, err = e.cheap(t, w); err != nil {
		return nil, err
	}
	if w.settled {
		return w, e.Settle(t, &w.entry, &w.rec)
	}
	if w.settled, err = e.share(t, w); err != nil || w.settled {
		return w, err
	}
	w.past, err = e.past(t, &w.entry.Alert)
	return w, err
}

// cheap joins an open alert or closes by a cached verdict.
func (e *Engine) cheap(t *ledger.Tx, w *work) (bool, error) {
	first, err := e.joinable(t, w)
	if err != nil {
		return false, err
	}
	if first != nil {
		e.join(&w.entry, &w.rec, first)
		return true, nil
	}
	return w.forced == "" && !w.raise && e.closeFromCache(&w.entry, &w.rec), nil
}

// joinable returns the open alert that this one may join, or nil. What goes to a person whatever
// anybody says, or was asked for by one, stands for itself.
func (e *Engine) joinable(t *ledger.Tx, w *work) (*winnow.Record, error) {
	if w.forced != "" || w.entry.Alert.Adhoc {
		return nil, nil //nolint:nilnil // "none" is an answer
	}
	return e.openFor(t, &w.entry)
}

// question is all that analysts are given.
func (e *Engine) question(w *work) llm.Input {
	a := &w.entry.Alert
	return llm.Input{
		Alert: a, Fields: e.Fields, Lists: e.Lists, Verdicts: e.people(), Taint: w.taint, Past: w.past,
		Policy: llmPolicy(e.search(a.SearchName).Policy),
	}
}

// takeOff notes all that asking needs: it may take long, and the engine goes on meanwhile. The others of
// its group wait until touchDown.
func (e *Engine) takeOff(w *work, waited time.Duration) {
	a := &w.entry.Alert
	search := e.search(a.SearchName)
	w.analyst = e.Analyst
	if e.sparesModels(w) {
		w.analyst = e.Free
	}
	w.input = e.question(w)
	if e.reread(w, search, waited) {
		w.notables, w.mark = e.Notables, e.Keys.Sign(a.ID)
	}
	w.cases, w.epoch = e.cases.Opened(), e.groups.epoch
	if w.leads {
		e.groups.flying[w.group] = a.ID
	}
}

// touchDown lets the others of the group go on.
func (e *Engine) touchDown(w *work) {
	if w.leads && e.groups.flying[w.group] == w.rec.ID {
		delete(e.groups.flying, w.group)
	}
}

// ask puts the alert to the analysts, unless a person has it by now. It touches nothing but the work and
// may run concurrently with everything else. A panic on the way is a try that failed.
func (w *work) ask(ctx context.Context) {
	defer caught(&w.err)
	if w.notables != nil {
		if held, err := w.notables.Held(ctx, w.input.Alert, w.mark); err == nil && held.By != "" {
			w.held = &held
			return
		}
	}
	w.analysis, w.err = w.analyst.Analyse(ctx, w.input)
	if w.err == nil {
		w.err = w.analysis.Failed
	}
}

// current reports whether the alert is still as it was when the work was prepared. While the analysts
// were busy a person may have decided, or somebody may have asked for it again: then what they found is
// past.
func (e *Engine) current(t *ledger.Tx, w *work) (bool, error) {
	seq, err := t.Seq(w.rec.ID)
	if errors.Is(err, ledger.ErrNotFound) {
		return false, nil
	}
	if err != nil || seq != w.seq {
		return false, err
	}
	// It may have become late while the analysts were busy: then its notable event stands by now.
	w.entry.Notable, err = t.HasNotable(w.rec.ID)
	return err == nil, err
}

// finish turns the analysis into an outcome and keeps it. While the analysts were busy an alert
// with the same key may have been opened: then this one joins it, unless it is believed real and
// the other only waits. What always goes to a person may have changed too, and is asked again.
func (e *Engine) finish(t *ledger.Tx, w *work) error {
	if reason, detail := e.forced(&w.entry.Alert, &w.rec); reason != "" {
		w.forced, w.detail = reason, detail
	}
	if err := e.conclude(w); err != nil {
		return err
	}
	first, err := e.joinable(t, w)
	if err != nil {
		return err
	}
	if first != nil && (first.Outcome.State == winnow.StateEscalated || w.rec.Outcome.State != winnow.StateEscalated) {
		e.join(&w.entry, &w.rec, first)
		w.unknown = false
	}
	if err := e.disproved(t, w); err != nil {
		return err
	}
	if err := e.settleWork(t, w); err != nil {
		return err
	}
	e.opened(w)
	return nil
}

// disproved forgets a cached verdict that this analysis, of an alert like those it closes, contradicts.
func (e *Engine) disproved(t *ledger.Tx, w *work) error {
	v, ok := e.memory.Get(w.entry.Key, w.entry.Alert.Received)
	if !ok || w.analysis.Verdict.Disposition != winnow.TruePositive {
		return nil
	}
	e.memory.Delete(w.entry.Key)
	return t.DropVerdict(v.AlertID)
}

// settleWork keeps the outcome of a work.
func (e *Engine) settleWork(t *ledger.Tx, w *work) error {
	if err := e.Settle(t, &w.entry, &w.rec); err != nil {
		return err
	}
	if _, err := review.Propose(t, e.Actions, e.Now(), &w.entry, &w.rec); err != nil {
		return err
	}
	if err := e.keepAnswers(t, w.rec.ID, &w.analysis); err != nil || !w.unknown {
		return err
	}
	return t.JudgeCanary(w.rec.ID, ledger.JudgedUnknown)
}

func (e *Engine) conclude(w *work) error {
	a, an := &w.entry.Alert, &w.analysis
	advice, err := json.Marshal(an.Recommendations)
	if err != nil {
		return fmt.Errorf("triage %s: encode recommendations: %w", a.ID, err)
	}
	w.entry.Advice = advice
	w.rec.Verdict = an.Verdict
	if why := &w.rec.Verdict.Case.Why; w.detail != "" && an.Verdict.Disposition == winnow.Undetermined {
		*why = w.detail // that the analysts could not tell adds nothing
	} else if w.detail != "" {
		*why = strings.TrimSpace(w.detail + " " + capital(*why))
	}
	policy := e.search(a.SearchName).Policy
	state, reason := judge(a, an, w.forced, policy)
	switch {
	case state == winnow.StateClosed && e.Gate.Blind != "" && e.Gate.Blind != winnow.ReasonGateOff:
		state, reason = raise(a, e.Gate.Blind, policy)
	case state == winnow.StateClosed && w.raise:
		state, reason = raise(a, winnow.ReasonRaiseOnly, policy)
	case isCanary(w.rec.Proposal) && reason == winnow.ReasonMalicious:
		state = winnow.StateEscalated
	case state == winnow.StateInReview && !w.raise && e.canaryHolds(a, &w.rec, an):
		e.closeCanary(a, &w.rec)
		w.unknown = !an.Verdict.Disposition.Benign()
		return nil
	}
	e.decide(&w.rec, state, reason, actorOf(an))
	return nil
}

// unread reports whether a row was not read as the search wrote it: whatever it seems to say, it
// may not be closed on that.
func unread(p winnow.Proposal) bool {
	return p.Reason == winnow.ReasonResultsUnread || p.Reason == winnow.ReasonRecordUnread
}

// spokenFor reports whether an alert that is triaged again was escalated before, or decided by a
// person: whoever asks again may raise it, not close it.
func spokenFor(history []winnow.Record) bool {
	return slices.ContainsFunc(history, func(r winnow.Record) bool {
		return r.Outcome.State == winnow.StateEscalated || r.Outcome.Would == winnow.StateEscalated || r.Verdict.Source == winnow.SourcePerson
	})
}

// canaryHolds reports whether the alert is a sampled drop whose rule still covers it, and nobody
// who looked at the sample believes it to be more than the rule says.
func (e *Engine) canaryHolds(a *winnow.Alert, rec *winnow.Record, an *llm.Analysis) bool {
	suspected := an.Verdict.Disposition == winnow.TruePositive || len(an.Verdict.Taint) > 0 || an.Objected(winnow.ReasonSplitVote) ||
		slices.ContainsFunc(an.Verdict.Votes, func(v winnow.Vote) bool {
			return v.Vote == winnow.VoteMalicious || v.Vote == winnow.VoteSuspicious
		})
	return !suspected && rec.Proposal.Reason == winnow.ReasonCanary && e.Gate.Confirm(a, rec.Proposal) == winnow.ReasonCanary
}

// forced says why an alert goes to a person whatever anybody believes of it, in a word and in a
// sentence; "" when it does not.
func (e *Engine) forced(a *winnow.Alert, rec *winnow.Record) (reason winnow.Reason, detail string) {
	switch p := rec.Proposal; {
	case isLoss(p):
		return p.Reason, "Rows of this search were never seen by winnow."
	case isFinding(p):
		return p.Reason, "A finding of winnow's own, about rule " + p.Rule + "."
	case p.Kind == winnow.ProposeEscalate:
		return p.Reason, e.describe(p.Rule)
	}
	// The action may not have asked the list: it ran out of time, or the list has changed since.
	if id, ok := e.Gate.Escalate.Match(a); ok {
		return winnow.ReasonEscalateList, e.describe(id)
	}
	if risk := e.highRiskIn(a); risk != "" {
		return winnow.ReasonHighRisk, "Always for a person: " + risk + "."
	}
	return "", ""
}

// describe returns what the escalate list says of one of its entries.
func (e *Engine) describe(id string) string {
	for _, entry := range e.Gate.Escalate.Entries() {
		if entry.ID == id {
			return fmt.Sprintf("Escalate list, %s: %s.", id, strings.TrimSuffix(entry.Description, "."))
		}
	}
	return "Escalate list: " + id + "."
}

// isLoss reports whether a proposal is that of an alert which stands for rows that were never
// seen. A row that was seen, but not in good order, has the same reasons and passes.
func isLoss(p winnow.Proposal) bool {
	return p.Kind == winnow.ProposeEscalate && slices.Contains([]winnow.Reason{
		winnow.ReasonTruncated, winnow.ReasonResultsUnread, winnow.ReasonRecordUnread, winnow.ReasonNeverTriaged,
	}, p.Reason)
}

// closeCanary closes a sampled drop by its rule after all: the analysts did not find it
// malicious, and what they cannot tell stays as the rule said.
func (e *Engine) closeCanary(a *winnow.Alert, rec *winnow.Record) {
	seen := rec.Verdict
	e.decideDrop(a, rec)
	rec.Verdict.Votes, rec.Verdict.Techniques, rec.Verdict.Evidence = seen.Votes, seen.Techniques, seen.Evidence
	if rec.Outcome.Reason == winnow.ReasonRule {
		rec.Outcome.Reason = winnow.ReasonCanary
	}
}

// capital begins a sentence.
func capital(s string) string {
	r, size := utf8.DecodeRuneInString(s)
	return string(unicode.ToUpper(r)) + s[size:]
}

func actorOf(an *llm.Analysis) string {
	for _, call := range slices.Backward(an.Calls) {
		if an.Verdict.Source == winnow.SourceModel && call.Usage.Calls > 0 {
			return "model:" + call.Model
		}
	}
	return string(winnow.SourceOffline)
}

// forgery taints an alert that carries a winnow_id and is not winnow's own event: somebody tries
// to pass for winnow, with an id that this deployment did not sign or with one of another alert.
func (e *Engine) forgery(t *ledger.Tx, a *winnow.Alert) ([]string, error) {
	if len(a.Fields["winnow_id"]) == 0 {
		return nil, nil
	}
	own, err := e.ownID(t, a)
	if err != nil || own != "" {
		return nil, err
	}
	return []string{"forged:winnow_id"}, nil
}

func llmPolicy(p conf.Policy) llm.Policy {
	return llm.Policy{
		Confidence: p.Confidence, TrustUncalibrated: p.TrustUncalibrated, RequireFact: p.RequireFact, AllowProse: p.AllowProse,
		OfflineMaxSeverity: p.OfflineMaxSeverity,
	}
}

// TriageNow admits a row and takes it to its outcome at once, without the queue: for files, where
// each alert has to see what came of those before it. It asks inside of the transaction, so it is for
// analysts that cost nothing; for others see [Engine.TriageFile].
func (e *Engine) TriageNow(ctx context.Context, t *ledger.Tx, row Row) (Admitted, error) {
	done, err := e.Admit(t, row)
	if err != nil || !done.Queued {
		return done, err
	}
	w, err := e.prepare(t, done.ID)
	if err != nil || w.settled {
		return done, err
	}
	e.takeOff(w, 0)
	defer e.touchDown(w)
	w.ask(ctx)
	return done, e.concludeFile(ctx, t, w)
}

// concludeFile keeps what became of an alert from a file. There is no second try.
func (e *Engine) concludeFile(ctx context.Context, t *ledger.Tx, w *work) error {
	if w.err == nil {
		return e.finish(t, w)
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	cause := queue.CauseAnalyst
	if unavailable(w.err) != nil {
		cause = queue.CauseModel
	}
	return e.GiveUp(t, &w.entry, &w.rec, cause)
}
