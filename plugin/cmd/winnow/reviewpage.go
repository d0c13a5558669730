package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/health"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/report/page"
	"github.com/winnow-soc/winnow/plugin/review"
	"github.com/winnow-soc/winnow/plugin/review/web"
	"github.com/winnow-soc/winnow/plugin/splunk"
	"github.com/winnow-soc/winnow/plugin/state"
)

// newSite makes the page of a deployment. Who signs in by local gets the role that is given.
func (g *globals) newSite(d *state.Deployment, role web.Role, log *slog.Logger) web.Site {
	var deciding sync.Mutex // one after the other: each may have to take the worker's lock
	s := web.Site{
		Version: version(), Now: g.now, Log: log,
		Local: &web.Local{Token: winnow.Secret(rand.Text()), Person: web.Person{Name: userName(), Role: role}},
		View: func(ctx context.Context, f func(*ledger.Tx) error) (err error) {
			l, err := ledger.OpenReadOnly(ctx, d.Path("ledger.db"))
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, l.Close()) }()
			return l.View(ctx, f)
		},
		Case: func(t *ledger.Tx) review.Site { return g.reviewSite(d, t) },
		Rules: func(t *ledger.Tx) ([]report.Rule, error) {
			known, err := g.knownRules(d)
			if err != nil {
				return nil, err
			}
			return report.NewRules(t, known)
		},
		Votes: func(t *ledger.Tx) (*report.Votes, error) {
			weights := agentWeights(d.Settings)
			return report.NewVotes(t, func(a *winnow.Alert, votes []winnow.Vote) string {
				return string(llm.Decide(a, d.Fields, weights, votes))
			})
		},
		Cost: func(t *ledger.Tx, days int) (*page.Data, error) {
			return g.newPage(d, t, days, report.BillOptions{Minutes: pageMinutes, Hourly: winnow.Dollars(pageHourly)})
		},
		Checks: func(ctx context.Context) []health.Check {
			checks, err := health.AskChecks(ctx, healthPlace(d), "/readyz")
			if err != nil {
				return []health.Check{{Check: "worker", Detail: err.Error()}}
			}
			return checks
		},
	}
	s.Decide = func(ctx context.Context, decision review.Decision) (review.Result, bool, error) {
		deciding.Lock()
		defer deciding.Unlock()
		return g.decideOnPage(ctx, d, decision)
	}
	return s
}

// What the cost page assumes of people, like `winnow report html` does.
const (
	pageMinutes = 10
	pageHourly  = 60
)

// decideOnPage carries a decision out, or hands it to the worker. What the worker would refuse is refused at once, so
// that the person hears of it.
func (g *globals) decideOnPage(ctx context.Context, d *state.Deployment, decision review.Decision) (done review.Result, now bool, err error) {
	seq, err := g.decidable(ctx, d, decision.ID)
	if err != nil {
		return done, false, err
	}
	if seq != decision.Seq {
		return done, false, fmt.Errorf("%w: the alert has changed since you saw it: look again", review.ErrRefused)
	}
	body, err := decision.Encode()
	if err != nil {
		return done, false, err
	}
	handed, err := g.write(d, body, func() (err error) {
		done, err = g.carryOut(ctx, d, decision)
		return err
	})
	return done, !handed, err
}

// signInBySplunk asks splunkd who a token belongs to, and takes the highest role that its Splunk roles give.
func (g *globals) signInBySplunk(d *state.Deployment, in *input) (web.Splunk, error) {
	uri := d.Settings.Splunk.URI
	if in != nil {
		uri = in.serverURI
	}
	caFile, err := resolved(d, d.Settings.Splunk.CAFile)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, token winnow.Secret) (web.Person, error) {
		c, err := splunk.NewClient(splunk.Options{
			URI: uri, Credentials: splunk.Token(token), CAFile: caFile, SplunkHome: d.SplunkHome, Proxy: d.Settings.Splunk.Proxy,
		})
		if err != nil {
			return web.Person{}, err
		}
		defer c.Close()
		who, err := c.WhoAmI(ctx)
		if e, ok := errors.AsType[*splunk.Error](err); ok && e.Code == splunk.CodeAuth {
			return web.Person{}, fmt.Errorf("%w by Splunk", web.ErrSignIn)
		}
		if err != nil {
			return web.Person{}, err
		}
		p := web.Person{Name: who.User, Role: roleOf(&d.Settings.Review, who.Roles)}
		if p.Role == web.NoRole {
			return p, fmt.Errorf("%w: its Splunk roles allow nothing here", web.ErrSignIn)
		}
		return p, nil
	}, nil
}

// roleOf is the highest role that any of somebody's Splunk roles gives.
func roleOf(s *conf.Review, roles []string) web.Role {
	in := func(list []string) bool {
		return slices.ContainsFunc(roles, func(r string) bool { return slices.Contains(list, r) })
	}
	switch {
	case in(s.Approvers):
		return web.Approver
	case in(s.Analysts):
		return web.Analyst
	case in(s.Viewers):
		return web.Viewer
	}
	return web.NoRole
}

// pagePlace is where the page of a deployment is served.
func pagePlace(d *state.Deployment) (web.Place, error) {
	p := web.Place{Address: d.Settings.Review.Listen}
	if d.Settings.Review.CertFile == "" {
		return p, nil
	}
	cert, err := d.Resolve(d.Settings.Review.CertFile)
	if err != nil {
		return p, err
	}
	keyFile, err := d.Resolve(d.Settings.Review.KeyFile)
	if err != nil {
		return p, err
	}
	key, err := splunk.ReadSecretFile(keyFile)
	if err != nil {
		return p, fmt.Errorf("[review] key_file: %w", err)
	}
	chain, err := os.ReadFile(cert)
	if err != nil {
		return p, fmt.Errorf("[review] cert_file: %w", err)
	}
	pair, err := tls.X509KeyPair(chain, []byte(key.Reveal()))
	if err != nil {
		return p, fmt.Errorf("[review] cert_file and key_file: %w", err)
	}
	p.Certificate = &pair
	return p, nil
}
