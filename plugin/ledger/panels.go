package ledger

import (
	"encoding/json"
	"fmt"
	"slices"

	"github.com/winnow-soc/winnow"
)

// What the panel said of alerts is kept beside them: of each alert which of the ways to vote it was, and of each
// way how often it came by. A way is all that a report needs to add the votes up again, by whatever
// weights and table of fields there are then.

// Panel is one way in which agents voted, and what people say of those alerts.
type Panel struct {
	// SearchName matters only where a vote cites fields, and is else "".
	SearchName string
	Label      PanelLabel
	Votes      []PanelVote
	Panels     int // alerts
}

// PanelLabel is what a person says of an alert. The zero value is nothing.
type PanelLabel string

// The labels.
const (
	PanelAttack PanelLabel = "attack" // somebody once called it a true positive, whatever was said later
	PanelBenign PanelLabel = "benign"
	PanelWeak   PanelLabel = "weak" // people said something of it among many at once, and nothing else
)

// PanelVote is one agent's vote without its words.
type PanelVote struct {
	Agent      string          `json:"a"`
	Vote       winnow.VoteKind `json:"v"`
	Confidence int             `json:"c,omitempty"`
	NotAsked   bool            `json:"n,omitempty"` // the votes before had settled it
	Missing    bool            `json:"m,omitempty"` // it was asked, and gave no answer

	// Fields are those that a vote of malicious cites, where the alert has all of them; else empty.
	Fields []string `json:"f,omitempty"`
}

// panelKey is the way in which agents voted on one alert; votes is JSON, "" is no votes.
type panelKey struct {
	search string
	label  PanelLabel
	votes  string
}

// hasPanel reports whether a record tells of votes: a person's decision, or a repeat, has none of its own.
func hasPanel(r *winnow.Record) bool {
	v := &r.Verdict
	return len(v.Votes) > 0 && (v.Source == winnow.SourceModel || v.Source == winnow.SourceOffline)
}

// panelChanged keeps count of an alert's votes after its record, fields or reviews have changed. rec is its record
// where that is at hand, else nil. Most alerts were never put to the vote, and cost one look.
func (t *Tx) panelChanged(id string, rec *winnow.Record) error {
	var was int64
	had, err := t.get("SELECT n FROM panels WHERE id = ?", []any{id}, &was)
	if err != nil || !had && (rec == nil || !hasPanel(rec)) {
		return err
	}
	now, err := t.panelOf(id, rec)
	if err != nil {
		return err
	}
	if had {
		if err := t.leavePanel(id, was); err != nil {
			return err
		}
	}
	if now.votes == "" {
		return nil
	}
	return t.joinPanel(id, now)
}

func (t *Tx) joinPanel(id string, now panelKey) error {
	var n int64
	_, err := t.get(`INSERT INTO panel_tallies (search_name, label, votes, panels) VALUES (?,?,?,1)
 ON CONFLICT (search_name, label, votes) DO UPDATE SET panels = panels + 1 RETURNING n`, []any{now.search, string(now.label), now.votes}, &n)
	if err != nil {
		return err
	}
	return t.exec("INSERT INTO panels (id, n) VALUES (?,?)", id, n)
}

func (t *Tx) leavePanel(id string, n int64) error {
	for _, q := range []string{"UPDATE panel_tallies SET panels = panels - 1 WHERE n = ?", "DELETE FROM panel_tallies WHERE n = ? AND panels <= 0"} {
		if err := t.exec(q, n); err != nil {
			return err
		}
	}
	return t.exec("DELETE FROM panels WHERE id = ?", id)
}

// forgetPanel takes an alert that goes out of the count.
func (t *Tx) forgetPanel(id string) error {
	var n int64
	had, err := t.get("SELECT n FROM panels WHERE id = ?", []any{id}, &n)
	if err != nil || !had {
		return err
	}
	return t.leavePanel(id, n)
}

// panelOf reads how agents voted on an alert the last time, and what people say of it. What cannot be read has no
// votes: it keeps no change from being made.
func (t *Tx) panelOf(id string, rec *winnow.Record) (k panelKey, err error) {
	rec, votes, err := t.newestVotes(id, rec)
	if err != nil || len(votes) == 0 {
		return k, err
	}
	if k.label, err = t.labelOf(rec); err != nil {
		return panelKey{}, err
	}
	kept := make([]PanelVote, len(votes))
	var fields winnow.Fields
	for i, v := range votes {
		kept[i] = PanelVote{Agent: v.Agent, Vote: v.Vote, Confidence: v.Confidence, NotAsked: v.NotAsked(), Missing: v.Missing()}
		if v.Vote != winnow.VoteMalicious || len(v.Fields) == 0 {
			continue
		}
		if fields == nil {
			if fields, err = t.fieldsOf(id); err != nil {
				return panelKey{}, err
			}
		}
		if !slices.ContainsFunc(v.Fields, func(f string) bool { return len(fields[f]) == 0 }) {
			kept[i].Fields, k.search = v.Fields, rec.SearchName
		}
	}
	text, err := json.Marshal(kept)
	if err != nil {
		return panelKey{}, fmt.Errorf("ledger: votes of %s: %w", id, err)
	}
	k.votes = string(text)
	return k, nil
}

