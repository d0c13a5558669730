//go:build unix

package alertaction

import (
	"os"
	"path/filepath"
	"syscall"

	"github.com/winnow-soc/winnow/plugin/state"
)

// startWorker starts `winnow worker --once` in a session of its own, so that it outlives the
// action. It does nothing while a worker holds the lock: many alerts at once start one.
func startWorker(d *state.Deployment) (started bool, err error) {
	if f, err := os.Open(d.Path("worker.lock")); err == nil {
		defer f.Close() //nolint:errcheck // closing lets go of the lock
		if syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) != nil {
			return false, nil
		}
	}
	if err := spawn(d, &syscall.SysProcAttr{Setsid: true}); err != nil {
		return false, err
	}
	return true, nil
}

func spawn(d *state.Deployment, attr *syscall.SysProcAttr) error {
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	defer null.Close() //nolint:errcheck // nothing was written
	program := filepath.Join(d.App, "bin", "winnow")
	p, err := os.StartProcess(program, []string{program, "worker", "--once"}, &os.ProcAttr{
		Dir: d.State, Files: []*os.File{null, null, null}, Sys: attr,
	})
	if err != nil {
		return err
	}
	return p.Release()
}
