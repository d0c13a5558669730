package health

import (
	"cmp"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/disk"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/state"
)

// Source is where the worker's state is.
type Source struct {
	Deployment *state.Deployment
	Now        func() time.Time

	// Breakers says of each paid model whether it is left alone for a while; nil: there are none. Safe for
	// concurrent use.
	Breakers func() map[string]bool

	// Ledger is the worker's own: what it knows of the audit chain, and whether it is damaged. nil: there is
	// none.
	Ledger *ledger.Ledger

	// Awaited says of each sink that asks for receipts how many it waits for; nil: none does. Safe for
	// concurrent use.
	Awaited func() map[string]int

	// Budgets returns how the limits of money stand, which name their scopes in labels; nil: there are none.
	Budgets func(t *ledger.Tx, now time.Time) ([]ledger.BudgetState, error)

	// Reconciled returns until when everything that Splunk fired was compared; zero: not yet. nil: nobody
	// knows.
	Reconciled func(*ledger.Tx) (time.Time, error)

	// Ahead returns how far the clock is ahead of what is known while it is not believed, else 0. nil: nobody
	// knows.
	Ahead func(*ledger.Tx) (time.Duration, error)
}

// sampler looks at the state folder, at most every few seconds however often it is asked.
type sampler struct {
	Source

	mu     sync.Mutex
	at     time.Time
	last   *sample
	clocks clocks
}

// sample is the state folder at one moment. err has what could not be read.
type sample struct {
	err map[string]error // by ledger, spool, disk

	gauges      ledger.Gauges
	reconciled  time.Time
	ahead       time.Duration
	ledgerBytes int64
	ledgerFree  int64 // of those
	auditGaps   int
	awaited     map[string]int
	records     int
	spoolBytes  int64
	oldest      time.Time // zero: the spool is empty
	quarantined int
	free        int64
	heartbeat   time.Time // zero: none
	jumped      time.Duration
	open        map[string]bool
	budgets     []ledger.BudgetState
	minFree     int64
}

const (
	sampleFor = 5 * time.Second // how long a sample is good
	askFor    = 10 * time.Second
	mostFiles = 10_000 // whose sizes are added up
)

// sample returns how things are, or were a moment ago.
func (s *sampler) sample(ctx context.Context) *sample {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.Now()
	if s.last != nil && now.Sub(s.at).Abs() < sampleFor {
		return s.last
	}
	d := s.Deployment
	out := &sample{
		err: map[string]error{}, minFree: d.Settings.Gate.MinFree, jumped: s.clocks.look(now),
	}
	out.err["ledger"] = out.readLedger(ctx, &s.Source, now)
	out.err["spool"] = out.readSpool(d)
	out.free, out.err["disk"] = disk.Free(d.State)
	if info, err := os.Stat(d.Path("worker.alive")); err == nil {
		out.heartbeat = info.ModTime()
	}
	if s.Breakers != nil {
		out.open = s.Breakers()
	}
	if s.Awaited != nil {
		out.awaited = s.Awaited()
	}
	s.last, s.at = out, now
	return out
}

