package conf

import (
	"time"

	"github.com/winnow-soc/winnow"
)

// A key of a stanza and where its text goes. optional keys may be absent; all others are written
// in default/winnow.conf, and a stanza without one is an error, not a zero.
type key struct {
	name     string
	set      func(text string) error
	optional bool
}

func keyNames(keys []key) []string {
	names := make([]string, len(keys))
	for i, k := range keys {
		names[i] = k.name
	}
	return names
}

func (g *Gate) keys() []key {
	return []key{
		{name: "run", set: parsed(&g.Run, winnow.ParseRun)},
		{name: "place", set: parsed(&g.Place, winnow.ParsePlace)},
		{name: "off", set: boolean(&g.Off)},
		{name: "worker_grace", set: duration(&g.WorkerGrace, second, day)},
		{name: "start_worker", set: boolean(&g.StartWorker)},
		{name: "list_shrink", set: share(&g.ListShrink)},
		{name: "canary", set: share(&g.Canary)},
		{name: "shadow_sample", set: share(&g.ShadowSample)},
		{name: "deadline", set: duration(&g.Deadline, second, hour)},
		{name: "min_free", set: size(&g.MinFree)},
		{name: "large_results", set: size(&g.LargeResults)},
	}
}

func (p *Policy) keys() []key {
	return []key{
		{name: "confidence", set: integer(&p.Confidence, 0, 100)},
		{name: "trust_uncalibrated", set: boolean(&p.TrustUncalibrated)},
		{name: "require_fact", set: boolean(&p.RequireFact)},
		{name: "allow_prose", set: boolean(&p.AllowProse)},
		{name: "offline_max_severity", set: severity(&p.OfflineMaxSeverity)},
		{name: "max_severity", set: severity(&p.MaxSeverity)},
		{name: "high_risk_words", set: list(&p.HighRiskWords)},
		{name: "high_risk_assets", set: list(&p.HighRiskAssets)},
		{name: "high_risk_techniques", set: list(&p.HighRiskTechniques)},
		{name: "escalate_confidence", set: integer(&p.EscalateConfidence, 0, 100)},
		{name: "escalate_severity", set: severity(&p.EscalateSeverity)},
	}
}

func (c *Cache) keys() []key {
	return []key{
		{name: "ttl", set: duration(&c.TTL, second, 90*day)},
		{name: "model_ttl", set: duration(&c.ModelTTL, second, 90*day)},
		{name: "size", set: integer(&c.Size, 1, 100_000_000)},
		{name: "block", set: duration(&c.Block, 0, 30*day)},
	}
}

func (c *Content) keys() []key {
	return []key{
		{name: "apps", set: apps(&c.Apps)},
		{name: "require_signature", set: oneOf(&c.RequireSignature, SignOff, SignEnforce)},
		{name: "allowed_signers", set: anyText(&c.AllowedSigners)},
		{name: "revoked_keys", set: anyText(&c.RevokedKeys)},
	}
}

func (p *Pipeline) keys() []key {
	return []key{
		{name: "model", set: text(&p.Model)},
		{name: "coordinator", set: text(&p.Coordinator)},
		{name: "combine", set: boolean(&p.Combine)},
		{name: "panel_always", set: boolean(&p.PanelAlways)},
		{name: "panel_low", set: integer(&p.PanelLow, 0, 100)},
		{name: "panel_high", set: integer(&p.PanelHigh, 0, 100)},
	}
}

func (b *Budget) keys() []key {
	return []key{
		{name: "day", set: dollars(&b.Day)},
		{name: "month", set: dollars(&b.Month)},
		{name: "reserve_critical", set: share(&b.ReserveCritical)},
		{name: "reserve_high", set: share(&b.ReserveHigh)},
		{name: "search_share", set: share(&b.SearchShare)},
		{name: "when_spent", set: oneOf(&b.WhenSpent, SpentOffline, SpentSmaller, SpentGroup)},
		{name: "smaller", set: anyText(&b.Smaller)},
		{name: "warn_at", set: shares(&b.WarnAt)},
		{name: "awake", set: hours(&b.Awake)},
		{name: "awake_tz", set: zone(&b.AwakeTz)},
	}
}

func (t *Team) keys() []key {
	return []key{
		{name: "budget_day", set: dollars(&t.BudgetDay), optional: true},
		{name: "budget_month", set: dollars(&t.BudgetMonth), optional: true},
	}
}

func (s *Stage) keys() []key {
	return []key{
		{name: "model", set: text(&s.Model)},
		{name: "input_tokens", set: integer(&s.InputTokens, 0, 10_000_000)},
		{name: "output_tokens", set: integer(&s.OutputTokens, 0, 10_000_000)},
	}
}

func (a *Agent) keys() []key {
	return []key{
		{name: "brain", set: text(&a.Brain)},
		{name: "weight", set: number(&a.Weight, 0, 100)},
	}
}

