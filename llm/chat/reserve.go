package chat

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"hash"
	"math"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/prices"
)

// What providers add to the text of a request, in tokens at most: marks around messages, and their own
// words about tools and forms of answers.
const (
	tokensPerRequest = 1024
	tokensPerMessage = 64 // also per tool, and per tool call
)

// load is what a request weighs: how much text leaves the building, its hash, and the tokens that it
// can become.
type load struct {
	bytes  int
	sha256 string
	input  int64 // tokens at most: no tokenizer makes more than one of a byte
	output int64
	guess  int64 // tokens as they are usually counted against a rate limit
}

// weigh measures a request. The hash is over every text of it, each
// after its length, and over what each part is.
func weigh(r *Request) load {
	w := &weight{h: sha256.New()}
	w.text(r.System)
	for _, t := range r.Tools {
		w.part("tool")
		w.text(t.Name)
		w.text(t.Description)
		w.text(string(t.Parameters))
	}
	if r.Schema != nil {
		w.part("schema")
		w.text(r.Schema.Name)
		w.text(string(r.Schema.JSON))
	}
	for _, m := range r.Messages {
		w.part("message")
		w.text(string(m.Role))
		w.text(m.Of)
		w.text(m.Text)
		for _, c := range m.Calls {
			w.part("call")
			w.text(c.ID)
			w.text(c.Name)
			w.text(c.Arguments)
		}
	}
	return load{
		bytes: w.bytes, sha256: hex.EncodeToString(w.h.Sum(nil)),
		input: int64(w.bytes) + tokensPerRequest + tokensPerMessage*w.extra, output: r.MaxOutput,
		guess: plus(int64(w.bytes)/4+1, r.MaxOutput),
	}
}

type weight struct {
	h     hash.Hash
	bytes int
	extra int64
}

// part begins a tool, a schema, a message or a call.
func (w *weight) part(kind string) {
	w.extra++
	_, _ = w.h.Write([]byte(kind + "\n"))
}

func (w *weight) text(s string) {
	var length [8]byte
	binary.BigEndian.PutUint64(length[:], uint64(len(s)))
	_, _ = w.h.Write(length[:])
	_, _ = w.h.Write([]byte(s))
	w.bytes += len(s)
}

func plus(a, b int64) int64 {
	if a > math.MaxInt64-b {
		return math.MaxInt64
	}
	return a + b
}

// worst returns the price of the dearest usage that the request can have: all of the input at the
// dearest way to be billed for it, in any tier of size that it can reach, and at the dearest service tier that
// who asks for this one can be served at.
func (l load) worst(p prices.Price, asked string) winnow.NanoUSD {
	p = p.Worst(asked)
	var most prices.Rates
	dearer := func(r prices.Rates) {
		most.Input = max(most.Input, r.Input, r.Cached, r.CacheWrite)
		most.Output = max(most.Output, r.Output)
	}
	dearer(p.Rates)
	for _, t := range p.Tiers {
		if l.input > t.Above {
			dearer(t.Rates)
		}
	}
	most.Cached, most.CacheWrite = most.Input, most.Input
	return min(prices.Price{Rates: most}.Cost(prices.Usage{Input: l.input, Output: l.output}), maxBill)
}

// priced finds the prices that may apply to an attempt: that of the configured name, and that of the
// name in the reply.
func (c *Caller) priced(told string, at time.Time) []prices.Price {
	names := []string{c.o.Model}
	if told != "" && told != c.o.Model {
		if maker, _, ok := strings.Cut(c.o.Model, ":"); ok {
			names = append(names, maker+":"+told)
		}
		names = append(names, told)
	}
	var out []prices.Price
	for i, name := range names {
		if p, ok := c.o.Price(name, at); ok {
			out = append(out, p)
			if i > 0 {
				break
			}
		}
	}
	return out
}

// doubt says what is wrong with a usage that a reply tells, "" for nothing: then it is not known what
// the attempt cost.
func (l load) doubt(r *Reply) string {
	u := r.Usage
	switch {
	case r.NoUsage:
		return "no usage told"
	case u.Input < 0 || u.Cached < 0 || u.CacheWrite < 0 || u.Output < 0:
		return "usage below zero"
	case u.Cached > u.Input || u.CacheWrite > u.Input-u.Cached:
		return "more cached than input"
	case u.Output > l.output:
		return "more output than allowed"
	case u.Input > l.input:
		return "more input than sent"
	case u.Input == 0 && l.bytes > 0:
		return "no input counted"
	case u.Output == 0 && (r.Text != "" || len(r.Calls) > 0):
		return "no output counted"
	}
	return ""
}

// maxBill is more than any call costs: a lie about usage must not overflow the sums.
const maxBill winnow.NanoUSD = 1e17

// invoice is what a reply cost.
type invoice struct {
	price    winnow.NanoUSD
	priced   bool   // somebody knows the price
	tier     string // that was billed, as price lists name it; "" when nobody says
	tierless bool   // nobody knows what that tier costs: it is priced as the dearest that is known
}

// bill prices a reply at the service tier that it was served at, whatever was asked for. Several prices: the
// dearest.
func bill(list []prices.Price, asked string, r *Reply) invoice {
	in := invoice{priced: len(list) > 0, tier: r.billed()}
	for _, p := range list {
		at, known := p.At(in.tier)
		if in.tier == "" { // nobody says: no discount, and no less than what was asked for
			at, known = p.Unsaid(asked), true
		}
		in.price = max(in.price, at.Cost(r.Usage))
		in.tierless = in.tierless || !known
	}
	in.price = min(in.price, maxBill)
	return in
}

// billed names the service tier of a reply. A batch is one of its own, also where the reply calls itself
// standard.
func (r *Reply) billed() string {
	tier := prices.ServiceTier(r.Tier)
	if r.Batch && (tier == "" || tier == prices.TierStandard) {
		return prices.TierBatch
	}
	return tier
}
