package chat

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/prices"
)

// calling is one Call on its way through its attempts.
type calling struct {
	c     *Caller
	p     Purpose
	r     *Request
	load  load
	tries int
	usage llm.Usage
}

// attempt is one attempt whose worst case is booked.
type attempt struct {
	*calling
	request *Request
	tier    string // service tier that is asked for
	at      time.Time
	charge  llm.Charge
	booking llm.Booking
}

// outcome is what became of an attempt, and what it cost.
type outcome struct {
	reply *Reply
	err   error
	usage llm.Usage
}

// attempt waits until a request may be sent, books it, and sends it.
func (k *calling) attempt(ctx context.Context) (*Reply, error) {
	c := k.c
	if open, until := c.breaker.open(); open {
		return nil, c.unavailable(errOpen, until)
	}
	free, err := k.wait(ctx)
	if err != nil {
		return nil, err
	}
	answered, err := c.breaker.allow()
	if err != nil {
		free()
		return nil, c.unavailable(err, c.breaker.opensAt())
	}
	a, err := k.reserve(ctx, "")
	if err == nil {
		err = c.enter()
		if err != nil {
			a.settle(ctx, nil, &Error{Kind: KindNetwork}, 0)
		}
	}
	if err != nil {
		answered(errNotSent)
		free()
		return nil, err
	}
	out := a.send(ctx, answered, free)
	k.add(out.usage)
	return out.reply, out.err
}

func (k *calling) add(u llm.Usage) {
	k.usage.Calls += u.Calls
	k.usage.InputTokens += u.InputTokens
	k.usage.CachedTokens += u.CachedTokens
	k.usage.OutputTokens += u.OutputTokens
	k.usage.Price += u.Price
	k.usage.Unpriced += u.Unpriced
}

// wait takes a slot and waits for the limits. free gives the slot back.
func (k *calling) wait(ctx context.Context) (free func(), err error) {
	c := k.c
	free = func() {}
	if c.slots != nil {
		select {
		case c.slots <- struct{}{}:
			free = func() { <-c.slots }
		case <-ctx.Done():
			return nil, c.ended(context.Cause(ctx))
		}
	}
	err = c.gate.pass(ctx, k.load.guess)
	if err == nil && ctx.Err() != nil {
		err = context.Cause(ctx)
	}
	if err == nil {
		return free, nil
	}
	free()
	if later, ok := errors.AsType[*laterError](err); ok {
		return nil, c.unavailable(later, later.until)
	}
	return nil, c.ended(err)
}

// newAttempt describes the next attempt for the books: at a service tier, or at that of the request or the model.
func (k *calling) newAttempt(tier string) *attempt {
	a := &attempt{calling: k, request: k.r, at: k.c.o.Now()}
	if k.tries > 1 && k.r.Tier != "" { // what is cheaper has less room: the next try goes the normal way
		normal := *k.r
		normal.Tier = ""
		a.request = &normal
	}
	a.tier = prices.ServiceTier(cmp.Or(tier, a.request.Tier, k.c.o.ServiceTier))
	a.charge = llm.Charge{
		AlertID: k.p.AlertID, Search: k.p.Search, Team: k.p.Team, Severity: k.p.Severity, Task: k.p.Task, Agent: k.p.Agent,
		Model: k.c.o.Model, Source: k.c.o.Name, Prompt: k.p.Prompt, Attempt: k.p.Before + k.tries,
		Fields: k.p.Fields, Bytes: k.load.bytes, SHA256: k.load.sha256, Tokens: plus(k.load.input, k.load.output),
	}
	if price, ok := k.c.o.Price(k.c.o.Model, a.at); ok {
		a.charge.Reserve = k.load.worst(price, a.tier)
	} else {
		a.charge.Unpriced = true
	}
	return a
}

// reserve books the worst case of the next attempt.
func (k *calling) reserve(ctx context.Context, tier string) (*attempt, error) {
	k.tries++
	a := k.newAttempt(tier)
	if k.c.o.Budget == nil {
		return a, nil
	}
	var err error
	if a.booking, err = k.c.o.Budget.Reserve(ctx, a.charge); err == nil {
		return a, nil
	}
	switch {
	case errors.As(err, new(*llm.BudgetError)):
		return nil, err
	case ctx.Err() != nil:
		return nil, k.c.ended(context.Cause(ctx))
	}
	return nil, k.c.unavailable(fmt.Errorf("book the call: %w", err), time.Time{})
}

// send sends the request and waits for the answer, as long as an attempt may take and the context
// lasts. An answer that comes later is booked all the same: it is billed, and keeps its slot until then.
func (a *attempt) send(ctx context.Context, answered func(error), free func()) outcome {
	c := a.c
	var once sync.Once
	learned := func(err error) { once.Do(func() { answered(err) }) }
	hard, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), c.o.Timeout+lateFor, errLate)
	unhook := context.AfterFunc(c.cut, cancel)
	answer := make(chan outcome, 1)
	go func() {
		defer c.sent.Done()
		defer cancel()
		defer unhook()
		reply, err := complete(hard, c.o.Provider, a.request)
		c.learn(reply, err)
		usage := a.settle(hard, reply, err, c.o.Now().Sub(a.at))
		learned(err)
		free()
		answer <- outcome{reply, err, usage}
	}()
	patience := time.NewTimer(c.o.Timeout)
	defer patience.Stop()
	select {
	case out := <-answer:
		return out
	case <-patience.C:
		late := &Error{Kind: KindTimeout, Sent: true}
		learned(late)
		return a.abandoned(answer, late)
	case <-ctx.Done():
		return a.abandoned(answer, c.ended(context.Cause(ctx)))
	}
}

