package allowlist

import (
	"context"
	"fmt"
	"iter"
	"maps"
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/rules"
)

// MinHits is how many alerts that people found benign a suggested rule covers at least.
const MinHits = 50

// minDays is on how many days they came: fifty alerts of one bad hour are no habit.
const minDays = 2

// SuggestOptions say what rules are suggested from, and what is written into them.
type SuggestOptions struct {
	Candidate Candidate // the rules there are: what they drop needs no other rule
	Fields    *winnow.FieldTable
	Lists     *rules.Lists
	Hits      int // MinHits or more
	Owner     string
	Expires   time.Time // the last day
	Now       time.Time

	// Samples is ranged over several times and must yield the same alerts in the same order.
	Samples func() iter.Seq2[Sample, error]
}

// Suggestion is one rule that would have dropped only what people found benign.
type Suggestion struct {
	ID         string
	SearchName string
	When       string
	Mode       rules.Mode // shadow for a rule over a whole search
	Severity   winnow.Severity
	Fields     []string
	Covers     int // alerts of the samples that it would have dropped, on proof
	Truths     [4]int
	Bytes      int64
	First      time.Time
	Last       time.Time
	YAML       string // the rule, as an item of a rule file's list
}

// Suggestions are what was found, and what was passed over and why.
type Suggestions struct {
	Rules     []Suggestion
	Alerts    int
	Hits      int // benign alerts that no rule drops yet
	Attacked  int // patterns frequent enough, with a true positive among them
	Undecided int // patterns frequent enough, with an alert that nobody has decided
	Unproven  int // rules that the backtest did not bear out
	Varied    []string
}

// Suggest finds what recurs among the alerts that people found benign, and writes rules for it, each
// on the narrowest condition: values of fields that an attacker cannot set. A pattern with a single
// true positive among its alerts, whatever its severity, or with one that is undecided, gives no
// rule. Every rule is read back, passes its tests, and is proven by a backtest on the same alerts.
func Suggest(ctx context.Context, o SuggestOptions) (*Suggestions, error) {
	if o.Hits < MinHits {
		return nil, fmt.Errorf("suggest rules: %d hits are too few (want at least %d)", o.Hits, MinHits)
	}
	m := &miner{o: &o, searches: map[string]*mined{}}
	for _, pass := range []func(*Sample){m.survey, m.tally} {
		if err := m.eachSample(ctx, pass); err != nil {
			return nil, err
		}
		m.between()
	}
	m.choose()
	if err := m.eachSample(ctx, m.exemplify); err != nil {
		return nil, err
	}
	m.write()
	return m.prove(ctx)
}

// miner holds what the passes over the samples find.
type miner struct {
	o        *SuggestOptions
	searches map[string]*mined
	surveyed bool
	found    []*pattern
	out      Suggestions
}

func (m *miner) eachSample(ctx context.Context, f func(*Sample)) error {
	n := 0
	for s, err := range m.o.Samples() {
		if err != nil {
			return err
		}
		if n++; n%batchSize == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		f(&s)
	}
	return nil
}

// maxMined bounds the searches that are looked at: their names may come out of a file.
const maxMined = 1000

func (m *miner) search(name string) *mined {
	s := m.searches[name]
	if s == nil && len(m.searches) < maxMined && name != "" && plainValue([]string{name}) {
		s = newMined(name)
		m.searches[name] = s
	}
	return s
}

// names are the searches in a fixed order.
func (m *miner) names() []string { return slices.Sorted(maps.Keys(m.searches)) }

// survey counts the values that the fields of benign alerts take.
func (m *miner) survey(s *Sample) {
	m.out.Alerts++
	if !droppable(s) {
		return
	}
	d := m.search(s.Alert.SearchName)
	if d == nil {
		return
	}
	d.surveyed++
	for _, name := range s.Alert.Fields.Names() {
		if values := s.Alert.Fields[name]; m.usable(s.Alert.SearchName, name) && plainValue(values) {
			d.note(name, values[0])
		}
	}
}

