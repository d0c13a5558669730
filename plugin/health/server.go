package health

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"runtime"
	"slices"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Place is where a worker answers: a Unix socket, or a loopback address where one is named.
type Place struct {
	Socket  string
	Address string // goes before Socket
}

// ErrNoPlace says that there is nowhere to answer: sockets of Windows have no rights that a folder's
// would not have, and nobody asked for an address.
var ErrNoPlace = errors.New("nowhere to answer: set [worker] listen to a loopback address")

func (p Place) network() (network, address string, err error) {
	switch {
	case p.Address != "":
		return "tcp", p.Address, nil
	case runtime.GOOS == "windows":
		return "", "", ErrNoPlace
	}
	return "unix", p.Socket, nil
}

// Limits of the server: whoever asks is on this host, and may still be anybody.
const (
	headerFor = 5 * time.Second
	answerFor = 30 * time.Second
	idleFor   = time.Minute
	mostBytes = 16 << 10
	mostAsked = 8 // answers at once
)

// Serve answers /healthz, /readyz and /metrics until stop is called. The socket is made anew, readable by
// its owner alone: the caller holds the worker's lock, so one that is there is a dead worker's.
func Serve(m *Metrics, p Place, failed func(error)) (stop func(), err error) {
	network, address, err := p.network()
	if err != nil {
		return nil, err
	}
	if network == "unix" {
		if err := os.Remove(address); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("health: remove the socket of a worker before: %w", err)
		}
	}
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), network, address)
	if err != nil {
		return nil, fmt.Errorf("health: %w", err)
	}
	if network == "unix" {
		if err := os.Chmod(address, 0o600); err != nil {
			return nil, errors.Join(fmt.Errorf("health: %w", err), ln.Close())
		}
	}
	server := &http.Server{
		Handler: handler(m, network), ReadHeaderTimeout: headerFor, ReadTimeout: headerFor, WriteTimeout: answerFor, IdleTimeout: idleFor,
		MaxHeaderBytes: mostBytes,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
			failed(fmt.Errorf("health: %w", err))
		}
	}()
	return func() {
		_ = server.Close()
		<-done
	}, nil
}

// handler answers at most so many at once, and over TCP only those who mean this host: a page in
// somebody's browser must not read it under a name of its own.
func handler(m *Metrics, network string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { answer(w, m.Live()) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) { answer(w, m.Ready(r.Context())) })
	mux.Handle("GET /metrics", promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError}))
	slots := make(chan struct{}, mostAsked)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if network == "tcp" && !meansThisHost(r.Host) {
			http.Error(w, "ask for a loopback address", http.StatusForbidden)
			return
		}
		select {
		case slots <- struct{}{}:
			defer func() { <-slots }()
			mux.ServeHTTP(w, r)
		default:
			http.Error(w, "too many at once", http.StatusServiceUnavailable)
		}
	})
}

func meansThisHost(host string) bool {
	if name, _, err := net.SplitHostPort(host); err == nil {
		host = name
	}
	at, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && at.IsLoopback()
}

func answer(w http.ResponseWriter, checks []Check) {
	w.Header().Set("Content-Type", "application/json")
	if slices.ContainsFunc(checks, func(c Check) bool { return !c.OK }) {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	_ = json.NewEncoder(w).Encode(checks) // who asked has gone
}

// ErrSilent says that no worker answers.
var ErrSilent = errors.New("no worker answers")

// mostAnswer is far above any answer.
const mostAnswer = 16 << 20

// Ask asks the worker for a path, and returns what it says whether all is well or not.
func Ask(ctx context.Context, p Place, path string) ([]byte, error) {
	network, address, err := p.network()
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return (&net.Dialer{}).DialContext(ctx, network, address)
		},
		DisableKeepAlives: true,
	}
	client := &http.Client{Transport: transport, Timeout: answerFor}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://localhost"+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	resp, err := client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%w at %s: %w", ErrSilent, address, errors.Unwrap(err))
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK && resp.StatusCode != http.StatusServiceUnavailable {
		return nil, fmt.Errorf("%w at %s: something else does (HTTP %d)", ErrSilent, address, resp.StatusCode)
	}
	return io.ReadAll(io.LimitReader(resp.Body, mostAnswer))
}

// AskChecks asks for the checks of /healthz or /readyz.
func AskChecks(ctx context.Context, p Place, path string) (checks []Check, err error) {
	body, err := Ask(ctx, p, path)
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(body, &checks); err != nil || len(checks) == 0 {
		return nil, fmt.Errorf("%w: what does says %.100q", ErrSilent, body)
	}
	return checks, nil
}
