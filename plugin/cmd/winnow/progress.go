package main

import (
	"path/filepath"
	"time"

	"github.com/schollz/progressbar/v3"
)

// bar shows how far long work has come. A nil bar shows nothing.
type bar struct{ *progressbar.ProgressBar }

// startBar shows progress for input that takes a while, to people.
func (g *globals) startBar(name string, size int64) *bar {
	if g.quiet || size < 1<<20 && size >= 0 && filepath.Ext(name) != ".gz" || !terminal(g.err) {
		return nil
	}
	return &bar{progressbar.NewOptions64(size, progressbar.OptionSetWriter(g.err), progressbar.OptionSetDescription(filepath.Base(name)),
		progressbar.OptionShowBytes(true), progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())}
}

// startCount shows how many of a known number of things are done.
func (g *globals) startCount(name string, n int) *bar {
	if g.quiet || n < 10_000 || !terminal(g.err) {
		return nil
	}
	return &bar{progressbar.NewOptions64(int64(n), progressbar.OptionSetWriter(g.err), progressbar.OptionSetDescription(name),
		progressbar.OptionShowCount(), progressbar.OptionSetWidth(30), progressbar.OptionThrottle(100*time.Millisecond),
		progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish())}
}

func (b *bar) set(done int64) {
	if b != nil {
		_ = b.Set64(done)
	}
}

func (b *bar) clear() {
	if b != nil {
		_ = b.Clear()
	}
}
