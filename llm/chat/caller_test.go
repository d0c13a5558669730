package chat

import (
	"context"
	"errors"
	"math"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/prices"
)

func TestCallBooksWhatItCosts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{}
		p := &scripted{do: func(context.Context, int) (*Reply, error) { time.Sleep(2 * time.Second); return fine(), nil }}
		c := newTestCaller(t, CallerOptions{Provider: p, Budget: b})
		purpose := Purpose{AlertID: "01J", Search: "S", Team: "soc", Task: llm.TaskClassify, Agent: "a", Prompt: "sha256:1", Fields: []string{"src"}, Before: 2}
		reply, usage, err := c.Call(t.Context(), purpose, hello())
		if err != nil || reply.Text != "{}" {
			t.Fatal(reply, err)
		}
		price := testPrice.Cost(prices.Usage{Input: 40, Cached: 10, Output: 20})
		if want := (llm.Usage{Calls: 1, InputTokens: 40, CachedTokens: 10, OutputTokens: 20, Price: price}); usage != want {
			t.Errorf("usage is %+v, want %+v", usage, want)
		}
		want := llm.Charge{
			AlertID: "01J", Search: "S", Team: "soc", Task: llm.TaskClassify, Agent: "a", Model: "small", Source: "main", Prompt: "sha256:1", Attempt: 3,
			Reserve: weigh(hello()).worst(testPrice, ""), Tokens: weigh(hello()).input + 100, Fields: []string{"src"}, Bytes: 26, SHA256: weigh(hello()).sha256,
		}
		if diff := cmp.Diff([]llm.Charge{want}, b.charges); diff != "" {
			t.Error(diff)
		}
		settled := llm.Settlement{
			State: llm.Settled, Reason: "ok", InputTokens: 40, CachedTokens: 10, OutputTokens: 20, Price: price, Model: "small", Took: 2 * time.Second,
		}
		if diff := cmp.Diff(map[llm.Booking]llm.Settlement{1: settled}, b.all()); diff != "" {
			t.Error(diff)
		}
	})
}

// TestFailures goes through every way to fail: how often it is tried, what the alert is told, and what is booked.
func TestFailures(t *testing.T) {
	const unavailable, ofRequest = true, false
	for _, tt := range []struct {
		err   *Error
		tries int
		means bool
		state llm.SettlementState
	}{
		{&Error{Kind: KindRate, Status: 429}, 3, unavailable, llm.Released},
		{&Error{Kind: KindOverloaded, Status: 529}, 3, unavailable, llm.Released},
		{&Error{Kind: KindServer, Status: 500}, 3, ofRequest, llm.Released},
		{&Error{Kind: KindServer, Status: 502, Sent: true}, 3, ofRequest, llm.Unsettled},
		{&Error{Kind: KindTimeout, Sent: true}, 3, ofRequest, llm.Unsettled},
		{&Error{Kind: KindNetwork}, 3, unavailable, llm.Released},
		{&Error{Kind: KindNetwork, Sent: true}, 3, ofRequest, llm.Unsettled},
		{&Error{Kind: KindBadReply, Sent: true}, 3, ofRequest, llm.Unsettled},
		{&Error{Kind: KindAuth, Status: 401}, 1, unavailable, llm.Released},
		{&Error{Kind: KindQuota, Status: 429}, 1, unavailable, llm.Released},
		{&Error{Kind: KindRequest, Status: 400}, 1, ofRequest, llm.Released},
		{&Error{Kind: KindPolicy, Status: 400}, 1, ofRequest, llm.Released},
	} {
		t.Run(tt.err.Error(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &books{}
				p := &scripted{do: func(context.Context, int) (*Reply, error) { return nil, tt.err }}
				c := newTestCaller(t, CallerOptions{Provider: p, Budget: b, Attempts: 3})
				_, usage, err := c.Call(t.Context(), Purpose{}, hello())
				if p.calls() != tt.tries {
					t.Errorf("%d tries, want %d", p.calls(), tt.tries)
				}
				if (isUnavailable(err) != nil) != tt.means || !errors.Is(err, tt.err) {
					t.Errorf("error is %v", err)
				}
				for n, s := range b.all() {
					if s.State != tt.state || s.Reason != string(tt.err.Kind) {
						t.Errorf("attempt %d: %+v", n, s)
					}
				}
				if total, _ := b.booked(); len(b.all()) != tt.tries || usage.Price != total {
					t.Errorf("usage %+v, booked %v in %d attempts", usage, total, len(b.all()))
				}
			})
		})
	}
}

