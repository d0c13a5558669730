package alertaction

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

// TestJSONIsTheLibrarys: what is written by hand is what encoding/json writes.
func TestJSONIsTheLibrarys(t *testing.T) {
	for _, text := range []string{"", "plain_word", `C:\x "y" </z> &`, "\x00\x1f\x7f\u2028\u00e4", "\xff\xfe"} {
		for at, instant := range []time.Time{{}, testTime, testTime.Add(123456789), testTime.In(time.FixedZone("", -5*3600))} {
			h := Header{
				Version: at, Kind: Kind(text), ID: text, Received: instant, DecideBy: instant, Host: text,
				Severity: winnow.Severity(at), Unread: text, Unconfigured: at == 1,
			}
			sameJSON(t, h, h.appendJSON(nil))
		}
		p := winnow.Proposal{Kind: winnow.ProposalKind(text), Reason: winnow.Reason(text), Rule: text, RuleSet: text}
		sameJSON(t, p, appendProposal(nil, p))
	}
	for _, trailer := range []Trailer{{}, {Rows: 50_000, LossNotable: true}} {
		sameJSON(t, trailer, trailer.appendJSON(nil))
	}
}

func sameJSON(t *testing.T, v any, got []byte) {
	t.Helper()
	want, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%T (-want +got):\n%s", v, diff)
	}
}
