package state

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Trusted refuses files and folders that a user other than the current one or root can write,
// replace or redirect: their owner, mode, every folder above them, and what links point to. For a
// folder, everything in it counts. The group of the owner does not count while it is the owner's
// primary one. A path that does not exist is an error; a file that vanishes from a folder while it
// is looked at is not, because other processes work in the spool.
func (d *Deployment) Trusted(paths ...string) error {
	g := newGuard()
	for _, path := range paths {
		if err := trusted(g, path); err != nil {
			return fmt.Errorf("not trusted: %w", err)
		}
	}
	return nil
}

func trusted(g *guard, path string) error {
	abs, err := filepath.Abs(path)
	if err != nil {
		return err
	}
	if err := g.path(abs, true); err != nil {
		return err
	}
	real := abs
	if !g.plain(abs) {
		if real, err = filepath.EvalSymlinks(abs); err != nil {
			return err
		}
	}
	if info, err := os.Stat(real); err != nil {
		return err
	} else if !info.IsDir() {
		return g.path(real, true)
	}
	return filepath.WalkDir(real, func(path string, _ fs.DirEntry, err error) error {
		if err == nil {
			err = g.path(path, true)
		}
		// What vanished may be there again by now: then it is looked at, as often as that happens.
		for missing(err) && path != real {
			if gone(path) {
				return nil
			}
			if leadsNowhere(path) {
				return err
			}
			err = g.path(path, true)
		}
		return err
	})
}

// leadsNowhere reports whether a path is a link whose target is missing: that stays so.
func leadsNowhere(path string) bool {
	info, err := os.Lstat(path)
	return err == nil && info.Mode()&fs.ModeSymlink != 0
}

// gone reports whether nothing is there any more; a link that leads nowhere is.
func gone(path string) bool {
	_, err := os.Lstat(path)
	return missing(err)
}
