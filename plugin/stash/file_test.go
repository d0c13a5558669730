package stash_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/stash"
)

func event(user string) stash.Event {
	return stash.Event{Time: noon, SearchName: "Impossible Travel", Fields: winnow.Fields{"user": {user}}}
}

func TestFileIsWhatSplunkReadsToTheByte(t *testing.T) {
	for name, f := range map[string]stash.File{
		"plain.stash_new": {
			Index: "notable", Host: "sh01", Source: `Impossible "Travel" - Rule`, Events: []stash.Event{event("ann"), event("bob")},
		},
		"cam.stash_common_action_model": {
			Index: "notable", Source: "Impossible Travel", Events: []stash.Event{event("ann")},
			Action: &stash.Action{Name: "winnow_triage", SID: "scheduler__ann__search_1", RID: "0"},
		},
	} {
		data, err := f.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		golden(t, name, data)
	}
}

func TestHeaderValuesCannotEndTheHeader(t *testing.T) {
	f := stash.File{Index: "notable", Source: "x\" index=\"main\"\n==##~~##~~", Events: []stash.Event{event("ann")}}
	data, err := f.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	p, err := stash.Parse(data)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"index": "notable", "source": "x_ index=_main__==##~~_##~~"}
	if diff := cmp.Diff(want, p.Header); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestFileRefusesMoreEventsThanSplunkTakes(t *testing.T) {
	f := stash.File{Index: "notable", Events: make([]stash.Event, stash.MaxEvents+1)}
	if _, err := f.Bytes(); err == nil || !strings.Contains(err.Error(), "at most 50000") {
		t.Errorf("got %v", err)
	}
}

func TestParseBreaksOnlyAtWholeLines(t *testing.T) {
	const brk = "==##~~##~~  1E8N3D4E6V5E7N2T9 ~~##~~##=="
	text := "***SPLUNK*** index=\"notable\"\r\n" + brk + "\r\n1, a=\"x\n" + brk + " y\"\n" + brk + "\n2, a=\"z" + brk + "\"\n"
	p, err := stash.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	want := []winnow.Fields{{"a": {"x\n" + brk + " y"}}, {"a": {"z" + brk}}}
	var got []winnow.Fields
	for _, e := range p.Events {
		got = append(got, e.Fields)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestParseRefusesWhatSplunkWouldNotRead(t *testing.T) {
	const brk = "\n==##~~##~~  1E8N3D4E6V5E7N2T9 ~~##~~##==\n"
	for text, want := range map[string]string{
		"":                                    "does not start",
		"1.0, a=\"b\"":                        "does not start",
		"***SPLUNK*** index=x":                "stash header",
		"***SPLUNK*** index=\"x":              "stash header",
		"***SPLUNK***\nsecond":                "does not start",
		"***SPLUNK***" + brk + "now, a=\"b\"": "is not in seconds",
		"***SPLUNK***" + brk + "1, a=b":       "is not key=",
		"***SPLUNK***" + brk + "1, a=\"b":     "does not end",
		"***SPLUNK***" + brk + "1, a=\"b\"c":  "after the value",
		"***SPLUNK***" + brk + "***Common Action Model*** x\n1, a=\"b\"": "action line",
	} {
		if _, err := stash.Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q gave %v, want %s", text, err, want)
		}
	}
}