// abandoned is the outcome of an attempt that nobody waits for any more: as dear as it can be.
func (a *attempt) abandoned(answer <-chan outcome, err error) outcome {
	select {
	case out := <-answer: // it came at the last moment
		return out
	default:
		return outcome{err: err, usage: a.worst()}
	}
}

func (a *attempt) worst() llm.Usage {
	u := llm.Usage{Calls: 1, Price: a.charge.Reserve}
	if a.charge.Unpriced {
		u.Unpriced = 1
	}
	return u
}

// complete asks the provider once. Every failure becomes an *Error, also that of a provider that breaks
// its promises: the answer may have been what broke it.
func complete(ctx context.Context, p Provider, r *Request) (reply *Reply, err error) {
	defer func() {
		if recover() != nil {
			reply, err = nil, &Error{Kind: KindBadReply, Sent: true}
		}
	}()
	reply, err = p.Complete(ctx, r)
	switch {
	case err == nil && reply == nil:
		return nil, &Error{Kind: KindBadReply, Sent: true}
	case err == nil:
		return reply, nil
	}
	if failure, ok := errors.AsType[*Error](err); ok {
		return nil, failure
	}
	return nil, &Error{Kind: KindBadReply, Sent: true}
}

// learn takes up what an answer says of the provider's limits.
func (c *Caller) learn(reply *Reply, err error) {
	if reply != nil {
		c.gate.told(reply.Limits)
		return
	}
	failure, ok := errors.AsType[*Error](err)
	if !ok {
		return
	}
	if failure.Limits != nil {
		c.gate.told(*failure.Limits)
	}
	c.gate.pause(failure.After)
}

// settle books what an attempt cost and returns it.
func (a *attempt) settle(ctx context.Context, reply *Reply, failure error, took time.Duration) llm.Usage {
	s, usage := a.settlement(reply, failure)
	s.Took = took
	if a.c.o.Budget == nil {
		return usage
	}
	if err := a.c.o.Budget.Settle(context.WithoutCancel(ctx), a.booking, s); err != nil {
		a.c.unbooked(err)
		return a.worst()
	}
	return usage
}

func (a *attempt) settlement(reply *Reply, failure error) (llm.Settlement, llm.Usage) {
	if failure == nil {
		return a.answered(reply)
	}
	s := llm.Settlement{State: llm.Unsettled, Reason: string(KindBadReply)}
	if e, ok := errors.AsType[*Error](failure); ok {
		s.Reason = string(e.Kind)
		if !e.Sent {
			s.State = llm.Released
			return s, llm.Usage{Calls: refusals(e)}
		}
	}
	s.Price = a.charge.Reserve
	return s, a.worst()
}

// refusals is 1 for a request that the provider refused, and 0 for one that never left.
func refusals(e *Error) int {
	if e.Status != 0 {
		return 1
	}
	return 0
}

// answered settles an attempt with a reply. A usage that cannot be is not believed where it is cheaper
// than the worst case.
func (a *attempt) answered(reply *Reply) (llm.Settlement, llm.Usage) {
	in := bill(a.c.priced(reply.Model, a.at), a.tier, reply)
	known := in.priced
	s := llm.Settlement{
		State: llm.Settled, Reason: "ok", Price: in.price, Model: reply.Model, Tier: in.tier,
		InputTokens: count(reply.Usage.Input), CachedTokens: count(reply.Usage.Cached),
		CacheWriteTokens: count(reply.Usage.CacheWrite), OutputTokens: count(reply.Usage.Output),
	}
	if reply.Stop != StopEnd && reply.Stop != StopTools {
		s.Reason = string(reply.Stop)
	}
	if in.tierless {
		s.Reason += ", " + ReasonUnknownTier
	}
	if doubt := a.load.doubt(reply); doubt != "" {
		s.Reason += ", " + doubt
		if reply.NoUsage || in.price <= a.charge.Reserve {
			s.State, s.Price, known = llm.Unsettled, a.charge.Reserve, !a.charge.Unpriced
		}
	}
	u := llm.Usage{
		Calls: 1, InputTokens: s.InputTokens, CachedTokens: s.CachedTokens, OutputTokens: s.OutputTokens, Price: s.Price,
	}
	if !known {
		u.Unpriced = 1
	}
	return s, u
}

// ReasonUnknownTier is part of the reason of a settlement whose service tier no price list knows: it is priced as
// the dearest that is known.
const ReasonUnknownTier = "unknown service tier"

// count keeps sums of tokens inside an int64, whatever a provider tells.
func count(tokens int64) int64 { return min(max(tokens, 0), 1<<40) }
