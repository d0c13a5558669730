package audit

import (
	"fmt"
	"time"
)

// Fault is one thing that is wrong with a chain.
type Fault struct {
	Entry   int64  `json:"entry"`   // the first entry that is not as it was, 0 where none can be named
	Subject string `json:"subject"` // the alert it is about, ""
	Text    string `json:"text"`
}

// Error says what is wrong and where.
func (f *Fault) Error() string {
	switch {
	case f.Entry > 0:
		return fmt.Sprintf("entry %d: %s", f.Entry, f.Text)
	case f.Subject != "":
		return fmt.Sprintf("alert %s: %s", f.Subject, f.Text)
	}
	return f.Text
}

// Chain walks over a chain in order, and compares it with its hashes and with the checkpoints given to
// it. It holds one hash and the checkpoints. The zero value begins with entry 1.
type Chain struct {
	// Key is the one key that counts. Checkpoints of others are not looked at.
	Key Key

	// Inside are those that are kept beside the chain, Outside those that were kept elsewhere; both in
	// the order of their numbers.
	Inside, Outside []Checkpoint

	// Removed is the last entry that retention says it has removed, and RemovedHead its hash: the chain may
	// begin behind it.
	Removed     int64
	RemovedHead Hash

	Seq  int64 // the last entry that was looked at
	Head Hash
	At   int64 // of the last entry

	First   int64      // the first entry there is
	Covered Checkpoint // the last checkpoint that agrees
	Matched int        // checkpoints from outside that agree
	Before  int        // those from outside that are older than the first entry

	in, out int
}

// Resume begins a walk behind an entry that is known to be good.
func (c *Chain) Resume(seq int64, head Hash) { c.Seq, c.Head = seq, head }

// Add looks at the next entry, which says that its hash is own. It returns every fault of it; the walk
// goes on from the hash that it says, so that one bad entry does not make bad ones of all after it.
func (c *Chain) Add(e *Entry, own Hash) (faults []*Fault) {
	bad := func(format string, args ...any) {
		faults = append(faults, &Fault{Entry: e.Seq, Text: fmt.Sprintf(format, args...)})
	}
	if c.First == 0 {
		c.First = e.Seq
		if f := c.begin(e); f != nil {
			faults = append(faults, f)
		}
	} else if e.Seq != c.Seq+1 {
		bad("follows entry %d: %s", c.Seq, missing(c.Seq+1, e.Seq-1))
	}
	if e.Hash(c.Head) != own {
		bad("it, or what stood before it, is not what was written")
	}
	c.Seq, c.Head, c.At = e.Seq, own, e.At
	for ; c.in < len(c.Inside) && c.Inside[c.in].Seq <= e.Seq; c.in++ {
		c.hold(&c.Inside[c.in], e.Seq, "the checkpoint kept beside it", bad)
	}
	for ; c.out < len(c.Outside) && c.Outside[c.out].Seq <= e.Seq; c.out++ {
		if at := &c.Outside[c.out]; at.Key == c.Key && c.hold(at, e.Seq, "the checkpoint from outside", bad) {
			c.Matched++
		}
	}
	return faults
}

// begin checks the front of a chain of which old entries were removed: an entry that stays says behind which,
// or a checkpoint does.
func (c *Chain) begin(e *Entry) *Fault {
	if e.Seq == c.Seq+1 {
		return nil // behind what is known to be good, or entry 1
	}
	if c.Removed == e.Seq-1 {
		c.Head = c.RemovedHead
	}
	for ; c.in < len(c.Inside) && c.Inside[c.in].Seq < e.Seq; c.in++ {
		if at := &c.Inside[c.in]; at.Seq == e.Seq-1 && at.Key == c.Key && at.Valid() {
			if !c.Head.IsZero() && c.Head != at.Head {
				return &Fault{Entry: e.Seq, Text: "the chain begins with it, and the checkpoint kept beside it has another hash before it"}
			}
			c.Head, c.Covered = at.Head, *at
		}
	}
	for ; c.out < len(c.Outside) && c.Outside[c.out].Seq < e.Seq; c.out++ {
		at := &c.Outside[c.out]
		if at.Key != c.Key {
			continue
		}
		if c.Before++; at.Seq == e.Seq-1 {
			if !c.Head.IsZero() && c.Head != at.Head {
				return &Fault{Entry: e.Seq, Text: "the chain begins with it, and the checkpoint from outside has another hash before it"}
			}
			c.Head = at.Head
			c.Matched++
		}
	}
	if c.Head.IsZero() {
		return &Fault{Entry: e.Seq, Text: "the chain begins with it, and nothing says what stood before it"}
	}
	return nil
}

func missing(first, last int64) string {
	switch {
	case last < first:
		return "the numbers are out of order"
	case first == last:
		return fmt.Sprintf("entry %d is missing", first)
	}
	return fmt.Sprintf("entries %d to %d are missing", first, last)
}

// hold compares a checkpoint with the entry of its number, which was just looked at.
func (c *Chain) hold(at *Checkpoint, seq int64, what string, bad func(string, ...any)) bool {
	switch {
	case at.Key != c.Key:
		bad("%s, of %s, is signed with another key", what, at.At.Format(time.RFC3339))
	case !at.Valid():
		bad("the signature of %s is not good", what)
	case at.Seq != seq:
		bad("%s is of entry %d, which is missing", what, at.Seq)
	case at.Head != c.Head:
		bad("%s, of %s, has another hash: something up to here was rewritten", what, at.At.Format(time.RFC3339))
	default:
		c.Covered = *at
		return true
	}
	return false
}

// End returns the faults of a chain that is at its end: checkpoints that are ahead of it.
func (c *Chain) End() (faults []*Fault) {
	ahead := func(list []Checkpoint, what string) {
		for i := range list {
			if at := &list[i]; at.Key == c.Key {
				faults = append(faults, &Fault{Entry: c.Seq + 1, Text: fmt.Sprintf(
					"missing: the chain ends with entry %d, and %s of %s is of entry %d: the end was cut off, or an older copy of the file put in its place",
					c.Seq, what, at.At.Format(time.RFC3339), at.Seq)})
				return
			}
		}
	}
	ahead(c.Inside[c.in:], "the checkpoint kept beside it")
	ahead(c.Outside[c.out:], "the checkpoint from outside")
	return faults
}
