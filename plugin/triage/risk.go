package triage

import (
	"slices"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// risk says whether an outcome adds risk: in enforce only, since it changes what Splunk will alert on, and never
// when it is closed, whatever the settings say.
func risk(sink conf.Sink, rec *winnow.Record) ledger.DeliveryKind {
	state := rec.Outcome.State
	in := slices.Contains(sink.States, string(state)) || len(sink.States) == 0 && state == winnow.StateEscalated
	if !in || rec.Outcome.Run != winnow.RunEnforce || isFinding(rec.Proposal) {
		return ""
	}
	if state != winnow.StateEscalated && state != winnow.StateInReview {
		return ""
	}
	return ledger.DeliverRisk
}
