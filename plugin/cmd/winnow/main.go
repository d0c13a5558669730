// Command winnow is everything but the alert action: the worker and Splunk's modular input, and
// the tools for detection engineers, analysts and SOC leads. Each command is a file here.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/winnow-soc/winnow/plugin/crash"
)

func main() {
	os.Exit(run())
}

// run is main without os.Exit, so that deferred clean-up happens. Ctrl-C and SIGTERM end the
// command cleanly; a second Ctrl-C ends it at once.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	return execute(ctx, &console{
		in: os.Stdin, out: os.Stdout, err: os.Stderr, getenv: os.Getenv, now: crash.Now,
	}, os.Args[1:])
}
