// Package crash names the instants at which a process may die, so that tests can have it die there.
//
// A program built with the tag winnow_crash kills itself with SIGKILL at the Nth pass of the point that
// the environment names: WINNOW_CRASH_AT=NAME:N. Built without the tag, as releases are, [Point] is an
// empty function that the compiler leaves out, name and all.
//
// Such a program also takes the time from a clock that tests set, forward and back, while it runs; in
// releases [Now] is time.Now.
//
// [Points] is the list of all points; a test holds it against the code.
package crash

import (
	"bytes"
	"fmt"
	"time"
)

// Variable is the environment variable that says where to die.
const Variable = "WINNOW_CRASH_AT"

// ClockVariable is the environment variable that names the file in which tests keep how far the clock of the
// host is off, as [Offset] writes it. All processes look into it whenever they ask what time it is.
const ClockVariable = "WINNOW_CLOCK"

// Offset is what the file of the clock holds: always as many characters, so that it can be written over at
// once while others read it.
func Offset(by time.Duration) string { return fmt.Sprintf("%+0*d", offsetLen, int64(by)) }

const offsetLen = 20

// Program is one of the two programs.
type Program string

// The programs.
const (
	Action Program = "winnow_triage"
	Worker Program = "winnow"
)

// Place is one point.
type Place struct {
	Name string
	In   Program // that passes it in the course of a day
	Dies string  // what is on disk, and what is not, when a process dies there
}

// Points lists every point, in the order in which an alert passes them.
var Points = []Place{
	{"spool.created", Action, "a record's temporary file is begun; nothing is in the spool"},
	{"spool.before-fsync", Action, "the record is written, perhaps not on disk, and under its temporary name"},
	{"spool.after-fsync", Action, "the record is on disk under its temporary name, before the rename"},
	{"spool.after-rename", Action, "the record is in the spool, its name perhaps not on disk"},
	{"spool.after-folder-fsync", Action, "the record is in the spool for good, splunkd was told nothing"},
	{"stash.before-fsync", Action, "the action's own notables are written beside splunkd's spool"},
	{"stash.after-fsync", Action, "they are on disk there, and no note says so"},
	{"note.before-fsync", Action, "the note that names them is written, perhaps not on disk"},
	{"note.after-fsync", Action, "the note is on disk, before the notables are handed over"},
	{"stash.after-rename", Action, "splunkd may read the notables, the record does not say so yet"},
	{"stash.after-folder-fsync", Action, "the same, with the name on disk"},
	{"action.stored", Action, "all is stored, splunkd was not told that the action succeeded"},

	{"ledger.before-commit", Worker, "a transaction is complete and not committed"},
	{"ledger.after-commit", Worker, "it is committed and on disk, and nobody has acted on it"},
	{"import.before-remove", Worker, "a record's rows are in the ledger, its files still in the spool"},
	{"import.after-remove", Worker, "its files are gone"},
	{"import.before-aside", Worker, "what is known of a damaged record is in the ledger, its files still in the spool"},
	{"import.after-aside", Worker, "its files are in spool/bad"},
	{"state.before-fsync", Worker, "a file for the alert action is written under a temporary name"},
	{"state.after-fsync", Worker, "it is on disk under that name, before the rename"},
	{"state.after-rename", Worker, "it is in its place, its name perhaps not on disk"},
	{"state.after-folder-fsync", Worker, "it is in its place for good"},
	{"publish.before-snapshot", Worker, "verdicts are in the ledger, the snapshot for the alert action is the old one"},
	{"publish.after-snapshot", Worker, "the new snapshot is in its place, before the heartbeat"},
	{"model.before-reserve", Worker, "a model is to be asked, nothing is booked"},
	{"model.reserved", Worker, "the worst case is booked, the request was not sent"},
	{"budget.before-sums", Worker, "a call is booked, what its search, team and model have booked by now is not written"},
	{"budget.after-sums", Worker, "both are written, and not committed"},
	{"model.replied", Worker, "the model has answered, the ledger knows only of the reserve"},
	{"model.settled", Worker, "the settlement waits in memory for the next transaction"},
	{"budget.before-warning", Worker, "much of a limit is booked, and nobody was told"},
	{"budget.after-warning", Worker, "the event that tells is written, the ledger does not know"},
	{"sink.before-deliver", Worker, "a delivery is due, its sink has not heard of it"},
	{"costs.delivered", Worker, "what calls cost was told, and the ledger does not know"},
	{"sink.acknowledged", Worker, "the sink has taken it, the outbox does not know"},
	{"file.before-write", Worker, "an event is not in the file"},
	{"file.before-fsync", Worker, "the event is in the file, perhaps not on disk"},
	{"file.after-fsync", Worker, "the event is on disk"},
	{"file.before-rename", Worker, "the file is full, before it gets another name"},
	{"file.after-rename", Worker, "the file has another name, before a new one is begun"},
	{"notable.before-stage", Worker, "a notable is not written yet"},
	{"notable.staged", Worker, "it is on disk beside splunkd's spool, no intent is noted"},
	{"notable.noted", Worker, "the intent is on disk, before the rename"},
	{"notable.after-rename", Worker, "splunkd may read the notable, its name perhaps not on disk"},
	{"notable.after-folder-fsync", Worker, "the same, with the name on disk"},
}

// In returns what of this package is in a program: nothing, unless it was built with the tag.
func In(program []byte) (found []string) {
	for _, name := range []string{Variable, ClockVariable} {
		if bytes.Contains(program, []byte(name)) {
			found = append(found, name)
		}
	}
	for _, p := range Points {
		if bytes.Contains(program, []byte(p.Name)) {
			found = append(found, p.Name)
		}
	}
	return found
}
