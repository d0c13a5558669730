// Package anthropic asks models through Anthropic's Messages API. It is the only importer of
// Anthropic's SDK, of which it uses the forms of requests and answers: one call is one attempt, nothing
// is read from the environment, nothing is logged or traced, and no error holds text of a request or an
// answer.
package anthropic

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/anthropics/anthropic-sdk-go"
	"github.com/anthropics/anthropic-sdk-go/option"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/chat"
)

// Options say whom to ask, and how.
type Options struct {
	Model   string
	BaseURL string // the server's address without a version; "" is https://api.anthropic.com
	Key     winnow.Secret
	HTTP    *http.Client // of [chat.NewHTTPClient]
	Now     func() time.Time

	Residency   string // where the model runs, like "us"; "" for the workspace's own
	ServiceTier string // auto or standard_only; "" for the provider's default
	Reasoning   string // effort, like "low"; "" for the model's default
}

// Client is a [chat.Provider]. Safe for concurrent use.
type Client struct {
	opts     Options
	messages anthropic.MessageService
}

const defaultURL = "https://api.anthropic.com/"

// New returns a client. It does not reach out yet.
func New(o Options) (*Client, error) {
	address := o.BaseURL
	if address == "" {
		address = defaultURL
	}
	base, err := chat.ServerURL(address)
	if err != nil {
		return nil, err
	}
	if o.Model == "" || o.HTTP == nil || o.Now == nil {
		return nil, errors.New("no model, no HTTP client or no clock")
	}
	// The service, unlike the SDK's Client, takes no address and no key from the environment. Its spans
	// would hold alerts if a variable said so, and go to whoever registered for them.
	opts := []option.RequestOption{
		option.WithBaseURL(base.String()), option.WithHTTPClient(o.HTTP), option.WithMaxRetries(0), option.WithRequestTimeout(ceiling),
		option.WithoutOpenTelemetry(), option.WithOpenTelemetryPropagation(false),
		option.WithOpenTelemetryTracesContentMode(option.OpenTelemetryContentModeMetadataOnly),
	}
	if o.Key != "" {
		opts = append(opts, option.WithAPIKey(o.Key.Reveal()))
	}
	return &Client{opts: o, messages: anthropic.NewMessageService(opts...)}, nil
}

// ceiling stands in for the SDK's own guess at how long an answer may take: the context says it.
const ceiling = time.Hour

// Complete sends one request, once. Every error is a *chat.Error.
func (c *Client) Complete(ctx context.Context, r *chat.Request) (*chat.Reply, error) {
	params, err := c.params(r)
	if err != nil {
		return nil, err
	}
	var (
		s    chat.Sending
		body []byte
		resp *http.Response
	)
	_, err = c.messages.New(s.Watch(ctx), params, option.WithResponseBodyInto(&body), option.WithResponseInto(&resp))
	if failed := c.failed(ctx, &s, resp, err); failed != nil {
		return nil, failed
	}
	reply, failed := read(body, answerTool(r))
	limits := c.limits(resp.Header)
	if failed != nil {
		failed.Limits, failed.RequestID = &limits, requestID(resp.Header)
		return nil, failed
	}
	reply.Limits, reply.RequestID = limits, requestID(resp.Header)
	return reply, nil
}

// failed says what went wrong with a call, nil if nothing did.
func (c *Client) failed(ctx context.Context, s *chat.Sending, resp *http.Response, err error) error {
	if resp == nil {
		return s.Failed(ctx, err)
	}
	var e *chat.Error
	switch {
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		code := ""
		if api, ok := errors.AsType[*anthropic.Error](err); ok {
			code = string(api.Type())
		}
		e = chat.StatusError(resp.StatusCode, resp.Header, code, c.opts.Now())
	case err != nil:
		e = s.Failed(ctx, err)
	default:
		return nil
	}
	limits := c.limits(resp.Header)
	e.Limits, e.RequestID = &limits, requestID(resp.Header)
	return e
}

func requestID(h http.Header) string { return chat.Name(h.Get("Request-Id")) }

// limits reads the headers. Of the limits on tokens the API tells the one that is nearest.
func (c *Client) limits(h http.Header) chat.Limits {
	now := c.opts.Now()
	return chat.Limits{
		Requests: chat.HeaderCount(h, "Anthropic-Ratelimit-Requests-Remaining"), Tokens: chat.HeaderCount(h, "Anthropic-Ratelimit-Tokens-Remaining"),
		RequestsReset:  chat.HeaderWait(h, "Anthropic-Ratelimit-Requests-Reset", now),
		TokensReset:    chat.HeaderWait(h, "Anthropic-Ratelimit-Tokens-Reset", now),
		RequestsPerMin: chat.HeaderCount(h, "Anthropic-Ratelimit-Requests-Limit"),
		TokensPerMin:   chat.HeaderCount(h, "Anthropic-Ratelimit-Tokens-Limit"),
	}
}
