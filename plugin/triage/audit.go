package triage

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/plugin/audit"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
)

// Checkpoints are signed after so many entries, or so long, and when the worker ends.
const (
	checkpointEntries = 10_000
	checkpointEvery   = time.Hour
	recheckEvery      = time.Minute // while nothing can be audited
)

// InForce is what decides from now on, with the files it was read from.
type InForce struct {
	Deployment *state.Deployment
	Gate       *allowlist.Gate
	Kept       bool     // the files are broken, and the last good rules stay in force
	Signers    []string // files of who may approve, "" for none
	Generation string   // of policy, models, prompts and tables
}

// NoteInForce audits and archives what is in force, as far as it is not what the chain says already. It is
// called before anything is decided on it. When it fails nothing closes any more, see
// [ledger.Ledger.Unaudited]; that is all that follows, so the error is only for the log.
func (e *Engine) NoteInForce(ctx context.Context, f InForce) error {
	err := e.Ledger.Unaudited()
	if err == nil {
		err = e.Ledger.Update(ctx, func(t *ledger.Tx) error { return e.noteInForce(t, &f) })
	}
	if err != nil && ctx.Err() == nil {
		err = fmt.Errorf("what decisions rest on cannot be archived: %w", err)
		e.Ledger.FailAudit(err)
	}
	return err
}

func (e *Engine) noteInForce(t *ledger.Tx, f *InForce) error {
	at := e.Now().UnixMicro()
	if !f.Kept {
		if err := noteFiles(t, audit.KindRules, at, f.Gate.Rules.Version(), ruleFiles(f), nil); err != nil {
			return err
		}
	}
	policy, err := policyFile(f.Deployment.Settings)
	if err != nil {
		return err
	}
	if err := noteFiles(t, audit.KindConfiguration, at, f.Generation, configFiles(f.Deployment), policy); err != nil {
		return err
	}
	if err := noteContent(t, audit.KindApprovals, at, f.Gate.Approvals.Encode(), audit.Change{}); err != nil {
		return err
	}
	if f.Gate.Suspensions != nil {
		if err := noteContent(t, audit.KindSuspensions, at, f.Gate.Suspensions.Encode(), audit.Change{}); err != nil {
			return err
		}
	}
	return noteSwitches(t, f.Deployment, at)
}

// named is a file under the name that it has in a manifest.
type named struct{ name, path string }

// below returns the files of folders, each under the name of the kind and the number of its folder.
func below(kind string, roots []string) (out []named) {
	for i, root := range roots {
		_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() || strings.HasPrefix(entry.Name(), ".") {
				return nil //nolint:nilerr // what cannot be read is not in force either
			}
			name, err := filepath.Rel(root, path)
			if err != nil || name == "." {
				name = filepath.Base(path)
			}
			out = append(out, named{fmt.Sprintf("%s/%d/%s", kind, i, filepath.ToSlash(name)), path})
			return nil
		})
	}
	return out
}

// ruleFiles are rules with their approvals, lists, escalate lists, and who may approve.
func ruleFiles(f *InForce) []named {
	d := f.Deployment
	out := slices.Concat(below("rules", d.RulePaths()), below("lists", d.ListPaths()), below("escalate", d.EscalatePaths()))
	for i, path := range f.Signers {
		if path != "" {
			out = append(out, named{[]string{"signers/allowed", "signers/revoked"}[min(i, 1)], path})
		}
	}
	return out
}

// configFiles are those that are read once at the start, and the prompts.
func configFiles(d *state.Deployment) []named {
	var out []named
	for i, path := range append(d.ConfigPaths(), d.Default("attack.csv")) {
		out = append(out, named{fmt.Sprintf("config/%02d/%s", i, filepath.Base(path)), path})
	}
	return append(out, below("prompts", d.PromptDirs())...)
}

// PolicyFile is the name under which a configuration's manifest has the policy of every search, as it was
// in force.
const PolicyFile = "policy.json"

// Policies are the policies of a configuration.
type Policies struct {
	Default  conf.Search            `json:"default"`
	Searches map[string]conf.Search `json:"searches"`
}

func policyFile(s *conf.Settings) ([]byte, error) {
	p := Policies{Default: s.Search(""), Searches: map[string]conf.Search{}}
	for name := range s.Searches {
		p.Searches[name] = s.Search(name)
	}
	return json.Marshal(p)
}

// noteFiles archives files, and audits that they are in force when others were. policy is the content of
// one file more, nil for none.
func noteFiles(t *ledger.Tx, kind audit.Kind, at int64, version string, files []named, policy []byte) error {
	was, err := t.InForce(kind, 0)
	if err != nil {
		return err
	}
	m, err := archiveFiles(t, files)
	if err != nil {
		return err
	}
	if policy != nil {
		hash, err := t.Archive(policy)
		if err != nil {
			return err
		}
		m.Files = append(m.Files, ledger.ManifestFile{Name: PolicyFile, Size: int64(len(policy)), Hash: hash})
	}
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if audit.Hash(sha256.Sum256(body)) == was.Content && was.New == version {
		return nil
	}
	before, err := t.ReadManifest(was.Content)
	if err != nil && !errors.Is(err, ledger.ErrNotArchived) {
		return err
	}
	hash, err := t.Archive(body)
	if err != nil {
		return err
	}
	return t.Note(kind, at, audit.Change{Changed: differ(before, m), Content: hash, New: version, Old: was.New})
}

