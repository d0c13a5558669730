package alertaction

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/disk"
)

var (
	passed  = winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonNoRule, RuleSet: "sha256:1"}
	dropped = winnow.Proposal{Kind: winnow.ProposeDrop, Reason: winnow.ReasonRule, Rule: "vpn", RuleSet: "sha256:1"}
)

const testPayload = `{"sid": "scheduler_1", "search_name": "Impossible Travel", "configuration": {"severity": "3"}, "result": {"src": "first"}}`

func newSpool(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"tmp", "bad"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

func testHeader(kind Kind) Header {
	return Header{
		Kind: kind, ID: newID(testTime), Received: testTime, DecideBy: testTime.Add(5 * time.Minute),
		Host: "guid", Severity: winnow.SeverityLow,
	}
}

// writeAlert stores results with every third row dropped.
func writeAlert(t testing.TB, dir string, h Header, payload, results string) string {
	t.Helper()
	w, err := CreateRecord(dir, h)
	if err != nil {
		t.Fatal(err)
	}
	w.Payload([]byte(payload))
	if err := w.Results(strings.NewReader(results)); err != nil {
		t.Fatal(err)
	}
	decideThirds(t, w, results)
	if err := w.Commit(Trailer{}); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, fileName(h.ID, h.Kind))
}

func decideThirds(t testing.TB, w *Writer, results string) {
	t.Helper()
	r, err := NewResults(strings.NewReader(results))
	if err != nil {
		return
	}
	defer r.Close() //nolint:errcheck // closes no file
	for {
		row, err := r.Next()
		if err != nil {
			return
		}
		d := decision{sum: row.Sum(), proposal: passed, notable: row.Number%2 == 1}
		if row.Number%3 == 0 {
			d.proposal = dropped
		}
		w.add(d)
	}
}

func csvRows(n int) string {
	var b strings.Builder
	b.WriteString("src,user\n")
	for i := range n {
		fmt.Fprintf(&b, "10.0.%d.%d,user%d\n", i/256, i%256, i)
	}
	return b.String()
}

func items(t testing.TB, r *Record) (out []Item) {
	t.Helper()
	for item, err := range r.Rows(testKeys(t)) {
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, item)
	}
	return out
}

func TestRecordRoundTrip(t *testing.T) {
	for _, rows := range []int{1, 2, 1000, 20_000} {
		t.Run(fmt.Sprint(rows), func(t *testing.T) {
			dir := newSpool(t)
			path := writeAlert(t, dir, testHeader(KindAlert), testPayload, csvRows(rows))
			rec, err := OpenRecord(path)
			if err != nil {
				t.Fatal(err)
			}
			got := items(t, rec)
			if len(got) != rows {
				t.Fatalf("%d rows, want %d", len(got), rows)
			}
			for i, item := range got {
				want := Item{Proposal: passed, NotableWritten: i%2 == 1, Alert: item.Alert}
				if i%3 == 0 {
					want.Proposal = dropped
				}
				if diff := cmp.Diff(want, item); diff != "" {
					t.Fatalf("row %d: %s", i, diff)
				}
				if user, _ := item.Alert.Fields.First("user"); user != fmt.Sprintf("user%d", i) || item.Alert.Key.RID != fmt.Sprint(i) {
					t.Fatalf("row %d is %+v", i, item.Alert)
				}
			}
			first := got[0].Alert
			if first.SearchName != "Impossible Travel" || first.Severity != winnow.SeverityMedium || !first.Received.Equal(testTime) || len(first.ID) != 26 {
				t.Errorf("alert is %+v", first)
			}
			if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("mode %v, error %v", info.Mode(), err)
			}
			if err := rec.Remove(); err != nil {
				t.Error(err)
			}
			if left := list(dir); len(left) != 2 {
				t.Errorf("left over: %v", left)
			}
		})
	}
}

