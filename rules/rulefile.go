package rules

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"go.yaml.in/yaml/v3"
)

// ruleKeys are the keys of a rule, in the order in which people write them.
var ruleKeys = []string{
	"id", "description", "owner", "reason", "ticket", "expires", "search_name", "global", "when",
	"compare_fields", "mode", "max_severity", "window", "canary", "tests",
}

// ruleReader reads the rules of one file. A rule with an error is left out; the others stay.
type ruleReader struct {
	*document
	opts Options
	seen map[string]Position // ids read so far, in all files
}

func (r *ruleReader) read() []*Rule {
	root, ok := r.parse()
	if !ok {
		return nil
	}
	pairs, ok := r.mapping(root, "a rule file", []string{"rules"})
	if !ok || len(pairs) == 0 {
		return nil
	}
	items, ok := r.sequence(pairs[0].value, "rules")
	if !ok {
		return nil
	}
	var out []*Rule
	for _, n := range items {
		if rule := r.rule(n); rule != nil {
			out = append(out, rule)
		}
	}
	r.document.rule = ""
	return out
}

// rule reads one rule, or returns nil when anything is wrong with it.
func (r *ruleReader) rule(n *yaml.Node) *Rule {
	r.document.rule = ""
	before := len(r.errs)
	pairs, ok := r.mapping(n, "a rule", ruleKeys)
	if !ok && pairs == nil {
		return nil
	}
	out := &Rule{
		Mode: ModeShadow, MaxSeverity: winnow.SeverityMedium, Canary: -1,
		Pos: Position{File: r.file, Line: n.Line, Column: n.Column},
	}
	r.readID(n, pairs, out)
	for _, e := range r.errs[before:] {
		e.Rule = out.ID
	}
	for _, p := range pairs {
		r.key(p, out)
	}
	r.required(n, pairs)
	r.readTests(pairs, out)
	r.readWhen(pairs, out)
	if len(r.errs) > before {
		return nil
	}
	r.seen[out.ID] = out.Pos
	return out
}

func find(pairs []pair, key string) *pair {
	i := slices.IndexFunc(pairs, func(p pair) bool { return p.key.Value == key })
	if i < 0 {
		return nil
	}
	return &pairs[i]
}

func (r *ruleReader) readID(n *yaml.Node, pairs []pair, out *Rule) {
	p := find(pairs, "id")
	if p == nil {
		return
	}
	id, ok := r.text(*p)
	if !ok {
		return
	}
	if !isKebab(id) {
		r.fail(p.value, "use small letters, digits and -", "bad id %q", clip(id))
		return
	}
	out.ID, r.document.rule = id, id
	if first, twice := r.seen[id]; twice {
		r.fail(p.value, "the first is at "+first.String(), "the id is taken")
	}
}

// isKebab reports whether an id is made of small letters and digits joined by -.
func isKebab(id string) bool {
	if len(id) > 100 {
		return false
	}
	for part := range strings.SplitSeq(id, "-") {
		if part == "" {
			return false
		}
		for i := range len(part) {
			if c := part[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') {
				return false
			}
		}
	}
	return true
}

// key reads one key. Tests and condition come later: they need the others.
func (r *ruleReader) key(p pair, out *Rule) {
	switch p.key.Value {
	case "description":
		out.Description, _ = r.text(p)
	case "owner":
		out.Owner, _ = r.text(p)
	case "reason":
		out.Reason, _ = r.text(p)
	case "ticket":
		out.Ticket, _ = r.text(p)
	case "expires":
		out.Expires = r.expires(p)
	case "search_name":
		out.Searches = r.searches(p)
	case "global":
		out.Global, _ = r.flag(p)
	case "mode":
		out.Mode = r.mode(p)
	case "max_severity":
		out.MaxSeverity = r.ceiling(p)
	case "window":
		out.Window = r.window(p)
	case "canary":
		out.Canary = r.canary(p)
	}
}

func (r *ruleReader) required(n *yaml.Node, pairs []pair) {
	for _, key := range []string{"id", "owner", "reason", "expires", "when", "tests"} {
		p := find(pairs, key)
		if p == nil {
			r.fail(n, "", "%s is missing", key)
		} else if p.value.Kind == yaml.ScalarNode && strings.TrimSpace(p.value.Value) == "" && p.value.Tag != "!!null" {
			r.fail(p.value, "", "%s is empty", key)
		}
	}
	scope, global := find(pairs, "search_name"), find(pairs, "global")
	everywhere := global != nil && global.value.Value == "true"
	switch {
	case scope == nil && !everywhere:
		r.fail(n, "name the searches in search_name, or say global: true", "the rule has no scope")
	case scope != nil && everywhere:
		r.fail(global.key, "keep one", "the rule has both search_name and global: true")
	}
}

func (r *ruleReader) searches(p pair) []string {
	names, ok := r.texts(p)
	if ok && len(names) == 0 {
		r.fail(p.value, "", "search_name is empty")
	}
	for _, name := range names {
		if strings.TrimSpace(name) == "" {
			r.fail(p.value, "", "search_name holds an empty name")
		}
		if strings.Trim(name, "*?") == "" && name != "" {
			r.fail(p.value, "say global: true", "search_name %q stands for every search", name)
		}
	}
	return names
}

