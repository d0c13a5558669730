package alertaction

import (
	"errors"
	"fmt"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/state"
)

// Gate says what is proposed for an alert. Not safe for concurrent use: each goroutine takes its
// own clone. Propose must not keep the alert or its fields: their memory is used again.
type Gate interface {
	Propose(a *winnow.Alert) winnow.Proposal
	Clone() Gate

	// Err returns what went wrong while deciding, of this gate and its clones: for people, it has
	// only made the gate drop less.
	Err() error
}

// passAll is the gate when there is none.
type passAll winnow.Reason

func (p passAll) Propose(*winnow.Alert) winnow.Proposal {
	return winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.Reason(p)}
}

func (p passAll) Clone() Gate { return p }

func (passAll) Err() error { return nil }

// allowGate is the gate of the allow-list.
type allowGate struct {
	*allowlist.Gate

	verdicts *lazyCache
}

func (g allowGate) Clone() Gate { return allowGate{g.Gate.Clone(), g.verdicts} }

func (g allowGate) Err() error {
	err := g.verdicts.Err()
	if err != nil {
		err = fmt.Errorf("cached verdicts: %w; what they cover is triaged", err)
	}
	return errors.Join(err, g.Rules.Err())
}

// OpenGate builds the gate of a deployment from its lists, rules, escalate list, suspensions, stop
// switch and cache snapshot. The gate is never nil; the error joins all that could not be read, see
// [allowlist.Open], and says when the mode could not be.
func OpenGate(d *state.Deployment, keys *winnow.Keys, now time.Time) (Gate, error) {
	g, err := openAllowlist(d, keys, now, true)
	verdicts := openCache(d)
	g.Cache = verdicts
	if !d.Alive(now) {
		g.CacheOff = winnow.ReasonStaleHeartbeat
	}
	return allowGate{g, verdicts}, errors.Join(err, d.ModeErr)
}

// OpenAllowlist is OpenGate for the worker, which confirms drops: it has its own cached verdicts,
// and takes no rule whose tests or field names are out of order.
func OpenAllowlist(d *state.Deployment, keys *winnow.Keys, now time.Time) (*allowlist.Gate, error) {
	return openAllowlist(d, keys, now, false)
}

// OpenRules is OpenAllowlist with the rules of other paths, for commands that only ask. keys may be
// nil where the deployment has no secret: such a gate can explain, and nothing else.
func OpenRules(d *state.Deployment, keys *winnow.Keys, now time.Time, paths []string) (*allowlist.Gate, error) {
	return openGate(d, keys, now, false, paths)
}

func openAllowlist(d *state.Deployment, keys *winnow.Keys, now time.Time, unproven bool) (*allowlist.Gate, error) {
	return openGate(d, keys, now, unproven, d.RulePaths())
}

func openGate(d *state.Deployment, keys *winnow.Keys, now time.Time, unproven bool, paths []string) (*allowlist.Gate, error) {
	g, err := allowlist.Open(allowlist.Config{
		Unproven: unproven, Stateless: keys == nil,
		RulePaths: paths, ListPaths: d.ListPaths(), EscalatePaths: d.EscalatePaths(),
		GoodLists: d.Path("lists.good.json"), Suspensions: d.Path("suspensions.json"),
		Snapshots: d.State, Approvals: d.Path("approvals.json"), SignEvery: d.Settings.Content.RequireSignature == conf.SignEnforce,
		Trusted: d.Trusted, TrustAlso: append(d.SettingsPaths(), d.Path("cache.snapshot"), d.Path("rules.current")),
		Fields: d.Fields, Keys: keys, ListShrink: d.Settings.Gate.ListShrink, Canary: d.Settings.Gate.Canary, Now: now,
	})
	off, offErr := d.GateOff()
	if off || offErr != nil {
		g.Blind = winnow.ReasonGateOff
	}
	return g, errors.Join(err, offErr)
}
