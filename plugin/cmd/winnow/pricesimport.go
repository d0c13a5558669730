package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/llm/prices"
	"github.com/winnow-soc/winnow/plugin/state"
)

// importing is `winnow prices import`.
type importing struct {
	file      string
	out       string
	force     bool
	models    []string // patterns; empty: all
	providers []string // empty: those of the shipped list

	table   *prices.Table
	from    prices.Imported
	changes []priceChange
	rows    []prices.Row
}

func pricesImportCommand(g *globals) *cobra.Command {
	var x importing
	cmd := withCSV(&cobra.Command{
		Use: "import FILE", Short: "take prices over from LiteLLM or genai-prices", Args: cobra.ExactArgs(1),
		Long: `Read LiteLLM's model_prices_and_context_window.json or a JSON file of genai-prices, and tell which prices
of models that read and write text are others than those in force, and which are new. Nothing is fetched and
nothing changes: with --out FILE the differences are written as a price list, to be laid over the shipped one.
As prices.yaml in the root of the content folder it is in force from the worker's next turn on; look at it
first. FILE - is standard input.`,
		Example: `  winnow prices import model_prices_and_context_window.json --model 'gpt-*'
  winnow prices import data.json --provider openai --out content/prices.yaml`,
		RunE: func(_ *cobra.Command, args []string) error {
			d, err := g.open()
			if err != nil {
				return err
			}
			x.file = args[0]
			return g.importPrices(d, &x)
		},
	})
	cmd.Flags().StringVar(&x.out, "out", "", "write the differences to `FILE`")
	cmd.Flags().BoolVar(&x.force, "force", false, "with --out: replace a FILE that is there")
	cmd.Flags().StringSliceVar(&x.models, "model", nil, "only models with such a `NAME`, like 'gpt-5*'")
	cmd.Flags().StringSliceVar(&x.providers, "provider", nil, "only models of the provider `NAME` (default: those of the shipped list)")
	return cmd
}

// priceChange is a price that is another one than that in force. Prices are dollars for a million tokens; "" where
// there is none.
type priceChange struct {
	Provider  string `json:"provider"`
	Model     string `json:"model"`
	Change    string `json:"change"` // new, dearer, cheaper, other
	InputWas  string `json:"input_was"`
	Input     string `json:"input"`
	CachedWas string `json:"cached_was"`
	Cached    string `json:"cached"`
	OutputWas string `json:"output_was"`
	Output    string `json:"output"`
}

func (g *globals) importPrices(d *state.Deployment, x *importing) (err error) {
	for _, pattern := range x.models {
		if _, err := path.Match(pattern, ""); err != nil {
			return usage(fmt.Errorf("--model %s: %w", plain(pattern), err))
		}
	}
	if x.force && x.out == "" {
		return usage(errors.New("--force goes with --out FILE"))
	}
	if x.table, err = openPrices(d); err != nil {
		return usage(err)
	}
	data, err := g.readPriceFile(x.file)
	if err != nil {
		return usage(err)
	}
	if x.from, err = prices.Import(x.file, data); err != nil {
		return usage(err)
	}
	if err := x.compare(g); err != nil {
		return usage(err)
	}
	if err := x.write(g); err != nil {
		return err
	}
	return g.printPriceChanges(x)
}

// maxPriceFile is more than the largest list there is.
const maxPriceFile = 8 << 20

func (g *globals) readPriceFile(name string) ([]byte, error) {
	in := g.in
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return nil, err
		}
		defer func() { _ = f.Close() }()
		in = f
	}
	return io.ReadAll(io.LimitReader(in, maxPriceFile+1))
}

