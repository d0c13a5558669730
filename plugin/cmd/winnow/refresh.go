package main

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"slices"

	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/triage"
	"github.com/winnow-soc/winnow/rules"
)

// refresher returns what the worker calls at every turn. When winnow.conf, the field table or the
// facts have changed, and can be read, the worker is put together anew. It takes up the stop switch at once, and
// rules, lists and suspensions when a file of them has changed. It also remembers the sizes of
// lists that are good, which the guard against shrunk lists compares with.
func (g *globals) refresher(p *parts, e *triage.Engine, log *slog.Logger) func() error {
	last := ""
	configured := signature(p.ConfigPaths())
	return func() error {
		if changed := signature(p.ConfigPaths()); changed != configured {
			configured = changed
			if _, err := g.open(); err == nil {
				return triage.ErrChanged
			}
			log.Error("winnow.conf or a table beside it is out of order: the worker goes on with what it has read; see `winnow doctor`")
		}
		now := signature(slices.Concat(p.RulePaths(), p.ListPaths(), p.EscalatePaths(), []string{p.Path("suspensions.json"), p.Path("gate.off")}))
		if now != last {
			gate, err := alertaction.OpenAllowlist(p.Deployment, p.keys, g.now())
			if err != nil {
				for _, one := range flatten(err) {
					log.Error("rules or lists are out of order: what they cover is not dropped", "err", one)
				}
			}
			e.UseGate(gate)
			last = now
			log.Info("rules loaded", "rules", len(gate.Rules.Rules()), "version", gate.Rules.Version())
			if err := rules.WriteGood(p.Path("lists.good.json"), gate.Lists.Info()); err != nil {
				return err
			}
			if _, err := rules.WriteSnapshot(p.State, gate.Rules, gate.Escalate); err != nil {
				return err
			}
		}
		return nil
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
