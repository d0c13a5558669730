package splunk

import (
	"context"

	"github.com/winnow-soc/winnow/plugin/ledger"
)

// Sink brings deliveries somewhere. A delivery is handed out again until Deliver returns nil, and
// may then have been taken before: a sink makes no difference between the first time and a
// repeat. What was sent and is not yet known to have arrived is answered with a [ledger.LaterError].
// [Retryable] says whether a failed delivery may be tried again. Deliver is not called
// concurrently for one alert; otherwise a sink must be safe for concurrent use.
type Sink interface {
	Name() string
	Deliver(ctx context.Context, d ledger.Delivery) error
}

// BatchSink takes several deliveries in one go, and returns what came of each, in their order.
type BatchSink interface {
	Sink
	DeliverAll(ctx context.Context, all []ledger.Delivery) []error
}

// Awaiter is a sink that asks whether what it has sent has arrived. Awaited returns how many deliveries it
// asks about: it knows them in memory only, and after a restart they are sent again. Safe for concurrent use.
type Awaiter interface {
	Awaited() int
}

// Checker is a sink that can say whether what it delivers to is there. Check changes nothing.
type Checker interface {
	Check(ctx context.Context) error
}

var (
	_ Sink = (*UpdateSink)(nil)
	_ Sink = (*NotableSink)(nil)
	_ Sink = (*FindingSink)(nil)
	_ Sink = (*ResponseSink)(nil)
	_ Sink = (*RiskSink)(nil)

	_ BatchSink = (*FileSink)(nil)
	_ BatchSink = (*HECSink)(nil)
	_ BatchSink = (*ReceiversSink)(nil)
	_ BatchSink = (*StreamSink)(nil)
	_ BatchSink = (*WebhookSink)(nil)
	_ BatchSink = (*SCSSink)(nil)

	_ Awaiter = (*HECSink)(nil)
	_ Awaiter = (*ReceiversSink)(nil)
	_ Awaiter = (*StreamSink)(nil)
)

// wrongKind is what a sink answers to a delivery that was meant for a sink of another type.
func wrongKind(name string, d ledger.Delivery) error {
	return &Error{
		Op: "deliver to " + name, Code: CodeInput,
		Message: "this sink takes no delivery of kind " + string(d.Kind) + ": check the type in [sink:" + name + "] of winnow.conf",
	}
}