// compare finds the rows that change a price.
func (x *importing) compare(g *globals) error {
	wanted := slices.DeleteFunc(slices.Clone(x.from.Rows), func(r prices.Row) bool { return !x.wants(r) })
	list, err := prices.NewTable(x.from.Source, g.now().UTC().Format("2006-01"), wanted)
	if err != nil {
		return fmt.Errorf("%s: %w", x.file, err)
	}
	laid, now := x.table.Lay(list), g.now()
	changed := map[string]bool{}
	for _, p := range list.All() {
		id := p.Provider + ":" + p.Model
		after, ok := laid.Price(id, now)
		if !ok || changed[id] || !after.From.Equal(p.From) {
			continue
		}
		if before, had := x.table.Price(id, now); !had || !before.Same(after) {
			changed[id] = true
			x.changes = append(x.changes, changeOf(before, had, after))
		}
	}
	x.rows = slices.DeleteFunc(list.Rows(), func(r prices.Row) bool { return !changed[r.Provider+":"+r.Model] })
	return nil
}

func (x *importing) wants(r prices.Row) bool {
	if len(x.providers) > 0 && !slices.Contains(x.providers, r.Provider) || len(x.providers) == 0 && !x.table.Sells(r.Provider) {
		return false
	}
	return len(x.models) == 0 || slices.ContainsFunc(x.models, func(pattern string) bool {
		ok, _ := path.Match(strings.ToLower(pattern), strings.ToLower(r.Model)) //nolint:errcheck // checked before
		return ok
	})
}

func changeOf(before prices.Price, had bool, after prices.Price) priceChange {
	c := priceChange{
		Provider: after.Provider, Model: after.Model, Change: "new",
		Input: after.Rates.Input.String(), Cached: after.Rates.Cached.String(), Output: after.Rates.Output.String(),
	}
	if !had {
		return c
	}
	c.InputWas, c.CachedWas, c.OutputWas = before.Rates.Input.String(), before.Rates.Cached.String(), before.Rates.Output.String()
	in, out := after.Rates.Input-before.Rates.Input, after.Rates.Output-before.Rates.Output
	switch {
	case in >= 0 && out >= 0 && in+out > 0:
		c.Change = "dearer"
	case in <= 0 && out <= 0 && in+out < 0:
		c.Change = "cheaper"
	default:
		c.Change = "other"
	}
	return c
}

// write writes the list, where one is wanted.
func (x *importing) write(g *globals) error {
	if x.out == "" || len(x.rows) == 0 {
		return nil
	}
	if _, err := os.Lstat(x.out); !x.force && !errors.Is(err, fs.ErrNotExist) {
		return usage(fmt.Errorf("%s is there already: prices of yours may be in it; replace it with --force, or name another file", plain(x.out)))
	}
	var b strings.Builder
	fmt.Fprintf(&b, "# Prices that differ from those in force, taken over by `winnow prices import` on %s.\n", g.now().UTC().Format("2006-01-02"))
	fmt.Fprintf(&b, "source: %s\nmonth: %q\nmodels:\n", x.from.Source, g.now().UTC().Format("2006-01"))
	for _, r := range x.rows {
		b.WriteString(r.YAML())
	}
	if _, err := prices.Read(x.out, strings.NewReader(b.String())); err != nil {
		return fmt.Errorf("write prices: %w", err)
	}
	return state.WriteFile(x.out, []byte(b.String()))
}

func (g *globals) printPriceChanges(x *importing) error {
	t := &grid{head: []string{"PROVIDER", "MODEL", "CHANGE", "INPUT WAS", "INPUT", "CACHED WAS", "CACHED", "OUTPUT WAS", "OUTPUT"}}
	for _, c := range x.changes {
		if g.format == formatJSON {
			if err := g.json(c); err != nil {
				return err
			}
		}
		t.add(plain(c.Provider), plain(c.Model), c.Change, c.InputWas, c.Input, c.CachedWas, c.Cached, c.OutputWas, c.Output)
	}
	switch {
	case g.format == formatCSV:
		if err := g.csv(t); err != nil {
			return err
		}
	case g.format == formatTable && len(x.changes) > 0:
		g.text(t)
	}
	said := fmt.Sprintf("%s of %s from %s", things(len(x.changes), "price differs", "prices differ"), things(len(x.from.Rows), "price", "prices"), x.from.Source)
	switch {
	case len(x.rows) == 0:
		g.note("%s", said)
	case x.out == "":
		g.note("%s; nothing was changed: --out FILE writes them down", said)
	default:
		g.note("%s; written to %s", said, plain(x.out))
	}
	return nil
}
