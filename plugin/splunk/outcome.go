package splunk

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/audit"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// OutcomeType is the sourcetype of winnow's own events about outcomes.
const OutcomeType = "winnow:outcome"

// event is an outcome as sinks write it, one line. The record's keys follow winnow's own.
type event struct {
	Time     string `json:"event_time"`
	EventKey string `json:"event_key"` // the same for every try of one delivery
	Seq      int64  `json:"event_seq"` // of two events of one alert, the higher is the newer
	WinnowID string `json:"winnow_id"`
	Type     string `json:"event_type"`
	winnow.Record
}

// ReportType marks a report among winnow's events.
const ReportType = "winnow:report"

// reportEvent is a report as sinks write it, one line.
type reportEvent struct {
	Time     string          `json:"event_time"`
	EventKey string          `json:"event_key"`
	Type     string          `json:"event_type"`
	Report   string          `json:"report"`
	Data     json.RawMessage `json:"data"`
}

// encodeOutcome writes a delivery, of an outcome, of a report or of a checkpoint of the audit chain, as one line, its end
// included. It is the same at every try.
func encodeOutcome(d ledger.Delivery) ([]byte, error) {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(eventOf(&d)); err != nil {
		return nil, &Error{Op: "write event", Code: CodeInput, Err: err}
	}
	return b.Bytes(), nil
}

func eventOf(d *ledger.Delivery) any {
	if c := d.Checkpoint; c != nil {
		return audit.Event{Time: c.At.UTC().Format(time.RFC3339Nano), EKey: d.Key, Type: audit.EventType, Checkpoint: *c}
	}
	if d.Cost != nil {
		return costEventOf(d)
	}
	if r := d.Report; r != nil {
		return reportEvent{d.Record.Outcome.Time.UTC().Format(time.RFC3339Nano), d.Key, ReportType, r.Name, r.Body}
	}
	d.Record.Normalize()
	return event{
		Time: d.Record.Outcome.Time.UTC().Format(time.RFC3339Nano), EventKey: d.Key, Seq: d.Seq, WinnowID: d.WinnowID,
		Type: OutcomeType, Record: d.Record,
	}
}

// refuseOthers answers what is no event, and returns the places of those that are.
func refuseOthers(name string, all []ledger.Delivery) (errs []error, events []int) {
	errs = make([]error, len(all))
	for i, d := range all {
		if d.Kind != ledger.DeliverEvent {
			errs[i] = wrongKind(name, d)
			continue
		}
		events = append(events, i)
	}
	return errs, events
}
