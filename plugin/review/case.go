package review

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Case is everything that a person needs to decide about one alert. Its texts come from alerts and models: whoever
// shows them escapes them for where they go.
type Case struct {
	ID         string          `json:"id"`
	Seq        int64           `json:"seq"` // what a decision binds to
	SearchName string          `json:"search_name"`
	App        string          `json:"app"`
	Owner      string          `json:"owner"`
	Team       string          `json:"team"`
	SID        string          `json:"sid"`
	RID        string          `json:"rid"`
	Severity   winnow.Severity `json:"severity"`
	Time       time.Time       `json:"time"`
	Received   time.Time       `json:"received"`
	Waits      bool            `json:"waits"` // for a person

	Lines    winnow.Case     `json:"lines"` // what happened, why it is likely real, first response
	Verdict  winnow.Verdict  `json:"verdict"`
	Outcome  winnow.Outcome  `json:"outcome"`
	Proposal winnow.Proposal `json:"proposal"`

	Evidence   []Evidence  `json:"evidence"` // what the verdict cites, beside what the alert has
	Fields     []Field     `json:"fields"`   // all of the alert's, sorted by name
	FieldsGone bool        `json:"fields_gone"`
	Warnings   []string    `json:"warnings"`
	Techniques []Technique `json:"techniques"`
	Advice     []Advice    `json:"recommendations"`

	Entities []Past    `json:"entities"` // hosts and accounts, and what was decided on alerts with them
	Similar  []Similar `json:"similar"`  // earlier alerts of the same search or about the same entities, the most alike first
	Gates    []Gate    `json:"gates"`    // what each gate did, in their order
	Choices  []Choice  `json:"choices"`  // what each decision would do

	Group      GroupOf                `json:"group"`
	Derived    string                 `json:"derived_from"` // alert whose cached verdict closed this one, or ""
	Joined     string                 `json:"joined"`       // alert whose open case this one repeats, or ""
	Cost       winnow.Cost            `json:"cost"`         // so far
	Calls      []ledger.Call          `json:"calls"`
	History    []winnow.Record        `json:"history"`
	Reviews    []ledger.Review        `json:"reviews"`
	Deliveries []ledger.DeliveryState `json:"deliveries"`
}

// Field is a field of the alert.
type Field struct {
	Name    string   `json:"name"`
	Values  []string `json:"values"`
	Control string   `json:"control"`  // who sets it: system, identity or attacker
	CitedBy []string `json:"cited_by"` // "verdict" and agents whose reasons name it
}

// Evidence is a value that the verdict rests on.
type Evidence struct {
	Field   string   `json:"field"`
	Value   string   `json:"value"`
	Control string   `json:"control"`
	Raw     []string `json:"raw"`    // all values of the field
	Agrees  bool     `json:"agrees"` // the alert has the value
}

// Technique is an ATT&CK technique with its page.
type Technique struct {
	ID      string   `json:"id"`
	Name    string   `json:"name"` // "" when the catalogue has it no more
	Tactics []string `json:"tactics"`
	URL     string   `json:"url"`
}

// Advice is what an analyst recommends. Code copied the target from the alert.
type Advice struct {
	Kind   string `json:"kind"`
	Field  string `json:"field"`
	Target string `json:"target"`
	Reason string `json:"reason"`
}

// GroupOf is the alerts that a decision settles with this one.
type GroupOf struct {
	Size    int      `json:"size"`    // at least 1
	Members []string `json:"members"` // the first of them, this one first
}

// maxMembers bounds how many alerts of a group are named.
const maxMembers = 20

// Site is what a case needs to know of its deployment, beside the ledger.
type Site struct {
	Now      time.Time
	Fields   *winnow.FieldTable
	FactTTL  time.Duration // how long a person's benign verdict counts as a fact
	CacheTTL time.Duration // how long it closes repeats

	// Facts returns the lists of entities under which a person's benign verdict on the alert counts as a fact
	// from then on. nil knows none.
	Facts func(*winnow.Alert) [][]winnow.Evidence

	// Technique looks an ATT&CK technique up. nil knows none.
	Technique func(id string) (name string, tactics []string, known bool)
}

