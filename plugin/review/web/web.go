// Package web is the page on which people decide: the queue, one case, what rules and votes are worth, cost and
// health. It is HTML that the server makes, works without scripts, and changes nothing by GET.
//
// All that it shows of an alert was written by whoever could make it: it goes through html/template and [visible], in
// elements that nothing inside can leave, under a policy that runs no script but the page's own files.
package web

import (
	"context"
	"errors"
	"log/slog"
	"net/http"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/health"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/report"
	"github.com/winnow-soc/winnow/plugin/report/page"
	"github.com/winnow-soc/winnow/plugin/review"
)

// Site is what the page shows and what it does. Its functions must be safe for concurrent use.
type Site struct {
	Version string
	Secure  bool // it is served over TLS: cookies are for TLS alone
	Now     func() time.Time
	Log     *slog.Logger // never told text of an alert

	View   func(context.Context, func(*ledger.Tx) error) error // reads the ledger
	Rules  func(*ledger.Tx) ([]report.Rule, error)
	Votes  func(*ledger.Tx) (*report.Votes, error)
	Cost   func(t *ledger.Tx, days int) (*page.Data, error)
	Checks func(context.Context) []health.Check

	// Case is what cases need to know of the deployment.
	Case func(*ledger.Tx) review.Site

	// Decide hands a decision over. done is false when it was handed to a worker, which carries it out soon.
	// An error that wraps review.ErrRefused is told to the person.
	Decide func(context.Context, review.Decision) (result review.Result, done bool, err error)

	Splunk Splunk // who is behind a Splunk token; nil: nobody signs in that way
	Local  *Local // a token of this host; nil: none
}

// Splunk asks splunkd who a token belongs to. It returns ErrSignIn for a token that splunkd refuses, and for a person
// whose roles allow nothing here; any other error says that splunkd could not be asked.
type Splunk func(context.Context, winnow.Secret) (Person, error)

// Local is a token for whoever may read this host's state: it stands for one person, so that it is never two
// approvers.
type Local struct {
	Token  winnow.Secret
	Person Person
}

// Person is who is signed in.
type Person struct {
	Name string
	Role Role
}

// Role is what a person may do. Each may do what those before it may; the zero value may do nothing.
type Role int

// The roles.
const (
	NoRole   Role = iota
	Viewer        // see everything
	Analyst       // decide about alerts
	Approver      // approve response actions
)

var roleNames = []string{"none", "viewer", "analyst", "approver"}

func (r Role) String() string {
	if r < NoRole || r > Approver {
		return roleNames[NoRole]
	}
	return roleNames[r]
}

// ParseRole reads the name of a role that may do something.
func ParseRole(name string) (Role, error) {
	for r := Viewer; r <= Approver; r++ {
		if r.String() == name {
			return r, nil
		}
	}
	return NoRole, errors.New("want viewer, analyst or approver")
}

// ErrSignIn says that a token lets nobody in.
var ErrSignIn = errors.New("the token is not accepted")

// server is the site with what it keeps between requests.
type server struct {
	Site
	sessions sessions
	limits   limits
	files    files
}

// Handler returns the site's handler.
func Handler(s Site) (http.Handler, error) {
	files, err := newFiles()
	if err != nil {
		return nil, err
	}
	srv := &server{Site: s, files: files, limits: newLimits(s.Now), sessions: newSessions(s.Now, s.Secure)}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /static/{version}/{name}", srv.static)
	mux.HandleFunc("GET /sign-in", srv.signInForm)
	mux.HandleFunc("POST /sign-in", srv.signIn)
	mux.HandleFunc("POST /sign-out", srv.signOut)
	mux.HandleFunc("GET /{$}", srv.as(Viewer, srv.queue))
	mux.HandleFunc("GET /waiting", srv.as(Viewer, srv.waiting))
	mux.HandleFunc("GET /case/{id}", srv.as(Viewer, srv.oneCase))
	mux.HandleFunc("POST /case/{id}", srv.as(Analyst, srv.decide))
	mux.HandleFunc("GET /rules", srv.as(Viewer, srv.rules))
	mux.HandleFunc("GET /votes", srv.as(Viewer, srv.votes))
	mux.HandleFunc("GET /cost", srv.as(Viewer, srv.cost))
	mux.HandleFunc("GET /cost/days", srv.as(Viewer, srv.costDays))
	mux.HandleFunc("GET /health", srv.as(Viewer, srv.health))
	mux.HandleFunc("/", srv.as(Viewer, func(w http.ResponseWriter, r *http.Request, who *session) {
		srv.fail(w, r, who, http.StatusNotFound, "There is no such page.")
	}))
	return srv.guard(mux), nil
}
