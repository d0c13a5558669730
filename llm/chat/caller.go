package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/prices"
)

// Limit bounds what a [Caller] sends. 0: not limited by us; what the provider's headers say counts
// all the same.
type Limit struct {
	Concurrency       int
	RequestsPerMinute int64
	TokensPerMinute   int64
}

// CallerOptions say whom a [Caller] calls, how often, and who keeps the books. Name, Model, Provider,
// Price, Timeout and Now are required.
type CallerOptions struct {
	Name     string // of the [model:NAME]
	Model    string // as it is billed
	Provider Provider
	Price    func(model string, at time.Time) (prices.Price, bool)
	Budget   llm.Budget // nil books nothing
	Limit    Limit

	// ServiceTier is what Provider asks for; "" and "auto" leave it to the account. It tells what the worst case is.
	ServiceTier string

	Attempts int           // at most, for one call; below 1 is 1
	Timeout  time.Duration // of one attempt, without the waits before it
	Now      func() time.Time

	// Batch, when it is there, is asked first for requests that have an ID. What it does not answer goes
	// to Provider.
	Batch *Batcher
}

// Caller makes the calls to one model: it keeps to limits, tries again what may pass, and books every
// attempt before it is sent and after. What was sent is waited for and booked even when whoever asked
// has gone. Safe for concurrent use.
type Caller struct {
	o       CallerOptions
	slots   chan struct{} // nil: any number
	gate    *gate
	breaker *breaker
	backoff time.Duration // backoffMin

	mu     sync.Mutex
	closed bool
	sent   sync.WaitGroup // attempts whose booking is not settled
	cut    context.Context
	cutNow context.CancelCauseFunc
	failed error // the first settlement that could not be booked
}

// lateFor is how long an answer is waited for after its attempt was given up: it is billed all the same.
const lateFor = 2 * time.Minute

// The pause before another attempt is at most backoffMin, doubled with every attempt, up to backoffMax.
const (
	backoffMin = 500 * time.Millisecond
	backoffMax = 30 * time.Second
)

var (
	errClosed = errors.New("the caller is closed")
	errCut    = errors.New("the program ends before the answer came")
	errLate   = errors.New("no answer in time")
)

// NewCaller returns a caller, or an error when a required option is missing.
func NewCaller(o CallerOptions) (*Caller, error) {
	switch {
	case o.Name == "" || o.Model == "":
		return nil, errors.New("caller: no name or no model")
	case o.Provider == nil || o.Price == nil || o.Now == nil:
		return nil, fmt.Errorf("caller %s: no provider, prices or clock", o.Name)
	case o.Timeout <= 0:
		return nil, fmt.Errorf("caller %s: timeout is %v (want a time above 0)", o.Name, o.Timeout)
	case o.Limit.Concurrency < 0 || o.Limit.RequestsPerMinute < 0 || o.Limit.TokensPerMinute < 0:
		return nil, fmt.Errorf("caller %s: a limit is below 0", o.Name)
	}
	o.Attempts = max(o.Attempts, 1)
	c := &Caller{o: o, gate: newGate(o.Limit, o.Now), breaker: newBreaker(o.Name, o.Now), backoff: backoffMin}
	if o.Limit.Concurrency > 0 {
		c.slots = make(chan struct{}, o.Limit.Concurrency)
	}
	c.cut, c.cutNow = context.WithCancelCause(context.Background())
	return c, nil
}

// Name returns the name of the model's stanza.
func (c *Caller) Name() string { return c.o.Name }

// LeftAlone reports whether the model is not asked for a while, because it did not answer several times in
// a row.
func (c *Caller) LeftAlone() bool {
	open, _ := c.breaker.open()
	return open
}

// Purpose says what a call is for: what the books say of it, beside its cost.
type Purpose struct {
	AlertID, Search, Team string
	Severity              winnow.Severity // of the alert
	Task                  llm.Task
	Agent                 string
	Prompt                string   // version of the prompt
	Fields                []string // names of the fields whose values leave
	Before                int      // attempts already made for the same question, in other calls
}

