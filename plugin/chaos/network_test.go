package chaos

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"

	"github.com/winnow-soc/winnow/plugin/alertaction"
	"github.com/winnow-soc/winnow/plugin/crash"
)

// toxic is one way in which a network is bad; see toxiproxy's documentation.
type toxic struct {
	Type       string           `json:"type"`
	Stream     string           `json:"stream"`
	Attributes map[string]int64 `json:"attributes"`
}

// toxics are slow, cut and flapping networks, in both directions.
var toxics = []toxic{
	{"latency", "downstream", map[string]int64{"latency": 200, "jitter": 150}},
	{"bandwidth", "downstream", map[string]int64{"rate": 20}},
	{"bandwidth", "upstream", map[string]int64{"rate": 20}},
	{"slicer", "downstream", map[string]int64{"average_size": 64, "size_variation": 32, "delay": 500}},
	{"timeout", "downstream", map[string]int64{"timeout": 300}},
	{"timeout", "upstream", map[string]int64{"timeout": 300}},
	{"reset_peer", "downstream", map[string]int64{"timeout": 50}},
	{"reset_peer", "upstream", map[string]int64{"timeout": 0}},
	{"limit_data", "downstream", map[string]int64{"bytes": 900}},
	{"limit_data", "upstream", map[string]int64{"bytes": 1500}},
}

// through puts a proxy before a server, and returns the server's URL through it.
func (w *world) through(name, server string) string {
	w.t.Helper()
	u, err := url.Parse(server)
	w.ok(err)
	zerolog.SetGlobalLevel(zerolog.Disabled) // some toxics log past the logger that they are given
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), zerolog.Nop())
	p := toxiproxy.NewProxy(api, name, "127.0.0.1:0", u.Host)
	w.ok(p.Start())
	w.t.Cleanup(p.Stop)
	w.network = append(w.network, p)
	u.Host = p.Listen
	return u.String()
}

// spread makes one of the two ways bad, to splunkd (0) or to the model (1).
func (w *world) spread(way int, bad toxic) {
	w.t.Helper()
	text, err := json.Marshal(bad)
	w.ok(err)
	_, err = w.network[way].Toxics.AddToxicJson(strings.NewReader(string(text)))
	w.ok(err)
	w.patience = networkTime
	w.stats.fault("network " + bad.Type)
}

// flap closes one of the ways for a moment, again and again, until told to stop.
func (w *world) flap(way int, stop <-chan struct{}) {
	p := w.network[way]
	tick := time.NewTicker(60 * time.Millisecond)
	defer tick.Stop()
	for up := true; ; up = !up {
		select {
		case <-stop:
			if !up {
				if err := p.Start(); err != nil {
					w.t.Error(err)
				}
			}
			return
		case <-tick.C:
		}
		if up {
			p.Stop()
		} else if err := p.Start(); err != nil {
			w.t.Error(err)
		}
	}
}

// networkTime is how long a worker may try over a bad network before it is killed.
const networkTime = 15 * time.Second

// heal makes the network good.
func (w *world) heal() {
	w.patience = 0
	for _, p := range w.network {
		p.Toxics.ResetToxics(context.Background())
	}
}

// badly runs the worker over a bad network.
func (w *world) badly(at string) {
	w.t.Helper()
	way, kind := w.intN(2), w.intN(len(toxics)+2)
	if kind < len(toxics) {
		w.spread(way, toxics[kind])
		w.work(at)
		w.heal()
		return
	}
	w.stats.fault("network flaps")
	w.patience = networkTime
	stop, done := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(done)
		w.flap(way, stop)
	}()
	w.work(at)
	close(stop)
	<-done
	w.patience = 0
}

// TestBadNetworks has every toxic on both ways once, and a network that flaps. What was promised holds; no
// alert is given up for it, and none is closed that should not be.
func TestBadNetworks(t *testing.T) {
	if os.Getenv("WINNOW_CHAOS_ROUNDS") == "" {
		t.Skip("runs for half a minute: `make chaos`")
	}
	build(t)
	s := newStats()
	t.Run("ways", func(t *testing.T) {
		for way, name := range []string{"splunkd", "model"} {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				w := newWorld(t, uint64(way), s)
				w.users = 1000 // so that models are asked
				for _, bad := range toxics {
					w.fireTwo()
					w.spread(way, bad)
					w.work("")
					w.heal()
				}
				w.fireTwo()
				w.check()
			})
		}
	})
	fmt.Print("bad networks: ", s)
}

func (w *world) fireTwo() {
	w.t.Helper()
	w.heartbeat(true)
	for _, search := range []string{ownerSearch, besideSearch} {
		if c := w.fire(w.newAlert(search, 3), ""); c.code != alertaction.ExitStored {
			w.t.Fatalf("%s ended with %d: %s", crash.Action, c.code, c.stderr)
		}
	}
}
