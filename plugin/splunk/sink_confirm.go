package splunk

import (
	"context"
	"errors"
	"strings"
	"time"
)

// eventSearch looks whether events have arrived in an index.
type eventSearch struct {
	client *Client
	none   error // why there is no client
	index  string
	now    func() time.Time
}

// searchFirst is when a search for a new event may first find it.
const searchFirst = 10 * time.Second

// maxKeys is how many events one search looks for.
const maxKeys = 50

// find marks the receipts whose events are found.
func (s *eventSearch) find(ctx context.Context, all []*receipt) error {
	if s.client == nil {
		return &Error{Op: "search for event", Code: CodeAuth, Retry: true, Err: errors.Join(
			errors.New("whether events arrive cannot be looked up without splunkd: set verify = none to do without"), s.none)}
	}
	for len(all) > 0 {
		part := all[:min(len(all), maxKeys)]
		if all = all[len(part):]; ctx.Err() != nil {
			return callError(ctx, "search for event", ctx.Err())
		}
		if err := s.findSome(ctx, part); err != nil {
			return err
		}
	}
	return nil
}

func (s *eventSearch) findSome(ctx context.Context, some []*receipt) error {
	byKey := map[string]*receipt{}
	var keys []string
	from := s.now()
	for _, r := range some {
		key, err := term("event_key", r.d.Key)
		if err != nil {
			return &Error{Op: "search for event", Code: CodeInput, Err: err}
		}
		keys, byKey[r.d.Key] = append(keys, key), r
		if at := r.d.Record.Outcome.Time; at.Before(from) {
			from = at
		}
	}
	index := s.index
	if index == "" {
		index = "*"
	}
	spl := `search index="` + escapeQuoted(index) + `" sourcetype IN ("` + OutcomeType + `", "` + CostType + `") (` + strings.Join(keys, " OR ") + ") | table event_key"
	rows, err := s.client.Search(ctx, spl, from.Add(-time.Hour), s.now().Add(time.Hour))
	if err != nil {
		return err
	}
	for _, row := range rows {
		if r := byKey[row.Get("event_key")]; r != nil {
			r.arrived = true
		}
	}
	return nil
}
