package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/winnow-soc/winnow/packaging/demo"
	"github.com/winnow-soc/winnow/plugin/state"
)

// stage is a folder that looks like a Splunk with the app installed: the demo plays there.
type stage struct{ home string }

func (s *stage) apps() string { return filepath.Join(s.home, "etc", "apps") }
func (s *stage) app() string  { return filepath.Join(s.apps(), "winnow") }
func (s *stage) state() string {
	return filepath.Join(s.home, "var", "lib", "splunk", "modinputs", "winnow")
}

func (s *stage) program(name string) string {
	if runtime.GOOS == "windows" {
		name += ".exe"
	}
	return filepath.Join(s.app(), "bin", name)
}

// command is how a person calls the demo's winnow from where they are.
func (s *stage) command() string {
	path := s.program("winnow")
	if wd, err := os.Getwd(); err == nil {
		if rel, err := filepath.Rel(wd, path); err == nil && filepath.IsLocal(rel) {
			path = rel
		}
	}
	return path
}

// demoMarker marks a folder that a demo made and may replace.
const demoMarker = ".winnow-demo"

// demoConf is what the demo sets on top of the shipped configuration.
const demoConf = `# The demo enforces at once and owns the notables. A real install starts in shadow.
[gate]
run = enforce
place = owner
[sink:update]
disabled = 1
`

// layOut copies the app this program lies in to a folder of the demo's own.
func (g *globals) layOut(dir string) (*stage, error) {
	dir, err := demoFolder(dir)
	if err != nil {
		return nil, err
	}
	s := &stage{home: dir}
	d, err := state.Open(state.Locations{App: g.app, State: s.state(), Getenv: g.getenv, Now: g.now})
	if err != nil {
		return nil, usage(err, "build the app with `make build`, then run build/winnow/bin/winnow demo")
	}
	for _, name := range []string{"winnow", "winnow_triage"} {
		if _, err := os.Stat(filepath.Join(d.App, "bin", filepath.Base(s.program(name)))); err != nil {
			return nil, usage(err, "build the app with `make build`")
		}
	}
	for _, sub := range []string{"var/log/splunk", "var/spool/splunk", "etc/apps/winnow/local"} {
		if err := os.MkdirAll(filepath.Join(s.home, sub), 0o700); err != nil {
			return nil, err
		}
	}
	if err := copyApp(d.App, s.app()); err != nil {
		return nil, err
	}
	return s, os.WriteFile(filepath.Join(s.app(), "local", "winnow.conf"), []byte(demoConf), 0o600)
}

func demoFolder(dir string) (string, error) {
	if dir == "" {
		return os.MkdirTemp("", "winnow-demo-")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	entries, err := os.ReadDir(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	if _, err := os.Lstat(filepath.Join(dir, demoMarker)); err != nil && len(entries) > 0 {
		return "", usage(fmt.Errorf("--dir %s: %w", dir, errNotDemo), "name a folder that does not exist yet")
	}
	if err := os.RemoveAll(dir); err != nil {
		return "", err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", err
	}
	return dir, os.WriteFile(filepath.Join(dir, demoMarker), nil, 0o600)
}

// copyApp copies the app folder without its local settings.
func copyApp(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if rel == "local" {
				return fs.SkipDir
			}
			return os.MkdirAll(filepath.Join(to, rel), 0o700)
		}
		return copyFile(path, filepath.Join(to, rel))
	})
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	info, err := in.Stat()
	if err != nil {
		return err
	}
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, info.Mode().Perm()&0o700)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}

// run starts the worker, fires the day, and waits until the worker has worked it off.
func (s *stage) run(ctx context.Context, day []demo.Dispatch) error {
	ctx, cancel := context.WithTimeoutCause(ctx, demoTimeout, errors.New("the demo took more than "+demoTimeout.String()))
	defer cancel()
	stop, err := s.startWorker(ctx)
	if err != nil {
		return err
	}
	fired := s.fire(ctx, day)
	if err := errors.Join(fired, stop()); err != nil {
		return err
	}
	once := s.exec(ctx, "winnow", "worker", "--once")
	return runLogged(once, s.workerLog())
}

func (s *stage) workerLog() string {
	return filepath.Join(s.home, "var", "log", "splunk", "winnow_worker.log")
}

// exec prepares one of the demo's programs as splunkd would start it: working directory /, and no
// environment but Splunk's own.
func (s *stage) exec(ctx context.Context, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.program(name), args...) //nolint:gosec // our own program
	cmd.Dir = filepath.VolumeName(s.home) + string(filepath.Separator)
	cmd.Env = []string{"SPLUNK_HOME=" + s.home, "TMPDIR=" + os.TempDir()}
	if root := os.Getenv("SYSTEMROOT"); root != "" {
		cmd.Env = append(cmd.Env, "SYSTEMROOT="+root)
	}
	return cmd
}

func runLogged(cmd *exec.Cmd, path string) error {
	out, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	cmd.Stdout, cmd.Stderr = out, out
	if err := errors.Join(cmd.Run(), out.Close()); err != nil {
		return fmt.Errorf("winnow worker: %w; see %s", err, path)
	}
	return nil
}

// startWorker starts `winnow worker` and waits for its first heartbeat: without one the alert
// action would fail open. stop ends it as splunkd does.
func (s *stage) startWorker(ctx context.Context) (stop func() error, err error) {
	workerCtx, cancel := context.WithCancel(ctx)
	done := make(chan error, 1)
	cmd := s.exec(workerCtx, "winnow", "worker")
	cmd.Cancel = func() error { return interrupt(cmd.Process) }
	cmd.WaitDelay = 10 * time.Second
	var g errgroup.Group
	g.Go(func() error {
		done <- runLogged(cmd, s.workerLog())
		return nil
	})
	stop = func() error {
		cancel()
		_ = g.Wait()
		<-done //nolint:errcheck // it was told to end
		return nil
	}
	alive := filepath.Join(s.state(), "worker.alive")
	for range 100 {
		if _, err := os.Stat(alive); err == nil {
			return stop, nil
		}
		select {
		case err := <-done:
			cancel()
			return nil, errors.Join(errors.New("the worker ended at once"), err)
		case <-time.After(100 * time.Millisecond):
		}
	}
	return nil, errors.Join(errors.New("the worker shows no heartbeat; see "+s.workerLog()), stop())
}

// splunkThreads is how many alert actions Splunk runs at once (limits.conf, action_execution_threads).
const splunkThreads = 10

func (s *stage) fire(ctx context.Context, day []demo.Dispatch) error {
	var group errgroup.Group
	group.SetLimit(splunkThreads)
	for _, d := range day {
		group.Go(func() error { return s.fireOne(ctx, d) })
	}
	return group.Wait()
}

func (s *stage) fireOne(ctx context.Context, d demo.Dispatch) error {
	payload, err := d.Write(s.home)
	if err != nil {
		return err
	}
	var stderr bytes.Buffer
	cmd := s.exec(ctx, "winnow_triage", "--execute")
	cmd.Stdin, cmd.Stderr = bytes.NewReader(payload), &stderr
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("winnow_triage for %q: %w\n%s", d.SearchName, err, stderr.String())
	}
	return nil
}