func TestRetrySucceeds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{}
		p := &scripted{do: func(_ context.Context, n int) (*Reply, error) {
			if n < 3 {
				return nil, &Error{Kind: KindServer, Status: 500, After: 7 * time.Second}
			}
			return fine(), nil
		}}
		c := newTestCaller(t, CallerOptions{Provider: p, Budget: b, Attempts: 3})
		_, usage, err := c.Call(t.Context(), Purpose{}, hello())
		if err != nil || usage.Calls != 3 || usage.OutputTokens != 20 {
			t.Fatal(usage, err)
		}
		for i := 1; i < 3; i++ {
			if pause := p.at[i].Sub(p.at[i-1]); pause < 7*time.Second || pause > 8*time.Second {
				t.Errorf("pause %d is %v: the provider asked for 7s", i, pause)
			}
		}
		if got := []int{b.charges[0].Attempt, b.charges[1].Attempt, b.charges[2].Attempt}; !cmp.Equal(got, []int{1, 2, 3}) {
			t.Errorf("attempts are numbered %v", got)
		}
	})
}

func TestBackOffGrowsWithinBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newTestCaller(t, CallerOptions{Provider: &scripted{}})
		for try := 1; try < 70; try++ {
			most := min(backoffMin<<min(try-1, 20), backoffMax)
			start := time.Now()
			if err := c.backOff(t.Context(), try, &Error{Kind: KindServer}); err != nil {
				t.Fatal(err)
			}
			if pause := time.Since(start); pause > most {
				t.Errorf("pause after try %d is %v, over %v", try, pause, most)
			}
		}
	})
}

func TestLateAnswerIsBooked(t *testing.T) {
	for name, give := range map[string]func(context.Context) (context.Context, context.CancelFunc){
		"cancelled": func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeoutCause(ctx, time.Second, errGone)
		},
		"timeout": func(ctx context.Context) (context.Context, context.CancelFunc) { return ctx, func() {} },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := &books{}
				p := &scripted{do: func(context.Context, int) (*Reply, error) { time.Sleep(30 * time.Second); return fine(), nil }}
				c := newTestCaller(t, CallerOptions{Provider: p, Budget: b, Timeout: 20 * time.Second})
				ctx, cancel := give(t.Context())
				defer cancel()
				_, usage, err := c.Call(ctx, Purpose{}, hello())
				if name == "cancelled" && !errors.Is(err, errGone) {
					t.Errorf("error is %v, want the cause", err)
				}
				if e, ok := errors.AsType[*Error](err); name == "timeout" && (!ok || e.Kind != KindTimeout) {
					t.Errorf("error is %v", err)
				}
				if usage.Price != b.charges[0].Reserve || len(b.all()) != 0 {
					t.Errorf("usage %+v before the answer", usage)
				}
				if err := c.Close(t.Context()); err != nil {
					t.Error(err)
				}
				total, unsure := b.booked()
				if total != testPrice.Cost(fine().Usage) || unsure != 0 {
					t.Errorf("booked %v, %v of it unsure", total, unsure)
				}
			})
		})
	}
}

var errGone = errors.New("the person has gone")

func TestCloseCutsOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := &books{}
		p := &scripted{do: func(ctx context.Context, _ int) (*Reply, error) {
			<-ctx.Done()
			return nil, &Error{Kind: KindNetwork, Sent: true}
		}}
		c := newTestCaller(t, CallerOptions{Provider: p, Budget: b, Timeout: time.Hour})
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Second, errGone)
		defer cancel()
		if _, _, err := c.Call(ctx, Purpose{}, hello()); !errors.Is(err, errGone) {
			t.Fatal(err)
		}
		if err := c.Close(ctx); !errors.Is(err, errGone) {
			t.Errorf("close: %v", err)
		}
		if s := b.all()[1]; s.State != llm.Unsettled || s.Price != b.charges[0].Reserve {
			t.Errorf("booked as %+v", s)
		}
		if _, _, err := c.Call(t.Context(), Purpose{}, hello()); isUnavailable(err) == nil {
			t.Errorf("a call after Close: %v", err)
		}
		if total, _ := b.booked(); total != b.charges[0].Reserve {
			t.Errorf("the refused call is booked: %v", total)
		}
	})
}

func TestLateAnswersHaveAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &scripted{do: func(ctx context.Context, _ int) (*Reply, error) {
			<-ctx.Done()
			return nil, &Error{Kind: KindTimeout, Sent: true}
		}}
		b := &books{}
		c := newTestCaller(t, CallerOptions{Provider: p, Budget: b, Timeout: 10 * time.Second})
		start := time.Now()
		_, _, err := c.Call(t.Context(), Purpose{}, hello())
		if err == nil || time.Since(start) != 10*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		if err := c.Close(t.Context()); err != nil || time.Since(start) != 10*time.Second+lateFor {
			t.Errorf("closed after %v: %v", time.Since(start), err)
		}
	})
}

func TestBudgetRefusesBeforeAnythingIsSent(t *testing.T) {
	p := &scripted{do: func(context.Context, int) (*Reply, error) { return fine(), nil }}
	b := &books{refuse: &llm.BudgetError{Limit: "day"}}
	c := newTestCaller(t, CallerOptions{Provider: p, Budget: b, Attempts: 5})
	_, usage, err := c.Call(t.Context(), Purpose{}, hello())
	if !errors.As(err, new(*llm.BudgetError)) || p.calls() != 0 || usage != (llm.Usage{}) {
		t.Errorf("%d calls, %+v, %v", p.calls(), usage, err)
	}
	b.refuse = errDisk
	if _, _, err = c.Call(t.Context(), Purpose{}, hello()); isUnavailable(err) == nil || p.calls() != 0 {
		t.Errorf("books that cannot be written: %d calls, %v", p.calls(), err)
	}
}

func TestSettlementThatIsLostStaysAtItsReserve(t *testing.T) {
	p := &scripted{do: func(context.Context, int) (*Reply, error) { return fine(), nil }}
	b := &books{lose: errDisk}
	c := newTestCaller(t, CallerOptions{Provider: p, Budget: b})
	_, usage, err := c.Call(t.Context(), Purpose{}, hello())
	if err != nil || usage.Price != b.charges[0].Reserve {
		t.Errorf("%+v, %v", usage, err)
	}
	if err := c.Close(t.Context()); !errors.Is(err, errDisk) {
		t.Errorf("close: %v", err)
	}
}

// TestUsage holds what is booked against replies that tell their usage rightly, wrongly and not at all.
func TestUsage(t *testing.T) {
	reserve := weigh(hello()).worst(testPrice, "")
	for _, tt := range []struct {
		name   string
		change func(*Reply)
		state  llm.SettlementState
		reason string
		price  int64
	}{
		{"plain", func(*Reply) {}, llm.Settled, "ok", 30*750 + 10*75 + 20*4500},
		{"cut", func(r *Reply) { r.Stop = StopLength }, llm.Settled, "length", 30*750 + 10*75 + 20*4500},
		{"batch", func(r *Reply) { r.Batch = true }, llm.Settled, "ok", (30*750 + 10*75 + 20*4500) / 2},
		{"batch rounds up", func(r *Reply) { r.Batch = true; r.Usage = prices.Usage{Input: 1, CacheWrite: 1, Output: 1} }, llm.Settled, "ok", (938 + 4500 + 1) / 2},
		{"none told", func(r *Reply) { r.NoUsage = true }, llm.Unsettled, "ok, no usage told", int64(reserve)},
		{"below zero", func(r *Reply) { r.Usage.Output = -1 }, llm.Unsettled, "ok, usage below zero", int64(reserve)},
		{"cached over input", func(r *Reply) { r.Usage.Cached = 41 }, llm.Unsettled, "ok, more cached than input", int64(reserve)},
		{"overflow", func(r *Reply) { r.Usage.Cached, r.Usage.CacheWrite = math.MaxInt64, math.MaxInt64 }, llm.Settled, "ok, more cached than input", 1e17},
		{"no input", func(r *Reply) { r.Usage = prices.Usage{Output: 5} }, llm.Unsettled, "ok, no input counted", int64(reserve)},
		{"no output", func(r *Reply) { r.Usage.Output = 0 }, llm.Unsettled, "ok, no output counted", int64(reserve)},
		{"output over its limit", func(r *Reply) { r.Usage.Output = 101 }, llm.Unsettled, "ok, more output than allowed", int64(reserve)},
		{"dearer than can be", func(r *Reply) { r.Usage.Output = 1e6 }, llm.Settled, "ok, more output than allowed", 30*750 + 10*75 + 1e6*4500},
		{"input over what was sent", func(r *Reply) { r.Usage.Input = 1200 }, llm.Unsettled, "ok, more input than sent", int64(reserve)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			b := &books{}
			p := &scripted{do: func(context.Context, int) (*Reply, error) { r := fine(); tt.change(r); return r, nil }}
			c := newTestCaller(t, CallerOptions{Provider: p, Budget: b})
			_, usage, err := c.Call(t.Context(), Purpose{}, hello())
			s := b.all()[1]
			if err != nil || s.State != tt.state || s.Reason != tt.reason || int64(s.Price) != tt.price || usage.Price != s.Price {
				t.Errorf("%+v, booked %+v (want %d), %v", usage, s, tt.price, err)
			}
		})
	}
}

