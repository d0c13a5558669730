package triage

import (
	"fmt"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// A storm of like alerts is asked about once. Alerts with the same cache key, severity and signs of
// taint are a group: while language models look at one of them the others wait, and then its verdict is
// theirs, whatever it is. Each still passes guard G1 by itself, and no verdict from before an escalation
// between the same two hosts closes one. Where such an escalation is open, alike alerts are a storm only after
// stormProofs of them: what is seldom may be part of the attack. After groupMembers alerts, or groupOpen, the next one is asked about anew. What the cache closes
// counts too, so that a cached verdict is proved again as often.
const (
	groupMembers = 1000
	groupOpen    = 15 * time.Minute
	stormProofs  = 3
)

// groupID tells groups apart. The cache key holds every field that is not volatile. Volatile ones may
// differ between members, so what the scan finds in them must not.
type groupID struct {
	key  cache.Key
	mark string
}

// group is what was found on the alert that opened it.
type group struct {
	first    string    // ID of that alert
	opened   time.Time // when it was received
	members  int
	asked    int // how many of its alerts were asked about, one after the other
	cases    int // mark of the cases that were open when it was asked about
	analysis llm.Analysis
	free     bool // no language model was asked: there is nothing to be saved
}

// groups are the groups of this process. Nothing of them outlives it: after a restart one more alert of
// each is asked about. Not safe for concurrent use.
type groups struct {
	by     map[groupID]*group
	flying map[groupID]string // the alert that is being asked about
	closes map[cache.Key]int  // by the cache and by groups, since a verdict on the key was reached
	epoch  int                // how often the engine's memory was read anew: marks of cases count from there
}

func newGroups() *groups {
	return &groups{by: map[groupID]*group{}, flying: map[groupID]string{}, closes: map[cache.Key]int{}}
}

// forget drops what may rest on a transaction that failed.
func (g *groups) forget() {
	clear(g.by)
	g.epoch++
}

// maxGroups bounds the memory: what is over it is asked about once more.
const maxGroups = 20_000

// find returns the open group that an alert belongs to, or nil.
func (g *groups) find(id groupID, received time.Time) *group {
	one := g.by[id]
	if one == nil || one.members >= groupMembers || received.Sub(one.opened).Abs() >= groupOpen {
		return nil
	}
	return one
}

func (g *groups) add(id groupID, one *group) {
	if len(g.by) >= maxGroups {
		clear(g.by)
	}
	g.by[id] = one
}

// closed counts a close that nobody was asked about.
func (g *groups) closed(key cache.Key) {
	if len(g.closes) >= maxGroups && g.closes[key] == 0 {
		clear(g.closes)
	}
	g.closes[key]++
}

// groupOf names an alert's group.
func (e *Engine) groupOf(w *work) groupID {
	a := &w.entry.Alert
	taint, cut := llm.Scan(a, e.Fields)
	mark := fmt.Sprintf("%s\x00%s\x00%s\x00%s", a.Severity, strings.Join(taint, "\x01"), strings.Join(w.taint, "\x01"), strings.Join(cut, "\x01"))
	return groupID{key: w.entry.Key, mark: mark}
}

// proofDue reports whether a verdict on the key closed so many alerts that it has to be proved again.
// Where there are no language models nobody could: such verdicts are people's.
func (e *Engine) proofDue(key cache.Key) bool {
	return e.Paid && e.groups.closes[key] >= groupMembers
}

// share settles an alert by what was found on another of its group, or says how it is to be asked about:
// on its own, as the first of a group, or after the one that is being asked about.
func (e *Engine) share(t *ledger.Tx, w *work) (settled bool, err error) {
	if w.entry.Alert.Adhoc || !e.asksModels(w) {
		return false, nil
	}
	w.group = e.groupOf(w)
	g := e.groups.find(w.group, w.entry.Alert.Received)
	if g != nil && (g.free || e.Gate.Suspensions.Verdict(g.first)) {
		return false, nil
	}
	if g != nil {
		one := *w
		one.analysis = g.shared()
		if err := e.conclude(&one); err != nil {
			return false, err
		}
		if e.mayShare(&one, g) {
			e.sharedBy(&one, g)
			*w = one
			return true, e.settleWork(t, w)
		}
	}
	w.waits = e.groups.flying[w.group] != ""
	w.leads = !w.waits
	return false, nil
}

// mayShare holds a close back that has to be proved again: because the verdict closed so many, because an
// escalation between the same two hosts has been opened since it was reached, or because one is open and too
// few of the group were asked about. The repeats of one that was open then say nothing new. What a rule closes after all (a canary) rests on the rule.
func (e *Engine) mayShare(w *work, g *group) bool {
	if !closes(&w.rec) || w.rec.Verdict.Source == winnow.SourceRule {
		return true
	}
	a := &w.entry.Alert
	if e.proofDue(w.entry.Key) || e.cases.OpenedSince(a, g.cases) {
		return false
	}
	return g.asked >= stormProofs || !e.cases.Blocked(a, a.Received)
}

func closes(rec *winnow.Record) bool {
	return rec.Outcome.State == winnow.StateClosed || rec.Outcome.Would == winnow.StateClosed
}

// shared returns the analysis as another member has it: nobody was asked for it.
func (g *group) shared() llm.Analysis {
	an := g.analysis
	an.Cost, an.Calls = winnow.Cost{}, nil
	return an
}

// sharedBy says in a member's record whose verdict it is. One that is closed falls with that verdict.
func (e *Engine) sharedBy(w *work, g *group) {
	g.members++
	rec := &w.rec
	if rec.Verdict.Source == winnow.SourceRule {
		return
	}
	rec.Verdict.Source = winnow.SourceCache
	rec.Verdict.Facts = append([]string{"verdict:" + g.first}, rec.Verdict.Facts...)
	rec.Outcome.Actor = "cache"
	if closes(rec) {
		rec.Proposal.Kind, rec.Proposal.Reason, rec.Proposal.Rule = winnow.ProposeCached, winnow.ReasonCached, ""
		rec.Outcome.Reason = winnow.ReasonCached
		w.entry.Derived = g.first
		e.groups.closed(w.entry.Key)
	}
}

// opened makes a group of an alert that was asked about, for those that come after it.
func (e *Engine) opened(w *work) {
	if !w.leads || w.epoch != e.groups.epoch {
		return
	}
	a := &w.entry.Alert
	delete(e.groups.closes, w.entry.Key)
	an := w.analysis
	an.Calls = nil
	asked := 1
	if before := e.groups.find(w.group, a.Received); before != nil && !e.cases.OpenedSince(a, before.cases) {
		asked += before.asked
	}
	e.groups.add(w.group, &group{
		first: a.ID, opened: a.Received, asked: asked, cases: w.cases, analysis: an, free: w.analysis.Cost.Calls == 0,
	})
}

// asksModels reports whether language models may be asked about an alert: in shadow about a sample.
func (e *Engine) asksModels(w *work) bool { return e.Paid && !e.sparesModels(w) }

// sparesModels reports whether an alert goes to the offline analysts only. The sample is drawn by group,
// and by a keyed hash: nobody outside can foresee it.
func (e *Engine) sparesModels(w *work) bool {
	a := &w.entry.Alert
	shadow := e.search(a.SearchName).Run == winnow.RunShadow || e.Gate.Blind == winnow.ReasonGateOff
	if e.Free == nil || !shadow || a.Adhoc {
		return false
	}
	slot := a.Received.Truncate(groupOpen).UTC().Format(time.RFC3339)
	return e.Keys.Canary("shadow_sample", string(w.entry.Key[:]), slot) >= e.Settings.Gate.ShadowSample
}
