package ledger

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

func TestRuleHitsAndReach(t *testing.T) {
	l := openNew(t)
	view(t, l, func(tx *Tx) error {
		if at, err := tx.Reach(); !at.IsZero() || err != nil {
			t.Errorf("an empty ledger reaches back to %s, %v", at, err)
		}
		return nil
	})
	for i, p := range []winnow.Proposal{
		{Kind: winnow.ProposeDrop, Rule: "vpn"}, {Kind: winnow.ProposeDrop, Rule: "vpn"}, {Kind: winnow.ProposePass, Rule: "shadow"},
		{Kind: winnow.ProposeEscalate, Rule: "dumper"}, {Kind: winnow.ProposePass},
	} {
		e := sample(i)
		update(t, l, func(tx *Tx) error { return tx.Add(e, winnow.NewRecord(&e.Alert, p)) })
	}
	view(t, l, func(tx *Tx) error {
		got, err := tx.RuleHits()
		want := map[string]time.Time{"vpn": noon.Truncate(24 * time.Hour), "shadow": noon.Truncate(24 * time.Hour)}
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("hits differ (-want +got), %v:\n%s", err, diff)
		}
		if at, err := tx.Reach(); !at.Equal(noon) || err != nil {
			t.Errorf("reaches back to %s, %v", at, err)
		}
		return nil
	})
	day := noon.AddDate(-1, 0, 0).Truncate(24 * time.Hour)
	update(t, l, func(tx *Tx) error {
		return tx.exec("INSERT INTO dropped (rule, ruleset, day, alerts) VALUES ('old', '', ?, 3)", micro(day))
	})
	view(t, l, func(tx *Tx) error {
		got, err := tx.RuleHits()
		if !got["old"].Equal(day) || err != nil {
			t.Errorf("old was last hit on %s, %v", got["old"], err)
		}
		if at, err := tx.Reach(); !at.Equal(day) || err != nil {
			t.Errorf("reaches back to %s, %v", at, err)
		}
		return nil
	})
}
