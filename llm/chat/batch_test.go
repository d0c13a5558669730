package chat

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/winnow-soc/winnow"
)

// batchMaker is a provider with a batch interface. Batches end after take, or when they are cancelled:
// then done says whether a request was answered by then.
type batchMaker struct {
	scripted

	mu       sync.Mutex
	take     time.Duration
	batches  map[string]*madeBatch
	refuse   []error // of the next submissions
	fail     map[string]*Error
	leave    map[string]bool // never answered
	onSubmit func()
	onLook   func() error
	seen     map[string]int // how often a request was sent, by ID
	billed   winnow.NanoUSD
}

type madeBatch struct {
	ids       []string
	due       time.Time
	cancelled bool
	billed    bool
}

func newBatchMaker() *batchMaker {
	m := &batchMaker{take: time.Hour, batches: map[string]*madeBatch{}, fail: map[string]*Error{}, leave: map[string]bool{}, seen: map[string]int{}}
	m.do = func(context.Context, int) (*Reply, error) {
		m.mu.Lock()
		defer m.mu.Unlock()
		m.billed += testPrice.Cost(fine().Usage)
		return fine(), nil
	}
	return m
}

func (m *batchMaker) SubmitBatch(_ context.Context, requests []*Request) (string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if len(m.refuse) > 0 {
		err := m.refuse[0]
		m.refuse = m.refuse[1:]
		return "", err
	}
	b := &madeBatch{due: time.Now().Add(m.take)}
	for _, r := range requests {
		m.seen[r.ID]++
		b.ids = append(b.ids, r.ID)
	}
	id := fmt.Sprintf("batch_%d", len(m.batches)+1)
	m.batches[id] = b
	if m.onSubmit != nil {
		m.onSubmit()
	}
	return id, nil
}

func (m *batchMaker) Batch(_ context.Context, id string) (BatchState, map[string]*Reply, map[string]*Error, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.onLook != nil {
		if err := m.onLook(); err != nil {
			return "", nil, nil, err
		}
	}
	b := m.batches[id]
	if b == nil {
		return "", nil, nil, &Error{Kind: KindRequest, Status: 404}
	}
	state := BatchDone
	switch {
	case b.cancelled:
		state = BatchCanceled
	case time.Now().Before(b.due):
		return BatchRunning, nil, nil, nil
	}
	done, failed := map[string]*Reply{}, map[string]*Error{}
	for _, name := range b.ids {
		switch {
		case m.fail[name] != nil:
			failed[name] = m.fail[name]
		case m.leave[name] || b.cancelled && name == "slow":
		default:
			done[name] = fine()
		}
	}
	if !b.billed {
		b.billed = true
		half := testPrice.Cost(fine().Usage)
		m.billed += winnow.NanoUSD(len(done)) * (half - half/2)
	}
	return state, done, failed, nil
}

func (m *batchMaker) CancelBatch(_ context.Context, id string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.batches[id].cancelled = true
	return nil
}

func (m *batchMaker) sent() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.batches)
}

// batchRun is one run of the program: a batcher and a caller on it.
type batchRun struct {
	b *Batcher
	c *Caller
}

