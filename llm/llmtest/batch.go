package llmtest

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"path"
	"strings"
)

// file is an uploaded file, or one that a batch made.
type file struct {
	id, name, purpose string
	data              []byte
	at                int64
}

// batch is one batch. What it answered is worked out when it ends.
type batch struct {
	id, endpoint, input, status string
	output, errors              string // ids of files, "" for none
	at, ended                   int64
	looks                       int
	total, done, failed         int
	problem                     string
	metadata                    json.RawMessage
}

// line is one request of a batch.
type line struct {
	CustomID string          `json:"custom_id"`
	Method   string          `json:"method"`
	URL      string          `json:"url"`
	Body     json.RawMessage `json:"body"`
}

const maxBatchLines = 50_000

func (s *Server) serveFiles(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		s.upload(w, r)
		return
	}
	name, content := strings.CutSuffix(r.URL.Path, "/content")
	s.mu.Lock()
	f := s.files[path.Base(name)]
	if f != nil && r.Method == http.MethodDelete {
		delete(s.files, f.id)
	}
	s.mu.Unlock()
	switch {
	case f == nil:
		writeError(w, "", http.StatusNotFound, "not_found", "no such File object")
	case r.Method == http.MethodDelete:
		s.send(w, object{"id": f.id, "object": "file", "deleted": true})
	case content:
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = w.Write(f.data) // the client may be gone
	default:
		s.send(w, f.doc())
	}
}

func (s *Server) upload(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, maxBody)
	part, header, err := r.FormFile("file")
	if err != nil || r.FormValue("purpose") != "batch" {
		writeError(w, "", http.StatusBadRequest, "invalid_request_error", "want a file, and purpose batch")
		return
	}
	data, err := io.ReadAll(part)
	if err != nil {
		writeError(w, "", http.StatusBadRequest, "invalid_request_error", "the file cannot be read")
		return
	}
	s.mu.Lock()
	f := s.addFile(header.Filename, "batch", data)
	s.mu.Unlock()
	s.send(w, f.doc())
}

// addFile needs the lock.
func (s *Server) addFile(name, purpose string, data []byte) *file {
	s.fileCount++
	f := &file{id: fmt.Sprintf("file-%06d", s.fileCount), name: name, purpose: purpose, data: data, at: s.o.Now().Unix()}
	s.files[f.id] = f
	return f
}

func (f *file) doc() object {
	return object{
		"id": f.id, "object": "file", "bytes": len(f.data), "created_at": f.at, "filename": f.name, "purpose": f.purpose, "status": "processed",
	}
}

func (s *Server) send(w http.ResponseWriter, doc object) {
	w.Header().Set("Content-Type", "application/json")
	_, _ = w.Write(encode(doc)) // the client may be gone
}

func (s *Server) serveBatches(w http.ResponseWriter, r *http.Request) {
	name, cancel := strings.CutSuffix(r.URL.Path, "/cancel")
	id := path.Base(name)
	switch {
	case r.Method == http.MethodPost && !cancel:
		s.submit(w, r)
		return
	case r.Method == http.MethodGet && id == "batches":
		s.listBatches(w)
		return
	case cancel:
		s.EndBatch(id, "cancelled")
	default:
		s.look(id)
	}
	s.mu.Lock()
	b := s.batches[id]
	var doc object
	if b != nil {
		doc = b.doc()
	}
	s.mu.Unlock()
	if b == nil {
		writeError(w, "", http.StatusNotFound, "not_found", "no batch with that id")
		return
	}
	s.send(w, doc)
}

func (s *Server) listBatches(w http.ResponseWriter) {
	s.mu.Lock()
	docs := []object{}
	for i := len(s.batches); i > 0; i-- {
		docs = append(docs, s.batches[batchID(i)].doc())
	}
	s.mu.Unlock()
	s.send(w, object{"object": "list", "data": docs, "has_more": false})
}

func batchID(n int) string { return fmt.Sprintf("batch_%06d", n) }

