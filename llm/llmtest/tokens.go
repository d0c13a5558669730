package llmtest

import (
	"crypto/sha256"
	"sync"

	"github.com/winnow-soc/winnow/llm/prices"
)

const (
	bytesPerToken = 4
	perMessage    = 4    // tokens of a message beside its text
	minCached     = 1024 // tokens: shorter prefixes are not cached
	cachedStep    = 128  // OpenAI tells cached tokens in steps
)

// Tokens is the rule by which the server counts: a token for every four bytes, rounded up.
func Tokens(text string) int64 {
	return (int64(len(text)) + bytesPerToken - 1) / bytesPerToken
}

// static counts what is the same for every alert: tools, schema, system prompt.
func (r *Request) static() int64 {
	n := perMessage + Tokens(r.System) + Tokens(string(r.Schema))
	for _, t := range r.Tools {
		n += Tokens(t.Name) + Tokens(t.Description) + Tokens(string(t.Parameters))
	}
	return n
}

// InputTokens counts the whole request.
func (r *Request) InputTokens() int64 {
	n := r.static()
	for _, t := range r.Turns {
		n += perMessage + Tokens(t.Text)
		for _, c := range t.Calls {
			n += perMessage + Tokens(c.Name) + Tokens(c.Arguments)
		}
	}
	return n
}

func (a *Answer) tokens() int64 {
	if a.Output > 0 {
		return a.Output
	}
	n := Tokens(a.Text)
	for _, c := range a.Calls {
		n += perMessage + Tokens(c.Name) + Tokens(c.Arguments)
	}
	return max(n, 1)
}

// prefixes remembers what static parts were seen: a provider's prompt cache.
type prefixes struct {
	mu   sync.Mutex
	seen map[[sha256.Size]byte]bool
}

// use counts a request's input, of it what the cache had, and what was written to the cache. OpenAI
// caches by itself and charges nothing for it; Anthropic caches up to the breakpoints of a request.
func (p *prefixes) use(r *Request) prices.Usage {
	u := prices.Usage{Input: r.InputTokens()}
	static := r.static()
	if static < minCached || r.API == Messages && r.Breaks == 0 {
		return u
	}
	h := sha256.New()
	for _, part := range append(r.toolTexts(), string(r.API), r.Model, string(r.Schema), r.System) {
		h.Write([]byte(part))
		h.Write([]byte{0})
	}
	key := [sha256.Size]byte(h.Sum(nil))
	p.mu.Lock()
	defer p.mu.Unlock()
	known := p.seen[key]
	p.seen[key] = true
	switch {
	case known && r.API == Messages:
		u.Cached = static
	case known:
		u.Cached = static / cachedStep * cachedStep
	case r.API == Messages:
		u.CacheWrite = static
	}
	return u
}

func (r *Request) toolTexts() []string {
	var out []string
	for _, t := range r.Tools {
		out = append(out, t.Name, t.Description, string(t.Parameters))
	}
	return out
}
