package alertaction

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/disk"
	"github.com/winnow-soc/winnow/plugin/stash"
	"github.com/winnow-soc/winnow/plugin/state"
)

// Exit codes. Splunk logs them and does not try again, so whatever is not 0 has also been said in
// an ERROR line.
const (
	ExitStored  = 0 // every row is in the spool, on disk
	ExitUsage   = 1
	ExitBad     = 2 // a payload or a configuration that cannot be used; what came is kept if at all possible
	ExitNoStore = 3 // nothing is in the spool
)

// Env is what the action takes from the world around it.
type Env struct {
	Stdin      io.Reader
	Stderr     io.Writer
	Getenv     func(string) string
	Now        func() time.Time
	Executable string // path of the program, "" = the running one

	// OpenGate builds the gate. With an error the gate is still good for what it returns, and
	// never nil: the error says what will not be dropped, and why.
	OpenGate func(d *state.Deployment, keys *winnow.Keys, now time.Time) (Gate, error)

	// After is time.After, unless it is set.
	After func(time.Duration) <-chan time.Time

	// StartWorker starts `winnow worker --once` on its own, and does not wait; it does not when a
	// worker runs.
	StartWorker func(d *state.Deployment) (started bool, err error)
}

// OSEnv returns the environment of the running process.
func OSEnv() Env {
	return Env{
		Stdin: os.Stdin, Stderr: os.Stderr, Getenv: os.Getenv, Now: time.Now,
		OpenGate: OpenGate, StartWorker: startWorker,
	}
}

func (e Env) after(d time.Duration) <-chan time.Time {
	if e.After != nil {
		return e.After(d)
	}
	return time.After(d)
}

const usage = "ERROR winnow_triage is an alert action: Splunk starts it as `winnow_triage --execute` " +
	"with a JSON payload on standard input. To triage a file by hand, run `winnow triage FILE`.\n"

// Main runs the action and returns its exit code. args are those after the program's name.
func Main(args []string, env Env) int {
	if !slices.Equal(args, []string{"--execute"}) {
		_, _ = io.WriteString(env.Stderr, usage) // there is nowhere else to say it
		return ExitUsage
	}
	received := env.Now()
	a := &action{env: env, received: received, id: newID(received)}
	a.log = stash.NewLogger(env.Stderr, a.id)
	return a.run()
}

// action is one invocation.
type action struct {
	env      Env
	log      *stash.Logger
	id       string // of the run, and of the spool record
	received time.Time

	payload    *Payload
	deployment *state.Deployment
	keys       *winnow.Keys // nil when the secret cannot be read
	firing     *Firing
	search     conf.Search
	host       string // GUID of the search head, or ""
	opening    *opening
	gate       Gate // once taken

	broken  error // why the configuration cannot be used: nothing is dropped
	noSpool error // why the spool cannot be used
	stale   bool  // the worker does not show itself
	tally   tally
}

func (a *action) run() int {
	payload, raw, badPayload := ReadPayload(a.env.Stdin)
	if badPayload == nil {
		a.payload = payload
		a.log = a.log.With(payload.SID, payload.ResultID)
	}
	if err := a.open(); err != nil {
		a.log.Error("%v; this alert is not stored", err)
		return ExitBad
	}
	if badPayload != nil {
		a.noSpool = cmp.Or(a.noSpool, a.checkSpool())
		return a.quarantine(raw, badPayload)
	}
	a.prepare()
	code := a.store()
	if err := a.gate.Err(); err != nil {
		a.log.Error("%v", err)
	}
	a.audit(code)
	if a.broken != nil && code == ExitStored {
		return ExitBad
	}
	return code
}

// open finds the deployment. What is wrong with its state folder only means that the spool cannot
// be used; what is wrong with its configuration, that nothing is dropped.
func (a *action) open() error {
	where := state.Locations{Executable: a.env.Executable, Getenv: a.env.Getenv, AnyOwner: true, Now: a.env.Now}
	var err error
	if a.deployment, err = state.Open(where); err != nil {
		a.broken = err
		if a.deployment, err = state.Salvage(where); err != nil {
			return a.broken
		}
		a.log.Error("%v; until that is mended nothing is dropped", a.broken)
	}
	a.host = state.HostGUID(a.deployment.SplunkHome)
	if a.noSpool = a.deployment.Init(); errors.Is(a.noSpool, state.ErrSecretLost) {
		a.log.Error("%v", a.noSpool)
		a.noSpool = nil // storing takes no secret
	}
	if a.keys, err = a.deployment.Keys(); err != nil {
		a.log.Error("%v; nothing is dropped, and what is written has no winnow_id", err)
	}
	return nil
}

// prepare works out what holds for all rows. The gate opens beside it.
func (a *action) prepare() {
	a.openGate()
	if a.noSpool == nil {
		a.noSpool = a.checkSpool()
	}
	a.search = a.deployment.Settings.Search(a.payload.SearchName)
	a.firing = NewFiring(a.payload, a.host, a.search.Severity, a.received)
	a.checkWorker()
}

// checkSpool says why the spool cannot be trusted or written to.
func (a *action) checkSpool() error {
	tmp := a.deployment.Path("spool/tmp")
	if err := a.deployment.Trusted(tmp); err != nil {
		return err
	}
	free, err := disk.Free(tmp)
	if err != nil {
		return fmt.Errorf("spool: %w", err)
	}
	if least := a.deployment.Settings.Gate.MinFree; free < least {
		return fmt.Errorf("spool full: %d bytes free at %s, [gate] min_free wants %d", free, tmp, least)
	}
	return nil
}

// checkWorker says when nobody takes records out of the spool.
func (a *action) checkWorker() {
	if a.stale = !a.deployment.Alive(a.received); !a.stale {
		return
	}
	a.log.Error("the worker has not shown itself for %s ([gate] worker_grace): no cached verdict is used; "+
		"check the input winnow://worker", a.deployment.Settings.Gate.WorkerGrace)
	a.startWorker()
}

func (a *action) startWorker() {
	if !a.deployment.Settings.Gate.StartWorker {
		return
	}
	switch started, err := a.env.StartWorker(a.deployment); {
	case err != nil:
		a.log.Error("start worker: %v", err)
	case started:
		a.log.Info("started `winnow worker --once`")
	default:
		a.log.Warn("no worker started: one holds %s, but does not show itself", a.deployment.Path("worker.lock"))
	}
}

// quarantine keeps a payload that cannot be understood, so that the worker can show it to a person.
func (a *action) quarantine(raw []byte, why error) int {
	err := a.noSpool
	if err == nil && len(raw) > 0 {
		err = writeQuarantine(a.deployment.Path("spool"), a.header(KindQuarantine), raw)
	}
	if err != nil {
		a.log.Error("%v; it could not be stored: %v", why, err)
	} else {
		a.log.Error("%v; it is kept as record %s for a person to look at", why, a.id)
	}
	return ExitBad
}

// decideGrace is how long after the action's own deadline an intake is left alone by the worker.
const decideGrace = time.Minute

func (a *action) deadline() time.Time { return a.received.Add(a.deployment.Settings.Gate.Deadline) }

func (a *action) header(kind Kind) Header {
	return Header{
		Kind: kind, ID: a.id, Received: a.received.UTC(), Host: a.host, Severity: a.search.Severity,
		DecideBy: a.deadline().Add(decideGrace).UTC(), Unconfigured: a.broken != nil,
	}
}
