package triage

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/chat"
	"github.com/winnow-soc/winnow/llm/llmtest"
	"github.com/winnow-soc/winnow/llm/openai"
	"github.com/winnow-soc/winnow/llm/prices"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

const (
	killedURL   = "WINNOW_TEST_KILLED_URL" // tells the test binary to make calls until it is killed
	killedState = "WINNOW_TEST_KILLED_STATE"
	killedModel = "gpt-5.4-mini"
)

func shippedPrices(t *testing.T) *prices.Table {
	t.Helper()
	path := filepath.Join("..", "..", "packaging", "app", "default", "prices.yaml")
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	table, err := prices.Read(path, f)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// TestKilledWhileItAsks: a process that makes calls is killed at any instant. What is booked is at least what the
// server billed; what is settled is what the server billed, to the nano-dollar; every other billed call is one
// that the ledger marks as unsettled.
func TestKilledWhileItAsks(t *testing.T) {
	if os.Getenv(killedURL) != "" {
		askUntilKilled(t)
		return
	}
	table := shippedPrices(t)
	for _, after := range []int{1, 7, 40, 150} {
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			enough, once := make(chan struct{}), sync.Once{}
			heard := 0
			var mu sync.Mutex
			server := llmtest.New(llmtest.Options{
				Brain: func(*llmtest.Request) llmtest.Answer { return llmtest.Answer{Text: `{"ok":true}`} },
				Price: table.Price, Lenient: true,
				Hear: func(*llmtest.Request) {
					mu.Lock()
					defer mu.Unlock()
					if heard++; heard >= after {
						once.Do(func() { close(enough) })
					}
				},
			})
			path := filepath.Join(t.TempDir(), "ledger.db")
			cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestKilledWhileItAsks$")
			cmd.Env = append(os.Environ(), killedURL+"="+server.URL, killedState+"="+path)
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			select {
			case <-enough:
			case <-time.After(time.Minute):
				t.Error("no calls were made")
			}
			_ = cmd.Process.Kill()
			_ = cmd.Wait() // it was killed
			server.Close()
			compareKilled(t, server, path)
		})
	}
}

// compareKilled holds the ledger against the server's.
func compareKilled(t *testing.T, server *llmtest.Server, path string) {
	t.Helper()
	l, err := ledger.Open(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	var calls []ledger.Call
	err = l.View(t.Context(), func(tx *ledger.Tx) (err error) {
		calls, err = tx.Calls("A")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	billed := map[winnow.NanoUSD]int{}
	left := 0
	for _, e := range server.Entries() {
		if e.Billed {
			billed[e.Price]++
			left++
		}
	}
	var booked winnow.NanoUSD
	unsettled := 0
	for _, c := range calls {
		booked += winnow.NanoUSD(c.BookedNano)
		switch c.State {
		case ledger.CallSettled:
			if billed[winnow.NanoUSD(c.BookedNano)]--; billed[winnow.NanoUSD(c.BookedNano)] < 0 {
				t.Errorf("call %d is settled at %d, which the server did not bill", c.N, c.BookedNano)
			}
			left--
		case ledger.CallUnsettled:
			unsettled++
		case ledger.CallReserved:
			t.Errorf("call %d is still reserved", c.N)
		case ledger.CallReleased:
		}
	}
	sum, n := server.Billed()
	if booked < sum || left > unsettled || n == 0 {
		t.Errorf("booked %s for %d calls, billed %s for %d; %d billed calls are not settled, %d are marked", booked, len(calls), sum, n, left, unsettled)
	}
	t.Logf("booked %s for %d calls (%d unsettled), billed %s for %d", booked, len(calls), unsettled, sum, n)
}

// askUntilKilled makes calls from many sides.
func askUntilKilled(t *testing.T) {
	l, err := ledger.Open(t.Context(), os.Getenv(killedState))
	if err != nil {
		t.Fatal(err)
	}
	client, err := chat.NewHTTPClient(chat.HTTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	provider, err := openai.New(openai.Options{
		Model: killedModel, Key: "k", HTTP: client, Now: time.Now, BaseURL: os.Getenv(killedURL) + "/v1", API: openai.Responses,
	})
	if err != nil {
		t.Fatal(err)
	}
	caller, err := chat.NewCaller(chat.CallerOptions{
		Name: "main", Model: killedModel, Provider: provider, Price: shippedPrices(t).Price, Budget: &Books{Ledger: l, Now: time.Now},
		Limit: chat.Limit{Concurrency: 16}, Attempts: 1, Timeout: 10 * time.Second, Now: time.Now,
	})
	if err != nil {
		t.Fatal(err)
	}
	var g sync.WaitGroup
	for i := range 16 {
		g.Go(func() {
			for j := 0; t.Context().Err() == nil && j < 10_000; j++ {
				r := &chat.Request{
					System: "You judge alerts.", MaxOutput: 200,
					Messages: []chat.Message{{Role: chat.RoleUser, Text: fmt.Sprintf("alert %d of %d", j, i)}},
				}
				_, _, err := caller.Call(t.Context(), chat.Purpose{AlertID: "A", Task: llm.TaskClassify, Prompt: "sha256:1"}, r)
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	g.Wait()
}
