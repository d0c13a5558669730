package splunk

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// SinkOptions are what sinks are opened with.
type SinkOptions struct {
	Client     *Client // nil when there are no credentials: updates then fail with NoClient
	NoClient   error   // why there is no client
	SplunkHome string  // "" outside Splunk
	State      string  // winnow's state folder: relative paths and intents are below it
	Host       string  // host field of events
	Now        func() time.Time

	// Secret reads a key from where [sink:NAME] key says it is.
	Secret func(ctx context.Context, place string) (winnow.Secret, error)

	// Other opens the sinks of types that this package does not know, with how to reach their server; nil: none.
	Other func(c conf.Sink, server ServerOptions) (Sink, error)

	Stream *EventWriter // of the modular input; nil when the worker runs otherwise
	Stanza string       // that it runs as
}

// OpenSinks opens the sinks of winnow.conf that are not disabled, in its order.
func OpenSinks(sinks []conf.Sink, opts SinkOptions) ([]Sink, error) {
	var out []Sink
	for _, c := range sinks {
		if c.Disabled {
			continue
		}
		s, err := openSink(c, opts)
		if err != nil {
			return nil, err
		}
		out = append(out, s)
	}
	return out, nil
}

func openSink(c conf.Sink, opts SinkOptions) (Sink, error) {
	switch c.Type {
	case conf.SinkFile:
		path, err := opts.locate(c)
		if err != nil {
			return nil, err
		}
		return NewFileSink(c.Name, FileOptions{Path: path}, opts.Now)
	case conf.SinkUpdate:
		if opts.Client == nil {
			return unreachable{name: c.Name, err: opts.NoClient}, nil
		}
		return NewUpdateSink(c.Name, opts.Client, opts.update(c), opts.Now), nil
	case conf.SinkFinding:
		if opts.Client == nil {
			return unreachable{name: c.Name, err: opts.NoClient}, nil
		}
		return NewFindingSink(c.Name, opts.Client, opts.finding(c), opts.Now)
	case conf.SinkRisk:
		path, err := opts.locate(c)
		if err != nil {
			return unreachable{name: c.Name, err: err}, nil //nolint:nilerr // said at every delivery
		}
		return NewRiskSink(c.Name, NotableOptions{
			Spool: path, Index: c.Index, Host: opts.Host, Intents: filepath.Join(opts.State, "sent", c.Name),
		}, c.Scores, c.ReviewShare, opts.Now)
	case conf.SinkResponses:
		if opts.SplunkHome == "" && strings.HasPrefix(c.Path, splunkHome) {
			return nowhere{c.Name}, nil
		}
		path, err := opts.locate(c)
		if err != nil {
			return nil, err
		}
		return NewResponseSink(c.Name, path, opts.Host, opts.Now), nil
	case conf.SinkNotable:
		path, err := opts.locate(c)
		if err != nil {
			return unreachable{name: c.Name, err: err}, nil //nolint:nilerr // said at every delivery
		}
		return NewNotableSink(c.Name, NotableOptions{
			Spool: path, Index: c.Index, Host: opts.Host, Intents: filepath.Join(opts.State, "sent", c.Name),
		}, opts.Now)
	case conf.SinkReceivers:
		if opts.Client == nil {
			return unreachable{name: c.Name, err: opts.NoClient}, nil
		}
		return NewReceiversSink(c.Name, ReceiversOptions{
			Client: opts.Client, Index: c.Index, Host: opts.Host, Verify: c.Verify, Within: c.VerifyWithin, Now: opts.Now,
		}), nil
	case conf.SinkStream:
		if opts.Stream == nil {
			return unreachable{name: c.Name, err: errNoStream}, nil
		}
		return NewStreamSink(c.Name, StreamOptions{
			Out: opts.Stream, Stanza: opts.Stanza, Index: c.Index, Host: opts.Host,
			Verify: c.Verify, Within: c.VerifyWithin, Client: opts.Client, Now: opts.Now,
		}), nil
	case conf.SinkHEC, conf.SinkWebhook, conf.SinkSCS:
		return openServerSink(c, opts)
	case conf.SinkPagerDuty, conf.SinkSlack, conf.SinkTicket:
		if opts.Other != nil {
			return openServerSink(c, opts)
		}
	}
	return nil, fmt.Errorf("sink %q: unknown type %q", c.Name, c.Type)
}

