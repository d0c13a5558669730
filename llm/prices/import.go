package prices

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Imported are the prices of somebody else's list.
type Imported struct {
	Source string
	Rows   []Row
}

// Import reads LiteLLM's model_prices_and_context_window.json, which is an object, or a file of genai-prices, which
// is a list. name is used in errors. Models that do more than read and write text are left out.
func Import(name string, data []byte) (Imported, error) {
	var out Imported
	if len(data) > maxFile {
		return out, fmt.Errorf("%s: larger than %d MiB", name, maxFile>>20)
	}
	trimmed := bytes.TrimSpace(data)
	var err error
	switch {
	case bytes.HasPrefix(trimmed, []byte("[")):
		out.Source = "genai-prices"
		out.Rows, err = genAIRows(trimmed)
	case bytes.HasPrefix(trimmed, []byte("{")):
		out.Source = "LiteLLM"
		out.Rows, err = liteLLMRows(trimmed)
	default:
		err = errors.New("is neither LiteLLM's model_prices_and_context_window.json nor a JSON file of genai-prices")
	}
	if err != nil {
		return Imported{}, fmt.Errorf("%s: %w", name, err)
	}
	if out.Rows = dearestRows(out.Rows); len(out.Rows) == 0 {
		return out, fmt.Errorf("%s: no model with a price in it", name)
	}
	return out, nil
}

// dearestRows keeps of rows for the same model and day the dearest: a list may have a model once for each way to
// it. Aliases that are the names of models, or of two, mean nothing.
func dearestRows(rows []Row) []Row {
	type id struct{ provider, model, from string }
	place, names := map[id]int{}, map[[2]string]string{}
	var out []Row
	for _, r := range rows {
		names[[2]string{r.Provider, r.key()}] = r.key()
		k := id{r.Provider, r.key(), r.From.String()}
		at, twice := place[k]
		switch {
		case !twice:
			place[k] = len(out)
			out = append(out, r)
		case r.Rates.Input+r.Rates.Output > out[at].Rates.Input+out[at].Rates.Output:
			out[at] = r
		}
	}
	for i := range out {
		out[i].Aliases = slices.DeleteFunc(slices.Clone(out[i].Aliases), func(alias string) bool {
			k := [2]string{out[i].Provider, strings.ToLower(alias)}
			if names[k] == "" {
				names[k] = out[i].key()
			}
			return names[k] != out[i].key() || k[1] == out[i].key()
		})
	}
	return out
}

func genAIRows(data []byte) ([]Row, error) {
	var file []GenAIProvider
	if err := json.Unmarshal(data, &file); err != nil {
		return nil, err
	}
	var out []Row
	for _, p := range file {
		rows, err := p.Rows()
		if err != nil {
			return nil, err
		}
		out = append(out, rows...)
	}
	return out, nil
}

// maxExponent is more than any price is written with.
const maxExponent = 30

// parseDecimal reads dollars from a JSON number, times ten to the power of shift. More decimals than a Rate has
// are rounded: they come of binary fractions.
func parseDecimal(text string, shift int) (Rate, error) {
	mantissa, exponent, scientific := strings.Cut(strings.ToLower(text), "e")
	power := shift
	if scientific {
		n, err := strconv.Atoi(exponent)
		if err != nil || n > maxExponent || n < -maxExponent {
			return 0, fmt.Errorf("%q is not dollars like 0.075", text)
		}
		power += n
	}
	whole, fraction, _ := strings.Cut(mantissa, ".")
	if !digits(whole) || fraction != "" && !digits(fraction) || len(mantissa) > 2*maxExponent {
		return 0, fmt.Errorf("%q is not dollars like 0.075", text)
	}
	point := len(whole) + power // where the point is among the digits
	number := whole + fraction
	if point < 0 {
		number, point = strings.Repeat("0", -point)+number, 0
	}
	if more := point - len(number); more > 0 {
		number += strings.Repeat("0", more)
	}
	return roundedRate(number[:point], number[point:], text)
}

func roundedRate(whole, fraction, text string) (Rate, error) {
	up := false
	if len(fraction) > rateDigits {
		up = fraction[rateDigits] >= '5'
		fraction = fraction[:rateDigits]
	}
	whole = strings.TrimLeft(whole, "0")
	if whole == "" {
		whole = "0"
	}
	if fraction != "" {
		whole += "." + fraction
	}
	rate, err := ParseRate(whole)
	if err != nil {
		return 0, fmt.Errorf("%q is over a million dollars for a million tokens", text)
	}
	if up {
		rate++
	}
	return rate, nil
}
