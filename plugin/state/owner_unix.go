//go:build unix

package state

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// checkOwner refuses to work in a state folder of another user. A folder that is not there yet
// counts as its parent's owner's where Splunk is to hold it: root making it would lock Splunk's
// own user out.
func checkOwner(dir string, inSplunk bool) error {
	owner, err := ownerOf(dir)
	for missing(err) && inSplunk && os.Geteuid() == 0 && filepath.Dir(dir) != dir {
		dir = filepath.Dir(dir)
		owner, err = ownerOf(dir)
	}
	if missing(err) || err == nil && owner == os.Geteuid() {
		return nil
	}
	if err != nil {
		return fmt.Errorf("state folder: %w", err)
	}
	name := userName(owner)
	return fmt.Errorf("state folder %s belongs to user %s, and this is user %s: run as that user (sudo -u %s ...), or name another folder with --state DIR",
		dir, name, userName(os.Geteuid()), name)
}

func ownerOf(path string) (int, error) {
	info, err := os.Stat(path)
	if err != nil {
		return 0, err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, fmt.Errorf("%s: cannot tell who owns it", path)
	}
	return int(st.Uid), nil
}

// userName looks a user up in /etc/passwd, or returns #UID, which sudo takes as well. The package
// os/user would link the C library where cgo is on, and make every start slower.
func userName(uid int) string {
	text, _ := os.ReadFile("/etc/passwd")
	for line := range strings.Lines(string(text)) {
		if f := strings.Split(line, ":"); len(f) > 2 && f[2] == strconv.Itoa(uid) {
			return f[0]
		}
	}
	return "#" + strconv.Itoa(uid)
}

// guard walks the folders and links that lead to a file and remembers what it has looked at.
type guard struct {
	seen map[string]checked
}

type checked struct {
	leaf  bool // as what is read, not only as a folder above it
	plain bool // neither it nor a folder above it is a link
}

func newGuard() *guard { return &guard{seen: map[string]checked{}} }

// plain reports whether a path that was checked leads where its words say.
func (g *guard) plain(path string) bool { return g.seen[path].plain }

// component checks one folder, file or link by itself. Folders above the file may be writable by
// all when they are sticky, like /tmp: others cannot replace what is ours there.
func (g *guard) component(path string, info fs.FileInfo, leaf bool) error {
	st, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return fmt.Errorf("%s: cannot tell who owns it", path)
	}
	uid := int(st.Uid)
	if uid != os.Geteuid() && uid != 0 {
		return fmt.Errorf("%s belongs to user %s: another user could change it; chown it to %s or root",
			path, userName(uid), userName(os.Geteuid()))
	}
	if info.Mode()&fs.ModeSymlink != 0 {
		return nil // the mode of a link means nothing
	}
	mode := info.Mode().Perm()
	sticky := info.IsDir() && info.Mode()&fs.ModeSticky != 0 && !leaf
	ownGroup := (uid == 0 && st.Gid == 0) || (uid == os.Geteuid() && int(st.Gid) == os.Getegid())
	switch {
	case mode&0o002 != 0 && !sticky:
		return fmt.Errorf("%s can be written by every user (mode %04o): chmod o-w it", path, mode)
	case mode&0o020 != 0 && !sticky && !ownGroup:
		return fmt.Errorf("%s can be written by group %d (mode %04o): chmod g-w it", path, st.Gid, mode)
	}
	return nil
}

// path checks a path and everything above it, up to the root; links are followed.
func (g *guard) path(path string, leaf bool) error {
	if before, ok := g.seen[path]; ok && (before.leaf || !leaf) {
		return nil
	}
	info, err := os.Lstat(path)
	if err != nil {
		return err
	}
	if err := g.component(path, info, leaf); err != nil {
		return err
	}
	g.seen[path] = checked{leaf: leaf}
	plain := info.Mode()&fs.ModeSymlink == 0
	if parent := filepath.Dir(path); parent != path {
		if err := g.path(parent, false); err != nil {
			return err
		}
		plain = plain && g.plain(parent)
	}
	g.seen[path] = checked{leaf: leaf, plain: plain}
	if info.Mode()&fs.ModeSymlink == 0 {
		return nil
	}
	return g.link(path, leaf)
}

// link checks what a link says, and then where it really ends: what it says is taken by its words,
// which is not the same when a folder in it is a link as well.
func (g *guard) link(path string, leaf bool) error {
	target, err := os.Readlink(path)
	if err != nil {
		return err
	}
	if !filepath.IsAbs(target) {
		target = filepath.Join(filepath.Dir(path), target)
	}
	if err := g.path(target, leaf); err != nil {
		return err
	}
	end, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	return g.path(end, leaf)
}

// privateFile refuses a secret that others can read.
func privateFile(path string, info fs.FileInfo) error {
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return fmt.Errorf("%s can be used by other users (mode %04o): chmod 600 it", path, mode)
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	if ok && int(st.Uid) != os.Geteuid() && st.Uid != 0 {
		return fmt.Errorf("%s belongs to user %s: chown it to %s", path, userName(int(st.Uid)), userName(os.Geteuid()))
	}
	return nil
}