func TestLargeResultsAreTwoFiles(t *testing.T) {
	dir := newSpool(t)
	h := testHeader(KindIntake)
	intake, err := CreateRecord(dir, h)
	if err != nil {
		t.Fatal(err)
	}
	intake.Payload([]byte(testPayload))
	if err := intake.Results(strings.NewReader(csvRows(10))); err != nil {
		t.Fatal(err)
	}
	if err := intake.Commit(Trailer{}); err != nil {
		t.Fatal(err)
	}
	if waiting, err := ReadSpool(dir, h.DecideBy.Add(-1)); err != nil || len(waiting) != 0 {
		t.Errorf("an intake that is being decided is listed: %v %v", waiting, err)
	}
	due, err := ReadSpool(dir, h.DecideBy)
	if err != nil || len(due) != 1 {
		t.Fatalf("an intake past its time is not listed: %v %v", due, err)
	}
	rec, err := OpenRecord(due[0].Path)
	if err != nil {
		t.Fatal(err)
	}
	for i, item := range items(t, rec) {
		if item.Proposal.Kind != winnow.ProposePass || item.Proposal.Reason != winnow.ReasonUndecided {
			t.Errorf("row %d of an undecided intake: %+v", i, item.Proposal)
		}
	}
	h.Kind = KindDecisions
	w, err := CreateRecord(dir, h)
	if err != nil {
		t.Fatal(err)
	}
	decideThirds(t, w, csvRows(10))
	if err := w.Commit(Trailer{}); err != nil {
		t.Fatal(err)
	}
	entries, err := ReadSpool(dir, testTime)
	if err != nil || len(entries) != 1 {
		t.Fatalf("listed: %v %v", entries, err)
	}
	if rec, err = OpenRecord(entries[0].Path); err != nil {
		t.Fatal(err)
	}
	if got := items(t, rec); len(got) != 10 || got[0].Proposal != dropped || got[1].Proposal != passed {
		t.Errorf("rows are %+v", got)
	}
	if len(rec.Files()) != 2 {
		t.Errorf("files are %v", rec.Files())
	}
	testOrphan(t, dir, rec, h)
}

// testOrphan removes the intake, as a worker does that is killed in the middle of removing.
func testOrphan(t *testing.T, dir string, rec *Record, h Header) {
	t.Helper()
	if err := os.Remove(rec.Path); err != nil {
		t.Fatal(err)
	}
	if entries, err := ReadSpool(dir, h.DecideBy.Add(time.Hour)); err != nil || len(entries) != 0 {
		t.Errorf("decisions without an intake are listed: %v %v", entries, err)
	}
	if err := Sweep(dir, time.Now().Add(-time.Hour)); err != nil || len(list(dir)) != 3 {
		t.Errorf("fresh decisions were swept: %v, error %v", list(dir), err)
	}
	if err := Sweep(dir, time.Now().Add(time.Hour)); err != nil || len(list(dir)) != 2 {
		t.Errorf("left over: %v, error %v", list(dir), err)
	}
}

// TestIntakeFromTheFuture: after a clock was set back, an intake waits no longer than any other.
func TestIntakeFromTheFuture(t *testing.T) {
	for ahead, want := range map[time.Duration]int{
		5 * time.Minute: 0, longestDecide: 0, longestDecide + time.Second: 1, 10 * 365 * 24 * time.Hour: 1,
	} {
		dir := newSpool(t)
		h := testHeader(KindIntake)
		h.DecideBy = testTime.Add(ahead)
		if err := writeBody(dir, h, nil); err != nil {
			t.Fatal(err)
		}
		if entries, err := ReadSpool(dir, testTime); err != nil || len(entries) != want {
			t.Errorf("%s ahead: %d records, want %d, error %v", ahead, len(entries), want, err)
		}
	}
}

