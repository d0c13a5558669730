package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/llm/prices"
)

const contentBuildHelp = `Make the content app of a folder with rules/, lists/ and prompts/, such as a git checkout: a folder to
install beside the app. The rules are checked and tested, the approvals that they need are asked for, and
with --alerts they are tried on past alerts. On any failure nothing is made. The same input makes the same
bytes; a manifest has a hash of every file, and the git commit when there is one.`

func contentCommand(g *globals) *cobra.Command {
	var out, alerts string
	build := &cobra.Command{
		Use: "build DIR", Short: "make the content app of a folder", Args: cobra.ExactArgs(1), Long: contentBuildHelp,
		Example: `  winnow content build ./content -o ./winnow_content
  winnow content build . -o ./winnow_content --alerts labelled.ndjson`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if out == "" {
				return usage(errors.New("name the folder to make with -o DIR"))
			}
			return g.contentBuild(cmd.Context(), args[0], out, alerts)
		},
	}
	build.Flags().StringVarP(&out, "out", "o", "", "the app folder `DIR` to make; it must not exist")
	build.Flags().StringVar(&alerts, "alerts", "", "past alerts in `FILE`, with labels: see winnow rules backtest")
	verify := &cobra.Command{
		Use: "verify DIR", Short: "hold a content app against its manifest", Args: cobra.ExactArgs(1),
		Long: `Say which files of a content app are missing, changed, or not in its manifest. Exits with 1 when there
are any. The manifest itself is not signed: compare its commit and hashes with those of the build.`,
		Example: `  winnow content verify /opt/splunk/etc/apps/winnow_content`,
		RunE:    func(_ *cobra.Command, args []string) error { return g.contentVerify(args[0]) },
	}
	return group("content", "make and verify the content app", `  winnow content build ./content -o ./winnow_content
  winnow content verify ./winnow_content`, build, verify)
}

// manifestName is the file of the app that has the hashes of the others.
const manifestName = "winnow.manifest.json"

// manifest says what a content app is made of.
type manifest struct {
	Version int               `json:"version"`
	Commit  string            `json:"commit"`  // of git; "" when there is none
	Changed bool              `json:"changed"` // the folder differs from the commit
	RuleSet string            `json:"ruleset"`
	Rules   int               `json:"rules"`
	Files   map[string]string `json:"files"` // SHA-256, by path
}

// contentFolders and contentFiles are what content is.
var (
	contentFolders = []string{"rules", "lists", "feeds", "prompts"}
	contentFiles   = []string{"escalate.yaml", "facts.yaml", "fields.csv", "prices.yaml"}
)

// appFiles are what makes an app of content.
var appFiles = map[string]string{
	"default/app.conf": `[install]
is_configured = 1

[ui]
is_visible = 0
label = winnow content

[launcher]
description = Rules and lists for winnow
version = 1.0.0

[package]
id = winnow_content
check_for_updates = 0
`,
	"metadata/default.meta": "[]\naccess = read : [ * ], write : [ admin ]\nexport = none\n",
}

func (g *globals) contentBuild(ctx context.Context, dir, out, alerts string) error {
	if entries, err := os.ReadDir(out); err == nil && len(entries) > 0 || err != nil && !errors.Is(err, fs.ErrNotExist) {
		return usage(fmt.Errorf("%s is in the way (remove it first)", out))
	}
	g.content = dir
	m := manifest{Version: 1, Files: map[string]string{}}
	if err := g.proveContent(&m); err != nil {
		return err
	}
	if alerts != "" {
		if err := g.backtestContent(ctx, alerts); err != nil {
			return err
		}
	}
	files, err := readContent(dir)
	if err != nil {
		return usage(err)
	}
	if list, ok := files["prices.yaml"]; ok {
		if _, err := prices.Read(filepath.Join(dir, "prices.yaml"), bytes.NewReader(list)); err != nil {
			return usage(err)
		}
	}
	for name, text := range appFiles {
		files[name] = []byte(text)
	}
	m.Commit, m.Changed = gitCommit(ctx, dir)
	for name, data := range files {
		m.Files[name] = hashOf(data)
	}
	if files[manifestName], err = json.MarshalIndent(m, "", "  "); err != nil {
		return err
	}
	if err := writeApp(out, files); err != nil {
		return err
	}
	if g.format == formatJSON {
		return g.json(m)
	}
	g.print("%s: %s, %s, rule set %s", plain(out), things(m.Rules, "rule", "rules"), things(len(files), "file", "files"), m.RuleSet)
	switch {
	case m.Commit == "":
		g.note("no git commit: the manifest names none")
	case m.Changed:
		g.note("of commit %s, with changes that are not committed", m.Commit)
	default:
		g.note("of commit %s", m.Commit)
	}
	return nil
}

