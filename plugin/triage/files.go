package triage

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// fileRow is a row of a file on its way.
type fileRow struct {
	row  Row
	done Admitted
	in   bool          // it is in the ledger
	work *work         // it is being asked about
	back chan struct{} // closed when the answer is there
}

// TriageFile takes rows to their outcomes in the order of the file, outside of the queue, and asks about
// [worker] concurrency of them at a time, outside of transactions. Outcomes are kept in order, so each row
// sees what came of those before it but for the few that are being asked about; rows of one group wait for
// its first. turn is called inside of a transaction with each row before it is looked at, and with nil
// before its outcome is kept: it sets the engine's clock.
//
// After an error some rows may be in the ledger without an outcome. Given again they are taken on.
func (e *Engine) TriageFile(ctx context.Context, rows []Row, turn func(i int, row *Row)) ([]Admitted, error) {
	f := &file{e: e, turn: turn, rows: make([]fileRow, len(rows))}
	for i := range rows {
		f.rows[i].row = rows[i]
	}
	var g errgroup.Group
	asking, cancel := context.WithCancelCause(ctx)
	err := f.run(asking, &g)
	cancel(err)
	_ = g.Wait() // failures stand in each work
	for _, i := range f.aloft {
		e.touchDown(f.rows[i].work)
	}
	if err != nil && ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	if err != nil {
		return nil, err
	}
	out := make([]Admitted, len(rows))
	for i := range f.rows {
		out[i] = f.rows[i].done
	}
	return out, nil
}

// file is a batch of rows.
type file struct {
	e     *Engine
	turn  func(i int, row *Row)
	rows  []fileRow
	next  int   // the first row that nobody has looked at
	aloft []int // rows that are being asked about, in order
}

func (f *file) run(ctx context.Context, g *errgroup.Group) error {
	for f.next < len(f.rows) || len(f.aloft) > 0 {
		before, first := f.next, len(f.aloft)
		var landed int
		var off []int
		err := f.e.Update(ctx, func(t *ledger.Tx) (err error) {
			if landed, err = f.land(ctx, t); err != nil {
				return err
			}
			off, err = f.begin(t, first-landed)
			return err
		})
		if err != nil {
			return err
		}
		f.aloft = append(f.aloft[landed:], off...)
		for _, i := range off {
			f.start(ctx, g, &f.rows[i])
		}
		if landed > 0 || f.next > before {
			continue
		}
		select {
		case <-f.rows[f.aloft[0]].back:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return nil
}

// land keeps the outcomes of the first rows in the air that have an answer, and returns how many.
func (f *file) land(ctx context.Context, t *ledger.Tx) (int, error) {
	for n, i := range f.aloft {
		r := &f.rows[i]
		select {
		case <-r.back:
		default:
			return n, nil
		}
		f.turn(i, nil)
		f.e.touchDown(r.work)
		if err := f.e.concludeFile(ctx, t, r.work); err != nil {
			return n, fmt.Errorf("row %d: %w", i+1, err)
		}
	}
	return len(f.aloft), nil
}

// begin looks at rows until one has to wait, or as many as may are in the air.
func (f *file) begin(t *ledger.Tx, aloft int) (off []int, err error) {
	limit := max(f.e.Settings.Worker.Concurrency, 1)
	for ; f.next < len(f.rows) && aloft+len(off) < limit; f.next++ {
		r := &f.rows[f.next]
		f.turn(f.next, &r.row)
		if !r.in {
			if r.done, err = f.admit(t, r.row); err != nil {
				return nil, err
			}
			r.in = true
		}
		if !r.done.Queued {
			continue
		}
		w, err := f.e.prepare(t, r.done.ID)
		if err != nil {
			return nil, err
		}
		switch {
		case w.settled:
		case w.waits:
			return off, nil
		default:
			f.e.takeOff(w, 0)
			r.work, r.back = w, make(chan struct{})
			off = append(off, f.next)
		}
	}
	return off, nil
}

// admit brings a row into the ledger, or takes on one that an earlier run left there without an outcome.
func (f *file) admit(t *ledger.Tx, row Row) (Admitted, error) {
	done, err := f.e.Admit(t, row)
	if err != nil || !done.Duplicate {
		return done, err
	}
	rec, err := t.Record(done.ID)
	done.Queued = err == nil && rec.Outcome.State == winnow.StateQueued
	return done, err
}

func (f *file) start(ctx context.Context, g *errgroup.Group, r *fileRow) {
	g.Go(func() error {
		defer close(r.back)
		r.work.ask(ctx)
		return nil
	})
}
