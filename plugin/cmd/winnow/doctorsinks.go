package main

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/splunk"
)

// checkFor is how long a sink has to answer.
const checkFor = 10 * time.Second

// sinks asks each sink whether what it delivers to is there.
func (x *diagnosis) sinks(ctx context.Context) {
	opts, err := x.g.sinkOptions(x.d, nil)
	if err != nil {
		x.wrong("sinks", "mend [splunk] of winnow.conf", err)
		return
	}
	if staysRaw(x.d.Settings) {
		x.warn("sinks", "enable a sink of type notable_update",
			"place = owner without one of type notable_update: a notable that is written before the outcome is known (late, or while no worker runs) "+
				"goes on to say \"not triaged\"; an escalation is written as another notable, a close is not told")
	}
	for _, c := range x.d.Settings.EnabledSinks() {
		check := "sink " + c.Name
		opened, err := splunk.OpenSinks([]conf.Sink{c}, opts)
		if err != nil {
			x.wrong(check, "mend [sink:"+c.Name+"] of winnow.conf", err)
			continue
		}
		x.sink(ctx, check, c, opened[0])
	}
}

// staysRaw reports whether winnow writes notable events that no sink brings up to date.
func staysRaw(s *conf.Settings) bool {
	has := func(types ...conf.SinkType) bool {
		return slices.ContainsFunc(s.EnabledSinks(), func(c conf.Sink) bool { return slices.Contains(types, c.Type) })
	}
	owner := s.Search("").Place == winnow.PlaceOwner
	for _, search := range s.Searches {
		owner = owner || search.Place == winnow.PlaceOwner
	}
	return owner && has(conf.SinkNotable, conf.SinkFinding) && !has(conf.SinkUpdate)
}

func (x *diagnosis) sink(ctx context.Context, check string, c conf.Sink, s splunk.Sink) {
	asked, ok := s.(splunk.Checker)
	if c.Type == conf.SinkResponses && x.d.SplunkHome == "" {
		x.ok(check, "%s: outside Splunk there is nobody to tell", c.Type)
		return
	}
	if !ok {
		x.ok(check, "%s%s", c.Type, sinkPlace(c))
		return
	}
	ctx, cancel := context.WithTimeout(ctx, checkFor)
	defer cancel()
	if _, err := x.g.secret(ctx, x.d, c.Key); c.Key != "" && err != nil {
		x.warn(check, "put the key where [sink:"+c.Name+"] key says; the modular input reads storage/passwords with its own session key", "%s", err)
	}
	err := asked.Check(ctx)
	switch {
	case err == nil:
		x.ok(check, "%s%s answers", c.Type, sinkPlace(c))
	case errors.Is(err, splunk.ErrWaits) && x.d.SplunkHome == "" && c.Type != conf.SinkStream:
		x.ok(check, "%s: outside Splunk, what is for it waits in the outbox", c.Type)
	case errors.Is(err, splunk.ErrWaits):
		x.ok(check, "%s waits in the outbox for the modular input: %s", c.Type, errors.Unwrap(err))
	default:
		x.warn(check, "what is for it waits in the outbox, for about a day", "%s%s: %s", c.Type, sinkPlace(c), err)
	}
}

// sinkPlace says where a sink writes to. Of an address only the server is shown: the rest may be a secret.
func sinkPlace(c conf.Sink) string {
	if u, err := url.Parse(c.URL); c.URL != "" && err == nil {
		return " at " + u.Scheme + "://" + u.Host
	}
	if c.Path != "" {
		return " " + c.Path
	}
	return ""
}
