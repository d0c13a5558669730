package ledger

import (
	"fmt"
	"time"

	"github.com/winnow-soc/winnow"
)

// Outline is an alert without its fields: its record, what people ever said of it, and what its record hangs on.
type Outline struct {
	Record   winnow.Record
	Received time.Time
	Bytes    int64 // of its own text, as it was received

	Derived string // ID of the alert whose cached verdict closed it, or ""
	Joined  string // ID of the alert whose open case it repeats, or ""
	Bare    bool   // its fields are past retention

	// Ever and Weak are those of [Judged].
	Ever, Weak bool
}

const outlineColumns = `received, bytes, derived, joined, bare <> 0, record,
 EXISTS (SELECT 1 FROM reviews WHERE reviews.id = alerts.id AND reviews.disposition = 'TruePositive' AND reviews.weak = 0),
 EXISTS (SELECT 1 FROM reviews WHERE reviews.id = alerts.id AND reviews.weak = 1)`

// Outlines calls f with every alert received at or after since and before until, in the order in which they were
// received; the zero until is no bound. It reads one row after the other, so memory does not grow with the ledger.
func (t *Tx) Outlines(since, until time.Time, f func(*Outline) error) error {
	end := micro(until)
	if until.IsZero() {
		end = maxTime
	}
	return t.each("SELECT "+outlineColumns+" FROM alerts WHERE received >= ? AND received < ? ORDER BY received, id", []any{micro(since), end},
		func(scan func(...any) error) error {
			o, err := scanOutline(scan)
			if err != nil {
				return err
			}
			return f(&o)
		})
}

// Outline returns that of one alert.
func (t *Tx) Outline(id string) (o Outline, err error) {
	found := false
	err = t.each("SELECT "+outlineColumns+" FROM alerts WHERE id = ?", []any{id}, func(scan func(...any) error) (err error) {
		found = true
		o, err = scanOutline(scan)
		return err
	})
	if err == nil && !found {
		err = fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	return o, err
}

func scanOutline(scan func(...any) error) (o Outline, err error) {
	var received int64
	var record []byte
	if err := scan(&received, &o.Bytes, &o.Derived, &o.Joined, &o.Bare, &record, &o.Ever, &o.Weak); err != nil {
		return o, fmt.Errorf("ledger: %w", err)
	}
	o.Received = timeOf(received)
	o.Record, err = DecodeRecord(record)
	return o, err
}

// Asked is what language models were paid for the alerts of one search.
type Asked struct {
	Search string
	Alerts int // different ones
	Booked winnow.NanoUSD
}

// AskedAbout adds up by search what was booked for alerts from since on and before until; the zero until is no
// bound. What a replay asked is not of an alert.
func (t *Tx) AskedAbout(since, until time.Time) (out []Asked, err error) {
	end := micro(until)
	if until.IsZero() {
		end = maxTime
	}
	err = t.each(`SELECT search, count(DISTINCT alert), coalesce(sum(booked), 0) FROM calls
 WHERE replay = 0 AND state <> 'released' AND at >= ? AND at < ? GROUP BY search ORDER BY search`, []any{micro(since), end},
		func(scan func(...any) error) error {
			var a Asked
			err := scan(&a.Search, &a.Alerts, &a.Booked)
			out = append(out, a)
			return err
		})
	return out, err
}
