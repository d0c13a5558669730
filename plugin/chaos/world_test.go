package chaos

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/llmtest"
	"github.com/winnow-soc/winnow/llm/prices"
	"github.com/winnow-soc/winnow/plugin/crash"
	"github.com/winnow-soc/winnow/plugin/disk"
	"github.com/winnow-soc/winnow/plugin/splunk/splunktest"
)

var programs struct {
	once sync.Once
	dir  string
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if programs.dir != "" {
		_ = os.RemoveAll(programs.dir) // a temporary folder
	}
	os.Exit(code)
}

// build builds both programs so that they can be told where to die, once for all tests.
func build(t testing.TB) string {
	t.Helper()
	programs.once.Do(func() {
		if programs.dir, programs.err = os.MkdirTemp("", "winnow-chaos-"); programs.err != nil {
			return
		}
		cmd := exec.Command("go", "build", "-tags", "winnow_crash", "-o", programs.dir+string(filepath.Separator), "../cmd/winnow", "../cmd/winnow_triage")
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := cmd.CombinedOutput(); err != nil {
			programs.err = fmt.Errorf("build: %w\n%s", err, out)
		}
	})
	if programs.err != nil {
		t.Fatal(programs.err)
	}
	return programs.dir
}

// world is a Splunk with the app installed, a splunkd and a model that keep books, and what was fired.
type world struct {
	*splunktest.Server
	t      testing.TB
	home   string
	models *llmtest.Server
	stats  *stats
	users  int // how many accounts the alerts are about
	kind   kind

	clock   atomic.Int64       // nanoseconds by which the clock is ahead
	bad     int                // damaged records that are kept
	network []*toxiproxy.Proxy // before splunkd, and before the model

	mu     sync.Mutex // guards what follows: splunkd's hook runs beside the test
	rand   *rand.Rand
	fired  []*alert
	people map[string]splunktest.Change // by notable: what a person set last

	patience time.Duration // how long a program may take, where that is less than one that hangs

	unbooked winnow.NanoUSD // what was asked for after a backup that was restored

	overtaken map[string]bool // alerts of which an update was given up because the clock had overtaken it
}

const (
	token    = "t0ken-of-the-service-account"
	modelKey = "chaos-model-key"
	person   = "ann"

	ownerSearch  = "Owner Alert"  // winnow writes the notables
	besideSearch = "Beside Alert" // Enterprise Security does
)

const settings = `[gate]
run = enforce
canary = 0%%
large_results = 240
worker_grace = 1h
min_free = 1MB
[policy]
trust_uncalibrated = 1
[queue]
retry_min = 1s
retry_max = 1s
[search:` + ownerSearch + `]
place = owner
budget_day = 900
[search:` + besideSearch + `]
place = beside
[stage:classify]
model = mini
[model:mini]
provider = openai
model = gpt-5.4-mini
base_url = %s/v1
key = env:CHAOS_MODEL_KEY
timeout = 10s
budget_month = 900
[budget]
day = 1000
month = 2000
warn_at = 0.0000001%%
[team:unassigned]
budget_day = 800
[splunk]
uri = %s
token_file = $SPLUNK_HOME/etc/winnow.token
[sink:rotated]
type = file
path = rotated.ndjson
`

const ruleFile = `rules:
  - id: chaos-noise
    description: Noise of the machines that make it
    owner: detection@corp.example
    reason: These machines make noise all day
    expires: %s
    search_name: [` + ownerSearch + `, ` + besideSearch + `]
    when: event.signature == "noise" && event.src in lists.noisy
    mode: enforce
    tests:
      - {name: noise, alert: {signature: noise, src: 10.9.0.1}, want: drop}
      - {name: an attack from there, alert: {signature: attack, src: 10.9.0.1}, want: pass}
`

const factFile = `families:
  - name: monitored
    description: Machines of the network that is watched
    search_name: ["*"]
    facts:
      - {list: monitored, fields: [dest]}
`

