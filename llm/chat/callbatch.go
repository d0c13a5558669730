package chat

import (
	"context"
	"errors"
	"time"

	"github.com/winnow-soc/winnow/llm/prices"
)

// batch puts the request to the batch and waits, which may take hours. An *unbatchedError means that it
// goes the normal way. A request that stays on its way when the context ends keeps its booking: the run
// that takes the answer up settles it.
func (k *calling) batch(ctx context.Context) (*Reply, error) {
	c := k.c
	a, err := k.reserveBatch(ctx)
	if err != nil {
		return nil, err
	}
	reply, left, err := c.o.Batch.ask(ctx, k.r, a.booking)
	took := c.o.Now().Sub(a.at)
	failure, ofRequest := errors.AsType[*Error](err)
	unbatched, other := errors.AsType[*unbatchedError](err)
	switch {
	case err == nil || ofRequest:
		k.add(a.settle(ctx, reply, err, took))
		return reply, err
	case other:
		failure = &Error{Kind: kindBatch, Sent: unbatched.sent}
	case left:
		k.add(a.worst())
	default:
		failure = &Error{Kind: kindBatch}
	}
	if failure != nil {
		k.add(a.settle(ctx, nil, failure, took))
	}
	switch {
	case other:
		return nil, err
	case ctx.Err() != nil:
		return nil, c.ended(context.Cause(ctx))
	}
	return nil, c.unavailable(err, time.Time{})
}

// reserveBatch books the request, or finds the booking of the run that has sent it.
func (k *calling) reserveBatch(ctx context.Context) (*attempt, error) {
	booking, ok := k.c.o.Batch.booked(k.r)
	if !ok {
		return k.reserve(ctx, prices.TierBatch)
	}
	k.tries++
	a := k.newAttempt(prices.TierBatch)
	a.booking = booking
	return a, nil
}

// kindBatch is the reason of a booking whose request a batch did not answer. No provider returns it.
const kindBatch Kind = "not_batched"
