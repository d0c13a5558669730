package review

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Choice is a decision that a person may take now, and what it would do.
type Choice struct {
	Action      Action             `json:"action"`
	Disposition winnow.Disposition `json:"disposition"`   // of correct, and what an approval carries out
	State       winnow.State       `json:"state"`         // of the alerts after it
	Settles     int                `json:"settles"`       // alerts: the group
	Recalls     int                `json:"recalls"`       // closed alerts that are triaged again
	Fact        *NewFact           `json:"fact"`          // null: it becomes none
	Repeats     *time.Time         `json:"repeats_until"` // until when it closes repeats; null: not at all
	Says        string             `json:"says"`          // all of this in a sentence
}

// NewFact is the benign fact that a decision becomes: alerts of the search with exactly these values in all fields
// of one of the lists may be closed on it.
type NewFact struct {
	Search   string              `json:"search"`
	Entities [][]winnow.Evidence `json:"entities"`
	Until    time.Time           `json:"until"`
}

// choices says what each decision would do, before anybody takes it.
func (c *Case) choices(t *ledger.Tx, s Site, entry *ledger.Entry, rec *winnow.Record) error {
	c.Choices = []Choice{}
	for _, d := range []Decision{
		{Action: Approve}, {Action: Reject}, {Action: Correct, Disposition: winnow.BenignPositive},
		{Action: Correct, Disposition: winnow.TruePositive},
	} {
		d.ID = c.ID
		disposition, state, err := d.verdict(rec)
		if err != nil {
			continue // there is nothing to approve
		}
		one := Choice{Action: d.Action, Disposition: disposition, State: state, Settles: c.Group.Size}
		if disposition.Benign() {
			one.benign(s, entry, rec)
		} else if one.Recalls, err = recalls(t, d, entry, rec); err != nil {
			return err
		}
		one.Says = one.text(c.SearchName)
		c.Choices = append(c.Choices, one)
	}
	return nil
}

// benign is what a benign decision allows from then on. Nothing of a tainted alert is kept.
func (c *Choice) benign(s Site, entry *ledger.Entry, rec *winnow.Record) {
	a := &entry.Alert
	v := rec.Verdict
	v.Disposition, v.Source, v.Confidence = c.Disposition, winnow.SourcePerson, 100
	if v.Severity == winnow.SeverityUnknown {
		v.Severity = a.Severity
	}
	if kept, err := cache.Keep(a, &v, s.Now, s.CacheTTL); err == nil {
		until := kept.Expires.UTC()
		c.Repeats = &until
	}
	if s.Facts == nil || s.FactTTL <= 0 || len(v.Taint) > 0 {
		return
	}
	if lists := s.Facts(a); len(lists) > 0 {
		c.Fact = &NewFact{Search: a.SearchName, Entities: lists, Until: s.Now.Add(s.FactTTL).UTC()}
	}
}

// dry is an engine that changes nothing, to see what a recall would reach.
type dry struct{ Engine }

// Requeue does nothing.
func (dry) Requeue(*ledger.Tx, string, winnow.Reason, string) error { return nil }

// Revoke does nothing.
func (dry) Revoke(*ledger.Tx, string, string, string) error { return nil }

// recalls counts the alerts that a decision would have triaged again.
func recalls(t *ledger.Tx, d Decision, entry *ledger.Entry, rec *winnow.Record) (int, error) {
	r := recall{t: t, e: dry{}, d: d}
	err := r.of(entry, rec)
	return len(r.done), err
}

func (c *Choice) text(search string) string {
	does := map[winnow.State]string{winnow.StateClosed: "closes", winnow.StateEscalated: "escalates"}[c.State]
	parts := []string{fmt.Sprintf("%s %s as %s", does, count(c.Settles, "alert"), c.Disposition)}
	if c.Action == Reject {
		parts[0] = fmt.Sprintf("%s %s", does, count(c.Settles, "alert"))
	}
	if c.Fact != nil {
		parts = append(parts, fmt.Sprintf("becomes a benign fact for search %q and %s until %s",
			search, entityText(c.Fact.Entities), c.Fact.Until.Format(time.DateOnly)))
	}
	if c.Repeats != nil {
		parts = append(parts, "closes repeats until "+c.Repeats.Format(time.RFC3339))
	}
	if c.Recalls > 0 {
		parts = append(parts, fmt.Sprintf("sends %s closed on its verdict back to triage", count(c.Recalls, "alert")))
	}
	return strings.Join(parts, "; ")
}

// entityText names the lists of entities: all values of one of them have to be the same.
func entityText(lists [][]winnow.Evidence) string {
	var out []string
	for _, list := range lists {
		var values []string
		for _, e := range list {
			values = append(values, e.Field+"="+e.Value)
		}
		if text := strings.Join(values, ", "); !slices.Contains(out, text) {
			out = append(out, text)
		}
	}
	return strings.Join(out, ", or ")
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
