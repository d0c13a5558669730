package llmtest

import (
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/winnow-soc/winnow/llm/prices"
)

// Options say how a server behaves. Only Brain is required.
type Options struct {
	Brain  Brain
	Faults Faults                                                // nil: nothing fails
	Price  func(model string, at time.Time) (prices.Price, bool) // nil: the ledger has no prices
	Key    string                                                // expected key; "": any that is not empty
	Models []string                                              // known models; nil: all
	Limit  Limit                                                 // of requests and tokens
	Polls  int                                                   // looks at a batch that find it unfinished
	Now    func() time.Time                                      // nil: time.Now
	Sleep  func(ctx context.Context, d time.Duration)            // nil: waits
	Hear   func(r *Request)                                      // told of every valid request, nil: nobody is

	// Lenient takes requests as a small compatible server does: without store, and with a schema or tools
	// outside the strict subset.
	Lenient bool
}

// Limit is what the server allows in one minute of Now, and tells in headers. 0: no limit, no header.
type Limit struct {
	Requests, Tokens int64
}

// Server is a running server. Safe for concurrent use.
type Server struct {
	URL string // without a path: OpenAI's base URL is URL + "/v1", Anthropic's is URL

	o      Options
	http   *httptest.Server
	prefix prefixes

	mu        sync.Mutex
	entries   []Entry
	arrived   int
	minute    time.Time
	used      Limit // in the minute
	files     map[string]*file
	fileCount int
	batches   map[string]*batch
}

const maxBody = 64 << 20

// New starts a server on loopback. Close ends it.
func New(o Options) *Server {
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = wait
	}
	s := &Server{o: o, files: map[string]*file{}, batches: map[string]*batch{}}
	s.prefix.seen = map[[sha256.Size]byte]bool{}
	s.http = httptest.NewServer(http.HandlerFunc(s.serve))
	s.URL = s.http.URL
	return s
}

// Close ends the server once requests in flight are answered.
func (s *Server) Close() { s.http.Close() }

func wait(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}

func (s *Server) serve(w http.ResponseWriter, r *http.Request) {
	if problem := s.authorise(r); problem != "" {
		writeError(w, apiOf(r.URL.Path), http.StatusUnauthorized, "invalid_api_key", problem)
		return
	}
	path := r.URL.Path
	switch api := apiOf(path); {
	case api != "" && r.Method == http.MethodPost:
		s.complete(w, r, api)
	case strings.Contains(path, "/files"):
		s.serveFiles(w, r)
	case strings.Contains(path, "/batches"):
		s.serveBatches(w, r)
	default:
		writeError(w, "", http.StatusNotFound, "not_found", "unknown request URL: "+r.Method+" "+path)
	}
}

func apiOf(path string) API {
	switch {
	case strings.HasSuffix(path, "/chat/completions"):
		return Chat
	case strings.HasSuffix(path, "/responses"):
		return Responses
	case strings.HasSuffix(path, "/messages"):
		return Messages
	}
	return ""
}

func (s *Server) authorise(r *http.Request) string {
	key := r.Header.Get("X-Api-Key")
	if apiOf(r.URL.Path) == Messages {
		if r.Header.Get("Anthropic-Version") != "2023-06-01" {
			return "anthropic-version: header is required"
		}
	} else {
		bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
		key = r.Header.Get("Api-Key") // Azure's
		if ok {
			key = bearer
		}
	}
	if key == "" || s.o.Key != "" && key != s.o.Key {
		return "no key, or a wrong one"
	}
	return ""
}

// complete answers one request for an answer.
func (s *Server) complete(w http.ResponseWriter, r *http.Request, api API) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		return // the client went away: there is nobody to answer
	}
	w.Header().Set("Content-Type", "application/json")
	job := s.take(api, body)
	w.Header().Set(idHeader(api), job.entry.RequestID)
	s.limit(w, job)
	if job.entry.Fault == Slow {
		s.o.Sleep(r.Context(), job.fault.After)
	}
	s.record(job.entry)
	switch {
	case job.entry.Fault == Gone:
		panic(http.ErrAbortHandler)
	case job.entry.Status != http.StatusOK:
		if job.fault.After > 0 {
			seconds := (job.fault.After + time.Second - 1) / time.Second
			w.Header().Set("Retry-After", strconv.FormatInt(int64(seconds), 10))
			w.Header().Set("Retry-After-Ms", strconv.FormatInt(job.fault.After.Milliseconds(), 10))
		}
		writeError(w, api, job.entry.Status, job.code, job.entry.Problem)
	case job.entry.Fault == Cut:
		w.Header().Set("Content-Length", strconv.Itoa(len(job.out)))
		_, _ = w.Write(job.out[:len(job.out)/2]) // the client may be gone, which is what a cut is
		panic(http.ErrAbortHandler)
	default:
		_, _ = w.Write(job.out) // likewise
	}
}