// labelOf is what people say of an alert.
func (t *Tx) labelOf(rec *winnow.Record) (l PanelLabel, err error) {
	var ever, weak bool
	_, err = t.get(`SELECT EXISTS (SELECT 1 FROM reviews WHERE id = ? AND disposition = ? AND weak = 0),
 EXISTS (SELECT 1 FROM reviews WHERE id = ? AND weak = 1)`, []any{rec.ID, winnow.TruePositive.String(), rec.ID}, &ever, &weak)
	person := rec.Verdict.Source == winnow.SourcePerson
	switch {
	case ever, person && rec.Verdict.Disposition == winnow.TruePositive:
		l = PanelAttack
	case person && rec.Verdict.Disposition.Benign():
		l = PanelBenign
	case weak:
		l = PanelWeak
	}
	return l, err
}

// newestVotes returns an alert's record, and the votes of the last one that has some.
func (t *Tx) newestVotes(id string, rec *winnow.Record) (now *winnow.Record, votes []winnow.Vote, err error) {
	if rec == nil {
		body, err := t.RecordJSON(id)
		if err != nil {
			return nil, nil, err
		}
		r, err := DecodeRecord(body)
		if err != nil {
			return nil, nil, nil //nolint:nilerr // it has no votes then
		}
		rec = &r
	}
	if hasPanel(rec) {
		return rec, rec.Verdict.Votes, nil
	}
	var bodies [][]byte
	err = t.each("SELECT record FROM history WHERE id = ? ORDER BY seq DESC", []any{id}, func(scan func(...any) error) error {
		var one []byte
		err := scan(&one)
		bodies = append(bodies, one)
		return err
	})
	for _, one := range bodies {
		if was, bad := DecodeRecord(one); bad == nil && hasPanel(&was) {
			return rec, was.Verdict.Votes, err
		}
	}
	return rec, nil, err
}

// fieldsOf returns the fields of an alert, not nil.
func (t *Tx) fieldsOf(id string) (winnow.Fields, error) {
	var body []byte
	if _, err := t.get("SELECT alert FROM alerts WHERE id = ?", []any{id}, &body); err != nil {
		return nil, err
	}
	var s storedAlert
	if json.Unmarshal(body, &s) != nil || s.Fields == nil {
		return winnow.Fields{}, nil //nolint:nilerr // it has none that a vote could cite
	}
	return s.Fields, nil
}

// countPanels counts what was put to the vote before there was a count.
func (t *Tx) countPanels() error {
	const votes = `instr(CAST(record AS TEXT), '"votes":[{') > 0`
	ids, err := t.ids("SELECT id FROM alerts WHERE " + votes + " UNION SELECT id FROM history WHERE " + votes + " AND id IN (SELECT id FROM alerts)")
	for _, id := range ids {
		if err == nil {
			err = t.countPanel(id)
		}
	}
	return err
}

func (t *Tx) countPanel(id string) error {
	now, err := t.panelOf(id, nil)
	if err != nil || now.votes == "" {
		return err
	}
	return t.joinPanel(id, now)
}

// Panels calls f with every way in which agents voted.
func (t *Tx) Panels(f func(Panel) error) error {
	return t.each("SELECT search_name, label, votes, panels FROM panel_tallies", nil, func(scan func(...any) error) error {
		var p Panel
		var votes []byte
		if err := scan(&p.SearchName, &p.Label, &votes, &p.Panels); err != nil {
			return err
		}
		if err := json.Unmarshal(votes, &p.Votes); err != nil {
			return fmt.Errorf("ledger: decode votes: %w", err)
		}
		return f(p)
	})
}

// VoteCost is what is booked for the votes of an agent.
type VoteCost struct {
	Agent    string
	Calls    int
	Unpriced int
	NanoUSD  winnow.NanoUSD
}

// VoteCosts returns what is booked for votes, without replays, by agent.
func (t *Tx) VoteCosts() (out []VoteCost, err error) {
	if err := t.keepCounts(); err != nil {
		return nil, err
	}
	const query = `SELECT agent, sum(attempts), sum(unpriced), CAST(min(total(booked), 9e18) AS INTEGER) FROM call_sums
 WHERE grain = 0 AND task = ? AND replay = 0 AND state <> 'released' GROUP BY agent ORDER BY agent`
	err = t.each(query, []any{"vote"}, func(scan func(...any) error) error {
		var c VoteCost
		err := scan(&c.Agent, &c.Calls, &c.Unpriced, &c.NanoUSD)
		out = append(out, c)
		return err
	})
	return out, err
}
