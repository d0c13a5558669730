package allowlist

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSuspensionsRoundTrip(t *testing.T) {
	s := suspend("vpn", "scanner")
	s.Verdicts["01OLD"] = Suspension{By: "bob", At: now, Reason: "\u202e\"x\"\n"}
	got, err := ParseSuspensions("s.json", s.Encode())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(s, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if !got.Rule("vpn") || got.Rule("01OLD") || !got.Verdict("01OLD") || got.Verdict("vpn") || got.Rule("") {
		t.Error("rules and verdicts are mixed up")
	}
	c := got.Clone()
	delete(c.Rules, "vpn")
	if !got.Rule("vpn") {
		t.Error("a clone shares its maps")
	}
	none := (*Suspensions)(nil)
	if none.Rule("vpn") || none.Verdict("01OLD") {
		t.Error("nil suspends something")
	}
	if _, err := ParseSuspensions("s.json", none.Encode()); err != nil {
		t.Errorf("the file of a fresh state does not read: %v", err)
	}
}

// A file that is not whole must not be taken for one that suspends nothing.
func TestSuspensionsThatCannotBeRead(t *testing.T) {
	whole := string(suspend("vpn").Encode())
	for name, text := range map[string]string{
		"empty":            "",
		"blank":            " \n",
		"cut":              whole[:len(whole)/2],
		"two":              whole + whole,
		"null":             "null",
		"an empty object":  "{}",
		"one list missing": `{"rules": {}}`,
		"a null list":      `{"rules": {}, "verdicts": null}`,
		"a list":           `[]`,
		"of another kind":  `{"rules": [], "verdicts": {}}`,
		"foreign":          `{"version": 1, "items": []}`,
		"a key too many":   `{"rules": {}, "verdicts": {}, "rule": {"vpn": {}}}`,
		"binary":           "\x00\x01",
	} {
		if s, err := ParseSuspensions("s.json", []byte(text)); err == nil {
			t.Errorf("%s: read as %+v", name, s)
		} else if !strings.Contains(err.Error(), "s.json") {
			t.Errorf("%s: %q does not name the file", name, err)
		}
	}
	if s, err := ParseSuspensions("s.json", []byte(`{"rules": {"vpn": {}}, "rules": {}, "verdicts": {}}`)); err != nil || !s.Rule("vpn") {
		t.Errorf("a list that is there twice: %+v, %v: want an error or both", s, err)
	}
	f := newFolder(t)
	if _, err := ReadSuspensions(f.path("none.json")); err == nil || !strings.Contains(err.Error(), "write {") {
		t.Errorf("a missing file: %v", err)
	}
	if _, err := ReadSuspensions(f.dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Error("a folder was read")
	}
	f.write("huge.json", `{"rules": {}, "verdicts": {}}`+strings.Repeat(" ", maxSuspensionsFile))
	if _, err := ReadSuspensions(f.path("huge.json")); err == nil || !strings.Contains(err.Error(), "more than") {
		t.Errorf("a huge file: %v", err)
	}
}

func FuzzParseSuspensions(f *testing.F) {
	f.Add(suspend("vpn").Encode())
	f.Add([]byte(`{"rules": {}, "verdicts": {"01OLD": {"by": "ann", "at": "2026-03-02T23:00:00Z", "reason": ""}}}`))
	f.Add([]byte(`{"rules": null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := ParseSuspensions("s.json", data)
		if err != nil {
			return
		}
		again, err := ParseSuspensions("s.json", s.Encode())
		if err != nil {
			t.Fatalf("what was written does not read: %v", err)
		}
		for id := range s.Rules {
			if !again.Rule(id) {
				t.Errorf("rule %q is in force again", id)
			}
		}
		for id := range s.Verdicts {
			if !again.Verdict(id) {
				t.Errorf("verdict %q holds again", id)
			}
		}
		if len(data) > 0 && !bytes.Contains(data, []byte("rules")) && !bytes.Contains(data, []byte(`\u`)) {
			t.Errorf("%q was read without the rules", data)
		}
	})
}
