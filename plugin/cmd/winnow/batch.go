package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/chat"
	"github.com/winnow-soc/winnow/plugin/conf"
)

// batching is `winnow triage --batch`: every model that offers batches is asked through them.
type batching struct {
	m        *models
	deadline time.Time
	batchers map[string]*chat.Batcher
	done     bool // every answer was made use of
}

// inBatch is how many alerts are in the air at the same time: what is gathered into one batch.
const inBatch = 2000

// startBatching lets models be asked through batches, for as long as --batch-deadline says. It is called
// before the first of them is opened.
func (m *models) startBatching(keys *winnow.Keys, lasts time.Duration) {
	if lasts <= 0 {
		return
	}
	// A resumed run has to ask in the same words, so that it finds its answers.
	m.nonce = func(q llm.Question) string {
		return keys.Nonce("batch", q.Case.Alert.ID, string(q.Task), q.Agent)
	}
	m.batching = &batching{m: m, deadline: m.g.now().Add(lasts), batchers: map[string]*chat.Batcher{}}
}

// of returns the batcher of a [model:NAME], nil when nobody wants batches or the model has none.
func (b *batching) of(name string, s conf.Model, p *lazyProvider) (*chat.Batcher, error) {
	if b == nil || s.Provider != conf.ProviderOpenAI {
		return nil, nil //nolint:nilnil // "none" is an answer
	}
	model := strings.Join([]string{name, string(s.Provider), s.Model, s.BaseURL, s.API}, "\n")
	sum := sha256.Sum256([]byte(model)) // a name may hold what is no name of a folder
	batcher, err := chat.NewBatcher(chat.BatchOptions{
		Provider: lazyBatches{p}, Model: model, Dir: filepath.Join(b.m.d.Path("batches"), hex.EncodeToString(sum[:8])),
		Deadline: b.deadline, Now: b.m.g.now,
	})
	if err != nil {
		return nil, err
	}
	b.batchers[name] = batcher
	if lost := batcher.Lost(); lost > 0 {
		b.m.g.note("warning: [model:%s]: %s may have been sent when the last run ended: they stay booked, and are asked again",
			plain(name), things(lost, "request", "requests"))
	}
	return batcher, nil
}

// setBatch takes the flags of --batch.
func (g *globals) setBatch(on bool, deadline time.Duration, set bool) error {
	switch {
	case !on && set:
		return usage(errors.New("--batch-deadline goes with --batch"))
	case !on:
		return nil
	case g.state == "":
		return usage(errors.New("--batch needs --state DIR: batches outlive the program, and what they cost too"))
	case deadline < time.Minute || deadline > 48*time.Hour:
		return usage(fmt.Errorf("--batch-deadline is %s (want 1m to 48h)", deadline))
	}
	g.batchFor = deadline
	return nil
}

// batches prepares for --batch: many alerts are in the air at the same time. It is a wrong use where no
// model has batches.
func (r *replay) batches() error {
	if r.g.batchFor == 0 {
		return nil
	}
	b := r.parts.models.batching
	if b == nil || len(b.batchers) == 0 {
		return usage(errors.New("--batch: no stage has a model with batches (want a [model:NAME] with provider = openai)"))
	}
	r.size, r.engine.Settings.Worker.Concurrency = inBatch, inBatch
	r.g.note("answers come in batches, until %s at the latest; after an end, run it again with the same --state",
		b.deadline.UTC().Format(time.RFC3339))
	return nil
}

// finish notes that every answer was made use of.
func (b *batching) finish() {
	if b != nil {
		b.done = true
	}
}

// close stops waiting for batches. Once every answer was made use of they are forgotten.
func (b *batching) close() error {
	if b == nil {
		return nil
	}
	var all error
	for _, name := range sortedNames(b.batchers) {
		err := b.batchers[name].Close()
		if b.done {
			err = errors.Join(err, b.batchers[name].Clear())
		}
		if err != nil {
			all = errors.Join(all, fmt.Errorf("[model:%s]: %w", name, err))
		}
	}
	return all
}

// lazyBatches is the batch interface of a provider that is opened when it is first asked.
type lazyBatches struct{ *lazyProvider }

func (l lazyBatches) opened(ctx context.Context) (chat.BatchProvider, error) {
	p, err := l.get(ctx)
	if err != nil {
		return nil, &chat.Error{Kind: chat.KindAuth}
	}
	batches, ok := p.(chat.BatchProvider)
	if !ok {
		return nil, &chat.Error{Kind: chat.KindRequest}
	}
	return batches, nil
}

// SubmitBatch sends a batch, if there is a key.
func (l lazyBatches) SubmitBatch(ctx context.Context, requests []*chat.Request) (string, error) {
	p, err := l.opened(ctx)
	if err != nil {
		return "", err
	}
	return p.SubmitBatch(ctx, requests)
}

// Batch looks at a batch, if there is a key.
func (l lazyBatches) Batch(ctx context.Context, id string) (chat.BatchState, map[string]*chat.Reply, map[string]*chat.Error, error) {
	p, err := l.opened(ctx)
	if err != nil {
		return "", nil, nil, err
	}
	return p.Batch(ctx, id)
}

// CancelBatch ends a batch, if there is a key.
func (l lazyBatches) CancelBatch(ctx context.Context, id string) error {
	p, err := l.opened(ctx)
	if err != nil {
		return err
	}
	return p.CancelBatch(ctx, id)
}