func (o SinkOptions) update(c conf.Sink) UpdateOptions {
	return UpdateOptions{ES: c.ES, App: c.App, Within: c.Within, Facts: FactsFile(o.State, c.Name)}
}

func (o SinkOptions) finding(c conf.Sink) FindingOptions {
	return FindingOptions{
		App: c.App, Within: c.Within, Scores: c.Scores,
		Intents: filepath.Join(o.State, "sent", c.Name), Facts: FactsFile(o.State, c.Name),
	}
}

// splunkHome in front of a path stands for Splunk's folder.
const splunkHome = "$SPLUNK_HOME"

// openServerSink opens a sink that sends to a server other than splunkd.
func openServerSink(c conf.Sink, opts SinkOptions) (Sink, error) {
	server := ServerOptions{
		URL: c.URL, SplunkHome: opts.SplunkHome, Proxy: c.Proxy, Timeout: c.Timeout, Now: opts.Now,
		Key: func(ctx context.Context) (winnow.Secret, error) { return opts.Secret(ctx, c.Key) },
	}
	if c.CAFile != "" {
		path, err := opts.place(c.Name, "ca_file", c.CAFile)
		if err != nil {
			return nil, err
		}
		server.CAFile = path
	}
	if c.Type.Pages() {
		server.Public = !c.AllowPrivate
		return opts.Other(c, server)
	}
	if c.Type == conf.SinkSCS {
		return NewSCSSink(c.Name, SCSOptions{Server: server, Tenant: c.Tenant, ClientID: c.ClientID, Index: c.Index, Host: opts.Host})
	}
	if c.Type == conf.SinkWebhook {
		server.Public = !c.AllowPrivate
		return NewWebhookSink(c.Name, server)
	}
	return NewHECSink(c.Name, HECOptions{
		Server: server, Index: c.Index, Host: opts.Host, Verify: c.Verify, Within: c.VerifyWithin,
		Client: opts.Client, NoClient: opts.NoClient,
	})
}

// locate reads the path of a sink.
func (o SinkOptions) locate(c conf.Sink) (string, error) {
	if c.Path == "" {
		return "", fmt.Errorf("sink %q: no path: set it in [sink:%s] of winnow.conf", c.Name, c.Name)
	}
	return o.place(c.Name, "path", c.Path)
}

// place reads a path: $SPLUNK_HOME in front stands for Splunk's folder, and a relative path is below
// winnow's state.
func (o SinkOptions) place(sink, key, path string) (string, error) {
	rest, inSplunk := strings.CutPrefix(path, splunkHome)
	switch {
	case inSplunk && o.SplunkHome == "":
		return "", fmt.Errorf("sink %q: %s is not set, but %s in [sink:%s] of winnow.conf begins with it", sink, splunkHome, key, sink)
	case inSplunk:
		return filepath.Join(o.SplunkHome, rest), nil
	case filepath.IsAbs(path):
		return path, nil
	}
	return filepath.Join(o.State, path), nil
}

// unreachable stands for a sink that nothing can be delivered to as things are. What it is given
// waits in the outbox.
type unreachable struct {
	name string
	err  error
}

// Name returns the name of the sink's stanza.
func (u unreachable) Name() string { return u.name }

// Deliver returns why nothing can be delivered.
func (u unreachable) Deliver(context.Context, ledger.Delivery) error {
	return &Error{Op: "deliver to " + u.name, Code: CodeAuth, Retry: true, Err: u.err}
}

// ErrWaits says that a sink takes nothing as things are, and that what it is given waits.
var ErrWaits = errors.New("nothing can be delivered now")

// Check says why, as ErrWaits.
func (u unreachable) Check(context.Context) error { return &waiting{u.err} }

type waiting struct{ err error }

func (w *waiting) Error() string        { return w.err.Error() }
func (w *waiting) Unwrap() error        { return w.err }
func (w *waiting) Is(target error) bool { return target == ErrWaits }
