package state_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/state"
)

// initEnv tells the test program to be one of many processes that call Init.
const initEnv = "WINNOW_TEST_INIT"

func TestMain(m *testing.M) {
	if dir := os.Getenv(initEnv); dir != "" {
		d := &state.Deployment{State: dir}
		keys, err := initAndSign(d)
		if err != nil {
			fmt.Fprint(os.Stderr, err) //nolint:errcheck // the parent sees the exit code
			os.Exit(1)
		}
		fmt.Print(keys)
		return
	}
	os.Exit(m.Run())
}

func initAndSign(d *state.Deployment) (string, error) {
	if err := d.Init(); err != nil {
		return "", err
	}
	keys, err := d.Keys()
	if err != nil {
		return "", err
	}
	return keys.Sign(keys.NewID(winnow.Key{SID: "s"}, time.UnixMilli(0))), nil
}

func TestManyProcessesMakeOneSecret(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "deep", "state")
	const processes = 32
	outs, errs := make([]string, processes), make([]error, processes)
	var wg sync.WaitGroup
	for i := range processes {
		wg.Go(func() {
			cmd := exec.Command(os.Args[0])
			cmd.Env = append(os.Environ(), initEnv+"="+dir)
			var stderr bytes.Buffer
			cmd.Stderr = &stderr
			out, err := cmd.Output()
			if err != nil {
				t.Log(stderr.String())
			}
			outs[i], errs[i] = string(out), err
		})
	}
	wg.Wait()
	for i := range outs {
		if errs[i] != nil || outs[i] != outs[0] || outs[i] == "" {
			t.Fatalf("process %d signs %q (%v), process 0 %q", i, outs[i], errs[i], outs[0])
		}
	}
	left, err := filepath.Glob(filepath.Join(dir, ".tmp-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("temporary files stay: %v %v", left, err)
	}
}

func TestInitKeepsWhatIsThere(t *testing.T) {
	d := &state.Deployment{State: t.TempDir()}
	write(t, d.Path("suspensions.json"), "kept")
	if err := d.Init(); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(d.Path("suspensions.json")); err != nil || string(got) != "kept" {
		t.Errorf("suspensions are %q, %v", got, err)
	}
}

func TestInitMakesPrivateFoldersAndKeepsTheSecret(t *testing.T) {
	d := &state.Deployment{State: filepath.Join(t.TempDir(), "state")}
	first, err := initAndSign(d)
	if err != nil {
		t.Fatal(err)
	}
	again, err := initAndSign(d)
	if err != nil || again != first {
		t.Errorf("a second Init made another secret (%v)", err)
	}
	if runtime.GOOS == "windows" {
		return
	}
	for name, want := range map[string]os.FileMode{
		"": 0o700, "spool": 0o700, "spool/tmp": 0o700, "spool/bad": 0o700, "secret.key": 0o600,
	} {
		info, err := os.Stat(filepath.Join(d.State, name))
		if err != nil || info.Mode().Perm() != want {
			t.Errorf("%q has mode %v (%v), want %v", name, info.Mode().Perm(), err, want)
		}
	}
}

// TestLostSecretIsNotReplaced: a state that was in use is not given another secret in silence.
func TestLostSecretIsNotReplaced(t *testing.T) {
	d := &state.Deployment{State: t.TempDir()}
	if _, err := initAndSign(d); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(d.Path("secret.key"), d.Path("secret.key")+".bak"); err != nil {
		t.Fatal(err)
	}
	write(t, d.Path("ledger.db"), "")
	for range 2 {
		err := d.Init()
		if !errors.Is(err, state.ErrSecretLost) || !strings.Contains(err.Error(), "bring it back from a backup") {
			t.Errorf("error is %v", err)
		}
	}
	if _, err := os.Lstat(d.Path("secret.key")); err == nil {
		t.Error("another secret was made")
	}
	if err := os.Rename(d.Path("secret.key")+".bak", d.Path("secret.key")); err != nil {
		t.Fatal(err)
	}
	if err := d.Init(); err != nil {
		t.Errorf("with the secret back: %v", err)
	}
}

func TestInitSaysWhatIsInTheWay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	write(t, file, "")
	err := (&state.Deployment{State: filepath.Join(file, "state")}).Init()
	if err == nil || !strings.Contains(err.Error(), "state folder") {
		t.Errorf("a file in the way gave %v", err)
	}
}

func TestKeysRefuseADamagedOrOpenSecret(t *testing.T) {
	for name, tt := range map[string]struct {
		make func(t *testing.T, path string)
		want string
	}{
		"missing":  {func(*testing.T, string) {}, "secret.key"},
		"short":    {func(t *testing.T, path string) { write(t, path, "abc") }, "has 3 bytes, want 32: bring it back"},
		"a folder": {func(t *testing.T, path string) { write(t, filepath.Join(path, "x"), "") }, "not a regular file"},
		"readable by others": {func(t *testing.T, path string) {
			write(t, path, strings.Repeat("k", winnow.KeySize))
			chmod(t, path, 0o640)
		}, "chmod 600"},
		"a link": {func(t *testing.T, path string) {
			write(t, path+".real", strings.Repeat("k", winnow.KeySize))
			if err := os.Symlink(path+".real", path); err != nil {
				t.Skip(err)
			}
		}, "not a regular file"},
	} {
		t.Run(name, func(t *testing.T) {
			d := &state.Deployment{State: t.TempDir()}
			tt.make(t, d.Path("secret.key"))
			if _, err := d.Keys(); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.Skip("Windows guards files with access control lists")
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
