package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"slices"

	"github.com/winnow-soc/winnow/llm/prices"
)

// providers are those that are taken over, in the order in which a name that several of them sell
// is looked up: who makes a model comes before who serves it.
var providers = []string{"openai", "anthropic", "google", "mistral", "deepseek", "x-ai", "cohere", "groq", "azure"}

func priceList(path string) (file, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return file{}, err
	}
	var source []prices.GenAIProvider
	if err := json.Unmarshal(data, &source); err != nil {
		return file{}, fmt.Errorf("%s: %w", path, err)
	}
	content, err := pricesYAML(source)
	if err != nil {
		return file{}, fmt.Errorf("%s: %w", path, err)
	}
	table, err := prices.Read("prices.yaml", bytes.NewReader(content))
	if err != nil {
		return file{}, fmt.Errorf("%s: %w", path, err)
	}
	return file{"prices.yaml", content, fmt.Sprintf("%d prices of %d providers", len(table.All()), len(providers))}, nil
}

const pricesHead = `# What models cost, in US dollars for a million tokens: list prices without discounts. Made by
# packaging/facts from genai-prices (https://github.com/pydantic/genai-prices), MIT License,
# Copyright (c) Pydantic Services Inc. 2025 to present; do not edit. Multipliers of service tiers are
# those that providers publish: source and date stand beside them.
#
# A model in two rows has a new price from valid_from on. A tier holds for the whole of a call with
# more input than that. Prices that change by the hour are the dearer ones. Multipliers say what a call
# at a service tier costs of that; a model's own go before its provider's. Models that are not here
# have no price: their calls are counted as unpriced, never as free.
#
# Prices of your own go into a prices.yaml of the content app, which is laid over this one model by model:
# see ` + "`winnow prices`" + `.
`

func pricesYAML(source []prices.GenAIProvider) ([]byte, error) {
	var buf bytes.Buffer
	buf.WriteString(pricesHead)
	fmt.Fprintf(&buf, "source: genai-prices\nmonth: %q\nproviders:\n", pricesMonth)
	for _, p := range tierFactors {
		line, err := p.yaml()
		if err != nil {
			return nil, err
		}
		buf.WriteString(line)
	}
	buf.WriteString("models:\n")
	for _, id := range providers {
		i := slices.IndexFunc(source, func(p prices.GenAIProvider) bool { return p.ID == id })
		if i < 0 {
			return nil, fmt.Errorf("provider %q is not there", id)
		}
		fmt.Fprintf(&buf, "  # %s\n", source[i].Name)
		if err := writeModels(&buf, source[i]); err != nil {
			return nil, err
		}
	}
	return buf.Bytes(), nil
}

func writeModels(buf *bytes.Buffer, p prices.GenAIProvider) error {
	rows, err := p.Rows()
	if err != nil {
		return err
	}
	for _, r := range rows {
		if r.Multipliers, err = multipliers(modelFactors[p.ID+":"+r.Model]); err != nil {
			return fmt.Errorf("%s %s: %w", p.ID, r.Model, err)
		}
		buf.WriteString(r.YAML())
	}
	return nil
}