// readLedger reads what waits over a connection of its own, so that it holds nothing up.
func (x *sample) readLedger(ctx context.Context, s *Source, now time.Time) (err error) {
	d := s.Deployment
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	l, err := ledger.OpenReadOnly(ctx, d.Path("ledger.db"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	for _, name := range []string{"", "-wal"} {
		if info, err := os.Stat(d.Path("ledger.db") + name); err == nil {
			x.ledgerBytes += info.Size()
		}
	}
	if _, x.ledgerFree, err = l.Size(ctx); err != nil {
		return err
	}
	return l.View(ctx, func(t *ledger.Tx) (err error) {
		if x.gauges, err = t.Gauges(); err != nil {
			return err
		}
		if x.auditGaps, err = t.AuditGaps(); err == nil && s.Reconciled != nil {
			x.reconciled, err = s.Reconciled(t)
		}
		if err == nil && s.Ahead != nil {
			x.ahead, err = s.Ahead(t)
		}
		if err == nil && s.Budgets != nil {
			x.budgets, err = s.Budgets(t, now)
		}
		return err
	})
}

// readSpool counts the records, which are sorted by time.
func (x *sample) readSpool(d *state.Deployment) error {
	files, err := os.ReadDir(d.Path("spool"))
	if err != nil {
		return err
	}
	for _, f := range files {
		if !f.Type().IsRegular() || strings.HasPrefix(f.Name(), ".") {
			continue
		}
		if x.records++; x.records > mostFiles {
			continue
		}
		info, err := f.Info()
		if errors.Is(err, fs.ErrNotExist) {
			x.records--
			continue
		}
		if err != nil {
			return err
		}
		x.spoolBytes += info.Size()
		if x.oldest.IsZero() || info.ModTime().Before(x.oldest) {
			x.oldest = info.ModTime()
		}
	}
	bad, err := filepath.Glob(filepath.Join(d.Path("spool/bad"), "*"))
	x.quarantined = len(bad)
	return err
}

// clocks notices a clock that was set: then wall and monotonic time go apart.
type clocks struct{ first time.Time }

// look returns how far the clock was set since the last look.
func (c *clocks) look(now time.Time) time.Duration {
	if c.first.IsZero() {
		c.first = now
	}
	jumped := now.Round(0).Sub(c.first.Round(0)) - now.Sub(c.first)
	c.first = now
	return jumped
}

// live are the metrics that are looked up when they are asked for.
type live struct{ m *Metrics }

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc(name, help, labels, nil)
}

var (
	alertsHeld   = desc("winnow_alerts", "Alerts in the ledger.", "state", "source")
	queueAlerts  = desc("winnow_queue_alerts", "Alerts that wait for triage. Unknown severity counts as high.", "severity")
	queueOldest  = desc("winnow_queue_oldest_seconds", "Age of the oldest of them.", "severity")
	outboxWaits  = desc("winnow_outbox_deliveries", "Deliveries that a sink has not taken; failed: given up.", "sink", "state")
	outboxOldest = desc("winnow_outbox_oldest_seconds", "Age of the oldest alert that waits to be told of.", "sink")
	spoolFiles   = desc("winnow_spool_files", "Files in the spool.")
	spoolBytes   = desc("winnow_spool_bytes", "Their bytes; of the first 10,000.")
	spoolOldest  = desc("winnow_spool_oldest_seconds", "Age of the oldest; 0: the spool is empty.")
	spoolBad     = desc("winnow_spool_quarantined_files", "Damaged records that were set aside.")
	diskFree     = desc("winnow_disk_free_bytes", "Free bytes on the disk of the state folder.")
	diskLeast    = desc("winnow_disk_min_free_bytes", "[gate] min_free: below it the action stores nothing.")
	ledgerBytes  = desc("winnow_ledger_bytes", "Size of the ledger.")
	ledgerFree   = desc("winnow_ledger_free_bytes", "Bytes of it that are free within the file.")
	ledgerBad    = desc("winnow_ledger_damaged", "1 when the ledger's file was found damaged.")
	auditBroken  = desc("winnow_audit_broken", "1 while nothing can be audited, and so nothing closes.")
	auditEntries = desc("winnow_audit_entries", "Number of the last entry of the audit chain.")
	auditGaps    = desc("winnow_audit_gaps", "Alerts whose last record is not in the audit chain yet.")
	awaited      = desc("winnow_receipts_awaited", "Deliveries that were sent and are not known to have arrived.", "sink")
	heartbeatAge = desc("winnow_heartbeat_age_seconds", "Age of the worker's heartbeat, as the action sees it.")
	budgetLimit  = desc("winnow_budget_limit_dollars", "A limit, with what it is raised by; absent without one.", "scope", "name", "period")
	budgetLeft   = desc("winnow_budget_left_dollars", "What may still be booked; absent without a limit.", "scope", "name", "period")
	budgetSpent  = desc("winnow_budget_booked_dollars", "What is booked, UTC.", "scope", "name", "period")
	budgetRaised = desc("winnow_budget_raised_dollars", "By how much a limit is raised for a time; absent without one.", "scope", "name", "period")
	budgetSoon   = desc("winnow_budget_expected_dollars", "What will be booked when the period ends, at the present rate.", "scope", "name", "period")
	breakerOpen  = desc("winnow_model_breaker_open", "1 while a paid model is left alone because it does not answer.", "model")
	readable     = desc("winnow_state_readable", "1 when this part of the state folder could be read.", "part")
	reconciledAt = desc("winnow_reconciled_timestamp_seconds", "Everything that Splunk fired before was compared, Unix time.")
	clockJump    = desc("winnow_clock_jump_seconds", "How far the clock was set since it was last looked at.")
	clockAhead   = desc("winnow_clock_ahead_seconds", "How far the clock is ahead of what is known, while nothing is removed by age for that; else 0.")
)

var liveDescs = []*prometheus.Desc{
	alertsHeld, queueAlerts, queueOldest, outboxWaits, outboxOldest, spoolFiles, spoolBytes, spoolOldest, spoolBad, diskFree, diskLeast, ledgerBytes,
	ledgerFree, ledgerBad, auditBroken, auditEntries, auditGaps, awaited,
	heartbeatAge, budgetLimit, budgetLeft, budgetSpent, budgetRaised, budgetSoon, breakerOpen, readable, reconciledAt, clockJump,
	clockAhead,
}

// Describe sends every description.
func (l *live) Describe(out chan<- *prometheus.Desc) {
	for _, d := range liveDescs {
		out <- d
	}
}

// Collect sends what a sample says. Before the worker has a state there is nothing.
func (l *live) Collect(out chan<- prometheus.Metric) {
	s := l.m.source.Load()
	if s == nil {
		return
	}
	x := s.sample(context.Background())
	send := func(d *prometheus.Desc, v float64, labels ...string) {
		out <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	for part, err := range x.err {
		send(readable, flag(err == nil), part)
	}
	now := s.Now()
	if x.err["ledger"] == nil {
		x.sendLedger(send, now)
	}
	sendOwn(send, s.Ledger, x.err["ledger"])
	for sink, n := range x.awaited {
		send(awaited, float64(n), sink)
	}
	if x.err["spool"] == nil {
		send(spoolFiles, float64(x.records))
		send(spoolBytes, float64(x.spoolBytes))
		send(spoolOldest, age(now, x.oldest))
		send(spoolBad, float64(x.quarantined))
	}
	if x.err["disk"] == nil {
		send(diskFree, float64(x.free))
		send(diskLeast, float64(x.minFree))
	}
	if !x.heartbeat.IsZero() {
		send(heartbeatAge, age(now, x.heartbeat))
	}
	for model, open := range x.open {
		send(breakerOpen, flag(open), model)
	}
	send(clockJump, x.jumped.Seconds())
}

// sendOwn tells what the worker knows of its ledger, also when it could not be read just now.
func sendOwn(send func(*prometheus.Desc, float64, ...string), l *ledger.Ledger, failed error) {
	send(ledgerBad, flag(errors.Is(failed, ledger.ErrDamaged) || l != nil && l.Damaged()))
	if l != nil {
		send(auditBroken, flag(l.Unaudited() != nil))
		send(auditEntries, float64(l.AuditHead()))
	}
}

func (x *sample) sendLedger(send func(*prometheus.Desc, float64, ...string), now time.Time) {
	send(ledgerBytes, float64(x.ledgerBytes))
	send(ledgerFree, float64(x.ledgerFree))
	send(auditGaps, float64(x.auditGaps))
	send(clockAhead, x.ahead.Seconds())
	if !x.reconciled.IsZero() {
		send(reconciledAt, float64(x.reconciled.Unix()))
	}
	for _, a := range x.gauges.Alerts {
		send(alertsHeld, float64(a.Alerts), string(a.State), cmp.Or(string(a.Source), "none"))
	}
	for _, q := range x.gauges.Queue {
		severity := winnow.Severity(min(max(q.Priority, 0), int(winnow.SeverityCritical))).String() //nolint:gosec // bounded
		send(queueAlerts, float64(q.Alerts), severity)
		send(queueOldest, age(now, q.Oldest), severity)
	}
	for _, o := range x.gauges.Outbox {
		send(outboxWaits, float64(o.Waiting), o.Sink, choose(o.Failed, "failed", "waiting"))
		if !o.Failed && !o.Oldest.IsZero() {
			send(outboxOldest, age(now, o.Oldest), o.Sink)
		}
	}
	x.sendBudgets(send)
}

// mostBudgets bounds the series of limits: whoever sets more finds the rest with `winnow budget show`.
const mostBudgets = 200

func (x *sample) sendBudgets(send func(*prometheus.Desc, float64, ...string)) {
	usd := func(n winnow.NanoUSD) float64 { return float64(n) / 1e9 }
	names := newFirsts(mostBudgets)
	seen := map[[3]string]bool{}
	for i := range x.budgets {
		b := &x.budgets[i]
		name := ""
		if b.Name != "" {
			name = names.of(b.Name)
		}
		labels := [3]string{string(b.Kind), name, string(b.Period)}
		if name == other || seen[labels] { // a name that is too long may be cut to that of another
			continue
		}
		seen[labels] = true
		send(budgetSpent, usd(b.Booked), labels[:]...)
		send(budgetSoon, usd(b.Expected), labels[:]...)
		if b.Limit != nil {
			send(budgetLimit, usd(*b.Limit), labels[:]...)
			send(budgetLeft, usd(b.Left()), labels[:]...)
			send(budgetRaised, usd(b.Raised), labels[:]...)
		}
	}
}

// age is 0 for a time that is not there, or not yet.
func age(now, at time.Time) float64 {
	if at.IsZero() {
		return 0
	}
	return max(now.Sub(at).Seconds(), 0)
}

// Use has the metrics look at a state folder from now on.
func (m *Metrics) Use(s Source) { m.source.Store(&sampler{Source: s}) }
