// Package health says how the worker fares: whether it lives, whether it is ready, and, as Prometheus
// metrics, what it does. [Metrics] counts what the worker tells it, looks at the state folder when it is
// asked ([Source]), and is read over a socket ([Serve], [Ask]).
//
// Labels are bounded: states, reasons, closers, sinks and models that the configuration names, and the
// first searches that come by. No label and no answer has text of an alert.
package health

import (
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"github.com/winnow-soc/winnow"
)

// Metrics are all metrics of one worker process. It is a triage.Meter. Safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	own      []prometheus.Collector // without those of the Go runtime and the process

	source atomic.Pointer[sampler]
	beat   atomic.Int64 // nanoseconds since 1970; 0: never

	reason func(error) string // why a delivery failed, in a word of a closed list

	outcomes, searches, deliveries, tries, looked, imported *prometheus.CounterVec
	attempts, tokens, dollars, reloads, late, otherWays     *prometheus.CounterVec
	refused, budgetTold                                     *prometheus.CounterVec
	unpriced, tierless                                      prometheus.Counter
	turns                                                   *prometheus.HistogramVec
	turned, aloft, waiting, remembered                      prometheus.Gauge
	rules, errors, broken, goodSince, run, gateOff, mode    prometheus.Gauge
	lists, suspended                                        *prometheus.GaugeVec
	names                                                   *firsts
}

