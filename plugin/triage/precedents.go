package triage

import (
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// precedents is what people decided, by search and entities: the alerts and when. Safe for concurrent
// use: analysts read it while the worker goes on.
type precedents struct {
	mu sync.RWMutex
	by map[string]map[string]time.Time
}

func newPrecedents() *precedents { return &precedents{by: map[string]map[string]time.Time{}} }

func (p *precedents) forget(id string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, ids := range p.by {
		delete(ids, id)
	}
}

// people are the precedents that count at one time: one of the benign facts of guard G2.
type people struct {
	p      *precedents
	oldest time.Time
	before time.Time // zero: up to now
}

// Benign reports whether a person judged an alert of the search with exactly these entities
// benign within [review] fact_ttl and has not taken it back.
func (v people) Benign(searchName string, entities []winnow.Evidence) (bool, error) {
	v.p.mu.RLock()
	defer v.p.mu.RUnlock()
	for _, at := range v.p.by[precedentName(searchName, encodeEntities(entities))] {
		if at.After(v.oldest) && (v.before.IsZero() || at.Before(v.before)) {
			return true, nil
		}
	}
	return false, nil
}

// people returns the precedents that count now.
func (e *Engine) people() people {
	return people{p: e.precedents, oldest: e.Now().Add(-e.Settings.Review.FactTTL)}
}

// peopleBefore returns the precedents that counted when an alert was decided: what people decided on it later
// must not answer for itself.
func (e *Engine) peopleBefore(at time.Time) people {
	return people{p: e.precedents, oldest: at.Add(-e.Settings.Review.FactTTL), before: at}
}

// remember keeps one precedent in memory.
func (e *Engine) remember(search, entities, id string, at time.Time) {
	p := e.precedents
	p.mu.Lock()
	defer p.mu.Unlock()
	name := precedentName(search, entities)
	if p.by[name] == nil {
		p.by[name] = map[string]time.Time{}
	}
	p.by[name][id] = at
}

// Precedent keeps that a person found the alert benign, for every family of facts that asks.
func (e *Engine) Precedent(t *ledger.Tx, a *winnow.Alert) error {
	for _, entities := range e.Facts.Precedents(llm.Input{Alert: a, Fields: e.Fields, Lists: e.Lists}) {
		text := encodeEntities(entities)
		if err := t.AddPrecedent(a.SearchName, text, a.ID, e.Now()); err != nil {
			return err
		}
		e.remember(a.SearchName, text, a.ID, e.Now())
	}
	return nil
}

// Forget takes back what a person decided on an alert.
func (e *Engine) Forget(t *ledger.Tx, id string) error {
	e.precedents.forget(id)
	return t.DropPrecedents(id)
}

func precedentName(search, entities string) string { return search + "\x00" + entities }

// encodeEntities writes fields and values so that no two lists look alike: values may hold
// anything, so each is followed by its length.
func encodeEntities(entities []winnow.Evidence) string {
	var b strings.Builder
	for _, ev := range entities {
		for _, text := range []string{ev.Field, ev.Value} {
			b.WriteString(text)
			b.WriteByte(0)
			b.WriteString(strconv.Itoa(len(text)))
			b.WriteByte(0)
		}
	}
	return b.String()
}
