package paging

import (
	"context"
	"net/http"
	"net/url"
	"text/template"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk"
)

// ticket opens a ticket for a page, and says in a comment what has become of it: whether the ticket is closed is for
// those who own it. Before it opens one it looks whether that was done before, by the page's id.
type ticket struct {
	*target
	desk     desk
	bodies   *template.Template
	project  string
	user     string
	template conf.Template
	sign     func(context.Context) (winnow.Secret, error) // nil: requests are not signed
}

func newTicket(c conf.Sink, o Options) (*ticket, error) {
	t, err := newTarget(c, o, "")
	if err != nil {
		return nil, err
	}
	out := &ticket{target: t, desk: desks[c.Template], project: c.Project, user: c.User, template: c.Template}
	if out.bodies, err = parseTemplates(c.Template); err != nil {
		return nil, err
	}
	if out.project == "" && c.Template == conf.TemplateSOAR {
		out.project = "events" // the label that every installation has
	}
	if c.SignKey != "" {
		out.sign = func(ctx context.Context) (winnow.Secret, error) { return o.Secret(ctx, c.SignKey) }
	}
	return out, nil
}

// Deliver opens the ticket of a page, or comments on it.
func (s *ticket) Deliver(ctx context.Context, d ledger.Delivery) error {
	page, err := s.page(&d)
	if err != nil {
		return err
	}
	ref := page.Ref
	if ref == "" {
		if ref, err = s.find(ctx, pageID(page)); err != nil {
			return err
		}
	}
	m := newMessage(&d, s.project)
	switch {
	case page.Action == ledger.PageTrigger && ref != "":
		return s.taken("open a ticket", ref)
	case page.Action == ledger.PageTrigger:
		return s.create(ctx, d.Key, m)
	case ref == "":
		return nil // none was opened, so there is nothing to comment on
	}
	return s.comment(ctx, d.Key, ref, comment{Ref: ref, Text: ended(&d)})
}

func (s *ticket) create(ctx context.Context, key string, m message) error {
	const op = "open a ticket"
	body, err := render(s.bodies, "create", m)
	if err != nil {
		return s.Refused(op, err.Error(), splunk.CodeInput, false)
	}
	a, err := s.call(ctx, key, splunk.Request{Op: op, Method: http.MethodPost, Path: s.desk.create, Body: body, Also: s.desk.duplicate})
	if err != nil {
		return err
	}
	ref, err := s.desk.created(a)
	if err == nil && ref == "" && a.Status >= http.StatusBadRequest {
		// The ticket is there, made by a try whose answer was lost, or it never can be made.
		if ref, err = s.find(ctx, m.ID); err == nil && ref == "" {
			return s.Refused(op, string(a.Body), splunk.CodeRefused, false)
		}
	}
	if err != nil {
		return err
	}
	return s.taken(op, ref)
}

// comment is what becomes of a comment's template.
type comment struct {
	Ref  string
	Text string
}

func (s *ticket) comment(ctx context.Context, key, ref string, c comment) error {
	const op = "comment on the ticket"
	body, err := render(s.bodies, "comment", c)
	if err != nil {
		return s.Refused(op, err.Error(), splunk.CodeInput, false)
	}
	method, path := s.desk.comment(url.PathEscape(ref))
	_, err = s.call(ctx, key, splunk.Request{Op: op, Method: method, Path: path, Body: body})
	return err
}

// find looks for the ticket of a page.
func (s *ticket) find(ctx context.Context, id string) (ref string, err error) {
	const op = "look for the ticket"
	for _, r := range s.desk.find(id) {
		r.Op = op
		a, err := s.call(ctx, "", r)
		if err != nil {
			return "", err
		}
		if a.Status == http.StatusNotFound || a.Status == http.StatusMethodNotAllowed {
			continue // another version of the same server has it elsewhere
		}
		ref, err := s.desk.found(a)
		if err != nil || ref == "" || validRef(ref) {
			return ref, err
		}
		return "", s.Refused(op, "the answer names something that is no ticket", splunk.CodeBadAnswer, true)
	}
	return "", s.Refused(op, "no search of this server answers: check url and template", splunk.CodeNotFound, true)
}

// call sends a request with the key as the server wants it, and signed where that is wanted and something is written.
func (s *ticket) call(ctx context.Context, delivery string, r splunk.Request) (*splunk.Answer, error) {
	key, err := s.Key(ctx)
	if err != nil {
		return nil, err
	}
	r.Key, r.Header = key, s.desk.auth(s.user, key)
	if s.sign != nil && r.Body != nil && delivery != "" {
		secret, err := s.sign(ctx)
		if err != nil {
			return nil, err
		}
		if err := splunk.SignWebhook(r.Header, secret, delivery, s.Now(), r.Body); err != nil {
			return nil, err
		}
	}
	return s.Call(ctx, r)
}
