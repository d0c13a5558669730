package state

import "time"

// Egress is one attempt to send something to a model or to a service outside, as an event of sourcetype
// winnow:egress. It names what was sent and holds no values.
type Egress struct {
	Time    time.Time `json:"time"`
	AlertID string    `json:"alert_id"`
	Search  string    `json:"search_name"`
	Team    string    `json:"team"`
	Task    string    `json:"task"`
	Agent   string    `json:"agent"`
	Model   string    `json:"model"`  // as it is billed
	Source  string    `json:"source"` // name of the [model:NAME], or tool:NAME for a look-up outside
	Prompt  string    `json:"prompt"`
	Attempt int       `json:"attempt"`
	Fields  []string  `json:"fields"` // names; at most 256 of field_count
	Count   int       `json:"field_count"`
	Bytes   int       `json:"bytes"`
	SHA256  string    `json:"sha256"` // of the request
}

// Limits of egress.ndjson. Names of fields can come from somebody's JSON.
const (
	maxEgressFields = 256
	maxEgressFile   = 16 << 20
)

// ReportEgress appends an event to egress.ndjson. Safe for concurrent use.
func (d *Deployment) ReportEgress(e Egress) error {
	e.Time, e.Count = e.Time.UTC(), len(e.Fields)
	names := make([]string, 0, min(e.Count, maxEgressFields))
	for _, name := range e.Fields[:min(e.Count, maxEgressFields)] {
		names = append(names, clipped(name))
	}
	e.Fields, e.Search = names, clipped(e.Search)
	d.egress.Lock()
	defer d.egress.Unlock()
	return appendEvent(d.Path("egress.ndjson"), maxEgressFile, e)
}
