package splunk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/stash"
)

// ResponseSink writes the last line of every run of the alert action for each of its rows, from which Splunk's
// Common Action Model, and Incident Review with it, know that it is over: the action itself could only say that
// it has begun.
type ResponseSink struct {
	name string
	path string
	host string
	now  func() time.Time

	mu   sync.Mutex
	seen *seenKeys // nil until the first delivery
}

// actionName is the stanza of the alert action.
const actionName = "winnow_triage"

// NewResponseSink makes the sink of that name. path is the action's log; host is the search head's name, and
// may be empty.
func NewResponseSink(name, path, host string, now func() time.Time) *ResponseSink {
	return &ResponseSink{name: name, path: path, host: host, now: now}
}

// Name returns the name of the sink's stanza.
func (s *ResponseSink) Name() string { return s.name }

// Deliver appends a line for each run that waits for the outcome. A delivery that is repeated adds no second
// line as long as the first is near the end of the log. It is safe for concurrent use.
func (s *ResponseSink) Deliver(_ context.Context, d ledger.Delivery) error {
	if d.Kind != ledger.DeliverResponse {
		return wrongKind(s.name, d)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen == nil {
		s.seen = readResponses(s.path+".1", s.path)
	}
	for i, job := range d.Jobs {
		key := responseKey(d.Key, i)
		if s.seen.has(key) {
			continue
		}
		if err := stash.AppendLine(s.path, s.line(&d, job, key)); err != nil {
			return &Error{Op: "write response", Code: CodeDisk, Retry: true, Err: err}
		}
		s.seen.add(key)
	}
	return nil
}

func responseKey(key string, i int) string {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s/%d", key, i))
	return hex.EncodeToString(sum[:8])
}

// line is what is said of one run. A run that a person started names the row that it was started on beside its
// own.
func (s *ResponseSink) line(d *ledger.Delivery, job winnow.Job, key string) []byte {
	a, o := &d.Alert, &d.Record.Outcome
	m := stash.ModAction{
		Worker: s.host, Signature: "Triaged: " + string(o.State), ActionName: actionName, SearchName: a.SearchName,
		SID: a.Key.SID, RID: a.Key.RID, App: a.App, User: a.Owner, DigestMode: !job.PerRow, Status: stash.ActionSuccess,
		Extra: map[string]string{
			responseExtra: key, "winnow_alert": d.Record.ID, "winnow_state": string(o.State), "winnow_reason": string(o.Reason),
		},
	}
	if job.SID != "" && (job.SID != a.Key.SID || job.RID != a.Key.RID) {
		m.OrigSID, m.OrigRID = a.Key.SID, a.Key.RID
		m.SID, m.RID = job.SID, job.RID
	}
	level := "INFO"
	if strings.HasPrefix(string(o.Reason), string(winnow.ReasonGaveUp)) {
		m.Signature, m.Status, level = "Could not be triaged: "+string(o.State), stash.ActionFailure, "ERROR"
	}
	return m.Line(s.now(), level)
}

// responseExtra names the key by which a line is known again.
const responseExtra = "winnow_key"

// readResponses reads the keys at the end of logs, oldest first.
func readResponses(paths ...string) *seenKeys {
	k := &seenKeys{young: map[string]bool{}}
	for _, path := range paths {
		for line := range bytes.Lines(tail(path)) {
			_, rest, ok := bytes.Cut(line, []byte(" "+responseExtra+`="`))
			if key, _, whole := bytes.Cut(rest, []byte(`"`)); ok && whole && bytes.HasSuffix(line, []byte{'\n'}) {
				k.add(string(key))
			}
		}
	}
	return k
}

// nowhere takes everything: outside Splunk there is nobody to tell.
type nowhere struct{ name string }

// Name returns the name of the sink's stanza.
func (n nowhere) Name() string { return n.name }

// Deliver takes the delivery.
func (n nowhere) Deliver(context.Context, ledger.Delivery) error { return nil }
