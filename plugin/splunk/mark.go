package splunk

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
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

	// Of notes only: what the deed sets, and a number used once. It tells two notes that winnow wrote from one
	// that somebody copied: the interface does not say who wrote a note.
	set   State
	nonce string
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
	if !m.deed.known() {
		return mark{}, false
	}
	return m, true
}

// sign ends a note with its mark:
//
//	[winnow 01J...-mac set 3f6c... 9a1b... disposition=disposition%3A2&status=5 77aa...]
//
// The last part is a hash over all of the note, so that one which was changed is winnow's no more.
func (m mark) sign(content string) string {
	content = strings.Join(strings.Fields(content), " ")
	body := m.winnowID + " " + string(m.deed) + " " + m.key + " " + m.nonce + " " + m.set.encode()
	return content + " " + markStart + body + " " + noteSum(content, body) + "]"
}

func noteSum(content, body string) string {
	sum := sha256.Sum256([]byte(content + "\x00" + body))
	return hex.EncodeToString(sum[:8])
}

// newNonce returns a number that is used once.
func newNonce() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // it never fails
	return hex.EncodeToString(b[:])
}

// parseNote reads the mark of a note that is as winnow wrote it.
func parseNote(note string) (mark, bool) {
	note = strings.Join(strings.Fields(note), " ")
	i := strings.LastIndex(note, markStart)
	if i < 1 || !strings.HasSuffix(note, "]") {
		return mark{}, false
	}
	content, body := note[:i-1], note[i+len(markStart):len(note)-1]
	parts := strings.Split(body, " ")
	if len(parts) != 6 || noteSum(content, strings.TrimSuffix(body, " "+parts[5])) != parts[5] {
		return mark{}, false
	}
	set, ok := parseState(parts[4])
	m := mark{winnowID: parts[0], deed: deed(parts[1]), key: parts[2], nonce: parts[3], set: set}
	return m, ok && m.deed.known()
}

func (d deed) known() bool {
	switch d {
	case deedSet, deedNote, deedKept, deedRestore:
		return true
	}
	return false
}

// encode writes a state as one word, "-" when it sets nothing.
func (s State) encode() string {
	v := url.Values{}
	for key, value := range map[string]string{"status": s.Status, "owner": s.Owner, "urgency": s.Urgency, "disposition": s.Disposition} {
		if value != "" {
			v.Set(key, value)
		}
	}
	if len(v) == 0 {
		return "-"
	}
	return v.Encode()
}

func parseState(text string) (State, bool) {
	if text == "-" {
		return State{}, true
	}
	v, err := url.ParseQuery(text)
	s := State{Status: v.Get("status"), Owner: v.Get("owner"), Urgency: v.Get("urgency"), Disposition: v.Get("disposition")}
	return s, err == nil && s.encode() == text && s != State{}
}

// has reports whether every field that want sets is so.
func (s State) has(want State) bool { return want.over(s) == s }
