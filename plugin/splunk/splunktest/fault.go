package splunktest

import (
	"bytes"
	"io"
	"maps"
	"net/http"
	"path"
	"slices"
	"sync"
	"time"
)

// Fault spoils requests. The first fault that fits is used, and gone after Times uses.
type Fault struct {
	Path   string        // glob on the path, like "/services/notable_update"; "" = any
	Times  int           // 0 = for ever
	Status int           // answer this status ...
	Body   string        // ... with this body, or Splunk's own words for the status if ""
	Header http.Header   // ... and these headers
	Delay  time.Duration // wait first; without effect when the client is gone by then
	Cut    bool          // cut the connection without an answer
	After  bool          // cut it after the request has had its effect
	Begin  func()        // called when the request has come, before anything else; nil = nothing
}

// faulty is a server that can be spoilt.
type faulty struct {
	faultMu sync.Mutex
	faults  []*Fault
}

// Fail adds a fault.
func (s *faulty) Fail(f Fault) {
	s.faultMu.Lock()
	defer s.faultMu.Unlock()
	s.faults = append(s.faults, &f)
}

// Heal removes all faults.
func (s *faulty) Heal() {
	s.faultMu.Lock()
	defer s.faultMu.Unlock()
	s.faults = nil
}

func (s *faulty) takeFault(p string) (Fault, bool) {
	s.faultMu.Lock()
	defer s.faultMu.Unlock()
	for i, f := range s.faults {
		if ok, _ := path.Match(f.Path, p); f.Path != "" && !ok {
			continue
		}
		if f.Times > 0 {
			if f.Times--; f.Times == 0 {
				s.faults = slices.Delete(s.faults, i, i+1)
			}
		}
		return *f, true
	}
	return Fault{}, false
}

// spoil applies a fault and reports whether the request ends with it.
func (f Fault) spoil(w http.ResponseWriter, r *http.Request) bool {
	if f.Begin != nil {
		f.Begin()
	}
	if f.Delay > 0 {
		body, _ := io.ReadAll(r.Body) // that a client is gone is seen only once its body is read
		r.Body = io.NopCloser(bytes.NewReader(body))
		select {
		case <-time.After(f.Delay):
		case <-r.Context().Done():
			panic(http.ErrAbortHandler) // an answer could still reach a client that is closing
		}
	}
	maps.Copy(w.Header(), f.Header)
	switch {
	case f.Cut:
		panic(http.ErrAbortHandler)
	case f.Status == 0:
		return false
	case f.Body != "":
		w.WriteHeader(f.Status)
		_, _ = w.Write([]byte(f.Body))
	default:
		reply(w, r, f.Status, "ERROR", http.StatusText(f.Status))
	}
	return true
}

// before puts faults before a handler.
func (s *faulty) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f, spoilt := s.takeFault(r.URL.Path)
		if spoilt && f.spoil(w, r) {
			return
		}
		if spoilt && f.After {
			next.ServeHTTP(discard{http.Header{}}, r)
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
}
