package openai

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow/llm/chat"
	"github.com/winnow-soc/winnow/llm/prices"
)

// batchServer keeps one uploaded file and one batch.
type batchServer struct {
	file           string
	status         string
	output, faults string
	breaks         string // the path that answers 500
}

func (b *batchServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	path := strings.TrimPrefix(r.URL.Path, "/v1")
	if path == b.breaks {
		w.WriteHeader(http.StatusInternalServerError)
		_, _ = io.WriteString(w, fmt.Sprintf(echo, "server_error", "server_error"))
		return
	}
	switch r.Method + " " + path {
	case "POST /files":
		f, _, err := r.FormFile("file")
		if err != nil || r.FormValue("purpose") != "batch" || r.FormValue("expires_after[anchor]") != "created_at" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		content, _ := io.ReadAll(f)
		b.file = string(content)
		_, _ = io.WriteString(w, `{"id":"file-in","object":"file"}`)
	case "POST /batches":
		var got map[string]any
		_ = json.NewDecoder(r.Body).Decode(&got)
		if got["input_file_id"] != "file-in" || got["completion_window"] != "24h" {
			w.WriteHeader(http.StatusBadRequest)
			return
		}
		_, _ = fmt.Fprintf(w, `{"id":"batch_1","endpoint":%q,"status":"validating"}`, got["endpoint"])
	case "GET /batches/batch_1", "POST /batches/batch_1/cancel":
		_, _ = fmt.Fprintf(w, `{"id":"batch_1","status":%q,"output_file_id":"file-out","error_file_id":"file-err"}`, b.status)
	case "GET /files/file-out/content":
		w.Header().Set("Content-Type", "application/octet-stream")
		_, _ = io.WriteString(w, b.output)
	case "GET /files/file-err/content":
		_, _ = io.WriteString(w, b.faults)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func TestBatch(t *testing.T) {
	answer := `{"status":"completed","model":"gpt-5.4-mini","output":[{"type":"message","content":[{"type":"output_text","text":"{}"}]}],` + usage + `}`
	b := &batchServer{
		status: "in_progress",
		output: `{"id":"x","custom_id":"a1","response":{"status_code":200,"request_id":"req_a","body":` + answer + `},"error":null}` + "\n\n" +
			"garbage " + secret + "\n" +
			`{"custom_id":"a2","response":{"status_code":200,"request_id":"req_b","body":{"text":"` + secret + `"}}}` + "\n",
		faults: `{"custom_id":"a3","response":{"status_code":400,"request_id":"req_c","body":` + fmt.Sprintf(echo, "", "invalid_prompt") + `}}` + "\n" +
			`{"custom_id":"a4","response":null,"error":{"code":"batch_expired","message":"` + secret + `"}}` + "\n" + `{"custom_id":"a5"}`,
	}
	s := httptest.NewServer(b)
	defer s.Close()
	c := client(t, Options{BaseURL: s.URL + "/v1", ServiceTier: "flex"})
	var requests []*chat.Request
	for _, id := range []string{"a1", "a2", "a3", "a4", "a5", "a6"} {
		r := ask()
		r.ID = id
		requests = append(requests, r)
	}
	id, err := c.SubmitBatch(t.Context(), requests)
	if err != nil || id != "batch_1" {
		t.Fatalf("submitted as %q: %v", id, err)
	}
	lines := strings.Split(strings.TrimSpace(b.file), "\n")
	if len(lines) != 6 || !strings.HasPrefix(lines[0], `{"custom_id":"a1","method":"POST","url":"/v1/responses","body":{`) ||
		!strings.Contains(lines[0], `"store":false`) || strings.Contains(lines[0], "service_tier") {
		t.Errorf("uploaded %d lines, the first is %s", len(lines), lines[0])
	}
	if state, done, failed, err := c.Batch(t.Context(), id); err != nil || state != chat.BatchRunning || done != nil || failed != nil {
		t.Errorf("running: %s %v %v %v", state, done, failed, err)
	}
	for status, want := range map[string]chat.BatchState{
		"completed": chat.BatchDone, "expired": chat.BatchExpired, "cancelled": chat.BatchCanceled, "failed": chat.BatchFailed,
	} {
		b.status = status
		state, done, failed, err := c.Batch(t.Context(), id)
		if err != nil || state != want {
			t.Errorf("%s: %s, %v", status, state, err)
		}
		wantDone := map[string]*chat.Reply{"a1": {
			Text: "{}", Stop: chat.StopEnd, Model: "gpt-5.4-mini", Batch: true, RequestID: "req_a", Limits: chat.NoLimits(),
			Usage: prices.Usage{Input: 1200, Cached: 1024, CacheWrite: 100, Output: 40},
		}}
		wantFailed := map[string]*chat.Error{
			"a2": {Kind: chat.KindBadReply, Sent: true, RequestID: "req_b"}, "a3": {Kind: chat.KindPolicy, Status: 400, Code: "invalid_prompt", RequestID: "req_c"},
			"a4": {Kind: chat.KindTimeout, Code: "batch_expired"}, "a5": {Kind: chat.KindServer},
		}
		if diff := cmp.Diff(wantDone, done) + cmp.Diff(wantFailed, failed); diff != "" {
			t.Error(diff)
		}
	}
	if err := c.CancelBatch(t.Context(), id); err != nil {
		t.Error(err)
	}
}

func TestBatchFails(t *testing.T) {
	r := ask()
	r.ID = "a1"
	for _, broken := range []string{"/files", "/batches", "/batches/batch_1", "/files/file-out/content"} {
		b := &batchServer{status: "completed", breaks: broken}
		s := httptest.NewServer(b)
		c := client(t, Options{BaseURL: s.URL + "/v1"})
		_, err := c.SubmitBatch(t.Context(), []*chat.Request{r})
		if err == nil {
			_, _, _, err = c.Batch(t.Context(), "batch_1")
		}
		e, ok := errors.AsType[*chat.Error](err)
		if !ok || e.Kind != chat.KindServer || e.Sent || strings.Contains(fmt.Sprintf("%+v", err), secret) {
			t.Errorf("%s: %v", broken, err)
		}
		s.Close()
	}
	c := client(t, Options{})
	if _, err := c.SubmitBatch(t.Context(), nil); err == nil {
		t.Error("an empty batch was sent")
	}
	if _, err := c.SubmitBatch(t.Context(), []*chat.Request{ask()}); err == nil {
		t.Error("a request without an ID was sent in a batch")
	}
}
