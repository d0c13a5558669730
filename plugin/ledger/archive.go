package ledger

import (
	"bytes"
	"compress/flate"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/winnow-soc/winnow/plugin/audit"
)

// MaxArchived is the size of the largest file that the archive keeps. Of a larger one it keeps the hash.
const MaxArchived = 64 << 20

// ErrNotArchived is returned for content that the archive does not have.
var ErrNotArchived = errors.New("not in the archive")

// Manifest names files that were in force together.
type Manifest struct {
	Files []ManifestFile `json:"files"`
}

// ManifestFile is one of them.
type ManifestFile struct {
	Name string     `json:"name"` // folder and path below it, with slashes
	Size int64      `json:"size"` // bytes, -1 for a file that could not be read
	Hash audit.Hash `json:"sha256"`
}

// Archived says whether the content of the file is in the archive.
func (f *ManifestFile) Archived() bool { return f.Size >= 0 && f.Size <= MaxArchived }

// Archive keeps content under its SHA-256. The same content is kept once.
func (t *Tx) Archive(body []byte) (audit.Hash, error) {
	hash := audit.Hash(sha256.Sum256(body))
	var one int
	if found, err := t.get("SELECT 1 FROM archive WHERE hash = ?", []any{hash[:]}, &one); err != nil || found {
		return hash, err
	}
	kept, deflated, err := deflate(body)
	if err != nil {
		return hash, err
	}
	return hash, t.exec("INSERT INTO archive (hash, deflated, body) VALUES (?,?,?)", hash[:], deflated, kept)
}

// deflate makes content smaller from a certain size on.
func deflate(body []byte) (out []byte, deflated bool, err error) {
	if len(body) < deflateFrom {
		if body == nil {
			body = []byte{}
		}
		return body, false, nil
	}
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return nil, false, fmt.Errorf("ledger: deflate: %w", err)
	}
	if _, err := w.Write(body); err != nil {
		return nil, false, fmt.Errorf("ledger: deflate: %w", err)
	}
	if err := w.Close(); err != nil {
		return nil, false, fmt.Errorf("ledger: deflate: %w", err)
	}
	return b.Bytes(), true, nil
}

// Archived returns content by its hash. It returns ErrNotArchived when there is none, and another error
// when what is there is not what the hash says.
func (t *Tx) Archived(hash audit.Hash) (body []byte, err error) {
	var deflated bool
	found, err := t.get("SELECT deflated, body FROM archive WHERE hash = ?", []any{hash[:]}, &deflated, &body)
	if err == nil && !found {
		err = fmt.Errorf("%w: %s", ErrNotArchived, hash)
	}
	if err == nil && deflated {
		body, err = io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(body)), MaxArchived+1))
	}
	if err != nil {
		return nil, err
	}
	if audit.Hash(sha256.Sum256(body)) != hash {
		return nil, fmt.Errorf("archive: the content of %s is not what was kept: its hash is another", hash)
	}
	return body, nil
}

// ReadManifest returns a manifest by its hash.
func (t *Tx) ReadManifest(hash audit.Hash) (m Manifest, err error) {
	body, err := t.Archived(hash)
	if err != nil {
		return m, err
	}
	if err := json.Unmarshal(body, &m); err != nil {
		return m, fmt.Errorf("archive: manifest %s: %w", hash, err)
	}
	return m, nil
}

// VerifyArchive calls f for all content that is not what its hash says.
func (t *Tx) VerifyArchive(f func(*audit.Fault) error) (n int, err error) {
	var hashes []audit.Hash
	err = t.each("SELECT hash FROM archive ORDER BY hash", nil, func(scan func(...any) error) error {
		var raw []byte
		if err := scan(&raw); err != nil {
			return err
		}
		var h audit.Hash
		copy(h[:], raw)
		hashes = append(hashes, h)
		return nil
	})
	for _, h := range hashes {
		if _, bad := t.Archived(h); bad != nil {
			err = errors.Join(err, f(&audit.Fault{Text: bad.Error()}))
		}
	}
	return len(hashes), err
}

// InForce returns the last change of a kind before an entry, 0 is the end: what was in force then. Where
// that entry is past retention, the removal says what it was. The zero Change is none.
func (t *Tx) InForce(kind audit.Kind, at int64) (c audit.Change, err error) {
	last, found, err := t.LastNote(kind, at)
	if err != nil {
		return c, err
	}
	if found {
		if err := json.Unmarshal(last.Body, &c); err != nil {
			return c, fmt.Errorf("ledger: entry %d: %w", last.Seq, err)
		}
		return c, nil
	}
	removed, err := t.removed()
	if kind == audit.KindRules {
		c.Content, c.New = removed.Rules, removed.RulesVersion
	} else {
		c.Content = removed.Configuration
	}
	return c, err
}

// pruneArchive removes what no entry that is left refers to.
func (t *Tx) pruneArchive(kept audit.Retention) error {
	used := map[audit.Hash]bool{kept.Rules: true, kept.Configuration: true}
	for _, kind := range []audit.Kind{audit.KindRules, audit.KindConfiguration, audit.KindApprovals, audit.KindSuspensions} {
		err := t.entries(func(e *audit.Entry, _ audit.Hash) error {
			var c audit.Change
			if json.Unmarshal(e.Body, &c) == nil {
				used[c.Content] = true
			}
			return nil
		}, "SELECT seq, at, kind, subject, body, hash FROM audit WHERE kind = ? AND subject = ''", string(kind))
		if err != nil {
			return err
		}
	}
	for hash := range used {
		if m, err := t.ReadManifest(hash); err == nil {
			for i := range m.Files {
				used[m.Files[i].Hash] = true
			}
		}
	}
	return t.removeUnused(used)
}

func (t *Tx) removeUnused(used map[audit.Hash]bool) error {
	var unused []audit.Hash
	err := t.each("SELECT hash FROM archive", nil, func(scan func(...any) error) error {
		var raw []byte
		if err := scan(&raw); err != nil {
			return err
		}
		var h audit.Hash
		if copy(h[:], raw); !used[h] {
			unused = append(unused, h)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, h := range unused {
		if err := t.exec("DELETE FROM archive WHERE hash = ?", h[:]); err != nil {
			return err
		}
	}
	return nil
}
