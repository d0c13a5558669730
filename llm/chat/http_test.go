package chat_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/anthropic"
	"github.com/winnow-soc/winnow/llm/chat"
	"github.com/winnow-soc/winnow/llm/llmtest"
	"github.com/winnow-soc/winnow/llm/openai"
	"github.com/winnow-soc/winnow/llm/prices"
)

// register is a budget that keeps everything.
type register struct {
	mu      sync.Mutex
	charges []llm.Charge
	settled map[llm.Booking]llm.Settlement
}

func (b *register) Reserve(_ context.Context, c llm.Charge) (llm.Booking, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.charges = append(b.charges, c)
	return llm.Booking(len(b.charges)), nil
}

func (b *register) Settle(_ context.Context, n llm.Booking, s llm.Settlement) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.settled[n] = s
	return nil
}

// sums returns what is booked for certain, what is booked at its reserve, and the number of the latter.
func (b *register) sums() (sure, unsure winnow.NanoUSD, unsettled int) {
	for i, c := range b.charges {
		switch s, ok := b.settled[llm.Booking(i+1)]; {
		case !ok || s.State == llm.Unsettled:
			unsure, unsettled = unsure+c.Reserve, unsettled+1
		case s.State == llm.Settled:
			sure += s.Price
		}
	}
	return sure, unsure, unsettled
}

