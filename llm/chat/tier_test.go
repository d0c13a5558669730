package chat

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/prices"
)

// atProvider is a provider that remembers the service tiers it was asked for.
type atProvider struct {
	tiers []string
	do    func(n int) (*Reply, error)
}

func (p *atProvider) Complete(_ context.Context, r *Request) (*Reply, error) {
	p.tiers = append(p.tiers, r.Tier)
	return p.do(len(p.tiers))
}

// TestTheBilledServiceTierCounts asks at one tier and is served at another.
func TestTheBilledServiceTierCounts(t *testing.T) {
	full := int64(30*750 + 10*75 + 20*4500)
	price := testPrice
	price.Multipliers = prices.Multipliers{"batch": 500_000, "flex": 500_000, "priority": 2_000_000}
	list := func(string, time.Time) (prices.Price, bool) { return price, true }
	worst := func(asked string) int64 { return int64(weigh(hello()).worst(price, asked)) }
	if worst("") != 2*worst("default") || worst("flex") != worst("default") || worst("priority") != worst("") {
		t.Errorf("reserves: nothing asked for %d, default %d, flex %d, priority %d", worst(""), worst("default"), worst("flex"), worst("priority"))
	}
	for _, tt := range []struct {
		asked, served string
		batch         bool
		price         int64
		tier, reason  string
	}{
		{"flex", "flex", false, full / 2, "flex", "ok"},
		{"flex", "default", false, full, "default", "ok"},
		{"flex", "", false, full, "", "ok"},
		{"", "", false, full, "", "ok"},
		{"", "priority", false, 2 * full, "priority", "ok"},
		{"auto", "flex", false, full / 2, "flex", "ok"},
		{"fast", "priority", false, 2 * full, "priority", "ok"},
		{"priority", "", false, 2 * full, "", "ok"},
		{"priority", "standard", false, full, "default", "ok"},
		{"", "scale", false, 2 * full, "scale", "ok, unknown service tier"},
		{"default", "default", true, full / 2, "batch", "ok"},
		{"", "batch", false, full / 2, "batch", "ok"},
	} {
		b := &books{}
		p := &atProvider{do: func(int) (*Reply, error) {
			r := fine()
			r.Tier, r.Batch = tt.served, tt.batch
			return r, nil
		}}
		c := newTestCaller(t, CallerOptions{Provider: p, Budget: b, Price: list, ServiceTier: tt.asked})
		_, usage, err := c.Call(t.Context(), Purpose{}, hello())
		s := b.all()[1]
		if err != nil || s.State != llm.Settled || int64(s.Price) != tt.price || s.Tier != tt.tier || s.Reason != tt.reason || usage.Price != s.Price {
			t.Errorf("asked for %q, served at %q: %+v, %v; want %d at %q, %s", tt.asked, tt.served, s, err, tt.price, tt.tier, tt.reason)
		}
		if want := worst(prices.ServiceTier(tt.asked)); int64(b.charges[0].Reserve) != want {
			t.Errorf("asked for %q: the reserve is %d, want %d", tt.asked, b.charges[0].Reserve, want)
		}
	}
}

// TestWhatFlexDoesNotTakeGoesTheNormalWay fails the cheaper tier once.
func TestWhatFlexDoesNotTakeGoesTheNormalWay(t *testing.T) {
	p := &atProvider{do: func(n int) (*Reply, error) {
		if n == 1 {
			return nil, &Error{Kind: KindRate, Status: 429}
		}
		return fine(), nil
	}}
	c := newTestCaller(t, CallerOptions{Provider: p, Attempts: 2})
	c.backoff = 1
	r := hello()
	r.Tier = prices.TierFlex
	if _, _, err := c.Call(t.Context(), Purpose{}, r); err != nil || len(p.tiers) != 2 || p.tiers[0] != "flex" || p.tiers[1] != "" {
		t.Errorf("asked at %q, %v", p.tiers, err)
	}
	if r.Tier != prices.TierFlex {
		t.Error("the request of the caller was changed")
	}
	p = &atProvider{do: func(n int) (*Reply, error) {
		if n == 1 {
			return nil, &Error{Kind: KindRequest, Status: 400}
		}
		return fine(), nil
	}}
	c = newTestCaller(t, CallerOptions{Provider: p, Attempts: 1})
	if _, _, err := c.Call(t.Context(), Purpose{}, r); err != nil || len(p.tiers) != 2 || p.tiers[1] != "" {
		t.Errorf("a model without flex was asked at %q, %v", p.tiers, err)
	}
	p = &atProvider{do: func(int) (*Reply, error) { return nil, &Error{Kind: KindPolicy, Status: 400} }}
	c = newTestCaller(t, CallerOptions{Provider: p, Attempts: 2})
	if _, _, err := c.Call(t.Context(), Purpose{}, r); !errors.As(err, new(*Error)) || len(p.tiers) != 1 {
		t.Errorf("asked at %q, %v", p.tiers, err)
	}
}

// TestLessSevereAlertsAreAskedAtFlex compares severities with flex_severity: unknown ones never are.
func TestLessSevereAlertsAreAskedAtFlex(t *testing.T) {
	for _, tt := range []struct {
		flex, alert winnow.Severity
		want        string
	}{
		{winnow.SeverityUnknown, winnow.SeverityInformational, ""},
		{winnow.SeverityLow, winnow.SeverityInformational, "flex"},
		{winnow.SeverityLow, winnow.SeverityLow, "flex"},
		{winnow.SeverityLow, winnow.SeverityMedium, ""},
		{winnow.SeverityLow, winnow.SeverityUnknown, ""},
		{winnow.SeverityCritical, winnow.SeverityUnknown, ""},
	} {
		p := &atProvider{do: func(int) (*Reply, error) { return said(goodVerdict), nil }}
		m := newModel(t, p, func(o *Options) { o.Backends[0].FlexSeverity = tt.flex })
		q := question(llm.TaskClassify)
		q.Case.Alert.Severity = tt.alert
		if _, err := m.Answer(t.Context(), q); err != nil || len(p.tiers) != 1 || p.tiers[0] != tt.want {
			t.Errorf("up to %s, an alert of %s: asked at %q, %v", tt.flex, tt.alert, p.tiers, err)
		}
	}
}
