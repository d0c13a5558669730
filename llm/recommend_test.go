package llm

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

func TestTargetsComeFromTheAlert(t *testing.T) {
	block := func(field string) Advice { return Advice{Kind: AdviceBlock, Field: field, Reason: "block 192.0.2.99"} }
	tests := []struct {
		name   string
		values []string
		want   AdviceKind
		target string
	}{
		{"public address", []string{"203.0.113.9"}, AdviceBlock, "203.0.113.9"},
		{"public v6", []string{"2001:db8::7"}, AdviceBlock, "2001:db8::7"},
		{"private", []string{"10.0.0.1"}, AdviceFlag, "10.0.0.1"},
		{"private inside v6", []string{"::ffff:10.0.0.1"}, AdviceFlag, "::ffff:10.0.0.1"},
		{"loopback", []string{"127.0.0.1"}, AdviceFlag, "127.0.0.1"},
		{"link-local with a zone", []string{"fe80::1%eth0"}, AdviceFlag, "fe80::1%eth0"},
		{"a name", []string{"dns.example"}, AdviceFlag, "dns.example"},
		{"a network", []string{"0.0.0.0/0"}, AdviceFlag, "0.0.0.0/0"},
		{"never to be blocked", []string{"198.51.100.1"}, AdviceFlag, "198.51.100.1"},
		{"two values", []string{"203.0.113.9", "198.51.100.1"}, AdviceFlag, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := Input{Alert: &winnow.Alert{Fields: winnow.Fields{"src": tt.values}}, Lists: listMap{"never_block": {"198.51.100.1"}}}
			r := &run{in: in, c: Case{Alert: in.Alert, Lists: in.Lists}, judgement: judgement{disposition: winnow.TruePositive}}
			r.c.Classification.Recommendations = []Advice{block("src"), block("src")}
			want := []Recommendation{{Kind: tt.want, Field: "src", Target: tt.target, Reason: "block 192.0.2.99"}}
			if d := cmp.Diff(want, r.recommend()); d != "" {
				t.Error(d)
			}
		})
	}
}

func TestUndecidedAlertsAreFlagged(t *testing.T) {
	r := &run{in: Input{Alert: &winnow.Alert{}}}
	if got := r.recommend(); len(got) != 1 || got[0].Kind != AdviceFlag {
		t.Errorf("recommendations %v", got)
	}
	r = &run{in: Input{Alert: &winnow.Alert{Fields: winnow.Fields{"src": {"203.0.113.9"}}}}}
	r.c.Alert = r.in.Alert
	if !r.c.blockable("203.0.113.9") {
		t.Error("without lists nothing can be blocked")
	}
}
