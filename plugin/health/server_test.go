package health

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/queue"
	"github.com/winnow-soc/winnow/plugin/state"
)

// text is what /metrics says.
func text(t *testing.T, m *Metrics) string {
	t.Helper()
	w := httptest.NewRecorder()
	handler(m, "unix").ServeHTTP(w, httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody))
	if w.Code != http.StatusOK {
		t.Fatalf("HTTP %d: %s", w.Code, w.Body)
	}
	return w.Body.String()
}

// folder is a state folder with a ledger, and metrics that look at it.
func folder(t *testing.T) (*Metrics, *Source, *time.Time) {
	t.Helper()
	d := &state.Deployment{State: t.TempDir(), Settings: &conf.Settings{
		Gate: conf.Gate{WorkerGrace: 2 * time.Minute, MinFree: 1},
	}}
	if err := d.Init(); err != nil {
		t.Fatal(err)
	}
	l, err := ledger.Open(t.Context(), d.Path("ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	now := start
	m := New("v1", nil)
	s := &Source{
		Deployment: d, Now: func() time.Time { return now }, Breakers: func() map[string]bool { return map[string]bool{"small": true} },
		Budgets: func(t *ledger.Tx, now time.Time) ([]ledger.BudgetState, error) {
			return t.Budgets([]ledger.ScopeBounds{
				{Scope: ledger.Total, Bounds: ledger.Bounds{Day: new(winnow.NanoUSD(2_000_000_000))}},
				{Scope: ledger.Scope{Kind: ledger.ScopeSearch, Name: "VPN"}, Bounds: ledger.Bounds{Month: new(winnow.NanoUSD(3_000_000_000))}},
			}, now)
		},
	}
	m.Use(*s)
	return m, s, &now
}

func bad(checks []Check) (names []string) {
	for _, c := range checks {
		if !c.OK {
			names = append(names, c.Check)
		}
	}
	return names
}

func TestReadyNamesWhatIsOutOfOrder(t *testing.T) {
	for _, c := range []struct {
		name string
		do   func(m *Metrics, s *Source, now *time.Time)
		want string
	}{
		{"all is well", func(*Metrics, *Source, *time.Time) {}, ""},
		{"no turn yet", func(m *Metrics, _ *Source, _ *time.Time) { m.beat.Store(0) }, "loop"},
		{"it hangs", func(_ *Metrics, _ *Source, now *time.Time) { *now = now.Add(3 * time.Minute) }, "loop"},
		{"it beats from the future", func(m *Metrics, _ *Source, now *time.Time) { m.Beat(now.Add(time.Hour)) }, "loop"},
		{"no ledger", func(_ *Metrics, s *Source, _ *time.Time) { _ = os.Remove(s.Deployment.Path("ledger.db")) }, "ledger"},
		{"a ledger that is none", func(_ *Metrics, s *Source, _ *time.Time) {
			_ = os.Remove(s.Deployment.Path("ledger.db") + "-wal")
			_ = os.WriteFile(s.Deployment.Path("ledger.db"), []byte(strings.Repeat("no ", 5000)), 0o600)
		}, "ledger"},
		{"no spool", func(_ *Metrics, s *Source, _ *time.Time) { _ = os.RemoveAll(s.Deployment.Path("spool")) }, "spool"},
		{"no room", func(_ *Metrics, s *Source, _ *time.Time) { s.Deployment.Settings.Gate.MinFree = 1 << 62 }, "disk"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.want == "disk" && runtime.GOOS == "windows" {
				t.Skip("free bytes are not known here")
			}
			m, s, now := folder(t)
			m.Beat(*now)
			c.do(m, s, now)
			if got := strings.Join(bad(m.Ready(t.Context())), " "); got != c.want {
				t.Errorf("out of order: %q, want %q", got, c.want)
			}
		})
	}
	if got := bad(New("v1", nil).Ready(t.Context())); len(got) != 1 {
		t.Errorf("before the worker has begun: %q", got)
	}
}

// A clock that goes evenly passes however long it goes; one that was set does not.
func TestClocks(t *testing.T) {
	now := time.Now()
	var c clocks
	c.look(now)
	if d := c.look(now.Add(time.Hour)); d != 0 {
		t.Errorf("it went evenly, and was set by %s", d)
	}
	set := now.Add(2 * time.Hour).Round(0) // the wall alone
	if c.look(set); c.first != set {
		t.Error("it does not remember")
	}
	x := &sample{err: map[string]error{}, jumped: -2 * time.Minute}
	m, s, at := folder(t)
	m.Beat(*at)
	m.source.Store(&sampler{Source: *s, last: x, at: *at})
	if got := strings.Join(bad(m.Ready(t.Context())), " "); got != "clock" {
		t.Errorf("out of order: %q", got)
	}
}

func TestMetricsOfAState(t *testing.T) {
	m, s, now := folder(t)
	name := s.Deployment.Path("spool") + "/01KAG8Y6V0AAAAAAAAAAAAAAAA.alert"
	if err := os.WriteFile(name, []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(name, start, start.Add(-time.Minute)); err != nil {
		t.Fatal(err)
	}
	got := text(t, m)
	for _, line := range []string{
		"winnow_spool_files 1", "winnow_spool_bytes 5", "winnow_spool_oldest_seconds 60", "winnow_spool_quarantined_files 0",
		`winnow_state_readable{part="ledger"} 1`, `winnow_budget_left_dollars{name="",period="day",scope="total"} 2`, `winnow_model_breaker_open{model="small"} 1`,
		`winnow_budget_booked_dollars{name="",period="month",scope="total"} 0`, `winnow_budget_limit_dollars{name="VPN",period="month",scope="search"} 3`,
		`winnow_budget_expected_dollars{name="",period="day",scope="total"} 0`, "winnow_clock_jump_seconds 0",
	} {
		if !strings.Contains(got, "\n"+line+"\n") {
			t.Errorf("missing: %s\n%s", line, got)
		}
	}
	if strings.Contains(got, "winnow_budget_limit_dollars{name=\"\",period=\"month\"") {
		t.Error("a limit that nobody has set")
	}
	_ = os.Remove(name)
	if !strings.Contains(text(t, m), "\nwinnow_spool_files 1\n") {
		t.Error("the state is looked at whenever somebody asks")
	}
	*now = now.Add(sampleFor)
	if !strings.Contains(text(t, m), "\nwinnow_spool_files 0\n") {
		t.Error("the state is not looked at again")
	}
}

// What the worker knows of its ledger is told also when the file cannot be read.
func TestMetricsOfTheAuditChain(t *testing.T) {
	m, s, now := folder(t)
	if !strings.Contains(text(t, m), "\nwinnow_ledger_free_bytes ") { // how many there are, migrations say
		t.Error("free bytes are not told")
	}
	l, err := ledger.Open(t.Context(), s.Deployment.Path("ledger.db"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	s.Ledger, s.Awaited = l, func() map[string]int { return map[string]int{"indexers": 3} }
	m.Use(*s)
	says := func(when string, lines ...string) {
		t.Helper()
		*now = now.Add(sampleFor)
		got := text(t, m)
		for _, line := range lines {
			if !strings.Contains(got, "\n"+line+"\n") {
				t.Errorf("%s: missing: %s\n%s", when, line, got)
			}
		}
	}
	add := func(id string) {
		t.Helper()
		a := winnow.Alert{ID: id, SearchName: "s", Key: winnow.Key{Host: "h", SID: id, RID: "0"}, Received: start}
		rec := winnow.NewRecord(&a, winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonNoRule})
		if err := l.Update(t.Context(), func(tx *ledger.Tx) error { return tx.Add(ledger.Entry{Alert: a}, rec) }); err != nil {
			t.Fatal(err)
		}
	}
	add("01KAG8Y6V0AAAAAAAAAAAAAAAA")
	says("all is well", "winnow_audit_broken 0", "winnow_audit_entries 2", "winnow_audit_gaps 0", "winnow_ledger_damaged 0",
		`winnow_receipts_awaited{sink="indexers"} 3`)
	l.FailAudit(errors.New("broken"))
	add("01KAG8Y6V0AAAAAAAAAAAAAAAB")
	says("nothing can be audited", "winnow_audit_broken 1", "winnow_audit_entries 2", "winnow_audit_gaps 1")
	l.RecheckAudit(t.Context())
	says("it goes on", "winnow_audit_broken 0", "winnow_audit_entries 3", "winnow_audit_gaps 0")
	s.Deployment.State = t.TempDir() // no ledger is there
	m.Use(*s)
	says("it cannot be read", `winnow_state_readable{part="ledger"} 0`, "winnow_audit_broken 0", "winnow_ledger_damaged 0")
}

func TestMetricOfADamagedLedger(t *testing.T) {
	m, s, _ := folder(t)
	name := s.Deployment.Path("ledger.db")
	_ = os.Remove(name + "-wal")
	if err := os.WriteFile(name, []byte(strings.Repeat("no ", 5000)), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := text(t, m); !strings.Contains(got, "\nwinnow_ledger_damaged 1\n") {
		t.Errorf("it is not said:\n%s", got)
	}
}

// BenchmarkSample looks at a state folder in which much waits: that is what a scrape costs at most.
func BenchmarkSample(b *testing.B) {
	d := &state.Deployment{State: b.TempDir(), Settings: &conf.Settings{}}
	if err := d.Init(); err != nil {
		b.Fatal(err)
	}
	l, err := ledger.Open(b.Context(), d.Path("ledger.db"))
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = l.Close() }()
	err = l.Update(b.Context(), func(t *ledger.Tx) error {
		for i := range 100_000 {
			it := queue.Item{ID: fmt.Sprintf("%026d", i), Search: fmt.Sprint("search", i%200), Priority: i % 6, Enqueued: start}
			if err := queue.Push(b.Context(), t.Conn(), it); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		b.Fatal(err)
	}
	for i := range 1000 {
		if err := os.WriteFile(filepath.Join(d.Path("spool"), fmt.Sprintf("%026d.alert", i)), []byte("x"), 0o600); err != nil {
			b.Fatal(err)
		}
	}
	for b.Loop() {
		s := &sampler{Source: Source{Deployment: d, Now: func() time.Time { return start }}}
		if x := s.sample(b.Context()); x.err["ledger"] != nil || x.records != 1000 || len(x.gauges.Queue) == 0 {
			b.Fatalf("%+v", x)
		}
	}
}

func TestSocketIsPrivate(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("no sockets there")
	}
	m, s, now := folder(t)
	m.Beat(*now)
	p := Place{Socket: s.Deployment.Path("worker.sock")}
	for range 2 { // the second finds what the first has left
		if _, err := AskChecks(t.Context(), p, "/readyz"); !errors.Is(err, ErrSilent) {
			t.Errorf("nobody is there: %v", err)
		}
		stop, err := Serve(m, p, func(err error) { t.Error(err) })
		if err != nil {
			t.Fatal(err)
		}
		info, err := os.Stat(p.Socket)
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("rights %v, %v", info.Mode(), err)
		}
		checks, err := AskChecks(t.Context(), p, "/readyz")
		if err != nil || len(checks) != 5 || len(bad(checks)) > 0 {
			t.Errorf("%+v, %v", checks, err)
		}
		body, err := Ask(t.Context(), p, "/metrics")
		if err != nil || !strings.Contains(string(body), "go_goroutines") || !strings.Contains(string(body), "winnow_build_info") {
			t.Errorf("%.200s, %v", body, err)
		}
		if _, err := Ask(t.Context(), p, "/debug/pprof"); !errors.Is(err, ErrSilent) {
			t.Errorf("another path: %v", err)
		}
		stop()
		if err := os.WriteFile(p.Socket, nil, 0o600); err != nil { // of a worker that was killed
			t.Fatal(err)
		}
	}
}

// Over TCP only those are answered who mean this host, and nobody can keep the worker busy.
func TestServerIsGuarded(t *testing.T) {
	m, _, _ := folder(t)
	for host, want := range map[string]int{
		"127.0.0.1:9464": 200, "localhost:9464": 200, "[::1]:9464": 200, "evil.example:9464": 403, "10.0.0.1": 403, "": 403,
	} {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/metrics", http.NoBody)
		r.Host = host
		if handler(m, "tcp").ServeHTTP(w, r); w.Code != want {
			t.Errorf("host %q: HTTP %d, want %d", host, w.Code, want)
		}
	}
	w := httptest.NewRecorder()
	handler(m, "unix").ServeHTTP(w, httptest.NewRequest(http.MethodPost, "/healthz", strings.NewReader("x")))
	if w.Code != http.StatusMethodNotAllowed {
		t.Errorf("POST: HTTP %d", w.Code)
	}
}

func TestServeSaysWhyItCannot(t *testing.T) {
	m := New("v1", nil)
	for _, p := range []Place{
		{Socket: filepath.Join(t.TempDir(), "none", "worker.sock")}, {Socket: "/" + strings.Repeat("x", 300)}, {Address: "192.0.2.1:1"},
	} {
		if stop, err := Serve(m, p, nil); err == nil {
			stop()
			t.Errorf("%+v can be served", p)
		} else if !strings.HasPrefix(fmt.Sprint(err), "health: ") && !errors.Is(err, ErrNoPlace) {
			t.Errorf("%+v: %v", p, err)
		}
	}
}