// Call asks the model. It returns the reply, which may still be a refusal or cut; or
//
//   - an *[llm.UnavailableError]: nothing about this request, come again later,
//   - an *[llm.BudgetError]: a limit of money is reached,
//   - an *[Error]: this request was not answered, and others may be,
//   - an error that wraps the context's cause.
//
// Usage is that of every attempt, with an error too. An attempt whose cost is not known when Call
// returns is in it at its reserve.
func (c *Caller) Call(ctx context.Context, p Purpose, r *Request) (*Reply, llm.Usage, error) {
	if r.MaxOutput <= 0 {
		return nil, llm.Usage{}, fmt.Errorf("model %s: a request without a limit of output", c.o.Name)
	}
	sent := *r // an attempt may be on its way still when the conversation goes on
	sent.Messages = slices.Clone(r.Messages)
	k := &calling{c: c, p: p, r: &sent, load: weigh(r)}
	if c.o.Batch != nil && r.ID != "" {
		reply, err := k.batch(ctx)
		if !errors.As(err, new(*unbatchedError)) {
			return reply, k.usage, c.final(err)
		}
	}
	tries := c.o.Attempts
	if r.Tier != "" {
		tries++ // the first asks at another tier, the rest go the normal way
	}
	for try := 1; ; try++ {
		reply, err := k.attempt(ctx)
		if err == nil {
			return reply, k.usage, nil
		}
		failure, ok := errors.AsType[*Error](err)
		if ok && failure.Kind == KindRequest && r.Tier != "" && try == 1 {
			continue // the model may not have that tier
		}
		if !ok || !failure.Retryable() || try >= tries {
			return nil, k.usage, c.final(err)
		}
		if waited := c.backOff(ctx, try, failure); waited != nil {
			return nil, k.usage, waited
		}
	}
}

// backOff pauses before another try: a random time, and no less than the provider asks for.
func (c *Caller) backOff(ctx context.Context, try int, failure *Error) error {
	most := backoffMax
	if doubled := c.backoff << min(try-1, 16); doubled < most {
		most = doubled
	}
	pause := rand.N(most + 1) //nolint:gosec // spreads tries in time; nobody gains by guessing it
	pause = max(pause, min(failure.After, maxPause))
	if !inTime(ctx, pause) {
		return c.unavailable(failure, c.o.Now().Add(pause))
	}
	if err := sleep(ctx, pause); err != nil {
		return c.ended(err)
	}
	return nil
}

// final turns the last failure of a call into what it means for the alert. A failure that may lie in
// the request stays one of this request while the provider answers others: else a request that
// breaks the provider's server would wait for ever.
func (c *Caller) final(err error) error {
	failure, ok := errors.AsType[*Error](err)
	if !ok {
		return err
	}
	var until time.Time
	if failure.After > 0 {
		until = c.o.Now().Add(min(failure.After, maxPause))
	}
	switch failure.Kind {
	case KindRequest, KindPolicy:
		return err
	case KindAuth, KindQuota, KindRate, KindOverloaded:
		return c.unavailable(failure, until)
	case KindNetwork:
		if !failure.Sent {
			return c.unavailable(failure, until)
		}
	case KindServer, KindTimeout, KindBadReply:
	}
	if open, until := c.breaker.open(); open {
		return c.unavailable(failure, until)
	}
	return err
}

func (c *Caller) unavailable(cause error, until time.Time) error {
	return &llm.UnavailableError{Model: c.o.Name, Until: until, Cause: cause}
}

// ended is the error of a wait that the context ended.
func (c *Caller) ended(cause error) error {
	return fmt.Errorf("model %s: %w", c.o.Name, cause)
}

// enter counts an attempt that Close has to wait for.
func (c *Caller) enter() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return c.unavailable(errClosed, time.Time{})
	}
	c.sent.Add(1)
	return nil
}

// Close waits for calls that nobody waits for any more, and books them. When the context ends first
// they are cut off, and stay booked at their reserve; that is an error, as is a settlement that could
// not be booked. Later calls are refused.
func (c *Caller) Close(ctx context.Context) error {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	settled := make(chan struct{})
	go func() {
		c.sent.Wait()
		close(settled)
	}()
	var err error
	select {
	case <-settled:
	case <-ctx.Done():
		err = fmt.Errorf("model %s: calls were cut off, and stay booked at their reserve: %w", c.o.Name, context.Cause(ctx))
		c.cutNow(errCut)
		select {
		case <-settled:
		case <-time.After(cutFor):
		}
	}
	c.cutNow(errCut)
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(err, c.failed)
}

// cutFor is how long calls have to end once they are cut off.
const cutFor = 5 * time.Second

// unbooked keeps a settlement that could not be written, for Close. The attempt stays at its reserve.
func (c *Caller) unbooked(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.failed = cmp.Or(c.failed, fmt.Errorf("model %s: book what a call cost: %w", c.o.Name, err))
}

// inTime reports whether a wait ends before the context does.
func inTime(ctx context.Context, wait time.Duration) bool {
	deadline, ok := ctx.Deadline()
	return !ok || wait < time.Until(deadline)
}

// sleep waits, or returns the cause of the context's end.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 && ctx.Err() == nil {
		return nil
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
