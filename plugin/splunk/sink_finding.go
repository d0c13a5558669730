package splunk

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// FindingSink makes findings of Enterprise Security 8 for alerts that survive (place = owner).
//
// The interface makes a finding anew whenever it is asked to. So an intent is noted before, and what is known
// of it after. When an answer is lost, the next try looks for winnow's own key first, for as long as the index
// may be behind.
type FindingSink struct {
	name    string
	client  *Client
	opts    FindingOptions
	site    *site
	intents intents
	now     func() time.Time
}

// FindingOptions say where findings go.
type FindingOptions struct {
	App     string        // the app that has findings; "" tries those known
	Within  time.Duration // how long it is tried before winnow's own notable goes out instead, 1 h if zero
	Intents string        // winnow's own folder, durable; made when missing
	Facts   string        // the file that what is known of the site is kept in; "" for none
	Scores  conf.Scores   // risk score by severity; the zero value is [conf.DefaultScores]
}

// indexLag is how long a finding may take until a search finds it.
const indexLag = 5 * time.Minute

// NewFindingSink makes the sink of that name.
func NewFindingSink(name string, client *Client, opts FindingOptions, now func() time.Time) (*FindingSink, error) {
	if opts.Intents == "" {
		return nil, fmt.Errorf("sink %q: no folder for intents", name)
	}
	if opts.Within <= 0 {
		opts.Within = time.Hour
	}
	return &FindingSink{
		name: name, client: client, opts: opts, now: now, intents: intents{opts.Intents},
		site: &site{client: client, es: conf.ES8, app: opts.App, file: opts.Facts, now: now},
	}, nil
}

// Name returns the name of the sink's stanza.
func (s *FindingSink) Name() string { return s.name }

// Forget removes intents older than the time that the outbox repeats deliveries for, and returns how many.
func (s *FindingSink) Forget(age time.Duration) (int, error) { return s.intents.forget(age, s.now()) }

// AtOnce is how many deliveries are made at the same time.
func (s *FindingSink) AtOnce() int { return notablesAtOnce }

// Deliver makes one finding. After the time that the sink is given it gives up for good, so that the alert
// goes out another way. It is safe for concurrent use for different deliveries.
func (s *FindingSink) Deliver(ctx context.Context, d ledger.Delivery) error {
	if d.Kind != ledger.DeliverNotable {
		return wrongKind(s.name, d)
	}
	err := s.site.wrong(s.deliver(ctx, d))
	e, ok := errors.AsType[*Error](err)
	if !ok || !e.Retry || s.now().Sub(d.Record.Outcome.Time) < s.opts.Within {
		return err
	}
	late := *e
	late.Retry = false
	late.Message = strings.TrimPrefix(late.Message+fmt.Sprintf("; tried for %s: given up", s.opts.Within), "; ")
	return &late
}

func (s *FindingSink) deliver(ctx context.Context, d ledger.Delivery) error {
	in, err := s.intents.read(d.Key)
	if err != nil {
		return &Error{Op: "create finding", Code: CodeDisk, Retry: true, Err: err}
	}
	if in.made != "" {
		return nil
	}
	if !in.at.IsZero() {
		if made, err := s.lookUp(ctx, d, in); made || err != nil {
			return err
		}
	}
	return s.create(ctx, d)
}

// lookUp looks for the finding that an earlier try may have made.
func (s *FindingSink) lookUp(ctx context.Context, d ledger.Delivery, in intent) (made bool, err error) {
	n, err := s.client.Resolve(ctx, Ref{WinnowID: d.WinnowID}, in.at, s.now())
	e, _ := errors.AsType[*Error](err)
	switch {
	case err == nil:
		in.made = n.RuleID
	case e != nil && e.Code == CodeManyNotable:
		in.made = "several"
	case e != nil && e.Code == CodeNoNotable && s.now().Sub(in.at) >= indexLag:
		return false, nil
	case e != nil && e.Code == CodeNoNotable:
		return false, &Error{
			Op: "create finding", Code: CodeNoNotable, Retry: true,
			Message: "an earlier try may have made it: looked for, not found yet",
		}
	default:
		return false, err
	}
	return true, s.noteIntent(d.Key, in)
}