func TestSpoolListsOldestFirst(t *testing.T) {
	dir := newSpool(t)
	for i := range 3 {
		now := testTime.Add(-time.Duration(i) * time.Second)
		if err := WriteCommand(dir, now, []byte(fmt.Sprintf(`{"n": %d}`, i))); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"README", "x.alert", strings.Repeat("0", 26) + ".other"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	entries, err := ReadSpool(dir, testTime)
	if err != nil || len(entries) != 3 {
		t.Fatalf("%v %v", entries, err)
	}
	for i, e := range entries {
		rec, err := OpenRecord(e.Path)
		if err != nil || e.Kind != KindCommand || string(rec.Body) != fmt.Sprintf(`{"n": %d}`, 2-i) {
			t.Errorf("record %d is %s, error %v", i, rec.Body, err)
		}
		if got := items(t, rec); got != nil {
			t.Errorf("a command has rows: %+v", got)
		}
	}
	if _, err := ReadSpool(filepath.Join(dir, "none"), testTime); err == nil {
		t.Error("no error without a folder")
	}
}

func TestRowsThatWereLostAreVisible(t *testing.T) {
	whole := csvRows(4)
	for _, c := range []struct {
		name, payload, results, unread string
		rows                           int
		loss                           winnow.Reason
	}{
		{"all there", testPayload, whole, "", 4, ""},
		{"cut by Splunk", strings.Replace(testPayload, `"severity": "3"`, `"severity": "3", "result_count": "9"`, 1), whole, "", 4, winnow.ReasonTruncated},
		{"no file", testPayload, "", "no such file", 1, winnow.ReasonResultsUnread},
		{"no file, no first row", `{"sid": "1"}`, "", "no such file", 0, winnow.ReasonResultsUnread},
		{"cut", testPayload, whole + `"x`, "", 4, winnow.ReasonResultsUnread},
		{"no rows: the alert is that nothing was found", testPayload, "src\n", "", 1, ""},
		{"empty file", `{"sid": "1"}`, "", "", 1, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := newSpool(t)
			h := testHeader(KindAlert)
			h.Unread = c.unread
			rec, err := OpenRecord(writeAlert(t, dir, h, c.payload, c.results))
			if err != nil {
				t.Fatal(err)
			}
			got := items(t, rec)
			want := c.rows
			if c.loss != "" {
				want++
				last := got[len(got)-1]
				if !last.Loss || last.Proposal.Kind != winnow.ProposeEscalate || last.Proposal.Reason != c.loss || last.Alert.ID == "" {
					t.Errorf("the loss is told as %+v %+v", last, last.Alert)
				}
			}
			if len(got) != want {
				t.Errorf("%d items, want %d: %+v", len(got), want, got)
			}
		})
	}
}

// TestDamageNeverDrops flips every byte and cuts at every length: a record is read as it was
// written, or passes all rows on, and says that it is damaged.
func TestDamageNeverDrops(t *testing.T) {
	t.Run("small", func(t *testing.T) { testDamage(t, testPayload, 7) })
	t.Run("packed", func(t *testing.T) { testDamage(t, longPayload, 12) })
}

func testDamage(t *testing.T, payload string, rows int) {
	dir := newSpool(t)
	path := writeAlert(t, dir, testHeader(KindAlert), payload, csvRows(rows))
	good, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	keys := testKeys(t)
	check := func(name string, data []byte) {
		if err := os.WriteFile(path, data, 0o600); err != nil {
			t.Fatal(err)
		}
		rec, err := OpenRecord(path)
		var damaged *DamagedError
		if !errors.As(err, &damaged) || rec == nil {
			t.Fatalf("%s: error is %v", name, err)
		}
		n := 0
		for item, err := range rec.Rows(keys) {
			if err != nil || item.Proposal.Kind == winnow.ProposeDrop || item.Proposal.Kind == winnow.ProposeCached {
				t.Fatalf("%s: row %+v, error %v", name, item, err)
			}
			n++
		}
		if n == 0 {
			t.Fatalf("%s: nothing is left of the alert", name)
		}
	}
	for i := range good {
		check(fmt.Sprintf("flip at %d", i), flip(good, i))
		check(fmt.Sprintf("cut at %d", i), good[:i])
	}
	check("more bytes", append(bytes.Clone(good), 'x'))
	if err := os.WriteFile(path, good, 0o600); err != nil {
		t.Fatal(err)
	}
	foreign := filepath.Join(dir, fileName(newID(testTime), KindAlert))
	if err := os.Rename(path, foreign); err != nil {
		t.Fatal(err)
	}
	if rec, err := OpenRecord(foreign); err == nil || items(t, rec)[0].Proposal.Kind != winnow.ProposePass {
		t.Errorf("a record under another's name is read: %v", err)
	}
}

// TestDecisionsGoWithTheirRows: decisions on other rows than the stored ones are not used.
func TestDecisionsGoWithTheirRows(t *testing.T) {
	dir := newSpool(t)
	h := testHeader(KindAlert)
	w, err := CreateRecord(dir, h)
	if err != nil {
		t.Fatal(err)
	}
	w.Payload([]byte(testPayload))
	if err := w.Results(strings.NewReader("src\na\nb\n")); err != nil {
		t.Fatal(err)
	}
	w.add(decision{sum: 1, proposal: dropped, notable: true})
	if err := w.Commit(Trailer{}); err != nil {
		t.Fatal(err)
	}
	rec, err := OpenRecord(filepath.Join(dir, fileName(h.ID, KindAlert)))
	if err != nil {
		t.Fatal(err)
	}
	got := items(t, rec)
	if len(got) != 2 || got[0].Proposal.Reason != winnow.ReasonRecordUnread || !got[0].NotableWritten || got[1].Proposal.Reason != winnow.ReasonUndecided {
		t.Errorf("rows are %+v", got)
	}
}

