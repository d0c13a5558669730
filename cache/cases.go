package cache

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/winnow-soc/winnow"
)

// OpenCase is an escalation that no person has settled yet.
type OpenCase struct {
	Key        Key       `json:"key"`
	AlertID    string    `json:"alert_id"` // the alert that was escalated first
	SearchName string    `json:"search_name"`
	Src        Side      `json:"src"`
	Dest       Side      `json:"dest"`
	Opened     time.Time `json:"opened"`
	Last       time.Time `json:"last"`    // the newest escalation, repeats included
	Repeats    int       `json:"repeats"` // alerts that joined
}

// NewCase returns the case that the escalation of an alert opens.
func NewCase(key Key, a *winnow.Alert, now time.Time) OpenCase {
	src, dest := Sides(a)
	return OpenCase{
		Key: key, AlertID: a.ID, SearchName: a.SearchName, Src: src, Dest: dest, Opened: now, Last: now,
	}
}

// Cases are the open escalations. A repeat of one joins it: it is escalated too, without a call
// and whatever any verdict says, until a person settles the case. And for a while after its newest
// escalation a case blocks cached closes of every alert between the same source and destination,
// since an attack rarely makes one kind of alert only. Safe for concurrent use.
//
// Cases hold at most [CasesOptions.Size] cases. The one with the oldest escalation makes room for
// a new one; [Cases.Forgotten] counts them, and whoever keeps cases for good (the ledger) still
// has them.
type Cases struct {
	block time.Duration
	size  int

	mu        sync.Mutex
	byKey     map[Key]*OpenCase
	byAlert   map[string]Key
	blocks    blocks
	forgotten int
}

// CasesOptions says how cases behave.
type CasesOptions struct {
	Block time.Duration // how long an escalation blocks cached closes
	Size  int           // most cases held at once; 0 means 100,000
}

const defaultCases = 100_000

// NewCases returns an empty set of cases.
func NewCases(o CasesOptions) *Cases {
	if o.Size <= 0 {
		o.Size = defaultCases
	}
	return &Cases{
		block: o.Block, size: o.Size,
		byKey: map[Key]*OpenCase{}, byAlert: map[string]Key{}, blocks: newBlocks(),
	}
}

// Open opens a case, or adds an escalation to the case that is open under its key: the case keeps
// its first alert and its newest time.
func (c *Cases) Open(o OpenCase) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o.Last.Before(o.Opened) {
		o.Last = o.Opened
	}
	if have := c.byKey[o.Key]; have != nil {
		have.Repeats += 1 + o.Repeats
		c.renew(have, o.Last)
		return
	}
	if len(c.byKey) >= c.size {
		c.forgetOldest()
	}
	c.byKey[o.Key] = &o
	c.byAlert[o.AlertID] = o.Key
	c.blocks.add(&o)
}

// Join adds a repeat to the case that is open under a key, and returns the case. The repeat is an
// escalation of its own: it prolongs the block.
func (c *Cases) Join(key Key, now time.Time) (OpenCase, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o := c.byKey[key]
	if o == nil {
		return OpenCase{}, false
	}
	o.Repeats++
	c.renew(o, now)
	return *o, true
}

// Lookup returns the case that is open under a key, without joining it.
func (c *Cases) Lookup(key Key) (OpenCase, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if o := c.byKey[key]; o != nil {
		return *o, true
	}
	return OpenCase{}, false
}

// Close settles the case that an alert opened, and reports whether there was one. Its repeats are
// judged by themselves again, and it blocks nothing any more.
func (c *Cases) Close(alertID string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	key, ok := c.byAlert[alertID]
	if ok {
		c.remove(c.byKey[key])
	}
	return ok
}

// Blocked reports whether an open case keeps cached verdicts from closing an alert at an instant:
// its newest escalation is less than the block away, and the alert has its source and its
// destination. What came before that escalation is blocked too: it may be how the attack began.
// See [Sides] for what counts as the same.
func (c *Cases) Blocked(a *winnow.Alert, now time.Time) bool {
	src, dest := Sides(a)
	c.mu.Lock()
	defer c.mu.Unlock()
	since := now.Add(-c.block)
	return c.blocks.match(src, dest, func(e *endCases) bool { return e.newest.After(since) })
}

// Opened returns how many cases were ever opened here. It is a mark for [Cases.OpenedSince].
func (c *Cases) Opened() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blocks.opened
}

// OpenedSince reports whether a case with the alert's source and destination was opened since a mark. Other
// than with [Cases.Blocked], repeats of a case count for nothing: they tell nothing new to whoever judged
// the alert's like after the case was opened.
func (c *Cases) OpenedSince(a *winnow.Alert, mark int) bool {
	src, dest := Sides(a)
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.blocks.match(src, dest, func(e *endCases) bool { return e.opened > mark })
}

// Len returns the number of open cases.
func (c *Cases) Len() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.byKey)
}

// Forgotten returns how many open cases had to make room for others.
func (c *Cases) Forgotten() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.forgotten
}

// Export returns the open cases, the oldest first, for a store that outlives the process.
func (c *Cases) Export() []OpenCase {
	c.mu.Lock()
	defer c.mu.Unlock()
	out := make([]OpenCase, 0, len(c.byKey))
	for _, o := range c.byKey {
		out = append(out, *o)
	}
	slices.SortFunc(out, func(a, b OpenCase) int {
		return cmp.Or(a.Opened.Compare(b.Opened), cmp.Compare(a.AlertID, b.AlertID))
	})
	return out
}

// Import takes in cases that an earlier process exported. Cases under a key that is already open
// are left out.
func (c *Cases) Import(cases []OpenCase) {
	for _, o := range cases {
		if _, open := c.Lookup(o.Key); !open {
			c.Open(o)
		}
	}
}

func (c *Cases) renew(o *OpenCase, at time.Time) {
	if at.After(o.Last) {
		o.Last = at
		c.blocks.add(o)
	}
}

func (c *Cases) forgetOldest() {
	var oldest *OpenCase
	for _, o := range c.byKey {
		if oldest == nil || o.Last.Before(oldest.Last) {
			oldest = o
		}
	}
	c.remove(oldest)
	c.forgotten++
}

func (c *Cases) remove(o *OpenCase) {
	delete(c.byKey, o.Key)
	delete(c.byAlert, o.AlertID)
	c.blocks.remove(o)
}
