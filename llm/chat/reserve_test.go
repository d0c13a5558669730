package chat

import (
	"encoding/json"
	"testing"

	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow/llm/prices"
)

func drawPrice(t *rapid.T) prices.Price {
	rate := func(name string) prices.Rate { return prices.Rate(rapid.Int64Range(0, 1e12).Draw(t, name)) }
	rates := func() prices.Rates {
		return prices.Rates{Input: rate("input"), Cached: rate("cached"), CacheWrite: rate("write"), Output: rate("output")}
	}
	p := prices.Price{Rates: rates(), Multipliers: prices.Multipliers{}}
	for _, tier := range []string{"batch", "flex", "priority"} {
		if m := rapid.Int64Range(0, 4e6).Draw(t, tier); m > 0 {
			p.Multipliers[tier] = prices.Multiplier(m)
		}
	}
	above := rapid.Int64Range(1, 4000)
	for range rapid.IntRange(0, 3).Draw(t, "tiers") {
		// Prices looks through tiers from the highest.
		p.Tiers = append(p.Tiers, prices.Tier{Above: above.Draw(t, "above"), Rates: rates()})
	}
	for i := range p.Tiers {
		for j := i + 1; j < len(p.Tiers); j++ {
			if p.Tiers[j].Above > p.Tiers[i].Above {
				p.Tiers[i], p.Tiers[j] = p.Tiers[j], p.Tiers[i]
			}
		}
	}
	return p
}

func drawRequest(t *rapid.T) *Request {
	text := rapid.StringN(0, 200, 600)
	r := &Request{System: text.Draw(t, "system"), MaxOutput: rapid.Int64Range(1, 100_000).Draw(t, "max output")}
	for range rapid.IntRange(0, 4).Draw(t, "messages") {
		m := Message{Role: RoleUser, Text: text.Draw(t, "text"), Of: text.Draw(t, "of")}
		for range rapid.IntRange(0, 2).Draw(t, "calls") {
			m.Calls = append(m.Calls, ToolCall{ID: "1", Name: "look", Arguments: text.Draw(t, "arguments")})
		}
		r.Messages = append(r.Messages, m)
	}
	for range rapid.IntRange(0, 2).Draw(t, "tools") {
		r.Tools = append(r.Tools, ToolSpec{Name: "look", Description: text.Draw(t, "description"), Parameters: json.RawMessage(`{}`)})
	}
	if rapid.Bool().Draw(t, "schema") {
		r.Schema = &Schema{Name: "answer", JSON: json.RawMessage(`{"type":"object"}`)}
	}
	return r
}

// TestReserveIsNeverTooSmall draws prices, requests, service tiers, and every usage and tier that they can end with.
func TestReserveIsNeverTooSmall(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		p, r := drawPrice(t), drawRequest(t)
		l := weigh(r)
		u := prices.Usage{Input: rapid.Int64Range(0, l.input).Draw(t, "input"), Output: rapid.Int64Range(0, r.MaxOutput).Draw(t, "output")}
		u.Cached = rapid.Int64Range(0, u.Input).Draw(t, "cached")
		u.CacheWrite = rapid.Int64Range(0, u.Input-u.Cached).Draw(t, "cache write")
		asked := rapid.SampledFrom([]string{"", "auto", "default", "flex", "priority", "scale", "batch"}).Draw(t, "asked")
		served := []string{"", "default", "standard", asked}
		if asked == "" || asked == "auto" {
			served = append(served, "flex", "priority", "fast", "scale")
		}
		reply := &Reply{Usage: u, Tier: rapid.SampledFrom(served).Draw(t, "served"), Batch: asked == "batch"}
		reserve := l.worst(p, asked)
		if in := bill([]prices.Price{p}, asked, reply); reserve < in.price {
			t.Fatalf("asked for %q the reserve is %d, and %+v costs %d at %q", asked, reserve, u, in.price, in.tier)
		}
		if u.Input > 0 && u.Output > 0 {
			if doubt := l.doubt(&Reply{Text: "x", Usage: u}); doubt != "" {
				t.Fatalf("%+v is doubted: %s", u, doubt)
			}
		}
	})
}

// TestEveryTextIsWeighed adds a text at each place where one can leave, and expects more bytes, more
// tokens and another hash. The same text at another place has another hash too.
func TestEveryTextIsWeighed(t *testing.T) {
	seen := map[string]string{weigh(hello()).sha256: "nothing added"}
	before := weigh(hello())
	for name, add := range map[string]func(*Request){
		"system":      func(r *Request) { r.System += "more" },
		"text":        func(r *Request) { r.Messages[0].Text += "more" },
		"message":     func(r *Request) { r.Messages = append(r.Messages, Message{Text: "more"}) },
		"tool":        func(r *Request) { r.Tools = append(r.Tools, ToolSpec{Name: "more"}) },
		"description": func(r *Request) { r.Tools = append(r.Tools, ToolSpec{Description: "more"}) },
		"parameters":  func(r *Request) { r.Tools = append(r.Tools, ToolSpec{Parameters: []byte("more")}) },
		"schema":      func(r *Request) { r.Schema = &Schema{JSON: []byte("more")} },
		"schema name": func(r *Request) { r.Schema = &Schema{Name: "more"} },
		"call":        func(r *Request) { r.Messages[0].Calls = []ToolCall{{Arguments: "more"}} },
		"call id":     func(r *Request) { r.Messages[0].Calls = []ToolCall{{ID: "more"}} },
		"call name":   func(r *Request) { r.Messages[0].Calls = []ToolCall{{Name: "more"}} },
		"of":          func(r *Request) { r.Messages[0].Of = "more" },
	} {
		r := hello()
		add(r)
		l := weigh(r)
		if l.bytes != before.bytes+4 || l.input < before.input+4 {
			t.Errorf("%s: %d bytes, %d tokens", name, l.bytes, l.input)
		}
		if other, ok := seen[l.sha256]; ok {
			t.Errorf("%s has the hash of %s", name, other)
		}
		seen[l.sha256] = name
	}
}
