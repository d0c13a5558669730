package ledger

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Cost is one attempt of one call as sinks are told of it, once nothing more will become of it.
type Cost struct {
	Call
	AlertID  string
	Provider string // as [model:NAME] names it, "" when there is no such stanza any more
}

// CostCursor says which calls a sink has been told of: all up to a booking, but for some that were on their way
// or that it did not take. The calls themselves are what waits for it, so nothing is written for each of them.
type CostCursor struct {
	Through int64   `json:"through"`
	Open    []int64 `json:"open"`
}

// maxCostsOpen bounds how many calls a cursor passes over. Beyond that it waits for one of them.
const maxCostsOpen = 5000

func costMeta(sink string) string { return "costs/" + sink }

// BeginCosts has a sink told of every call that is made from now on. For one that was told before it changes
// nothing.
func (t *Tx) BeginCosts(sink string) error {
	known, err := t.Meta(costMeta(sink))
	if err != nil || known != "" {
		return err
	}
	var c CostCursor
	if _, err := t.get("SELECT coalesce(max(n), 0) FROM calls", nil, &c.Through); err != nil {
		return err
	}
	return t.SetCosts(sink, c)
}

// SetCosts keeps what a sink has been told.
func (t *Tx) SetCosts(sink string, c CostCursor) error {
	text, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("ledger: encode what %s was told: %w", sink, err)
	}
	return t.SetMeta(costMeta(sink), string(text))
}

// UntoldCalls returns up to limit calls that nothing more will become of and that a sink has not been told of, in
// the order of their bookings, and its cursor once it has been told of them all. A call that is told is
// settled, released, or unsettled for good; one that is still reserved is told of later.
func (t *Tx) UntoldCalls(sink string, limit int) (out []Cost, next CostCursor, err error) {
	text, err := t.Meta(costMeta(sink))
	if err != nil {
		return nil, next, err
	}
	var c CostCursor
	if text != "" {
		if err := json.Unmarshal([]byte(text), &c); err != nil {
			return nil, next, fmt.Errorf("ledger: what %s was told of is unreadable: %w", sink, err)
		}
	}
	next.Through = c.Through
	for _, n := range c.Open {
		calls, err := t.callList("SELECT "+callColumns+" FROM calls WHERE n = ?", n)
		switch {
		case err != nil:
			return nil, next, err
		case len(calls) == 0: // past retention
		case calls[0].State == CallReserved || len(out) >= limit:
			next.Open = append(next.Open, n)
		default:
			out = append(out, Cost{Call: calls[0]})
		}
	}
	if out, err = t.moreUntold(out, &next, limit); err != nil {
		return nil, next, err
	}
	for i := range out {
		if _, err := t.get("SELECT alert FROM calls WHERE n = ?", []any{out[i].N}, &out[i].AlertID); err != nil {
			return nil, next, err
		}
	}
	return out, next, nil
}

// moreUntold adds calls beyond the cursor.
func (t *Tx) moreUntold(out []Cost, next *CostCursor, limit int) ([]Cost, error) {
	for len(out) < limit && len(next.Open) < maxCostsOpen {
		calls, err := t.callList("SELECT "+callColumns+" FROM calls WHERE n > ? ORDER BY n LIMIT ?", next.Through, limit-len(out))
		if err != nil || len(calls) == 0 {
			return out, err
		}
		for _, call := range calls {
			next.Through = call.N
			if call.State == CallReserved {
				next.Open = append(next.Open, call.N)
				continue
			}
			out = append(out, Cost{Call: call})
		}
	}
	return out, nil
}

// Untold has a cursor say that a call was not taken after all.
func (c *CostCursor) Untold(n int64) {
	c.Open = append(c.Open, n)
	slices.Sort(c.Open)
}
