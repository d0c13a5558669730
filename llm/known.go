package llm

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
)

// Knowledge looks up what is known here of the values of an alert: assets, accounts, value lists,
// feeds, earlier alerts. It asks nobody outside. What cannot be read is not known. Safe for
// concurrent use.
type Knowledge interface {
	Look(ctx context.Context, c *Case) []Known
}

// Known is one thing known locally of a value of the alert.
type Known struct {
	Source string            // one of the sources below
	Field  string            // the alert's field that the value is in
	Value  string            // the value, or the part of it, that is known
	Data   map[string]string // what is known of it; keys depend on the source
}

// The sources of what is known.
const (
	KnownAsset       = "asset"        // the inventory of hosts: owner, priority, category, bunit
	KnownIdentity    = "identity"     // the inventory of accounts: the same, and watchlist
	KnownList        = "list"         // a value list that holds the value
	KnownExploited   = "kev"          // a vulnerability that is known to be exploited
	KnownThreat      = "threat_intel" // a feed that calls the value malicious
	KnownWarninglist = "warninglist"  // a list of values that feeds often call malicious by mistake
	KnownVerdicts    = "verdicts"     // what was decided on alerts with the value
)

// Base is what code says of an alert before anybody is asked. A language model may raise it, and
// cannot lower it.
type Base struct {
	Severity    int // 1 to 5
	Asset       string
	Owner       string
	Sensitivity Sensitivity
}

// Limits of what is taken from Knowledge, so that no table fills a prompt.
const (
	maxKnown      = 40
	maxKnownData  = 12
	maxKnownRunes = 300
)

// know asks the local look-ups, and reads what they say as it reads the alert: feeds and tables are
// worded by others too.
func (r *run) know(ctx context.Context) {
	r.c.Past = r.in.Past
	var known []Known
	if r.p.o.Knowledge != nil {
		known = r.p.o.Knowledge.Look(ctx, &r.c)
	}
	r.c.Known = tidy(append(known, knownPast(r.in.Past)...))
	r.c.Taint = union(r.c.Taint, scanKnown(r.c.Known))
	r.c.Base = base(&r.c)
	if r.p.o.Correlate.Source() == winnow.SourceModel || r.combined() {
		r.c.Candidates = r.p.o.Catalogue.Candidates(r.in.Alert)
	}
}

// tidy bounds what was found and makes every text of it one line.
func tidy(known []Known) []Known {
	if len(known) == 0 {
		return nil
	}
	out := slices.Clone(known[:min(len(known), maxKnown)])
	for i := range out {
		data := make(map[string]string, len(out[i].Data))
		for _, key := range slices.Sorted(maps.Keys(out[i].Data)) {
			if v := out[i].Data[key]; v != "" && len(data) < maxKnownData {
				data[key] = clip(v, maxKnownRunes)
			}
		}
		out[i].Data = data
	}
	return out
}

// scanKnown looks for injected text in what was found.
func scanKnown(known []Known) []string {
	fields := winnow.Fields{}
	for _, k := range known {
		for _, key := range slices.Sorted(maps.Keys(k.Data)) {
			fields.Add("known_"+k.Source, k.Data[key])
		}
	}
	if len(fields) == 0 {
		return nil
	}
	taint, cut := Scan(&winnow.Alert{Fields: fields}, nil)
	for _, field := range cut {
		taint = append(taint, "unread:"+field)
	}
	return taint
}

