package triage

import (
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
)

// What was decided on alerts with the same host or account is told to the analysts, and marked where
// an attacker chooses the value; it closes nothing by itself.
func TestPastOfEntities(t *testing.T) {
	r := newRig(t)
	r.model.disposition = "Undetermined"
	for _, rid := range []string{"0", "1"} {
		r.triage(r.alert(rid, "signature", "odd "+rid))
		r.at = r.at.Add(time.Second)
	}
	var past []llm.Past
	r.broken = analystFunc(func(in llm.Input) (llm.Analysis, error) {
		past = in.Past
		return llm.Analysis{}, nil
	})
	r.triage(r.alert("2", "signature", "another", "dest_host", "unheard-of", "user", "new-hire"))
	seen := map[string]llm.Past{}
	for _, p := range past {
		seen[p.Field] = p
	}
	src := seen["src"]
	if src.Looked != 2 || len(src.Counts) != 1 || src.Counts[0].Alerts != 2 || src.Counts[0].State != winnow.StateInReview || len(src.Recent) != 2 {
		t.Errorf("past of src: %+v", src)
	}
	if p := seen["user"]; p.Looked != 0 {
		t.Errorf("past of a new account: %+v", p)
	}
	if len(src.Recent) == 2 && !src.Recent[0].Received.After(src.Recent[1].Received) {
		t.Errorf("not the newest first: %+v", src.Recent)
	}
}
