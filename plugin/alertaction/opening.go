package alertaction

import (
	"time"

	"github.com/winnow-soc/winnow"
)

// opened is a gate, and what went wrong while it was opened.
type opened struct {
	gate Gate
	err  error
}

// openGate opens the gate beside what else there is to do. Without keys or a configuration there
// is none: it returns nil.
func (a *action) openGate() <-chan opened {
	if a.keys == nil || a.broken != nil {
		return nil
	}
	out := make(chan opened, 1)
	go func() {
		gate, err := a.env.OpenGate(a.deployment, a.keys, a.received)
		out <- opened{gate, err}
	}()
	return out
}

// takeGate waits for the gate, but not past the deadline: a rule file on a disk that hangs must not
// keep the alert from being stored before splunkd loses patience.
func (a *action) takeGate(opening <-chan opened, late <-chan time.Time) {
	a.gate = passAll(winnow.ReasonRulesUnread)
	if opening == nil {
		return
	}
	select {
	case got := <-opening:
		if got.gate != nil {
			a.gate = got.gate
		}
		if got.err != nil {
			a.log.Error("%v", got.err)
		}
	case <-late:
		a.log.Error("rules and lists could not be read within %s ([gate] deadline): nothing is dropped",
			a.deployment.Settings.Gate.Deadline)
	}
}
