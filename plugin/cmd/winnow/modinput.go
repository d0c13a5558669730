package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"slices"

	"github.com/winnow-soc/winnow/plugin/splunk"
)

// asModularInput handles the three ways in which splunkd calls this program as the modular input
// winnow://: with --scheme, with --validate-arguments, and with nothing but a configuration on
// standard input.
func (g *globals) asModularInput(ctx context.Context, args []string) (handled bool, code int) {
	asInput := len(args) == 1 && (args[0] == "--scheme" || args[0] == "--validate-arguments")
	if len(args) == 0 && !terminal(g.in) && !emptyInput(g.in) {
		asInput = true
	}
	if !asInput {
		return false, 0
	}
	in := splunk.Input{
		Scheme: splunk.WorkerScheme(),
		Validate: func(context.Context, splunk.InputConfig) error {
			_, err := g.open()
			return err
		},
		Run: func(ctx context.Context, conf splunk.InputConfig, _ *splunk.EventWriter) error {
			d, err := g.open()
			if err != nil {
				return err
			}
			return g.work(ctx, d, false, splunkLog(g), &input{conf.SessionKey, conf.ServerURI, conf.ServerHost})
		},
	}
	return true, in.Main(ctx, args, splunk.IO{Stdin: g.in, Stdout: g.out, Stderr: g.err})
}

// emptyInput reports whether standard input is closed or /dev/null: somebody ran the program bare.
func emptyInput(in any) bool {
	f, ok := in.(*os.File)
	if !ok {
		return true
	}
	info, err := f.Stat()
	return err != nil || info.Mode()&os.ModeDevice != 0
}

// splunkLog writes log lines as splunkd wants them on standard error: the level first.
func splunkLog(g *globals) *slog.Logger {
	return slog.New(&levelHandler{log: splunk.NewLevelWriter(g.err)})
}

type levelHandler struct {
	log   *splunk.LevelWriter
	attrs []slog.Attr
}

func (h *levelHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

func (h *levelHandler) Handle(_ context.Context, r slog.Record) error {
	text := r.Message
	add := func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%q", a.Key, a.Value.String())
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	switch {
	case r.Level >= slog.LevelError:
		h.log.Error("%s", text)
	case r.Level >= slog.LevelWarn:
		h.log.Warn("%s", text)
	default:
		h.log.Info("%s", text)
	}
	return nil
}

func (h *levelHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &levelHandler{h.log, append(slices.Clip(h.attrs), attrs...)}
}

func (h *levelHandler) WithGroup(string) slog.Handler { return h }