// proveContent checks and tests the rules, and asks for the approvals that they need.
func (g *globals) proveContent(m *manifest) error {
	set, problems, err := g.loadRules(nil)
	if err != nil {
		return err
	}
	problems = append(problems, set.Check()...)
	d, err := g.openTools()
	if err != nil {
		return err
	}
	_, all, err := g.checkApprovals(d, set, false)
	if err != nil {
		return usage(err)
	}
	for _, e := range lacking(all) {
		e.Warning = false
		problems = append(problems, e)
	}
	broken := errorsAmong(problems)
	for _, p := range broken {
		fmt.Fprintln(g.err, plain(p.Detail()))
	}
	wrong := len(broken)
	for _, t := range set.Test(allowlist.Decide) {
		if !t.OK {
			wrong++
			fmt.Fprintf(g.err, "%s:%d: rule %q: test %q wants %s and gets %s (%s)\n", plain(t.File), t.Line, t.Rule, plain(t.Test), t.Want, t.Got, plain(t.Why))
		}
	}
	m.Rules, m.RuleSet = len(set.Rules()), set.Version()
	if wrong > 0 {
		return failed("%s in the way: nothing was made", things(wrong, "error is", "errors are"))
	}
	return nil
}

// readContent reads the files of a content folder. What is no plain file, such as a link, is refused.
func readContent(dir string) (map[string][]byte, error) {
	files := map[string][]byte{}
	add := func(path string, d fs.DirEntry) error {
		name, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if !d.Type().IsRegular() {
			return fmt.Errorf("%s is no plain file", path)
		}
		files[filepath.ToSlash(name)], err = os.ReadFile(path)
		return err
	}
	for _, root := range slices.Concat(contentFolders, contentFiles) {
		err := filepath.WalkDir(filepath.Join(dir, root), func(path string, d fs.DirEntry, err error) error {
			switch {
			case err != nil:
				return err
			case strings.HasPrefix(d.Name(), ".") && d.IsDir():
				return filepath.SkipDir
			case strings.HasPrefix(d.Name(), ".") || d.IsDir():
				return nil
			}
			return add(path, d)
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	return files, nil
}

// gitCommit returns the commit of a checkout, and whether the folder differs from it; "" where there is none.
func gitCommit(ctx context.Context, dir string) (commit string, changed bool) {
	head, err := exec.CommandContext(ctx, "git", "-C", dir, "rev-parse", "--verify", "HEAD").Output()
	if err != nil {
		return "", false
	}
	status, err := exec.CommandContext(ctx, "git", "-C", dir, "status", "--porcelain", "--", ".").Output()
	return strings.TrimSpace(string(head)), err != nil || len(bytes.TrimSpace(status)) > 0
}

// writeApp writes all files into a new folder beside, which gets its name when it is whole.
func writeApp(out string, files map[string][]byte) error {
	tmp := out + ".tmp"
	if err := os.RemoveAll(tmp); err != nil {
		return err
	}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		path := filepath.Join(tmp, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, files[name], 0o600); err != nil {
			return err
		}
	}
	_ = os.Remove(out) // an empty folder may stand there
	return os.Rename(tmp, out)
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

func (g *globals) contentVerify(dir string) error {
	data, err := os.ReadFile(filepath.Join(dir, manifestName))
	if err != nil {
		return usage(err, "only what `winnow content build` has made can be verified")
	}
	var m manifest
	if err := json.Unmarshal(data, &m); err != nil || m.Version != 1 || m.Files == nil {
		return usage(fmt.Errorf("%s is no manifest of a content app", filepath.Join(dir, manifestName)))
	}
	wrong, err := m.differences(dir)
	if err != nil {
		return err
	}
	for _, text := range wrong {
		g.print("%s", plain(text))
	}
	if len(wrong) > 0 {
		return failed("%s not as they were made", things(len(wrong), "file is", "files are"))
	}
	g.note("%s as they were made", things(len(m.Files), "file is", "files are"))
	return nil
}

// differences says how a folder differs from the manifest, sorted.
func (m *manifest) differences(dir string) (wrong []string, err error) {
	plainFile := map[string]bool{} // by path, also of what is none
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, path)
		plainFile[filepath.ToSlash(name)] = d.Type().IsRegular()
		return err
	})
	if err != nil {
		return nil, err
	}
	delete(plainFile, manifestName)
	for name, regular := range plainFile {
		want, known := m.Files[name]
		if !known {
			wrong = append(wrong, name+" is not in the manifest")
			continue
		}
		data, err := []byte(nil), error(nil)
		if regular {
			data, err = os.ReadFile(filepath.Join(dir, filepath.FromSlash(name)))
		}
		if !regular || err != nil || hashOf(data) != want {
			wrong = append(wrong, name+" has changed")
		}
	}
	for name := range m.Files {
		if _, found := plainFile[name]; !found {
			wrong = append(wrong, name+" is missing")
		}
	}
	slices.Sort(wrong)
	return wrong, nil
}

// backtestContent tries the rules on past alerts; what it prints is no part of the result.
func (g *globals) backtestContent(ctx context.Context, alerts string) error {
	sub, aside := *g, *g.console
	aside.out = g.err
	sub.console, sub.format = &aside, formatTable
	f := backtestFlags{list: 20}
	f.file = alerts
	return sub.rulesBacktest(ctx, nil, &f)
}
