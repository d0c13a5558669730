package alertaction

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/plugin/state"
	"github.com/winnow-soc/winnow/rules"
)

// Gate says what is proposed for an alert. Not safe for concurrent use: each goroutine takes its
// own clone. Propose must not keep the alert or its fields: their memory is used again.
type Gate interface {
	Propose(a *winnow.Alert) winnow.Proposal
	Clone() Gate
}

// passAll is the gate when there is none.
type passAll winnow.Reason

func (p passAll) Propose(*winnow.Alert) winnow.Proposal {
	return winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.Reason(p)}
}

func (p passAll) Clone() Gate { return p }

// allowGate is the gate of the allow-list.
type allowGate struct{ *allowlist.Gate }

func (g allowGate) Clone() Gate { return allowGate{g.Gate.Clone()} }

// OpenGate builds the gate of a deployment from its lists, rules, escalate list, suspensions and
// cache snapshot. The gate is never nil. The error joins all that could not be read: rules with an
// error match nothing; without suspensions or escalate list, or where another user could have
// written them, nothing is dropped.
//
// This is most of what the action does for one row, so its parts run side by side.
func OpenGate(d *state.Deployment, keys *winnow.Keys, now time.Time) (Gate, error) {
	g := &allowlist.Gate{Keys: keys, Fields: d.Fields, Canary: d.Settings.Gate.Canary, Cache: openCache(d)}
	if !d.Alive(now) {
		g.CacheOff = winnow.ReasonStaleHeartbeat
	}
	lists := gateOpener{d: d}
	opts := rules.Options{Fields: d.Fields, Lists: lists.lists(), Now: now}
	escalate, ruleSet, files := gateOpener{d: d}, gateOpener{d: d}, gateOpener{d: d}
	var parts sync.WaitGroup
	parts.Go(func() {
		var err error
		g.Escalate, err = rules.LoadEscalate(opts, d.EscalatePaths()...)
		escalate.blind(err)
	})
	parts.Go(func() {
		files.trust()
		g.Suspensions = files.suspensions()
		files.stopSwitch()
	})
	var err error
	g.Rules, err = rules.Load(opts, d.RulePaths()...)
	ruleSet.note(err)
	parts.Wait()
	g.Blind = cmp.Or(files.reason, lists.reason, escalate.reason)
	return allowGate{g}, errors.Join(slices.Concat(lists.errs, ruleSet.errs, escalate.errs, files.errs)...)
}

// gateOpener collects what goes wrong in one part.
type gateOpener struct {
	d      *state.Deployment
	errs   []error
	reason winnow.Reason // set when nothing may be dropped
}

func (o *gateOpener) note(err error) {
	if err != nil {
		o.errs = append(o.errs, err)
	}
}

// blind notes an error that leaves the gate without something that could speak against a drop.
func (o *gateOpener) blind(err error) {
	if err != nil {
		o.reason = winnow.ReasonRulesUnread
		o.note(fmt.Errorf("nothing is dropped: %w", err))
	}
}

// stopSwitch passes everything when the switch is off, or cannot be read.
func (o *gateOpener) stopSwitch() {
	off, err := o.d.GateOff()
	o.note(err)
	if off {
		o.reason = winnow.ReasonGateOff
	}
}

// trust looks at the files before they are read: whoever can write them decides what is dropped.
func (o *gateOpener) trust() {
	paths := slices.Concat(o.d.RulePaths(), o.d.ListPaths(), o.d.EscalatePaths())
	for _, name := range []string{"suspensions.json", "cache.snapshot", "lists.good.json"} {
		if _, err := os.Lstat(o.d.Path(name)); !errors.Is(err, fs.ErrNotExist) {
			paths = append(paths, o.d.Path(name))
		}
	}
	o.blind(o.d.Trusted(paths...))
}

func (o *gateOpener) suspensions() *allowlist.Suspensions {
	s, err := allowlist.ReadSuspensions(o.d.Path("suspensions.json"))
	o.blind(err)
	return s
}

func (o *gateOpener) lists() *rules.Lists {
	good, err := rules.ReadGood(o.d.Path("lists.good.json"))
	o.blind(err) // the guard against shrunk lists is down
	lists, err := rules.LoadLists(rules.ListOptions{
		Folders: o.d.ListPaths(), Good: good, Shrink: o.d.Settings.Gate.ListShrink,
	})
	o.note(err)
	return lists
}

// openCache returns the snapshot, which is only opened when it is asked.
func openCache(d *state.Deployment) allowlist.Cached {
	path := d.Path("cache.snapshot")
	return &lazyCache{open: sync.OnceValue(func() *cache.Snapshot {
		if _, err := os.Lstat(path); err != nil {
			return nil
		}
		gen, err := Generation(d)
		if err != nil {
			return nil // another generation: an empty cache
		}
		s, _ := cache.OpenSnapshot(path, gen) // damaged is empty too; the worker checks what it writes
		return s
	})}
}

// lazyCache probes the snapshot. Whatever goes wrong is a miss. Safe for concurrent use.
type lazyCache struct{ open func() *cache.Snapshot }

// Get returns the verdict that holds for a key.
func (c *lazyCache) Get(key cache.Key, now time.Time) (cache.Entry, bool) {
	s := c.open()
	if s == nil {
		return cache.Entry{}, false
	}
	e, ok, err := s.Get(key, now)
	return e, ok && err == nil
}
