//go:build unix

package state_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow/plugin/state"
)

const stranger = 12345 // a user and group that is not the test's

// chown gives a file to the stranger; only root can.
func chown(t *testing.T, path string, uid, gid int) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	if err := os.Lchown(path, uid, gid); err != nil {
		t.Fatal(err)
	}
}

func TestTrusted(t *testing.T) {
	for name, tt := range map[string]struct {
		spoil func(t *testing.T, dir string)
		want  string // "" is trusted
	}{
		"as made":                {func(*testing.T, string) {}, ""},
		"writable by all":        {func(t *testing.T, dir string) { chmod(t, dir+"/rules/a.yaml", 0o606) }, "can be written by every user"},
		"readable by all":        {func(t *testing.T, dir string) { chmod(t, dir+"/rules/a.yaml", 0o644) }, ""},
		"own group may write":    {func(t *testing.T, dir string) { chmod(t, dir+"/rules/a.yaml", 0o660) }, ""},
		"folder writable by all": {func(t *testing.T, dir string) { chmod(t, dir+"/rules/deep", 0o777) }, "can be written by every user"},
		"sticky folder of rules": {func(t *testing.T, dir string) { chmod(t, dir+"/rules", 0o777|os.ModeSticky) }, "can be written by every user"},
		"folder above writable":  {func(t *testing.T, dir string) { chmod(t, dir, 0o777) }, "can be written by every user"},
		"folder above sticky":    {func(t *testing.T, dir string) { chmod(t, dir, 0o777|os.ModeSticky) }, ""},
		"another group may write": {func(t *testing.T, dir string) {
			chown(t, dir+"/rules/a.yaml", 0, stranger)
			chmod(t, dir+"/rules/a.yaml", 0o620)
		}, "by group 12345"},
		"another group may read": {func(t *testing.T, dir string) {
			chown(t, dir+"/rules/a.yaml", 0, stranger)
			chmod(t, dir+"/rules/a.yaml", 0o640)
		}, ""},
		"a stranger's file":           {func(t *testing.T, dir string) { chown(t, dir+"/rules/a.yaml", stranger, 0) }, "belongs to user #12345"},
		"a stranger's folder above":   {func(t *testing.T, dir string) { chown(t, dir, stranger, 0) }, "belongs to user #12345"},
		"link to a good file":         {func(t *testing.T, dir string) { link(t, "deep/b.yaml", dir+"/rules/l.yaml") }, ""},
		"link to an open file":        {linkToOpen, "can be written by every user"},
		"link through an open folder": {linkThroughOpen, "can be written by every user"},
		"a stranger's link": {func(t *testing.T, dir string) {
			link(t, "deep/b.yaml", dir+"/rules/l.yaml")
			chown(t, dir+"/rules/l.yaml", stranger, 0)
		}, "belongs to user #12345"},
		"link to itself":  {func(t *testing.T, dir string) { link(t, "l.yaml", dir+"/rules/l.yaml") }, "too many links"},
		"link to nothing": {func(t *testing.T, dir string) { link(t, "none", dir+"/rules/l.yaml") }, "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := filepath.Join(t.TempDir(), "content")
			write(t, filepath.Join(dir, "rules", "a.yaml"), "")
			write(t, filepath.Join(dir, "rules", "deep", "b.yaml"), "")
			tt.spoil(t, dir)
			err := (&state.Deployment{}).Trusted(filepath.Join(dir, "rules"))
			if tt.want == "" && err != nil {
				t.Errorf("not trusted: %v", err)
			}
			if tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
				t.Errorf("got %v, want %s", err, tt.want)
			}
		})
	}
}

func link(t *testing.T, target, path string) {
	t.Helper()
	if err := os.Symlink(target, path); err != nil {
		t.Fatal(err)
	}
}

func linkToOpen(t *testing.T, dir string) {
	open := filepath.Join(t.TempDir(), "open.yaml")
	write(t, open, "")
	chmod(t, open, 0o666)
	link(t, open, dir+"/rules/l.yaml")
}

func linkThroughOpen(t *testing.T, dir string) {
	open := filepath.Join(t.TempDir(), "open")
	write(t, filepath.Join(open, "x.yaml"), "")
	chmod(t, open, 0o777)
	link(t, filepath.Join(open, "x.yaml"), dir+"/rules/l.yaml")
}

func TestTrustedChecksAFolderAgainAsWhatIsRead(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "shared")
	write(t, filepath.Join(dir, "a"), "")
	chmod(t, dir, 0o777|os.ModeSticky)
	d := &state.Deployment{}
	if err := d.Trusted(filepath.Join(dir, "a")); err != nil {
		t.Errorf("a file in a sticky folder: %v", err)
	}
	if err := d.Trusted(filepath.Join(dir, "a"), dir); err == nil {
		t.Error("a sticky folder that all can add files to is trusted")
	}
	if err := d.Trusted(filepath.Join(dir, "none")); err == nil {
		t.Error("what is not there is trusted")
	}
}

func TestStateOfAnotherUserIsRefused(t *testing.T) {
	home, app := splunk(t, nil)
	folder := filepath.Join(home, "var/lib/splunk/modinputs/winnow")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	chown(t, folder, stranger, stranger)
	_, err := state.Open(state.Locations{App: app, Getenv: env(nil)})
	if err == nil || !strings.Contains(err.Error(), "sudo -u #12345") {
		t.Errorf("got %v, want the way out", err)
	}
}

// TestRootMakesNoStateInASplunkOfAnotherUser: the alert action, which runs as that user, could
// not store anything there afterwards.
func TestRootMakesNoStateInASplunkOfAnotherUser(t *testing.T) {
	home, app := splunk(t, map[string]string{"var/lib/splunk/x": ""})
	chown(t, filepath.Join(home, "var/lib/splunk"), stranger, stranger)
	_, err := state.Open(state.Locations{App: app, Getenv: env(nil)})
	if err == nil || !strings.Contains(err.Error(), "belongs to user") {
		t.Errorf("got %v, want a refusal", err)
	}
	named := filepath.Join(home, "var/lib/splunk/named")
	if _, err := state.Open(state.Locations{App: app, State: named, Getenv: env(nil)}); err != nil {
		t.Errorf("a folder that was named: %v", err)
	}
}

func TestSecretOfAnotherUserIsRefused(t *testing.T) {
	d := &state.Deployment{State: t.TempDir()}
	if err := d.Init(); err != nil {
		t.Fatal(err)
	}
	chown(t, d.Path("secret.key"), stranger, stranger)
	if _, err := d.Keys(); err == nil || !strings.Contains(err.Error(), "belongs to user") {
		t.Errorf("got %v", err)
	}
}

func TestTrustedWhileFilesComeAndGo(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			path := filepath.Join(dir, fmt.Sprint(i%50))
			_ = os.WriteFile(path, nil, 0o600)
			_ = os.Remove(filepath.Join(dir, fmt.Sprint((i+25)%50)))
		}
	}()
	d := &state.Deployment{}
	for range 300 {
		if err := d.Trusted(dir); err != nil {
			t.Errorf("a file that vanished is no reason for distrust: %v", err)
			break
		}
	}
	close(stop)
	<-done
}
