package splunk

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/winnow-soc/winnow/plugin/ledger"
)

// deed is what winnow did with one write to a notable event.
type deed string

const (
	deedSet     deed = "set"     // changed the state
	deedNote    deed = "note"    // only commented, nothing stood against a change
	deedKept    deed = "kept"    // only commented, since a person had changed it
	deedRestore deed = "restore" // gave back what a person had set and winnow's write crossed
)

// mark ends every comment that winnow writes, so that winnow knows its own entries again:
//
//	[winnow 01J...-mac set 3f6c...]
//
// It holds the signed alert ID, which nobody can make up before winnow has written it, the deed,
// and a hash of the delivery's key.
type mark struct {
	winnowID string
	deed     deed
	key      string
}

const markStart = "[winnow "

func newMark(d ledger.Delivery, what deed) mark {
	sum := sha256.Sum256([]byte(d.Key))
	return mark{winnowID: d.WinnowID, deed: what, key: hex.EncodeToString(sum[:8])}
}

func (m mark) String() string {
	return markStart + m.winnowID + " " + string(m.deed) + " " + m.key + "]"
}

// parseMark reads the mark at the very end of a comment.
func parseMark(comment string) (mark, bool) {
	comment = strings.TrimRight(comment, " \r\n")
	i := strings.LastIndex(comment, markStart)
	if i < 0 || !strings.HasSuffix(comment, "]") {
		return mark{}, false
	}
	parts := strings.Split(comment[i+len(markStart):len(comment)-1], " ")
	if len(parts) != 3 {
		return mark{}, false
	}
	m := mark{winnowID: parts[0], deed: deed(parts[1]), key: parts[2]}
	switch m.deed {
	case deedSet, deedNote, deedKept, deedRestore:
		return m, true
	}
	return mark{}, false
}

// history tells winnow's own entries of a notable event from those of people.
type history struct {
	base     State
	reviews  []Review
	winnowID string
	user     string // whom winnow writes as
}

// own reports whether winnow wrote an entry: under its user, and marked for this alert. All
// else, also what other programs did, counts as a person's.
func (h history) own(r Review) (mark, bool) {
	m, ok := parseMark(r.Comment)
	return m, ok && m.winnowID == h.winnowID && r.User == h.user
}

// touched reports whether anybody but winnow has made an entry.
func (h history) touched() bool {
	for _, r := range h.reviews {
		if _, ok := h.own(r); !ok {
			return true
		}
	}
	return false
}

// holder names who made the notable event theirs: the last person with an entry, else the owner
// that it was born with.
func (h history) holder() string {
	for _, r := range slices.Backward(h.reviews) {
		if _, own := h.own(r); !own && r.User != "" {
			return plain(r.User, maxPart)
		}
	}
	if h.base.Owner != nobody && h.base.Owner != "" {
		return plain(h.base.Owner, maxPart)
	}
	return "unknown"
}

// done returns winnow's entry for a delivery, when an earlier try has written it.
func (h history) done(d ledger.Delivery) (mark, bool) {
	key := newMark(d, "").key
	for _, r := range h.reviews {
		if m, ok := h.own(r); ok && m.key == key && m.deed != deedRestore {
			return m, true
		}
	}
	return mark{}, false
}

// restored reports whether winnow gave back what a delivery had taken from a person.
func (h history) restored(d ledger.Delivery) bool {
	key := newMark(d, "").key
	return slices.ContainsFunc(h.reviews, func(r Review) bool {
		m, ok := h.own(r)
		return ok && m.key == key && m.deed == deedRestore
	})
}

// closed reports whether the last thing that winnow itself set was this status.
func (h history) closed(status string) bool {
	last := ""
	for _, r := range h.reviews {
		if m, ok := h.own(r); ok && m.deed == deedSet {
			last = r.State.Status
		}
	}
	return last == status
}

// lost returns the fields to set so that the notable event is as if winnow had written nothing
// since the first person's entry. winnow reads before it writes, but a person may come between
// the two. An empty State means that nothing was lost. What a person set is what their entry
// changed: every entry repeats the whole state, also what its author did not look at.
func (h history) lost() State {
	now, want, person := h.base, h.base, false
	for _, r := range h.reviews {
		next := r.State.over(now)
		if _, own := h.own(r); !own {
			person = true
			want = changed(now, next).over(want)
		} else if !person {
			want = next
		}
		now = next
	}
	return changed(now, want)
}

// changed returns the fields of b that differ from a, where b has a value.
func changed(a, b State) State {
	pick := func(a, b string) string {
		if a == b {
			return ""
		}
		return b
	}
	return State{
		Status: pick(a.Status, b.Status), Owner: pick(a.Owner, b.Owner),
		Urgency: pick(a.Urgency, b.Urgency), Disposition: pick(a.Disposition, b.Disposition),
	}
}
