package report_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
)

func TestClosersHaveTheirMissRates(t *testing.T) {
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	at := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	judged := []ledger.Judgement{ledger.JudgedBenign, ledger.JudgedBenign, ledger.JudgedBenign, ledger.JudgedMalicious, ledger.JudgedUnknown, ledger.JudgedWaiting, "", "none"}
	err = l.Update(t.Context(), func(tx *ledger.Tx) error {
		for i, j := range judged {
			e := ledger.Entry{Alert: winnow.Alert{ID: fmt.Sprintf("A%d", i), Key: winnow.Key{SID: "s", RID: fmt.Sprint(i)}, Time: at, Received: at}, Key: cache.Key{byte(i)}}
			r := winnow.NewRecord(&e.Alert, winnow.Proposal{})
			r.Outcome.State, r.Verdict.Source = winnow.StateClosed, winnow.SourceCache
			if err := tx.Add(e, r); err != nil {
				return err
			}
			if j == "none" {
				continue
			}
			if err := tx.AddSample(r.ID, winnow.SourceCache, at, ledger.Blind{Record: r}); err != nil {
				return err
			}
			if j == "" {
				continue
			}
			r.Verdict.Source = winnow.SourcePerson
			if _, err := tx.Change(r, ledger.Links{}); err != nil {
				return err
			}
			if err := tx.JudgeSample(r.ID, j); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []report.CloserRate
	err = l.View(t.Context(), func(tx *ledger.Tx) (err error) {
		got, err = report.NewClosers(tx)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 4 || got[0].MissRate != nil || got[0].High != 1 {
		t.Fatalf("closers %+v", got)
	}
	c := got[1]
	if c.MissRate == nil || *c.MissRate != 0.25 || c.Low > 0.0064 || c.Low < 0.0063 || c.High < 0.805 || c.High > 0.807 {
		t.Errorf("rate %v, %v to %v", c.MissRate, c.Low, c.High)
	}
	c.MissRate, c.Low, c.High = nil, 0, 0
	want := report.CloserRate{Closer: winnow.SourceCache, Closes: 7, Sampled: 7, Judged: 4, Unknown: 1, Waiting: 2, Misses: 1}
	if diff := cmp.Diff(want, c); diff != "" {
		t.Errorf("cache (-want +got):\n%s", diff)
	}
}