func archiveFiles(t *ledger.Tx, files []named) (ledger.Manifest, error) {
	m := ledger.Manifest{Files: []ledger.ManifestFile{}}
	for _, f := range files {
		one, found, err := archiveFile(t, f)
		if err != nil {
			return m, err
		}
		if found {
			m.Files = append(m.Files, one)
		}
	}
	return m, nil
}

// archiveFile keeps a file, and of one that is too large its hash. One that is there and cannot be read is
// named without either: what is in force does not rest on it.
func archiveFile(t *ledger.Tx, f named) (one ledger.ManifestFile, found bool, err error) {
	info, err := os.Stat(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return one, false, nil
	}
	unread := ledger.ManifestFile{Name: f.name, Size: -1}
	if err != nil || !info.Mode().IsRegular() {
		return unread, true, nil //nolint:nilerr // it is named as unread
	}
	body, one, err := readArchived(f)
	if err != nil {
		return unread, true, nil //nolint:nilerr // the same
	}
	if one.Archived() {
		one.Hash, err = t.Archive(body)
	}
	return one, true, err
}

// readArchived reads a file for the archive; of one that is too large only size and hash.
func readArchived(f named) (body []byte, one ledger.ManifestFile, err error) {
	in, err := os.Open(f.path)
	if err != nil {
		return nil, one, err
	}
	defer func() { _ = in.Close() }()
	if body, err = io.ReadAll(io.LimitReader(in, ledger.MaxArchived+1)); err != nil {
		return nil, one, err
	}
	one = ledger.ManifestFile{Name: f.name, Size: int64(len(body))}
	if one.Archived() {
		return body, one, nil
	}
	h := sha256.New()
	h.Write(body)
	rest, err := io.Copy(h, in)
	one.Size += rest
	one.Hash = audit.Hash(h.Sum(nil))
	return nil, one, err
}

// maxChanged is how many names of changed files an entry holds.
const maxChanged = 50

// differ returns the names of the files that are not the same in both.
func differ(before, now ledger.Manifest) []string {
	hashes := map[string]audit.Hash{}
	for _, f := range before.Files {
		hashes[f.Name] = f.Hash
	}
	changed := []string{}
	for _, f := range now.Files {
		if was, ok := hashes[f.Name]; !ok || was != f.Hash {
			changed = append(changed, f.Name)
		}
		delete(hashes, f.Name)
	}
	for name := range hashes {
		changed = append(changed, name)
	}
	slices.Sort(changed)
	return changed[:min(len(changed), maxChanged)]
}

// noteContent archives one content, and audits it when another was in force.
func noteContent(t *ledger.Tx, kind audit.Kind, at int64, body []byte, c audit.Change) error {
	was, err := t.InForce(kind, 0)
	if err != nil {
		return err
	}
	sum := audit.Hash(sha256.Sum256(body))
	if was.Content == sum {
		return nil
	}
	if _, err := t.Archive(body); err != nil {
		return err
	}
	c.Changed, c.Content, c.Old, c.New = []string{}, sum, was.New, "sha256:"+sum.String()
	return t.Note(kind, at, c)
}

// noteSuspensions audits other suspensions before they are written. lift says that they put something back
// into force: that does not happen without an entry, what takes something out of force does.
func (e *Engine) noteSuspensions(t *ledger.Tx, s *allowlist.Suspensions, by, what string, lift bool) error {
	if !e.audits() {
		if lift {
			return fmt.Errorf("%w: %w", ledger.ErrUnaudited, e.Ledger.Unaudited())
		}
		return nil
	}
	err := noteContent(t, audit.KindSuspensions, e.Now().UnixMicro(), s.Encode(), audit.Change{By: by, Reason: what})
	if err != nil && !lift && t.Context().Err() == nil {
		e.Ledger.FailAudit(err)
		return nil
	}
	return err
}

