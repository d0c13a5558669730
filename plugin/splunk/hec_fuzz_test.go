package splunk

import (
	"encoding/json"
	"net/http"
	"testing"
	"unicode/utf8"
)

// FuzzHECAnswer: whatever a collector says, only what may pass is tried again, the parts of a refused
// request are all of it and each smaller, and the error is one line of text.
func FuzzHECAnswer(f *testing.F) {
	f.Add(400, []byte(`{"text":"Incorrect index","code":7,"invalid-event-number":1}`), uint8(3))
	f.Add(503, []byte(`{"text":"Server is busy","code":9}`), uint8(1))
	f.Add(200, []byte(`{"text":"Success","code":0,"ackId":18446744073709551615}`), uint8(2))
	f.Add(413, []byte("<html>"), uint8(9))
	f.Add(400, []byte(`{"code":6,"invalid-event-number":-9223372036854775808}`), uint8(4))
	s := &server{}
	f.Fuzz(func(t *testing.T, status int, body []byte, n uint8) {
		var said hecAnswer
		_ = json.Unmarshal(body, &said) //nolint:errcheck // what cannot be read says nothing
		e := s.hecRefused("send", &answer{status: status, header: http.Header{}, body: body}, said)
		if e.Retry && status != http.StatusTooManyRequests && status < 500 && (said.Code == nil || *said.Code < 8) {
			t.Errorf("HTTP %d, %s: tried again", status, body)
		}
		if text := e.Error(); !utf8.ValidString(text) || len(text) > 4*maxMessage {
			t.Errorf("error is %q", text)
		}
		some := make([]packet, max(int(n), 2))
		total := 0
		for _, part := range divide(some, said) {
			if len(part) == 0 || len(part) >= len(some) {
				t.Fatalf("a part of %d of %d", len(part), len(some))
			}
			total += len(part)
		}
		if total != len(some) {
			t.Errorf("the parts are %d of %d", total, len(some))
		}
	})
}
