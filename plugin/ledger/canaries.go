package ledger

import (
	"time"

	"github.com/winnow-soc/winnow"
)

// Judgement is what came of a sampled drop. The zero value is one that nobody has judged yet.
type Judgement string

// The judgements.
const (
	JudgedBenign    Judgement = "benign"    // the analysts, or a person, found what the rule says
	JudgedUnknown   Judgement = "unknown"   // the analysts could not tell: it stayed closed, and proves nothing
	JudgedWaiting   Judgement = "waiting"   // it waits for a person
	JudgedMalicious Judgement = "malicious" // a person found an attack: the rule missed it
)

// AddCanary notes that a rule covers an alert which is triaged all the same.
func (t *Tx) AddCanary(id, rule string, received time.Time) error {
	return t.exec("INSERT OR IGNORE INTO canaries (id, rule, at, judged) VALUES (?,?,?,'')", id, rule, micro(received))
}

// JudgeCanary notes what came of a sampled drop; nothing where the alert is none.
func (t *Tx) JudgeCanary(id string, j Judgement) error {
	return t.exec("UPDATE canaries SET judged = ? WHERE id = ?", string(j), id)
}

// CanaryOf returns the rule that an alert is a sampled drop of, "" for none.
func (t *Tx) CanaryOf(id string) (rule string, err error) {
	_, err = t.get("SELECT rule FROM canaries WHERE id = ?", []any{id}, &rule)
	return rule, err
}

// Miss is a drop, or a sample of one, that a person found to be an attack.
type Miss struct {
	ID         string // of the alert
	Rule       string
	Sampled    bool // found by a canary, so that it counts in the rate
	At         time.Time
	Actor      string
	Reverted   time.Time // when the person took it back; zero: it stands
	RevertedBy string
}

// Stands reports whether the person has not taken it back.
func (m Miss) Stands() bool { return m.ID != "" && m.Reverted.IsZero() }

// PutMiss keeps a miss, also one that was taken back before.
func (t *Tx) PutMiss(m Miss) error {
	return t.exec("INSERT OR REPLACE INTO misses (id, rule, sampled, at, actor, reverted, reverted_by) VALUES (?,?,?,?,?,?,?)",
		m.ID, m.Rule, m.Sampled, micro(m.At), m.Actor, micro(m.Reverted), m.RevertedBy)
}

// MissOf returns the miss that was confirmed on an alert, the zero value for none.
func (t *Tx) MissOf(id string) (m Miss, err error) {
	var at, reverted int64
	found, err := t.get("SELECT id, rule, sampled, at, actor, reverted, reverted_by FROM misses WHERE id = ?", []any{id},
		&m.ID, &m.Rule, &m.Sampled, &at, &m.Actor, &reverted, &m.RevertedBy)
	if err != nil || !found {
		return Miss{}, err
	}
	m.At, m.Reverted = timeOf(at), timeOf(reverted)
	return m, nil
}

// RuleCount is what the ledger knows of one rule.
type RuleCount struct {
	Drops int // alerts closed by it, those past retention included
	Gone  int // of these, the ones past retention
	Would int // alerts that it would have closed, where nothing is enforced

	Canaries map[Judgement]int

	Outside  int // confirmed misses that no canary found
	Reverted int // confirmations that were taken back
}

// RuleCounts returns the numbers of every rule that dropped, would have dropped or was sampled.
func (t *Tx) RuleCounts() (map[string]*RuleCount, error) {
	out := map[string]*RuleCount{}
	of := func(rule string) *RuleCount {
		if out[rule] == nil {
			out[rule] = &RuleCount{Canaries: map[Judgement]int{}}
		}
		return out[rule]
	}
	if err := t.keepCounts(); err != nil {
		return nil, err
	}
	for _, q := range []struct {
		query string
		add   func(c *RuleCount, what string, n int)
	}{
		{"SELECT rule, state, sum(alerts) FROM alert_sums WHERE grain = 0 AND source = 'rule' GROUP BY rule, state", (*RuleCount).addState},
		{"SELECT rule, '', sum(alerts) FROM dropped GROUP BY rule", func(c *RuleCount, _ string, n int) { c.Drops, c.Gone = c.Drops+n, n }},
		{"SELECT rule, judged, count(*) FROM canaries GROUP BY rule, judged", func(c *RuleCount, j string, n int) { c.Canaries[Judgement(j)] = n }},
		{"SELECT rule, '', count(*) FROM misses WHERE sampled = 0 AND reverted = 0 GROUP BY rule", func(c *RuleCount, _ string, n int) { c.Outside = n }},
		{"SELECT rule, '', count(*) FROM misses WHERE reverted > 0 GROUP BY rule", func(c *RuleCount, _ string, n int) { c.Reverted = n }},
	} {
		err := t.each(q.query, nil, func(scan func(...any) error) error {
			var rule, what string
			var n int
			if err := scan(&rule, &what, &n); err != nil {
				return err
			}
			q.add(of(rule), what, n)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

func (c *RuleCount) addState(state string, n int) {
	switch winnow.State(state) {
	case winnow.StateClosed:
		c.Drops += n
	case winnow.StateLeft:
		c.Would += n
	case winnow.StateQueued, winnow.StateEscalated, winnow.StateInReview:
	}
}
