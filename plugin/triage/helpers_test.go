package triage

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/allowlist"
	"github.com/winnow-soc/winnow/cache"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
	"github.com/winnow-soc/winnow/plugin/state"
)

// start is when tests begin.
var start = time.Date(2026, 3, 2, 10, 0, 0, 0, time.UTC)

const (
	egress   = "198.51.100.4" // in the list vpn_egress: a benign fact for Impossible Travel
	stranger = "203.0.113.66"
	travel   = "Impossible Travel"
	travelID = "vpn-egress-travel"
)

const testRules = `rules:
  - id: vpn-egress-travel
    description: Sign-ins through the VPN look like travel
    owner: detection@corp.example
    reason: VPN egress addresses are geolocated wrongly
    expires: 2026-12-31
    search_name: [Impossible Travel]
    when: cidr(event.src, lists.vpn_egress) && event.user == "ann"
    mode: enforce
    tests:
      - {name: through the VPN, alert: {src: 198.51.100.4, user: ann}, want: drop}
      - {name: from elsewhere, alert: {src: 203.0.113.9, user: ann}, want: pass}
`

// rig is an engine on a real ledger, with the shipped configuration in enforce, one rule, and a
// model that the test scripts.
type rig struct {
	t      testing.TB
	at     time.Time
	home   string
	state  *state.Deployment
	keys   *winnow.Keys
	facts  *llm.Facts
	ledger *ledger.Ledger
	model  *script
	engine *Engine
	broken Analyst // asked in place of the model when not nil
	models bool    // the model is a language model
	free   Analyst
	reads  Notables
	books  *Books // where the model's calls are booked; nil books none, as TriageNow needs
	sinks  []conf.Sink

	records    int // spool records written
	generation cache.Generation
}

func newRig(t testing.TB, set ...string) *rig {
	t.Helper()
	r := &rig{t: t, at: start, home: t.TempDir(), model: &script{}, generation: cache.NewGeneration([]byte("test"))}
	content := filepath.Join(r.home, "content")
	r.write("content/rules/test.yaml", testRules)
	r.write("content/lists/vpn_egress.csv", "address\n198.51.100.4\n198.51.100.5\n")
	set = append([]string{"gate.run=enforce", "gate.canary=0%", "review.sample=0%", "policy.trust_uncalibrated=1", "sink:responses.disabled=1"}, set...)
	d, err := state.Open(state.Locations{
		App: filepath.Join("..", "..", "packaging", "app"), State: filepath.Join(r.home, "state"),
		Content: content, Set: set, Getenv: func(string) string { return "" },
	})
	r.ok(err)
	r.ok(d.Init())
	r.state = d
	r.keys, err = d.Keys()
	r.ok(err)
	r.facts, err = llm.LoadFacts(d.FactsPaths()...)
	r.ok(err)
	r.sinks = d.Settings.EnabledSinks()
	r.open()
	t.Cleanup(func() { _ = r.ledger.Close() })
	return r
}

// open opens ledger and engine, as a worker that starts.
func (r *rig) open() {
	r.t.Helper()
	var err error
	r.ledger, err = ledger.Open(r.t.Context(), r.state.Path("ledger.db"))
	r.ok(err)
	r.engine, err = New(r.t.Context(), Options{
		Ledger: r.ledger, Gate: r.gate(), Analyst: r, Facts: r.facts, Settings: r.state.Settings, Fields: r.state.Fields,
		Keys: r.keys, Now: func() time.Time { return r.at }, Sinks: r.sinks, Generation: r.generation,
		Paid: r.models, Free: r.free, Notables: r.reads,
		Suspend: func(s *allowlist.Suspensions) error {
			return state.WriteFile(r.state.Path("suspensions.json"), s.Encode())
		},
	})
	r.ok(err)
	r.engine.UseGate(r.engine.Gate)
}

// newPaidRig is a rig whose model is a language model.
func newPaidRig(t testing.TB, set ...string) *rig {
	t.Helper()
	r := newRig(t, set...)
	r.models, r.engine.Paid = true, true
	return r
}

