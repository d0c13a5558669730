package paging

import (
	"bytes"
	"embed"
	"encoding/json"
	"fmt"
	"strings"
	"text/template"

	"github.com/winnow-soc/winnow/plugin/conf"
)

//go:embed templates/*.tmpl
var shipped embed.FS

// parseTemplates reads the bodies of a ticket system, "create" and "comment", and holds them against text that tries
// to get out of its place: a template that forgets to quote is not used.
func parseTemplates(name conf.Template) (*template.Template, error) {
	file := "templates/" + string(name) + ".tmpl"
	t, err := template.New(string(name)).Funcs(template.FuncMap{"json": quote, "level": level, "braces": braces, "indent": indent, "id": id}).Option("missingkey=error").ParseFS(shipped, file)
	if err != nil {
		return nil, fmt.Errorf("template %q: %w", name, err)
	}
	evil := "\"},{\\ \n</script>\u2028{{.}}"
	m := message{ID: evil, Alert: evil, Title: evil, Severity: evil, Text: evil, Search: evil, Time: evil, By: evil, Project: evil}
	if _, err := render(t, "create", m); err != nil {
		return nil, err
	}
	_, err = render(t, "comment", comment{Ref: "1", Text: evil})
	return t, err
}

// quote writes text as a JSON string.
func quote(s string) (string, error) {
	b, err := json.Marshal(s)
	return string(b), err
}

// braces takes the meaning of Jira's markup out of text: within noformat only a brace could end it.
func braces(s string) string { return strings.NewReplacer("{", "(", "}", ")").Replace(s) }

// indent makes a block of code of text, in which Markdown has no meaning.
func indent(s string) string { return "    " + strings.ReplaceAll(s, "\n", "\n    ") }

// id writes what a receiver calls something as the number that it mostly is.
func id(ref string) (string, error) {
	if ref != "" && strings.Trim(ref, "0123456789") == "" && ref[0] != '0' {
		return ref, nil
	}
	return quote(ref)
}

// level picks the word or number that a receiver has for a severity: informational, low, medium, high, critical. One
// that is unknown is taken for high.
func level(severity string, words ...string) (string, error) {
	names := []string{"informational", "low", "medium", "high", "critical"}
	if len(words) != len(names) {
		return "", fmt.Errorf("level wants %d words", len(names))
	}
	for i, name := range names {
		if name == severity {
			return words[i], nil
		}
	}
	return words[3], nil
}

// render makes the body of a request. What is no JSON is an error and is not sent.
func render(t *template.Template, name string, data any) ([]byte, error) {
	var b bytes.Buffer
	if err := t.ExecuteTemplate(&b, name, data); err != nil {
		return nil, fmt.Errorf("template %q: %w", t.Name(), err)
	}
	var out bytes.Buffer
	if err := json.Compact(&out, b.Bytes()); err != nil {
		return nil, fmt.Errorf("template %q: %s is no JSON: %w", t.Name(), name, err)
	}
	return out.Bytes(), nil
}