// New returns metrics that have counted nothing. reason gives the word for why a delivery failed, of a
// closed list; nil is one word for all.
func New(version string, reason func(error) string) *Metrics {
	if reason == nil {
		reason = func(error) string { return "failed" }
	}
	m := &Metrics{registry: prometheus.NewRegistry(), reason: reason, names: newFirsts(mostSearches)}
	m.counters()
	m.gauges()
	m.turns = register(m, prometheus.NewHistogramVec(prometheus.HistogramOpts{
		Name: "winnow_turn_seconds", Help: "How long turns of the worker took.",
		Buckets: []float64{.001, .005, .02, .1, .5, 2, 10, 30, 60, 120, 300},
	}, []string{"result"}))
	m.zeros()
	info := m.gauge("winnow_build_info", "Always 1; what runs.", "version", "goversion")
	info.WithLabelValues(version, runtime.Version()).Set(1)
	m.own = append(m.own, &live{m})
	m.registry.MustRegister(&live{m})
	m.registry.MustRegister(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

// zeros begins the series that alarms look at with 0: of one that begins with 1, Prometheus does not see
// that it has grown.
func (m *Metrics) zeros() {
	for _, cause := range []string{"analyst", "ledger", "model", "panic"} {
		m.tries.WithLabelValues(cause)
	}
	for _, what := range []string{"configuration", "content"} {
		m.reloads.WithLabelValues(what)
	}
	for _, result := range []string{"damaged", "whole"} {
		m.imported.WithLabelValues(result)
	}
	for _, result := range []string{"failed", "ok"} {
		m.turns.WithLabelValues(result)
	}
	for _, did := range []string{"notables", "comments", "would_comment", "visible_already", "no_sink_for_them"} {
		for _, why := range []winnow.Reason{winnow.ReasonNoModel, winnow.ReasonTryFailed, winnow.ReasonStaleHeartbeat, winnow.ReasonQueued} {
			m.late.WithLabelValues(did, string(why))
		}
	}
	for _, warning := range []string{"50%", "80%", "95%", "forecast"} {
		for _, period := range []string{"day", "month"} {
			m.budgetTold.WithLabelValues("total", period, warning)
		}
	}
	for _, state := range []winnow.State{winnow.StateEscalated, winnow.StateLeft} { // left: in shadow
		m.outcomes.WithLabelValues(string(state), string(winnow.ReasonGaveUp), "winnow")
		m.outcomes.WithLabelValues(string(state), string(winnow.ReasonNeverTriaged), string(winnow.SourceOffline))
	}
}

func (m *Metrics) counters() {
	m.outcomes = m.counter("winnow_outcomes_total", "Outcomes that were kept, also that an alert was queued.", "state", "reason", "closer")
	m.searches = m.counter("winnow_search_outcomes_total", "The same by search.", "search", "state")
	m.deliveries = m.counter("winnow_deliveries_total", "Tries to deliver.", "sink", "result")
	m.otherWays = m.counter("winnow_deliveries_other_way_total", "Deliveries that a sink gave up and another took on.", "sink", "other")
	m.late = m.counter("winnow_late_alerts_total", "Alerts that were not settled in the time of their severity.", "did", "reason")
	m.tries = m.counter("winnow_triage_failures_total", "Tries to judge an alert that failed.", "cause")
	m.looked = m.counter("winnow_cache_lookups_total", "Look-ups of remembered verdicts.", "result")
	m.imported = m.counter("winnow_spool_records_total", "Records of the spool that were taken over.", "result")
	m.attempts = m.counter("winnow_model_attempts_total", "Attempts of calls to paid models.", "model", "kind", "outcome")
	m.tokens = m.counter("winnow_model_tokens_total", "Tokens that were billed; cached and cache_write are parts of input.", "model", "kind", "type")
	m.dollars = m.counter("winnow_model_dollars_total", "Dollars that were booked for attempts that have ended.", "model", "kind", "tier")
	m.unpriced = m.counter("winnow_model_unpriced_total", "Attempts of models without a price.").WithLabelValues()
	m.refused = m.counter("winnow_budget_refusals_total", "Calls that were not made because there is no money.", "scope", "limit", "severity")
	m.budgetTold = m.counter("winnow_budget_warnings_total", "Warnings that much of a limit is booked, or that it will not last.", "scope", "period", "warning")
	m.tierless = m.counter("winnow_model_unknown_tier_total", "Attempts at a service tier that no price list knows: booked as the dearest that is known.").WithLabelValues()
	m.reloads = m.counter("winnow_reload_failures_total", "Changes that could not be taken up, once for each edit.", "what")
}

func (m *Metrics) gauges() {
	one := func(name, help string) prometheus.Gauge { return m.gauge(name, help).WithLabelValues() }
	m.turned = one("winnow_last_turn_timestamp_seconds", "When the last turn ended, Unix time.")
	m.aloft = one("winnow_alerts_aloft", "Alerts that are being asked about.")
	m.waiting = one("winnow_alerts_held", "Alerts that wait for those, or for room.")
	m.remembered = one("winnow_cache_entries", "Verdicts that are remembered.")
	m.rules = one("winnow_rules", "Rules in force.")
	m.errors = one("winnow_content_errors", "What is wrong with rules, lists and approvals.")
	m.broken = one("winnow_rules_broken", "1 while rule files are broken.")
	m.goodSince = one("winnow_rules_good_timestamp_seconds", "When the rules in force were read from good files, Unix time; 0: not since the start.")
	m.run = one("winnow_run", "How much winnow may change: 0 shadow, 1 assist, 2 enforce.")
	m.gateOff = one("winnow_gate_off", "1 while every alert passes.")
	m.mode = one("winnow_mode_on", "1 while a mode is on.")
	m.lists = m.gauge("winnow_lists", "Value lists.", "state")
	m.suspended = m.gauge("winnow_suspensions", "What is out of force.", "kind")
}

// register keeps a collector of winnow's own.
func register[C prometheus.Collector](m *Metrics, c C) C {
	m.own = append(m.own, c)
	m.registry.MustRegister(c)
	return c
}

func (m *Metrics) counter(name, help string, labels ...string) *prometheus.CounterVec {
	return register(m, prometheus.NewCounterVec(prometheus.CounterOpts{Name: name, Help: help}, labels))
}

func (m *Metrics) gauge(name, help string, labels ...string) *prometheus.GaugeVec {
	return register(m, prometheus.NewGaugeVec(prometheus.GaugeOpts{Name: name, Help: help}, labels))
}

// Beat notes that the worker did something.
func (m *Metrics) Beat(at time.Time) { m.beat.Store(at.UnixNano()) }

// Turned counts a turn.
func (m *Metrics) Turned(at time.Time, took time.Duration, failed bool) {
	result := "ok"
	if failed {
		result = "failed"
	}
	m.turns.WithLabelValues(result).Observe(max(took.Seconds(), 0))
	m.turned.Set(float64(at.UnixMilli()) / 1e3)
}

// Holds shows what the worker has in hand.
func (m *Metrics) Holds(aloft, waiting, remembered int) {
	m.aloft.Set(float64(aloft))
	m.waiting.Set(float64(waiting))
	m.remembered.Set(float64(remembered))
}

// Imported counts a record of the spool.
func (m *Metrics) Imported(damaged bool) {
	m.imported.WithLabelValues(choose(damaged, "damaged", "whole")).Inc()
}

// Settled counts an outcome.
func (m *Metrics) Settled(search string, state winnow.State, reason winnow.Reason, actor string) {
	word, _, _ := strings.Cut(string(reason), ":") // what follows a colon names a rule, a list or a cause
	closer, _, _ := strings.Cut(actor, ":")        // and here a rule, a model or a person
	m.outcomes.WithLabelValues(string(state), word, closer).Inc()
	m.searches.WithLabelValues(m.names.of(search), string(state)).Inc()
}

// Tried counts a failed try.
func (m *Metrics) Tried(cause string) { m.tries.WithLabelValues(cause).Inc() }

// Looked counts a look-up.
func (m *Metrics) Looked(found bool) { m.looked.WithLabelValues(choose(found, "hit", "miss")).Inc() }

// Delivered counts a try to deliver.
func (m *Metrics) Delivered(sink string, err error, last bool) {
	result := "delivered"
	if err != nil {
		result = m.reason(err)
		if last {
			result = "given_up"
		}
	}
	m.deliveries.WithLabelValues(sink, result).Inc()
}

// WentOtherWay counts a delivery that goes out through another sink.
func (m *Metrics) WentOtherWay(sink, other string) { m.otherWays.WithLabelValues(sink, other).Inc() }

// Late counts an alert that was not settled in time.
func (m *Metrics) Late(did string, why winnow.Reason) { m.late.WithLabelValues(did, string(why)).Inc() }

// BudgetTold counts a warning.
func (m *Metrics) BudgetTold(scope, period, warning string) {
	m.budgetTold.WithLabelValues(scope, period, warning).Inc()
}

// Refused counts a call that was not made for want of money: the kind of what is limited, and which limit it is.
func (m *Metrics) Refused(scope, limit string, severity winnow.Severity) {
	m.refused.WithLabelValues(scope, limit, severity.String()).Inc()
}

// Attempt is an attempt of a call to a paid model that has ended.
type Attempt struct {
	Model, Kind, Outcome              string // [model:NAME], stage, and what the books say of it
	Input, Cached, CacheWrite, Output int64  // tokens

	Tier     string // service tier, as price lists name it; "" when nobody said
	Booked   winnow.NanoUSD
	Unpriced bool
	Tierless bool // nobody knows what the tier costs
}

// Attempted counts an attempt.
func (m *Metrics) Attempted(a Attempt) {
	m.attempts.WithLabelValues(a.Model, a.Kind, a.Outcome).Inc()
	for kind, n := range map[string]int64{"input": a.Input, "cached": a.Cached, "cache_write": a.CacheWrite, "output": a.Output} {
		m.tokens.WithLabelValues(a.Model, a.Kind, kind).Add(float64(max(n, 0)))
	}
	m.dollars.WithLabelValues(a.Model, a.Kind, tierOf(a.Tier)).Add(float64(max(a.Booked, 0)) / 1e9)
	if a.Unpriced {
		m.unpriced.Inc()
	}
	if a.Tierless {
		m.tierless.Inc()
	}
}

// tierOf bounds what answers call their service tier.
func tierOf(tier string) string {
	switch {
	case tier == "":
		return "unsaid"
	case slices.Contains([]string{"default", "batch", "flex", "priority"}, tier):
		return tier
	}
	return "other"
}

// Content is what the worker decides by.
type Content struct {
	Rules, Errors   int
	Lists, BadLists int
	Rule, Verdicts  int  // that are out of force
	Broken          bool // rule files cannot be read in full
	GateOff, Mode   bool
	Run             winnow.Run
	At              time.Time
}

// Loaded shows the rules and lists that are in force from now on, and counts an edit that is broken.
func (m *Metrics) Loaded(c Content) {
	m.rules.Set(float64(c.Rules))
	m.errors.Set(float64(c.Errors))
	m.broken.Set(flag(c.Broken))
	if c.Errors > 0 {
		m.ReloadFailed("content")
	}
	if !c.Broken {
		m.goodSince.Set(float64(c.At.UnixMilli()) / 1e3)
	}
	m.lists.WithLabelValues("good").Set(float64(c.Lists))
	m.lists.WithLabelValues("bad").Set(float64(c.BadLists))
	m.suspended.WithLabelValues("rule").Set(float64(c.Rule))
	m.suspended.WithLabelValues("verdict").Set(float64(c.Verdicts))
	m.run.Set(float64(c.Run))
	m.gateOff.Set(flag(c.GateOff))
	m.mode.Set(flag(c.Mode))
}

// ReloadFailed counts a change of the configuration or the content that could not be taken up.
func (m *Metrics) ReloadFailed(what string) { m.reloads.WithLabelValues(what).Inc() }

func flag(on bool) float64 {
	if on {
		return 1
	}
	return 0
}

func choose(is bool, yes, no string) string {
	if is {
		return yes
	}
	return no
}
