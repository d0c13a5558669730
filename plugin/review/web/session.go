package web

import (
	"crypto/rand"
	"crypto/sha256"
	"net/http"
	"sync"
	"time"

	"github.com/winnow-soc/winnow"
)

// How long a session lasts: a shift at most, and no longer than its owner is likely to be at the desk.
const (
	sessionFor   = 9 * time.Hour
	sessionIdle  = time.Hour
	mostSessions = 1000
	// recheckAfter is how old Splunk's word of a person may be when the person changes something.
	recheckAfter = time.Minute
)

// session is one person in one browser. Its key is a hash of the cookie, so that memory holds no cookie.
type session struct {
	Person
	token   winnow.Secret // of Splunk, to ask again; "" for the local token
	began   time.Time
	used    time.Time
	checked time.Time // when Splunk last knew the person

	notice string // of what was just done, shown once
}

type sessions struct {
	now    func() time.Time
	secure bool

	mu  *sync.Mutex
	all map[[sha256.Size]byte]*session
}

func newSessions(now func() time.Time, secure bool) sessions {
	return sessions{now: now, secure: secure, mu: &sync.Mutex{}, all: map[[sha256.Size]byte]*session{}}
}

// cookieName is bound to this host over TLS; without it a browser takes no such name.
func (s *sessions) cookieName() string {
	if s.secure {
		return "__Host-winnow"
	}
	return "winnow"
}

func (s *sessions) cookie(value string, maxAge int) *http.Cookie {
	//nolint:gosec // Secure where the page is served over TLS: on loopback without it, the cookie would not come back
	return &http.Cookie{
		Name: s.cookieName(), Value: value, Path: "/", MaxAge: maxAge, HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode,
	}
}

// begin starts a session; the one that the browser had before is over.
func (s *sessions) begin(w http.ResponseWriter, r *http.Request, p Person, token winnow.Secret) {
	s.end(w, r)
	value, now := rand.Text(), s.now()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep(now)
	s.all[sha256.Sum256([]byte(value))] = &session{Person: p, token: token, began: now, used: now, checked: now}
	http.SetCookie(w, s.cookie(value, int(sessionFor/time.Second)))
}

// sweep drops sessions that are over, and when there are too many all the same, the one unused for longest.
func (s *sessions) sweep(now time.Time) {
	var oldest [sha256.Size]byte
	var since time.Time
	for key, one := range s.all {
		if one.over(now) {
			delete(s.all, key)
		} else if since.IsZero() || one.used.Before(since) {
			oldest, since = key, one.used
		}
	}
	if len(s.all) >= mostSessions {
		delete(s.all, oldest)
	}
}

// over also holds for a clock that went back: a session that begins tomorrow is none.
func (s *session) over(now time.Time) bool {
	age, idle := now.Sub(s.began), now.Sub(s.used)
	return age < -time.Minute || age > sessionFor || idle > sessionIdle
}

// of returns a copy of the request's session, and nil when there is none. The notice is not taken.
func (s *sessions) of(r *http.Request) *session {
	c, err := r.Cookie(s.cookieName())
	if err != nil {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	one := s.all[sha256.Sum256([]byte(c.Value))]
	if one == nil || one.over(s.now()) {
		return nil
	}
	one.used = s.now()
	out := *one
	return &out
}

// change changes the request's session, if it still is one.
func (s *sessions) change(r *http.Request, f func(*session)) {
	c, err := r.Cookie(s.cookieName())
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if one := s.all[sha256.Sum256([]byte(c.Value))]; one != nil {
		f(one)
	}
}

// end ends the request's session.
func (s *sessions) end(w http.ResponseWriter, r *http.Request) {
	c, err := r.Cookie(s.cookieName())
	if err != nil {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.all, sha256.Sum256([]byte(c.Value)))
	http.SetCookie(w, s.cookie("", -1))
}
