package splunktest

import (
	"fmt"
	"net/http"
	"strings"
)

// AddPassword stores a password for an app.
func (s *Server) AddPassword(app, realm, name, clear string) {
	esc := strings.NewReplacer(`\`, `\\`, ":", `\:`)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.passwords[app+"/"+esc.Replace(realm)+":"+esc.Replace(name)+":"] = clear
}

func (s *Server) password(w http.ResponseWriter, r *http.Request, who *login) {
	if !who.can(CapListPasswords) {
		forbidden(w, r, who, CapListPasswords)
		return
	}
	id := r.PathValue("name")
	s.mu.Lock()
	clear, ok := s.passwords[r.PathValue("app")+"/"+id]
	s.mu.Unlock()
	if !ok {
		reply(w, r, http.StatusNotFound, "ERROR", fmt.Sprintf("Could not find object id=%s", id))
		return
	}
	realm, name, _ := strings.Cut(strings.TrimSuffix(id, ":"), ":")
	feed(w, entry(id, map[string]any{
		"realm": realm, "username": name, "clear_password": clear, "encr_password": "$7$x", "password": "********",
	}))
}