// newWorld lays it out. The seed decides all that happens in it, but for the order of what happens at
// the same time.
func newWorld(t testing.TB, seed uint64, s *stats) *world {
	t.Helper()
	w := &world{
		t: t, home: t.TempDir(), stats: s, rand: rand.New(rand.NewPCG(seed, 0x6368616f73)),
		people: map[string]splunktest.Change{}, overtaken: map[string]bool{}, users: 5, kind: plain,
	}
	w.setClock(0)
	w.Server = splunktest.New(t, splunktest.Options{Home: w.home, Now: w.now, NotableOwners: []string{person}, Before: w.interfere})
	w.AddToken("svc-winnow", token, time.Time{}, splunktest.CapEditNotables)
	w.models = llmtest.New(llmtest.Options{Brain: llmtest.Oracle(judge), Key: modelKey, Price: priceTable(t).Price})
	t.Cleanup(w.models.Close)
	w.copyTree(filepath.Join("..", "..", "packaging", "app"), w.app())
	for _, name := range []crash.Program{crash.Action, crash.Worker} {
		w.ok(os.MkdirAll(filepath.Dir(w.program(name)), 0o700))
		// A copy might still be open for writing in a process that the world beside has begun.
		w.ok(os.Link(filepath.Join(build(t), filepath.Base(w.program(name))), w.program(name)))
	}
	content := filepath.Join(w.home, "etc", "apps", "winnow_content")
	w.write(filepath.Join(content, "rules", "chaos.yaml"), fmt.Sprintf(ruleFile, time.Now().AddDate(0, 6, 0).Format(time.DateOnly)))
	w.write(filepath.Join(content, "facts.yaml"), factFile)
	w.write(filepath.Join(content, "lists", "noisy.csv"), "ip\n10.9.0.1\n10.9.0.2\n")
	var hosts strings.Builder
	for i := range machines {
		fmt.Fprintln(&hosts, machine(i))
	}
	w.write(filepath.Join(content, "lists", "monitored.csv"), "host\n"+hosts.String())
	w.write(filepath.Join(w.home, "etc", "winnow.token"), token+"\n")
	w.write(filepath.Join(w.home, "etc", "instance.cfg"), "[general]\nguid = 6F4B1C52-3A3F-4D5E-9C0B-2B9E3F1A7D10\n")
	splunkd := w.through("splunkd", w.URL)
	w.write(filepath.Join(w.app(), "local", "winnow.conf"), fmt.Sprintf(settings, w.through("model", w.models.URL), splunkd))
	return w
}

func priceTable(t testing.TB) *prices.Table {
	t.Helper()
	path := filepath.Join("..", "..", "packaging", "app", "default", "prices.yaml")
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	table, err := prices.Read(path, f)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func (w *world) app() string { return filepath.Join(w.home, "etc", "apps", "winnow") }

func (w *world) state(parts ...string) string {
	return filepath.Join(append([]string{w.home, "var", "lib", "splunk", "modinputs", "winnow"}, parts...)...)
}

func (w *world) program(name crash.Program) string {
	path := filepath.Join(w.app(), "bin", string(name))
	if runtime.GOOS == "windows" {
		path += ".exe"
	}
	return path
}

func (w *world) ok(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) write(path, text string) {
	w.t.Helper()
	w.ok(os.MkdirAll(filepath.Dir(path), 0o700))
	w.ok(os.WriteFile(path, []byte(text), 0o600))
}

func (w *world) copyTree(from, to string) {
	w.t.Helper()
	w.ok(filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil || entry.IsDir() {
			return err
		}
		w.copyFile(path, filepath.Join(to, rel))
		return nil
	}))
}

func (w *world) copyFile(from, to string) {
	w.t.Helper()
	w.ok(os.MkdirAll(filepath.Dir(to), 0o700))
	in, err := os.Open(from)
	w.ok(err)
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o700)
	w.ok(err)
	_, err = io.Copy(out, in)
	w.ok(errors.Join(err, out.Close()))
}

// child is one run of a program.
type child struct {
	killed bool
	code   int
	stderr string
}

// exec prepares a program as splunkd would start it, to die at a point or, with onDisk before it, to meet a
// fault of the disk; "" for neither.
func (w *world) exec(program crash.Program, at string, args ...string) *exec.Cmd {
	cmd := exec.Command(w.program(program), args...)
	cmd.Dir = filepath.VolumeName(w.home) + string(filepath.Separator)
	cmd.Env = slices.Concat([]string{
		"SPLUNK_HOME=" + w.home, "TMPDIR=" + os.TempDir(), "CHAOS_MODEL_KEY=" + modelKey, crash.ClockVariable + "=" + w.clockFile(),
	}, passedOn())
	if fault, ok := strings.CutPrefix(at, onDisk); ok {
		cmd.Env = append(cmd.Env, disk.Variable+"="+fault)
	} else if at != "" {
		cmd.Env = append(cmd.Env, crash.Variable+"="+at)
	}
	return cmd
}

const onDisk = "disk="

func passedOn() []string {
	if root := os.Getenv("SYSTEMROOT"); root != "" {
		return []string{"SYSTEMROOT=" + root}
	}
	return nil
}

// childTimeout ends a program that hangs: none of them works for that long.
const childTimeout = 2 * time.Minute

// run runs a program to its end, its own or the one it was told.
func (w *world) run(cmd *exec.Cmd, stdin []byte, after time.Duration) child {
	var stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(stdin), &stderr, &stderr
	if err := cmd.Start(); err != nil {
		w.t.Errorf("start: %v", err)
		return child{code: -1}
	}
	if after <= 0 {
		after = w.patience
	}
	hangs := after <= 0
	if hangs {
		after = childTimeout
	}
	kill := time.AfterFunc(after, func() {
		if hangs { // it says where
			_ = cmd.Process.Signal(syscall.SIGQUIT)
			time.Sleep(time.Second)
		}
		_ = cmd.Process.Kill()
	})
	err := cmd.Wait()
	c := child{code: cmd.ProcessState.ExitCode(), stderr: stderr.String()}
	if !kill.Stop() && hangs {
		w.t.Errorf("%v hangs: %s", cmd.Args, c.stderr)
	}
	c.killed = err != nil && c.code == -1
	return c
}
