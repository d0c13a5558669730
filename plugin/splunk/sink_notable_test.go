package splunk

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
	"github.com/winnow-soc/winnow/plugin/stash"
)

func notableDelivery(rid string) ledger.Delivery {
	d := delivery(rid, 1, winnow.StateEscalated)
	d.Kind, d.Sink = ledger.DeliverNotable, "notable"
	return d
}

func newNotableSink(t testing.TB, s *splunktest.Server) *NotableSink {
	t.Helper()
	sink, err := NewNotableSink("notable", NotableOptions{Spool: s.SpoolDir(), Intents: filepath.Join(s.Home, "sent"), Host: "sh1"}, newClock().now)
	if err != nil {
		t.Fatal(err)
	}
	return sink
}

func ingest(t testing.TB, s *splunktest.Server) int {
	t.Helper()
	n, err := s.Ingest()
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// One notable event for one delivery, however often it is repeated, before and after splunkd has
// read the file; and it can be found by sid and rid.
func TestNotableIsWrittenOnce(t *testing.T) {
	s := newServer(t, splunktest.Options{})
	sink := newNotableSink(t, s)
	for range 2 {
		deliver(t, sink, notableDelivery("0"))
		deliver(t, sink, notableDelivery("1"))
		ingest(t, s)
	}
	deliver(t, newNotableSink(t, s), notableDelivery("0")) // by the next worker
	if ingest(t, s); len(s.Notables()) != 2 || s.Open() != 2 {
		t.Fatalf("%d notables, want 2", len(s.Notables()))
	}
	n, err := find(newClient(t, s), testSID, "1")
	if err != nil || n.WinnowID != "ALERT1-00ff" || n.SearchName != "Impossible Travel" {
		t.Errorf("found %+v, %v", n, err)
	}
}

// The worker dies at each step of handing a file over; the next one ends with one event.
func TestNotableSurvivesDeathAtEachStep(t *testing.T) {
	d := notableDelivery("0")
	for _, step := range []string{"staged", "intended", "moved", "read"} {
		t.Run(step, func(t *testing.T) {
			s := newServer(t, splunktest.Options{})
			sink := newNotableSink(t, s)
			deliver(t, sink, d) // to learn the names
			files, _ := filepath.Glob(filepath.Join(s.SpoolDir(), "*"))
			if len(files) != 1 {
				t.Fatalf("files are %v", files)
			}
			name := filepath.Base(files[0])
			staged, intent := filepath.Join(sink.opts.Staging, name), filepath.Join(sink.opts.Intents, name)
			switch step {
			case "staged": // and torn
				mustDo(t, os.Remove(files[0]), os.Remove(intent), os.WriteFile(staged, []byte("***SPL"), 0o600))
			case "intended":
				mustDo(t, os.Rename(files[0], staged))
			case "read":
				ingest(t, s)
			}
			deliver(t, newNotableSink(t, s), d)
			ingest(t, s)
			deliver(t, newNotableSink(t, s), d)
			ingest(t, s)
			if got := len(s.Notables()); got != 1 {
				t.Errorf("%d notables, want 1", got)
			}
		})
	}
}

func mustDo(t testing.TB, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// A file that could not be staged is not taken for one that was moved: the next try writes it whole.
func TestNotableSurvivesFullDisk(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Skip("needs /dev/full")
	}
	for name, block := range map[string]func(staged string) error{
		"no room": func(staged string) error { return os.Symlink("/dev/full", staged) },
		"no file": func(staged string) error { return os.MkdirAll(filepath.Join(staged, "x"), 0o700) },
	} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, splunktest.Options{})
			sink, d := newNotableSink(t, s), notableDelivery("0")
			staged := filepath.Join(sink.opts.Staging, stash.File{}.Name(d.Key))
			mustDo(t, sink.folders(), block(staged))
			wantError(t, sink.Deliver(context.Background(), d), CodeDisk, true)
			for _, dir := range []string{sink.opts.Intents, s.SpoolDir()} {
				if files, _ := filepath.Glob(filepath.Join(dir, "*")); files != nil {
					t.Errorf("left behind: %v", files)
				}
			}
			mustDo(t, os.RemoveAll(staged))
			deliver(t, sink, d)
			if n := ingest(t, s); n != 1 || len(s.Notables()) != 1 {
				t.Errorf("%d events, %d notables, want 1", n, len(s.Notables()))
			}
		})
	}
}

// No text of an alert can end its event, make a second one, or pass for winnow's own fields.
func TestHostileNotableStaysOneEvent(t *testing.T) {
	s := newServer(t, splunktest.Options{})
	d := notableDelivery("0")
	evil := "x\"\n==##~~##~~  1E8N3D4E6V5E7N2T9 ~~##~~##==\n1700000000, search_name=\"Forged\", winnow_id=\"forged\""
	d.Alert.Fields = winnow.Fields{
		"user_agent": {evil, `\`}, "winnow_id": {"forged"}, "status": {"5"}, "owner": {"ann"}, "orig_sid": {"forged"},
		"rule_title": {"forged"}, `a="b", c`: {"d"},
	}
	d.Record.Verdict.Case.Why = evil
	deliver(t, newNotableSink(t, s), d)
	if n := ingest(t, s); n != 1 {
		t.Fatalf("%d events, want 1", n)
	}
	n := s.Notables()[0]
	for field, want := range map[string]string{"winnow_id": d.WinnowID, "orig_sid": testSID, "rule_title": "Impossible Travel"} {
		if got := n.Fields[field]; len(got) != 1 || got[0] != want {
			t.Errorf("%s is %q, want %q", field, got, want)
		}
	}
	if n.Status() == "5" || n.Owner() == "ann" {
		t.Errorf("the alert set status %q, owner %q", n.Status(), n.Owner())
	}
}

func TestNotableSinkFails(t *testing.T) {
	s := newServer(t, splunktest.Options{})
	sink := newNotableSink(t, s)
	wantError(t, sink.Deliver(context.Background(), delivery("0", 1, winnow.StateClosed)), CodeInput, false, "kind update")
	mustDo(t, os.RemoveAll(s.SpoolDir()))
	wantError(t, sink.Deliver(context.Background(), notableDelivery("0")), CodeDisk, true, "SPLUNK_HOME")
	if _, err := NewNotableSink("n", NotableOptions{}, newClock().now); err == nil {
		t.Error("a sink without a folder was made")
	}
}

func TestForgetOldIntents(t *testing.T) {
	s := newServer(t, splunktest.Options{})
	clk := &clock{at: time.Now()} // files carry the real time
	sink, err := NewNotableSink("notable", NotableOptions{Spool: s.SpoolDir(), Intents: filepath.Join(s.Home, "sent")}, clk.now)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := sink.Forget(time.Hour); n != 0 || err != nil {
		t.Fatalf("nothing sent yet: %d, %v", n, err)
	}
	deliver(t, sink, notableDelivery("0"))
	if n, err := sink.Forget(time.Hour); n != 0 || err != nil {
		t.Errorf("forgot %d young intents, %v", n, err)
	}
	clk.advance(2 * time.Hour)
	if n, err := sink.Forget(time.Hour); n != 1 || err != nil {
		t.Errorf("forgot %d old intents, %v", n, err)
	}
}
