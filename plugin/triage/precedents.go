package triage

import (
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Benign reports whether a person judged an alert of the search with exactly these entities
// benign within [review] fact_ttl and has not taken it back: one of the benign facts of guard G2.
func (e *Engine) Benign(searchName string, entities []winnow.Evidence) (bool, error) {
	oldest := e.Now().Add(-e.Settings.Review.FactTTL)
	for _, at := range e.precedents[precedentName(searchName, encodeEntities(entities))] {
		if at.After(oldest) {
			return true, nil
		}
	}
	return false, nil
}

// remember keeps one precedent in memory.
func (e *Engine) remember(search, entities, id string, at time.Time) {
	name := precedentName(search, entities)
	if e.precedents[name] == nil {
		e.precedents[name] = map[string]time.Time{}
	}
	e.precedents[name][id] = at
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
	for _, ids := range e.precedents {
		delete(ids, id)
	}
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
