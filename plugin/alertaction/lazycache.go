package alertaction

import (
	"cmp"
	"os"
	"sync"
	"time"

	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/state"
)

// openCache returns the snapshot, which is only opened when it is asked: most alerts do not get
// there.
func openCache(d *state.Deployment) *lazyCache {
	path := d.Path("cache.snapshot")
	c := &lazyCache{}
	c.open = sync.OnceValue(func() *cache.Snapshot {
		if _, err := os.Lstat(path); err != nil {
			return nil // nothing published yet
		}
		s, err := cache.OpenSnapshotLate(path, func() (cache.Generation, error) { return Generation(d) })
		c.note(err)
		return s
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