// droppable are the alerts that a rule may drop by what people said of them and by severity.
func droppable(s *Sample) bool {
	return s.Truth == TruthBenign && !s.Alert.Adhoc && s.Alert.Severity.Within(winnow.SeverityMedium)
}

// usable reports whether a rule may rest on the field: not what an attacker words, nor what differs
// in every alert, nor the severity, which the ceiling looks after. A row for one search counts only
// where it is as strict as the rest of the table: rules are checked so.
func (m *miner) usable(search, field string) bool {
	if field == "severity" || field == "urgency" || field == "label" || !plainValue([]string{field}) {
		return false
	}
	here, all := m.o.Fields.Lookup(search, field), m.o.Fields.Lookup("", field)
	return min(here.Control, all.Control) != winnow.ControlAttacker && !here.Volatile
}

// between ends the survey: each search knows its fields and their frequent values.
func (m *miner) between() {
	if m.surveyed {
		return
	}
	m.surveyed = true
	for _, name := range m.names() {
		m.searches[name].settle(m.o.Hits)
	}
}

// tally counts combinations of frequent values, over the alerts of every truth.
func (m *miner) tally(s *Sample) {
	d := m.searches[s.Alert.SearchName]
	if d == nil {
		return
	}
	hit := droppable(s) && m.open(&s.Alert)
	if hit {
		m.out.Hits++
	}
	d.add(s, hit)
}

// open reports whether a new rule would change anything for the alert: the escalate list does not
// name it, and no enforced rule drops it.
func (m *miner) open(a *winnow.Alert) bool {
	if _, escalated := m.o.Candidate.Escalate.Match(a); escalated {
		return false
	}
	return firstEnforced(m.o.Candidate.covering(a, func(*rules.Rule) {})) == nil
}

// choose picks the patterns of every search.
func (m *miner) choose() {
	for _, name := range m.names() {
		d := m.searches[name]
		if d.varied {
			m.out.Varied = append(m.out.Varied, name)
			continue
		}
		found := d.patterns(m.o.Hits)
		m.out.Attacked += d.attacked
		m.out.Undecided += d.undecided
		m.found = append(m.found, found...)
	}
	m.found = slices.DeleteFunc(m.found, func(p *pattern) bool { return m.o.Candidate.Rules.Find(p.id()) != nil })
}

// exemplify looks for the tests of every pattern: an alert that is meant, and the one that is most
// like it and is not, an attack if there is one.
func (m *miner) exemplify(s *Sample) {
	d := m.searches[s.Alert.SearchName]
	if d == nil {
		return
	}
	for _, p := range m.found {
		if p.search == s.Alert.SearchName {
			p.exemplify(s)
		}
	}
}

// prove reads the rules as the gate would, runs their tests, and takes them through a backtest.
func (m *miner) prove(ctx context.Context) (*Suggestions, error) {
	if len(m.found) == 0 {
		return &m.out, nil
	}
	text := []byte(RuleFile(m.out.Rules))
	set, err := rules.Parse(rules.Options{Fields: m.o.Fields, Lists: m.o.Lists, Now: m.o.Now}, "suggested.yaml", text)
	if set == nil {
		return nil, fmt.Errorf("suggest rules: read them back: %w", err)
	}
	// A rule that cannot be read back, because of what an alert holds, is not borne out.
	b, err := RunBacktest(ctx, m.o.Samples(), BacktestOptions{Candidate: NewCandidate(set, m.o.Candidate.Escalate)})
	if err != nil {
		return nil, err
	}
	byID := map[string]*RuleBacktest{}
	for i := range b.Rules {
		byID[b.Rules[i].Rule.ID] = &b.Rules[i]
	}
	proven := m.out.Rules[:0]
	for _, s := range m.out.Rules {
		r := byID[s.ID]
		if r == nil || r.Failing || r.Errors > 0 || r.Truths[TruthBenign] < m.o.Hits || r.Truths[TruthAttack] > 0 || r.Truths[TruthUndecided] > 0 {
			m.out.Unproven++
			continue
		}
		s.Covers, s.Truths, s.Bytes = r.Covers, r.Truths, r.Bytes
		proven = append(proven, s)
	}
	m.out.Rules = proven
	return &m.out, nil
}
