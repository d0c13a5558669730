package intake

import (
	"bytes"
	"errors"
	"sync"

	"github.com/winnow-soc/winnow"
)

// How many lines, and bytes of them, go to a goroutine at once.
const (
	aheadLines = 256
	aheadBytes = 256 << 10
)

// aheadLine is one line, and what it holds if that is one object.
type aheadLine struct {
	number int
	text   []byte
	fields winnow.Fields
	err    error
	list   bool // several rows: taken apart by the caller
	damage bool // err says why the line itself could not be read
}

// aheadBatch are lines that one goroutine takes apart. end is why none follow.
type aheadBatch struct {
	lines []aheadLine
	bytes int
	end   error
	done  chan struct{}
}

// linesAhead is lines with the costly part, taking JSON apart, in other goroutines: one reads, some
// take apart, and the caller's makes alerts of the rows in their order. None of them is left when
// it returns, because the source is closed then.
func (rd *reader) linesAhead() error {
	if err := rd.src.settle(); err != nil {
		return err
	}
	work, order := make(chan *aheadBatch, rd.opts.Parallel), make(chan *aheadBatch, 2*rd.opts.Parallel)
	quit := make(chan struct{})
	var all sync.WaitGroup
	all.Go(func() {
		defer close(order)
		defer close(work)
		rd.readAhead(work, order, quit)
	})
	for range rd.opts.Parallel {
		all.Go(func() {
			for b := range work {
				b.takeApart()
				close(b.done)
			}
		})
	}
	err := rd.inOrder(order)
	close(quit)
	all.Wait()
	return err
}

// readAhead cuts the input into batches until it ends or the caller has enough.
func (rd *reader) readAhead(work, order chan<- *aheadBatch, quit <-chan struct{}) {
	lr := lineReader{r: rd.src.Reader}
	for {
		b := &aheadBatch{done: make(chan struct{})}
		for b.end == nil && len(b.lines) < aheadLines && b.bytes < aheadBytes {
			b.add(&lr)
		}
		select {
		case order <- b:
			work <- b // its goroutines run until this channel is closed
		case <-quit:
			return
		}
		if b.end != nil {
			return
		}
	}
}

func (b *aheadBatch) add(lr *lineReader) {
	text, err := lr.next()
	switch {
	case errors.Is(err, errTooLong):
		b.lines = append(b.lines, aheadLine{number: lr.line, text: bytes.Clone(text), err: err, damage: true})
	case err != nil:
		b.end = err
	default:
		if text = bytes.TrimSpace(text); len(text) > 0 {
			b.lines = append(b.lines, aheadLine{number: lr.line, text: bytes.Clone(text)})
		}
	}
	b.bytes += len(text)
}

func (b *aheadBatch) takeApart() {
	for i := range b.lines {
		switch l := &b.lines[i]; {
		case l.damage:
		case holdsList(l.text):
			l.list = true
		default:
			l.fields, l.err = winnow.Flatten(l.text)
		}
	}
}

// inOrder makes alerts of the lines, as the caller's own goroutine would have.
func (rd *reader) inOrder(order <-chan *aheadBatch) error {
	for b := range order {
		<-b.done
		for i := range b.lines {
			if err := rd.ahead(&b.lines[i]); err != nil || rd.stopped {
				return err
			}
		}
		if b.end != nil {
			return endOf(b.end)
		}
	}
	return nil
}

func (rd *reader) ahead(l *aheadLine) error {
	switch {
	case l.damage:
		return rd.damaged(l.number, l.text, l.err, "")
	case l.list:
		return rd.lineOf(l.number, l.text)
	}
	return rd.flat(l.number, l.text, l.fields, l.err)
}
