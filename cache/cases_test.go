package cache_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/cache/storetest"
)

var start = storetest.Start

func newCases() *cache.Cases { return cache.NewCases(cache.CasesOptions{Block: time.Hour}) }

func between(src, dest string) *winnow.Alert {
	a := &winnow.Alert{ID: src + "-" + dest, SearchName: "Port Scan", Fields: winnow.Fields{}}
	a.Fields.Add("src", src)
	a.Fields.Add("dest", dest)
	return a
}

func TestRepeatJoinsItsOpenCase(t *testing.T) {
	c := newCases()
	key := storetest.Key(1)
	if _, ok := c.Join(key, start); ok {
		t.Fatal("joined a case that nobody opened")
	}
	c.Open(cache.NewCase(key, between("10.0.0.1", "web"), start))
	for i := 1; i <= 3; i++ {
		got, ok := c.Join(key, start.Add(time.Duration(i)*24*time.Hour))
		if !ok || got.AlertID != "10.0.0.1-web" || got.Repeats != i {
			t.Fatalf("repeat %d: %+v, %v", i, got, ok)
		}
	}
	if _, ok := c.Join(storetest.Key(2), start); ok {
		t.Error("another alert joined")
	}
	if got, ok := c.Lookup(key); !ok || got.Repeats != 3 {
		t.Errorf("a look-up counts as a repeat, or finds nothing: %+v, %v", got, ok)
	}
}

func TestSettledCaseIsGone(t *testing.T) {
	c := newCases()
	key := storetest.Key(1)
	c.Open(cache.NewCase(key, between("10.0.0.1", "web"), start))
	if c.Close("another alert") {
		t.Error("an alert that opened no case closed one")
	}
	if !c.Close("10.0.0.1-web") || c.Close("10.0.0.1-web") || c.Len() != 0 {
		t.Error("a case is not closed exactly once")
	}
	if _, ok := c.Join(key, start); ok {
		t.Error("a repeat joined a settled case")
	}
	if _, ok := c.Lookup(key); ok {
		t.Error("a settled case is still found")
	}
	if c.Blocked(between("10.0.0.1", "web"), start) {
		t.Error("a settled case still blocks")
	}
}

func TestOpeningAnOpenCaseAddsToIt(t *testing.T) {
	c := newCases()
	first, second := between("10.0.0.1", "web"), between("10.0.0.1", "web")
	second.ID = "second"
	c.Open(cache.NewCase(storetest.Key(1), first, start))
	c.Open(cache.NewCase(storetest.Key(1), second, start.Add(50*time.Minute)))
	got, _ := c.Lookup(storetest.Key(1))
	if got.AlertID != first.ID || got.Repeats != 1 || !got.Last.Equal(start.Add(50*time.Minute)) || c.Len() != 1 {
		t.Errorf("the case is %+v", got)
	}
}

func TestBlockCountsFromTheNewestEscalation(t *testing.T) {
	c := newCases()
	a := between("10.0.0.1", "web")
	c.Open(cache.NewCase(storetest.Key(1), a, start))
	c.Join(storetest.Key(1), start.Add(30*time.Minute))
	c.Join(storetest.Key(1), start.Add(10*time.Minute)) // an older repeat that comes late
	for _, w := range []struct {
		after time.Duration
		want  bool
	}{
		{-2 * time.Hour, true}, {0, true}, {89 * time.Minute, true},
		{90*time.Minute - 1, true}, {90 * time.Minute, false}, {24 * time.Hour, false},
	} {
		if got := c.Blocked(a, start.Add(w.after)); got != w.want {
			t.Errorf("after %s: blocked %v, want %v", w.after, got, w.want)
		}
	}
}