func TestTheDearerOfTwoNamesCounts(t *testing.T) {
	list := map[string]prices.Price{
		"maker:small": {Rates: prices.Rates{Input: 1e9, Output: 1e9}}, "maker:large": {Rates: prices.Rates{Input: 9e9, Output: 9e9}},
		"tiny": {Rates: prices.Rates{Input: 1e8, Output: 1e8}},
	}
	for _, tt := range []struct {
		model, told string
		price       int64
		unpriced    int
	}{
		{"maker:small", "small", 60_000, 0},
		{"maker:small", "large", 540_000, 0},
		{"maker:small", "tiny", 60_000, 0},
		{"maker:small", "", 60_000, 0},
		{"unknown", "tiny", 6000, 0},
		{"unknown", "other", 0, 1},
	} {
		b := &books{}
		p := &scripted{do: func(context.Context, int) (*Reply, error) {
			return &Reply{Text: "x", Stop: StopEnd, Usage: prices.Usage{Input: 40, Output: 20}, Model: tt.told, Limits: silent}, nil
		}}
		c := newTestCaller(t, CallerOptions{Provider: p, Budget: b, Model: tt.model, Price: func(m string, _ time.Time) (prices.Price, bool) {
			got, ok := list[m]
			return got, ok
		}})
		_, usage, err := c.Call(t.Context(), Purpose{}, hello())
		if err != nil || int64(usage.Price) != tt.price || usage.Unpriced != tt.unpriced || b.charges[0].Unpriced != (tt.model == "unknown") {
			t.Errorf("%s answered by %q: %+v, %+v, %v", tt.model, tt.told, usage, b.charges[0], err)
		}
	}
}

func TestProviderThatBreaksItsPromises(t *testing.T) {
	for name, do := range map[string]func(context.Context, int) (*Reply, error){
		"panic":       func(context.Context, int) (*Reply, error) { panic("secret text of the alert") },
		"nothing":     func(context.Context, int) (*Reply, error) { return nil, nil },
		"other error": func(context.Context, int) (*Reply, error) { return nil, errors.New("secret text of the alert") },
	} {
		b := &books{}
		c := newTestCaller(t, CallerOptions{Provider: &scripted{do: do}, Budget: b})
		_, _, err := c.Call(t.Context(), Purpose{}, hello())
		if e, ok := errors.AsType[*Error](err); !ok || e.Kind != KindBadReply || strings.Contains(err.Error(), "secret") {
			t.Errorf("%s: %v", name, err)
		}
		if b.all()[1].State != llm.Unsettled {
			t.Errorf("%s: booked as %+v", name, b.all()[1])
		}
	}
}

func TestCallerOptionsAreChecked(t *testing.T) {
	good := CallerOptions{Name: "n", Model: "m", Provider: &scripted{}, Price: onlySmall, Timeout: time.Second, Now: time.Now}
	for name, spoil := range map[string]func(*CallerOptions){
		"no name":        func(o *CallerOptions) { o.Name = "" },
		"no model":       func(o *CallerOptions) { o.Model = "" },
		"no provider":    func(o *CallerOptions) { o.Provider = nil },
		"no prices":      func(o *CallerOptions) { o.Price = nil },
		"no clock":       func(o *CallerOptions) { o.Now = nil },
		"no timeout":     func(o *CallerOptions) { o.Timeout = 0 },
		"negative limit": func(o *CallerOptions) { o.Limit.TokensPerMinute = -1 },
	} {
		o := good
		spoil(&o)
		if _, err := NewCaller(o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	c, err := NewCaller(good)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := c.Call(t.Context(), Purpose{}, &Request{}); err == nil {
		t.Error("a request without a limit of output was sent")
	}
}