// ReadCase returns all that is known of an alert, and what each decision about it would do now. The error is
// ledger.ErrNotFound for an alert that the ledger does not hold.
func ReadCase(t *ledger.Tx, s Site, id string) (*Case, error) {
	entry, err := t.Alert(id)
	if err != nil {
		return nil, err
	}
	rec, err := t.Record(id)
	if err != nil {
		return nil, err
	}
	outline, err := t.Outline(id)
	if err != nil {
		return nil, err
	}
	blind, err := veil(t, &rec)
	if err != nil {
		return nil, err
	}
	if blind != nil {
		entry.Links = ledger.Links{Advice: blind.Advice}
	}
	if s.Fields == nil {
		s.Fields = new(winnow.FieldTable)
	}
	a := &entry.Alert
	c := &Case{
		ID: id, SearchName: a.SearchName, App: a.App, Owner: a.Owner, Team: entry.Team, SID: a.Key.SID, RID: a.Key.RID,
		Severity: rec.Severity, Time: rec.Time, Received: a.Received, Lines: rec.Verdict.Case, Verdict: rec.Verdict,
		Outcome: rec.Outcome, Proposal: rec.Proposal, Cost: rec.Cost, Derived: entry.Derived, Joined: entry.Joined,
		FieldsGone: outline.Bare, Warnings: orEmpty(a.Warnings), Advice: readAdvice(entry.Advice),
	}
	if c.Seq, err = t.Seq(id); err != nil {
		return nil, err
	}
	c.Waits = waits(&rec)
	c.cite(a, s.Fields)
	c.techniques(s)
	c.Gates = gates(&rec, &entry)
	for _, read := range []func() error{
		func() error { return c.trail(t) },
		func() error { return c.past(t, a, s.Fields) },
		func() error { return c.group(t, &entry, &rec, blind != nil) },
		func() error { return c.choices(t, s, &entry, &rec) },
	} {
		if err := read(); err != nil {
			return nil, fmt.Errorf("read case %s: %w", id, err)
		}
	}
	if blind != nil {
		c.veil()
	}
	return c, nil
}

// waits reports whether nobody has decided yet.
func waits(rec *winnow.Record) bool {
	return isOpen(rec.Outcome.State) && rec.Verdict.Source != winnow.SourcePerson
}

func isOpen(s winnow.State) bool { return s == winnow.StateInReview || s == winnow.StateEscalated }

// cite puts fields and evidence side by side.
func (c *Case) cite(a *winnow.Alert, table *winnow.FieldTable) {
	control := func(field string) string { return table.Lookup(a.SearchName, field).Control.String() }
	cited := map[string][]string{}
	for _, e := range c.Verdict.Evidence {
		raw := a.Fields[e.Field]
		c.Evidence = append(c.Evidence, Evidence{
			Field: e.Field, Value: e.Value, Control: control(e.Field), Raw: orEmpty(raw), Agrees: slices.Contains(raw, e.Value),
		})
		if !slices.Contains(cited[e.Field], citedByVerdict) {
			cited[e.Field] = append(cited[e.Field], citedByVerdict)
		}
	}
	for _, v := range c.Verdict.Votes {
		for _, field := range v.Fields {
			if !slices.Contains(cited[field], v.Agent) {
				cited[field] = append(cited[field], v.Agent)
			}
		}
	}
	for _, name := range a.Fields.Names() {
		c.Fields = append(c.Fields, Field{Name: name, Values: a.Fields[name], Control: control(name), CitedBy: orEmpty(cited[name])})
	}
	c.Evidence, c.Fields = orEmpty(c.Evidence), orEmpty(c.Fields)
}

const citedByVerdict = "verdict"

func (c *Case) techniques(s Site) {
	c.Techniques = []Technique{}
	for _, id := range c.Verdict.Techniques {
		one := Technique{ID: id, Tactics: []string{}}
		if s.Technique != nil {
			if name, tactics, known := s.Technique(id); known {
				one.Name, one.Tactics = name, orEmpty(tactics)
				one.URL = attackPage + strings.ReplaceAll(id, ".", "/") + "/"
			}
		}
		c.Techniques = append(c.Techniques, one)
	}
}

// attackPage is where MITRE describes techniques.
const attackPage = "https://attack.mitre.org/techniques/"

// readAdvice returns nothing of what it cannot read: advice is a help, and no more.
func readAdvice(text []byte) []Advice {
	var out []Advice
	if len(text) > 0 && json.Unmarshal(text, &out) != nil {
		return []Advice{}
	}
	return orEmpty(out)
}

// trail is what was done so far.
func (c *Case) trail(t *ledger.Tx) (err error) {
	if c.History, err = t.History(c.ID); err != nil {
		return err
	}
	if c.Reviews, err = t.Reviews(c.ID); err != nil {
		return err
	}
	if c.Deliveries, err = t.Deliveries(c.ID); err != nil {
		return err
	}
	c.Calls, err = t.Calls(c.ID)
	c.History, c.Reviews, c.Deliveries, c.Calls = orEmpty(c.History), orEmpty(c.Reviews), orEmpty(c.Deliveries), orEmpty(c.Calls)
	return err
}

// group finds the alerts that a decision settles. A sample of what was closed is judged by itself.
func (c *Case) group(t *ledger.Tx, entry *ledger.Entry, rec *winnow.Record, alone bool) error {
	ids, err := Decision{ID: c.ID, Only: alone}.group(t, entry, rec)
	c.Group = GroupOf{Size: len(ids), Members: ids[:min(len(ids), maxMembers)]}
	return err
}

func orEmpty[T any](s []T) []T {
	if s == nil {
		return []T{}
	}
	return s
}
