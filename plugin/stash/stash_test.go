package stash_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/stash"
)

var update = flag.Bool("update", false, "write the golden files anew")

var noon = time.Date(2026, 3, 1, 12, 0, 0, 250_000_000, time.UTC)

// golden compares with a file under testdata, to the byte.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestEventFormat(t *testing.T) {
	for name, tt := range map[string]struct {
		event stash.Event
		want  string
	}{
		"sorted, several values": {
			stash.Event{SearchName: "S", Fields: winnow.Fields{"user": {"ann", "bob"}, "dest": {"web01"}}},
			`search_name="S", dest="web01", user="ann", user="bob"`,
		},
		"escapes": {
			stash.Event{SearchName: `a\"b`, Fields: winnow.Fields{"path": {`C:\x`}, "q": {`say "hi"\`}}},
			`search_name="a\\\"b", path="C:\\x", q="say \"hi\"\\"`,
		},
		"empty values": {
			stash.Event{SearchName: "S", Fields: winnow.Fields{"a": {""}, "b": {"", "x"}, "c": nil}},
			`search_name="S", b="x"`,
		},
		"control characters": {
			stash.Event{SearchName: "S", Fields: winnow.Fields{"a": {"1\x00\x1b[31m\x7f2"}, "b": {"x\r\ny\rz\tw"}, "c": {"\xff\xfe"}}},
			"search_name=\"S\", a=\"1  [31m 2\", b=\"x\ny\nz\tw\", c=\"\uFFFD\"",
		},
		"what Splunk drops": {
			stash.Event{SearchName: "S", Fields: winnow.Fields{
				"_si": {"x"}, "_indextime": {"1"}, "date_hour": {"1"}, "punct": {"x"}, "sid": {"x"}, "rid": {"x"},
				"orig_sid": {"x"}, "orig_rid": {"x"}, "kept": {"x"},
			}},
			`search_name="S", kept="x"`,
		},
		"what Splunk renames": {
			stash.Event{SearchName: "S", Fields: winnow.Fields{
				"_time": {"1"}, "_raw": {"r"}, "_cd": {"2"}, "_bkt": {"b"}, "host": {"h"}, "source": {"s"}, "sourcetype": {"st"},
				"index": {"i"}, "splunk_server": {"sv"}, "linecount": {"1"}, "eventtype": {"e"}, "tag": {"t"}, "tag::user": {"tu"},
				"search_name": {"forged"}, "event_id": {"id"}, "event_hash": {"eh"}, "timestartpos": {"0"}, "timeendpos": {"9"},
			}},
			`search_name="S", orig_bkt="b", orig_cd="2", orig_event_hash="eh", orig_event_id="id", orig_eventtype="e", orig_host="h", ` +
				`orig_index="i", orig_linecount="1", orig_raw="r", orig_search_name="forged", orig_source="s", orig_sourcetype="st", ` +
				`orig_splunk_server="sv", orig_tag="t", orig_tag::user="tu", orig_time="1", orig_timeendpos="9", orig_timestartpos="0"`,
		},
		"fields that would pass for control fields": {
			stash.Event{SearchName: "S", Control: winnow.Fields{"note": {"ours"}}, Fields: winnow.Fields{
				"winnow_id": {"1"}, "Winnow.Status": {"2"}, "9winnow_id": {"3"}, "rule_title": {"4"}, "rule:title": {"5"},
				"severity": {"6"}, "URGENCY": {"7"}, "owner": {"8"}, "note": {"9"}, "orig_sid.x": {"10"}, "drilldown_search": {"11"},
			}},
			`search_name="S", note="ours", orig_URGENCY="7", orig_Winnow.Status="2", orig_drilldown_search="11", orig_note="9", ` +
				`orig_orig_sid.x="10", orig_owner="8", orig_rule:title="5", orig_rule_title="4", orig_severity="6", ` +
				`orig_winnow_id="3", orig_winnow_id="1"`,
		},
		"names that would end a key": {
			stash.Event{SearchName: "S", Fields: winnow.Fields{`a="x", winnow_id`: {"1"}, "b c\n": {"2"}, "né": {"3"}, "日本": {"4"}, "": {"5"}}},
			`search_name="S", a__x___winnow_id="1", b_c_="2", field="5", field="4", n__="3"`,
		},
		"texts of the file format": {
			stash.Event{SearchName: "S", Fields: winnow.Fields{"a": {"x\n==##~~##~~  1E8N3D4E6V5E7N2T9 ~~##~~##==\n***SPLUNK*** index=\"main\"\n***Common Action Model*** y"}}},
			"search_name=\"S\", a=\"x\n==##~~_##~~  1E8N3D4E6V5E7N2T9 ~~##~~##==\n***_SPLUNK_*** index=\\\"main\\\"\n***_Common Action Model_*** y\"",
		},
	} {
		t.Run(name, func(t *testing.T) {
			tt.event.Time = noon
			got := string(tt.event.Append([]byte("before|")))
			if diff := cmp.Diff("before|1772366400.250, "+tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// hostile generates what an attacker would put into a name or value.
var hostile = rapid.OneOf(rapid.String(), rapid.StringMatching(`[a-z_]{1,12}`), rapid.SampledFrom([]string{
	`"`, `\`, `\"`, `", winnow_id="x`, "\n==##~~##~~  1E8N3D4E6V5E7N2T9 ~~##~~##==\n", "\r\n==##~~##~~  1E8N3D4E6V5E7N2T9 ~~##~~##==\r\n",
	"==##~~##~~==##~~##~~", "***SPLUNK*** index=x\n", "\n***Common Action Model*** sourcetype=\"x\"\n", "\x00", "\xff\"", "winnow_id", "winnow_status",
	"9winnow_id", "_winnow_id", "rule_title", "orig_sid", "orig_time", "_time", "time", "search_name", "severity", "rid",
}))

var hostileFields = rapid.Custom(func(t *rapid.T) winnow.Fields {
	return rapid.MapOfN(hostile, rapid.SliceOfN(hostile, 0, 3), 0, 8).Draw(t, "fields")
})

// TestNoFieldBreaksOutOfItsEvent: whatever an alert says, the file reads back as exactly the
// events that were put in, and their control fields as exactly what winnow wrote.
func TestNoFieldBreaksOutOfItsEvent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := stash.File{Index: "notable", Source: hostile.Draw(t, "source"), Host: hostile.Draw(t, "host")}
		if rapid.Bool().Draw(t, "cam") {
			f.Action = &stash.Action{Name: "winnow_triage", SID: hostile.Draw(t, "sid"), RID: hostile.Draw(t, "rid")}
		}
		for range rapid.IntRange(1, 4).Draw(t, "events") {
			a := &winnow.Alert{
				SearchName: hostile.Draw(t, "search"), Received: noon, Time: noon, Fields: hostileFields.Draw(t, "alert"),
				Key: winnow.Key{SID: hostile.Draw(t, "sid"), RID: hostile.Draw(t, "rid")},
			}
			f.Events = append(f.Events, stash.Notable{Alert: a, WinnowID: "ID-1", Reason: "gate_off"}.Event())
		}
		data, err := f.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		p, err := stash.Parse(data)
		if err != nil {
			t.Fatalf("%v in\n%q", err, data)
		}
		if len(p.Events) != len(f.Events) || p.Header["index"] != "notable" || (f.Action == nil) != (p.Events[0].Action == nil) {
			t.Fatalf("%d events became %d, header %v, in\n%q", len(f.Events), len(p.Events), p.Header, data)
		}
		for i, e := range p.Events {
			checkControl(t, f.Events[i], e)
		}
	})
}

