package main

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/winnow-soc/winnow/packaging/demo"
)

// demoLive fires the day at its own pace, only faster, while it is watched. A person who quits ends it: what was
// fired until then is worked off.
func (g *globals) demoLive(ctx context.Context, s *stage, day []demo.Dispatch, f demoFlags) error {
	stopWorker, err := s.startWorker(ctx)
	if err != nil {
		return err
	}
	stop := sync.OnceValue(stopWorker)
	watched := *g
	watched.app, watched.state, watched.content, watched.set = s.app(), s.state(), "", nil
	d, err := watched.open()
	if err != nil {
		return errors.Join(err, stop())
	}
	onScreen := watched.screened(watchFlags{})
	firing, quit := context.WithCancel(ctx)
	defer quit()
	watching, over := context.WithCancel(ctx)
	defer over()
	var group errgroup.Group
	group.Go(func() error {
		err := s.firePaced(firing, day, f.over, g.now)
		if firing.Err() != nil {
			err = nil // a person has quit
		}
		if err != nil || !onScreen { // a screen stays until a person quits
			err = errors.Join(err, stop(), s.workOff(ctx))
			over()
		}
		return err
	})
	note := fmt.Sprintf("made-up day, seed %d, in %s", f.seed, f.over)
	err = watched.watch(watching, d, watchFlags{}, note)
	quit()
	err = errors.Join(err, group.Wait())
	if onScreen {
		err = errors.Join(err, stop(), s.workOff(ctx))
	}
	return err
}

// firePaced fires every dispatch when its time has come, if the day took so long.
func (s *stage) firePaced(ctx context.Context, day []demo.Dispatch, over time.Duration, now func() time.Time) error {
	if len(day) == 0 {
		return nil
	}
	began, first := now(), day[0].At
	span := max(day[len(day)-1].At.Sub(first), time.Second)
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(splunkThreads)
	for _, d := range day {
		due := began.Add(time.Duration(float64(d.At.Sub(first)) / float64(span) * float64(over)))
		select {
		case <-ctx.Done():
			return errors.Join(context.Cause(ctx), group.Wait())
		case <-time.After(due.Sub(now())):
		}
		group.Go(func() error { return s.fireOne(ctx, d) })
	}
	return group.Wait()
}

// workOff runs the worker until nothing waits.
func (s *stage) workOff(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, demoTimeout, errors.New("the demo took more than "+demoTimeout.String()))
	defer cancel()
	return runLogged(s.exec(ctx, "winnow", "worker", "--once"), s.workerLog())
}
