package main

import (
	"context"
	"runtime"

	"golang.org/x/sync/errgroup"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/triage"
)

// earlyCourse is what a setting makes of an alert; ok is false where no analyst decided.
type earlyCourse struct {
	course triage.Course
	ok     bool
}

// prefetch makes the decision of analysts again under all settings at once: each has an engine of its own. The
// ledger is read before.
func (w *whatIf) prefetch(ctx context.Context, c *past) error {
	if c.was.Way == report.WayRule || c.was.Way == report.WayCache || c.was.Way == report.WayRepeats {
		return nil
	}
	type job struct {
		s    *setting
		one  *triage.Past
		came earlyCourse
	}
	var jobs []*job
	for _, s := range append([]*setting{w.present}, w.others...) {
		if s != w.present && !s.analyses() && s.asks == w.present.asks || s == w.present && c.course != nil {
			continue
		}
		one, err := s.engine.Past(w.t, c.o.Record.ID)
		if err != nil {
			return err
		}
		jobs = append(jobs, &job{s: s, one: one})
	}
	if len(jobs) == 0 || len(jobs) == 1 && jobs[0].s == w.present {
		return nil
	}
	tasks, each := errgroup.WithContext(ctx)
	tasks.SetLimit(runtime.GOMAXPROCS(0))
	for _, j := range jobs {
		tasks.Go(func() (err error) {
			j.came.course, j.came.ok, err = w.onward(each, j.s, c, j.one)
			return err
		})
	}
	err := tasks.Wait()
	c.early = map[*setting]earlyCourse{}
	for _, j := range jobs {
		c.early[j.s] = j.came
	}
	return err
}

// again makes the decision of analysts again. ok is false where none of them decided.
func (w *whatIf) again(ctx context.Context, s *setting, c *past) (course triage.Course, ok bool, err error) {
	if e, known := c.early[s]; known {
		return e.course, e.ok, nil
	}
	one, err := s.engine.Past(w.t, c.o.Record.ID)
	if err != nil {
		return course, false, err
	}
	return w.onward(ctx, s, c, one)
}

// onward decides what was read of the past. Safe for concurrent use by different settings.
func (w *whatIf) onward(ctx context.Context, s *setting, c *past, one *triage.Past) (course triage.Course, ok bool, err error) {
	if _, skip := one.Skipped(); skip {
		return course, false, nil
	}
	if c.o.Bare {
		return triage.Course{Unknown: triage.UnknownFields}, true, nil
	}
	calls := one.Calls()
	switch {
	case s.asks && !w.present.asks && len(calls) == 0:
		return w.newlyAsked(ctx, s, one)
	case !s.asks:
		course, err = s.engine.Course(ctx, one, s.pipeline)
	default:
		if !w.answers(s, calls) {
			return triage.Course{Unknown: unknownAnother}, true, nil
		}
		course, err = s.engine.Course(ctx, one, s.pipeline.Recorded(calls, w.offline))
	}
	return course, true, err
}

// newlyAsked decides an alert that only the built-in analysts saw, where a language model would be asked now.
func (w *whatIf) newlyAsked(ctx context.Context, s *setting, one *triage.Past) (triage.Course, bool, error) {
	free := s.pipeline
	if first := free.First(); first != nil {
		free = first
	}
	course, err := s.engine.Course(ctx, one, free)
	if err == nil && course.State != winnow.StateClosed {
		course.Unknown = triage.UnknownModel
	}
	return course, true, err
}

// answers reports whether whoever answered then may still answer: recorded words of a language model are not
// those of the built-in analysts.
func (w *whatIf) answers(s *setting, calls []llm.Call) bool {
	for i := range calls {
		c := ledger.Call{Task: string(calls[i].Task), Agent: calls[i].Agent}
		now, then := s.stageModel(&c), w.present.stageModel(&c)
		if calls[i].Source == winnow.SourceModel && now != then && s.d.Settings.Models[now].Provider == conf.ProviderOffline {
			return false
		}
	}
	return true
}
