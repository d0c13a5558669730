package triage

import (
	"encoding/json"
	"fmt"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// maxWaiting bounds how many ad-hoc runs wait for the answer about one alert.
const maxWaiting = 100

func askedMeta(id string) string { return "asked/" + id }

// asked notes that a run of the alert action wants to know what becomes of an alert that the ledger has.
func (e *Engine) asked(t *ledger.Tx, id string, job winnow.Job) error {
	jobs, err := askers(t, id)
	if err != nil || job.SID == "" || len(jobs) >= maxWaiting {
		return err
	}
	text, err := json.Marshal(append(jobs, job))
	if err != nil {
		return fmt.Errorf("note who asked: %w", err)
	}
	return t.SetMeta(askedMeta(id), string(text))
}

// askers returns the runs that wait for the answer about an alert.
func askers(t *ledger.Tx, id string) (jobs []winnow.Job, err error) {
	text, err := t.Meta(askedMeta(id))
	if err != nil || text == "" {
		return nil, err
	}
	if err := json.Unmarshal([]byte(text), &jobs); err != nil {
		return nil, nil //nolint:nilerr // who asked is lost; what came of it is in the ledger
	}
	return jobs, nil
}

// respond tells the Common Action Model what came of the alert action: of the runs that asked again, else of
// the one that brought the alert. What a person decides, and what winnow itself raises, answers no run.
func (e *Engine) respond(t *ledger.Tx, sink conf.Sink, entry *ledger.Entry, rec *winnow.Record, seq int64) error {
	a := &entry.Alert
	if !rec.Outcome.State.Settled() || rec.Outcome.Reason == winnow.ReasonPerson || a.Key.Host == "winnow" || a.Key.SID == "" {
		return nil
	}
	jobs, err := askers(t, rec.ID)
	if err != nil {
		return err
	}
	if len(jobs) > 0 {
		if err := t.DropMeta(askedMeta(rec.ID)); err != nil {
			return err
		}
	} else {
		jobs = []winnow.Job{a.Job}
	}
	small := winnow.Record{ID: rec.ID, SearchName: rec.SearchName, Outcome: rec.Outcome}
	return t.Post(ledger.Delivery{
		Key: fmt.Sprintf("%s/%d/%s", rec.ID, seq, sink.Name), Seq: seq,
		Sink: sink.Name, Kind: ledger.DeliverResponse, Record: small, Alert: *a, Jobs: jobs,
	}, e.Now())
}
