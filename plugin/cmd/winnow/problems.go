package main

import (
	"encoding/json"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"github.com/winnow-soc/winnow/rules"
)

// printProblems prints what is wrong with rules, and says in the end whether that is an error.
func (g *globals) printProblems(problems []*rules.Error, good int) error {
	if err := g.problems(problems); err != nil {
		return err
	}
	wrong := len(errorsAmong(problems))
	warnings := things(len(problems)-wrong, "warning", "warnings")
	if wrong > 0 {
		return failed("%s and %s; %s good", things(wrong, "error", "errors"), warnings, things(good, "rule is", "rules are"))
	}
	g.note("%s good, %s", things(good, "rule is", "rules are"), warnings)
	return nil
}

func (g *globals) problems(problems []*rules.Error) error {
	if g.format == formatSARIF {
		return g.sarif(problems)
	}
	w := g.styled()
	for _, p := range problems {
		switch g.format {
		case formatJSON:
			if err := g.json(problemJSON(p)); err != nil {
				return err
			}
		case formatGitHub:
			g.print("%s", annotation(p))
		default:
			label, said := red.Render("error"), *p
			if p.Warning {
				label, said.Warning = yellow.Render("warning"), false // once is enough
			}
			fmt.Fprintf(w, "%s: %s\n\n", label, plain(said.Detail()))
		}
	}
	return nil
}

// errorsAmong leaves the warnings out.
func errorsAmong(problems []*rules.Error) (wrong []*rules.Error) {
	for _, p := range problems {
		if !p.Warning {
			wrong = append(wrong, p)
		}
	}
	return wrong
}

// level is the word for how bad it is, in every format.
func level(p *rules.Error) string {
	if p.Warning {
		return "warning"
	}
	return "error"
}

func problemJSON(p *rules.Error) any {
	return struct {
		Level   string `json:"level"`
		Check   string `json:"check"`
		File    string `json:"file"`
		Line    int    `json:"line"`
		Column  int    `json:"column"`
		Rule    string `json:"rule"`
		Message string `json:"message"`
		Hint    string `json:"hint"`
	}{level(p), p.CodeOf(), p.File, p.Line, p.Column, p.Rule, p.Message, p.Hint}
}

// sentence is what is wrong and the way out, without the place.
func sentence(p *rules.Error) string {
	text := p.Message
	if p.Rule != "" {
		text = fmt.Sprintf("rule %q: %s", p.Rule, text)
	}
	if p.Hint != "" {
		text += " (" + p.Hint + ")"
	}
	return text
}

// annotation is a workflow command of GitHub's runners, which show it at the line of the file. What
// ends a property or the command is written as an escape: a rule file cannot add a command.
func annotation(p *rules.Error) string {
	data := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A")
	property := strings.NewReplacer("%", "%25", "\r", "%0D", "\n", "%0A", ":", "%3A", ",", "%2C")
	var where []string
	if p.File != "" {
		where = append(where, "file="+property.Replace(plain(filepath.ToSlash(p.File))))
	}
	if p.Line > 0 {
		where = append(where, fmt.Sprintf("line=%d,col=%d", p.Line, p.Column))
	}
	where = append(where, "title="+property.Replace("winnow "+p.CodeOf()))
	return fmt.Sprintf("::%s %s::%s", level(p), strings.Join(where, ","), data.Replace(plain(sentence(p))))
}

// The parts of a SARIF 2.1.0 log that are used.
type (
	sarifLog struct {
		Schema  string     `json:"$schema"`
		Version string     `json:"version"`
		Runs    []sarifRun `json:"runs"`
	}
	sarifRun struct {
		Tool       sarifTool     `json:"tool"`
		ColumnKind string        `json:"columnKind"`
		Results    []sarifResult `json:"results"`
	}
	sarifTool struct {
		Driver sarifDriver `json:"driver"`
	}
	sarifDriver struct {
		Name    string      `json:"name"`
		Version string      `json:"version"`
		Rules   []sarifRule `json:"rules"`
	}
	sarifRule struct {
		ID    string    `json:"id"`
		Short sarifText `json:"shortDescription"`
	}
	sarifText struct {
		Text string `json:"text"`
	}
	sarifResult struct {
		RuleID    string            `json:"ruleId"`
		RuleIndex int               `json:"ruleIndex"`
		Level     string            `json:"level"`
		Message   sarifText         `json:"message"`
		Locations []sarifLocation   `json:"locations"`
		Property  map[string]string `json:"properties,omitempty"`
	}
	sarifLocation struct {
		Physical sarifPhysical `json:"physicalLocation"`
	}
	sarifPhysical struct {
		Artifact sarifArtifact `json:"artifactLocation"`
		Region   *sarifRegion  `json:"region,omitempty"`
	}
	sarifArtifact struct {
		URI string `json:"uri"`
	}
	sarifRegion struct {
		Line   int `json:"startLine"`
		Column int `json:"startColumn"`
	}
)

const sarifSchema = "https://json.schemastore.org/sarif-2.1.0.json"

// sarif prints one log, also when nothing is wrong: an upload of it closes what was wrong before.
func (g *globals) sarif(problems []*rules.Error) error {
	driver := sarifDriver{Name: "winnow", Version: version()}
	index := map[string]int{}
	for i, c := range rules.Checks() {
		index[c.Code] = i
		driver.Rules = append(driver.Rules, sarifRule{c.Code, sarifText{c.Text}})
	}
	run := sarifRun{Tool: sarifTool{driver}, ColumnKind: "unicodeCodePoints", Results: []sarifResult{}}
	for _, p := range problems {
		i := index[p.CodeOf()]
		r := sarifResult{
			RuleID: driver.Rules[i].ID, RuleIndex: i, Level: level(p),
			Message: sarifText{sentence(p)}, Locations: sarifPlace(p),
		}
		if p.Rule != "" {
			r.Property = map[string]string{"rule": p.Rule}
		}
		run.Results = append(run.Results, r)
	}
	out, err := json.MarshalIndent(sarifLog{sarifSchema, "2.1.0", []sarifRun{run}}, "", " ")
	if err != nil {
		return err
	}
	_, err = g.out.Write(escapeControls(append(out, '\n')))
	return err
}

func sarifPlace(p *rules.Error) []sarifLocation {
	if p.File == "" {
		return []sarifLocation{}
	}
	uri := url.URL{Path: filepath.ToSlash(p.File)}
	if filepath.IsAbs(p.File) {
		uri.Scheme = "file"
		uri.Path = "/" + strings.TrimPrefix(uri.Path, "/")
	}
	at := sarifPhysical{Artifact: sarifArtifact{uri.String()}}
	if p.Line > 0 {
		at.Region = &sarifRegion{p.Line, max(p.Column, 1)}
	}
	return []sarifLocation{{at}}
}
