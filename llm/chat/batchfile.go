package chat

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow/llm"
)

// batchFile is one batch and the file that it is kept in. It is written before the batch is sent, when
// the provider has named it, and when it has ended.
type batchFile struct {
	number   int
	requests []*asked

	Batch    string            `json:"batch"` // the provider's name for it; "" until that is known
	Deadline time.Time         `json:"deadline"`
	State    BatchState        `json:"state"` // "" until it has ended
	Requests []batchRequest    `json:"requests"`
	Replies  map[string]*Reply `json:"replies,omitempty"`
	Errors   map[string]*Error `json:"errors,omitempty"`
}

// batchRequest is what is kept of a request: enough to know it again, and none of its text.
type batchRequest struct {
	ID      string      `json:"id"`
	Sum     string      `json:"sum"`
	Booking llm.Booking `json:"booking"`
}

// end gives every request its answer.
func (f *batchFile) end(answer func(*asked) (*Reply, error)) {
	for _, a := range f.requests {
		a.reply, a.err = answer(a)
		close(a.done)
	}
}

// answer finds what a batch that has ended holds for a request. What may pass by trying again, and what
// was not answered, goes the normal way.
func (f *batchFile) answer(a *asked) (*Reply, error) {
	if reply := f.Replies[a.id]; reply != nil {
		reply.Batch = true
		return reply, nil
	}
	failure := f.Errors[a.id]
	switch {
	case failure == nil:
		return nil, &unbatchedError{}
	case failure.Retryable():
		return nil, &unbatchedError{sent: failure.Sent}
	}
	return nil, failure
}

func (b *Batcher) path(f *batchFile) string {
	return filepath.Join(b.o.Dir, fmt.Sprintf("%06d.json", f.number))
}

// save writes a batch's file, whole or not at all, and to the disk.
func (b *Batcher) save(f *batchFile) error {
	f.Requests = f.Requests[:0]
	for _, a := range f.requests {
		f.Requests = append(f.Requests, batchRequest{a.id, a.sha256, a.booking})
	}
	data, err := json.Marshal(f)
	if err == nil {
		err = replaceFile(b.path(f), data)
	}
	if err != nil {
		return fmt.Errorf("keep a batch: %w", err)
	}
	return nil
}

// keep writes what is good to have: the answers count without it, and Close tells of it.
func (b *Batcher) keep(f *batchFile) { b.fail(b.save(f)) }

func (b *Batcher) remove(f *batchFile) { b.fail(os.Remove(b.path(f))) }

func (b *Batcher) fail(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.failed == nil && !errors.Is(err, fs.ErrNotExist) {
		b.failed = err
	}
}

func replaceFile(path string, data []byte) (err error) {
	tmp, err := os.CreateTemp(filepath.Dir(path), ".batch-") // 0600
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			_ = tmp.Close()
			_ = os.Remove(tmp.Name())
		}
	}()
	if _, err = tmp.Write(data); err != nil {
		return err
	}
	if err = tmp.Sync(); err != nil {
		return err
	}
	if err = tmp.Close(); err != nil {
		return err
	}
	if err = os.Rename(tmp.Name(), path); err != nil {
		return err
	}
	return syncDir(filepath.Dir(path))
}

// syncDir makes a rename last. Windows has no such call, and needs none.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	_ = d.Close()
	if errors.Is(err, errors.ErrUnsupported) || os.PathSeparator == '\\' {
		return nil
	}
	return err
}

// load reads the batches of earlier runs. It returns those that have not ended.
func (b *Batcher) load() (running []*batchFile, err error) {
	if err := os.MkdirAll(b.o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("batches: %w", err)
	}
	entries, err := os.ReadDir(b.o.Dir)
	if err != nil {
		return nil, fmt.Errorf("batches: %w", err)
	}
	for _, e := range entries {
		name, ok := strings.CutSuffix(e.Name(), ".json")
		number, err := strconv.Atoi(name)
		if !ok || err != nil || number < 1 {
			if strings.HasPrefix(e.Name(), ".batch-") { // half written when a run ended
				_ = os.Remove(filepath.Join(b.o.Dir, e.Name()))
			}
			continue
		}
		f, err := readBatch(filepath.Join(b.o.Dir, e.Name()))
		if err != nil {
			return nil, err
		}
		f.number = number
		b.files = max(b.files, number)
		if b.adopt(f) {
			running = append(running, f)
		}
	}
	return running, nil
}

func readBatch(path string) (*batchFile, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("batches: %w", err)
	}
	f := &batchFile{}
	if err := json.Unmarshal(data, f); err != nil {
		return nil, fmt.Errorf("batches: %s is damaged: remove it; its requests are asked and paid again", path)
	}
	return f, nil
}

// adopt takes up a batch of an earlier run. It reports whether it has to be waited for. A batch without
// a name was being sent when that run ended: nobody can tell whether it was.
func (b *Batcher) adopt(f *batchFile) bool {
	if f.Batch == "" {
		b.lost += len(f.Requests)
		b.remove(f)
		return false
	}
	for _, r := range f.Requests {
		if before, ok := b.asked[r.ID]; ok && before.sha256 == r.Sum && before.over() && before.err == nil {
			continue // it was answered before
		}
		a := &asked{id: r.ID, sha256: r.Sum, booking: r.Booking, done: make(chan struct{})}
		b.asked[r.ID] = a
		f.requests = append(f.requests, a)
	}
	if f.State != "" {
		f.end(f.answer)
		return false
	}
	return true
}

// Clear removes the files of batches that have ended, once every answer has been made use of.
func (b *Batcher) Clear() error {
	entries, err := os.ReadDir(b.o.Dir)
	if err != nil {
		return fmt.Errorf("batches: %w", err)
	}
	for _, e := range entries {
		path := filepath.Join(b.o.Dir, e.Name())
		if f, err := readBatch(path); err != nil || f.State == "" {
			continue
		}
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("batches: %w", err)
		}
	}
	return nil
}