func startBatches(t *testing.T, m *batchMaker, dir string, books *books) batchRun {
	t.Helper()
	b, err := NewBatcher(BatchOptions{Provider: m, Model: "small", Dir: dir, Deadline: time.Now().Add(12 * time.Hour), Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	run := batchRun{b, newTestCaller(t, CallerOptions{Provider: m, Budget: books, Batch: b})}
	t.Cleanup(func() { _ = b.Close() })
	return run
}

func named(id string) *Request {
	r := hello()
	r.ID = id
	return r
}

// ask puts requests at once and returns replies and errors by ID.
func (run batchRun) ask(ctx context.Context, ids ...string) (map[string]*Reply, map[string]error) {
	replies, errs := map[string]*Reply{}, map[string]error{}
	var mu sync.Mutex
	var g sync.WaitGroup
	for _, id := range ids {
		g.Go(func() {
			reply, _, err := run.c.Call(ctx, Purpose{}, named(id))
			mu.Lock()
			defer mu.Unlock()
			replies[id], errs[id] = reply, err
		})
	}
	g.Wait()
	return replies, errs
}

func balanced(t *testing.T, m *batchMaker, b *books) {
	t.Helper()
	if total, unsure := b.booked(); total != m.billed || unsure != 0 {
		t.Errorf("booked %d, %d of it unsure; billed %d", total, unsure, m.billed)
	}
}

func TestWhatIsAskedTogetherIsOneBatchAtHalfPrice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b, dir := newBatchMaker(), &books{}, filepath.Join(t.TempDir(), "batches")
		run := startBatches(t, m, dir, b)
		start := time.Now()
		replies, errs := run.ask(t.Context(), "a", "b", "c")
		for id, err := range errs {
			if err != nil || !replies[id].Batch {
				t.Errorf("%s: %+v, %v", id, replies[id], err)
			}
		}
		if m.sent() != 1 || m.calls() != 0 {
			t.Errorf("%d batches, %d calls", m.sent(), m.calls())
		}
		if took := time.Since(start); took > time.Hour+2*pollMax {
			t.Errorf("took %v", took)
		}
		balanced(t, m, b)
		info, err := os.Stat(filepath.Join(dir, "000001.json"))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%v, %v", info, err)
		}
		data, _ := os.ReadFile(filepath.Join(dir, "000001.json"))
		if strings.Contains(string(data), "hello") || strings.Contains(string(data), "judge") {
			t.Error("the text of a request is kept")
		}
		if err := run.b.Clear(); err != nil {
			t.Error(err)
		}
		if left, _ := os.ReadDir(dir); len(left) != 0 {
			t.Errorf("left: %v", left)
		}
	})
}

func TestRequestsWithoutNameGoTheNormalWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := newBatchMaker(), &books{}
		run := startBatches(t, m, t.TempDir(), b)
		if _, errs := run.ask(t.Context(), ""); errs[""] != nil || m.sent() != 0 || m.calls() != 1 {
			t.Errorf("%v, %d batches, %d calls", errs, m.sent(), m.calls())
		}
		balanced(t, m, b)
	})
}

// TestKilledRunIsTakenUp ends a run at every moment, and asks the same again in another.
func TestKilledRunIsTakenUp(t *testing.T) {
	for name, tt := range map[string]struct {
		after       time.Duration // when the first run ends
		lost, sends int
	}{
		"before it is sent":     {batchQuiet / 2, 0, 1},
		"between looks":         {10 * time.Minute, 0, 1},
		"after it was answered": {2 * time.Hour, 0, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, b, dir := newBatchMaker(), &books{}, t.TempDir()
				first := startBatches(t, m, dir, b)
				ctx, cancel := context.WithTimeoutCause(t.Context(), tt.after, errGone)
				defer cancel()
				_, errs := first.ask(ctx, "a", "b")
				if (errs["a"] != nil) != (tt.after < time.Hour) || errs["a"] != nil && !errors.Is(errs["a"], errGone) {
					t.Errorf("first run: %v", errs)
				}
				if err := errors.Join(first.b.Close(), first.c.Close(t.Context())); err != nil {
					t.Error(err)
				}
				time.Sleep(3 * time.Hour)
				second := startBatches(t, m, dir, b)
				replies, errs := second.ask(t.Context(), "a", "b", "new")
				for id, err := range errs {
					if err != nil || replies[id].Text != "{}" || m.seen[id] != tt.sends {
						t.Errorf("%s: %+v, %v, sent %d times", id, replies[id], err, m.seen[id])
					}
				}
				if second.b.Lost() != tt.lost || m.calls() != 0 {
					t.Errorf("%d lost, %d calls", second.b.Lost(), m.calls())
				}
				balanced(t, m, b)
			})
		})
	}
}

// TestKilledBetweenSendingAndWritingItDown copies the folder as it is at that moment: nobody knows the
// batch any more, so it is paid, stays booked, and is asked again.
func TestKilledBetweenSendingAndWritingItDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b, dir, copied := newBatchMaker(), &books{}, t.TempDir(), t.TempDir()
		m.onSubmit = func() {
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Error(err)
			}
			m.onSubmit = nil
		}
		first := startBatches(t, m, dir, b)
		ctx, cancel := context.WithTimeoutCause(t.Context(), 10*time.Minute, errGone)
		defer cancel()
		first.ask(ctx, "a")
		_ = first.b.Close()
		second := startBatches(t, m, copied, b)
		replies, errs := second.ask(t.Context(), "a")
		if errs["a"] != nil || replies["a"] == nil || second.b.Lost() != 1 {
			t.Errorf("%v, %d lost", errs, second.b.Lost())
		}
		for id := range m.batches { // the lost one is billed too
			_, _, _, _ = m.Batch(t.Context(), id)
		}
		if total, unsure := b.booked(); unsure == 0 || total < m.billed {
			t.Errorf("booked %d, %d of it unsure; billed %d", total, unsure, m.billed)
		}
	})
}

func TestDeadlineSendsTheRestTheNormalWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := newBatchMaker(), &books{}
		m.take = 100 * time.Hour
		run := startBatches(t, m, t.TempDir(), b)
		start := time.Now()
		replies, errs := run.ask(t.Context(), "fast", "slow")
		if errs["fast"] != nil || errs["slow"] != nil || !replies["fast"].Batch || replies["slow"].Batch {
			t.Errorf("%+v, %v", replies, errs)
		}
		if took := time.Since(start); took < 12*time.Hour || took > 12*time.Hour+batchGrace {
			t.Errorf("took %v", took)
		}
		if replies, errs = run.ask(t.Context(), "later"); errs["later"] != nil || replies["later"].Batch || m.sent() != 1 {
			t.Errorf("after the deadline: %+v, %v", replies["later"], errs)
		}
		balanced(t, m, b)
	})
}

func TestBatchThatNeverEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := newBatchMaker(), &books{}
		m.onLook = func() error { return &Error{Kind: KindServer, Status: 500} }
		run := startBatches(t, m, t.TempDir(), b)
		start := time.Now()
		replies, errs := run.ask(t.Context(), "a")
		if errs["a"] != nil || replies["a"].Batch || time.Since(start) > 12*time.Hour+batchGrace+time.Minute {
			t.Errorf("after %v: %+v, %v", time.Since(start), replies["a"], errs["a"])
		}
		if _, unsure := b.booked(); unsure == 0 {
			t.Error("nobody knows whether the batch is billed, and it is not booked")
		}
	})
}

func TestSomeRequestsOfABatchFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := newBatchMaker(), &books{}
		m.fail["bad"] = &Error{Kind: KindRequest, Status: 400}
		m.fail["server"] = &Error{Kind: KindServer, Status: 500}
		m.leave["left"] = true
		run := startBatches(t, m, t.TempDir(), b)
		replies, errs := run.ask(t.Context(), "good", "bad", "server", "left")
		if e, ok := errors.AsType[*Error](errs["bad"]); !ok || e.Kind != KindRequest {
			t.Errorf("bad: %v", errs["bad"])
		}
		if errs["good"] != nil || !replies["good"].Batch {
			t.Errorf("good: %v", errs["good"])
		}
		for _, id := range []string{"server", "left"} {
			if errs[id] != nil || replies[id].Batch {
				t.Errorf("%s: %+v, %v", id, replies[id], errs[id])
			}
		}
		balanced(t, m, b)
	})
}

func TestBatchesThatAreNotTaken(t *testing.T) {
	for name, tt := range map[string]struct {
		refuse  []error
		batched bool
		fails   bool
		unsure  bool
	}{
		"once":          {[]error{&Error{Kind: KindServer, Status: 500}}, true, false, false},
		"always":        {[]error{&Error{Kind: KindServer}, &Error{Kind: KindServer}, &Error{Kind: KindServer}}, false, false, false},
		"no interface":  {[]error{&Error{Kind: KindRequest, Status: 404}}, false, false, false},
		"cut":           {[]error{&Error{Kind: KindNetwork, Sent: true}}, false, false, true},
		"other error":   {[]error{errors.New("broken")}, false, false, true},
		"no permission": {[]error{&Error{Kind: KindAuth, Status: 401}}, false, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, b, dir := newBatchMaker(), &books{}, t.TempDir()
				m.refuse = tt.refuse
				run := startBatches(t, m, dir, b)
				replies, errs := run.ask(t.Context(), "a")
				if tt.fails {
					if isUnavailable(errs["a"]) == nil {
						t.Errorf("error is %v", errs["a"])
					}
				} else if errs["a"] != nil || replies["a"].Batch != tt.batched {
					t.Errorf("%+v, %v", replies["a"], errs["a"])
				}
				if _, unsure := b.booked(); (unsure > 0) != tt.unsure {
					t.Errorf("unsure: %v", unsure)
				}
			})
		})
	}
}

