package main

import (
	"fmt"

	"github.com/winnow-soc/winnow/llm/prices"
)

// providerFactors are what a provider's service tiers cost of its standard prices, as it publishes them. Tiers
// that are sold by commitment, and discounts that not all models have, are not here: what a list does not know
// is priced as the dearest that it knows.
type providerFactors struct {
	provider, source, date string
	factors                map[string]string
}

// looked is when the pages were read. Google's says that priority costs 75 to 100 % more.
const looked = "2026-11-23"

var tierFactors = []providerFactors{
	{"openai", "https://openai.com/api-fast-mode/, https://developers.openai.com/api/docs/pricing", looked, map[string]string{"batch": "0.5", "flex": "0.5", "priority": "2"}},
	{"anthropic", "https://platform.claude.com/docs/en/build-with-claude/batch-processing", looked, map[string]string{"batch": "0.5"}},
	{"google", "https://ai.google.dev/gemini-api/docs/optimization", looked, map[string]string{"batch": "0.5", "flex": "0.5", "priority": "2"}},
	{"azure", "https://learn.microsoft.com/en-us/azure/ai-foundry/openai/how-to/batch", looked, map[string]string{"batch": "0.5"}},
}

// modelFactors are those of single models, by provider:model, where they are published otherwise. OpenAI's
// priority is called fast mode since July 2026.
var modelFactors = map[string]map[string]string{
	"openai:gpt-5.5":      {"priority": "2.5"},
	"openai:gpt-5-mini":   {"priority": "1.8"},
	"openai:gpt-4.1":      {"priority": "1.75"},
	"openai:gpt-4.1-mini": {"priority": "1.75"},
}

func (p providerFactors) yaml() (string, error) {
	m, err := multipliers(p.factors)
	if err != nil {
		return "", fmt.Errorf("%s: %w", p.provider, err)
	}
	return prices.Provider{Name: p.provider, Multipliers: m, Source: p.source, Date: p.date}.YAML(), nil
}

func multipliers(factors map[string]string) (prices.Multipliers, error) {
	if len(factors) == 0 {
		return nil, nil
	}
	out := prices.Multipliers{}
	for tier, text := range factors {
		m, err := prices.ParseMultiplier(text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", tier, err)
		}
		out[tier] = m
	}
	return out, nil
}
