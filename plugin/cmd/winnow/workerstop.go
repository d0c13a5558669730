package main

import (
	"context"
	"errors"
	"log/slog"
	"math"
	"runtime/debug"
	"sync/atomic"
	"time"
)

// Why a modular input ends by itself. splunkd starts it again, with a new session.
var (
	errSessionOver = errors.New("splunkd does not accept the session key any more (401): the worker ends, so that splunkd starts it again with a new one")
	errParentGone  = errors.New("splunkd has gone")
)

// sessionGrace is how long a session key must have been good for its end to be an end: one that was
// never good would have splunkd start the worker again and again.
const sessionGrace = time.Minute

// sessionEnds returns what is called when splunkd does not accept the session key.
func (g *globals) sessionEnds(end context.CancelCauseFunc) func() {
	began := g.now()
	return func() {
		if g.now().Sub(began) >= sessionGrace {
			end(errSessionOver)
		}
	}
}

// parentLook is how often a modular input looks whether splunkd still lives.
const parentLook = 2 * time.Second

// watchParent ends the worker when the process that started it has gone, and nobody told the worker to
// end: a splunkd that was killed cannot. That standard input is closed says nothing, because splunkd
// closes it as soon as the configuration is written: readers of that document, Splunk's own library
// among them, wait for its end. See docs/adr/0011.
func watchParent(gone func() bool, end context.CancelCauseFunc) (stop func()) {
	done := make(chan struct{})
	look := time.NewTicker(parentLook)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-look.C:
				if gone() {
					end(errParentGone)
					return
				}
			}
		}
	}()
	return func() {
		look.Stop()
		close(done)
	}
}

// whyEnded says why a worker has ended by itself; being told to end is no error.
func (g *globals) whyEnded(ctx context.Context, log *slog.Logger) error {
	switch cause := context.Cause(ctx); {
	case errors.Is(cause, errSessionOver):
		return cause
	case errors.Is(cause, errParentGone):
		log.Warn("splunkd has gone: the worker ends")
	}
	return nil
}

// drain is the one bound on how long a worker takes to end, from when it is told.
type drain struct {
	whole time.Duration
	now   func() time.Time
	began atomic.Pointer[time.Time]
}

func newDrain(ctx context.Context, whole time.Duration, now func() time.Time) *drain {
	d := &drain{whole: whole, now: now}
	context.AfterFunc(ctx, func() { d.began.Store(new(now())) })
	return d
}

// drainLeast is what is left of a drain at least: whoever ends looks once whether anything has come.
const drainLeast = 100 * time.Millisecond

// left returns how much of the drain is left: all of it while nobody has told the worker to end.
func (d *drain) left() time.Duration {
	began := d.began.Load()
	if began == nil {
		return d.whole
	}
	return max(d.whole-d.now().Sub(*began), drainLeast)
}

// limitMemory has the runtime collect garbage harder above a number of bytes; 0 is no limit. Whoever sets
// GOMEMLIMIT knows better.
func (g *globals) limitMemory(bytes int64) {
	if g.getenv("GOMEMLIMIT") != "" {
		return
	}
	if bytes == 0 {
		bytes = math.MaxInt64
	}
	debug.SetMemoryLimit(bytes)
}
