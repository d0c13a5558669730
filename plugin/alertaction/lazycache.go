package alertaction

import (
	"cmp"
	"errors"
	"os"
	"sync"
	"time"

	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/state"
)

// openCache returns the snapshot, which is only opened when it is asked: most alerts do not get
// there. A disk that hangs is waited for until the action's deadline.
func openCache(d *state.Deployment) *lazyCache {
	return newLazyCache(time.After(d.Settings.Gate.Deadline), func() (*cache.Snapshot, error) {
		path := d.Path("cache.snapshot")
		if _, err := os.Lstat(path); err != nil {
			return nil, nil //nolint:nilerr,nilnil // nothing published yet
		}
		gen, err := Generation(d)
		if err != nil {
			return nil, err
		}
		return cache.OpenSnapshot(path, gen)
	})
}

func newLazyCache(late <-chan time.Time, open func() (*cache.Snapshot, error)) *lazyCache {
	c := &lazyCache{}
	c.open = sync.OnceValue(func() *cache.Snapshot {
		out := make(chan *cache.Snapshot, 1)
		go func() {
			s, err := open()
			c.note(err)
			out <- s
		}()
		select {
		case s := <-out:
			return s
		case <-late:
			c.note(errors.New("not read before the deadline"))
			return nil
		}
	})
	return c
}

// lazyCache probes the snapshot. Whatever goes wrong is a miss, and remembered. Safe for
// concurrent use.
type lazyCache struct {
	open func() *cache.Snapshot

	mu  sync.Mutex
	err error // the first thing that went wrong
}

// Get returns the verdict that holds for a key.
func (c *lazyCache) Get(key cache.Key, now time.Time) (cache.Entry, bool) {
	s := c.open()
	if s == nil {
		return cache.Entry{}, false
	}
	e, ok, err := s.Get(key, now)
	c.note(err)
	return e, ok && err == nil
}

func (c *lazyCache) note(err error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.err = cmp.Or(c.err, err)
}

// Err returns the first thing that went wrong.
func (c *lazyCache) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}