func TestQuarantinedPayloadIsOneAlert(t *testing.T) {
	dir := newSpool(t)
	h := testHeader(KindQuarantine)
	if err := writeQuarantine(dir, h, []byte(`{"sid": "1", "session_key": "`+sessionKey+`", "result`)); err != nil {
		t.Fatal(err)
	}
	rec, err := OpenRecord(filepath.Join(dir, fileName(h.ID, KindQuarantine)))
	if err != nil {
		t.Fatal(err)
	}
	got := items(t, rec)
	if len(got) != 1 || got[0].Proposal.Kind != winnow.ProposeEscalate || !got[0].Loss {
		t.Fatalf("rows are %+v", got)
	}
	if text, _ := got[0].Alert.Fields.First("payload"); strings.Contains(text, sessionKey) || !strings.Contains(text, `"sid": "1"`) {
		t.Errorf("payload is %s", text)
	}
}

func TestWriterSaysWhyItCannot(t *testing.T) {
	dir := t.TempDir()
	if _, err := CreateRecord(dir, testHeader(KindAlert)); err == nil {
		t.Error("no error without the folder tmp")
	}
	dir = newSpool(t)
	h := testHeader(KindAlert)
	if err := os.Mkdir(filepath.Join(dir, fileName(h.ID, h.Kind)), 0o700); err != nil {
		t.Fatal(err)
	}
	w, err := CreateRecord(dir, h)
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Commit(Trailer{}); err == nil || !strings.Contains(err.Error(), h.ID) {
		t.Errorf("error is %v", err)
	}
	if left := list(filepath.Join(dir, "tmp")); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

// TestSpoolFolderThatCannotBeSynced: an error of Commit means that nothing is in the spool, because
// whoever gets it writes notables for the rows.
func TestSpoolFolderThatCannotBeSynced(t *testing.T) {
	for _, c := range []struct {
		name   string
		faster bool // a worker has taken the record already
		want   bool // an error
	}{
		{"still there", false, true},
		{"a worker was faster", true, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := newSpool(t)
			h := testHeader(KindAlert)
			w, err := CreateRecord(dir, h)
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(dir, fileName(h.ID, h.Kind))
			t.Cleanup(disk.Inject(func(op disk.Op, _ string, _ int) (int, error) {
				if op != disk.OpSyncDir {
					return 0, nil
				}
				if c.faster {
					_ = os.Remove(path)
				}
				return 0, syscall.EIO
			}))
			err = w.Commit(Trailer{})
			if (err != nil) != c.want || (w.Doubt() == nil) != c.want {
				t.Errorf("error %v, doubt %v", err, w.Doubt())
			}
			if entries, err := ReadSpool(dir, testTime); err != nil || len(entries) != 0 {
				t.Errorf("the spool holds %v, error %v", entries, err)
			}
		})
	}
}

// FuzzRecord: no file makes the reader fall over, or drop a row that nobody dropped. The fuzzer
// cannot make checksums, so bodies of frames are its input as well.
func FuzzRecord(f *testing.F) {
	f.Add([]byte(`{"kind":"drop","reason":"rule"}`), []byte{1, 2, 3, 4, 0}, []byte("src\na\n"), false)
	f.Add([]byte(`{"kind":"pass"}`), []byte{0, 0, 0, 0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 1}, []byte(""), true)
	dir := newSpool(f)
	keys := testKeys(f)
	f.Fuzz(func(t *testing.T, proposal, decisions, results []byte, raw bool) {
		h := testHeader(KindAlert)
		w, err := CreateRecord(dir, h)
		if err != nil {
			t.Fatal(err)
		}
		w.Payload([]byte(testPayload))
		_ = w.Results(bytes.NewReader(results))
		w.frame(frameProposal, proposal)
		w.frame(frameDecided, decisions)
		w.rows = len(decisions) / 5
		if err := w.Commit(Trailer{}); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, fileName(h.ID, KindAlert))
		if raw {
			if err := os.WriteFile(path, results, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		defer os.Remove(path) //nolint:errcheck // the next one has another name
		rec, err := OpenRecord(path)
		n := 0
		for item, rowErr := range rec.Rows(keys) {
			n++
			if rowErr != nil {
				t.Fatal(rowErr)
			}
			if err != nil && item.Proposal.Kind == winnow.ProposeDrop {
				t.Fatalf("dropped by a damaged record: %+v", item)
			}
		}
		if n == 0 {
			t.Fatal("nothing is left of the alert")
		}
	})
}
