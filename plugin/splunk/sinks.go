package splunk

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"time"

	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// SinkOptions are what sinks are opened with.
type SinkOptions struct {
	Client     *Client // nil when there are no credentials: updates then fail with NoClient
	NoClient   error   // why there is no client
	SplunkHome string  // "" outside Splunk
	State      string  // winnow's state folder: relative paths and intents are below it
	Host       string  // host field of notable events
	Now        func() time.Time
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
	case conf.SinkNotable:
		path, err := opts.locate(c)
		if err != nil {
			return unreachable{name: c.Name, err: err}, nil //nolint:nilerr // said at every delivery
		}
		return NewNotableSink(c.Name, NotableOptions{
			Spool: path, Index: c.Index, Host: opts.Host, Intents: filepath.Join(opts.State, "sent", c.Name),
		}, opts.Now)
	}
	return nil, fmt.Errorf("sink %q: unknown type %q (want %s, %s, %s or %s)",
		c.Name, c.Type, conf.SinkNotable, conf.SinkUpdate, conf.SinkFile, conf.SinkFinding)
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

// locate reads the path of a sink: $SPLUNK_HOME in front stands for Splunk's folder, and a
// relative path is below winnow's state.
func (o SinkOptions) locate(c conf.Sink) (string, error) {
	const home = "$SPLUNK_HOME"
	rest, inSplunk := strings.CutPrefix(c.Path, home)
	switch {
	case c.Path == "":
		return "", fmt.Errorf("sink %q: no path: set it in [sink:%s] of winnow.conf", c.Name, c.Name)
	case inSplunk && o.SplunkHome == "":
		return "", fmt.Errorf("sink %q: %s is not set, but path in [sink:%s] of winnow.conf begins with it", c.Name, home, c.Name)
	case inSplunk:
		return filepath.Join(o.SplunkHome, rest), nil
	case filepath.IsAbs(c.Path):
		return c.Path, nil
	}
	return filepath.Join(o.State, c.Path), nil
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