func checkControl(t *rapid.T, want stash.Event, got stash.ParsedEvent) {
	if !got.Time.Equal(want.Time) {
		t.Fatalf("time is %s, want %s", got.Time, want.Time)
	}
	for key, values := range want.Control {
		if len(got.Fields[key]) != len(values) {
			t.Fatalf("%s is %q, want %q, in %q", key, got.Fields[key], values, got.Raw)
		}
	}
	for key := range got.Fields {
		ours := want.Control[key] != nil || key == "search_name"
		if !ours && (strings.HasPrefix(key, "winnow") || strings.HasPrefix(key, "rule_")) {
			t.Fatalf("the alert wrote %s in %q", key, got.Raw)
		}
	}
	if id := got.Fields["winnow_id"]; len(id) != 1 || id[0] != "ID-1" {
		t.Fatalf("winnow_id is %q in %q", id, got.Raw)
	}
	if len(got.Fields["search_name"]) > 1 {
		t.Fatalf("search_name is %q", got.Fields["search_name"])
	}
}

// TestPlainValuesComeBackAsTheyWere: escaping loses nothing of text without control characters.
func TestPlainValuesComeBackAsTheyWere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching(`[ -~äé漢\n\t]{1,40}`).Draw(t, "value")
		if strings.Contains(value, "***") || strings.Contains(value, "==##") {
			t.Skip("texts of the file format")
		}
		e := stash.Event{Time: noon, Fields: winnow.Fields{"f": {value}}}
		_, fields, err := stash.ParseEvent(string(e.Append(nil)))
		if err != nil || len(fields["f"]) != 1 || fields["f"][0] != value {
			t.Fatalf("%q came back as %q (%v)", value, fields["f"], err)
		}
	})
}

// FuzzEvent promises that no name and no value ends its pair or its event.
func FuzzEvent(f *testing.F) {
	f.Add("user", `x", winnow_id="y`, "S")
	f.Add(`a="b`, "\n==##~~##~~  1E8N3D4E6V5E7N2T9 ~~##~~##==\n", `\`)
	f.Fuzz(func(t *testing.T, name, value, search string) {
		e := stash.Event{
			Time: noon, SearchName: search, Control: winnow.Fields{"winnow_id": {"ours"}},
			Fields: winnow.Fields{name: {value, value}},
		}
		data, err := stash.File{Index: "notable", Source: search, Events: []stash.Event{e, e}}.Bytes()
		if err != nil {
			t.Fatal(err)
		}
		p, err := stash.Parse(data)
		if err != nil {
			t.Fatalf("%v in %q", err, data)
		}
		if len(p.Events) != 2 {
			t.Fatalf("2 events became %d in %q", len(p.Events), data)
		}
		for _, e := range p.Events {
			if id := e.Fields["winnow_id"]; len(id) != 1 || id[0] != "ours" || len(e.Fields) > 3 {
				t.Fatalf("fields are %q in %q", e.Fields, e.Raw)
			}
		}
	})
}

// FuzzParse promises that no file makes the reader panic, and that what it takes for an event is
// in the file.
func FuzzParse(f *testing.F) {
	f.Add([]byte("***SPLUNK*** index=\"notable\"\n==##~~##~~  1E8N3D4E6V5E7N2T9 ~~##~~##==\n1.000, a=\"b\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := stash.Parse(data)
		if err != nil {
			return
		}
		for _, e := range p.Events {
			if !strings.Contains(string(data), e.Raw) {
				t.Fatalf("%q is not in %q", e.Raw, data)
			}
		}
	})
}
