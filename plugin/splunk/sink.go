package splunk

import (
	"context"

	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Sink brings deliveries somewhere. A delivery is handed out again until Deliver returns nil, and
// may then have been taken before: a sink makes no difference between the first time and a
// repeat. [Retryable] says whether a failed delivery may be tried again. Deliver is not called
// concurrently for one alert; otherwise a sink must be safe for concurrent use.
type Sink interface {
	Name() string
	Deliver(ctx context.Context, d ledger.Delivery) error
}

var (
	_ Sink = (*UpdateSink)(nil)
	_ Sink = (*NotableSink)(nil)
	_ Sink = (*FileSink)(nil)
	_ Sink = (*FindingSink)(nil)
)

// wrongKind is what a sink answers to a delivery that was meant for a sink of another type.
func wrongKind(name string, d ledger.Delivery) error {
	return &Error{
		Op: "deliver to " + name, Code: CodeInput,
		Message: "this sink takes no delivery of kind " + string(d.Kind) + ": check the type in [sink:" + name + "] of winnow.conf",
	}
}