// restart is a worker that dies and comes back.
func (r *rig) restart() {
	r.t.Helper()
	r.ok(r.ledger.Close())
	r.open()
}

func (r *rig) gate() *allowlist.Gate {
	r.t.Helper()
	g, err := allowlist.Open(allowlist.Config{
		RulePaths: r.state.RulePaths(), ListPaths: r.state.ListPaths(), EscalatePaths: r.state.EscalatePaths(),
		GoodLists: r.state.Path("lists.good.json"), Suspensions: r.state.Path("suspensions.json"),
		Fields: r.state.Fields, Keys: r.keys, ListShrink: 0.5, Canary: r.state.Settings.Gate.Canary, Now: r.at,
	})
	r.ok(err)
	return g
}

// Analyse is the engine's analyst: the pipeline of package llm over the scripted model.
func (r *rig) Analyse(ctx context.Context, in llm.Input) (llm.Analysis, error) {
	if r.broken != nil {
		return r.broken.Analyse(ctx, in)
	}
	an, err := r.model.pipeline(r.t, r.facts, r.state.Default("attack.csv")).Analyse(ctx, in)
	for _, c := range an.Calls {
		if r.books != nil {
			r.book(ctx, in.Alert.ID, c)
		}
	}
	return an, err
}

// book does what a caller of models does for each attempt.
func (r *rig) book(ctx context.Context, id string, c llm.Call) {
	n, err := r.books.Reserve(ctx, llm.Charge{AlertID: id, Task: c.Task, Agent: c.Agent, Model: c.Model, Attempt: 1, Reserve: 2 * c.Usage.Price})
	if err == nil {
		err = r.books.Settle(ctx, n, llm.Settlement{
			State: llm.Settled, Reason: "ok", Price: c.Usage.Price, InputTokens: c.Usage.InputTokens, OutputTokens: c.Usage.OutputTokens,
		})
	}
	if err != nil {
		r.t.Error(err)
	}
}

// paid lets the model cost money. Alerts have to go through the worker then.
func (r *rig) paid() *rig {
	r.books = &Books{Ledger: r.ledger, Now: func() time.Time { return r.at }}
	return r
}

type analystFunc func(llm.Input) (llm.Analysis, error)

func (f analystFunc) Analyse(_ context.Context, in llm.Input) (llm.Analysis, error) { return f(in) }

var errNoAnswer = errors.New("no answer")

func noAnswer(llm.Input) (llm.Analysis, error) { return llm.Analysis{}, errNoAnswer }

// alert is an alert that everything speaks for closing, changed by pairs of field and value.
func (r *rig) alert(rid string, pairs ...string) winnow.Alert {
	a := winnow.Alert{
		Key: winnow.Key{Host: "sh1", SID: "scheduler_1", RID: rid}, SearchName: travel, App: "search", Owner: "ann",
		Severity: winnow.SeverityLow, Time: r.at, Received: r.at,
		Fields: winnow.Fields{"src": {egress}, "user": {"bob"}, "dest": {"vpn.corp.example"}},
	}
	for i := 0; i+1 < len(pairs); i += 2 {
		delete(a.Fields, pairs[i])
		a.Fields.Add(pairs[i], pairs[i+1])
	}
	return a
}

var (
	passes = winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonNoRule}
	drops  = winnow.Proposal{Kind: winnow.ProposeDrop, Reason: winnow.ReasonRule, Rule: travelID}
)

// triage takes a row to its outcome, as the gate would have proposed it.
func (r *rig) triage(a winnow.Alert) winnow.Record {
	r.t.Helper()
	return r.dispose(Row{Alert: a, Proposal: r.engine.Gate.Propose(&a)})
}

func (r *rig) dispose(row Row) (rec winnow.Record) {
	r.t.Helper()
	r.update(func(t *ledger.Tx) error {
		done, err := r.engine.TriageNow(t.Context(), t, row)
		if err != nil {
			return err
		}
		rec, err = t.Record(done.ID)
		return err
	})
	return rec
}