func TestWhichPairsAreBlocked(t *testing.T) {
	type f = winnow.Fields
	for _, c := range []struct {
		name         string
		open, cached f
		want         bool
	}{
		{"same pair", f{"src": {"10.0.0.1"}, "dest": {"web"}}, f{"src": {"10.0.0.1"}, "dest": {"web"}}, true},
		{"other source", f{"src": {"10.0.0.1"}, "dest": {"web"}}, f{"src": {"10.0.0.2"}, "dest": {"web"}}, false},
		{"other destination", f{"src": {"10.0.0.1"}, "dest": {"web"}}, f{"src": {"10.0.0.1"}, "dest": {"mail"}}, false},
		{"turned around", f{"src": {"10.0.0.1"}, "dest": {"web"}}, f{"src": {"web"}, "dest": {"10.0.0.1"}}, false},
		{"src_ip is src", f{"src": {"10.0.0.1"}, "dest": {"web"}}, f{"src_ip": {"10.0.0.1"}, "dest_host": {"web"}}, true},
		{"one of several", f{"src": {"10.0.0.1", "10.0.0.2"}, "dest": {"web"}}, f{"src": {"10.0.0.2", "10.0.0.3"}, "dest": {"web"}}, true},
		{"written otherwise", f{"src": {"10.0.0.1"}, "dest": {"WEB.corp.example."}}, f{"src": {"::ffff:10.0.0.1"}, "dest": {" web.corp.example"}}, true},
		{"v6 written otherwise", f{"src": {"2001:DB8::1"}, "dest": {"web"}}, f{"src": {"2001:db8:0:0:0:0:0:1%eth0"}, "dest": {"web"}}, true},
		{"case without a source", f{"dest": {"web"}}, f{"src": {"10.0.0.9"}, "dest": {"web"}}, true},
		{"case without a source, other destination", f{"dest": {"web"}}, f{"src": {"10.0.0.9"}, "dest": {"mail"}}, false},
		{"alert without a destination", f{"src": {"10.0.0.1"}, "dest": {"web"}}, f{"src": {"10.0.0.1"}}, true},
		{"opposite ends missing", f{"src": {"10.0.0.1"}}, f{"dest": {"web"}}, false},
		{"neither has ends", f{"user": {"ann"}}, f{"user": {"bob"}}, true},
		{"case without ends", f{"user": {"ann"}}, f{"src": {"10.0.0.1"}, "dest": {"web"}}, false},
		{"alert without ends", f{"src": {"10.0.0.1"}, "dest": {"web"}}, f{"user": {"ann"}}, false},
		{"stuffed alert", f{"src": {"10.0.0.1"}, "dest": {"web"}}, f{"src": stuffed(), "dest": {"web"}}, true},
		{"stuffed case", f{"src": stuffed(), "dest": {"web"}}, f{"src": {"10.0.0.1"}, "dest": {"web"}}, true},
		{"stuffed case, other destination", f{"src": stuffed(), "dest": {"web"}}, f{"src": {"10.0.0.1"}, "dest": {"mail"}}, false},
	} {
		cases := newCases()
		cases.Open(cache.NewCase(storetest.Key(1), &winnow.Alert{ID: "a", Fields: c.open}, start))
		if got := cases.Blocked(&winnow.Alert{Fields: c.cached}, start); got != c.want {
			t.Errorf("%s: blocked %v, want %v", c.name, got, c.want)
		}
		cases.Close("a")
		if cases.Blocked(&winnow.Alert{Fields: c.cached}, start) {
			t.Errorf("%s: still blocked when the case is settled", c.name)
		}
	}
}

func stuffed() []string {
	var out []string
	for i := range 300 {
		out = append(out, fmt.Sprintf("203.0.113.%d", i))
	}
	return out
}

func TestFullSetForgetsTheOldestAndCountsIt(t *testing.T) {
	c := cache.NewCases(cache.CasesOptions{Block: time.Hour, Size: 2})
	for i, at := range []time.Duration{5, 1, 9} {
		c.Open(cache.NewCase(storetest.Key(i), between("10.0.0.1", fmt.Sprint(i)), start.Add(at*time.Minute)))
	}
	if _, ok := c.Lookup(storetest.Key(1)); ok || c.Len() != 2 || c.Forgotten() != 1 {
		t.Errorf("%d cases, %d forgotten; want the one with the oldest escalation gone", c.Len(), c.Forgotten())
	}
}

func TestCasesOutliveTheProcess(t *testing.T) {
	c := newCases()
	for i := range 5 {
		c.Open(cache.NewCase(storetest.Key(i), between("10.0.0.1", fmt.Sprint(i)), start.Add(time.Duration(5-i)*time.Minute)))
	}
	c.Join(storetest.Key(3), start.Add(20*time.Minute))
	saved, err := json.Marshal(c.Export())
	if err != nil {
		t.Fatal(err)
	}
	var read []cache.OpenCase
	if err := json.Unmarshal(saved, &read); err != nil {
		t.Fatal(err)
	}
	next := newCases()
	next.Import(read)
	next.Import(read)
	if d := cmp.Diff(c.Export(), next.Export()); d != "" {
		t.Errorf("cases differ after a restart (-before +after):\n%s", d)
	}
	if !slices.IsSortedFunc(read, func(a, b cache.OpenCase) int { return a.Opened.Compare(b.Opened) }) {
		t.Error("the export is not in order")
	}
	if !next.Blocked(between("10.0.0.1", "3"), start.Add(79*time.Minute)) {
		t.Error("the block is lost")
	}
}

