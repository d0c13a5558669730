package conf

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
)

// Verify says how a sink learns that an event has arrived: a server that answers has only taken it.
type Verify string

// The values.
const (
	VerifyAck    Verify = "ack"    // hec: the indexers acknowledge it; by search where the token has no acknowledgement
	VerifySearch Verify = "search" // it is found by a search for its key
	VerifyNone   Verify = "none"   // the answer is believed
)

// Events reports whether a sink of this type takes winnow's own events, and nothing else.
func (t SinkType) Events() bool { return slices.Contains(eventSinks, t) }

var eventSinks = []SinkType{SinkFile, SinkHEC, SinkReceivers, SinkStream, SinkWebhook, SinkSCS}

// costSinks are those that can be told of calls to models. A webhook pages people: that is no place for them.
var costSinks = []SinkType{SinkFile, SinkHEC, SinkReceivers, SinkStream, SinkSCS}

// Pages reports whether a sink of this type tells people of what is believed real, once for a group.
func (t SinkType) Pages() bool { return slices.Contains(pageSinks, t) }

var pageSinks = []SinkType{SinkPagerDuty, SinkSlack, SinkTicket}

// PageTargets returns the sinks that are paged first: those that no other names as its next.
func PageTargets(sinks []Sink) (first []Sink) {
	for _, s := range sinks {
		if s.Type.Pages() && !slices.ContainsFunc(sinks, func(o Sink) bool { return o.Type.Pages() && o.Next == s.Name }) {
			first = append(first, s)
		}
	}
	return first
}

// Tells reports whether the sink wants to hear of outcomes of this state.
func (s *Sink) Tells(state winnow.State) bool {
	return len(s.States) == 0 || slices.Contains(s.States, string(state))
}

func (s *Sink) keys() []key {
	keys := []key{
		{name: "path", set: anyText(&s.Path)},
		{name: "index", set: anyText(&s.Index)},
		{name: "disabled", set: boolean(&s.Disabled)},
		{name: "es", set: oneOf(&s.ES, ESAuto, ES7, ES8)},
		{name: "app", set: oneApp(&s.App)},
		{name: "within", set: duration(&s.Within, second, day)},
		{name: "scores", set: scores(&s.Scores)},
		{name: "states", set: states(&s.States)},
		{name: "costs", set: boolean(&s.Costs)},
		{name: "review_share", set: share(&s.ReviewShare)},
		{name: "url", set: anyText(&s.URL)},
		{name: "key", set: keyPlace(&s.Key)},
		{name: "tenant", set: anyText(&s.Tenant)},
		{name: "client_id", set: anyText(&s.ClientID)},
		{name: "verify", set: oneOf(&s.Verify, VerifyAck, VerifySearch, VerifyNone)},
		{name: "verify_within", set: duration(&s.VerifyWithin, time.Minute, day)},
		{name: "timeout", set: duration(&s.Timeout, second, 5*time.Minute)},
		{name: "ca_file", set: anyText(&s.CAFile)},
		{name: "proxy", set: anyText(&s.Proxy)},
		{name: "allow_private", set: boolean(&s.AllowPrivate)},
		{name: "next", set: anyText(&s.Next)},
		{name: "ack_within", set: duration(&s.AckWithin, time.Minute, day)},
		{name: "per_hour", set: integer(&s.PerHour, 0, 100_000)},
		{name: "channel", set: anyText(&s.Channel)},
		{name: "template", set: oneOf(&s.Template, TemplateSOAR, TemplateJira, TemplateServiceNow, TemplateTheHive)},
		{name: "project", set: anyText(&s.Project)},
		{name: "user", set: anyText(&s.User)},
		{name: "sign_key", set: keyPlace(&s.SignKey)},
	}
	for i := range keys {
		keys[i].optional = true
	}
	return append(keys, key{name: "type", set: oneOf(&s.Type, slices.Concat(
		[]SinkType{SinkNotable, SinkUpdate, SinkFinding}, eventSinks, []SinkType{SinkResponses, SinkRisk}, pageSinks)...)})
}

// states takes names of outcomes.
func states(to *[]string) func(string) error {
	return func(s string) error {
		var names []string
		if err := list(&names)(s); err != nil {
			return err
		}
		for _, name := range names {
			if !slices.Contains(stateNames, name) {
				return fmt.Errorf("unknown outcome %q%s", name, nearest(name, stateNames))
			}
		}
		*to = names
		return nil
	}
}

var stateNames = []string{
	string(winnow.StateClosed), string(winnow.StateEscalated), string(winnow.StateInReview),
	string(winnow.StateLeft), string(winnow.StateQueued),
}

// sink reads [sink:NAME].
func (r *reader) sink(stanza, name string) {
	v := Sink{Name: name, VerifyWithin: 10 * time.Minute, Timeout: 30 * time.Second}
	before := len(r.errs)
	r.fill(stanza, v.keys())
	v.fill()
	r.s.Sinks = append(r.s.Sinks, v)
	if len(r.errs) > before || v.Disabled {
		return
	}
	if key, problem := v.Check(); problem != nil {
		at, ok := r.file.Lookup(stanza, key)
		if !ok {
			at, _ = r.file.At(stanza)
		}
		r.fail(&Error{At: at, Stanza: stanza, Key: key, Message: problem.Error()})
	}
}

// fill chooses how arrival is verified where nothing says so: as well as the type can.
func (s *Sink) fill() {
	if s.Verify != "" {
		return
	}
	switch s.Type {
	case SinkHEC:
		s.Verify = VerifyAck
	case SinkReceivers, SinkStream:
		s.Verify = VerifySearch
	default:
		s.Verify = VerifyNone
	}
}

