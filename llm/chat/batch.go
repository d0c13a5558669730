package chat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/winnow-soc/winnow/llm"
)

// BatchOptions say how requests are gathered into batches. Provider, Model, Dir, Deadline and Now are
// required.
type BatchOptions struct {
	Provider BatchProvider
	Model    string    // the same request to another model is another request
	Dir      string    // where batches are kept, so that a crash loses none; no other Batcher may use it
	Deadline time.Time // what is not answered by then goes the normal way
	Now      func() time.Time
}

// Batcher gathers the requests of analyses that run at the same time, and sends them as one batch when
// no more have come for a while. What it sent it keeps in files: the same request, asked again after a
// crash, finds its batch and its answer, and is not sent twice. Safe for concurrent use.
type Batcher struct {
	o     BatchOptions
	ctx   context.Context
	stop  context.CancelCauseFunc
	polls sync.WaitGroup

	mu        sync.Mutex
	asked     map[string]*asked // by Request.ID
	gathering []*asked
	bytes     int
	quiet     *time.Timer
	files     int  // number of the last file
	passed    bool // the deadline is over
	closed    bool
	failed    error // the first file that could not be written
	lost      int
}

// asked is one request that is on its way through a batch.
type asked struct {
	id, sha256 string
	booking    llm.Booking
	r          *Request // nil: of an earlier run
	done       chan struct{}
	reply      *Reply // once done is closed
	err        error
}

// Bounds of batches.
const (
	batchQuiet    = time.Second      // when nothing came for so long, what is there is sent
	batchRequests = 10_000           // in one batch; providers take several times that
	batchBytes    = 64 << 20         // likewise
	batchGrace    = 10 * time.Minute // for a cancelled batch to end
	batchTries    = 3                // to hand a batch over
	pollMin       = time.Second      // between looks at a batch, doubled up to
	pollMax       = time.Minute
	batchCall     = 5 * time.Minute // for one call to the provider's batch interface
)

// unbatchedError says that a batch does not answer a request: it goes the normal way.
type unbatchedError struct{ sent bool }

func (e *unbatchedError) Error() string { return "not answered by a batch" }

// errStopped says that nobody waits for the batch any more; another run takes its answers up.
var errStopped = errors.New("the program ends before the batch is answered: run it again to take the answers up")

// NewBatcher opens the folder, and waits for the batches of earlier runs from then on.
func NewBatcher(o BatchOptions) (*Batcher, error) {
	if o.Provider == nil || o.Model == "" || o.Dir == "" || o.Deadline.IsZero() || o.Now == nil {
		return nil, errors.New("batches: no provider, model, folder, deadline or clock")
	}
	b := &Batcher{o: o, asked: map[string]*asked{}}
	b.ctx, b.stop = context.WithCancelCause(context.Background())
	batches, err := b.load()
	if err != nil {
		return nil, err
	}
	for _, f := range batches {
		b.polls.Go(func() { b.await(f) })
	}
	left := o.Deadline.Sub(o.Now())
	b.passed = left <= 0
	b.polls.Go(func() {
		if sleep(b.ctx, left) == nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.passed = true
		}
	})
	return b, nil
}

// Lost returns how many requests of an earlier run may have been sent just when it ended, so that
// nobody knows their batch. They are booked, and are asked again.
func (b *Batcher) Lost() int { return b.lost }

// sum names a request's content, and who is asked.
func (b *Batcher) sum(r *Request) string {
	return fmt.Sprintf("%s %s %s %d", weigh(r).sha256, b.o.Model, r.Form, r.MaxOutput)
}

// booked returns the booking of a request that an earlier run has sent.
func (b *Batcher) booked(r *Request) (llm.Booking, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	a, ok := b.asked[r.ID]
	if !ok || a.sha256 != b.sum(r) {
		return 0, false
	}
	return a.booking, true
}

// ask waits for the answer of a batch. The error is an *Error of this request, an *unbatchedError, one
// that wraps the context's cause or errStopped, or that of a file. left reports that it may be on its
// way all the same.
func (b *Batcher) ask(ctx context.Context, r *Request, booking llm.Booking) (reply *Reply, left bool, err error) {
	a, err := b.join(r, booking)
	if err != nil {
		return nil, false, err
	}
	select {
	case <-a.done:
		return a.reply, errors.Is(a.err, errStopped) && !b.withdraw(a), a.err
	case <-ctx.Done():
		return nil, !b.withdraw(a), context.Cause(ctx)
	}
}

// join finds the request in a batch, or puts it into the next one.
func (b *Batcher) join(r *Request, booking llm.Booking) (*asked, error) {
	sum := b.sum(r)
	b.mu.Lock()
	defer b.mu.Unlock()
	before, ok := b.asked[r.ID]
	switch {
	case ok && before.sha256 == sum:
		return before, nil
	case b.closed:
		return nil, errStopped
	case b.passed, ok && !before.over():
		return nil, &unbatchedError{} // no batch takes two requests of one name
	}
	a := &asked{id: r.ID, sha256: sum, booking: booking, r: r, done: make(chan struct{})}
	b.asked[r.ID] = a
	b.gathering = append(b.gathering, a)
	b.bytes += weigh(r).bytes
	switch {
	case len(b.gathering) >= batchRequests || b.bytes >= batchBytes:
		b.sendLocked()
	case b.quiet == nil:
		b.quiet = time.AfterFunc(batchQuiet, b.send)
	default:
		b.quiet.Reset(batchQuiet)
	}
	return a, nil
}