func (s *Server) submit(w http.ResponseWriter, r *http.Request) {
	var want struct {
		Input    string          `json:"input_file_id"`
		Endpoint string          `json:"endpoint"`
		Window   string          `json:"completion_window"`
		Metadata json.RawMessage `json:"metadata"`
	}
	err := json.NewDecoder(http.MaxBytesReader(w, r.Body, maxBody)).Decode(&want)
	if err != nil || want.Window != "24h" || apiOf(want.Endpoint) == "" || apiOf(want.Endpoint) == Messages {
		writeError(w, "", http.StatusBadRequest, "invalid_request_error", "want input_file_id, endpoint of /v1/responses or /v1/chat/completions, completion_window 24h")
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	f := s.files[want.Input]
	if f == nil {
		writeError(w, "", http.StatusNotFound, "not_found", "no such File object")
		return
	}
	b := &batch{
		id: batchID(len(s.batches) + 1), endpoint: want.Endpoint, input: want.Input, status: "validating", at: s.o.Now().Unix(), metadata: want.Metadata,
	}
	lines, err := linesOf(f.data, want.Endpoint)
	if b.total = len(lines); err != nil {
		b.status, b.problem = "failed", err.Error()
	}
	s.batches[b.id] = b
	s.send(w, b.doc())
}

// linesOf reads and checks a batch's file.
func linesOf(data []byte, endpoint string) ([]line, error) {
	var out []line
	ids := map[string]bool{}
	dec := json.NewDecoder(bytes.NewReader(data))
	for {
		var l line
		switch err := dec.Decode(&l); {
		case errors.Is(err, io.EOF):
			if len(out) == 0 {
				return nil, errors.New("the batch file is empty")
			}
			return out, nil
		case err != nil:
			return nil, fmt.Errorf("line %d is not JSON", len(out)+1)
		case l.CustomID == "" || ids[l.CustomID]:
			return nil, fmt.Errorf("line %d: custom_id %.80q is empty or used twice", len(out)+1, l.CustomID)
		case l.Method != http.MethodPost || l.URL != endpoint:
			return nil, fmt.Errorf("line %d: want method POST and url %s", len(out)+1, endpoint)
		case len(out) == maxBatchLines:
			return nil, fmt.Errorf("more than %d lines", maxBatchLines)
		}
		ids[l.CustomID] = true
		out = append(out, l)
	}
}

// look is one look at a batch; after enough of them it is complete.
func (s *Server) look(id string) {
	s.mu.Lock()
	b := s.batches[id]
	if b == nil || b.over() {
		s.mu.Unlock()
		return
	}
	b.looks++
	b.status = "in_progress"
	due := b.looks > s.o.Polls
	s.mu.Unlock()
	if due {
		s.EndBatch(id, "completed")
	}
}

func (b *batch) over() bool { return b.ended != 0 || b.status == "failed" }

// EndBatch ends a batch that still runs: "completed" answers all of its requests, "expired" and
// "cancelled" answer the first half, "failed" none.
func (s *Server) EndBatch(id, status string) {
	s.mu.Lock()
	b := s.batches[id]
	if b == nil || b.over() {
		s.mu.Unlock()
		return
	}
	b.ended = s.o.Now().Unix()
	f := s.files[b.input]
	s.mu.Unlock()
	var lines []line
	if f != nil {
		lines, _ = linesOf(f.data, b.endpoint) // was read before
	}
	worked := len(lines)
	switch status {
	case "failed":
		worked = 0
	case "expired", "cancelled":
		worked /= 2
	}
	var good, bad bytes.Buffer
	for i, l := range lines {
		if i >= worked {
			if status == "expired" {
				bad.Write(lineError(l, "batch_expired", "this request could not be executed before the completion window expired"))
			}
			continue
		}
		s.batchLine(b, l, &good, &bad)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	b.status = status
	if good.Len() > 0 {
		b.output = s.addFile(b.id+"_output.jsonl", "batch_output", good.Bytes()).id
	}
	if bad.Len() > 0 {
		b.errors = s.addFile(b.id+"_error.jsonl", "batch_output", bad.Bytes()).id
	}
}

// batchLine answers one request of a batch. Faults of the connection are the server's own here.
func (s *Server) batchLine(b *batch, l line, good, bad *bytes.Buffer) {
	j := s.take(apiOf(b.endpoint), l.Body)
	j.entry.Batch, j.entry.CustomID = true, l.CustomID
	if j.entry.Fault == Cut {
		j.entry.Told = &j.entry.Usage // there is no connection to cut
	}
	if j.entry.Fault == Gone {
		j.entry.Status, j.code = http.StatusInternalServerError, "server_error"
	}
	s.record(j.entry)
	body := json.RawMessage(j.out)
	switch {
	case j.entry.Status != http.StatusOK:
		body = errorBody("", j.entry.Status, j.code, j.entry.Problem)
	case !json.Valid(body):
		body = encode(string(j.out))
	}
	out := encode(object{
		"id": "batch_" + j.entry.RequestID, "custom_id": l.CustomID, "error": nil,
		"response": object{"status_code": j.entry.Status, "request_id": j.entry.RequestID, "body": body},
	})
	s.mu.Lock()
	defer s.mu.Unlock()
	if j.entry.Status == http.StatusOK {
		b.done++
		good.Write(out)
		return
	}
	b.failed++
	bad.Write(out)
}

func lineError(l line, code, problem string) []byte {
	return encode(object{
		"id": "batch_req_" + l.CustomID, "custom_id": l.CustomID, "response": nil, "error": object{"code": code, "message": problem},
	})
}

func (b *batch) doc() object {
	doc := object{
		"id": b.id, "object": "batch", "endpoint": b.endpoint, "errors": nil, "input_file_id": b.input, "completion_window": "24h",
		"status": b.status, "output_file_id": nil, "error_file_id": nil, "created_at": b.at, "expires_at": b.at + 24*60*60,
		"request_counts": object{"total": b.total, "completed": b.done, "failed": b.failed}, "metadata": b.metadata,
	}
	if b.output != "" {
		doc["output_file_id"] = b.output
	}
	if b.errors != "" {
		doc["error_file_id"] = b.errors
	}
	if b.problem != "" {
		doc["errors"] = object{"object": "list", "data": []object{{"code": "invalid_json_line", "message": b.problem, "param": nil, "line": nil}}}
	}
	if b.ended != 0 {
		doc[b.status+"_at"] = b.ended
	}
	return doc
}
