package main

import (
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/winnow-soc/winnow/rules"
)

// The parts of a JUnit report that CI systems read. A rule is a suite, and what could not be read
// is a suite of its own, with an error for each.
type (
	junitReport struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		File     string      `xml:"file,attr,omitempty"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string      `xml:"name,attr"`
		Class   string      `xml:"classname,attr"`
		File    string      `xml:"file,attr,omitempty"`
		Line    int         `xml:"line,attr,omitempty"`
		Failure *junitFault `xml:"failure,omitempty"`
		Error   *junitFault `xml:"error,omitempty"`
	}
	junitFault struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// junit prints one report.
func (g *globals) junit(results []rules.TestResult, broken []*rules.Error) error {
	report := junitReport{Name: "winnow rules test"}
	for _, r := range results {
		last := len(report.Suites) - 1
		if last < 0 || report.Suites[last].Name != r.Rule || report.Suites[last].File != plain(r.File) {
			report.Suites = append(report.Suites, junitSuite{Name: r.Rule, File: plain(r.File)})
			last++
		}
		report.Suites[last].add(junitTest(r))
	}
	if len(broken) > 0 {
		s := junitSuite{Name: "rules that could not be read"}
		for _, p := range broken {
			fault := &junitFault{Message: plain(sentence(p)), Text: plain(p.Detail())}
			s.add(junitCase{Name: fault.Message, Class: "winnow." + p.CodeOf(), File: plain(p.File), Line: p.Line, Error: fault})
		}
		report.Suites = append(report.Suites, s)
	}
	for _, s := range report.Suites {
		report.Tests, report.Failures, report.Errors = report.Tests+s.Tests, report.Failures+s.Failures, report.Errors+s.Errors
	}
	out, err := xml.MarshalIndent(report, "", "  ")
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(g.out, "%s%s\n", xml.Header, strings.ToValidUTF8(string(out), "\uFFFD"))
	return err
}

func (s *junitSuite) add(c junitCase) {
	s.Tests++
	if c.Failure != nil {
		s.Failures++
	}
	if c.Error != nil {
		s.Errors++
	}
	s.Cases = append(s.Cases, c)
}

func junitTest(r rules.TestResult) junitCase {
	c := junitCase{Name: plain(r.Test), Class: r.Rule, File: plain(r.File), Line: r.Line}
	if c.Name == "" {
		c.Name = fmt.Sprintf("line %d", r.Line)
	}
	fault := &junitFault{
		Message: fmt.Sprintf("want %s, got %s", r.Want, r.Got),
		Text:    fmt.Sprintf("%s:%d: rule %s: want %s, got %s: %s", plain(r.File), r.Line, r.Rule, r.Want, r.Got, plain(r.Why)),
	}
	switch {
	case r.OK:
	case r.Got == "error":
		c.Error = fault
	default:
		c.Failure = fault
	}
	return c
}
