package ledger

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/audit"
)

// Alerts whose fields are past retention. The column bare says when they went: the time of the entry of the audit
// chain that tells of all that went together, so that an alert without fields is known from one that
// somebody has edited. 1 stands for alerts that had lost theirs before there were such entries.
const bareUntold = 1

// bare takes the fields from alerts that a rule closed: their records stay, and they cannot be triaged
// again. Where nothing can be audited they stay: what cannot be told is not done.
func (t *Tx) bare(before, now time.Time, limit int) (n int, err error) {
	if !t.l.audits() {
		return 0, nil
	}
	ids, err := t.ids(`SELECT id FROM alerts WHERE bare = 0 AND source = 'rule' AND state = 'closed' AND received < ?
 AND id NOT IN (SELECT id FROM outbox WHERE done = 0) ORDER BY received LIMIT ?`, micro(before), limit)
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	slices.Sort(ids)
	at, err := t.bareTime(now)
	if err != nil {
		return 0, err
	}
	for _, id := range ids {
		if err := t.bareOne(id, at); err != nil {
			return 0, err
		}
	}
	left, err := t.stripped(at)
	if err != nil {
		return 0, err
	}
	return len(ids), t.note(audit.KindFields, "", at, left.body)
}

// bareTime is a time that no alerts lost their fields at.
func (t *Tx) bareTime(now time.Time) (at int64, err error) {
	for at = max(micro(now), bareUntold+1); ; at++ {
		var one int
		taken, err := t.get(`SELECT 1 WHERE EXISTS (SELECT 1 FROM alerts WHERE bare = ? AND bare > 1)
 OR EXISTS (SELECT 1 FROM audit WHERE kind = 'fields' AND subject = '' AND at = ?)`, []any{at, at}, &one)
		if err != nil || !taken {
			return at, err
		}
	}
}

func (t *Tx) bareOne(id string, at int64) error {
	e, err := t.Alert(id)
	var body []byte
	if err == nil {
		a := &e.Alert
		body, err = json.Marshal(storedAlert{App: a.App, Owner: a.Owner, URI: a.URI, Adhoc: a.Adhoc, Time: micro(a.Time), Fields: winnow.Fields{}, Warnings: a.Warnings})
	}
	if err != nil {
		body = []byte("{}") // one that cannot be read loses what cannot be read
	}
	if err := t.exec("UPDATE alerts SET alert = ?, bare = ? WHERE id = ?", body, at, id); err != nil {
		return err
	}
	if err := t.panelChanged(id, nil); err != nil {
		return err
	}
	return t.exec("INSERT INTO bared (rule, ruleset, day, alerts) "+dropOf+" ON CONFLICT (rule, ruleset, day) DO UPDATE SET alerts = alerts + 1", microDay, id)
}

// stripped are the alerts that lost their fields together, as they are now.
type stripped struct {
	ids  []string
	body audit.Fields
}

// stripped reads them: some hundred at most, see bare.
func (t *Tx) stripped(at int64) (b stripped, err error) {
	var parts [][]byte
	err = t.each("SELECT id, "+alertColumns+" FROM alerts WHERE bare = ? AND bare > 1 ORDER BY id", []any{at}, func(scan func(...any) error) error {
		var id string
		var k winnow.Key
		var search string
		var received int64
		var severity winnow.Severity
		var key, body []byte
		if err := scan(&id, &k.Host, &k.SID, &k.RID, &k.MAC, &search, &received, &severity, &key, &body); err != nil {
			return err
		}
		hash := alertHash(k, search, received, severity, key, body)
		parts, b.ids = append(parts, []byte(id), hash[:]), append(b.ids, id)
		if b.body.From == 0 || received < b.body.From {
			b.body.From = received
		}
		b.body.To = max(b.body.To, received)
		return nil
	})
	b.body.Alerts, b.body.Digest = len(b.ids), audit.Sum(parts...)
	return b, err
}

// FieldsRemoved says when an alert lost its fields to retention, as the chain tells; gone is false for one that has
// them. at is the zero time where the chain does not tell: it was before it told such things, or an edit.
func (t *Tx) FieldsRemoved(id string) (at time.Time, gone bool, err error) {
	var bare int64
	if _, err = t.get("SELECT bare FROM alerts WHERE id = ?", []any{id}, &bare); err != nil || bare <= bareUntold {
		return at, bare > 0, err
	}
	begin, err := t.begins()
	if err != nil {
		return at, true, err
	}
	var one int
	told, err := t.get("SELECT 1 FROM audit WHERE kind = 'fields' AND subject = '' AND at = ?", []any{bare}, &one)
	if told || begin.Seq > 1 && bare <= begin.At {
		at = timeOf(bare)
	}
	return at, true, err
}

