// Package disktest runs tests under every fault that a disk can have, at every operation they get to.
package disktest

import (
	"fmt"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/winnow-soc/winnow/plugin/disk"
)

// Case is one fault.
type Case struct {
	Name string
	Once bool // a single operation fails, the disk is well before and after

	fault disk.Fault
	hit   atomic.Bool
}

// During calls f while the fault is there.
func (c *Case) During(f func()) {
	defer disk.Inject(func(op disk.Op, path string, size int) (int, error) {
		n, err := c.fault(op, path, size)
		if err != nil {
			c.hit.Store(true)
		}
		return n, err
	})()
	f()
}

// most bounds how many operations of one kind are tried.
const most = 400

// Each calls run for each fault: EIO at the nth operation of each kind, once and for good, half a write, and
// a disk that gets full after so many bytes, with n from 1 until the fault is met no more; and a disk that is
// read-only. run calls [Case.During] around what is to meet the fault.
func Each(t *testing.T, run func(t *testing.T, c *Case)) {
	t.Helper()
	met := 0
	try := func(name string, once bool, f disk.Fault) bool {
		c := &Case{Name: name, Once: once, fault: f}
		t.Run(name, func(t *testing.T) { run(t, c) })
		if c.hit.Load() {
			met++
		}
		return c.hit.Load()
	}
	for _, op := range disk.Ops {
		for n := int64(1); n < most && try(fmt.Sprintf("%s %d", op, n), true, disk.Nth(op, n, syscall.EIO)); n++ {
			try(fmt.Sprintf("%s from %d on", op, n), false, disk.From(op, n, syscall.EIO))
		}
	}
	for n := int64(1); n < most && try(fmt.Sprintf("short write %d", n), true, disk.Short(n)); n++ {
		continue
	}
	for room, step := int64(0), int64(1); try(fmt.Sprintf("full after %d", room), false, disk.Full(room)); room += step {
		step += step / 2 // sizes grow, and so do the steps
		if step < 7 {
			step += 5
		}
	}
	try("read-only", false, disk.ReadOnly())
	if met < 10 {
		t.Errorf("only %d faults were met", met)
	}
}
