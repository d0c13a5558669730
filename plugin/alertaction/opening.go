package alertaction

import (
	"time"

	"github.com/winnow-soc/winnow"
)

// opening is a gate that is being opened, beside what else there is to do. Nobody waits for it
// past the deadline: a rule file on a disk that hangs must not keep the alert from being stored
// before splunkd loses patience.
type opening struct {
	done chan opened
	late <-chan time.Time
}

// opened is a gate, and what went wrong while it was opened.
type opened struct {
	gate Gate
	err  error
}

// openGate begins to open the gate. Without keys or a configuration there is none.
func (a *action) openGate() {
	a.gate = passAll(winnow.ReasonRulesUnread)
	if a.keys == nil || a.broken != nil {
		return
	}
	o := &opening{done: make(chan opened, 1), late: a.env.after(a.deadline().Sub(a.env.Now()))}
	go func() {
		gate, err := a.env.OpenGate(a.deployment, a.keys, a.received)
		o.done <- opened{gate, err}
	}()
	a.opening = o
}

// takeGate waits for the gate.
func (a *action) takeGate() Gate {
	if a.opening == nil {
		return a.gate
	}
	got, ok := a.opening.wait()
	if !ok {
		a.log.Error("rules and lists could not be read within %s ([gate] deadline): nothing is dropped",
			a.deployment.Settings.Gate.Deadline)
		return a.gate
	}
	if got.gate != nil {
		a.gate = got.gate
	}
	if got.err != nil {
		a.log.Error("%v", got.err)
	}
	return a.gate
}

// wait reports false when it is too late.
func (o *opening) wait() (opened, bool) {
	select {
	case got := <-o.done: // before it is asked how late it is: copying large results takes its time
		return got, true
	default:
	}
	select {
	case got := <-o.done:
		return got, true
	case <-o.late:
		return opened{}, false
	}
}
