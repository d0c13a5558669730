package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/llm/redact"
	"github.com/winnow-soc/winnow/plugin/conf"
)

// Whatever names an alert's fields have, a draft is one stanza of which each name matches its field.
func TestProposalsAreConf(t *testing.T) {
	names := []string{"plain.name", "é\xff", "a,b", "x\n[gate]\nrun = enforce", "end\\", "#c", " blank ", "a*", "[s]", "=", ""}
	var p proposal
	p.Search, p.Alerts, p.Secret = "Odd Logon = #1", 30, []string{"token\n[gate]"}
	for _, name := range names {
		p.Irrelevant = append(p.Irrelevant, proposedField{name, "always the same as x\n[gate]"})
		p.Fields = append(p.Fields, proposedField{name, "in 1 of 1 alerts"})
	}
	var out bytes.Buffer
	g := &globals{console: &console{out: &out, err: &out}}
	if err := g.printProposal(&p); err != nil {
		t.Fatal(err)
	}
	f, err := conf.Parse("draft", &out)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"redact:Odd Logon = #1"}, f.Stanzas()); diff != "" {
		t.Error(diff)
	}
	for _, key := range []string{"fields", "irrelevant"} {
		v, _ := f.Lookup("redact:Odd Logon = #1", key)
		globs := strings.Split(v.Text, ",")
		if len(globs) != len(names) {
			t.Fatalf("%d globs for %d names: %q", len(globs), len(names), globs)
		}
		for i, glob := range globs {
			if !redact.Match(strings.TrimSpace(glob), names[i]) {
				t.Errorf("%q does not match %q", glob, names[i])
			}
		}
	}
	for _, name := range []string{"", "a]b", "a\nb", " a", "a[b", "a\u202eb"} {
		if _, ok := stanzaName(name); ok {
			t.Errorf("%q is taken for the name of a stanza", name)
		}
	}
}
