package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"

	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/splunk"
)

// workerLog is the log of a worker that was started by hand.
func workerLog(w io.Writer, format conf.LogFormat, quiet bool) *slog.Logger {
	opts := &slog.HandlerOptions{Level: slog.LevelInfo}
	if quiet {
		opts.Level = slog.LevelError
	}
	if format == conf.LogJSON {
		return slog.New(slog.NewJSONHandler(w, opts))
	}
	return slog.New(slog.NewTextHandler(w, opts))
}

// splunkLog writes log lines as splunkd wants them on standard error: the level first, in JSON too.
func splunkLog(g *globals, format conf.LogFormat) *slog.Logger {
	return slog.New(&levelHandler{log: splunk.NewLevelWriter(g.err), json: format == conf.LogJSON})
}

type levelHandler struct {
	log   *splunk.LevelWriter
	attrs []slog.Attr
	json  bool
}

func (h *levelHandler) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelInfo }

func (h *levelHandler) Handle(ctx context.Context, r slog.Record) error {
	text := h.text
	if h.json {
		text = h.object
	}
	line, err := text(ctx, r)
	if err != nil {
		return err
	}
	switch {
	case r.Level >= slog.LevelError:
		h.log.Error("%s", line)
	case r.Level >= slog.LevelWarn:
		h.log.Warn("%s", line)
	default:
		h.log.Info("%s", line)
	}
	return nil
}

func (h *levelHandler) text(_ context.Context, r slog.Record) (string, error) {
	text := r.Message
	add := func(a slog.Attr) bool {
		text += fmt.Sprintf(" %s=%q", a.Key, a.Value.Resolve().String())
		return true
	}
	for _, a := range h.attrs {
		add(a)
	}
	r.Attrs(add)
	return text, nil
}

func (h *levelHandler) object(ctx context.Context, r slog.Record) (string, error) {
	var line bytes.Buffer
	err := slog.NewJSONHandler(&line, nil).WithAttrs(h.attrs).Handle(ctx, r)
	return strings.TrimSpace(line.String()), err
}

func (h *levelHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &levelHandler{h.log, append(slices.Clip(h.attrs), attrs...), h.json}
}

func (h *levelHandler) WithGroup(string) slog.Handler { return h }
