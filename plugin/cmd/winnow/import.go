package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/rules/importer"
)

// importFlags are the flags of `winnow rules import`.
type importFlags struct {
	owner, reason, expires, out string
	searches, fields, keys      []string
	list                        string
	global, cidr, nulls         bool
}

const importHelp = `Make allow-list rules of what other products call filters, lookups and suppressions. FORMAT is one of

  sigma         the filter blocks of Sigma rules: files, folders, or a .tgz of them
  lookup        a Splunk lookup file: one --key becomes a list and a rule over it, several become a
                rule that names the rows
  suppression   the notable suppressions of Enterprise Security, from eventtypes.conf

Every rule comes in shadow mode with "review:" in its reason, and with a test that it drops and one
that it just does not. A rule never covers more than its original: what cannot be said so is refused,
with file, line and reason, and the rest is imported. Exits with 1 when nothing could be.

Rules go to standard output, or with --out to rules/ and lists/ below a folder, where no file is
replaced. A lookup needs --out.`

const importExample = `  winnow rules import sigma rules.tgz --owner detection@corp.example > content/rules/sigma.yaml
  winnow rules import lookup vpn_users.csv --key user --search "Impossible Travel" \
    --owner detection@corp.example --out content
  winnow rules import suppression eventtypes.conf --owner detection@corp.example --out content`

// importFor is how long imported rules hold, unless it is said.
const importFor = 90 * 24 * time.Hour

func rulesImportCommand(g *globals) *cobra.Command {
	var f importFlags
	cmd := &cobra.Command{
		Use: "import FORMAT FILE...", Short: "make rules of Sigma filters, Splunk lookups, notable suppressions",
		Long: importHelp, Example: importExample, Args: cobra.MinimumNArgs(2),
		RunE: func(_ *cobra.Command, args []string) error { return g.rulesImport(f, args[0], args[1:]) },
	}
	s := cmd.Flags()
	s.StringVar(&f.owner, "owner", "", "the `NAME` of who answers for the rules (required)")
	s.StringVar(&f.reason, "reason", "", "`TEXT` to add to the reason of each rule")
	s.StringVar(&f.expires, "expires", "", "the last `DAY` of the rules, at most a year ahead (default: in 90 days)")
	s.StringVar(&f.out, "out", "", "the content folder `DIR` to write to")
	s.StringArrayVar(&f.searches, "search", nil, "the `NAME` of a search that the rules are for, instead of what the original says")
	s.BoolVar(&f.global, "global", false, "rules that name no search are for every search")
	s.StringArrayVar(&f.fields, "field", nil, "what alerts call a field: `THEIRS=OURS`, like Image=process_path")
	s.BoolVar(&f.nulls, "nulls", false, "alerts carry every field of their event, so a missing one was null")
	s.StringArrayVar(&f.keys, "key", nil, "lookup: a key `COLUMN`")
	s.StringVar(&f.list, "list", "", "lookup: the `NAME` of the list (default: like the file)")
	s.BoolVar(&f.cidr, "cidr", false, "lookup: it finds addresses in networks (match_type = CIDR)")
	return cmd
}

func (g *globals) rulesImport(f importFlags, format string, files []string) error {
	opts, err := f.options(g.now())
	if err != nil {
		return err
	}
	d, err := g.openTools()
	if err != nil {
		return err
	}
	opts.Table = d.Fields
	im := importer.New(opts)
	var blocks int
	switch format {
	case "sigma":
		blocks, err = importSigma(im, files)
	case "lookup":
		if f.out == "" {
			return usage(errors.New("a lookup becomes a list too, which needs a place"), "name the content folder with --out DIR")
		}
		blocks, err = importLookups(im, files, f)
	case "suppression":
		blocks, err = importSuppressions(im, files)
	default:
		return usage(fmt.Errorf("unknown format %q (want sigma, lookup or suppression)", format))
	}
	if err != nil {
		return usage(err)
	}
	if err := g.writeImport(im, f, format); err != nil {
		return err
	}
	return g.reportImport(im, blocks)
}

func (f *importFlags) options(now time.Time) (importer.Options, error) {
	o := importer.Options{
		Owner: f.owner, Reason: f.reason, Now: now, Expires: now.UTC().Add(importFor).Truncate(24 * time.Hour),
		Searches: f.searches, Global: f.global, Nulls: f.nulls, Fields: map[string]string{},
	}
	if f.expires != "" {
		day, err := time.Parse(time.DateOnly, f.expires)
		if err != nil {
			return o, usage(fmt.Errorf("--expires is %q, want a day like 2027-03-31", f.expires))
		}
		o.Expires = day
	}
	for _, pair := range f.fields {
		theirs, ours, ok := strings.Cut(pair, "=")
		if !ok || theirs == "" || ours == "" {
			return o, usage(fmt.Errorf("--field is %q, want THEIRS=OURS like Image=process_path", pair))
		}
		o.Fields[theirs] = ours
	}
	return o, usage(o.Validate())
}

