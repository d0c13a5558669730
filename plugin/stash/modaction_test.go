package stash_test

import (
	"regexp"
	"testing"
	"time"

	"github.com/winnow-soc/winnow/plugin/stash"
)

func TestModActionLine(t *testing.T) {
	for name, tt := range map[string]struct {
		action stash.ModAction
		want   string
	}{
		"scheduled": {
			stash.ModAction{
				Worker: "sh01", Signature: "stored", ActionName: "winnow_triage", SearchName: "Impossible Travel",
				SID: "scheduler__ann__search_1", RID: "0", App: "search", User: "ann", Status: stash.ActionPending, DigestMode: true,
				Extra: map[string]string{"rows": "3", "component": "main"},
			},
			`worker="sh01" signature="stored" action_name="winnow_triage" search_name="Impossible Travel" sid="scheduler__ann__search_1" ` +
				`rid="0" app="search" user="ann" digest_mode="1" action_mode="saved" action_status="pending" component="main" rows="3"`,
		},
		"by hand, on a notable": {
			stash.ModAction{SID: "1465593470.1228", OrigSID: "scheduler__x", RID: "1", OrigRID: "7", Status: stash.ActionSuccess},
			`sid="1465593470.1228" orig_sid="scheduler__x" rid="1" orig_rid="7" digest_mode="0" action_mode="adhoc" action_status="success"`,
		},
		"hostile": {
			stash.ModAction{SearchName: "a\" action_status=\"success\"\n2026", User: `x\`, Extra: map[string]string{`k="v`: "\x00\xff"}},
			`search_name="a' action_status='success' 2026" user="x/" digest_mode="0" action_mode="adhoc" k__v="  "`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			at := noon.In(time.FixedZone("CET", 3600))
			got := string(tt.action.Line(at, "INFO"))
			want := "2026-03-01 12:00:00,250+0000 INFO sendmodaction - " + tt.want + "\n"
			if got != want {
				t.Errorf("got\n%swant\n%s", got, want)
			}
		})
	}
}

var auditLine = regexp.MustCompile(`^2026-03-01 12:00:00,250\+0000 INFO sendmodaction -( [a-zA-Z0-9_]+="[^"\\\n\r]*")+\n$`)

// FuzzModAction promises one line of k="v" for any values.
func FuzzModAction(f *testing.F) {
	f.Add("a\"b", "\n", "k")
	f.Fuzz(func(t *testing.T, search, user, key string) {
		if key == "" {
			return
		}
		m := stash.ModAction{SearchName: search, User: user, SID: user + search, Extra: map[string]string{key: search}}
		if line := m.Line(noon, "INFO"); !auditLine.Match(line) {
			t.Fatalf("%q", line)
		}
	})
}
