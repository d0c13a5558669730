package main

import (
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/llm/prices"
	"github.com/winnow-soc/winnow/plugin/state"
)

func pricesCommand(g *globals) *cobra.Command {
	return group("prices", "what models cost, and prices of your own", `  winnow prices list gpt-5.4-mini
  winnow prices check
  winnow prices import model_prices_and_context_window.json`,
		pricesListCommand(g), pricesCheckCommand(g), pricesImportCommand(g))
}

// openPrices reads the shipped price list and lays over it those of the app's local folder and of the content.
// An overlay that another user can write is refused: whoever can write it can spend the budget.
func openPrices(d *state.Deployment) (*prices.Table, error) {
	paths := d.PricePaths()
	table, err := readPrices(paths[0])
	if err != nil {
		return nil, err
	}
	for _, path := range paths[1:] {
		if err := d.Trusted(path); err != nil {
			return nil, fmt.Errorf("read prices: %w", err)
		}
		over, err := readPrices(path)
		if err != nil {
			return nil, err
		}
		table = table.Lay(over)
	}
	return table, nil
}

func readPrices(path string) (*prices.Table, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read prices: %w", err)
	}
	defer func() { _ = f.Close() }()
	return prices.Read(path, f)
}