// fieldsEntries returns entries that tell of removed fields.
func (t *Tx) fieldsEntries(where string, args ...any) (out []audit.Entry, err error) {
	err = t.entries(func(e *audit.Entry, _ audit.Hash) error {
		one := *e
		one.Body = slices.Clone(e.Body)
		out = append(out, one)
		return nil
	}, "SELECT seq, at, kind, subject, body, hash FROM audit WHERE kind = 'fields' AND subject = '' AND "+where, args...)
	return out, err
}

// barePage is how many entries are looked at in one step.
const barePage = 1000

// verifyFields holds the alerts without fields against what the chain tells of them. n is how many lost theirs as
// it says.
func (t *Tx) verifyFields(f func(*audit.Fault) error) (n int, err error) {
	removed, err := t.removedUntil()
	if err != nil {
		return 0, err
	}
	for after := int64(0); ; {
		page, err := t.fieldsEntries("seq > ? ORDER BY seq LIMIT ?", after, barePage)
		if err != nil {
			return n, err
		}
		for i := range page {
			after = page[i].Seq
			told, err := t.verifyStripped(&page[i], removed, f)
			if n += told; err != nil {
				return n, err
			}
		}
		if len(page) < barePage {
			return n, t.verifyUntold(f)
		}
	}
}

// verifyStripped holds those that lost their fields together against the entry that says so. Retention may have
// removed some of them since, and then the rest is only counted.
func (t *Tx) verifyStripped(e *audit.Entry, removed int64, f func(*audit.Fault) error) (n int, err error) {
	var said audit.Fields
	if err := json.Unmarshal(e.Body, &said); err != nil {
		return 0, nil //nolint:nilerr // the chain itself shows that it was changed
	}
	b, err := t.stripped(e.At)
	if err != nil {
		return 0, err
	}
	bad := func(format string, args ...any) error {
		return f(&audit.Fault{Entry: e.Seq, Text: fmt.Sprintf(format, args...)})
	}
	switch n = len(b.ids); {
	case n > said.Alerts:
		err = bad("retention removed the fields of %d alerts, and %d say that they lost theirs then", said.Alerts, n)
	case n == said.Alerts && b.body != said:
		err = bad("one of the %d alerts whose fields retention removed is not as it left them, or another stands in its place", n)
	case n < said.Alerts && removed < said.From:
		err = bad("retention removed the fields of %d alerts, and %d of them are no longer such", said.Alerts, said.Alerts-n)
	case n > 0 && (b.body.From < said.From || b.body.To > said.To):
		err = bad("an alert without fields was received at another time than those whose fields retention removed")
	}
	return n, err
}

// verifyUntold finds alerts without fields of which no entry tells that retention removed them.
func (t *Tx) verifyUntold(f func(*audit.Fault) error) error {
	begin, err := t.begins()
	if err != nil {
		return err
	}
	past := int64(bareUntold)
	if begin.Seq > 1 {
		past = begin.At // entries up to here are past retention themselves
	}
	var told int64 // since then retention tells
	if _, err := t.get("SELECT coalesce(min(at), 0) FROM audit WHERE kind = 'fields' AND subject = ''", nil, &told); err != nil || told == 0 {
		told = maxTime
		if err != nil {
			return err
		}
	}
	const untold = `SELECT id FROM alerts WHERE bare IN (SELECT bare FROM (SELECT DISTINCT bare FROM alerts WHERE bare > 1) b
 WHERE bare > ? AND NOT EXISTS (SELECT 1 FROM audit WHERE kind = 'fields' AND subject = '' AND at = b.bare)) AND bare > 1
 UNION SELECT id FROM alerts WHERE bare <> 0 AND bare <= 1 AND received >= ? ORDER BY id LIMIT ?`
	ids, err := t.ids(untold, past, told, maxFaults)
	for _, id := range ids {
		err = errors.Join(err, f(&audit.Fault{Subject: id, Text: noFields}))
	}
	return err
}

const noFields = "its fields are gone, and the chain does not tell that retention removed them"

// verifyOwnFields does the same for one alert.
func (t *Tx) verifyOwnFields(a *auditedRow, begin audit.Entry, f func(*audit.Fault) error) error {
	if a.bare <= bareUntold {
		return nil
	}
	entries, err := t.fieldsEntries("at = ?", a.bare)
	if err != nil {
		return err
	}
	if len(entries) == 0 {
		if begin.Seq > 1 && a.bare <= begin.At {
			return nil
		}
		return f(&audit.Fault{Subject: a.id, Text: noFields})
	}
	removed, err := t.removedUntil()
	if err == nil {
		_, err = t.verifyStripped(&entries[0], removed, f)
	}
	return err
}
