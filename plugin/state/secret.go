package state

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/plugin/disk"
)

// Init makes the state folder with its spool, and the deployment's secret when there never was one.
// Any number of processes may call it at once: they end up with one secret. It is cheap when
// everything is there.
func (d *Deployment) Init() error {
	if err := checkOwner(d.State, d.inSplunk); err != nil {
		return err
	}
	for _, dir := range []string{d.Path("spool/tmp"), d.Path("spool/bad")} { // and those above
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("make state folder: %w; name another one with --state DIR or WINNOW_STATE", err)
		}
	}
	_, err := os.Lstat(d.Path("secret.key"))
	if !missing(err) {
		return err
	}
	if _, err := os.Lstat(d.Path("ledger.db")); !missing(err) {
		return fmt.Errorf("%w: %s is missing, but %s was made with it; bring it back from a backup (to begin anew, move the whole folder %s away)",
			ErrSecretLost, d.Path("secret.key"), d.Path("ledger.db"), d.State)
	}
	return d.initialise()
}

// ErrSecretLost is wrapped by the error of [Deployment.Init] when a state that was in use has no
// secret any more. A new one would silently disown all that the old one has signed: every
// winnow_id in Splunk, every cached verdict. The folders of the state are all there then.
var ErrSecretLost = errors.New("the secret is lost")

// initialise writes what a new state begins with. The secret comes last: where it is, the
// suspensions have been, so that a suspensions file that is missing is known to be lost.
func (d *Deployment) initialise() error {
	if err := create(d.Path("suspensions.json"), (&allowlist.Suspensions{}).Encode()); err != nil {
		return fmt.Errorf("make suspensions file: %w", err)
	}
	secret := make([]byte, winnow.KeySize)
	rand.Read(secret) //nolint:errcheck // it never fails: the program ends where there is no randomness
	if err := create(d.Path("secret.key"), secret); err != nil {
		return fmt.Errorf("make secret: %w", err)
	}
	return nil
}

// create writes a file unless there is one. The whole file is written beside its place and linked
// there: of several processes the first wins, and none ever reads a part or replaces what another
// has since written.
func create(path string, data []byte) error {
	f, err := disk.CreateTemp(filepath.Dir(path), ".tmp-*")
	if err != nil {
		return err
	}
	defer discard(f)
	if _, err := f.Write(data); err != nil {
		return err
	}
	if err := f.Sync(); err != nil {
		return err
	}
	if err := os.Link(f.Name(), path); err != nil && !errors.Is(err, fs.ErrExist) {
		return fmt.Errorf("%w; the state folder must be on a file system with hard links", err)
	}
	return syncDir(filepath.Dir(path))
}

// Keys reads the deployment's secret and derives its keys.
func (d *Deployment) Keys() (*winnow.Keys, error) {
	secret, err := readSecret(d.Path("secret.key"), winnow.KeySize)
	if err != nil {
		return nil, err
	}
	return winnow.NewKeys(secret)
}

// AuditSeedSize is the size of the secret that checkpoints of the audit chain are signed with.
const AuditSeedSize = 32

// AuditSeed reads the secret that checkpoints of the audit chain are signed with. It is apart from the
// other one, so that it can be kept apart too. Any number of processes may call it at once.
func (d *Deployment) AuditSeed() ([]byte, error) {
	return readSecret(d.Path("audit.key"), AuditSeedSize)
}

// InitAuditSeed is AuditSeed, and makes the secret when there is none. A deployment whose chain was signed
// with another one finds that out by `winnow ledger verify`.
func (d *Deployment) InitAuditSeed() ([]byte, error) {
	if _, err := os.Lstat(d.Path("audit.key")); missing(err) {
		seed := make([]byte, AuditSeedSize)
		rand.Read(seed) //nolint:errcheck // it never fails: the program ends where there is no randomness
		if err := create(d.Path("audit.key"), seed); err != nil {
			return nil, fmt.Errorf("make the key of the audit chain: %w", err)
		}
	}
	return d.AuditSeed()
}

func readSecret(path string, size int) ([]byte, error) {
	info, err := os.Lstat(path)
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read secret: %s is not a regular file", path)
	}
	if err := privateFile(path, info); err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	secret, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read secret: %w", err)
	}
	if len(secret) != size {
		return nil, fmt.Errorf("read secret: %s has %d bytes, want %d: bring it back from a backup", path, len(secret), size)
	}
	return secret, nil
}