func (t *Tools) keys() []key {
	return []key{
		{name: "enabled", set: list(&t.Enabled)},
		{name: "max_steps", set: integer(&t.MaxSteps, 0, 20)},
		{name: "max_tokens", set: integer(&t.MaxTokens, 0, 100_000)},
	}
}

func (v *Review) keys() []key {
	return []key{
		{name: "fact_ttl", set: duration(&v.FactTTL, 0, 10*365*day)},
		{name: "sample", set: share(&v.Sample)},
		{name: "sample_daily", set: integer(&v.SampleDaily, 0, 100_000)},
		{name: "listen", set: anAddress(&v.Listen)},
		{name: "cert_file", set: anyText(&v.CertFile)},
		{name: "key_file", set: anyText(&v.KeyFile)},
		{name: "viewers", set: list(&v.Viewers)},
		{name: "analysts", set: list(&v.Analysts)},
		{name: "approvers", set: list(&v.Approvers)},
		{name: "action_ttl", set: duration(&v.ActionTTL, time.Minute, 30*day)},
		{name: "two_approvers", set: actionKinds(&v.TwoApprovers)},
		{name: "never_act", set: list(&v.NeverAct)},
	}
}

func (q *Queue) keys() []key {
	return []key{
		{name: "retry_min", set: duration(&q.RetryMin, second, day)},
		{name: "retry_max", set: duration(&q.RetryMax, second, day)},
		{name: "wait_max", set: duration(&q.WaitMax, second, 7*day)},
		{name: "wait_max_high", set: duration(&q.WaitMaxHigh, second, 7*day)},
		{name: "reread_after", set: duration(&q.RereadAfter, second, day)},
		{name: "backlog_share", set: share(&q.BacklogShare)},
		{name: "visible_within_critical", set: duration(&q.VisibleWithinCritical, second, 30*day)},
		{name: "visible_within_high", set: duration(&q.VisibleWithinHigh, second, 30*day)},
		{name: "visible_within_medium", set: duration(&q.VisibleWithinMedium, second, 30*day)},
		{name: "visible_within_low", set: duration(&q.VisibleWithinLow, second, 30*day)},
		{name: "visible_within_informational", set: duration(&q.VisibleWithinInformational, second, 30*day)},
	}
}

func (w *Worker) keys() []key {
	return []key{
		{name: "poll", set: duration(&w.Poll, second, hour)},
		{name: "concurrency", set: integer(&w.Concurrency, 1, 256)},
		{name: "max_attempts", set: integer(&w.MaxAttempts, 1, 100)},
		{name: "lease", set: duration(&w.Lease, second, day)},
		{name: "drain", set: duration(&w.Drain, second, hour)},
		{name: "memory", set: size(&w.Memory)},
		{name: "listen", set: localAddress(&w.Listen)},
		{name: "log", set: oneOf(&w.Log, LogText, LogJSON)},
	}
}

func (s *Splunk) keys() []key {
	return []key{
		{name: "uri", set: anyText(&s.URI)},
		{name: "token_file", set: anyText(&s.TokenFile)},
		{name: "ca_file", set: anyText(&s.CAFile)},
		{name: "app", set: text(&s.App)},
		{name: "proxy", set: anyText(&s.Proxy)},
	}
}

func (r *Reconcile) keys() []key {
	return []key{
		{name: "enabled", set: boolean(&r.Enabled)},
		{name: "every", set: duration(&r.Every, 60*second, day)},
		{name: "lag", set: duration(&r.Lag, 60*second, day)},
		{name: "look_back", set: duration(&r.LookBack, hour, 30*day)},
		{name: "hosts", set: list(&r.Hosts)},
		{name: "labels", set: boolean(&r.Labels)},
	}
}

func (r *Retention) keys() []key {
	return []key{
		{name: "records", set: duration(&r.Records, day, 100*365*day)},
		{name: "dropped", set: duration(&r.Dropped, day, 100*365*day)},
		{name: "size", set: size(&r.Size)},
		{name: "quarantine", set: duration(&r.Quarantine, day, 100*365*day)},
		{name: "audit", set: duration(&r.Audit, day, 100*365*day)},
	}
}

func (r *Report) keys() []key {
	return []key{{name: "weekly", set: list(&r.Weekly)}}
}

func (s *Search) keys() []key {
	keys := []key{
		{name: "run", set: parsed(&s.Run, winnow.ParseRun)},
		{name: "place", set: parsed(&s.Place, winnow.ParsePlace)},
		{name: "severity", set: severity(&s.Severity)},
		{name: "raw", set: boolean(&s.Raw)},
		{name: "visible_within", set: duration(&s.VisibleWithin, second, 30*day)},
		{name: "budget_day", set: dollars(&s.BudgetDay)},
		{name: "budget_month", set: dollars(&s.BudgetMonth)},
	}
	keys = append(keys, s.Policy.keys()...)
	for i := range keys {
		keys[i].optional = true
	}
	return keys
}
