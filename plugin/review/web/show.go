package web

import (
	"bytes"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"net/http"
	"path"
	"time"

	"github.com/winnow-soc/winnow/plugin/report/page"
)

//go:embed templates/*.tmpl
var templateFiles embed.FS

//go:embed assets/*
var assetFiles embed.FS

var pages = template.Must(template.New("pages").Funcs(functions).ParseFS(templateFiles, "templates/*.tmpl"))

// frame is what is around every page.
type frame struct {
	Title   string
	Path    string
	Static  string // where the page's files are
	Version string
	Now     time.Time
	Who     *Person // nil: nobody is signed in
	Notice  string
}

// frame also takes the notice of what was just done: it is shown once.
func (s *server) frame(r *http.Request, who *session, title string) frame {
	f := frame{Title: title, Path: r.URL.Path, Static: "/static/" + s.files.version, Version: s.Version, Now: s.Now().UTC()}
	if who != nil {
		f.Who = &who.Person
		s.sessions.change(r, func(one *session) { f.Notice, one.notice = one.notice, "" })
	}
	return f
}

// May reports whether who is signed in has a role, for templates.
func (f *frame) May(role string) bool {
	want, err := ParseRole(role)
	return err == nil && f.Who != nil && f.Who.Role >= want
}

// show writes a page whole or not at all.
func (s *server) show(w http.ResponseWriter, r *http.Request, status int, name string, data any) {
	var b bytes.Buffer
	if err := pages.ExecuteTemplate(&b, name, data); err != nil {
		s.Log.Error("a page could not be made", "page", name) // the error may quote text of an alert
		http.Error(w, "this page could not be made", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	if r.Method != http.MethodHead {
		_, _ = w.Write(b.Bytes()) // who asked has gone
	}
}

type failView struct {
	frame
	Message string
}

// fail says why there is no such page, or why nothing was done.
func (s *server) fail(w http.ResponseWriter, r *http.Request, who *session, status int, message string) {
	f := frame{Title: failTitle(status), Path: r.URL.Path, Static: "/static/" + s.files.version, Version: s.Version, Now: s.Now().UTC()}
	if who != nil {
		f.Who = &who.Person
	}
	s.show(w, r, status, "fail", &failView{f, message})
}

// failTitle is how a page begins that says why there is no other.
func failTitle(status int) string {
	switch status {
	case http.StatusNotFound:
		return "Not here"
	case http.StatusForbidden, http.StatusUnauthorized:
		return "Not allowed"
	case http.StatusConflict, http.StatusBadRequest:
		return "Nothing was changed"
	}
	return "Not now"
}

// files are the page's own scripts and styles, under a name that changes with them: browsers may keep them.
type files struct {
	version string
	all     map[string][]byte
}

func newFiles() (files, error) {
	f, h := files{all: map[string][]byte{}}, sha256.New()
	err := fs.WalkDir(assetFiles, "assets", func(name string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := assetFiles.ReadFile(name)
		f.all[path.Base(name)] = body
		_, _ = fmt.Fprintf(h, "%s %d ", name, len(body)) // a hash takes everything
		_, _ = h.Write(body)
		return err
	})
	// The report brings its own style: nested, so that it holds for nothing around it.
	f.all["report.css"] = []byte(".report {\n" + page.Style() + "}\n")
	_, _ = h.Write(f.all["report.css"])
	f.version = hex.EncodeToString(h.Sum(nil))[:16]
	return f, err
}

var fileTypes = map[string]string{".js": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8", ".svg": "image/svg+xml"}

func (s *server) static(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("name")
	body, kind := s.files.all[name], fileTypes[path.Ext(name)]
	if body == nil || kind == "" || r.PathValue("version") != s.files.version {
		http.Error(w, "no such file", http.StatusNotFound)
		return
	}
	w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	w.Header().Set("Content-Type", kind)
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// Self returns the frame of a page, for templates that are given the page.
func (f *frame) Self() frame { return *f }
