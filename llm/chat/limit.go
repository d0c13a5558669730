package chat

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// gate lets requests pass as our own limits and the provider's headers allow. Its pauses are timers
// and not instants: they end whatever the clock says.
type gate struct {
	now      func() time.Time
	requests *rate.Limiter // nil: no limit of ours
	tokens   *rate.Limiter

	reserving sync.Mutex // a request takes all its parts of our limits at once, so that none overtakes

	mu       sync.Mutex
	leftReqs window
	leftToks window
	pauses   int           // that have begun and not ended
	until    time.Time     // when the last of them ends
	unpaused chan struct{} // closed when the last pause ends
}

// window is what the provider said is left until it starts anew.
type window struct {
	known bool
	left  int64
	reset time.Time
}

const (
	maxPause = time.Hour   // no header holds a model longer than this
	minPause = time.Second // when nothing is left and nobody says for how long
)

func newGate(l Limit, now func() time.Time) *gate {
	return &gate{
		now: now, requests: limiter(l.RequestsPerMinute), tokens: limiter(l.TokensPerMinute),
		unpaused: make(chan struct{}),
	}
}

// limiter returns a bucket that lets at most perMinute pass in any minute: a tenth at once, the rest
// spread over the minute.
func limiter(perMinute int64) *rate.Limiter {
	if perMinute <= 0 {
		return nil
	}
	burst := max(perMinute/10, 1)
	return rate.NewLimiter(rate.Limit(float64(perMinute-burst+1)/60), int(burst))
}

// pass waits until a request of about so many tokens may be sent. When that would be after the
// context's deadline it does not wait, and returns a *laterError.
func (g *gate) pass(ctx context.Context, tokens int64) error {
	for _, own := range []struct {
		l *rate.Limiter
		n int64
	}{{g.requests, 1}, {g.tokens, tokens}} {
		if err := g.own(ctx, own.l, own.n); err != nil {
			return err
		}
	}
	for {
		wait, until := g.take(tokens)
		if wait == nil {
			return nil
		}
		if !inTime(ctx, until.Sub(g.now())) {
			return &laterError{until}
		}
		select {
		case <-wait:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// own waits for our own limit. What is more than the bucket holds is taken in several parts, so that a
// large request waits longer and is not refused.
func (g *gate) own(ctx context.Context, l *rate.Limiter, n int64) error {
	if l == nil {
		return nil
	}
	now := g.now()
	parts, wait := g.reserve(l, n, now)
	var err error
	if inTime(ctx, wait) {
		err = sleep(ctx, wait)
	} else {
		err = &laterError{now.Add(wait)}
	}
	for i := len(parts) - 1; err != nil && i >= 0; i-- {
		parts[i].CancelAt(g.now())
	}
	return err
}

// reserve takes n from a bucket and returns the parts it took and how long they are to wait. The parts
// of two requests never mix: requests that had most of their parts early would all end together.
func (g *gate) reserve(l *rate.Limiter, n int64, now time.Time) (parts []*rate.Reservation, wait time.Duration) {
	g.reserving.Lock()
	defer g.reserving.Unlock()
	for n > 0 {
		part := min(n, int64(l.Burst()))
		r := l.ReserveN(now, int(part))
		parts, wait, n = append(parts, r), r.DelayFrom(now), n-part
	}
	return parts, wait
}

// take lets one request pass, or returns what to wait for and until when.
func (g *gate) take(tokens int64) (<-chan struct{}, time.Time) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pauses == 0 && g.leftToks.short(tokens) {
		g.holdUntil(&g.leftToks)
	}
	if g.pauses == 0 && g.leftReqs.short(1) {
		g.holdUntil(&g.leftReqs)
	}
	if g.pauses > 0 {
		return g.unpaused, g.until
	}
	g.leftReqs.left--
	g.leftToks.left -= tokens
	return nil, time.Time{}
}

func (w *window) short(n int64) bool { return w.known && w.left < n }

// holdUntil pauses until a window starts anew; what is left then is not known.
func (g *gate) holdUntil(w *window) {
	w.known = false
	g.hold(max(w.reset.Sub(g.now()), minPause/10))
}

// told takes up what the provider's headers say. Limits that nobody filled in say nothing.
func (g *gate) told(l Limits) {
	if l == (Limits{}) {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.window(&g.leftReqs, l.Requests, l.RequestsReset)
	g.window(&g.leftToks, l.Tokens, l.TokensReset)
}

func (g *gate) window(w *window, left int64, reset time.Duration) {
	if left < 0 {
		return
	}
	if reset <= 0 {
		reset = minPause
	}
	reset = min(reset, maxPause)
	*w = window{known: true, left: left, reset: g.now().Add(reset)}
	if left == 0 {
		g.holdUntil(w)
	}
}

// pause holds every request for a while: the provider asked for it.
func (g *gate) pause(d time.Duration) {
	if d <= 0 {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.hold(d)
}

func (g *gate) hold(d time.Duration) {
	d = min(d, maxPause)
	if until := g.now().Add(d); until.After(g.until) {
		g.until = until
	}
	g.pauses++
	time.AfterFunc(d, g.resume)
}

func (g *gate) resume() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.pauses--; g.pauses == 0 {
		close(g.unpaused)
		g.unpaused = make(chan struct{})
	}
}

// laterError says that a request may only be sent after its deadline.
type laterError struct{ until time.Time }

func (e *laterError) Error() string { return "its rate limit is reached for longer than there is time" }
