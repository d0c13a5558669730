package llm

import (
	"strings"

	"github.com/winnow-soc/winnow"
)

// Precedents returns the sets of entities under which a person's verdict on the alert will be
// found again: one for every fact of its families that rests on what people decided. A later
// alert of the same search whose entities are exactly such a set has that fact.
func (f *Facts) Precedents(in Input) [][]winnow.Evidence {
	if f == nil {
		return nil
	}
	c := &Case{Alert: in.Alert, Fields: in.Fields, Lists: in.Lists}
	var out [][]winnow.Evidence
	for _, fields := range f.personFields(in.Alert) {
		if entities := c.Entities(fields); len(entities) > 0 {
			out = append(out, entities)
		}
	}
	return out
}

func (f *Facts) personFields(a *winnow.Alert) [][]string {
	var out [][]string
	search := strings.ToLower(a.SearchName)
	for _, fam := range f.families {
		if !fam.covers(search, a.Fields["sourcetype"]) {
			continue
		}
		for _, ft := range fam.facts {
			for _, cond := range ft.all {
				if cond.person {
					out = append(out, cond.fields)
				}
			}
		}
	}
	return out
}
