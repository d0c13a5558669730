package main

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/packaging/demo"
	"github.com/winnow-soc/winnow/plugin/conf"
)

// What the documents say is compared with what it is said of.

var (
	docLink    = regexp.MustCompile(`\]\(([^)\s]*)\)`)
	docHeading = regexp.MustCompile(`(?m)^#+ +(.*)$`)
	inlineCode = regexp.MustCompile("`([^`\n]+)`")
)

// prose is a document without its blocks.
func (d document) prose() string {
	text := d.text
	for _, b := range d.blocks {
		text = strings.Replace(text, b.text, "", 1)
	}
	return text
}

// codes returns what stands in backticks.
func codes(text string) (out []string) {
	for _, m := range inlineCode.FindAllStringSubmatch(text, -1) {
		out = append(out, m[1])
	}
	return out
}

// table returns the first cells of the rows of the table below a header.
func (d document) table(t *testing.T, header string) (out []string) {
	t.Helper()
	_, rest, found := strings.Cut(d.text, header+"\n")
	if !found {
		t.Fatalf("%s has no table %q", d.name, header)
	}
	for _, line := range strings.Split(rest, "\n")[1:] {
		if !strings.HasPrefix(line, "|") {
			break
		}
		out = append(out, strings.TrimSpace(strings.Split(line, "|")[1]))
	}
	return out
}

func TestLinksOfTheDocumentation(t *testing.T) {
	for _, d := range documents(t) {
		for _, m := range docLink.FindAllStringSubmatch(d.prose(), -1) {
			path, anchor, _ := strings.Cut(m[1], "#")
			if strings.Contains(path, "://") {
				continue
			}
			target := d
			if path != "" {
				name := filepath.ToSlash(filepath.Join(filepath.Dir(d.name), path))
				if _, err := os.Stat(filepath.Join(repository, name)); err != nil {
					t.Errorf("%s: link %s: %v", d.name, m[1], err)
					continue
				}
				if anchor == "" {
					continue
				}
				target = readDocument(t, name)
			}
			if !slices.Contains(target.anchors(), anchor) {
				t.Errorf("%s: link %s: %s has no such heading", d.name, m[1], target.name)
			}
		}
	}
}

// anchors are the names that headings get in links.
func (d document) anchors() (out []string) {
	drop := regexp.MustCompile(`[^\p{L}\p{N} _-]`)
	for _, m := range docHeading.FindAllStringSubmatch(d.prose(), -1) {
		out = append(out, strings.ReplaceAll(strings.ToLower(drop.ReplaceAllString(m[1], "")), " ", "-"))
	}
	return out
}

func TestReadmeListsEveryCommand(t *testing.T) {
	var want []string
	var walk func(cmd *cobra.Command)
	walk = func(cmd *cobra.Command) {
		for _, sub := range cmd.Commands() {
			if sub.HasSubCommands() {
				walk(sub)
			}
			takesArgs := strings.Contains(sub.Use, " ") // one that only holds others takes none
			if sub.HasSubCommands() && !takesArgs {
				continue
			}
			if !sub.Hidden && sub.Name() != "help" {
				want = append(want, cmd.CommandPath()+" "+sub.Use)
			}
		}
	}
	walk(newRoot(&globals{console: &console{}}))
	var got []string
	for _, cell := range readDocument(t, "README.md").table(t, "| command | does |") {
		got = append(got, strings.Trim(cell, "`"))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("commands (-program +README):\n%s", diff)
	}
}

func TestReadmeSaysHowBigTheDemoIs(t *testing.T) {
	day := demo.Dispatches(1, time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC))
	want := strconv.Itoa(demo.Alerts(day)) + " alerts"
	for _, name := range []string{"README.md", "CHANGELOG.md"} {
		if !strings.Contains(readDocument(t, name).prose(), want) {
			t.Errorf("%s does not speak of %s", name, want)
		}
	}
}

// TestSettingsOfTheDocumentation finds every `[stanza] key` in the shipped winnow.conf.spec, and
// reads what stands there as an example.
func TestSettingsOfTheDocumentation(t *testing.T) {
	spec, err := os.ReadFile(filepath.Join(repository, "packaging", "app", "README", "winnow.conf.spec"))
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{}
	stanza := ""
	for line := range strings.Lines(string(spec)) {
		if m := regexp.MustCompile(`^\[(\w+)`).FindStringSubmatch(line); m != nil {
			stanza = m[1]
		} else if m := regexp.MustCompile(`^(\w+) =`).FindStringSubmatch(line); m != nil {
			known[stanza+"."+m[1]] = true
		}
	}
	mention := regexp.MustCompile(`^\[(\w+)(?::[^\]]+)?\] (\w+)`)
	seen := 0
	for _, d := range documents(t) {
		for _, code := range codes(d.prose()) {
			if m := mention.FindStringSubmatch(code); m != nil {
				if seen++; !known[m[1]+"."+m[2]] {
					t.Errorf("%s: there is no setting %s", d.name, code)
				}
			}
		}
		for _, b := range d.blocks {
			if b.lang == "ini" && strings.HasPrefix(b.text, "# local/winnow.conf\n") {
				loadExample(t, d.at(b), b.text)
			}
		}
	}
	if seen < 20 {
		t.Errorf("only %d settings found", seen)
	}
}