func (r *rig) admit(row Row) (done Admitted) {
	r.t.Helper()
	r.update(func(t *ledger.Tx) (err error) {
		done, err = r.engine.Admit(t, row)
		return err
	})
	return done
}

func (r *rig) update(f func(*ledger.Tx) error) {
	r.t.Helper()
	r.ok(r.engine.Update(r.t.Context(), f))
}

func (r *rig) view(f func(*ledger.Tx) error) {
	r.t.Helper()
	r.ok(r.ledger.View(r.t.Context(), f))
}

func (r *rig) record(id string) (rec winnow.Record) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) (err error) {
		rec, err = t.Record(id)
		return err
	})
	return rec
}

// settle is what a person decides about an alert.
func (r *rig) settle(id string, d winnow.Disposition, s winnow.State) {
	r.t.Helper()
	r.update(func(t *ledger.Tx) error {
		entry, err := t.Alert(id)
		if err != nil {
			return err
		}
		rec, err := t.Record(id)
		if err != nil {
			return err
		}
		rec.Verdict.Disposition, rec.Verdict.Source, rec.Verdict.Confidence = d, winnow.SourcePerson, 100
		rec.Outcome = r.engine.Outcome(rec.SearchName, s, winnow.ReasonPerson, "person:ann")
		return r.engine.Settle(t, &entry, &rec)
	})
}

// sent returns the deliveries that wait in the outbox.
func (r *rig) sent() (out []ledger.Delivery) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) error {
		rows, err := t.Conn().QueryContext(t.Context(), "SELECT body FROM outbox WHERE done = 0 AND not_before < ? ORDER BY not_before, rowid",
			r.at.Add(1000*time.Hour).UnixMicro())
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		for rows.Next() {
			var body []byte
			var d ledger.Delivery
			if err := rows.Scan(&body); err != nil {
				return err
			}
			if err := json.Unmarshal(body, &d); err != nil {
				return err
			}
			out = append(out, d)
		}
		return rows.Err()
	})
	return out
}

func (r *rig) queued() (items []queue.Item) {
	r.t.Helper()
	r.view(func(t *ledger.Tx) (err error) {
		items, err = queue.List(t.Context(), t.Conn(), "", 1000)
		return err
	})
	return items
}

func (r *rig) keyOf(a winnow.Alert) cache.Key { return cache.KeyOf(r.keys, r.state.Fields, &a) }

func (r *rig) write(name, text string) {
	r.t.Helper()
	path := filepath.Join(r.home, name)
	r.ok(os.MkdirAll(filepath.Dir(path), 0o700))
	r.ok(os.WriteFile(path, []byte(text), 0o600))
}

