package prices

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// liteLLMProviders are the providers of LiteLLM's model_prices_and_context_window.json that price lists here
// have under another name.
var liteLLMProviders = map[string]string{
	"text-completion-openai": "openai", "gemini": "google", "vertex_ai-language-models": "google", "xai": "x-ai",
	"cohere_chat": "cohere", "azure_ai": "azure", "azure_text": "azure",
}

// liteLLMModes are the modes of models that read and write text.
var liteLLMModes = []string{"chat", "completion", "responses"}

// The four rates by their names in LiteLLM, all in dollars for one token.
const (
	liteInput  = "input_cost_per_token"
	liteCached = "cache_read_input_token_cost"
	liteWrite  = "cache_creation_input_token_cost"
	liteOutput = "output_cost_per_token"
)

// liteTiers are the endings of those names for service tiers.
var liteTiers = map[string]string{TierBatch: "_batches", TierFlex: "_flex", TierPriority: "_priority", "ultrafast": "_ultrafast"}

// liteLLMRows reads the entries that read and write text and have a price, in the order of provider and name.
func liteLLMRows(data []byte) ([]Row, error) {
	var file map[string]json.RawMessage
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, err
	}
	var out []Row
	for _, name := range slices.Sorted(maps.Keys(file)) {
		entry := map[string]json.RawMessage{}
		if json.Unmarshal(file[name], &entry) != nil || name == "sample_spec" {
			continue // a note, not a model
		}
		row, ok, err := liteLLMRow(name, entry)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", strconv.Quote(name), err)
		}
		if ok {
			out = append(out, row)
		}
	}
	return out, nil
}

func liteLLMRow(name string, entry map[string]json.RawMessage) (row Row, ok bool, err error) {
	provider, mode := liteText(entry["litellm_provider"]), liteText(entry["mode"])
	if provider == "" || !slices.Contains(liteLLMModes, mode) || !isText(name) || entry[liteInput] == nil || entry[liteOutput] == nil {
		return row, false, nil
	}
	row.Model = strings.TrimPrefix(name, provider+"/") // as who serves it calls it
	row.Provider = strings.ToLower(provider)
	if known := liteLLMProviders[row.Provider]; known != "" {
		row.Provider = known
	}
	if row.Rates, err = liteRates(entry, ""); err != nil || row.Rates.Input == 0 || row.Rates.Output == 0 {
		return row, false, err // what is free there is mostly not known
	}
	for _, above := range liteStarts(entry) {
		t := Tier{Above: above}
		if t.Rates, err = liteRates(entry, liteAbove(above)); err != nil {
			return row, false, err
		}
		row.Tiers = append(row.Tiers, t)
	}
	row.Multipliers, err = liteMultipliers(entry)
	return row, err == nil, errors.Join(err, row.sortTiers())
}

func liteText(raw json.RawMessage) string {
	var text string
	_ = json.Unmarshal(raw, &text) //nolint:errcheck // what is no text is ""
	return text
}

// liteRates reads the rates whose names have an ending; what has none with it is as without, and of that without
// one as input.
func liteRates(entry map[string]json.RawMessage, ending string) (r Rates, err error) {
	for _, f := range []struct {
		name string
		to   *Rate
	}{{liteInput, &r.Input}, {liteOutput, &r.Output}, {liteCached, &r.Cached}, {liteWrite, &r.CacheWrite}} {
		raw, with := entry[f.name+ending]
		if !with || string(raw) == "null" {
			raw = entry[f.name]
		}
		if raw == nil || string(raw) == "null" {
			*f.to = r.Input
			continue
		}
		rate, failed := parseDecimal(strings.Trim(string(raw), `"`), 6)
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("%s: %w", f.name+ending, failed))
		}
		*f.to = rate
	}
	return r, err
}

// liteStarts finds the sizes from which on calls cost more, from names like input_cost_per_token_above_272k_tokens.
func liteStarts(entry map[string]json.RawMessage) []int64 {
	found := map[int64]bool{}
	for name := range entry {
		for _, base := range []string{liteInput, liteOutput} {
			size, ok := strings.CutPrefix(name, base+"_above_")
			size, tokens := strings.CutSuffix(size, "k_tokens")
			n, err := strconv.ParseInt(size, 10, 32)
			if ok && tokens && err == nil && n > 0 {
				found[n*1000] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(found))
}

func liteAbove(tokens int64) string { return fmt.Sprintf("_above_%dk_tokens", tokens/1000) }

// liteMultipliers finds what service tiers cost of the standard price: the dearest of their rates, so that one
// factor for all is never too low.
func liteMultipliers(entry map[string]json.RawMessage) (Multipliers, error) {
	base, err := liteRates(entry, "")
	if err != nil {
		return nil, err
	}
	out := Multipliers{}
	for tier, ending := range liteTiers {
		if entry[liteInput+ending] == nil || entry[liteOutput+ending] == nil {
			continue
		}
		at, err := liteRates(entry, ending)
		if err != nil {
			return nil, err
		}
		pairs := [][2]Rate{{at.Input, base.Input}, {at.Output, base.Output}}
		if entry[liteCached+ending] != nil {
			pairs = append(pairs, [2]Rate{at.Cached, base.Cached})
		}
		m := Multiplier(0)
		for _, p := range pairs {
			m = max(m, ratio(p[0], p[1]))
		}
		if m > 0 && m <= maxMultiplier*one {
			out[tier] = m
		}
	}
	if len(out) == 0 {
		return nil, nil
	}
	return out, nil
}

// ratio is a of b, rounded up; 0 where b is nothing.
func ratio(a, b Rate) Multiplier {
	if b <= 0 {
		return 0
	}
	whole, rest := a/b, a%b
	if whole > maxMultiplier {
		return 0
	}
	return Multiplier(whole)*one + Multiplier((float64(rest)/float64(b))*float64(one)+0.999)
}
