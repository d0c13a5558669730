package main

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"
)

// result is what one engine did with one rule set.
type result struct {
	size      int
	engine    string
	perSecond float64 // alerts a second of processor time, on one core
	memory    float64 // MB on the heap after the first alerts
	load      float64 // seconds of processor time
	alerts    int     // how many different alerts were asked about, from the first on
	cut       bool    // not all, because the time was over
	answers   [][]int32
}

// runner is an engine at work.
type runner struct {
	engine
	result

	asked int
	took  time.Duration
}

const (
	rounds = 8 // in which the engines take turns
	least  = 4 // alerts that are asked about in a round even when the time is over
)

// measure runs the engines on the same rules and alerts. They take turns, so that what else the
// machine does strikes all of them alike. box is the processor time of each engine; one that is
// through all alerts goes round again.
func measure(kinds []kind, w *world, alerts []row, box time.Duration, say func(string)) ([]result, error) {
	runners, err := start(kinds, w, alerts, box/4, say)
	if err != nil {
		return nil, err
	}
	for n := range rounds {
		say(fmt.Sprintf("round %d of %d", n+1, rounds))
		for _, r := range runners {
			if err := r.turn(box / rounds); err != nil {
				return nil, fmt.Errorf("%s: %w", r.result.engine, err)
			}
		}
	}
	results := make([]result, len(runners))
	for i, r := range runners {
		r.perSecond = float64(r.asked) / r.took.Seconds()
		r.alerts = min(r.asked, len(alerts))
		r.cut = r.alerts < len(alerts)
		results[i] = r.result
	}
	return results, nil
}

// start loads the engines, and has each of them answer for a while before anything is measured.
func start(kinds []kind, w *world, alerts []row, warm time.Duration, say func(string)) ([]*runner, error) {
	runners := make([]*runner, len(kinds))
	for i, k := range kinds {
		runners[i] = &runner{engine: k.make(), result: result{size: len(w.rules), engine: k.name, answers: make([][]int32, len(alerts))}}
		if err := runners[i].prepare(alerts); err != nil {
			return nil, fmt.Errorf("%s: %w", k.name, err)
		}
	}
	for _, r := range runners {
		say("load " + r.result.engine)
		before, began := heap(), cpuTime()
		if err := r.engine.load(w); err != nil {
			return nil, fmt.Errorf("%s: load: %w", r.result.engine, err)
		}
		r.result.load = (cpuTime() - began).Seconds()
		if err := r.turn(warm); err != nil {
			return nil, fmt.Errorf("%s: %w", r.result.engine, err)
		}
		r.asked, r.took = 0, 0
		r.memory = max(0, heap()-before) / 1e6
	}
	return runners, nil
}

// heap is the number of bytes in use.
func heap() float64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return float64(m.HeapAlloc)
}

// turn asks about one alert after the other until the time is over. The clock is looked at often
// enough for the slow and seldom enough not to count for the fast.
func (r *runner) turn(box time.Duration) error {
	began, took := cpuTime(), time.Duration(0)
	var buf []int32
	var err error
	for n, step, next := 1, 1, 1; ; n++ {
		at := r.asked % len(r.answers)
		if buf, err = r.match(at, buf[:0]); err != nil {
			return fmt.Errorf("alert %d: %w", at, err)
		}
		if r.asked < len(r.answers) {
			r.answers[at] = append(r.answers[at][:0], buf...)
		}
		r.asked++
		if n < next {
			continue
		}
		last := took
		took = cpuTime() - began
		if took >= box && n >= least {
			r.took += took
			return nil
		}
		if took-last < 5*time.Millisecond {
			step *= 2
		}
		next += step
	}
}

// compare holds the answers of every engine against those of the first, for the alerts that both
// were asked about.
func compare(w *world, alerts []row, results []result) error {
	first := results[0]
	for _, other := range results[1:] {
		for i := range min(first.alerts, other.alerts) {
			slices.Sort(first.answers[i])
			slices.Sort(other.answers[i])
			if !slices.Equal(first.answers[i], other.answers[i]) {
				return &mismatch{w, alerts[i], first, other, i}
			}
		}
	}
	return nil
}

// mismatch is an alert for which two engines find different rules.
type mismatch struct {
	world    *world
	alert    row
	one, two result
	index    int
}

func (m *mismatch) Error() string {
	a, b := m.one.answers[m.index], m.two.answers[m.index]
	var text strings.Builder
	_, _ = fmt.Fprintf(&text, "%d rules: %s and %s differ on alert %d (search %q, fields %q)",
		m.one.size, m.one.engine, m.two.engine, m.index, m.alert.search, m.alert.fields)
	for _, side := range []struct {
		name       string
		have, lack []int32
	}{{m.one.engine, a, b}, {m.two.engine, b, a}} {
		for _, i := range side.have {
			if !slices.Contains(side.lack, i) {
				r := m.world.rules[i]
				_, _ = fmt.Fprintf(&text, "\n  only %s: %s (search %q): %s\n    expr: %s", side.name, r.id, r.search, winnowText(r.when), exprText(r))
			}
		}
	}
	return text.String()
}
