package main

import (
	"errors"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// call books a call that was made for an alert: call ID MODEL TASK[/AGENT] STATE RESERVE [PRICE], in
// nano-dollars.
func (s *script) call(_ bool, args []string) {
	task, agent, _ := strings.Cut(args[2], "/")
	amounts := []winnow.NanoUSD{0, 0}
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
	n, err := l.Reserve(s.Context(), ledger.Charge{
		AlertID: args[0], Search: entry.Alert.SearchName, Team: entry.Team, Severity: entry.Alert.Severity, Task: task, Agent: agent, Model: args[1], Attempt: 1, Reserve: amounts[0],
		Fields: []string{"src", "user"}, Bytes: 2048, SHA256: "sha256:5e1f", At: scriptNow,
	}, ledger.Limits{})
	s.check(err)
	if state := ledger.CallState(args[3]); state != ledger.CallReserved {
		s.check(l.Settle(s.Context(), n, ledger.Settlement{
			State: state, Reason: "timeout", InputTokens: 3000, CachedTokens: 2048, OutputTokens: 240, Price: amounts[1], Model: args[1] + "-2026",
		}))
	}
	s.check(errors.Join(l.Flush(s.Context()), l.Close()))
}
