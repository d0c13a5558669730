//go:build unix

package alertaction

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestStartWorker: the action says what has become of its start.
func TestStartWorker(t *testing.T) {
	for _, c := range []struct {
		name, program, want string
		locked              bool
	}{
		{"started", "#!/bin/sh\necho \"$@\" >\"$0.ran\"\n", "INFO run=RUN started `winnow worker --once`", false},
		{"a worker hangs", "#!/bin/sh\necho \"$@\" >\"$0.ran\"\n", "WARN run=RUN no worker started: one holds LOCK", true},
		{"no program", "", "ERROR run=RUN start worker: ", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := newApp(t, "[gate]\nstart_worker = 1\n")
			a.startWorker = startWorker
			a.now = a.now.Add(time.Hour)
			program := filepath.Join(a.dir, "bin", "winnow")
			if c.program != "" {
				a.write(program, c.program)
				if err := os.Chmod(program, 0o700); err != nil {
					t.Fatal(err)
				}
			}
			path := a.write(a.open().Path("worker.lock"), "")
			if c.locked {
				lock(t, path)
			}
			r := a.run(a.payload(a.results(travel), nil))
			_, run, _ := strings.Cut(r.stderr, "run=")
			run, _, _ = strings.Cut(run, " ")
			said := strings.NewReplacer(run+" sid=scheduler__admin__x_at_1767312000_42", "RUN", path, "LOCK").Replace(r.stderr)
			if r.code != ExitStored || !strings.Contains(said, c.want) {
				t.Errorf("exit %d: %s", r.code, said)
			}
			if c.name == "started" {
				waitFor(t, program+".ran", "worker --once\n")
			}
		})
	}
}

func lock(t *testing.T, path string) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = f.Close() })
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
}

// waitFor waits for what a process that nobody waits for writes.
func waitFor(t *testing.T, path, want string) {
	t.Helper()
	var got []byte
	for deadline := time.Now().Add(20 * time.Second); string(got) != want; got, _ = os.ReadFile(path) {
		if time.Now().After(deadline) {
			t.Fatalf("%s holds %q, want %q", path, got, want)
		}
	}
}
