package health

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Check is one answer of /healthz or /readyz.
type Check struct {
	Check  string `json:"check"`
	OK     bool   `json:"ok"`
	Detail string `json:"detail"`
}

// clockSlack is how far a clock may be set at once: network time does less.
const clockSlack = time.Minute

// Live checks whether the worker does something: it beats for each thing it has done, so a loop that does
// not beat within [gate] worker_grace hangs. The alert action comes to the same end.
func (m *Metrics) Live() []Check {
	s := m.source.Load()
	if s == nil {
		return []Check{failed("loop", errors.New("the worker has not begun"))}
	}
	beat := m.beat.Load()
	if beat == 0 {
		return []Check{failed("loop", errors.New("no turn has ended yet"))}
	}
	grace := s.Deployment.Settings.Gate.WorkerGrace
	if ago := s.Now().Sub(time.Unix(0, beat)); ago.Abs() > grace {
		return []Check{failed("loop", fmt.Errorf("nothing was done for %s, [gate] worker_grace is %s", ago.Round(time.Second), grace))}
	}
	return []Check{{"loop", true, "the worker does its turns"}}
}

// Ready checks what the worker needs to take alerts to their outcomes.
func (m *Metrics) Ready(ctx context.Context) []Check {
	checks := m.Live()
	s := m.source.Load()
	if s == nil {
		return checks
	}
	x := s.sample(ctx)
	checks = append(checks,
		judge("ledger", x.err["ledger"], "it can be read"),
		judge("spool", x.err["spool"], fmt.Sprintf("%d files wait", x.records)))
	disk := x.err["disk"]
	if disk == nil && x.free < x.minFree {
		disk = fmt.Errorf("%d bytes are free, [gate] min_free is %d: the alert action stores nothing", x.free, x.minFree)
	}
	var clock error
	if x.jumped.Abs() > clockSlack {
		clock = fmt.Errorf("the clock was set by %s", x.jumped.Round(time.Second))
	}
	return append(checks, judge("disk", disk, "there is room"), judge("clock", clock, "it goes evenly"))
}

func failed(check string, err error) Check { return Check{check, false, err.Error()} }

func judge(check string, err error, fine string) Check {
	if err != nil {
		return failed(check, err)
	}
	return Check{check, true, fine}
}