func (s *FindingSink) create(ctx context.Context, d ledger.Delivery) error {
	facts, err := s.site.read(ctx)
	if err != nil {
		return err
	}
	in := intent{at: s.now()}
	if err := s.noteIntent(d.Key, in); err != nil {
		return err
	}
	in.made, err = s.client.CreateFinding(ctx, facts.App, s.body(&d))
	if err != nil {
		if surelyNotDone(err) {
			_ = s.intents.drop(d.Key) // else the next try looks for it first
		}
		return err
	}
	return s.noteIntent(d.Key, in)
}

func (s *FindingSink) noteIntent(key string, in intent) error {
	if err := s.intents.note(key, in); err != nil {
		return &Error{Op: "create finding", Code: CodeDisk, Retry: true, Err: err}
	}
	return nil
}

// Limits of a finding, in bytes. What is longer is cut, and the finding says so.
const (
	maxFindingValue = 10_000
	maxFinding      = 256 << 10
)

// findingKeys mean something to Enterprise Security: no field of an alert is sent as one of them.
var findingKeys = []string{
	"app", "creator", "owner", "assignee", "status", "urgency", "disposition", "severity", "finding_id", "event_id",
	"notable_time", "notable_type", "time", "fields", "investigation_id", "risk_object", "risk_object_type", "risk_score",
	"risk_event_count", "threat_object", "threat_object_type", "entity", "entity_type",
}

// body is the finding: what a notable event of winnow's says, and what findings must say beside.
func (s *FindingSink) body(d *ledger.Delivery) map[string]any {
	e := notableOf(d).Event()
	for _, key := range findingKeys {
		if e.Control[key] == nil {
			e.Control[key] = []string{} // taken, so that a field of that name gets another
		}
	}
	object := riskObjects(&d.Alert)[0]
	e.Control["risk_object"], e.Control["risk_object_type"] = []string{object.value}, []string{object.kind}
	all := e.All()
	body := map[string]any{"search_name": cut(d.Alert.SearchName, maxFindingValue)}
	room := maxFinding
	add := func(name string, values []string) bool {
		value := cut(strings.Join(values, "\n"), maxFindingValue)
		if value == "" || room < len(name)+len(value) {
			return value == ""
		}
		room -= len(name) + len(value)
		body[name] = value
		return true
	}
	for _, name := range e.Control.Names() {
		add(name, all[name])
	}
	left := 0
	for _, name := range all.Names() {
		if body[name] == nil && !add(name, all[name]) {
			left++
		}
	}
	if left > 0 {
		body["winnow_cut"] = strconv.Itoa(left) + " fields are left out"
	}
	body["risk_score"] = s.opts.Scores.Or(conf.DefaultScores()).Of(d.Record.Severity.Max(d.Record.Verdict.Severity))
	return body
}

// riskObject is who or what an alert is about.
type riskObject struct {
	field, value, kind string
}

// maxRiskObjects bounds how many of one field's values count.
const maxRiskObjects = 10

// riskObjects copies users and systems from the alert's own fields; without any the search stands for them.
// Nothing that a model said can become one.
func riskObjects(a *winnow.Alert) []riskObject {
	var out []riskObject
	for _, f := range []struct{ field, kind string }{{"user", "user"}, {"src", "system"}, {"dest", "system"}} {
		values := a.Fields[f.field]
		for i, v := range values {
			if v = plain(v, 256); v != "" && i < maxRiskObjects {
				out = append(out, riskObject{f.field, v, f.kind})
			}
		}
	}
	if out == nil {
		out = []riskObject{{"search_name", first(plain(a.SearchName, 256), "unknown"), "other"}}
	}
	return out
}