// sinkKeys says which types a key is for. Keys that are not here are for every type.
var sinkKeys = map[string][]SinkType{
	"states":        append(slices.Clip(eventSinks), SinkRisk),
	"costs":         costSinks,
	"review_share":  {SinkRisk},
	"url":           append([]SinkType{SinkHEC, SinkWebhook, SinkSCS}, pageSinks...),
	"key":           append([]SinkType{SinkHEC, SinkWebhook, SinkSCS}, pageSinks...),
	"tenant":        {SinkSCS},
	"client_id":     {SinkSCS},
	"verify":        {SinkHEC, SinkReceivers, SinkStream},
	"ca_file":       append([]SinkType{SinkHEC, SinkWebhook, SinkSCS}, pageSinks...),
	"proxy":         append([]SinkType{SinkHEC, SinkWebhook, SinkSCS}, pageSinks...),
	"allow_private": {SinkWebhook, SinkTicket},
	"next":          pageSinks,
	"per_hour":      pageSinks,
	"channel":       {SinkSlack},
	"template":      {SinkTicket},
	"project":       {SinkTicket},
	"user":          {SinkTicket},
	"sign_key":      {SinkTicket},
}

// Check holds the keys of a sink against each other, and names the one that is wrong.
func (s *Sink) Check() (key string, err error) {
	set := map[string]bool{
		"states": len(s.States) > 0, "costs": s.Costs, "review_share": s.ReviewShare != 0, "url": s.URL != "", "key": s.Key != "", "tenant": s.Tenant != "", "client_id": s.ClientID != "",
		"verify": s.Verify != VerifyNone, "ca_file": s.CAFile != "", "proxy": s.Proxy != "", "allow_private": s.AllowPrivate,
		"next": s.Next != "", "per_hour": s.PerHour != 0, "channel": s.Channel != "", "template": s.Template != "", "project": s.Project != "",
		"user": s.User != "", "sign_key": s.SignKey != "",
	}
	for _, name := range sortedKeys(sinkKeys) {
		if set[name] && s.Type != "" && !slices.Contains(sinkKeys[name], s.Type) {
			return name, fmt.Errorf("is not for type = %s", s.Type)
		}
	}
	switch {
	case s.Type == SinkRisk && slices.ContainsFunc(s.States, addsNoRisk):
		return "states", errors.New("only escalated and in_review add risk: what is closed, left or queued never does")
	case s.Verify == VerifyAck && s.Type != SinkHEC:
		return "verify", errors.New("ack is for type = hec: only there does Splunk acknowledge")
	case s.URL == "" && (s.Type == SinkHEC || s.Type == SinkWebhook):
		return "url", errors.New("missing: the server, like https://splunk.example.com:8088")
	case s.Key == "" && slices.Contains(sinkKeys["key"], s.Type):
		return "key", errors.New("missing: where the token or secret is: env:NAME, file:PATH or password:REALM/NAME")
	case s.Type.Pages():
		return s.checkPages()
	case s.Tenant == "" && s.Type == SinkSCS:
		return "tenant", errors.New("missing: the tenant of Splunk Cloud Services")
	case strings.ContainsAny(s.Tenant, "/?#%{} \t"):
		return "tenant", errors.New("is not the name of a tenant")
	case s.URL != "":
		return "url", s.checkURL()
	}
	return "", nil
}

// checkPages holds the keys of a sink that pages people against each other.
func (s *Sink) checkPages() (key string, err error) {
	switch {
	case s.Next == s.Name:
		return "next", errors.New("names this very sink")
	case (s.Next == "") != (s.AckWithin == 0):
		return "ack_within", errors.New("goes with next: how long a page may stay unanswered, and who is paged then")
	case s.Type == SinkSlack && s.Channel == "":
		return "channel", errors.New("missing: the id of the channel, like C0123456789")
	case s.Type == SinkTicket && s.Template == "":
		return "template", errors.New("missing: soar, jira, servicenow or thehive")
	case s.Template == TemplateJira && s.Project == "":
		return "project", errors.New("missing: the key of the project, like SEC")
	case s.User != "" && (s.Template == TemplateSOAR || s.Template == TemplateTheHive):
		return "user", fmt.Errorf("is not for template = %s: the key is a token", s.Template)
	case s.Type == SinkTicket && s.URL == "":
		return "url", errors.New("missing: the server, like https://example.atlassian.net")
	case s.URL != "":
		return "url", s.checkURL()
	}
	return "", nil
}

func addsNoRisk(state string) bool {
	return state != string(winnow.StateEscalated) && state != string(winnow.StateInReview)
}

// checkURL takes https everywhere and http to this very machine. The address is in no error: that of
// a webhook is often a secret itself.
func (s *Sink) checkURL() error {
	u, err := url.Parse(s.URL)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "" || u.Fragment != "":
		return errors.New("is not an address like https://splunk.example.com:8088")
	case u.User != nil:
		return errors.New("holds a user name or password: use key")
	case u.Scheme != "https" && (u.Scheme != "http" || !loopback(u.Hostname())):
		return errors.New("is not https: outcomes and keys leave this machine encrypted or not at all")
	case s.Type != SinkWebhook && s.Type != SinkTicket && (strings.Trim(u.Path, "/") != "" || u.RawQuery != ""):
		return errors.New("has a path: give scheme, host and port alone")
	}
	return nil
}