// TestBlocksAgreeWithAPlainLoop runs opening, joining and settling at random, and compares each
// answer with one that looks at every open case.
func TestBlocksAgreeWithAPlainLoop(t *testing.T) {
	name := rapid.SampledFrom([]string{"", "a", "b", "c"})
	rapid.Check(t, func(t *rapid.T) {
		c := newCases()
		now := start
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(-40, 60).Draw(t, "minutes")) * time.Minute)
			a := between(name.Draw(t, "src"), name.Draw(t, "dest"))
			n := rapid.IntRange(0, 6).Draw(t, "n")
			switch rapid.SampledFrom([]string{"open", "join", "close", "ask"}).Draw(t, "do") {
			case "open":
				a.ID = fmt.Sprint(n)
				c.Open(cache.NewCase(storetest.Key(n), a, now))
			case "join":
				c.Join(storetest.Key(n), now)
			case "close":
				c.Close(fmt.Sprint(n))
			}
			if got, want := c.Blocked(a, now), plainBlocked(c.Export(), a, now); got != want {
				t.Fatalf("blocked %v, want %v: %+v at %s with %+v", got, want, a.Fields, now, c.Export())
			}
		}
	})
}

func plainBlocked(open []cache.OpenCase, a *winnow.Alert, now time.Time) bool {
	src, dest := cache.Sides(a)
	same := func(x, y cache.Side) bool { return len(x.Names) > 0 && cmp.Equal(x.Names, y.Names) }
	blank := func(x cache.Side) bool { return len(x.Names) == 0 }
	for _, o := range open {
		if now.Sub(o.Last) >= time.Hour {
			continue
		}
		srcOK, destOK := same(o.Src, src), same(o.Dest, dest)
		srcOpen, destOpen := blank(o.Src) || blank(src), blank(o.Dest) || blank(dest)
		none := blank(o.Src) && blank(src) && blank(o.Dest) && blank(dest)
		if none || srcOK && destOK || srcOK && destOpen || destOK && srcOpen {
			return true
		}
	}
	return false
}

func TestCasesAreSafeForConcurrentUse(t *testing.T) {
	c := cache.NewCases(cache.CasesOptions{Block: time.Hour, Size: 20})
	var wg sync.WaitGroup
	for g := range 4 {
		wg.Go(func() {
			for i := range 200 {
				a := between(fmt.Sprint(i%7), fmt.Sprint(g))
				a.ID = fmt.Sprint(g, i)
				c.Open(cache.NewCase(storetest.Key(i%30), a, start))
				c.Join(storetest.Key(i%30), start)
				c.Blocked(a, start)
				c.Close(a.ID)
				c.Export()
			}
		})
	}
	wg.Wait()
	if c.Len() > 20 {
		t.Errorf("%d cases, want at most 20", c.Len())
	}
}

func BenchmarkBlocked(b *testing.B) {
	c := newCases()
	for i := range 10_000 {
		c.Open(cache.NewCase(storetest.Key(i), between(fmt.Sprint("10.0.0.", i%200), fmt.Sprint("web", i)), start))
	}
	a := between("10.0.0.7", "web-other")
	b.ReportAllocs()
	for b.Loop() {
		c.Blocked(a, start)
	}
}

// A case that is opened counts from then on, on its pair; its repeats do not.
func TestOpenedSince(t *testing.T) {
	c := newCases()
	a := between("10.0.0.1", "web")
	before := c.Opened()
	c.Open(cache.NewCase(storetest.Key(1), a, start))
	after := c.Opened()
	c.Join(storetest.Key(1), start.Add(time.Minute))
	c.Open(cache.NewCase(storetest.Key(1), a, start.Add(time.Hour)))
	if !c.OpenedSince(a, before) || c.OpenedSince(a, after) {
		t.Error("a case does not count from its opening on, or a repeat counts")
	}
	if c.OpenedSince(between("10.0.0.2", "web"), before) {
		t.Error("a case between others counts")
	}
	c.Open(cache.NewCase(storetest.Key(2), a, start))
	if !c.OpenedSince(a, after) {
		t.Error("a second case on the pair does not count")
	}
	c.Close(a.ID)
}
