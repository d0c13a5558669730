package main

import (
	"bytes"
	"encoding/json"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow/rules"
)

// hostile problems: what rule files and their names may hold.
var hostileProblems = []*rules.Error{
	{Message: "no place"},
	{File: "a b,c:d%.yaml", Line: 3, Column: 0, Rule: "r", Message: "50 %\n::set-env name=PATH::x\r", Hint: "50%"},
	{File: filepath.Join(string(filepath.Separator)+"abs", "r#?.yaml"), Line: 1, Column: 1, Message: "\x1b[2J\u202e", Warning: true, Code: "broad"},
	{File: "whole.yaml", Message: "<b>&", Warning: true, Code: "nobody knows"},
}

func TestAnnotationsAreOneCommandEach(t *testing.T) {
	want := []string{
		"::error title=winnow invalid::no place",
		`::error file=a b%2Cc%3Ad%25.yaml,line=3,col=0,title=winnow invalid::rule "r": 50 %25%0A::set-env name=PATH::x\u000d (50%25)`,
		`::warning file=/abs/r#?.yaml,line=1,col=1,title=winnow broad::\u001b[2J\u202e`,
		"::warning file=whole.yaml,title=winnow nobody knows::<b>&",
	}
	for i, p := range hostileProblems {
		if got := annotation(p); got != want[i] {
			t.Errorf("got  %s\nwant %s", got, want[i])
		}
	}
}

func FuzzAnnotation(f *testing.F) {
	f.Add("a.yaml", "message", "hint")
	f.Add("%0A::", "\n::set-output::", "\r\n")
	f.Fuzz(func(t *testing.T, file, message, hint string) {
		got := annotation(&rules.Error{File: file, Line: 1, Column: 1, Message: message, Hint: hint})
		if strings.ContainsAny(got, "\r\n") || !strings.HasPrefix(got, "::error ") {
			t.Errorf("%q", got)
		}
		head, _, _ := strings.Cut(got[2:], "::")
		if n := strings.Count(head, ","); n < 2 || n > 3 {
			t.Errorf("%d commas in %q", n, head)
		}
	})
}

// The shape that code scanning asks of a SARIF 2.1.0 log.
func TestSARIFShape(t *testing.T) {
	for _, problems := range [][]*rules.Error{nil, hostileProblems} {
		var out bytes.Buffer
		g := &globals{console: &console{out: &out}, format: formatSARIF}
		if err := g.problems(problems); err != nil {
			t.Fatal(err)
		}
		if bytes.ContainsAny(out.Bytes(), "\x1b\u202e") {
			t.Errorf("a terminal would obey this: %q", out.Bytes())
		}
		dec := json.NewDecoder(&out)
		dec.DisallowUnknownFields()
		var log sarifLog
		if err := dec.Decode(&log); err != nil {
			t.Fatal(err)
		}
		if log.Version != "2.1.0" || log.Schema != sarifSchema || len(log.Runs) != 1 {
			t.Fatalf("%+v", log)
		}
		run := log.Runs[0]
		if run.Tool.Driver.Name != "winnow" || run.Results == nil || len(run.Results) != len(problems) {
			t.Fatalf("%+v", run)
		}
		for i, r := range run.Results {
			sarifResultIsGood(t, run, r, problems[i])
		}
	}
}

func sarifResultIsGood(t *testing.T, run sarifRun, r sarifResult, p *rules.Error) {
	t.Helper()
	checks := run.Tool.Driver.Rules
	if r.RuleIndex < 0 || r.RuleIndex >= len(checks) || checks[r.RuleIndex].ID != r.RuleID {
		t.Errorf("rule %d is not %q", r.RuleIndex, r.RuleID)
	}
	if r.Level != "error" && r.Level != "warning" || r.Message.Text == "" || r.Locations == nil {
		t.Errorf("%+v", r)
	}
	for _, l := range r.Locations {
		uri, err := url.Parse(l.Physical.Artifact.URI)
		if err != nil || uri.Fragment != "" || uri.RawQuery != "" || strings.TrimPrefix(uri.Path, "./") != filepath.ToSlash(p.File) {
			t.Errorf("%q is not %q (%v)", l.Physical.Artifact.URI, p.File, err)
		}
		if at := l.Physical.Region; at != nil && (at.Line < 1 || at.Column < 1) || at == nil && p.Line > 0 {
			t.Errorf("region %+v of %+v", at, p)
		}
	}
}
