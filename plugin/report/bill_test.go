package report

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// made is one alert of a ledger that a test makes.
type made struct {
	search, team, rule string
	severity           winnow.Severity
	proposal           winnow.ProposalKind
	source             winnow.Source
	state, would       winnow.State
	reason             winnow.Reason
	disposition        winnow.Disposition
	received           time.Time
	calls              []winnow.NanoUSD // what each cost
	task, agent        string
}

// makeLedger holds such alerts, with their calls.
func makeLedger(t testing.TB, list []made) *ledger.Ledger {
	t.Helper()
	l, err := ledger.Open(t.Context(), filepath.Join(t.TempDir(), "ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	for i, m := range list {
		if m.received.IsZero() {
			m.received = noon
		}
		id := fmt.Sprintf("%026d", i)
		add(t, l, id, &m)
		for _, cost := range m.calls {
			n, err := l.Reserve(t.Context(), ledger.Charge{
				AlertID: id, Search: m.search, Team: m.team, Severity: m.severity, Task: m.task, Agent: m.agent, Model: "m",
				Reserve: 2 * cost, At: m.received,
			}, ledger.Limits{})
			if err == nil {
				err = l.Settle(t.Context(), n, ledger.Settlement{State: ledger.CallSettled, Price: cost, InputTokens: 10, OutputTokens: 1, Tier: "default"})
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := l.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	return l
}

func add(t testing.TB, l *ledger.Ledger, id string, m *made) {
	t.Helper()
	a := winnow.Alert{ID: id, Key: winnow.Key{RID: id}, SearchName: m.search, Severity: m.severity, Received: m.received}
	r := winnow.NewRecord(&a, winnow.Proposal{Kind: m.proposal, Rule: m.rule})
	r.Verdict.Source, r.Verdict.Disposition = m.source, m.disposition
	r.Outcome = winnow.Outcome{State: m.state, Would: m.would, Reason: m.reason}
	if err := l.Update(t.Context(), func(tx *ledger.Tx) error { return tx.Add(ledger.Entry{Alert: a, Team: m.team}, r) }); err != nil {
		t.Fatal(err)
	}
}

func view(t testing.TB, l *ledger.Ledger, f func(*ledger.Tx) error) {
	t.Helper()
	if err := l.View(t.Context(), f); err != nil {
		t.Fatal(err)
	}
}

func repeat(n int, m made) []made { return slices.Repeat([]made{m}, n) }

func TestTheBillNamesWhatToMendFirst(t *testing.T) {
	const minute = winnow.NanoUSD(1e9) // an hour of 60 dollars
	var list []made
	// Twelve that people looked at and found to be nothing, and one attack.
	list = append(list, repeat(12, made{
		search: "Noisy", source: winnow.SourcePerson, state: winnow.StateClosed, reason: winnow.ReasonPerson,
		disposition: winnow.FalsePositiveLogic, calls: []winnow.NanoUSD{1000},
	})...)
	list = append(list, made{search: "Noisy", source: winnow.SourcePerson, state: winnow.StateEscalated, disposition: winnow.TruePositive, calls: []winnow.NanoUSD{5000}})
	// A rule closes a hundred for nothing.
	list = append(list, repeat(100, made{search: "Dropped", rule: "r", proposal: winnow.ProposeDrop, source: winnow.SourceRule, state: winnow.StateClosed, reason: winnow.ReasonRule, disposition: winnow.BenignPositive})...)
	// Three attacks that winnow believes in.
	list = append(list, repeat(3, made{search: "Good", source: winnow.SourceModel, state: winnow.StateEscalated, disposition: winnow.TruePositive, calls: []winnow.NanoUSD{2000}})...)
	l := makeLedger(t, list)
	var b *Bill
	view(t, l, func(tx *ledger.Tx) (err error) {
		b, err = NewBill(tx, ledger.Span{}, BillOptions{Minutes: 10, Hourly: 60 * minute})
		return err
	})
	want := []Detection{
		{
			Search: "Noisy", Alerts: 13, Asked: 13, People: 13, TruePositive: 1, FalsePositive: 12, Paid: 17_000, PeopleUSD: 130 * minute,
			Share: 12.0 / 13, Judged: true, PerTrue: 130*minute + 17_000, Noise: 120*minute + 12_000,
		},
		{Search: "Good", Alerts: 3, Asked: 3, People: 3, BelievedTrue: 3, Paid: 6000, PeopleUSD: 30 * minute, PerTrue: 10*minute + 2000},
		{Search: "Dropped", Alerts: 100, BelievedFalse: 100, Share: 1},
	}
	if diff := cmp.Diff(want, b.Detections, cmp.FilterPath(func(p cmp.Path) bool {
		name := p.Last().String()
		return name == ".looks" || name == ".spent" || name == ".real"
	}, cmp.Ignore()), cmp.AllowUnexported(Detection{})); diff != "" {
		t.Errorf("detections differ (-want +got):\n%s", diff)
	}
	if b.Paid != 23_000 {
		t.Errorf("paid %d", b.Paid)
	}
}

func TestSavingsAreMeasuredLessCanaries(t *testing.T) {
	drop := made{search: "A", rule: "r", proposal: winnow.ProposeDrop, source: winnow.SourceRule, state: winnow.StateClosed, reason: winnow.ReasonRule}
	canary := drop
	canary.reason, canary.source, canary.state, canary.calls = winnow.ReasonCanary, winnow.SourceModel, winnow.StateInReview, []winnow.NanoUSD{4000}
	asked := made{search: "A", source: winnow.SourceModel, state: winnow.StateEscalated, calls: []winnow.NanoUSD{1000, 1000}}
	would := drop
	would.state, would.would = winnow.StateLeft, winnow.StateClosed
	elsewhere := made{search: "B", source: winnow.SourceCache, state: winnow.StateClosed, reason: winnow.ReasonCached}
	joined := made{search: "A", source: winnow.SourceModel, state: winnow.StateInReview, reason: winnow.ReasonOpenCase}
	list := append(repeat(10, drop), canary, asked, asked, would, elsewhere, joined)
	l := makeLedger(t, list)
	var v *Savings
	view(t, l, func(tx *ledger.Tx) error {
		units, err := SearchUnits(tx, ledger.Span{}, nil)
		if err == nil {
			v, err = NewSavings(tx, ledger.Span{}, units)
		}
		return err
	})
	const unit = (4000 + 2*2000) / 3 // what A booked, by its three that were asked about
	want := &Savings{
		Lines: []Saving{
			{Kind: SavedByRule, Name: "r", Alerts: 10, Would: 1, Saved: 10 * unit, WouldUSD: unit, Canaries: 1, Canary: 4000, Net: 10*unit - 4000, Basis: BasisMeasured},
			{Kind: SavedByCache, Name: "B", Alerts: 1, Saved: unit, Net: unit, Basis: BasisElsewhere},
			{Kind: SavedByCase, Name: "A", Alerts: 1, Saved: unit, Net: unit, Basis: BasisMeasured},
		},
		Saved: 12 * unit, Would: unit, Spent: 4000, Net: 12*unit - 4000, Basis: BasisElsewhere,
	}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Errorf("savings differ (-want +got):\n%s", diff)
	}
}

// TestASplitAddsUp: whatever the bill is split by, the lines are all that was booked.
func TestASplitAddsUp(t *testing.T) {
	for seed := range uint64(6) {
		rng := rand.New(rand.NewPCG(seed, 1))
		var list []made
		var booked winnow.NanoUSD
		for range rng.IntN(9) {
			m := made{
				search: []string{"A", "B", "=evil()"}[rng.IntN(3)], team: []string{"", "web"}[rng.IntN(2)],
				severity: winnow.Severity(rng.IntN(6)), source: winnow.SourceModel, state: winnow.StateEscalated,
				task: []string{"enrich", "vote"}[rng.IntN(2)], agent: []string{"", "network"}[rng.IntN(2)],
				received: noon.AddDate(0, 0, -rng.IntN(40)),
			}
			for range rng.IntN(3) {
				cost := winnow.NanoUSD(rng.IntN(1e9))
				m.calls, booked = append(m.calls, cost), booked+cost
			}
			list = append(list, m)
		}
		checkSplits(t, makeLedger(t, list), booked)
	}
}

// checkSplits splits all, and the same by days and months.
func checkSplits(t *testing.T, l *ledger.Ledger, booked winnow.NanoUSD) {
	t.Helper()
	for _, by := range Splits {
		if by == ByRule {
			continue
		}
		view(t, l, func(tx *ledger.Tx) error {
			all, err := NewSplit(tx, ledger.Span{}, by)
			if err != nil {
				return err
			}
			span, err := NewSplit(tx, ledger.Span{From: noon.AddDate(0, 0, -60), To: noon.AddDate(0, 0, 2)}, by)
			if all.Total != booked {
				t.Errorf("by %s: %d, booked %d", by, all.Total, booked)
			}
			if diff := cmp.Diff(all, span); diff != "" {
				t.Errorf("by %s: days and months differ from all (-all +span):\n%s", by, diff)
			}
			return err
		})
	}
}

func TestAForecastFollowsTheDaysBefore(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	var list []made
	for day := 1; day <= 30; day++ {
		at := now.AddDate(0, 0, -day)
		cost := winnow.NanoUSD(1e9)
		if restDay(at) {
			cost = 1e8
		}
		list = append(list, made{search: "A", source: winnow.SourceModel, state: winnow.StateEscalated, received: at, calls: []winnow.NanoUSD{cost}})
	}
	l := makeLedger(t, list)
	view(t, l, func(tx *ledger.Tx) error {
		f, ok, err := NewForecast(tx, now)
		// Half of Friday the 20th, six weekdays and four days of the weekend are left: 6.9 dollars, exactly, as
		// every day was like the others of its kind.
		want := f.Spent + 6.9e9
		if !ok || f.Days != 30 || f.End != want || f.Low != want || f.High != want || f.Month != "2026-11" {
			t.Errorf("forecast %+v, %v; want %d", f, ok, want)
		}
		return err
	})
	few := makeLedger(t, list[:6])
	view(t, few, func(tx *ledger.Tx) error {
		_, ok, err := NewForecast(tx, now)
		if ok {
			t.Error("a forecast of six days")
		}
		return err
	})
	none := makeLedger(t, nil)
	view(t, none, func(tx *ledger.Tx) error {
		_, ok, err := NewForecast(tx, now)
		if ok {
			t.Error("a forecast of nothing")
		}
		return err
	})
}

func TestTheTableIsFilledFromWhatWasMeasured(t *testing.T) {
	list := append(repeat(8, made{search: "A", rule: "r", proposal: winnow.ProposeDrop, source: winnow.SourceRule, state: winnow.StateClosed, reason: winnow.ReasonRule}),
		repeat(2, made{search: "A", source: winnow.SourceModel, state: winnow.StateEscalated, task: "classify", calls: []winnow.NanoUSD{1e6, 3e6}})...)
	l := makeLedger(t, list)
	view(t, l, func(tx *ledger.Tx) error {
		v, err := NewVolume(tx, ledger.Span{}, 1000, nil)
		want := []VolumeLine{{Stage: "classify", Flat: 6e6, Unit: 2e6, PerAlert: 2, Everything: 4e9, Winnow: 8e8}}
		if diff := cmp.Diff(want, v.Lines); diff != "" || v.Asked != 0.2 || v.Basis != BasisMeasured {
			t.Errorf("%+v (-want +got):\n%s", v, diff)
		}
		return err
	})
	view(t, makeLedger(t, nil), func(tx *ledger.Tx) error {
		v, err := NewVolume(tx, ledger.Span{}, 50_000, map[string]winnow.NanoUSD{"enrich": 1e6})
		if v.Flat != 9.45e12 || v.Basis != BasisList || len(v.Lines) != 1 {
			t.Errorf("%+v", v)
		}
		return err
	})
}
