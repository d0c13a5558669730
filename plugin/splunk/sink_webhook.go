package splunk

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"time"

	standardwebhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/ledger"
)

// WebhookSink posts winnow's own events to a server, signed as Standard Webhooks says: the receiver knows by the
// signature that winnow wrote them, and repeats by webhook-id.
type WebhookSink struct {
	name   string
	server *server
}

// NewWebhookSink makes the sink of that name. The key is the secret that both sides know: whsec_ and the
// base64 of 24 to 64 bytes.
func NewWebhookSink(name string, opts ServerOptions) (*WebhookSink, error) {
	server, err := newServerClient(name, opts)
	if err != nil {
		return nil, err
	}
	return &WebhookSink{name: name, server: server}, nil
}

// Name returns the name of the sink's stanza.
func (s *WebhookSink) Name() string { return s.name }

// AtOnce is 1: batches go one after the other.
func (s *WebhookSink) AtOnce() int { return 1 }

// Deliver posts one event. It is safe for concurrent use.
func (s *WebhookSink) Deliver(ctx context.Context, d ledger.Delivery) error {
	return one(ctx, s.DeliverAll, d)
}

// DeliverAll posts events one after the other, and none after the server has turned out to be down.
func (s *WebhookSink) DeliverAll(ctx context.Context, all []ledger.Delivery) []error {
	errs, events := refuseOthers(s.name, all)
	var down error
	for _, i := range events {
		if errs[i] = down; down == nil {
			errs[i] = s.post(ctx, &all[i])
		}
		if outage(errs[i]) {
			down = errs[i]
		}
	}
	return errs
}

// webhookJSON is the body of a request.
type webhookJSON struct {
	Type      string          `json:"type"`
	Timestamp string          `json:"timestamp"` // of the outcome
	Data      json.RawMessage `json:"data"`
}

func (s *WebhookSink) post(ctx context.Context, d *ledger.Delivery) error {
	const op = "call webhook"
	line, err := encodeOutcome(*d)
	if err != nil {
		return err
	}
	kind := "winnow.outcome"
	if d.Report != nil {
		kind = "winnow.report." + d.Report.Name
	}
	body, err := json.Marshal(webhookJSON{Type: kind, Timestamp: d.Record.Outcome.Time.UTC().Format(time.RFC3339Nano), Data: line})
	if err != nil {
		return &Error{Op: op, Code: CodeInput, Err: err}
	}
	key, err := s.server.secret(ctx)
	if err != nil {
		return err
	}
	req, err := http.NewRequest(http.MethodPost, s.server.base.String(), bytes.NewReader(body)) //nolint:noctx // exchange adds it
	if err != nil {
		return &Error{Op: op, Code: CodeInput, Err: unURL(err)}
	}
	req.Header.Set("Content-Type", "application/json")
	if err := SignWebhook(req.Header, key, d.Key, s.server.opts.Now(), body); err != nil {
		return err
	}
	a, err := s.server.exchange(ctx, op, req, key)
	if err != nil || a.ok() {
		return err
	}
	return patient(s.server.refused(op, a))
}

// webhookID makes of a delivery's key what may stand in a header, and holds no dot.
func webhookID(key string) string {
	sum := sha256.Sum256([]byte(key))
	return "msg_" + hex.EncodeToString(sum[:16])
}

var errWebhookSecret = errors.New("the secret is not whsec_ and the base64 of 24 to 64 bytes")

func webhookSigner(key winnow.Secret) (*standardwebhooks.Webhook, error) {
	text, ok := strings.CutPrefix(key.Reveal(), "whsec_")
	secret, err := base64.StdEncoding.DecodeString(text)
	if !ok || err != nil || len(secret) < 24 || len(secret) > 64 {
		return nil, errWebhookSecret
	}
	return standardwebhooks.NewWebhookRaw(secret)
}

// Check asks whether the server answers at all.
func (s *WebhookSink) Check(ctx context.Context) error {
	return s.server.reach(ctx, s.server.base.String())
}
