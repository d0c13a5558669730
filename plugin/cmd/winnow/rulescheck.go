package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/intake"
	"github.com/winnow-soc/winnow/rules"
)

func rulesCheckCommand(g *globals) *cobra.Command {
	var searches, fields string
	cmd := &cobra.Command{
		Use: "check [PATH...]", Short: "find what is wrong with rule files",
		Long: `Read rule files or folders of them (default: the content's rules) and say everything that is wrong,
with file, line, column and the way out. The value lists that rules read are those of the content.
A rule that rests on fields that an attacker may set alone is an error; fields.csv says which are.
--searches holds scopes and throttles against a savedsearches.conf, or scopes against a list of names,
one a line; --fields says which fields that rules read are absent in real alerts. --format sarif is for
code scanning, --format github for annotations of a pull request.
Exits with 1 when there are errors; warnings do not count.`,
		Example: `  winnow rules check
  winnow rules check --content ./content --format json
  winnow rules check --searches savedsearches.conf --fields alerts.ndjson --format sarif`,
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.rulesCheck(cmd.Context(), args, searches, fields)
		},
	}
	cmd.Flags().StringVar(&searches, "searches", "", "the searches that exist: a savedsearches.conf or a list of names in `FILE`")
	cmd.Flags().StringVar(&fields, "fields", "", "alerts in `FILE` (- for standard input) whose fields rules are held against")
	return withFormats(cmd, formatSARIF, formatGitHub)
}

func (g *globals) rulesCheck(ctx context.Context, paths []string, searches, fields string) error {
	set, problems, err := g.loadRules(paths)
	if err != nil {
		return err
	}
	var against rules.CheckOptions
	if searches != "" {
		if against.Searches, err = readSearches(searches); err != nil {
			return usage(err)
		}
	}
	if fields != "" {
		if against.Seen, err = g.seenFields(ctx, fields); err != nil {
			return err
		}
	}
	problems = append(problems, set.CheckAgainst(against)...)
	unsigned, err := g.unsigned(set)
	if err != nil {
		return err
	}
	problems = append(problems, unsigned...)
	slices.SortStableFunc(problems, func(a, b *rules.Error) int {
		return cmp.Or(cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column))
	})
	problems = slices.CompactFunc(problems, func(a, b *rules.Error) bool { return a.Error() == b.Error() })
	return g.printProblems(problems, len(set.Rules()))
}

// unsigned are the rules that lack approvals. That signers cannot be read stands with the first of them.
func (g *globals) unsigned(set *rules.Set) ([]*rules.Error, error) {
	d, err := g.openTools()
	if err != nil {
		return nil, err
	}
	_, all, err := g.checkApprovals(d, set, false)
	out := lacking(all)
	if err != nil && len(out) > 0 {
		out[0].Message += "; " + err.Error()
	}
	return out, nil
}

// maxSearchFile bounds the file of searches.
const maxSearchFile = 64 << 20

// readSearches reads a savedsearches.conf, which has stanzas, or a list of names.
func readSearches(path string) (*rules.Searches, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > maxSearchFile {
		return nil, fmt.Errorf("%s: larger than %d MiB", path, maxSearchFile>>20)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	text := strings.TrimPrefix(string(data), "\ufeff")
	if looksLikeConf(path, text) {
		f, err := conf.Parse(path, strings.NewReader(text))
		if err != nil {
			return nil, err
		}
		return rules.NewSearches(path, savedSearches(f))
	}
	var list []rules.Search
	for line := range strings.Lines(text) {
		if name := strings.TrimSpace(line); name != "" && name[0] != '#' {
			list = append(list, rules.Search{Name: name})
		}
	}
	return rules.NewSearches(path, list)
}

// looksLikeConf tells a .conf file by its name, or by a stanza in its first line that says something.
func looksLikeConf(path, text string) bool {
	if strings.HasSuffix(path, ".conf") {
		return true
	}
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
			return line[0] == '[' && strings.HasSuffix(line, "]")
		}
	}
	return false
}

// savedSearches takes names and throttles out of a savedsearches.conf.
func savedSearches(f *conf.File) (out []rules.Search) {
	for _, name := range f.Stanzas() {
		if name == conf.DefaultStanza {
			continue
		}
		s := rules.Search{Name: name}
		on, _ := f.Get(name, "alert.suppress")
		s.Throttled = slices.Contains([]string{"1", "true", "t", "yes", "y"}, strings.ToLower(strings.TrimSpace(on)))
		fields, _ := f.Get(name, "alert.suppress.fields")
		s.Throttle = strings.FieldsFunc(fields, func(r rune) bool { return r == ',' || r == ' ' || r == '\t' || r == '"' })
		out = append(out, s)
	}
	return out
}

// seenFields counts the fields of a file of alerts, one alert at a time.
func (g *globals) seenFields(ctx context.Context, path string) (*rules.Seen, error) {
	in, modified, size, err := openAlerts(g, path)
	if err != nil {
		return nil, usage(err)
	}
	defer in.Close() //nolint:errcheck // only read from
	bar := g.startBar(path, size)
	defer bar.clear()
	seen, unread := rules.NewSeen(path), 0
	for item, err := range intake.Open(ctx, path, in, intake.Options{Now: modified, Progress: bar.set}) {
		if _, bad := errors.AsType[*intake.LineError](err); bad {
			unread++
			continue
		}
		if err != nil {
			return nil, err
		}
		if err := seen.Add(&item.Alert); err != nil {
			return nil, err
		}
	}
	if unread > 0 {
		g.note("warning: %s of %s could not be read and do not count", things(unread, "row", "rows"), plain(path))
	}
	return seen, nil
}
