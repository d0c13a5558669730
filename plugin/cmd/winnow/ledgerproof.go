package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/audit"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/plugin/triage"
)

// proof is what `ledger show --proof` prints: what a decision rested on, from the archive only.
type proof struct {
	ID            string            `json:"id"`
	Record        winnow.Record     `json:"record"`
	Entries       []proofEntry      `json:"entries"`
	Checkpoint    *audit.Checkpoint `json:"checkpoint"` // that covers them all, null for none yet
	Ruleset       string            `json:"ruleset"`    // in force when it was decided
	Rule          *proofRule        `json:"rule"`       // null where none decided
	Configuration string            `json:"configuration"`
	Policy        json.RawMessage   `json:"policy"`
	Calls         []proofCall       `json:"calls"`
	Reviews       []ledger.Review   `json:"reviews"`
	Removed       *time.Time        `json:"fields_removed"` // when retention removed the alert's fields, null: not, or nobody knows
	Unproven      []string          `json:"unproven"`       // what could not be shown, and why

	bare bool  // the alert's fields are past retention
	at   int64 // entry of the current record
}

type proofEntry struct {
	Seq  int64           `json:"seq"`
	Time time.Time       `json:"time"`
	Kind audit.Kind      `json:"kind"`
	Body json.RawMessage `json:"body"`
	Hash audit.Hash      `json:"hash"`
}

type proofRule struct {
	ID        string          `json:"id"`
	File      string          `json:"file"`
	Text      string          `json:"text"`
	Lists     []proofValue    `json:"lists"`
	Approvals []proofApproval `json:"approvals"`
}

// proofValue is a value of the alert, and the entry of a list that covers it.
type proofValue struct {
	List  string `json:"list"`
	Entry string `json:"entry"`
	Field string `json:"field"`
	Value string `json:"value"`
}

type proofApproval struct {
	By        string `json:"by"`
	Signature string `json:"signature"`
	Counts    bool   `json:"counts"`
	Why       string `json:"why"` // it does not
}

type proofCall struct {
	Task   string `json:"task"`
	Agent  string `json:"agent"`
	Model  string `json:"model"`
	Prompt string `json:"prompt"` // version
	Text   string `json:"text"`
	Answer string `json:"answer"`
}

func (p *proof) unproven(format string, args ...any) {
	p.Unproven = append(p.Unproven, fmt.Sprintf(format, args...))
}

