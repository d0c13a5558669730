package main

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/chat"
	"github.com/winnow-soc/winnow/llm/llmtest"
	"github.com/winnow-soc/winnow/llm/prices"
	"github.com/winnow-soc/winnow/plugin/triage"
)

// costOracle stands behind every [model:NAME] of a deployment: it knows what each alert is, and bills its
// answers as a provider does, by the tokens of the product's own prompts.
type costOracle struct {
	labels  map[string]string // by sid and rid
	tokens  costTokens
	samples *costSamples     // nil keeps none
	caches  bool             // it has a prompt cache
	usual   map[string]int64 // tokens of an answer as winnow.conf reckons: real ones are not shorter than ours

	mu   sync.Mutex
	read map[string]time.Time // when a static part was last read, by the alerts' clock
}

// askedAbout is the context's key of the alert that a question is about: the label is not in the question.
type askedAbout struct{}

// costProvider is the oracle under the name of one model.
type costProvider struct {
	*costOracle

	model string
}

// Complete answers as the label says.
func (p *costProvider) Complete(ctx context.Context, r *chat.Request) (*chat.Reply, error) {
	a, ok := ctx.Value(askedAbout{}).(*winnow.Alert)
	if !ok || r.Schema == nil || len(r.Messages) != 1 {
		return nil, &chat.Error{Kind: chat.KindRequest}
	}
	opinion := opinionOf(p.labels[a.Key.SID+"/"+a.Key.RID])
	answer := opinion.Answer(&llmtest.Request{Kind: r.Schema.Name, Fields: llmtest.Fields(r.Messages[0].Text)}).Text
	s := costSample{Task: r.Schema.Name, Static: staticText(r), Question: r.Messages[0].Text, Answer: answer}
	p.samples.add(&s)
	return &chat.Reply{Text: answer, Stop: chat.StopEnd, Usage: p.bill(&s, p.model, a.Received)}, nil
}

// opinionOf is what the oracle says of an alert with a label. The text is as long as models' usually are.
func opinionOf(label string) llmtest.Opinion {
	o := llmtest.Opinion{Disposition: "Undetermined", Confidence: 50, Text: "The values do not decide whether the host was used as it " +
		"should be: the same search fired on both sides of the hour, and nothing in the data tells which of the two this one is."}
	switch label {
	case "attack":
		o.Disposition, o.Confidence = "TruePositive", 97
		o.Text = "The source went through several stages of an attack on this host within the hour, each of which the values show, " +
			"and nothing that is known of the two explains it."
	case "benign":
		o.Disposition, o.Confidence = "BenignPositive", 97
		o.Text = "The host is a machine of the network that is watched, the source is one that it speaks with every day, and the " +
			"values are those of daily work."
	}
	return o
}

// staticText is what is the same for every alert of a task: providers keep it in their caches.
func staticText(r *chat.Request) string {
	text := r.System + string(r.Schema.JSON)
	for _, tool := range r.Tools {
		text += tool.Name + tool.Description + string(tool.Parameters)
	}
	return text
}

const (
	promptCacheFor  = 5 * time.Minute // the least for which OpenAI keeps a prefix that nobody reads
	promptCacheMin  = 1024            // tokens: shorter prefixes are not kept
	promptCacheStep = 128             // tokens: what is read is told in steps
)

// bill counts one call. A prefix that was read within the last minutes is read from the provider's cache.
func (o *costOracle) bill(s *costSample, model string, at time.Time) prices.Usage {
	static := o.tokens.static(s)
	u := prices.Usage{Input: static + o.tokens.question(s), Output: max(o.tokens.answer(s), o.usual[s.Task])}
	if !o.caches || static < promptCacheMin {
		return u
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	key := model + "\x00" + s.Static
	if last, ok := o.read[key]; ok && at.Sub(last) < promptCacheFor {
		u.Cached = static / promptCacheStep * promptCacheStep
	}
	o.read[key] = at
	return u
}

// costTokens are what a tokenizer makes of the prompts, by task, as `make cost-tokens` recorded it.
type costTokens map[string]costCount

// costCount is bytes and the tokens that they became, summed over a sample.
type costCount struct {
	Samples                     int
	Static, Question, Answer    int64 // tokens
	StaticB, QuestionB, AnswerB int64 // bytes
}

func readCostTokens(t *testing.T) costTokens {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", "cost", "tokens.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Tokenizer string
		Tasks     costTokens
	}
	if err := json.Unmarshal(data, &file); err != nil {
		t.Fatal(err)
	}
	return file.Tasks
}

func (c costTokens) static(s *costSample) int64 {
	n := c[s.Task]
	return scaled(s.Static, n.Static, n.StaticB)
}

func (c costTokens) question(s *costSample) int64 {
	n := c[s.Task]
	return scaled(s.Question, n.Question, n.QuestionB)
}

func (c costTokens) answer(s *costSample) int64 {
	n := c[s.Task]
	return scaled(s.Answer, n.Answer, n.AnswerB)
}

// scaled counts a text by the tokens that texts like it became. Without a record it is a token for four bytes.
func scaled(text string, tokens, bytes int64) int64 {
	if tokens <= 0 || bytes <= 0 {
		return llmtest.Tokens(text)
	}
	return int64(math.Ceil(float64(len(text)) * float64(tokens) / float64(bytes)))
}

// costSample is one call's texts.
type costSample struct{ Task, Static, Question, Answer string }

// costSamples writes the texts of the first calls of every task, for `make cost-tokens` to count. They
// hold text of alerts: they stay in build.
type costSamples struct {
	mu     sync.Mutex
	of     map[string]int
	static map[string]bool // those that were written
	file   *os.File
	err    error
}

// samplesPerTask is how many calls of each task are counted.
const samplesPerTask = 3000

func (c *costSamples) add(s *costSample) {
	if c == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.of[s.Task]++; c.of[s.Task] > samplesPerTask {
		return
	}
	one := *s
	if c.static[s.Static] {
		one.Static = ""
	}
	c.static[s.Static] = true
	c.err = errors.Join(c.err, json.NewEncoder(c.file).Encode(one))
}

// costAnalyst tells the oracle which alert is asked about, and who watches.
type costAnalyst struct {
	next  triage.Analyst
	watch func(in llm.Input, an *llm.Analysis) // may be nil
}

// Analyse asks the pipeline.
func (c *costAnalyst) Analyse(ctx context.Context, in llm.Input) (llm.Analysis, error) {
	an, err := c.next.Analyse(context.WithValue(ctx, askedAbout{}, in.Alert), in)
	if err == nil && c.watch != nil {
		c.watch(in, &an)
	}
	return an, err
}

// noBooks books nothing: what a call cost is read from its answer. The ledger syncs every booking to disk, which
// only the run of the whole product has to do.
type noBooks struct{}

// Reserve takes every call.
func (noBooks) Reserve(context.Context, llm.Charge) (llm.Booking, error) { return 0, nil }

// Settle forgets it.
func (noBooks) Settle(context.Context, llm.Booking, llm.Settlement) error { return nil }
