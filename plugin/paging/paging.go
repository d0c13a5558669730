// Package paging tells people of what is believed real: PagerDuty wakes somebody, a channel of Slack is asked, a ticket
// is opened. Its sinks take deliveries of kind page from the outbox, one for a group of like alerts, and tell when it
// is over. Whom to tell and when is decided in plugin/triage (page.go); how servers are reached in plugin/splunk.
//
// Every text of a page may be an attacker's. It goes out as plain text or as a JSON string, cut to what the receiver
// takes, and never as markup.
package paging

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk"
)

// Options are what sinks are opened with.
type Options struct {
	Server splunk.ServerOptions

	// Secret reads a key from where winnow.conf says it is.
	Secret func(ctx context.Context, place string) (winnow.Secret, error)
}

// Open opens a sink of winnow.conf that pages people. Sinks are safe for concurrent use.
func Open(c conf.Sink, opts Options) (splunk.Sink, error) {
	switch c.Type {
	case conf.SinkPagerDuty:
		return newPagerDuty(c, opts)
	case conf.SinkSlack:
		return newSlack(c, opts)
	case conf.SinkTicket:
		return newTicket(c, opts)
	}
	return nil, fmt.Errorf("sink %q: type %q pages nobody", c.Name, c.Type)
}

// target is what all sinks of this package are made of.
type target struct {
	*splunk.Caller
	name string
}

// Name returns the name of the sink's stanza.
func (t *target) Name() string { return t.name }

// AtOnce is 2: pages are few, and one that hangs must not hold up the next.
func (t *target) AtOnce() int { return 2 }

func newTarget(c conf.Sink, o Options, address string) (*target, error) {
	if c.URL == "" {
		o.Server.URL = address
	}
	caller, err := splunk.NewCaller(c.Name, o.Server)
	if err != nil {
		return nil, err
	}
	return &target{caller, c.Name}, nil
}

// page returns the page of a delivery, or why it is none.
func (t *target) page(d *ledger.Delivery) (*ledger.Page, error) {
	if d.Kind != ledger.DeliverPage || d.Page == nil {
		return nil, splunk.Foreign(t.name, string(d.Kind))
	}
	return d.Page, nil
}

// message is what people read. All of it is plain text without line breaks but for Text.
type message struct {
	ID       string // of this page at the receiver: group and time, letters, digits and dashes
	Alert    string
	Title    string
	Severity string
	Text     string // the three lines
	Search   string
	Time     string // RFC 3339
	By       string // who settled it
	Project  string
}

func newMessage(d *ledger.Delivery, project string) message {
	r := &d.Record
	severity := max(r.Severity, r.Verdict.Severity)
	what := line(r.Verdict.Case.What, 400)
	title := line(r.SearchName, 120)
	if what != "" && what != title {
		title += ": " + what
	}
	m := message{
		ID: pageID(d.Page), Alert: line(r.ID, 40), Title: clip("["+severity.String()+"] "+title, 250), Severity: severity.String(),
		Search: line(r.SearchName, 120), Time: r.Time.UTC().Format(time.RFC3339), By: line(d.Page.By, 120), Project: project,
	}
	var lines []string
	for _, part := range []struct{ name, text string }{
		{"What happened", r.Verdict.Case.What}, {"Why it is likely real", r.Verdict.Case.Why}, {"First response", r.Verdict.Case.FirstResponse},
		{"Techniques", strings.Join(r.Verdict.Techniques, ", ")}, {"Alert", r.ID}, {"Decide with", "winnow review show " + r.ID},
	} {
		if text := line(part.text, 600); text != "" {
			lines = append(lines, part.name+": "+text)
		}
	}
	m.Text = strings.Join(lines, "\n")
	return m
}

// ended says in one sentence how a page ended.
func ended(d *ledger.Delivery) string {
	by := line(d.Page.By, 120)
	switch {
	case d.Page.Action == ledger.PageResolve:
		return "Settled by " + by + ": " + string(d.Record.Outcome.State) + " as " + d.Record.Verdict.Disposition.String() + "."
	case d.Record.Verdict.Source == winnow.SourcePerson:
		return "Confirmed by " + by + " as " + d.Record.Verdict.Disposition.String() + "."
	}
	return "Acknowledged by " + by + "."
}

// pageID names one page, so that a receiver that looks it up tells it from an earlier page of the same group.
func pageID(p *ledger.Page) string {
	return p.Group + "-" + strconv.FormatInt(p.Opened.UnixMicro(), 36)
}

// line makes one line of printable text out of text that anybody wrote, of at most limit bytes.
func line(s string, limit int) string {
	var b strings.Builder
	blank := true
	for _, r := range s {
		if b.Len() >= limit {
			break
		}
		if unicode.IsSpace(r) || unicode.IsControl(r) || unicode.Is(unicode.Cf, r) || unicode.Is(unicode.Co, r) {
			if !blank {
				b.WriteByte(' ')
			}
			blank = true
			continue
		}
		b.WriteRune(r)
		blank = false
	}
	return clip(strings.TrimSpace(b.String()), limit)
}

// clip shortens text to at most limit bytes, on a rune.
func clip(s string, limit int) string {
	const dots = "…"
	if len(s) <= limit {
		return s
	}
	end := limit - len(dots)
	for end > 0 && !utf8.RuneStart(s[end]) {
		end--
	}
	return s[:end] + dots
}

// maxRef is the longest name of a receiver that is kept.
const maxRef = 100

// validRef takes what a receiver calls something, if it is a name and nothing that could change an address.
func validRef(s string) bool {
	if s == "" || len(s) > maxRef || strings.Trim(s, ".") == "" {
		return false
	}
	const names = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_~."
	return strings.IndexFunc(s, func(r rune) bool { return !strings.ContainsRune(names, r) }) < 0
}

// taken is the answer of a sink whose receiver calls the page ref.
func (t *target) taken(op, ref string) error {
	if !validRef(ref) {
		return t.Refused(op, "the answer names nothing that was made", splunk.CodeBadAnswer, true)
	}
	return &ledger.TakenError{Ref: ref}
}
