package splunk

import (
	"slices"

	"github.com/winnow-soc/winnow/plugin/ledger"
)

// history tells winnow's own entries of a notable event from those of people.
//
// Up to Enterprise Security 7 each entry carries its comment, and winnow's comments a mark. From 8 on comments
// are notes: winnow writes a note that says what it is about to set, and the entry without a comment that sets
// just that, under winnow's user, is its own.
type history struct {
	base     State
	reviews  []Review
	winnowID string
	user     string // whom winnow writes as

	marks     []mark // of winnow's own notes, in their order
	strangers int    // notes that are not winnow's, or copies of winnow's
	shown     State  // what the finding shows, the zero State when it was not asked
}

// take sorts notes into winnow's own and others.
func (h *history) take(notes []Note) {
	h.marks, h.strangers = nil, 0
	seen := map[string]bool{}
	for _, n := range notes {
		m, ok := parseNote(n.Content)
		if !ok || m.winnowID != h.winnowID || seen[m.nonce] {
			h.strangers++
			continue
		}
		seen[m.nonce] = true
		h.marks = append(h.marks, m)
	}
}

// byNote reports whether an entry may be one that a note of winnow's announces.
func (r Review) byNote(user string) bool { return r.Comment == "" && r.User == user }

// own reports whether winnow wrote an entry: under its user, and marked for this alert or announced by a
// note. All else, also what other programs did, counts as a person's.
func (h history) own(r Review) (mark, bool) {
	if r.byNote(h.user) {
		for _, m := range h.marks {
			if (m.deed == deedSet || m.deed == deedRestore) && m.set != (State{}) && r.State.has(m.set) {
				return m, true
			}
		}
	}
	m, ok := parseMark(r.Comment)
	return m, ok && m.winnowID == h.winnowID && r.User == h.user
}

// touched reports whether anybody but winnow has made an entry or written a note, or has changed what is
// shown in a way that leaves neither.
func (h history) touched() bool {
	if h.strangers > 0 || h.hidden() {
		return true
	}
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

// hidden reports whether the finding shows something that its history never added up to. What was shown a
// moment before the history was read may lack its last entries.
func (h history) hidden() bool {
	shown := h.shown
	if !isNumber(shown.Status) {
		shown.Status = ""
	}
	if !dispositionForm().MatchString(shown.Disposition) {
		shown.Disposition = ""
	}
	shown.Urgency = "" // changes with the priority of assets
	now := h.base
	for _, r := range h.reviews {
		if now.has(shown) {
			return false
		}
		now = r.State.over(now)
	}
	return !now.has(shown)
}

// done returns what winnow wrote for a delivery, when an earlier try has finished it.
func (h history) done(d ledger.Delivery) (mark, bool) {
	key := newMark(d, "").key
	for _, m := range slices.Backward(h.marks) { // a note that a person had it comes after the one that says what was to be set
		if m.key == key && (m.deed == deedNote || m.deed == deedKept || m.deed == deedSet && h.applied(m)) {
			return m, true
		}
	}
	for _, r := range h.reviews {
		if m, ok := h.own(r); ok && m.key == key && m.deed != deedRestore {
			return m, true
		}
	}
	return mark{}, false
}

// applied reports whether what a note says was set is in the review history.
func (h history) applied(m mark) bool {
	return slices.ContainsFunc(h.reviews, func(r Review) bool { return r.byNote(h.user) && r.State.has(m.set) })
}

// noted reports whether a note says already that this is to be set.
func (h history) noted(m mark) bool {
	return slices.ContainsFunc(h.marks, func(is mark) bool { return is.key == m.key && is.deed == m.deed && is.set == m.set })
}

// restored reports whether winnow gave back what a delivery had taken from a person.
func (h history) restored(d ledger.Delivery) bool {
	key := newMark(d, "").key
	if slices.ContainsFunc(h.marks, func(m mark) bool { return m.key == key && m.deed == deedRestore && h.applied(m) }) {
		return true
	}
	return slices.ContainsFunc(h.reviews, func(r Review) bool {
		m, ok := h.own(r)
		return ok && m.key == key && m.deed == deedRestore
	})
}

// reopened reports whether winnow closed the event, and a person has opened it since.
func (h history) reopened(st Statuses) bool {
	closed, open := false, false
	for _, r := range h.reviews {
		_, own := h.own(r)
		switch {
		case own && r.State.Status == st.Closed:
			closed, open = true, false
		case own && r.State.Status != "" && !open: // winnow has opened it itself
			closed = false
		case !own && closed && r.State.Status != "" && r.State.Status != st.Closed:
			open = true
		}
	}
	return open && h.now().Status != st.Closed
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