func (a *asked) over() bool {
	select {
	case <-a.done:
		return true
	default:
		return false
	}
}

// withdraw takes a request back that has not been sent.
func (b *Batcher) withdraw(a *asked) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	for i, other := range b.gathering {
		if other == a {
			b.gathering = append(b.gathering[:i], b.gathering[i+1:]...)
			delete(b.asked, a.id)
			return true
		}
	}
	return false
}

// send sends what was gathered.
func (b *Batcher) send() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.sendLocked()
}

func (b *Batcher) sendLocked() {
	if len(b.gathering) == 0 || b.closed {
		return
	}
	b.files++
	f := &batchFile{number: b.files, Deadline: b.o.Deadline, requests: b.gathering}
	b.gathering, b.bytes = nil, 0
	if b.passed {
		f.end(func(*asked) (*Reply, error) { return nil, &unbatchedError{} })
		return
	}
	b.polls.Go(func() {
		if b.submit(f) {
			b.await(f)
		}
	})
}

// submit writes down what is about to be sent, sends it, and writes down the provider's name for it. It
// reports whether there is a batch to wait for.
func (b *Batcher) submit(f *batchFile) bool {
	if err := b.save(f); err != nil {
		f.end(func(*asked) (*Reply, error) { return nil, err })
		return false
	}
	requests := make([]*Request, 0, len(f.requests))
	for _, a := range f.requests {
		requests = append(requests, a.r)
	}
	var id string
	var err error
	for try := 1; try <= batchTries; try++ {
		if id, err = b.handOver(requests); err == nil {
			f.Batch = id
			b.keep(f)
			return true
		}
		failure, ok := errors.AsType[*Error](err)
		if !ok || failure.Sent || !failure.Retryable() || sleep(b.ctx, max(pollMin<<try, min(failure.After, maxPause))) != nil {
			break
		}
	}
	b.remove(f)
	f.end(func(*asked) (*Reply, error) { return nil, refused(err) })
	return false
}

func (b *Batcher) handOver(requests []*Request) (id string, err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(b.ctx), batchCall)
	defer cancel()
	return b.o.Provider.SubmitBatch(ctx, requests)
}

// refused says what a batch that was not taken means for its requests: no key or no money means the same
// for the normal way, everything else does not.
func refused(err error) error {
	failure, ok := errors.AsType[*Error](err)
	if ok && (failure.Kind == KindAuth || failure.Kind == KindQuota) {
		return failure
	}
	return &unbatchedError{sent: !ok || failure.Sent}
}

// await looks at a batch until it has ended, and hands its answers out. After the deadline it has it
// cancelled.
func (b *Batcher) await(f *batchFile) {
	deadline := f.Deadline.Sub(b.o.Now())
	late := time.NewTimer(max(deadline, 0))
	grace := time.NewTimer(max(deadline, 0) + batchGrace)
	defer late.Stop()
	defer grace.Stop()
	var cancelling, given bool
	for pause := time.Duration(0); ; pause = min(max(2*pause, pollMin), pollMax) {
		look := time.NewTimer(pause)
		select {
		case <-look.C:
		case <-late.C:
			cancelling, pause = true, 0
		case <-grace.C:
			given = true
		case <-b.ctx.Done():
			look.Stop()
			f.end(func(*asked) (*Reply, error) { return nil, errStopped })
			return
		}
		look.Stop()
		if b.look(f, cancelling) {
			return
		}
		if given {
			f.end(func(*asked) (*Reply, error) { return nil, &unbatchedError{sent: true} })
			return
		}
	}
}

// look asks the provider how far a batch is. It reports whether that was the last look.
func (b *Batcher) look(f *batchFile, cancel bool) bool {
	ctx, stop := context.WithTimeout(b.ctx, batchCall)
	defer stop()
	state, done, failed, err := b.o.Provider.Batch(ctx, f.Batch)
	failure, ok := errors.AsType[*Error](err)
	switch {
	case err == nil && state == BatchRunning:
		if cancel {
			_ = b.o.Provider.CancelBatch(ctx, f.Batch) // the next look tells, and tries again
		}
		return false
	case ok && failure.Kind == KindRequest: // it knows no such batch
		b.remove(f)
		f.end(func(*asked) (*Reply, error) { return nil, &unbatchedError{sent: true} })
		return true
	case err != nil:
		return false
	}
	f.State, f.Replies, f.Errors = state, done, failed
	b.keep(f)
	f.end(f.answer)
	return true
}

// Close stops waiting for batches; another Batcher on the same folder takes them up. It returns the first
// error of a file.
func (b *Batcher) Close() error {
	b.mu.Lock()
	b.closed = true
	if b.quiet != nil {
		b.quiet.Stop()
	}
	gathered := slices.Clone(b.gathering)
	b.mu.Unlock()
	for _, a := range gathered {
		a.err = errStopped
		close(a.done)
	}
	b.stop(errStopped)
	b.polls.Wait()
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.failed
}
