package triage

import (
	"fmt"
	"runtime"
	"runtime/debug"
)

// PanicError is a panic that was caught where it can only harm one alert, record or delivery. It says
// nothing of what was panicked with beyond errors of the Go runtime, because that may be text of an alert.
type PanicError struct {
	What  string
	Stack string // names of functions and places, no values of the alert
}

// Error says what kind of panic it was.
func (e *PanicError) Error() string { return "panic: " + e.What }

// maxStack is as much of a stack as helps to find the place.
const maxStack = 4 << 10

// caught turns a panic into an error. It must be deferred itself.
func caught(err *error) {
	v := recover()
	if v == nil {
		return
	}
	what := fmt.Sprintf("a value of type %T", v)
	if known, ok := v.(runtime.Error); ok { //nolint:errorlint // the value itself, as the runtime made it
		what = known.Error()
	}
	stack := debug.Stack()
	*err = &PanicError{What: what, Stack: string(stack[:min(len(stack), maxStack)])}
}

// guarded calls f. A panic of f is an error.
func guarded(f func() error) (err error) {
	defer caught(&err)
	return f()
}
