package main

import (
	"context"
	"os"

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
		Run: func(ctx context.Context, conf splunk.InputConfig, out *splunk.EventWriter) error {
			d, err := g.open()
			if err != nil {
				return err
			}
			in := &input{sessionKey: conf.SessionKey, serverURI: conf.ServerURI, serverHost: conf.ServerHost, stream: out}
			if len(conf.Stanzas) > 0 {
				in.stanza = conf.Stanzas[0].Name
			}
			return g.work(ctx, d, false, splunkLog(g, d.Settings.Worker.Log), in)
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
