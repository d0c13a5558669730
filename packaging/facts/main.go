// Command facts makes the facts that winnow ships from public data: default/attack.csv from
// MITRE's ATT&CK bundle, and default/prices.yaml from Pydantic's genai-prices. Run it from the top
// of the repository when there is newer data:
//
//	go run ./packaging/facts -data DIR
//
// The same data gives the same files to the byte.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

func main() {
	if err := run(os.Args[1:], os.Stdout, os.Stderr); err != nil {
		if !errors.Is(err, flag.ErrHelp) {
			fmt.Fprintln(os.Stderr, "facts:", err)
		}
		os.Exit(2)
	}
}

// Names of the data files, and when they were published.
const (
	attackFile    = "attack_v18.1_patterns.json"
	attackVersion = "18.1"
	licenseFile   = "LICENSE.attack.txt"
	pricesFile    = "genai_prices_slim.json"
	pricesMonth   = "2026-08"
)

func run(args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("facts", flag.ContinueOnError)
	flags.SetOutput(stderr)
	data := flags.String("data", "", "folder with "+attackFile+", "+licenseFile+" and "+pricesFile)
	out := flags.String("out", "packaging/app/default", "folder to write attack.csv and prices.yaml to")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *data == "" {
		return errors.New("say where the data is: -data DIR")
	}
	files, err := generate(*data)
	if err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(*out, f.name)
		if err := os.WriteFile(path, f.content, 0o644); err != nil { //nolint:gosec // part of the source tree
			return err
		}
		if _, err := fmt.Fprintf(stdout, "%s: %s\n", path, f.summary); err != nil {
			return err
		}
	}
	return nil
}

// A file is one of the files that are made.
type file struct {
	name    string
	content []byte
	summary string
}

func generate(data string) ([]file, error) {
	attack, err := attackTable(filepath.Join(data, attackFile), filepath.Join(data, licenseFile))
	if err != nil {
		return nil, err
	}
	list, err := priceList(filepath.Join(data, pricesFile))
	if err != nil {
		return nil, err
	}
	return []file{attack, list}, nil
}