func idHeader(api API) string {
	if api == Messages {
		return "Request-Id"
	}
	return "X-Request-Id"
}

// job is one request on its way to an answer.
type job struct {
	entry Entry
	fault Fault
	code  string // of an answer without success
	out   []byte // of an answer with success
	total int64  // tokens that count against the limit
}

// take reads, checks and works on a request. It records nothing.
func (s *Server) take(api API, body []byte) *job {
	s.mu.Lock()
	n := s.arrived
	s.arrived++
	s.mu.Unlock()
	j := &job{entry: Entry{API: api, Body: body, RequestID: fmt.Sprintf("req_%06d", n)}}
	r, err := parse(api, body, s.o.Lenient)
	if r != nil {
		j.entry.Model, j.entry.Kind = r.Model, r.Kind
	}
	if err != nil {
		return j.refuse(http.StatusBadRequest, "invalid_request_error", err.Error())
	}
	if !s.knows(r.Model) {
		return j.refuse(http.StatusNotFound, "model_not_found", "the model does not exist")
	}
	j.total = r.InputTokens()
	if s.o.Hear != nil {
		s.o.Hear(r)
	}
	if after, over := s.over(j.total); over {
		j.fault = Fault{Kind: Rate, After: after}
	} else if s.o.Faults != nil {
		j.fault = s.o.Faults(r, n)
	}
	j.entry.Fault = j.fault.Kind
	if !j.fault.Kind.billed() {
		return j.fail()
	}
	s.work(j, r)
	return j
}

func (s *Server) knows(model string) bool {
	if s.o.Models == nil {
		return model != ""
	}
	return slices.Contains(s.o.Models, model)
}

func (j *job) refuse(status int, code, problem string) *job {
	j.entry.Status, j.code, j.entry.Problem = status, code, problem
	return j
}

func (j *job) fail() *job {
	switch j.fault.Kind {
	case Rate:
		return j.refuse(http.StatusTooManyRequests, "rate_limit_exceeded", "rate limit reached")
	case Quota:
		return j.refuse(http.StatusTooManyRequests, "insufficient_quota", "you exceeded your current quota")
	case Auth:
		return j.refuse(http.StatusUnauthorized, "invalid_api_key", "incorrect API key provided")
	case Unavailable:
		return j.refuse(http.StatusServiceUnavailable, "server_error", "the engine is currently overloaded")
	case Overloaded:
		return j.refuse(529, "overloaded_error", "overloaded")
	case Policy:
		return j.refuse(http.StatusBadRequest, "content_filter", "the prompt triggered the content filter")
	case Gone:
		return j
	default:
		return j.refuse(http.StatusInternalServerError, "server_error", "the server had an error")
	}
}

// work asks the brain and writes the answer with what it is to be billed.
func (s *Server) work(j *job, r *Request) {
	a := s.o.Brain(r)
	stop := stopOf(&a)
	if limit := r.MaxOutput * bytesPerToken; int64(len(a.Text)) > limit {
		a.Text, stop = a.Text[:limit], stopLength
	}
	stop = j.spoil(&a, stop, r)
	u := s.prefix.use(r)
	u.Output = min(a.tokens(), r.MaxOutput)
	j.entry.Status, j.entry.Billed, j.entry.Usage = http.StatusOK, true, u
	told := j.told(u)
	j.entry.Told = told
	j.total += u.Output
	switch j.fault.Kind {
	case Garbage:
		j.out, j.entry.Told = []byte("<html><body>upstream connect error</body></html>"), nil
	case Nothing:
		j.entry.Told = nil
	default:
		j.out = write(r, &reply{Answer: a, stop: stop, usage: told, id: j.entry.RequestID, at: s.o.Now()})
		if j.fault.Kind == Cut {
			j.entry.Told = nil
		}
	}
}

func (j *job) told(u prices.Usage) *prices.Usage {
	switch j.fault.Kind {
	case NoUsage:
		return nil
	case WrongUsage:
		return &prices.Usage{Input: u.Input, Cached: u.Input + 1000, CacheWrite: u.CacheWrite, Output: -u.Output}
	default:
		return &u
	}
}

// spoil does to an answer what the fault wants, and returns why the answer ended.
func (j *job) spoil(a *Answer, stop stop, r *Request) stop {
	switch j.fault.Kind {
	case Empty:
		a.Text, a.Calls = "", nil
	case Refusal:
		a.Text, a.Calls = "I cannot help with that.", nil
		return stopRefusal
	case Filter:
		a.Text, a.Calls = "", nil
		return stopFilter
	case Length:
		a.Text, a.Calls, a.Output = half(a.Text), nil, r.MaxOutput
		return stopLength
	case Malformed:
		a.Text, a.Calls = half(a.Text), nil
	case OffSchema:
		a.Text, a.Calls = `{"answer":"all is well"}`, nil
	default:
		return stop
	}
	return stopEnd
}

func half(text string) string { return text[:len(text)/2] }