func importSigma(im *importer.Import, files []string) (blocks int, err error) {
	for _, file := range files {
		err := importer.Files(file, []string{".yml", ".yaml"}, func(name string, data []byte) { blocks += im.Sigma(name, data) })
		if err != nil {
			return blocks, err
		}
	}
	return blocks, nil
}

func importLookups(im *importer.Import, files []string, f importFlags) (n int, err error) {
	for _, file := range files {
		err := importer.Files(file, []string{".csv"}, func(name string, data []byte) {
			n++
			im.Lookup(name, data, importer.Lookup{Keys: f.keys, List: f.list, CIDR: f.cidr})
		})
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func importSuppressions(im *importer.Import, files []string) (n int, err error) {
	for _, file := range files {
		err := importer.Files(file, []string{".conf"}, func(name string, data []byte) {
			parsed, err := conf.Parse(name, bytes.NewReader(data))
			im.Unreadable(name, err)
			for _, stanza := range parsed.Stanzas() {
				if strings.HasPrefix(stanza, importer.SuppressionPrefix) {
					n++
					im.Suppression(suppression(parsed, stanza))
				}
			}
		})
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

func suppression(f *conf.File, stanza string) importer.Stanza {
	at, _ := f.At(stanza)
	s := importer.Stanza{Name: stanza, File: at.File, Line: at.Line}
	if search, ok := f.Lookup(stanza, "search"); ok {
		s.Search, s.Line = search.Text, search.Line
	}
	s.Description, _ = f.Get(stanza, "description")
	disabled, _ := f.Get(stanza, "disabled")
	switch strings.ToLower(disabled) {
	case "", "0", "false", "f", "no", "n":
	default:
		s.Disabled = true
	}
	return s
}

// writeImport writes the rules, and with --out the lists: never over a file that is there.
func (g *globals) writeImport(im *importer.Import, f importFlags, format string) error {
	if len(im.Rules) == 0 {
		return nil
	}
	if f.out == "" {
		if g.format == formatTable {
			_, err := g.out.Write(im.File())
			return err
		}
		return nil
	}
	files := map[string][]byte{filepath.Join(f.out, "rules", "imported_"+format+".yaml"): im.File()}
	for _, l := range im.Lists {
		files[filepath.Join(f.out, "lists", l.Name+".csv")] = l.Text
	}
	for name := range files {
		if _, err := os.Lstat(name); !errors.Is(err, fs.ErrNotExist) {
			return usage(fmt.Errorf("%s is there already", name), "move it away, or name another folder with --out DIR")
		}
	}
	for name, text := range files {
		if err := writeNew(name, text); err != nil {
			return err
		}
	}
	return nil
}

// writeNew writes a file that must not be there yet.
func writeNew(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		return err
	}
	out, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = out.Write(text)
	return errors.Join(err, out.Close())
}

// reportImport says what was imported and what was not.
func (g *globals) reportImport(im *importer.Import, blocks int) error {
	loose := 0
	for _, r := range im.Rules {
		if r.Trust != "" {
			loose++
		}
		if g.format == formatJSON {
			if err := g.json(r); err != nil {
				return err
			}
		}
	}
	for _, r := range im.Refused {
		if g.format == formatJSON {
			if err := g.json(r); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintf(g.err, "refused: %s:%d: %s: %s\n", plain(r.File), r.Line, oneLine(r.What, 120), oneLine(r.Why, 200))
	}
	if kinds := im.Kinds(); len(im.Refused) > 10 {
		g.note("\nrefused, by reason:")
		for _, k := range kinds {
			g.note("%5d  %s", k.Count, k.Kind)
		}
	}
	if len(im.Rules) == 0 {
		return failed("nothing was imported; %s", things(len(im.Refused), "part was refused", "parts were refused"))
	}
	g.note("%s of %s, %s; read them before you enforce them", things(len(im.Rules), "shadow rule", "shadow rules"),
		things(blocks, "part", "parts"), things(len(im.Refused), "refusal", "refusals"))
	if loose > 0 {
		g.note("%s what an attacker may set alone: `winnow rules check` names them, and what to add", things(loose, "rests on", "rest on"))
	}
	return nil
}
