package cache_test

import (
	"testing"

	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/cache/storetest"
)

func TestMemory(t *testing.T) {
	storetest.Run(t, func(testing.TB) cache.Store { return cache.NewMemory(100) })
}

func TestMemoryForgetsTheLeastRecentlyUsed(t *testing.T) {
	m := cache.NewMemory(2)
	m.Put(storetest.Key(1), storetest.Entry("a"))
	m.Put(storetest.Key(2), storetest.Entry("b"))
	m.Get(storetest.Key(1), storetest.Start)
	m.Put(storetest.Key(3), storetest.Entry("c"))
	if _, ok := m.Get(storetest.Key(2), storetest.Start); ok {
		t.Error("the least recently used entry is still there")
	}
	if _, ok := m.Get(storetest.Key(1), storetest.Start); !ok || m.Len() != 2 {
		t.Errorf("an entry in use is gone; %d left", m.Len())
	}
}

func TestMemoryOfNoSizeStillWorks(t *testing.T) {
	m := cache.NewMemory(0)
	m.Put(storetest.Key(1), storetest.Entry("a"))
	if m.Len() != 1 {
		t.Errorf("holds %d entries, want 1", m.Len())
	}
}

func TestMemoryAll(t *testing.T) {
	m := cache.NewMemory(10)
	for i, id := range []string{"a", "b", "c"} {
		m.Put(storetest.Key(i), storetest.Entry(id))
	}
	m.Get(storetest.Key(0), storetest.Start)
	order := ""
	for _, e := range m.All {
		order += e.AlertID
	}
	if order != "bca" {
		t.Errorf("order is %q, want the most recently used last: bca", order)
	}
	for range m.All {
		break
	}
}
