package main

import (
	"cmp"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// call books a call that was made for an alert: call ID MODEL TASK[/AGENT] STATE RESERVE [PRICE], in
// nano-dollars, and then any of search=, team=, source=, tier=, day=2006-01-02 and replay=1.
func (s *script) call(_ bool, args []string) {
	task, agent, _ := strings.Cut(args[2], "/")
	amounts, more := []winnow.NanoUSD{0, 0}, map[string]string{}
	for len(args) > 0 && strings.Contains(args[len(args)-1], "=") {
		name, value, _ := strings.Cut(args[len(args)-1], "=")
		more[name], args = value, args[:len(args)-1]
	}
	at := scriptNow
	if more["day"] != "" {
		day, err := time.Parse(time.DateOnly, more["day"])
		s.check(err)
		at = day.Add(12 * time.Hour)
	}
	for i, text := range args[4:] {
		n, err := strconv.ParseInt(text, 10, 64)
		s.check(err)
		amounts[i] = winnow.NanoUSD(n)
	}
	l, err := ledger.Open(s.Context(), filepath.Join("state", "ledger.db"))
	s.check(err)
	var entry ledger.Entry
	s.check(l.View(s.Context(), func(t *ledger.Tx) (err error) {
		entry, err = t.Alert(args[0])
		return err
	}))
	team, ok := more["team"]
	if !ok {
		team = entry.Team
	}
	n, err := l.Reserve(s.Context(), ledger.Charge{
		AlertID: args[0], Search: cmp.Or(more["search"], entry.Alert.SearchName), Team: team,
		Severity: entry.Alert.Severity, Task: task, Agent: agent, Model: args[1], Source: more["source"], Attempt: 1, Replay: more["replay"] != "",
		Reserve: amounts[0], Fields: []string{"src", "user"}, Bytes: 2048, SHA256: "sha256:5e1f", At: at,
	}, ledger.Limits{})
	s.check(err)
	if state := ledger.CallState(args[3]); state != ledger.CallReserved {
		s.check(l.Settle(s.Context(), n, ledger.Settlement{
			State: state, Reason: "timeout", InputTokens: 3000, CachedTokens: 2048, OutputTokens: 240, Price: amounts[1], Model: args[1] + "-2026",
			Tier: more["tier"],
		}))
	}
	s.check(errors.Join(l.Flush(s.Context()), l.Close()))
}