// base computes what no language model can lower: from the alert's own severity, raised by what is
// dear and by what is known to be bad. An unknown severity counts as medium.
func base(c *Case) Base {
	b := Base{Severity: int(c.Alert.Severity), Sensitivity: SensitivityUnknown}
	if c.Alert.Severity == winnow.SeverityUnknown {
		b.Severity = int(winnow.SeverityMedium)
	}
	own := b.Severity
	for _, k := range c.Known {
		switch k.Source {
		case KnownAsset:
			b.Asset, b.Owner = first(b.Asset, k.Value), first(b.Owner, k.Data["owner"])
			b.Sensitivity = b.Sensitivity.max(sensitivityOf(k.Data["priority"]))
		case KnownIdentity:
			b.Owner = first(b.Owner, k.Data["name"])
			b.Sensitivity = b.Sensitivity.max(sensitivityOf(k.Data["priority"]))
			if k.Data["watchlist"] == "true" {
				b.Severity = max(b.Severity, int(winnow.SeverityMedium))
			}
		case KnownThreat:
			b.Severity = max(b.Severity, int(winnow.SeverityMedium))
		case KnownExploited:
			b.Severity = max(b.Severity, int(winnow.SeverityMedium))
			if strings.EqualFold(k.Data["ransomware"], "known") {
				b.Severity = max(b.Severity, int(winnow.SeverityHigh))
			}
		}
	}
	for _, field := range []string{"priority", "dest_priority", "src_priority", "user_priority"} {
		for _, v := range c.Alert.Fields[field] {
			b.Sensitivity = b.Sensitivity.max(sensitivityOf(v)) // it can only raise, so nobody has to be trusted
		}
	}
	if b.Sensitivity == SensitivityCritical && own > 1 {
		b.Severity = max(b.Severity, own+1)
	}
	b.Severity = min(b.Severity, int(winnow.SeverityCritical))
	return b
}

func first(a, b string) string {
	if a != "" {
		return a
	}
	return clip(b, maxNameRunes)
}

// lift holds an enrichment to the base. Offline analysts read the alert's own severity as they see
// fit (what they may close is held against it all the same), and are lifted by what is known only.
func (r *run) lift(m Model) {
	e, b := &r.c.Enrichment, r.c.Base
	inventory := func(k Known) bool { return k.Source != KnownVerdicts && k.Source != KnownList }
	if m.Source() != winnow.SourceModel && !slices.ContainsFunc(r.c.Known, inventory) {
		return
	}
	e.Severity = max(e.Severity, b.Severity)
	e.Sensitivity = e.Sensitivity.max(b.Sensitivity)
	if b.Asset != "" {
		e.Asset = b.Asset
	}
	if b.Owner != "" {
		e.Owner = b.Owner
	}
}

var sensitivities = []Sensitivity{SensitivityUnknown, SensitivityLow, SensitivityMedium, SensitivityHigh, SensitivityCritical}

// max returns the higher of two; what is none of the five counts as unknown.
func (s Sensitivity) max(t Sensitivity) Sensitivity {
	return sensitivities[max(slices.Index(sensitivities, s), slices.Index(sensitivities, t), 0)]
}

// sensitivityOf reads a priority of Enterprise Security's asset and identity tables.
func sensitivityOf(priority string) Sensitivity {
	switch p := strings.ToLower(strings.TrimSpace(priority)); p {
	case "critical", "high", "medium", "low":
		return Sensitivity(p)
	case "informational":
		return SensitivityLow
	}
	return SensitivityUnknown
}

// Past is what was decided on alerts with one entity in the 30 days before: the newest of them, and
// counts over no more than those that were looked at.
type Past struct {
	Field, Value string
	Trusted      bool // an attacker cannot choose the value
	Looked       int  // alerts that were looked at
	Counts       []PastCount
	Recent       []PastAlert // newest first
}

// PastCount counts outcomes of one kind.
type PastCount struct {
	Disposition winnow.Disposition
	Source      winnow.Source // whose verdict it was
	State       winnow.State
	Alerts      int
}

// PastAlert is one earlier alert.
type PastAlert struct {
	ID          string
	Search      string
	Received    time.Time
	Severity    winnow.Severity
	State       winnow.State
	Disposition winnow.Disposition
	Source      winnow.Source
}

// knownPast says in short what was decided on alerts with the same entities. It is no fact of guard
// G2: what was benign before need not be so now.
func knownPast(past []Past) []Known {
	var out []Known
	for _, p := range past {
		if p.Looked == 0 {
			continue
		}
		data := map[string]string{"alerts_30d": strconv.Itoa(p.Looked), "set_by_attacker": strconv.FormatBool(!p.Trusted)}
		for _, n := range p.Counts {
			data[fmt.Sprintf("%s_by_%s_%s", n.Disposition, cmp.Or(string(n.Source), "nobody"), n.State)] = strconv.Itoa(n.Alerts)
		}
		out = append(out, Known{Source: KnownVerdicts, Field: p.Field, Value: p.Value, Data: data})
	}
	return out
}
