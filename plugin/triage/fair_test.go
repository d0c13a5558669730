package triage

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

// While a noisy search has every place of the worker, the next one that becomes free goes to what is more
// severe, and the one after it to the one alert of another search.
func TestTheNextPlaceIsForWhoWaitsFairly(t *testing.T) {
	r := newRig(t, "worker.concurrency=2")
	tw := r.tower()
	w := r.worker()
	r.ok(w.takeOver(t.Context()))
	admit := func(search, rid string, s winnow.Severity) {
		a := r.alert(rid, "user", rid)
		a.SearchName, a.Severity = search, s
		r.admit(Row{Alert: a, Proposal: passes})
	}
	for i := range 50 {
		admit("Noisy", fmt.Sprint("noisy-", i), winnow.SeverityLow)
	}
	turn := func(asked int) []string {
		t.Helper()
		_, err := w.triageQueue(t.Context())
		r.ok(err)
		tw.wait(asked)
		tw.mu.Lock()
		defer tw.mu.Unlock()
		return slices.Sorted(slices.Values(tw.asked[len(tw.asked)-asked:]))
	}
	first := turn(2)
	admit("Quiet", "quiet", winnow.SeverityLow)
	admit("Other", "critical", winnow.SeverityCritical)
	var got []string
	for _, rid := range append(first, "critical", "quiet") {
		close(tw.gate(rid))
		w.air.down = append(w.air.down, <-w.air.landed)
		got = append(got, turn(1)...)
	}
	if diff := cmp.Diff([]string{"critical", "quiet"}, got[:2]); diff != "" {
		t.Errorf("asked about %v and then %v: -want +got:\n%s", first, got, diff)
	}
	if len(w.air.ready) > 0 || w.air.held() > 0 {
		t.Errorf("%d are kept in hand", w.air.held())
	}
	for _, it := range r.queued() {
		if it.Leased != (w.air.flying[it.ID] != nil) || it.Leased != (it.Attempts == 1) {
			t.Errorf("%s: leased %v, attempts %d, in the air %v", it.ID, it.Leased, it.Attempts, w.air.flying[it.ID] != nil)
		}
	}
	for rid := range 50 {
		select {
		case <-tw.gate(fmt.Sprint("noisy-", rid)):
		default:
			close(tw.gate(fmt.Sprint("noisy-", rid)))
		}
	}
	r.once(w)
}
