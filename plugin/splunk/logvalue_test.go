package splunk

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"testing"
)

// What Splunk says of a request that it refuses may be text of an alert: the log does without.
func TestLogsDoNotRepeatWhatWasRefused(t *testing.T) {
	for _, c := range []struct {
		err  *Error
		want string
		gone bool
	}{
		{&Error{Op: "update notable", Status: 400, Code: CodeRefused, Message: "bad value MARKER"}, "update notable (HTTP 400, refused)", true},
		{&Error{Op: "search", Code: CodeBadAnswer, Err: errors.New("invalid character MARKER")}, "search: bad_answer", true},
		{&Error{Op: "update notable", Status: 403, Code: CodeForbidden, Message: "capability edit_notable_events"}, "capability edit_notable_events", false},
	} {
		var out bytes.Buffer
		slog.New(slog.NewTextHandler(&out, nil)).Warn("delivery failed", "err", c.err)
		if got := out.String(); !strings.Contains(got, c.want) || strings.Contains(got, "MARKER") {
			t.Errorf("printed %s", got)
		}
		if strings.Contains(c.err.Error(), "MARKER") != c.gone {
			t.Errorf("the error itself says %s", c.err)
		}
	}
}