// noteSwitches audits mode and stop switch when they are not what the chain says.
func noteSwitches(t *ledger.Tx, d *state.Deployment, at int64) error {
	var mode audit.Mode
	if err := lastBody(t, audit.KindMode, &mode); err != nil {
		return err
	}
	now := audit.Mode{By: d.Mode.By, New: d.Mode.Name, Old: mode.New, Reason: d.Mode.Reason}
	if d.ModeErr != nil {
		now.New = "unreadable"
	}
	if d.Mode.Name != "" {
		until := d.Mode.Until.UTC()
		now.Until = &until
	}
	if now.New != mode.New || now.Until != nil && (mode.Until == nil || !now.Until.Equal(*mode.Until)) {
		if err := t.Note(audit.KindMode, at, now); err != nil {
			return err
		}
	}
	var gate audit.Gate
	if err := lastBody(t, audit.KindGate, &gate); err != nil {
		return err
	}
	s, _ := d.GateSwitch() //nolint:errcheck // a switch that cannot be read is off, and says so elsewhere
	if s.Off == gate.Off {
		return nil
	}
	turned := audit.Gate{By: cmp.Or(s.Who, "unknown"), Off: s.Off}
	if !s.At.IsZero() {
		when := s.At.UTC()
		turned.At = &when
	}
	return t.Note(audit.KindGate, at, turned)
}

// lastBody reads the body of the last entry of a kind; none leaves it as it is.
func lastBody(t *ledger.Tx, kind audit.Kind, body any) error {
	last, found, err := t.LastNote(kind, 0)
	if err != nil || !found {
		return err
	}
	if err := json.NewDecoder(bytes.NewReader(last.Body)).Decode(body); err != nil {
		return fmt.Errorf("read entry %d of the audit chain: %w", last.Seq, err)
	}
	return nil
}

// Checkpoint signs the head of the chain when that is due, or at once where now is set, and posts it to
// the sinks that take events.
func (e *Engine) Checkpoint(ctx context.Context, atOnce bool) error {
	if e.Signer == nil || !e.audits() {
		return nil
	}
	now, head := e.Now(), e.Ledger.AuditHead()
	due := atOnce || head-e.signedHead >= checkpointEntries || now.Sub(e.signedAt).Abs() >= checkpointEvery
	if !due || head == e.signedHead {
		return nil
	}
	return e.Update(ctx, func(t *ledger.Tx) error {
		c, found, err := t.AddCheckpoint(e.Signer, now)
		if err != nil {
			return err
		}
		if e.signedHead, e.signedAt = head, now; !found {
			return nil
		}
		for _, sink := range e.Sinks {
			if !sink.Type.Events() || sink.Type == conf.SinkWebhook {
				continue
			}
			key := fmt.Sprintf("checkpoint/%d/%s", c.Seq, sink.Name)
			d := ledger.Delivery{Key: key, Sink: sink.Name, Kind: ledger.DeliverEvent, Checkpoint: &c}
			d.Record.Outcome.Time = c.At // sinks give the event this time
			if err := t.Post(d, now); err != nil {
				return err
			}
		}
		return nil
	})
}

// closable turns a close that cannot be audited into what a person has to look at.
func (e *Engine) closable(rec *winnow.Record, state winnow.State, reason winnow.Reason) (winnow.State, winnow.Reason) {
	if state != winnow.StateClosed || e.audits() {
		return state, reason
	}
	if p := e.search(rec.SearchName).Policy; p.EscalateSeverity != winnow.SeverityUnknown && rec.Severity >= p.EscalateSeverity {
		return winnow.StateEscalated, winnow.ReasonUnaudited
	}
	return winnow.StateInReview, winnow.ReasonUnaudited
}

func (e *Engine) audits() bool { return e.Ledger.Unaudited() == nil }

// errUnauditedClose keeps the write-back of a close waiting.
var errUnauditedClose = errors.New("held: nothing can be audited, and nothing is closed")

// recheck looks from time to time whether the chain goes on again.
func (w *Worker) recheck(ctx context.Context) {
	e := w.Engine
	why := e.Ledger.Unaudited()
	if why == nil || e.Now().Sub(w.rechecked).Abs() < recheckEvery {
		return
	}
	w.rechecked = e.Now()
	w.Log.Error("nothing can be audited: nothing closes, and what is escalated is marked as unaudited", "err", why)
	e.Ledger.RecheckAudit(ctx)
	if e.audits() && w.Archive != nil && w.Archive(ctx) == nil {
		w.Log.Info("the audit chain goes on")
		w.tellUnaudited(ctx)
	}
}

// tellUnaudited says how many alerts wait for a person only because there was no chain.
func (w *Worker) tellUnaudited(ctx context.Context) {
	err := w.Engine.Ledger.View(ctx, func(t *ledger.Tx) error {
		n, err := t.UnauditedAlerts()
		if err == nil && n > 0 {
			w.Log.Warn("alerts wait for a person only because their close could not be audited: `winnow queue retry --cause unaudited` "+
				"triages them again", "alerts", n)
		}
		return err
	})
	if err != nil && ctx.Err() == nil {
		w.Log.Error("nobody knows how many alerts could not be audited", "err", err)
	}
}

// sign signs the end of the chain, and tells the sinks at once.
func (w *Worker) sign(ctx context.Context) error {
	if err := w.Engine.Checkpoint(ctx, true); err != nil {
		return err
	}
	_, err := w.deliver(ctx)
	return err
}