func (r *rig) ok(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

// want checks state and reason of an outcome.
func want(t testing.TB, rec winnow.Record, s winnow.State, reason winnow.Reason) {
	t.Helper()
	if rec.Outcome.State != s || rec.Outcome.Reason != reason {
		t.Errorf("outcome of rid %s is %s, %s; want %s, %s", rec.RID, rec.Outcome.State, rec.Outcome.Reason, s, reason)
	}
}

// worker returns a worker on the rig's engine.
func (r *rig) worker(sinks ...Sink) *Worker {
	return &Worker{
		Engine: r.engine, State: r.state, Sinks: sinks, Log: slog.New(slog.DiscardHandler),
		Retryable: func(err error) bool { return !errors.Is(err, errForGood) },
		Refresh:   func() error { return nil },
		Command:   func(*ledger.Tx, []byte) error { return nil },
	}
}

var errForGood = errors.New("never")

// sink is a sink that fails as the test says and remembers what it took.
type sink struct {
	name string
	fail func(ledger.Delivery) error
	took []ledger.Delivery
}

func (s *sink) Name() string { return s.name }

func (s *sink) Deliver(_ context.Context, d ledger.Delivery) error {
	if s.fail != nil {
		if err := s.fail(d); err != nil {
			return err
		}
	}
	s.took = append(s.took, d)
	return nil
}

// script is a model that says what the test wants. Unsaid, it answers what an attacker hopes for:
// everything is benign, beyond doubt, and the evidence is real.
type script struct {
	offline     bool
	disposition string
	confidence  int
	technique   string
	vote        string
	evidence    []winnow.Evidence
	raw         string // the answer to every question, whatever it asks
	err         error  // what comes in place of every answer

	mu    sync.Mutex
	asked int
}

func (s *script) Name() string { return "script" }

func (s *script) Source() winnow.Source {
	if s.offline {
		return winnow.SourceOffline
	}
	return winnow.SourceModel
}

func (s *script) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

func (s *script) Answer(_ context.Context, q llm.Question) (llm.Answer, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked++
	if s.err != nil {
		return llm.Answer{}, s.err
	}
	used := llm.Usage{Calls: 1, InputTokens: 100, OutputTokens: 10, Price: 5_000_000}
	if s.raw != "" {
		return llm.Answer{JSON: []byte(s.raw), Usage: used}, nil
	}
	text, err := json.Marshal(s.say(q))
	return llm.Answer{JSON: text, Usage: used}, err
}

func (s *script) say(q llm.Question) any {
	disposition, confidence, vote := s.disposition, s.confidence, s.vote
	if disposition == "" {
		disposition = "BenignPositive"
	}
	if confidence == 0 {
		confidence = 99
	}
	if vote == "" {
		vote = "SAFE"
	}
	words := winnow.Case{What: "A sign-in.", Why: "So it seems.", FirstResponse: "None."}
	switch q.Task {
	case llm.TaskEnrich:
		return llm.Enrichment{Asset: "vpn", Sensitivity: llm.SensitivityLow, Severity: 1, Facts: []llm.Statement{}, Assumptions: []string{}}
	case llm.TaskCorrelate:
		c := llm.Correlation{Techniques: []llm.Technique{}, Signals: []llm.Statement{}}
		if s.technique != "" {
			c.Techniques = append(c.Techniques, llm.Technique{ID: s.technique, Confidence: 90})
		}
		return c
	case llm.TaskVote:
		return llm.Ballot{Vote: winnow.VoteKind(vote), Confidence: 95, Reason: "so it seems", Fields: []string{}}
	case llm.TaskCoordinate:
		return llm.Resolution{Disposition: llm.DispositionName(disposition), Confidence: confidence, Case: words}
	case llm.TaskClassify:
	}
	return llm.Classification{
		Disposition: llm.DispositionName(disposition), Confidence: confidence, Case: words,
		Evidence: s.cited(q.Case.Alert), Recommendations: []llm.Advice{},
	}
}

func (s *script) cited(a *winnow.Alert) []winnow.Evidence {
	if s.evidence != nil {
		return s.evidence
	}
	for _, field := range []string{"src", "user", "dest", "signature"} {
		if v := a.Fields[field]; len(v) > 0 {
			return []winnow.Evidence{{Field: field, Value: v[0]}}
		}
	}
	return []winnow.Evidence{}
}

func (s *script) pipeline(t testing.TB, facts *llm.Facts, catalogue string) *llm.Pipeline {
	t.Helper()
	c := readCatalogue(t, catalogue)
	p, err := llm.New(llm.Options{
		Enrich: s, Correlate: s, Classify: s, Catalogue: c, Facts: facts,
		Panel: llm.Panel{Coordinator: s, Low: 40, High: 90, Agents: []llm.Agent{
			{Name: "network", Model: s, Weight: 1}, {Name: "identity", Model: s, Weight: 1}, {Name: "threat_intel", Model: s, Weight: 1},
		}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

var catalogues sync.Map // path to *llm.Catalogue

func readCatalogue(t testing.TB, path string) *llm.Catalogue {
	t.Helper()
	if c, ok := catalogues.Load(path); ok {
		return c.(*llm.Catalogue)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	c, err := llm.ReadCatalogue(path, f)
	if err != nil {
		t.Fatal(err)
	}
	catalogues.Store(path, c)
	return c
}