// readProof collects everything. What is missing or wrong is said in it; an error is one of the ledger.
func readProof(d *state.Deployment, t *ledger.Tx, id string) (*proof, error) {
	p := &proof{ID: id, Entries: []proofEntry{}, Calls: []proofCall{}, Unproven: []string{}, Policy: json.RawMessage("null")}
	var err error
	if p.Record, err = t.Record(id); err != nil {
		return p, err
	}
	entry, err := t.Alert(id)
	if err != nil {
		return p, err
	}
	removed, gone, err := t.FieldsRemoved(id)
	if err != nil {
		return p, err
	}
	if p.bare = gone; !removed.IsZero() {
		p.Removed = &removed
	}
	reviews, err := t.Reviews(id)
	if err != nil {
		return p, err
	}
	p.Reviews = orEmpty(reviews)
	if err := p.readEntries(d, t); err != nil {
		return p, err
	}
	dir, err := os.MkdirTemp("", "winnow-proof-*")
	if err != nil {
		return p, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return p, errors.Join(p.readConfiguration(t, dir), p.readRules(t, &entry.Alert, dir), p.readCalls(t, dir))
}

// readEntries reads what the chain tells of the alert, and verifies it up to the checkpoint that covers it.
func (p *proof) readEntries(d *state.Deployment, t *ledger.Tx) error {
	err := t.EntriesOf(p.ID, func(e *audit.Entry, own audit.Hash) error {
		p.Entries = append(p.Entries, proofEntry{e.Seq, e.Time(), e.Kind, slices.Clone(e.Body), own})
		if e.Kind == audit.KindRecord || e.Kind == audit.KindLate || e.Kind == audit.KindAdopted {
			p.at = e.Seq
		}
		if !json.Valid(e.Body) {
			p.Entries[len(p.Entries)-1].Body = json.RawMessage("null")
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := t.VerifyAlert(p.ID, func(f *audit.Fault) error { p.unproven("%s", f.Text); return nil }); err != nil {
		return err
	}
	if len(p.Entries) == 0 {
		return nil
	}
	key, err := auditKey(d, "")
	if err != nil {
		p.unproven("signatures cannot be checked: %v", err)
		return nil
	}
	first, last := p.Entries[0].Seq, p.Entries[len(p.Entries)-1].Seq
	c, faults, err := t.CoverEntries(key, first, last)
	for _, f := range faults {
		p.unproven("%s", f.Error())
	}
	switch {
	case err != nil:
		return err
	case c.Seq == 0:
		p.unproven("no checkpoint covers entry %d yet", last)
	default:
		p.Checkpoint = &c
	}
	return nil
}

// unpack writes the files of a manifest below dir, under their names. Names are those of the archive:
// one that leads out of it is not written.
func (p *proof) unpack(t *ledger.Tx, what string, content audit.Hash, dir string) bool {
	if content.IsZero() {
		p.unproven("the chain does not say which %s were in force", what)
		return false
	}
	m, err := t.ReadManifest(content)
	if err != nil {
		p.unproven("%s: %v", what, err)
		return false
	}
	for i := range m.Files {
		f := &m.Files[i]
		if !f.Archived() {
			p.unproven("%s: %s is not in the archive: it was too large or could not be read", what, f.Name)
			continue
		}
		body, err := t.Archived(f.Hash)
		if err == nil && !filepath.IsLocal(filepath.FromSlash(f.Name)) {
			err = errors.New("it leads out of the archive")
		}
		if err == nil {
			err = unpackFile(filepath.Join(dir, filepath.FromSlash(f.Name)), body)
		}
		if err != nil {
			p.unproven("%s: %s: %v", what, f.Name, err)
		}
	}
	return true
}

func unpackFile(path string, body []byte) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, body, 0o600)
}

// readConfiguration unpacks the configuration, and reads the policy of the alert's search out of it.
func (p *proof) readConfiguration(t *ledger.Tx, dir string) error {
	in, err := t.InForce(audit.KindConfiguration, p.at)
	if err != nil {
		return err
	}
	p.Configuration = in.New
	if !p.unpack(t, "settings", in.Content, dir) {
		return nil
	}
	text, err := os.ReadFile(filepath.Join(dir, triage.PolicyFile)) //nolint:gosec // just unpacked
	if err != nil {
		p.unproven("the policy is not in the archive")
		return nil //nolint:nilerr // it is told
	}
	var all struct {
		Default  json.RawMessage            `json:"default"`
		Searches map[string]json.RawMessage `json:"searches"`
	}
	if err := json.Unmarshal(text, &all); err != nil {
		p.unproven("the policy cannot be read: %v", err)
		return nil
	}
	if p.Policy = all.Default; all.Searches[p.Record.SearchName] != nil {
		p.Policy = all.Searches[p.Record.SearchName]
	}
	return nil
}

// readCalls reads what models answered, with the prompts that they were told.
func (p *proof) readCalls(t *ledger.Tx, dir string) error {
	_, body, err := t.Answers(p.ID)
	if err != nil || body == nil {
		if p.Record.Verdict.Source == winnow.SourceModel {
			p.unproven("the answer of the model is not kept")
		}
		return err
	}
	a, err := triage.ReadAnswers(body)
	if err != nil {
		p.unproven("%v", err)
		return nil
	}
	prompts, err := archivedPrompts(dir)
	if err != nil {
		p.unproven("the prompts cannot be read from the archive: %v", err)
	}
	for _, c := range a.Calls {
		if c.Source != winnow.SourceModel {
			continue
		}
		one := proofCall{Task: string(c.Task), Agent: c.Agent, Model: c.Model, Prompt: c.Prompt, Answer: c.Answer}
		if prompts == nil || prompts.Version(c.Task, c.Agent) != c.Prompt {
			p.unproven("the prompt %s of %s is not the one in the archive", c.Prompt, c.Task)
		} else if one.Text, err = prompts.Text(c.Task, c.Agent); err != nil {
			p.unproven("%v", err)
		}
		p.Calls = append(p.Calls, one)
	}
	return nil
}

func (g *globals) printProof(p *proof) {
	w := g.styled()
	head := func(text string) { fmt.Fprintf(w, "\n%s\n", bold.Render(text)) }
	line := func(name, format string, args ...any) {
		text := strings.ReplaceAll(plain(fmt.Sprintf(format, args...)), "\n", "\n                 ")
		fmt.Fprintf(w, "  %s %s\n", dim.Render(fmt.Sprintf("%-14s", name)), text)
	}
	o := &p.Record.Outcome
	fmt.Fprintf(w, "%s  %s\n", bold.Render(plain(p.ID)), stateStyle(o.State).Render(string(o.State)))
	line("outcome", "%s (%s) by %s, run %s%s", o.State, o.Reason, o.Actor, o.Run, wouldBe(&p.Record))
	if p.bare {
		line("fields", "%s", fieldsGone(p.Removed))
	}
	head("Audit chain")
	for _, e := range p.Entries {
		line(fmt.Sprint("entry ", e.Seq), "%s %s %s\n%s", e.Time.Format(time.RFC3339), e.Kind, e.Hash, e.Body)
	}
	if c := p.Checkpoint; c != nil {
		line("checkpoint", "entry %d at %s, head %s\nkey %s", c.Seq, c.At.Format(time.RFC3339), c.Head, c.Key)
	}
	head("In force")
	line("rules", "%s", orDash(p.Ruleset))
	p.printRule(line)
	line("settings", "%s", orDash(p.Configuration))
	line("policy", "%s", p.Policy)
	for _, c := range p.Calls {
		head(plain(strings.TrimSpace("Asked: " + c.Task + " " + c.Agent)))
		line("model", "%s", c.Model)
		line("prompt", "%s\n%s", c.Prompt, c.Text)
		line("answer", "%s", c.Answer)
	}
	for i, text := range p.Unproven {
		if i == 0 {
			head("Not proven")
		}
		line("", "%s", text)
	}
}

func (p *proof) printRule(line func(string, string, ...any)) {
	r := p.Rule
	if r == nil {
		return
	}
	line("rule", "%s\n%s", r.File, r.Text)
	for _, v := range r.Lists {
		line("list", "%s: %s covers %s = %s", v.List, v.Entry, v.Field, v.Value)
	}
	for _, a := range r.Approvals {
		says := "counts"
		if !a.Counts {
			says = "does not count: " + a.Why
		}
		line("approval", "%s: %s\n%s", a.By, says, a.Signature)
	}
}

// fieldsGone says that an alert has lost its fields.
func fieldsGone(at *time.Time) string {
	if at == nil {
		return "gone, and the chain does not tell since when"
	}
	return "gone: fields removed by retention on " + at.UTC().Format(time.DateOnly)
}
