package review

import (
	"cmp"
	"slices"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Group is the alerts with one cache key that wait for a person: one decision settles all.
type Group struct {
	First winnow.Record `json:"first"` // the oldest
	Size  int           `json:"size"`
}

// List returns what waits for a person: escalated before in review, the more severe first, then
// the larger group, then the older.
func List(t *ledger.Tx, limit int) ([]Group, error) {
	var out []Group
	err := t.OpenGroups(func(first []byte, size int) error {
		rec, err := ledger.DecodeRecord(first)
		if err != nil {
			return err
		}
		if rec.Verdict.Source != winnow.SourcePerson {
			out = append(out, Group{First: rec, Size: size})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	slices.SortStableFunc(out, func(a, b Group) int {
		return cmp.Or(
			cmp.Compare(urgency(b), urgency(a)),
			cmp.Compare(b.First.Severity, a.First.Severity),
			cmp.Compare(b.Size, a.Size),
			cmp.Compare(a.First.ID, b.First.ID),
		)
	})
	if limit > 0 && len(out) > limit {
		out = out[:limit]
	}
	return out, nil
}

func urgency(g Group) int {
	if g.First.Outcome.State == winnow.StateEscalated {
		return 1
	}
	return 0
}