func shippedPrices(t *testing.T) *prices.Table {
	t.Helper()
	f, err := os.Open("../../packaging/app/default/prices.yaml")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	table, err := prices.Read("prices.yaml", f)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// overHTTP are the interfaces that models are asked through.
var overHTTP = map[string]struct {
	model string
	open  func(url string, o openai.Options) (chat.Provider, error)
}{
	"responses": {"gpt-5.4-mini", func(url string, o openai.Options) (chat.Provider, error) {
		o.BaseURL, o.API = url+"/v1", openai.Responses
		return openai.New(o)
	}},
	"chat": {"gpt-5.4-mini", func(url string, o openai.Options) (chat.Provider, error) {
		o.BaseURL, o.API = url+"/v1", openai.ChatCompletions
		return openai.New(o)
	}},
	"messages": {"claude-haiku-4-5", func(url string, o openai.Options) (chat.Provider, error) {
		return anthropic.New(anthropic.Options{Model: o.Model, BaseURL: url, Key: o.Key, HTTP: o.HTTP, Now: o.Now})
	}},
}

// TestBooksEqualTheServersLedger asks over HTTP while the server fails in every way that it can, and
// whoever asks goes away now and then. What is booked for certain is what the server bills and tells, to
// the nano-dollar; every other call that it bills is an unsettled attempt, at no less.
func TestBooksEqualTheServersLedger(t *testing.T) {
	table := shippedPrices(t)
	for name, api := range overHTTP {
		t.Run(name, func(t *testing.T) {
			server := llmtest.New(llmtest.Options{
				Brain: func(*llmtest.Request) llmtest.Answer { return llmtest.Answer{Text: `{"ok":true}`} },
				Price: table.Price, Lenient: true,
				Faults: llmtest.Chance(4, 0.5, 15*time.Millisecond, llmtest.AllFaults...),
			})
			defer server.Close()
			client, err := chat.NewHTTPClient(chat.HTTPOptions{})
			if err != nil {
				t.Fatal(err)
			}
			defer client.CloseIdleConnections()
			provider, err := api.open(server.URL, openai.Options{Model: api.model, Key: "k", HTTP: client, Now: time.Now})
			if err != nil {
				t.Fatal(err)
			}
			books := &register{settled: map[llm.Booking]llm.Settlement{}}
			used := askFromManySides(t, provider, api.model, table, books)
			compare(t, server, books, used)
		})
	}
}

// askFromManySides returns the price that the usages of all calls add up to.
func askFromManySides(t *testing.T, provider chat.Provider, model string, table *prices.Table, books llm.Budget) winnow.NanoUSD {
	t.Helper()
	var used winnow.NanoUSD
	var mu sync.Mutex
	var g sync.WaitGroup
	for i := range 16 {
		caller, err := chat.NewCaller(chat.CallerOptions{
			Name: "main", Model: model, Provider: provider, Price: table.Price, Budget: books,
			Limit: chat.Limit{Concurrency: 4}, Attempts: 3, Timeout: 10 * time.Millisecond * time.Duration(1+i%8), Now: time.Now,
		})
		if err != nil {
			t.Fatal(err)
		}
		chat.Hurry(caller)
		g.Go(func() {
			for j := range 20 {
				ctx, cancel := context.WithCancel(t.Context())
				if j%7 == 0 {
					time.AfterFunc(3*time.Millisecond, cancel)
				}
				r := &chat.Request{
					System: "You judge alerts.", MaxOutput: 200,
					Messages: []chat.Message{{Role: chat.RoleUser, Text: fmt.Sprintf("alert %d of %d", j, i)}},
				}
				_, usage, err := caller.Call(ctx, chat.Purpose{}, r)
				cancel()
				if err != nil && !expected(err) {
					t.Errorf("unexpected error: %v", err)
				}
				mu.Lock()
				used += usage.Price
				mu.Unlock()
			}
			if err := caller.Close(context.WithoutCancel(t.Context())); err != nil {
				t.Error(err)
			}
		})
	}
	g.Wait()
	return used
}

func expected(err error) bool {
	return errors.As(err, new(*llm.UnavailableError)) || errors.As(err, new(*chat.Error)) || errors.Is(err, context.Canceled)
}

func compare(t *testing.T, server *llmtest.Server, books *register, used winnow.NanoUSD) {
	t.Helper()
	var told, untold winnow.NanoUSD
	doubtful := 0
	for _, e := range server.Entries() {
		switch {
		case e.Billed && e.Told != nil && *e.Told == e.Usage:
			told += e.Price
		case e.Billed:
			untold += e.Price
			doubtful++
		case e.Status == 0:
			doubtful++
		}
	}
	sure, unsure, unsettled := books.sums()
	t.Logf("%d attempts, %d at the server; billed and told %d, booked %d; billed and not told %d in %d calls, booked %d in %d",
		len(books.charges), len(server.Entries()), told, sure, untold, doubtful, unsure, unsettled)
	if sure != told {
		t.Errorf("booked for certain %d, billed and told %d", sure, told)
	}
	if unsettled != doubtful || unsure < untold {
		t.Errorf("%d attempts are unsettled at %d; %d are in doubt, billed %d", unsettled, unsure, doubtful, untold)
	}
	if used < told+untold {
		t.Errorf("the usages of calls add up to %d, under the bill of %d", used, told+untold)
	}
	if told == 0 || untold == 0 {
		t.Error("nothing went well, or nothing went wrong")
	}
}

// TestBatchOverHTTP sends a batch, ends, and takes its answers up in another run.
func TestBatchOverHTTP(t *testing.T) {
	table := shippedPrices(t)
	server := llmtest.New(llmtest.Options{
		Brain: func(*llmtest.Request) llmtest.Answer { return llmtest.Answer{Text: `{"ok":true}`} },
		Price: table.Price, Lenient: true, Polls: 1,
	})
	defer server.Close()
	client, err := chat.NewHTTPClient(chat.HTTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.CloseIdleConnections()
	provider, err := openai.New(openai.Options{Model: "gpt-5.4-mini", BaseURL: server.URL + "/v1", Key: "k", HTTP: client, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	books, dir := &register{settled: map[llm.Booking]llm.Settlement{}}, t.TempDir()
	ctx, cancel := context.WithTimeout(t.Context(), 1600*time.Millisecond)
	defer cancel()
	if errs := askInBatch(ctx, t, provider, table, books, dir); !errors.Is(errs, context.DeadlineExceeded) {
		t.Fatalf("first run: %v", errs)
	}
	if errs := askInBatch(t.Context(), t, provider, table, books, dir); errs != nil {
		t.Fatalf("second run: %v", errs)
	}
	billed, calls := server.Billed()
	sure, _, unsettled := books.sums()
	if calls != 8 || sure != billed || unsettled != 0 {
		t.Errorf("billed %d for %d requests, booked %d and %d unsettled", billed, calls, sure, unsettled)
	}
}

func askInBatch(ctx context.Context, t *testing.T, p *openai.Client, table *prices.Table, books llm.Budget, dir string) error {
	t.Helper()
	batcher, err := chat.NewBatcher(chat.BatchOptions{Provider: p, Model: "gpt-5.4-mini", Dir: dir, Deadline: time.Now().Add(time.Hour), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	caller, err := chat.NewCaller(chat.CallerOptions{
		Name: "main", Model: "gpt-5.4-mini", Provider: p, Price: table.Price, Budget: books, Timeout: time.Minute, Now: time.Now, Batch: batcher,
	})
	if err != nil {
		t.Fatal(err)
	}
	errs := make([]error, 8)
	var g sync.WaitGroup
	for i := range errs {
		g.Go(func() {
			var reply *chat.Reply
			reply, _, errs[i] = caller.Call(ctx, chat.Purpose{}, &chat.Request{
				ID: fmt.Sprintf("alert-%d", i), MaxOutput: 200, Messages: []chat.Message{{Role: chat.RoleUser, Text: fmt.Sprintf("alert %d", i)}},
			})
			if errs[i] == nil && !reply.Batch {
				errs[i] = errors.New("answered outside of the batch")
			}
		})
	}
	g.Wait()
	return errors.Join(append(errs, batcher.Close(), caller.Close(context.WithoutCancel(ctx)))...)
}