// loadExample reads an example of local/winnow.conf over the shipped one.
func loadExample(t *testing.T, at, text string) {
	t.Helper()
	app := t.TempDir()
	shipped, err := os.ReadFile(filepath.Join(repository, "packaging", "app", "default", "winnow.conf"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"default": shipped, "local": []byte(text)} {
		if err := os.Mkdir(filepath.Join(app, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(app, name, "winnow.conf"), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file, err := conf.Load(app, "winnow", nil)
	if err == nil {
		_, err = conf.Read(file)
	}
	if err != nil {
		t.Errorf("%s: %v", at, err)
	}
}

// TestEveryReasonIsDocumented compares the constants of type winnow.Reason with docs/records.md.
func TestEveryReasonIsDocumented(t *testing.T) {
	var want []string
	for _, path := range []string{"proposal.go", "outcome.go"} {
		want = append(want, reasons(t, filepath.Join(repository, path))...)
	}
	var got []string
	for _, cell := range readDocument(t, "docs/records.md").table(t, "| reason | means |") {
		got = append(got, strings.Trim(cell, "`"))
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("reasons (-code +records.md):\n%s", diff)
	}
}

// reasons returns the values of the constants of type Reason in a file.
func reasons(t *testing.T, path string) (out []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !isReason(spec.Type) {
			return true
		}
		for _, v := range spec.Values {
			if lit, ok := v.(*ast.BasicLit); ok {
				text, err := strconv.Unquote(lit.Value)
				if err != nil {
					t.Fatal(err)
				}
				out = append(out, text)
			}
		}
		return true
	})
	if len(out) == 0 {
		t.Fatalf("no reasons in %s", path)
	}
	return out
}

func isReason(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.Ident:
		return e.Name == "Reason"
	case *ast.SelectorExpr:
		return e.Sel.Name == "Reason"
	}
	return false
}

func TestEveryKeyOfARecordIsDocumented(t *testing.T) {
	full := winnow.Record{Verdict: winnow.Verdict{
		Evidence: []winnow.Evidence{{}}, Votes: []winnow.Vote{{}},
	}}
	full.Normalize()
	body, err := json.Marshal(full)
	if err != nil {
		t.Fatal(err)
	}
	var record any
	if err := json.Unmarshal(body, &record); err != nil {
		t.Fatal(err)
	}
	documented := codes(strings.Join(readDocument(t, "docs/records.md").table(t, "| key | holds |"), "\n"))
	var walk func(prefix string, v any)
	walk = func(prefix string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for key, value := range v {
				walk(strings.TrimPrefix(prefix+"."+key, "."), value)
			}
		case []any:
			for _, value := range v {
				walk(prefix, value)
			}
		default:
			if !slices.Contains(documented, prefix) {
				t.Errorf("docs/records.md says nothing of %s", prefix)
			}
		}
	}
	walk("", record)
}

// TestLogLinesOfTheDocumentation finds the lines that docs/operator.md explains in the programs.
func TestLogLinesOfTheDocumentation(t *testing.T) {
	source := sources(t, func(name string) bool { return !strings.HasSuffix(name, "_test.go") })
	operator := readDocument(t, "docs/operator.md")
	lines := append(operator.table(t, "| line of winnow_triage | means | do |"), operator.table(t, "| line of the worker | means | do |")...)
	for _, cell := range lines {
		for part := range strings.SplitSeq(strings.Trim(cell, "`"), "…") {
			part = strings.TrimSpace(strings.TrimPrefix(part, "INFO "))
			if len(part) > 3 && !strings.Contains(source, part) {
				t.Errorf("docs/operator.md: no program says %q", part)
			}
		}
	}
}

func TestTestsOfTheDocumentation(t *testing.T) {
	source := sources(t, func(name string) bool { return strings.HasSuffix(name, "_test.go") })
	for _, d := range documents(t) {
		for _, code := range codes(d.prose()) {
			if regexp.MustCompile(`^Test[A-Z]\w+$`).MatchString(code) && !strings.Contains(source, "\nfunc "+code+"(") {
				t.Errorf("%s: there is no test %s", d.name, code)
			}
		}
	}
}

// sources returns the text of all Go files that are wanted.
func sources(t *testing.T, want func(name string) bool) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(repository, func(path string, entry fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case entry.IsDir() && (entry.Name() == "build" || entry.Name() == ".git"):
			return fs.SkipDir
		case filepath.Ext(path) != ".go" || !want(entry.Name()):
			return nil
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}

func TestMakeTargetsOfTheDocumentation(t *testing.T) {
	makefile, err := os.ReadFile(filepath.Join(repository, "Makefile"))
	if err != nil {
		t.Fatal(err)
	}
	target := regexp.MustCompile(`(?:^|\n)make ([a-z0-9-]+)`)
	for _, d := range documents(t) {
		text := strings.Join(codes(d.prose()), "\n")
		for _, b := range d.blocks {
			if b.lang == "sh" {
				text += "\n" + b.text
			}
		}
		for _, m := range target.FindAllStringSubmatch(text, -1) {
			if !strings.Contains(string(makefile), "\n"+m[1]+":") {
				t.Errorf("%s: there is no target %q in the Makefile", d.name, m[1])
			}
		}
	}
}

// TestEveryLibraryIsExplained compares what the code imports with docs/dependencies.md.
func TestEveryLibraryIsExplained(t *testing.T) {
	text := readDocument(t, "docs/dependencies.md").prose()
	imported := regexp.MustCompile(`(?m)^(?:import )?\t?(?:_ |\w+ )?"((?:[a-z0-9-]+\.)+[a-z]+/[^"]+)"$`)
	for _, m := range imported.FindAllStringSubmatch(sources(t, func(string) bool { return true }), -1) {
		path := m[1]
		for !strings.Contains(text, "`"+path+"`") && strings.Contains(path, "/") {
			path = path[:strings.LastIndex(path, "/")]
		}
		if !strings.Contains(path, "/") && !strings.HasPrefix(m[1], "github.com/winnow-soc/") {
			t.Errorf("docs/dependencies.md says nothing of %s", m[1])
		}
	}
}
