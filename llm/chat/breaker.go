package chat

import (
	"errors"
	"sync"
	"time"

	"github.com/sony/gobreaker/v2"
)

// breaker keeps calls from a provider that does not answer any: after breakerFailures in a row it is
// open for breakerPause, then one call may try.
type breaker struct {
	two *gobreaker.TwoStepCircuitBreaker[struct{}]
	now func() time.Time

	mu    sync.Mutex
	until time.Time
}

const (
	breakerFailures = 5
	breakerPause    = 30 * time.Second
)

var (
	errOpen    = errors.New("it failed several times in a row, and is left alone for a while")
	errNotSent = errors.New("not sent")
)

func newBreaker(name string, now func() time.Time) *breaker {
	b := &breaker{now: now}
	b.two = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
		Name:         name,
		Timeout:      breakerPause,
		ReadyToTrip:  func(c gobreaker.Counts) bool { return c.ConsecutiveFailures >= breakerFailures },
		IsSuccessful: answered,
		IsExcluded:   saysNothing,
		OnStateChange: func(_ string, _, to gobreaker.State) {
			if to != gobreaker.StateOpen {
				return
			}
			b.mu.Lock()
			defer b.mu.Unlock()
			b.until = b.now().Add(breakerPause)
		},
	})
	return b
}

// answered reports whether the provider is up: it answered, if only to refuse this request.
func answered(err error) bool {
	failure, ok := errors.AsType[*Error](err)
	return err == nil || ok && (failure.Kind == KindRequest || failure.Kind == KindPolicy)
}

// saysNothing reports whether an outcome says neither that the provider is up nor that it is down:
// nothing was sent, or it only has too much to do.
func saysNothing(err error) bool {
	failure, ok := errors.AsType[*Error](err)
	return errors.Is(err, errNotSent) || ok && failure.Kind == KindRate
}

// allow asks to send. After nil, done takes what became of it, errNotSent when nothing was sent.
func (b *breaker) allow() (done func(error), err error) {
	if done, err = b.two.Allow(); err != nil {
		return nil, errOpen
	}
	return done, nil
}

// open reports whether nothing may be sent now, and until when.
func (b *breaker) open() (bool, time.Time) {
	if b.two.State() != gobreaker.StateOpen {
		return false, time.Time{}
	}
	return true, b.opensAt()
}

// opensAt returns when the next call may try.
func (b *breaker) opensAt() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.until
}
