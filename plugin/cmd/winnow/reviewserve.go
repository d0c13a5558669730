package main

import (
	"context"
	"fmt"
	"log/slog"

	"github.com/spf13/cobra"

	"github.com/winnow-soc/winnow/plugin/review/web"
	"github.com/winnow-soc/winnow/plugin/state"
)

const reviewServeHelp = `Serve the page on which people decide: the queue, each case, rules and votes and what they are worth, cost
and health. It prints a token to sign in with, which is good until the command ends. The page needs no
worker: a decision is carried out at once, or by the worker where one runs.

A worker serves the same page where [review] listen is set, for people with Splunk tokens. An address that
is not loopback needs a certificate: [review] cert_file and key_file.`

// defaultPage is where the page is served unless somebody says otherwise.
const defaultPage = "127.0.0.1:8090"

type serveFlags struct {
	listen, role string
	splunk       bool
}

func reviewServeCommand(g *globals) *cobra.Command {
	var f serveFlags
	cmd := &cobra.Command{
		Use: "serve", Short: "the page on which people decide", Args: cobra.NoArgs, Long: reviewServeHelp,
		Example: `  winnow review serve
  winnow review serve --listen 127.0.0.1:8095 --role viewer`,
		RunE: func(cmd *cobra.Command, _ []string) error { return g.reviewServe(cmd.Context(), f) },
	}
	cmd.Flags().StringVar(&f.listen, "listen", "", "serve at `ADDRESS:PORT` (default: [review] listen, else "+defaultPage+")")
	cmd.Flags().StringVar(&f.role, "role", web.Approver.String(), "what the printed token allows, as `ROLE`: viewer, analyst or approver")
	cmd.Flags().BoolVar(&f.splunk, "splunk", false, "let people sign in with Splunk tokens too, at [splunk] uri")
	return cmd
}

func (g *globals) reviewServe(ctx context.Context, f serveFlags) error {
	role, err := web.ParseRole(f.role)
	if err != nil {
		return usage(fmt.Errorf("--role is %q: %w", f.role, err))
	}
	d, err := g.openPage(f.listen)
	if err != nil {
		return err
	}
	place, err := pagePlace(d)
	if err != nil {
		return usage(err)
	}
	site := g.newSite(d, role, workerLog(g.err, d.Settings.Worker.Log, g.quiet))
	if f.splunk {
		if site.Splunk, err = g.signInBySplunk(d, nil); err != nil {
			return usage(err)
		}
	}
	ended := make(chan error, 1)
	address, stop, err := web.Serve(site, place, func(err error) { ended <- err })
	if err != nil {
		return usage(err, "`--listen 127.0.0.1:0` takes any port that is free")
	}
	defer stop()
	if err := g.sayServed(address, &site); err != nil {
		return err
	}
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return nil
	}
}

// openPage reads the configuration with the address at which the page is served.
func (g *globals) openPage(listen string) (*state.Deployment, error) {
	if listen != "" {
		g.set = append(g.set, "review.listen="+listen)
	}
	d, err := g.open()
	if err == nil && d.Settings.Review.Listen == "" {
		d.Settings.Review.Listen = defaultPage
	}
	return d, err
}

// sayServed prints the token: it is the one place where it is shown.
func (g *globals) sayServed(address string, s *web.Site) error {
	token := s.Local.Token.Reveal()
	if g.format == formatJSON {
		return g.json(struct {
			Address string `json:"address"`
			Token   string `json:"token"`
			Name    string `json:"name"`
			Role    string `json:"role"`
		}{address, token, s.Local.Person.Name, s.Local.Person.Role.String()})
	}
	g.print("page   %s", address)
	g.print("token  %s", token)
	g.note("sign in with the token, as %s; Ctrl-C ends the page", s.Local.Person.Role)
	return nil
}

// pageToken is where a worker keeps the token of its page for whoever may read the state folder.
const pageToken = "page.token"

// servePage serves the page of a worker until stop is called. That it cannot is no reason not to work.
func (g *globals) servePage(d *state.Deployment, in *input, log *slog.Logger) (stop func()) {
	cannot := func(err error) { log.Error("the page is not served", "err", err) }
	if g.metrics == nil || d.Settings.Review.Listen == "" {
		return func() {}
	}
	place, err := pagePlace(d)
	if err != nil {
		cannot(err)
		return func() {}
	}
	site := g.newSite(d, web.Approver, log)
	site.Splunk, err = g.signInBySplunk(d, in)
	if err == nil {
		err = state.WriteFile(d.Path(pageToken), []byte(site.Local.Token.Reveal()+"\n"))
	}
	if err != nil {
		cannot(err)
		return func() {}
	}
	address, stop, err := web.Serve(site, place, cannot)
	if err != nil {
		cannot(err)
		return func() {}
	}
	log.Info("the page is served", "address", address)
	return stop
}
