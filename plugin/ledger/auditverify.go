package ledger

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/winnow-soc/winnow/plugin/audit"
)

// VerifyOptions say what a chain is held against.
type VerifyOptions struct {
	Key     audit.Key          // that checkpoints are signed with
	Outside []audit.Checkpoint // kept elsewhere, see [audit.ReadCheckpoints]

	// AfterAccepted begins behind the last entry by which a person accepted a broken chain.
	AfterAccepted bool

	Progress func(entries int64) // called now and then; nil for nobody
}

// Verification is what came of it. It holds when there are no faults.
type Verification struct {
	First    int64      `json:"first"` // entry
	Last     int64      `json:"last"`
	Entries  int64      `json:"entries"`
	Head     audit.Hash `json:"head"`
	Signed   int64      `json:"signed"`  // the last entry that a checkpoint agrees with
	Outside  int        `json:"outside"` // checkpoints from outside that agree
	Older    int        `json:"older"`   // those from outside that are older than the chain
	Foreign  int        `json:"foreign"` // those from outside of other keys
	Alerts   int        `json:"alerts"`
	Bare     int        `json:"without_fields"` // of these, alerts whose fields retention removed, as entries tell
	Archived int        `json:"archived"`
	Accepted int        `json:"accepted"` // times that a person accepted a broken chain

	Faults []*audit.Fault `json:"faults"` // the first of them
	More   int            `json:"more"`   // faults beside these
}

// maxFaults is how many faults are named.
const maxFaults = 100

func (v *Verification) add(faults ...*audit.Fault) {
	for _, f := range faults {
		if len(v.Faults) == maxFaults {
			v.More++
			continue
		}
		v.Faults = append(v.Faults, f)
	}
}

// Verify holds the chain against its hashes and checkpoints, and alerts and archive against the chain.
// Memory does not grow with the ledger. An error is one of reading; what is wrong is a fault.
func (t *Tx) Verify(o VerifyOptions) (*Verification, error) {
	v := &Verification{Faults: []*audit.Fault{}}
	if err := t.verifyChain(&o, v); err != nil {
		return v, err
	}
	collect := func(f *audit.Fault) error { v.add(f); return nil }
	var err error
	if v.Alerts, err = t.VerifyAlerts(collect); err != nil {
		return v, err
	}
	if v.Bare, err = t.verifyFields(collect); err != nil {
		return v, err
	}
	v.Archived, err = t.VerifyArchive(collect)
	return v, err
}

func (t *Tx) verifyChain(o *VerifyOptions, v *Verification) error {
	c := audit.Chain{Key: o.Key, Outside: o.Outside}
	start, err := t.verifyFrom(o)
	if err != nil {
		return err
	}
	if c.Inside, err = t.Checkpoints(start.seq); err != nil {
		return err
	}
	if start.seq > 0 {
		c.Resume(start.seq, start.hash)
		c.Outside = after(o.Outside, start.seq)
	}
	removed, err := t.removed()
	if err != nil {
		return err
	}
	c.Removed, c.RemovedHead = removed.Through, removed.Head
	err = t.EachEntry(start.seq, func(e *audit.Entry, own audit.Hash) error {
		v.add(c.Add(e, own)...)
		if v.Entries++; v.Entries%100_000 == 0 && o.Progress != nil {
			o.Progress(v.Entries)
		}
		if e.Kind == audit.KindAccepted {
			v.Accepted++
		}
		return t.ctx.Err()
	})
	if err != nil {
		return err
	}
	v.add(c.End()...)
	v.add(t.verifyEnd(&c, start.seq == 0)...)
	v.add(foreign(o, v)...)
	v.First, v.Last, v.Head, v.Signed, v.Outside, v.Older = c.First, c.Seq, c.Head, c.Covered.Seq, c.Matched, c.Before
	return nil
}

// verifyFrom is where the walk begins: before the first entry, or behind the last that was accepted.
func (t *Tx) verifyFrom(o *VerifyOptions) (h auditHead, err error) {
	if !o.AfterAccepted {
		return h, nil
	}
	last, found, err := t.LastNote(audit.KindAccepted, 0)
	if err != nil || !found {
		return h, err
	}
	err = t.EachEntry(last.Seq-1, func(e *audit.Entry, own audit.Hash) error {
		if e.Seq == last.Seq {
			h.seq, h.hash = e.Seq, own
		}
		return errEnough
	})
	if errors.Is(err, errEnough) {
		err = nil
	}
	return h, err
}

// errEnough ends a walk.
var errEnough = errors.New("enough")

func after(list []audit.Checkpoint, seq int64) []audit.Checkpoint {
	for i := range list {
		if list[i].Seq > seq {
			return list[i:]
		}
	}
	return nil
}

// verifyEnd compares the end of the chain with the head that is kept apart from it, and its beginning with
// what retention says.
func (t *Tx) verifyEnd(c *audit.Chain, whole bool) (faults []*audit.Fault) {
	head, err := t.readHead()
	switch {
	case err != nil:
		faults = append(faults, &audit.Fault{Text: err.Error()})
	case head.seq > c.Seq:
		faults = append(faults, &audit.Fault{Entry: c.Seq + 1, Text: fmt.Sprintf("missing: the chain ends with entry %d, and entry %d was the last that was written", c.Seq, head.seq)})
	case head.seq != c.Seq || head.hash != c.Head:
		faults = append(faults, &audit.Fault{Entry: c.Seq, Text: "it is the last of the chain, and not the last that was written"})
	}
	if !whole || c.First <= 1 {
		return faults
	}
	if c.Removed != c.First-1 {
		faults = append(faults, &audit.Fault{Entry: c.First, Text: fmt.Sprintf("the chain begins with it, and retention removed the entries up to %d", c.Removed)})
	}
	return faults
}

// removed returns the last removal of entries that retention tells of, the zero value for none.
func (t *Tx) removed() (last audit.Retention, err error) {
	err = t.entries(func(e *audit.Entry, _ audit.Hash) error {
		var r audit.Retention
		if json.Unmarshal(e.Body, &r) == nil && r.Through > 0 {
			last = r
			return errEnough
		}
		return nil // the chain itself shows when it was changed
	}, "SELECT seq, at, kind, subject, body, hash FROM audit WHERE kind = ? AND subject = '' ORDER BY seq DESC", string(audit.KindRetention))
	if errors.Is(err, errEnough) {
		err = nil
	}
	return last, err
}

// foreign counts checkpoints from outside of other keys: other hosts' may lie in the same file. When there
// is none of this one, nothing was compared.
func foreign(o *VerifyOptions, v *Verification) []*audit.Fault {
	for i := range o.Outside {
		if o.Outside[i].Key != o.Key {
			v.Foreign++
		}
	}
	if len(o.Outside) > 0 && v.Foreign == len(o.Outside) {
		return []*audit.Fault{{Text: fmt.Sprintf("none of the checkpoints from outside is signed with this chain's key %s", o.Key)}}
	}
	return nil
}