func TestBatchThatTheProviderForgot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := newBatchMaker(), &books{}
		run := startBatches(t, m, t.TempDir(), b)
		m.onLook = func() error { m.batches = map[string]*madeBatch{}; return nil }
		replies, errs := run.ask(t.Context(), "a")
		if errs["a"] != nil || replies["a"].Batch {
			t.Errorf("%+v, %v", replies["a"], errs["a"])
		}
	})
}

// TestChangedRequestGetsNoOldAnswer asks with the same ID for something else, or another model.
func TestChangedRequestGetsNoOldAnswer(t *testing.T) {
	for name, change := range map[string]func(*Request, *BatchOptions){
		"text":  func(r *Request, _ *BatchOptions) { r.Messages[0].Text = "other" },
		"form":  func(r *Request, _ *BatchOptions) { r.Form = FormText },
		"limit": func(r *Request, _ *BatchOptions) { r.MaxOutput = 7 },
		"model": func(_ *Request, o *BatchOptions) { o.Model = "large" },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				m, dir := newBatchMaker(), t.TempDir()
				first := startBatches(t, m, dir, &books{})
				first.ask(t.Context(), "a")
				_ = first.b.Close()
				o, r := first.b.o, named("a")
				o.Deadline = time.Now().Add(time.Hour)
				change(r, &o)
				second, err := NewBatcher(o)
				if err != nil {
					t.Fatal(err)
				}
				defer func() { _ = second.Close() }()
				if _, ok := second.booked(r); ok {
					t.Error("it is taken for the old request")
				}
				if reply, _, err := second.ask(t.Context(), r, 1); m.seen["a"] != 2 {
					t.Errorf("sent %d times: %+v, %v", m.seen["a"], reply, err)
				}
			})
		})
	}
}

func TestFolderOfBatches(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"000001.json": "{", ".batch-1": "x", "notes.txt": "x"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	o := BatchOptions{Provider: newBatchMaker(), Model: "small", Dir: dir, Deadline: time.Now().Add(time.Hour), Now: time.Now}
	if _, err := NewBatcher(o); err == nil || !strings.Contains(err.Error(), "000001.json is damaged") {
		t.Errorf("error is %v", err)
	}
	if _, err := NewBatcher(BatchOptions{}); err == nil {
		t.Error("no options are enough")
	}
}

func TestFolderThatCannotBeWrittenSendsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b, dir := newBatchMaker(), &books{}, filepath.Join(t.TempDir(), "batches")
		run := startBatches(t, m, dir, b)
		if err := os.Remove(dir); err != nil {
			t.Fatal(err)
		}
		_, errs := run.ask(t.Context(), "a")
		if isUnavailable(errs["a"]) == nil || m.sent() != 0 || m.calls() != 0 {
			t.Errorf("%v, %d batches, %d calls", errs["a"], m.sent(), m.calls())
		}
		if total, _ := b.booked(); total != 0 {
			t.Errorf("booked %v", total)
		}
	})
}

func TestCloseLetsGoOfThoseWhoWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, b := newBatchMaker(), &books{}
		run := startBatches(t, m, t.TempDir(), b)
		for _, after := range []time.Duration{batchQuiet / 2, time.Minute} {
			time.AfterFunc(after, func() { _ = run.b.Close() })
			if _, errs := run.ask(t.Context(), "a"); isUnavailable(errs["a"]) == nil {
				t.Errorf("closed after %v: %v", after, errs["a"])
			}
			run = startBatches(t, m, t.TempDir(), b)
		}
	})
}

func FuzzReadBatch(f *testing.F) {
	f.Add([]byte(`{"batch":"b","deadline":"2026-01-02T03:04:05Z","state":"done","requests":[{"id":"a","sum":"s","booking":1}],"replies":{"a":{"Text":"x"}},"errors":{"b":{"Kind":"server"},"c":null}}`))
	f.Add([]byte(`{"batch":"b","state":"running","requests":[{},{}]}`))
	f.Add([]byte(`{"requests":null}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, "000001.json"), data, 0o600); err != nil {
			t.Fatal(err)
		}
		b, err := NewBatcher(BatchOptions{Provider: newBatchMaker(), Model: "small", Dir: dir, Deadline: time.Now().Add(time.Hour), Now: time.Now})
		if err != nil {
			return
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, _, _ = b.ask(ctx, named("a"), 0)
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
}

var _ BatchProvider = (*batchMaker)(nil)
