package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/plugin/approve"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/rules"
)

// signerPaths are the files of who may approve and which keys count no more, "" for none.
func signerPaths(d *state.Deployment) (allowed, revoked string, err error) {
	c := d.Settings.Content
	allowed = filepath.Join(d.App, "local", "allowed_signers")
	if c.AllowedSigners != "" {
		if allowed, err = d.Resolve(c.AllowedSigners); err != nil {
			return "", "", err
		}
	}
	if c.RevokedKeys != "" {
		revoked, err = d.Resolve(c.RevokedKeys)
	}
	return allowed, revoked, err
}

// readSigners reads who may approve. Where no file was named and there is none, nobody may.
func readSigners(d *state.Deployment, trusted bool) (*approve.Signers, error) {
	allowed, revoked, err := signerPaths(d)
	if err != nil {
		return nil, err
	}
	s, err := approve.ReadSigners(allowed, revoked)
	if errors.Is(err, fs.ErrNotExist) && d.Settings.Content.AllowedSigners == "" && revoked == "" {
		return nil, nil //nolint:nilnil // nobody may
	}
	if err == nil && trusted {
		paths := []string{allowed}
		if revoked != "" {
			paths = append(paths, revoked)
		}
		err = d.Trusted(paths...)
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// checkApprovals holds the signatures beside the rule files against the rules that need some. After an
// error nothing is approved.
func (g *globals) checkApprovals(d *state.Deployment, set *rules.Set, trusted bool) (*allowlist.Approvals, []approve.Status, error) {
	every := d.Settings.Content.RequireSignature == conf.SignEnforce
	o := approve.Options{Every: every, Now: g.now()}
	found, all := approve.Check(set, o)
	if len(all) == 0 {
		return found, nil, nil
	}
	var err error
	if o.Signers, err = readSigners(d, trusted); err != nil {
		return found, all, fmt.Errorf("no rule is approved: %w", err)
	}
	found, all = approve.Check(set, o)
	return found, all, nil
}

// approve puts the approvals into a gate that is about to decide. What is missing is returned: it makes the
// gate drop less.
func (g *globals) approve(d *state.Deployment, gate *allowlist.Gate) error {
	found, all, err := g.checkApprovals(d, gate.Rules, true)
	gate.Approvals = found
	errs := []error{err}
	for _, e := range lacking(all) {
		errs = append(errs, e)
	}
	return errors.Join(errs...)
}

// lacking are the rules that lack approvals, as problems at their place.
func lacking(all []approve.Status) (out []*rules.Error) {
	for i := range all {
		if s := &all[i]; !s.OK() {
			out = append(out, &rules.Error{
				File: s.Rule.Pos.File, Line: s.Rule.Pos.Line, Column: s.Rule.Pos.Column, Rule: s.Rule.ID,
				Message: s.Lack(), Hint: "sign it with `winnow rules approve " + s.Rule.ID + " --key FILE`", Warning: true,
			})
		}
	}
	return out
}
