package main

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/chat"
	"github.com/winnow-soc/winnow/plugin/approve"
	"github.com/winnow-soc/winnow/plugin/audit"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/rules"
)

// readRules unpacks the rules that were in force, reads them as the gate does, and holds their version
// against the chain's and the record's.
func (p *proof) readRules(t *ledger.Tx, a *winnow.Alert, dir string) error {
	in, err := t.InForce(audit.KindRules, p.at)
	if err != nil {
		return err
	}
	p.Ruleset = in.New
	if !p.unpack(t, "rules", in.Content, dir) || p.Record.Proposal.Rule == "" {
		return nil
	}
	set, lists := p.loadRules(dir)
	if set == nil {
		return nil
	}
	if got := set.Version(); got != in.New {
		p.unproven("the rules in the archive are version %s, and those in force were %s", got, in.New)
	}
	if was := p.Record.Proposal.RuleSet; p.Record.Verdict.Source == winnow.SourceRule && was != in.New {
		p.unproven("the alert action asked rules of version %s, and the worker those of %s", was, in.New)
	}
	p.readRule(set, lists, a, dir)
	return nil
}

// loadRules reads rules and lists as they were unpacked.
func (p *proof) loadRules(dir string) (*rules.Set, *rules.Lists) {
	lists, err := rules.LoadLists(rules.ListOptions{Folders: numbered(dir, "lists")})
	if err != nil {
		p.unproven("lists: %s", without(err, dir))
	}
	set, err := rules.Load(rules.Options{Fields: archivedFields(dir), Lists: lists, Now: p.Record.Outcome.Time}, numbered(dir, "rules")...)
	if err != nil {
		p.unproven("rules: %s", without(err, dir))
	}
	return set, lists
}

// without names the files of an error by their place in the archive.
func without(err error, dir string) string {
	return strings.ReplaceAll(err.Error(), dir+string(filepath.Separator), "")
}

// numbered returns the unpacked folders of a kind, in order.
func numbered(dir, kind string) (out []string) {
	for i := 0; ; i++ {
		path := filepath.Join(dir, kind, fmt.Sprint(i))
		if _, err := os.Stat(path); err != nil {
			return out
		}
		out = append(out, path)
	}
}

// archivedFields reads the field tables over each other, as they were unpacked.
func archivedFields(dir string) *winnow.FieldTable {
	t := &winnow.FieldTable{}
	files, _ := filepath.Glob(filepath.Join(dir, "config", "*", "fields.csv")) // only a bad pattern fails
	for _, path := range files {
		if text, err := os.ReadFile(path); err == nil { //nolint:gosec // just unpacked
			_ = t.Parse(path, string(text)) // what it lacks, rules that need it are said to be wrong
		}
	}
	return t
}

func archivedPrompts(dir string) (*chat.Prompts, error) {
	return chat.LoadPrompts(numbered(dir, "prompts")...)
}

func (p *proof) readRule(set *rules.Set, lists *rules.Lists, a *winnow.Alert, dir string) {
	r := set.Find(p.Record.Proposal.Rule)
	if r == nil {
		if p.Record.Verdict.Source == winnow.SourceRule {
			p.unproven("rule %s is not among those that were in force", p.Record.Proposal.Rule)
		}
		return
	}
	p.Rule = &proofRule{
		ID: r.ID, File: without(fmt.Errorf("%s:%d", r.Pos.File, r.Pos.Line), dir), Text: ruleText(set, r), Lists: []proofValue{}, Approvals: []proofApproval{},
	}
	matched, err := r.Match(a)
	if p.bare {
		p.unproven("the alert's own fields are %s: whether rule %s matches it can no longer be shown", fieldsGone(p.Removed), r.ID)
	} else if p.Record.Verdict.Source == winnow.SourceRule && (err != nil || !matched) {
		p.unproven("rule %s, as it was in force, does not match the alert", r.ID)
	}
	for _, name := range r.Lists() {
		l, err := lists.Get(name)
		if l == nil || err != nil {
			p.unproven("list %s cannot be read from the archive", name)
			continue
		}
		p.Rule.Lists = append(p.Rule.Lists, covering(l, a.Fields)...)
	}
	p.readApprovals(r, dir)
}

// ruleText returns the lines of a rule, up to the next one of its file.
func ruleText(set *rules.Set, r *rules.Rule) string {
	text, err := os.ReadFile(r.Pos.File)
	if err != nil {
		return string(r.Canonical())
	}
	lines := strings.Split(string(text), "\n")
	end := len(lines)
	for _, other := range set.Rules() {
		if other.Pos.File == r.Pos.File && other.Pos.Line > r.Pos.Line {
			end = min(end, other.Pos.Line-1)
		}
	}
	return strings.TrimRight(strings.Join(lines[min(max(r.Pos.Line-1, 0), end):end], "\n"), "\n ")
}

// covering returns the entries of a list that cover a value of the alert.
func covering(l *rules.List, fields winnow.Fields) (out []proofValue) {
	for _, name := range fields.Names() {
		for _, value := range fields[name] {
			for _, entry := range l.Values() {
				if strings.EqualFold(entry, value) || contains(entry, value) {
					out = append(out, proofValue{List: l.Name(), Entry: entry, Field: name, Value: value})
				}
			}
		}
	}
	return out
}

// contains reports whether a network has an address.
func contains(network, value string) bool {
	n, err := netip.ParsePrefix(network)
	if err != nil {
		return false
	}
	a, err := netip.ParseAddr(strings.TrimSpace(value))
	return err == nil && n.Contains(a.Unmap())
}

// readApprovals verifies the signatures beside the rule with the signers of that time.
func (p *proof) readApprovals(r *rules.Rule, dir string) {
	claims, err := approve.ReadClaims(r.Pos.File)
	if err != nil {
		p.unproven("approvals: %s", without(err, dir))
		return
	}
	o := approve.Options{Now: p.Record.Outcome.Time}
	allowed, revoked := filepath.Join(dir, "signers", "allowed"), filepath.Join(dir, "signers", "revoked")
	if _, err := os.Stat(revoked); err != nil {
		revoked = ""
	}
	if s, err := approve.ReadSigners(allowed, revoked); err == nil {
		o.Signers = s
	}
	for _, c := range slices.Clone(claims) {
		if c.Rule != r.ID {
			continue
		}
		one := proofApproval{By: c.By, Signature: strings.TrimSpace(string(c.Signature)), Counts: true}
		if err := o.Counts(r, c); err != nil {
			one.Counts, one.Why = false, err.Error()
		}
		p.Rule.Approvals = append(p.Rule.Approvals, one)
	}
}