// expires reads the last day on which the rule holds.
func (r *ruleReader) expires(p pair) time.Time {
	text, ok := r.text(p)
	if !ok {
		return time.Time{}
	}
	day, err := time.Parse(time.DateOnly, text)
	if err != nil {
		r.fail(p.value, "", "expires is %q, want a day like 2027-03-31", clip(text))
		return time.Time{}
	}
	end := day.AddDate(0, 0, 1)
	if latest := r.opts.Now.UTC().AddDate(1, 0, 0); day.After(latest) {
		r.fail(p.value, "", "expires is more than a year ahead (the latest is %s)", latest.Format(time.DateOnly))
	}
	return end
}

func (r *ruleReader) mode(p pair) Mode {
	text, ok := r.text(p)
	if !ok {
		return ModeShadow
	}
	switch m := Mode(text); m {
	case ModeEnforce, ModeShadow:
		return m
	}
	r.fail(p.value, didYouMean(nearest(text, slices.Values([]string{"enforce", "shadow"}))), "unknown mode %q, want enforce or shadow", clip(text))
	return ModeShadow
}

// ceiling reads max_severity. What lies above medium needs two approvers, and approvals do not
// exist yet: such a rule is refused.
func (r *ruleReader) ceiling(p pair) winnow.Severity {
	text, ok := r.text(p)
	if !ok {
		return winnow.SeverityUnknown
	}
	var s winnow.Severity
	if err := s.UnmarshalText([]byte(text)); err != nil || s == winnow.SeverityUnknown {
		r.fail(p.value, "", "max_severity is %q, want informational, low or medium", clip(text))
		return winnow.SeverityUnknown
	}
	if s > winnow.SeverityMedium {
		r.fail(p.value, "use medium or lower", "max_severity %s needs two approvers, and rules cannot be approved yet", s)
		return winnow.SeverityUnknown
	}
	return s
}

func (r *ruleReader) canary(p pair) float64 {
	text, ok := r.text(p)
	if !ok {
		return -1
	}
	share, err := parseShare(text)
	if err != nil {
		r.fail(p.value, "", "canary is %q: %v", clip(text), err)
	}
	return share
}

// parseShare reads "1%" or "0.5 %".
func parseShare(text string) (float64, error) {
	number, ok := strings.CutSuffix(strings.TrimSpace(text), "%")
	if !ok {
		return -1, errors.New("want a share like 1%")
	}
	v, ok := plainDecimal(strings.TrimSpace(number))
	if !ok || v < 0 || v > 100 {
		return -1, errors.New("want a share from 0% to 100%")
	}
	return v / 100, nil
}

func (r *ruleReader) window(p pair) *Window {
	before := len(r.errs)
	pairs, _ := r.mapping(p.value, "a window", []string{"days", "from", "to", "tz"})
	w := &Window{Days: [7]bool{true, true, true, true, true, true, true}, Zone: time.UTC}
	for _, kp := range pairs {
		if err := r.windowKey(kp, w); err != nil {
			r.fail(kp.value, "", "window: %v", err)
		}
	}
	for _, key := range []string{"from", "to"} {
		if find(pairs, key) == nil {
			r.fail(p.value, "", "window: %s is missing", key)
		}
	}
	if len(r.errs) > before {
		return nil
	}
	if w.From == w.To {
		r.fail(p.value, `write from: "00:00", to: "24:00" for the whole day`, "window: from and to are the same")
		return nil
	}
	return w
}

func (r *ruleReader) windowKey(p pair, w *Window) (err error) {
	texts, ok := r.texts(p)
	if !ok || p.key.Value != "days" && len(texts) != 1 {
		return fmt.Errorf("%s must be one text", p.key.Value)
	}
	switch p.key.Value {
	case "days":
		w.Days, err = parseDays(texts)
	case "from":
		if w.From, err = parseClock(texts[0]); w.From == 24*60 {
			err = errors.New(`from is 24:00, write "00:00" and the next day`)
		}
	case "to":
		w.To, err = parseClock(texts[0])
	case "tz":
		w.Zone, err = loadZone(texts[0])
	}
	return err
}

func loadZone(name string) (*time.Location, error) {
	if name == "" || name == "Local" {
		return nil, errors.New("tz must name a zone like Europe/Berlin")
	}
	zone, err := time.LoadLocation(name)
	if err != nil {
		return nil, fmt.Errorf("unknown tz %s", strconv.Quote(clip(name)))
	}
	return zone, nil
}

// readWhen reads the condition. The names that the rule's tests set are known to it.
func (r *ruleReader) readWhen(pairs []pair, out *Rule) {
	p := find(pairs, "when")
	if p == nil {
		return
	}
	text, ok := r.text(*p)
	if !ok || strings.TrimSpace(text) == "" {
		return
	}
	v := vocabulary{fields: r.opts.Fields, lists: r.opts.Lists, tested: testedFields(out.Tests)}
	if cf := find(pairs, "compare_fields"); cf != nil {
		v.compareFields, _ = r.flag(*cf)
	}
	out.When = text
	out.cond = r.condition(p.value, text, v)
}

// condition parses a condition, or adds its error at its place.
func (d *document) condition(n *yaml.Node, text string, v vocabulary) *condition {
	c, err := parseCondition(text, v)
	if err == nil {
		return c
	}
	var ce *condError
	if !errors.As(err, &ce) {
		d.fail(n, "", "%v", err)
		return nil
	}
	if ce.hint == "" && strings.Contains(ce.msg, "ends too early") && strings.Contains(n.LineComment, "#") {
		ce.hint = "YAML takes what follows # as a comment: quote the condition"
	}
	line, column := d.locate(n, ce.at)
	d.failAt(line, column, ce.hint, ce.msg)
	return nil
}
