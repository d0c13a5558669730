package splunk

import (
	"fmt"
	"log/slog"
)

// LogValue is the error as a log may have it. Where Splunk refuses what it was sent, or says something
// winnow cannot read, its words may repeat text of an alert, so they are left out: `winnow ledger show`
// has them.
func (e *Error) LogValue() slog.Value {
	if e.Code != CodeRefused && e.Code != CodeBadAnswer && e.Code != CodeTooLarge {
		return slog.StringValue(e.Error())
	}
	if e.Status == 0 {
		return slog.StringValue(fmt.Sprintf("%s: %s", e.Op, e.Code))
	}
	return slog.StringValue(fmt.Sprintf("%s (HTTP %d, %s)", e.Op, e.Status, e.Code))
}
