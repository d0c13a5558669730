package chaos

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/crash"
)

// What package disk makes fail are winnow's own files. SQLite goes to the disk by itself, so here the disk is a
// real one that is too small, or read-only, and files may not grow. (No disk can be had here that fails to read.)

const disks kind = "on real disks that fail"

// diskSize holds all of a short day. What [gate] min_free wants is in it.
const diskSize = 32 << 20

// TestRealDisks: whatever SQLite cannot write, nothing that was accepted is lost, and nothing is closed for it.
func TestRealDisks(t *testing.T) {
	if testing.Short() {
		t.Skip("starts dozens of processes")
	}
	rounds, _ := strconv.Atoi(os.Getenv("WINNOW_CHAOS_ROUNDS"))
	build(t)
	s := newStats()
	t.Run("each", func(t *testing.T) {
		for name, fail := range map[string]func(*world){"full": (*world).onFullDisk, "read-only": (*world).onReadOnlyDisk, "files that may not grow": (*world).withShortFiles} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				newWorld(t, uint64(rounds), s).sufferDisk(fail, 3+rounds/40)
			})
		}
	})
	fmt.Print("real disks: ", s)
}

// sufferDisk has the disk fail so many times and checks what is left now and then.
func (w *world) sufferDisk(fail func(*world), rounds int) {
	w.t.Helper()
	w.be(disks)
	w.mount()
	w.fireTwo()
	w.check()
	for n := range rounds {
		w.fireTwo()
		fail(w)
		if n%3 == 2 {
			w.check()
		}
	}
	w.check()
}

// mount puts the state folder on a disk of its own.
func (w *world) mount() {
	w.t.Helper()
	w.ok(os.MkdirAll(w.state(), 0o700))
	if err := syscall.Mount("winnow", w.state(), "tmpfs", 0, fmt.Sprintf("size=%d,mode=0700", diskSize)); err != nil {
		w.t.Skipf("needs root: no disk can be mounted here: %v", err)
	}
	w.t.Cleanup(func() { _ = syscall.Unmount(w.state(), syscall.MNT_DETACH) })
}

// onFullDisk fills the disk up to a few pages, before a worker begins or while it works, and frees it again.
func (w *world) onFullDisk() {
	w.t.Helper()
	filler := filepath.Join(w.state(), "filler")
	room := w.intN(64) * 4096
	fill := func() {
		var s syscall.Statfs_t
		if err := syscall.Statfs(w.state(), &s); err != nil {
			w.t.Error(err)
			return
		}
		f, err := os.Create(filler)
		if err == nil {
			_, _ = f.Write(make([]byte, max(int64(s.Bavail)*s.Bsize-int64(room), 0))) // as far as it goes
			err = f.Close()
		}
		if err != nil {
			w.t.Error(err)
		}
	}
	if w.intN(2) == 0 {
		fill()
		w.failing("")
	} else {
		filled := make(chan struct{})
		timer := time.AfterFunc(time.Duration(20+w.intN(100))*time.Millisecond, func() {
			defer close(filled)
			fill()
		})
		w.failing(w.anyPoint(crash.Worker))
		if timer.Stop() {
			fill()
		} else {
			<-filled
		}
	}
	w.stats.round(w.kind, "disk that is full")
	w.ok(os.Remove(filler))
}

// onReadOnlyDisk is what a kernel makes of a disk that fails.
func (w *world) onReadOnlyDisk() {
	w.t.Helper()
	w.remount(syscall.MS_RDONLY)
	w.failing("")
	w.remount(0)
	w.stats.round(w.kind, "disk that is read-only")
}

func (w *world) remount(flag uintptr) {
	w.t.Helper()
	w.ok(syscall.Mount("winnow", w.state(), "tmpfs", syscall.MS_REMOUNT|flag, fmt.Sprintf("size=%d,mode=0700", diskSize)))
}

// withShortFiles runs a worker that may make no file longer than so much: each write beyond it fails.
func (w *world) withShortFiles() {
	w.t.Helper()
	cmd := w.exec(crash.Worker, "", "worker", "--once", "--quiet")
	sh, err := exec.LookPath("sh")
	if err != nil {
		w.t.Skip("no sh: files cannot be kept short here")
	}
	cmd.Args = append([]string{sh, "-c", fmt.Sprintf(`ulimit -f %d && exec "$@"`, 1+w.intN(1500)), "sh"}, append([]string{cmd.Path}, cmd.Args[1:]...)...)
	cmd.Path = sh
	w.lives(w.run(cmd, nil, failingTime))
	w.stats.round(w.kind, "files that may not grow")
}

// failingTime is how long a worker may try over a disk that fails before it is killed.
const failingTime = 5 * time.Second

// failing has a worker and an action run while the disk fails. What the action does not store it says, and ends
// with another code; the worker may end with an error, and must not come down.
func (w *world) failing(at string) {
	w.t.Helper()
	w.lives(w.run(w.exec(crash.Worker, at, "worker", "--once", "--quiet"), nil, failingTime))
	for _, search := range []string{ownerSearch, besideSearch} {
		a := w.newAlert(search, 1+w.intN(4))
		c := w.run(w.exec(crash.Action, "", "--execute"), a.payload, 0)
		a.accepted = c.code == alertaction.ExitStored
		if !a.accepted && !strings.Contains(c.stderr, "ERROR") {
			w.t.Errorf("winnow_triage ended with %d and says nothing: %s", c.code, c.stderr)
		}
	}
}

func (w *world) lives(c child) {
	w.t.Helper()
	if strings.Contains(c.stderr, "panic") || strings.Contains(c.stderr, "goroutine ") {
		w.t.Errorf("a disk that fails brings the worker down: %s", c.stderr)
	}
	if c.code > 0 && strings.TrimSpace(c.stderr) == "" {
		w.t.Errorf("the worker ended with %d and says nothing: %s", c.code, c.stderr)
	}
}
