package llmtest_test

import (
	"bytes"
	"fmt"
	"mime/multipart"
	"net/http"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow/llm/llmtest"
)

func send(t testing.TB, s *llmtest.Server, method, path, kind string, body []byte) (int, []byte) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), method, s.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+key)
	r.Header.Set("Content-Type", kind)
	resp, out, err := do(t, r)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, out
}

func upload(t testing.TB, s *llmtest.Server, data string) string {
	t.Helper()
	var form bytes.Buffer
	w := multipart.NewWriter(&form)
	part, err := w.CreateFormFile("file", "batch.jsonl")
	if err == nil {
		_, err = part.Write([]byte(data))
	}
	if err == nil {
		err = w.WriteField("purpose", "batch")
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	status, body := send(t, s, http.MethodPost, "/v1/files", w.FormDataContentType(), form.Bytes())
	id, _ := at(t, body, "id").(string)
	if status != http.StatusOK || id == "" {
		t.Fatalf("upload: %d %s", status, body)
	}
	return id
}

func submit(t testing.TB, s *llmtest.Server, data string) string {
	t.Helper()
	want := fmt.Sprintf(`{"input_file_id":%q,"endpoint":"/v1/responses","completion_window":"24h"}`, upload(t, s, data))
	status, body := send(t, s, http.MethodPost, "/v1/batches", "application/json", []byte(want))
	id, _ := at(t, body, "id").(string)
	if status != http.StatusOK || id == "" {
		t.Fatalf("submit: %d %s", status, body)
	}
	return id
}

func batchOf(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "{\"custom_id\":\"a%d\",\"method\":\"POST\",\"url\":\"/v1/responses\",\"body\":%s}\n", i, bodies[llmtest.Responses])
	}
	return b.String()
}

// download returns the lines of a batch's file, nil when it has none.
func download(t testing.TB, s *llmtest.Server, id any) []string {
	t.Helper()
	name, ok := id.(string)
	if !ok {
		return nil
	}
	_, body := send(t, s, http.MethodGet, "/v1/files/"+name+"/content", "", nil)
	return strings.Split(strings.TrimSpace(string(body)), "\n")
}

func TestBatch(t *testing.T) {
	s := start(t, llmtest.Options{
		Price: price(t), Polls: 2,
		Faults: llmtest.Scripted(llmtest.Fault{}, llmtest.Fault{Kind: llmtest.Internal}, llmtest.Fault{Kind: llmtest.Cut}, llmtest.Fault{Kind: llmtest.Gone}),
	})
	id := submit(t, s, batchOf(5))
	var body []byte
	for _, want := range []string{"in_progress", "in_progress", "completed", "completed"} {
		if _, body = send(t, s, http.MethodGet, "/v1/batches/"+id, "", nil); at(t, body, "status") != want {
			t.Fatalf("status is %s, want %s", body, want)
		}
	}
	if at(t, body, "request_counts", "completed") != 3.0 || at(t, body, "request_counts", "failed") != 2.0 {
		t.Errorf("counts: %s", body)
	}
	good, bad := download(t, s, at(t, body, "output_file_id")), download(t, s, at(t, body, "error_file_id"))
	if len(good) != 3 || len(bad) != 2 {
		t.Fatalf("%d answered, %d failed", len(good), len(bad))
	}
	if at(t, []byte(good[1]), "custom_id") != "a2" || at(t, []byte(good[1]), "response", "body", "object") != "response" {
		t.Errorf("second answer: %s", good[1])
	}
	if at(t, []byte(bad[0]), "custom_id") != "a1" || at(t, []byte(bad[0]), "response", "status_code") != 500.0 {
		t.Errorf("first failure: %s", bad[0])
	}
	single := start(t, llmtest.Options{Price: price(t)})
	if _, _, err := post(t, single, llmtest.Responses, bodies[llmtest.Responses]); err != nil {
		t.Fatal(err)
	}
	full, _ := single.Billed()
	if sum, calls := s.Billed(); calls != 3 || sum != 3*(full-full/2) {
		t.Errorf("%d calls billed for %d, want half of %d each", calls, sum, full)
	}
	if _, body := send(t, s, http.MethodGet, "/v1/batches", "", nil); at(t, body, "data", 0, "id") != id {
		t.Errorf("list: %s", body)
	}
}

func TestBatchesThatEndEarly(t *testing.T) {
	for _, c := range []struct {
		status         string
		good, bad, all int
	}{{"expired", 2, 2, 2}, {"cancelled", 2, 0, 2}, {"failed", 0, 0, 0}} {
		s := start(t, llmtest.Options{Polls: 5})
		id := submit(t, s, batchOf(4))
		if c.status == "cancelled" {
			send(t, s, http.MethodPost, "/v1/batches/"+id+"/cancel", "application/json", nil)
		} else {
			s.EndBatch(id, c.status)
		}
		_, body := send(t, s, http.MethodGet, "/v1/batches/"+id, "", nil)
		good, bad := download(t, s, at(t, body, "output_file_id")), download(t, s, at(t, body, "error_file_id"))
		if at(t, body, "status") != c.status || len(good) != c.good || len(bad) != c.bad || len(s.Entries()) != c.all {
			t.Errorf("%s: %d answered, %d failed, %d worked: %s", c.status, len(good), len(bad), len(s.Entries()), body)
		}
	}
}

func TestBadBatches(t *testing.T) {
	s := start(t, llmtest.Options{})
	line := strings.TrimSpace(batchOf(1))
	for name, data := range map[string]string{
		"empty": "", "not JSON": "{", "twice": line + "\n" + line, "no id": strings.Replace(line, "a0", "", 1),
		"another url": strings.Replace(line, "/v1/responses", "/v1/chat/completions", 1), "GET": strings.Replace(line, "POST", "GET", 1),
	} {
		_, body := send(t, s, http.MethodGet, "/v1/batches/"+submit(t, s, data), "", nil)
		if at(t, body, "status") != "failed" || at(t, body, "errors", "data", 0, "message") == nil {
			t.Errorf("%s: %s", name, body)
		}
	}
	for _, want := range []string{`{}`, `{"input_file_id":"file-none","endpoint":"/v1/responses","completion_window":"24h"}`} {
		if status, body := send(t, s, http.MethodPost, "/v1/batches", "application/json", []byte(want)); status < 400 {
			t.Errorf("%s: %s", want, body)
		}
	}
	file := upload(t, s, line)
	if status, body := send(t, s, http.MethodDelete, "/v1/files/"+file, "", nil); status != http.StatusOK || at(t, body, "deleted") != true {
		t.Errorf("delete: %s", body)
	}
	for _, path := range []string{"/v1/files/" + file, "/v1/batches/none", "/v1/other"} {
		if status, body := send(t, s, http.MethodGet, path, "", nil); status != http.StatusNotFound {
			t.Errorf("%s: %d %s", path, status, body)
		}
	}
}
