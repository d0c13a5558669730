package ledger

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow"
)

// A share of what was closed waits for a person all the same, who judges it without knowing that it was closed, or
// by whom. Until then the alert's record is what it was: only what people are shown is another one.

// Blind is what people are shown of a sampled close.
type Blind struct {
	Record winnow.Record   `json:"record"`
	Advice json.RawMessage `json:"advice"` // JSON list of recommended actions
}

// AddSample has people judge an alert that was closed, as they see it in b. An alert is sampled once: later closes of
// it change nothing.
func (t *Tx) AddSample(id string, closer winnow.Source, at time.Time, b Blind) error {
	b.Record.Normalize()
	view, err := json.Marshal(b)
	if err != nil {
		return fmt.Errorf("ledger: encode sample %s: %w", id, err)
	}
	var known int
	found, err := t.get("SELECT 1 FROM samples WHERE id = ?", []any{id}, &known)
	if err != nil || found {
		return err
	}
	if err := t.exec("INSERT INTO samples (id, closer, at, judged, view) VALUES (?,?,?,'',?)", id, closer, micro(at), view); err != nil {
		return err
	}
	fields, err := t.fieldsOf(id)
	if err != nil {
		return err
	}
	return t.enterLine(id, sampleStorm(id), b.Record.Outcome.State, b.Record.Severity, fields)
}

// sampleStorm names the storm of a sample: it is judged by itself. No cache key is that short.
func sampleStorm(id string) []byte { return []byte(id) }

// SamplesSince counts the samples of a closer from a time on.
func (t *Tx) SamplesSince(closer winnow.Source, since time.Time) (n int, err error) {
	_, err = t.get("SELECT count(*) FROM samples WHERE closer = ? AND at >= ?", []any{closer, micro(since)}, &n)
	return n, err
}

// BlindOf returns what people are shown of an alert that waits to be judged as a sample. found is false for every
// other alert.
func (t *Tx) BlindOf(id string) (b Blind, found bool, err error) {
	var view []byte
	found, err = t.get(`SELECT s.view FROM samples s JOIN alerts a ON a.id = s.id
 WHERE s.id = ? AND s.judged = '' AND a.state = 'closed' AND a.source <> 'person'`, []any{id}, &view)
	if err != nil || !found {
		return b, false, err
	}
	if err := json.Unmarshal(view, &b); err != nil {
		return b, false, fmt.Errorf("ledger: decode sample %s: %w", id, err)
	}
	b.Record.Normalize()
	return b, true, nil
}

// JudgeSample keeps what came of a sample; nothing where the alert is none. What people were shown is forgotten.
func (t *Tx) JudgeSample(id string, j Judgement) error {
	return t.exec("UPDATE samples SET judged = ?, view = x'' WHERE id = ?", string(j), id)
}

// unsampled gives a sample up whose close was taken back before anybody judged it. A person's word still counts later.
func (t *Tx) unsampled(r *winnow.Record) error {
	if r.Verdict.Source == winnow.SourcePerson {
		return nil
	}
	return t.forgetSample(r.ID)
}

// forgetSample has nobody judge a sample any more: its alert is past retention, or open again.
func (t *Tx) forgetSample(id string) error {
	return t.exec("UPDATE samples SET judged = CASE judged WHEN '' THEN 'unknown' ELSE judged END, view = x'' WHERE id = ?", id)
}

// SampleCount is what is known of one closer.
type SampleCount struct {
	Closes int // alerts of the ledger that it closed, and samples that a person has judged since
	Judged map[Judgement]int
}

// SampleCounts returns the numbers of every closer that closed anything.
func (t *Tx) SampleCounts() (map[winnow.Source]*SampleCount, error) {
	if err := t.keepCounts(); err != nil {
		return nil, err
	}
	out := map[winnow.Source]*SampleCount{}
	of := func(s winnow.Source) *SampleCount {
		if out[s] == nil {
			out[s] = &SampleCount{Judged: map[Judgement]int{}}
		}
		return out[s]
	}
	for query, add := range map[string]func(c *SampleCount, judged string, n int){
		"SELECT source, '', sum(alerts) FROM alert_sums WHERE grain = 0 AND state = 'closed' AND source <> 'person' GROUP BY source": func(c *SampleCount, _ string, n int) {
			c.Closes += n
		},
		"SELECT closer, judged, count(*) FROM samples GROUP BY closer, judged": func(c *SampleCount, judged string, n int) {
			c.Judged[Judgement(judged)] += n
			if judged != "" && Judgement(judged) != JudgedUnknown {
				c.Closes += n
			}
		},
	} {
		err := t.each(query, nil, func(scan func(...any) error) error {
			var source, judged string
			var n int
			if err := scan(&source, &judged, &n); err != nil {
				return err
			}
			add(of(winnow.Source(source)), judged, n)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}
