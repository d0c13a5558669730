package web

import (
	"crypto/sha256"
	"crypto/subtle"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/winnow-soc/winnow"
)

// asker is a handler that knows who asks.
type asker func(w http.ResponseWriter, r *http.Request, who *session)

// as lets only those in who have at least a role. Who changes something must still have it by Splunk's word.
func (s *server) as(role Role, next asker) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		who := s.sessions.of(r)
		changes := r.Method != http.MethodGet && r.Method != http.MethodHead
		switch {
		case who == nil && changes:
			s.fail(w, r, nil, http.StatusUnauthorized, "You are not signed in any more. Nothing was changed: sign in, and do it again.")
		case who == nil:
			s.toSignIn(w, r)
		case changes && !s.stillIs(w, r, who):
		case who.Role < role:
			s.fail(w, r, who, http.StatusForbidden, "A "+who.Role.String()+" may not do this: it takes the role "+role.String()+". Nothing was changed.")
		default:
			next(w, r, who)
		}
	}
}

// toSignIn leads to the form, and from there back.
func (s *server) toSignIn(w http.ResponseWriter, r *http.Request) {
	if r.Header.Get("HX-Request") != "" {
		w.Header().Set("HX-Refresh", "true") // a part of a page: the whole page is to sign in
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	to := "/sign-in"
	if r.URL.Path != "/" {
		to += "?" + url.Values{"to": {r.URL.Path}}.Encode()
	}
	http.Redirect(w, r, to, http.StatusSeeOther)
}

// stillIs asks Splunk again who somebody is who is about to change something.
func (s *server) stillIs(w http.ResponseWriter, r *http.Request, who *session) bool {
	now := s.Now()
	if age := now.Sub(who.checked); who.token == "" || age >= 0 && age < recheckAfter {
		return true
	}
	p, err := s.Splunk(r.Context(), who.token)
	switch {
	case errors.Is(err, ErrSignIn) || err == nil && p.Name != who.Name:
		s.sessions.end(w, r)
		s.fail(w, r, nil, http.StatusUnauthorized, "Splunk does not accept your token any more. Nothing was changed.")
		return false
	case err != nil:
		s.Log.Warn("who is signed in could not be checked", "err", err)
		s.fail(w, r, who, http.StatusServiceUnavailable, "Splunk could not be asked whether you may still do this. Nothing was changed: try again.")
		return false
	}
	who.Person, who.checked = p, now
	s.sessions.change(r, func(one *session) { one.Person, one.checked = p, now })
	return true
}

type signInView struct {
	frame
	To            string
	Splunk, Local bool
	Wrong         string
}

func (s *server) signInForm(w http.ResponseWriter, r *http.Request) {
	if s.sessions.of(r) != nil {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	s.showSignIn(w, r, http.StatusOK, ownPath(r.URL.Query().Get("to")), "")
}

func (s *server) showSignIn(w http.ResponseWriter, r *http.Request, status int, to, wrong string) {
	v := signInView{frame: s.frame(r, nil, "Sign in"), To: to, Splunk: s.Splunk != nil, Local: s.Local != nil, Wrong: wrong}
	s.show(w, r, status, "signin", &v)
}

// ownPath takes a path of this site, so that no link leads a person who signs in elsewhere.
func ownPath(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" || u.User != nil || !strings.HasPrefix(to, "/") || strings.HasPrefix(to, "//") ||
		strings.ContainsAny(to, "\\\r\n\t") {
		return "/"
	}
	return u.EscapedPath()
}

func (s *server) signIn(w http.ResponseWriter, r *http.Request) {
	to := ownPath(r.PostFormValue("to"))
	if !s.limits.mayTry(r) {
		w.Header().Set("Retry-After", "10")
		s.showSignIn(w, r, http.StatusTooManyRequests, to, "Too many tokens were wrong. Wait a while and try again.")
		return
	}
	token := winnow.Secret(strings.TrimSpace(r.PostFormValue("token")))
	p, keep, err := s.whoHas(r, token)
	switch {
	case errors.Is(err, ErrSignIn):
		s.limits.wrong(r)
		s.Log.Warn("sign-in refused", "from", r.RemoteAddr)
		s.showSignIn(w, r, http.StatusUnauthorized, to, "This token lets nobody in. It is wrong, has expired, or its Splunk roles allow nothing here.")
	case err != nil:
		s.Log.Warn("sign-in failed", "err", err)
		s.showSignIn(w, r, http.StatusServiceUnavailable, to, "Splunk could not be asked who you are. Try again in a moment.")
	default:
		s.sessions.begin(w, r, p, keep)
		s.Log.Info("signed in", "name", p.Name, "role", p.Role.String())
		http.Redirect(w, r, to, http.StatusSeeOther) //nolint:gosec // a path of this site: see ownPath
	}
}

// whoHas says who has a token, and returns the token if Splunk is to be asked again.
func (s *server) whoHas(r *http.Request, token winnow.Secret) (Person, winnow.Secret, error) {
	if token == "" {
		return Person{}, "", ErrSignIn
	}
	if s.Local != nil && same(s.Local.Token, token) {
		return s.Local.Person, "", nil
	}
	if s.Splunk == nil {
		return Person{}, "", ErrSignIn
	}
	p, err := s.Splunk(r.Context(), token)
	if err == nil && (p.Role == NoRole || p.Name == "") {
		err = ErrSignIn
	}
	return p, token, err
}

// same compares in a time that tells nothing of how far the two agree.
func same(a, b winnow.Secret) bool {
	x, y := sha256.Sum256([]byte(a.Reveal())), sha256.Sum256([]byte(b.Reveal()))
	return a != "" && subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func (s *server) signOut(w http.ResponseWriter, r *http.Request) {
	s.sessions.end(w, r)
	http.Redirect(w, r, "/sign-in", http.StatusSeeOther)
}
