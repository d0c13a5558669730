package splunktest

import (
	"net/http"
	"slices"
	"strings"
	"time"
)

// Capabilities that the server checks.
const (
	CapEditNotables  = "edit_notable_events"
	CapListPasswords = "list_storage_passwords"
	CapEditTCP       = "edit_tcp"
)

// login is one session key or token.
type login struct {
	user    string
	caps    []string
	expires time.Time // zero = never
	token   bool
}

// AddSession makes a session key valid until expires (zero = for ever). It is sent as
// "Splunk KEY".
func (s *Server) AddSession(user, key string, expires time.Time, caps ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[key] = &login{user: user, caps: caps, expires: expires}
}

// AddToken makes an authentication token valid until expires (zero = for ever). It is sent as
// "Bearer TOKEN".
func (s *Server) AddToken(user, token string, expires time.Time, caps ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.keys[token] = &login{user: user, caps: caps, expires: expires, token: true}
}

// SetRoles says which roles a user has; nobody has any at first.
func (s *Server) SetRoles(user string, roles ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.roles == nil {
		s.roles = map[string][]string{}
	}
	s.roles[user] = roles
}

// Revoke ends a session key or token at once.
func (s *Server) Revoke(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.keys, key)
}

// authenticate returns who sends a request. Splunk takes session keys also as Bearer, but tokens
// not as Splunk.
func (s *Server) authenticate(r *http.Request) (*login, bool) {
	scheme, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	s.mu.Lock()
	defer s.mu.Unlock()
	l := s.keys[key]
	if l == nil || !l.expires.IsZero() && !s.opts.Now().Before(l.expires) {
		return nil, false
	}
	switch scheme {
	case "Bearer":
		return l, true
	case "Splunk":
		return l, !l.token
	}
	return nil, false
}

func (l *login) can(capability string) bool { return slices.Contains(l.caps, capability) }
