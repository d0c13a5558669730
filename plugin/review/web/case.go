package web

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// field is one field of an alert beside what is known of it.
type field struct {
	Name    string
	Values  []string
	Control string // who can set it
	Cited   bool   // the verdict rests on it
}

type caseView struct {
	frame
	Rec        winnow.Record
	Seq        int64
	App, Owner string
	Received   time.Time
	Group      int // alerts that one decision settles
	FactUntil  time.Time
	Fields     []field
	Warnings   []string
	Advice     []advice
	Derived    string
	Joined     string
	History    []winnow.Record
	Reviews    []ledger.Review
	Calls      []ledger.Call
	Deliveries []ledger.DeliveryState
}

// advice is an action that the pipeline recommends.
type advice struct{ Kind, Target, Reason string }

func (s *server) oneCase(w http.ResponseWriter, r *http.Request, who *session) {
	v := caseView{frame: s.frame(r, who, "Case")}
	id := strings.ToUpper(r.PathValue("id"))
	s.read(w, r, who, "case", &v, func(t *ledger.Tx) error { return s.readCase(t, id, &v) })
}

func (s *server) readCase(t *ledger.Tx, id string, v *caseView) error {
	entry, err := t.Alert(id)
	if err != nil {
		return err
	}
	if v.Rec, err = t.Record(id); err != nil {
		return err
	}
	if v.Seq, err = t.Seq(id); err != nil {
		return err
	}
	open, err := t.OpenWithKey(entry.Key)
	if err != nil {
		return err
	}
	a := &entry.Alert
	v.Title = cut(80, a.SearchName)
	v.App, v.Owner, v.Received, v.Warnings = a.App, a.Owner, a.Received, a.Warnings
	v.Group, v.Derived, v.Joined = 1, entry.Derived, entry.Joined
	if v.Waits() {
		v.Group = max(1, len(open))
	}
	v.FactUntil = s.Now().Add(s.FactTTL).UTC()
	_ = json.Unmarshal(entry.Advice, &v.Advice) //nolint:errcheck // there is none, or none that can be read
	v.Fields = s.fields(a, v.Rec.Verdict.Evidence)
	return v.trail(t, id)
}

func (v *caseView) trail(t *ledger.Tx, id string) error {
	var errs [4]error
	v.History, errs[0] = t.History(id)
	v.Reviews, errs[1] = t.Reviews(id)
	v.Calls, errs[2] = t.Calls(id)
	v.Deliveries, errs[3] = t.Deliveries(id)
	return errors.Join(errs[:]...)
}

// fields are those of the alert, the ones first that the verdict rests on.
func (s *server) fields(a *winnow.Alert, evidence []winnow.Evidence) []field {
	cited := map[string]bool{}
	for _, e := range evidence {
		cited[e.Field] = true
	}
	var out []field
	for _, name := range a.Fields.Names() {
		out = append(out, field{name, a.Fields[name], s.Control(a.SearchName, name), cited[name]})
	}
	slices.SortStableFunc(out, func(a, b field) int {
		switch {
		case a.Cited == b.Cited:
			return 0
		case a.Cited:
			return -1
		}
		return 1
	})
	return out
}

// Waits reports whether the alert waits for a person.
func (v *caseView) Waits() bool {
	state := v.Rec.Outcome.State
	return (state == winnow.StateInReview || state == winnow.StateEscalated) && v.Rec.Verdict.Source != winnow.SourcePerson
}

// Judged reports whether there is a verdict that a person can approve.
func (v *caseView) Judged() bool {
	d := v.Rec.Verdict.Disposition
	return d != winnow.Undetermined && d != winnow.Other
}

// Closes reports whether approving the verdict closes the alert.
func (v *caseView) Closes() bool { return v.Rec.Verdict.Disposition.Benign() }
