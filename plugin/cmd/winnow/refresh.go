package main

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
	"github.com/winnow-soc/winnow/rules"
)

// refresher is what the worker calls at every turn. When winnow.conf, the field table, the facts, the
// calibration or the mode have changed, and can be read, or the mode is over, the worker is put together anew. It takes up the stop switch at
// once, and rules, lists and suspensions when a file of them has changed. It also remembers the
// sizes of lists that are good, which the guard against shrunk lists compares with, and publishes
// the rules for the alert action.
type refresher struct {
	*globals
	parts  *parts
	engine *triage.Engine
	log    *slog.Logger

	configured, loaded, known string // signatures of what was read last

	gate *allowlist.Gate // in force
	kept bool            // its rules are the last good ones
}

func (g *globals) refresher(p *parts, e *triage.Engine, log *slog.Logger) *refresher {
	return &refresher{globals: g, parts: p, engine: e, log: log, configured: signature(p.ConfigPaths()), gate: p.gate}
}

// archive audits what is in force.
func (r *refresher) archive(ctx context.Context) error { return r.parts.archive(ctx, r.gate, r.kept) }

func (r *refresher) turn() error {
	if m := r.parts.Mode; m.Name != "" && !m.In(r.now()) {
		return triage.ErrChanged
	}
	if changed := signature(r.parts.ConfigPaths()); changed != r.configured {
		r.configured = changed
		d, err := r.open()
		if err == nil {
			if _, err = openPrices(d); err == nil {
				return triage.ErrChanged
			}
		}
		if r.metrics != nil {
			r.metrics.ReloadFailed("configuration")
		}
		r.log.Error("winnow.conf or a table beside it is out of order: the worker goes on with what it has read; see `winnow doctor`")
	}
	r.learn()
	p := r.parts
	allowed, revoked, _ := signerPaths(p.Deployment) //nolint:errcheck // whoever reads them says what is wrong
	now := signature(slices.Concat(p.RulePaths(), p.ListPaths(), p.EscalatePaths(),
		[]string{p.Path("suspensions.json"), p.Path("gate.off"), allowed, revoked})) +
		rules.Signature(p.RulePaths()...) + rules.Signature(p.EscalatePaths()...)
	if now == r.loaded {
		return nil
	}
	if err := r.modeEnded(); err != nil {
		return err
	}
	gate, problems := alertaction.OpenAllowlist(p.Deployment, p.keys, r.now())
	for _, one := range flatten(problems) {
		r.log.Error("rules or lists are out of order: what they cover is not dropped", "err", one)
	}
	broken := gate.RulesErr != nil
	kept := broken && r.keep(gate)
	if err := r.publishApprovals(gate); err != nil {
		return err
	}
	r.gate, r.kept = gate, kept
	if err := r.archive(context.Background()); err != nil {
		r.log.Error("nothing closes until this is mended", "err", err)
	}
	r.engine.UseGate(gate)
	r.loaded = now
	r.log.Info("rules loaded", "rules", len(gate.Rules.Rules()), "version", gate.Rules.Version())
	r.report(gate, problems, kept)
	r.measure(gate, problems)
	if err := rules.WriteGood(p.Path("lists.good.json"), gate.Lists.Info()); err != nil {
		return err
	}
	return r.publishRules(gate, broken)
}

// publishRules writes the snapshot, of files that are good.
func (r *refresher) publishRules(gate *allowlist.Gate, broken bool) error {
	if broken || gate.Escalate.Version() == "" || gate.Blind == winnow.ReasonRulesUnread {
		return nil
	}
	_, err := rules.WriteSnapshot(r.parts.State, gate.Rules, gate.Escalate, gate.Failing)
	return err
}

// publishApprovals checks the signatures of the rules, and leaves the alert action what it found.
func (r *refresher) publishApprovals(gate *allowlist.Gate) error {
	for _, one := range flatten(r.approve(r.parts.Deployment, gate)) {
		r.log.Error("approvals are missing: what the rule covers is not dropped", "err", one)
	}
	return state.WriteFile(r.parts.Path("approvals.json"), gate.Approvals.Encode())
}

// keep puts the last good rules in the place of those of a broken edit, over the lists as they are
// now: a slip in one file must not leave the SOC without its rules, nor with half of them.
func (r *refresher) keep(gate *allowlist.Gate) bool {
	p := r.parts
	err := p.Trusted(p.Path("rules.current"))
	var kept *rules.Set
	if err == nil {
		opts := rules.Options{Fields: p.Fields, Lists: gate.Lists, Now: r.now()}
		kept, err = rules.KeepSnapshot(p.State, opts, p.RulePaths(), p.EscalatePaths())
	}
	if err != nil {
		r.log.Error("rule files are broken, and there are no last good rules to go on with: only the rules that can be read are in force", "err", err)
		return false
	}
	gate.Rules = kept
	r.log.Error("rule files are broken: the last good rules stay in force until they are mended", "version", kept.Version(), "rules", len(kept.Rules()))
	return true
}

// report writes the event that says which rules are in force, and what is wrong with the files.
func (r *refresher) report(gate *allowlist.Gate, problems error, kept bool) {
	s := state.Status{
		Time: r.now(), Event: "rules_loaded", Level: "info", Rules: len(gate.Rules.Rules()), Version: gate.Rules.Version(), Kept: kept,
	}
	if problems != nil {
		s.Event, s.Level = "rules_broken", "error"
		for _, one := range flatten(problems) {
			s.Errors = append(s.Errors, one.Error())
		}
	}
	if err := r.parts.Report(s); err != nil {
		r.log.Error("status.ndjson cannot be written", "err", err)
	}
}

// signature changes when any file below the paths is added, removed or written.
func signature(paths []string) string {
	h := sha256.New()
	for _, root := range paths {
		_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil {
				fmt.Fprintln(h, path, err)
				return nil
			}
			if info, err := entry.Info(); err == nil {
				fmt.Fprintln(h, path, info.Size(), info.Mode(), info.ModTime().UnixNano())
			}
			return nil
		})
	}
	return string(h.Sum(nil))
}
