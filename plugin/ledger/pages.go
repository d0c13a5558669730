package ledger

import (
	"encoding/hex"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
)

// PageAction is what a page asks of its receiver.
type PageAction string

// The actions.
const (
	PageTrigger     PageAction = "trigger"     // wake somebody
	PageAcknowledge PageAction = "acknowledge" // somebody has it
	PageResolve     PageAction = "resolve"     // nobody needs to look any more
)

// Page is one message to a pager, a chat or a ticket system about a group of alerts.
type Page struct {
	Action PageAction `json:"action"`
	Group  string     `json:"group"`  // what the receiver knows the group by, the same from trigger to resolve
	Opened time.Time  `json:"opened"` // when it was triggered: the same group may be paged for again, later
	By     string     `json:"by"`     // who acknowledged or settled it
	Ref    string     `json:"ref"`    // what the receiver called it; read when the delivery is due
}

// PageState says how a page stands.
type PageState string

// The states. A row that is not there, or is over, is no page.
const (
	PageHeld         PageState = "held"         // its target has had enough of them for now
	PageOpen         PageState = "open"         // nobody has answered
	PageAcknowledged PageState = "acknowledged" // somebody has it
	PageOver         PageState = "over"
)

// PageRow is what became of one page.
type PageRow struct {
	Group    string          `json:"group"`
	Sink     string          `json:"sink"`
	ID       string          `json:"id"` // of the alert that it is about
	Severity winnow.Severity `json:"severity"`
	State    PageState       `json:"state"`
	Opened   time.Time       `json:"opened"`
	Told     time.Time       `json:"told"` // zero: it is held
	Due      time.Time       `json:"due"`  // when the next target is told; zero: never
	Ref      string          `json:"ref"`  // of the ticket or message
	Actor    string          `json:"actor"`
}

// Stands reports whether the page is not over.
func (p *PageRow) Stands() bool { return p.State != "" && p.State != PageOver }

// PageGroup is what receivers know the group of an alert by. It says nothing of the alert: keys are MACs.
func PageGroup(e *Entry) string {
	if e.Key == (cache.Key{}) {
		return "winnow-" + e.Alert.ID
	}
	return "winnow-" + hex.EncodeToString(e.Key[:16])
}

const pageColumns = "SELECT grp, sink, id, severity, state, opened, told, due, ref, actor FROM pages "

// PutPage keeps how a page stands, in place of what was known of the same group and sink.
func (t *Tx) PutPage(p *PageRow) error {
	return t.exec("INSERT OR REPLACE INTO pages (grp, sink, id, severity, state, opened, told, due, ref, actor) VALUES (?,?,?,?,?,?,?,?,?,?)",
		p.Group, p.Sink, p.ID, p.Severity, p.State, micro(p.Opened), micro(p.Told), micro(p.Due), p.Ref, p.Actor)
}

// Page returns the page of a group at a sink; the zero row when there is none.
func (t *Tx) Page(group, sink string) (PageRow, error) {
	return firstPage(t.pages("WHERE grp = ? AND sink = ?", group, sink))
}

// PagesOf returns the pages of a group, by sink.
func (t *Tx) PagesOf(group string) ([]PageRow, error) {
	return t.pages("WHERE grp = ? ORDER BY sink", group)
}

// PagesAlertHas returns the pages of the group that an alert is of, over or not.
func (t *Tx) PagesAlertHas(id string) ([]PageRow, error) {
	entry, err := t.Alert(id)
	if err != nil {
		return nil, err
	}
	return t.PagesOf(PageGroup(&entry))
}

// PagesDue returns up to limit pages that nobody has answered in time, the longest due first.
func (t *Tx) PagesDue(now time.Time, limit int) ([]PageRow, error) {
	return t.pages("WHERE due > 0 AND due <= ? ORDER BY due LIMIT ?", micro(now), limit)
}

// PageHeldFor returns the most severe, then oldest page that is held for a sink; the zero row when there is none.
func (t *Tx) PageHeldFor(sink string) (PageRow, error) {
	return firstPage(t.pages("WHERE sink = ? AND state = 'held' ORDER BY severity DESC, opened LIMIT 1", sink))
}

// PagesTold counts the pages that a sink was told since a time.
func (t *Tx) PagesTold(sink string, since time.Time) (n int, err error) {
	_, err = t.get("SELECT count(*) FROM pages WHERE sink = ? AND told > ?", []any{sink, micro(since)}, &n)
	return n, err
}

// PageTaken keeps what a receiver calls a page.
func (t *Tx) PageTaken(group, sink, ref string) error {
	return t.exec("UPDATE pages SET ref = ? WHERE grp = ? AND sink = ?", ref, group, sink)
}

// EscalatedWaits reports whether an alert with a cache key is escalated and no person has decided about it.
func (t *Tx) EscalatedWaits(key cache.Key) (bool, error) {
	var one int
	return t.get("SELECT 1 FROM alerts WHERE key = ? AND state = 'escalated' AND source <> 'person' LIMIT 1", []any{key[:]}, &one)
}

func firstPage(rows []PageRow, err error) (PageRow, error) {
	if err != nil || len(rows) == 0 {
		return PageRow{}, err
	}
	return rows[0], nil
}

func (t *Tx) pages(where string, args ...any) (out []PageRow, err error) {
	err = t.each(pageColumns+where, args, func(scan func(...any) error) error {
		var p PageRow
		var opened, told, due int64
		if err := scan(&p.Group, &p.Sink, &p.ID, &p.Severity, &p.State, &opened, &told, &due, &p.Ref, &p.Actor); err != nil {
			return err
		}
		p.Opened, p.Told, p.Due = timeOf(opened), timeOf(told), timeOf(due)
		out = append(out, p)
		return nil
	})
	return out, err
}
