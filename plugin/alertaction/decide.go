package alertaction

import (
	"errors"
	"io"
	"runtime"
	"sync"
	"time"

	"github.com/winnow-soc/winnow"
)

// decider decides rows. Each goroutine has its own.
type decider struct {
	gate     Gate
	firing   *Firing
	now      func() time.Time
	deadline time.Time

	// wants says whether a decided alert is needed after: the action then writes its notable.
	wants func(row int, p winnow.Proposal) bool

	scratch scratch
}

func (d *decider) clone() *decider {
	c := *d
	c.gate = d.gate.Clone()
	c.scratch = scratch{columns: d.scratch.columns}
	return &c
}

// decided is a row with its decision: what goes into the spool, and the alert when it is wanted.
type decided struct {
	decision
	alert *winnow.Alert
	audit *auditRow
}

// batch decides the rows of a batch. After the deadline nothing is asked any more.
func (d *decider) batch(b *Batch, out []decided) []decided {
	arena := b.arena()
	late := d.now().After(d.deadline)
	for i := range b.Len() {
		out = append(out, d.row(b.Row(i), arena, late))
	}
	return out
}

func (d *decider) row(r Row, arena string, late bool) decided {
	a := d.firing.Alert(r.Number, d.scratch.read(r, arena))
	out := d.alert(a, r.Number, r.Odd != 0, late)
	out.sum = r.Sum()
	if out.alert != nil {
		a.Warnings = append(a.Warnings, r.Odd.Warnings()...)
		d.scratch.taken()
	}
	return out
}

// alert asks the gate. A row that could not be read as the search wrote it is never dropped.
func (d *decider) alert(a *winnow.Alert, row int, odd, late bool) decided {
	p := winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonUndecided}
	if !late {
		p = d.gate.Propose(a)
	}
	if odd && p.Kind != winnow.ProposeEscalate {
		p = winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonResultsUnread, RuleSet: p.RuleSet}
	}
	out := decided{decision: decision{proposal: p}, audit: d.firing.auditRow(row, a.Fields)}
	if d.wants(row, p) {
		out.alert = a
	}
	return out
}

// job is a batch on its way through a worker.
type job struct {
	batch Batch
	out   []decided
	done  chan struct{}
}

// decideAll decides all rows of the results, several batches at a time, and hands them to take
// in order. An error of take ends it early. Memory is that of the few batches on their way.
func (d *decider) decideAll(results *Results, take func(first int, rows []decided) error) (reading, error) {
	p := pool{decider: d, take: take}
	defer p.stop()
	for {
		j, err := p.free()
		if err != nil {
			return p.got, err
		}
		readErr := results.Fill(&j.batch)
		p.got.rows += j.batch.Len()
		if j.batch.Len() > 0 {
			p.put(j)
		}
		if readErr != nil {
			if !errors.Is(readErr, io.EOF) {
				p.got.err = readErr
			}
			return p.got, p.drain()
		}
	}
}

// pool keeps a few jobs going. The caller reads and takes; workers, started with the second batch,
// decide: one batch alone is decided where it is.
type pool struct {
	decider *decider
	take    func(first int, rows []decided) error
	got     reading

	jobs    []*job // on their way, oldest first
	idle    []*job
	work    chan *job
	workers sync.WaitGroup
}

const jobsPerWorker = 2

func workers() int { return min(max(runtime.GOMAXPROCS(0), 2), 4) }

// free returns a job to fill. When enough are on their way, it first takes the oldest.
func (p *pool) free() (*job, error) {
	if len(p.jobs) > workers()*jobsPerWorker {
		if err := p.collect(); err != nil {
			return nil, err
		}
	}
	if n := len(p.idle); n > 0 {
		j := p.idle[n-1]
		p.idle = p.idle[:n-1]
		return j, nil
	}
	return &job{done: make(chan struct{}, 1)}, nil
}

func (p *pool) put(j *job) {
	p.jobs = append(p.jobs, j)
	if len(p.jobs) == 1 && p.work == nil {
		return // perhaps the only one
	}
	if p.work == nil {
		p.start()
		p.work <- p.jobs[0]
	}
	p.work <- j
}

func (p *pool) start() {
	p.work = make(chan *job, workers()*jobsPerWorker+2)
	for range workers() {
		d := p.decider.clone()
		p.workers.Go(func() {
			for j := range p.work {
				j.out = d.batch(&j.batch, j.out[:0])
				j.done <- struct{}{}
			}
		})
	}
}

// collect waits for the oldest job and hands its rows on.
func (p *pool) collect() error {
	j := p.jobs[0]
	p.jobs = p.jobs[1:]
	if p.work == nil {
		j.out = p.decider.batch(&j.batch, j.out[:0])
	} else {
		<-j.done
	}
	err := p.take(j.batch.First, j.out)
	clear(j.out)
	p.idle = append(p.idle, j)
	return err
}

func (p *pool) drain() error {
	for len(p.jobs) > 0 {
		if err := p.collect(); err != nil {
			return err
		}
	}
	return nil
}

// stop ends the workers.
func (p *pool) stop() {
	if p.work != nil {
		close(p.work)
		p.workers.Wait()
	}
}
