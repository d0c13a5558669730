// Package openai asks models through OpenAI's interfaces: the Responses API, and Chat Completions,
// which servers like vLLM, Ollama, llama.cpp and LiteLLM have too. It is the only importer of OpenAI's
// SDK, of which it uses the forms of requests and answers: one call is one attempt, nothing is read from
// the environment, nothing is logged, and no error holds text of a request or an answer.
package openai

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/openai/openai-go/v3"
	"github.com/openai/openai-go/v3/option"
	"github.com/openai/openai-go/v3/responses"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/chat"
)

// API names one of the two interfaces.
type API string

// The interfaces.
const (
	Responses       API = "responses" // also the meaning of ""
	ChatCompletions API = "chat"
)

// Options say whom to ask, and how.
type Options struct {
	Model string
	// BaseURL is the server's address with its version, like https://api.openai.com/v1 (the default),
	// https://NAME.openai.azure.com/openai/v1 or http://127.0.0.1:8000/v1.
	BaseURL string
	API     API
	Key     winnow.Secret // "" for servers that ask for none
	HTTP    *http.Client  // of [chat.NewHTTPClient]
	Now     func() time.Time

	Residency   string // region that OpenAI keeps data in, like "eu"; excludes BaseURL
	ServiceTier string // "" for the account's own
	Reasoning   string // how much a reasoning model thinks, like "low"; "" for its default
}

// Client is a [chat.BatchProvider]. Safe for concurrent use.
type Client struct {
	opts      Options
	openai    bool // the server is OpenAI's own, or Azure's
	responses responses.ResponseService
	chat      openai.ChatCompletionService
	files     openai.FileService
	batches   openai.BatchService
}

// defaultURL is OpenAI's own server.
const defaultURL = "https://api.openai.com/v1/"

// regions have a server of their own, which keeps data there.
var regions = map[string]string{"global": "api", "us": "us.api", "eu": "eu.api", "ae": "ae.api", "au": "au.api", "in": "in.api", "jp": "jp.api"}

// New returns a client. It does not reach out yet.
func New(o Options) (*Client, error) {
	base, err := server(o)
	if err != nil {
		return nil, err
	}
	if o.Model == "" || o.HTTP == nil || o.Now == nil {
		return nil, errors.New("no model, no HTTP client or no clock")
	}
	if o.API != "" && o.API != Responses && o.API != ChatCompletions {
		return nil, fmt.Errorf("unknown api %q (want responses or chat)", o.API)
	}
	// The services, unlike the SDK's Client, take nothing from the environment.
	opts := []option.RequestOption{
		option.WithBaseURL(base.String()), option.WithHTTPClient(o.HTTP), option.WithMaxRetries(0),
	}
	if o.Key != "" {
		opts = append(opts, option.WithAPIKey(o.Key.Reveal()))
	}
	return &Client{
		opts: o, openai: official(base.Hostname()),
		responses: responses.NewResponseService(opts...), chat: openai.NewChatCompletionService(opts...),
		files: openai.NewFileService(opts...), batches: openai.NewBatchService(opts...),
	}, nil
}

// server returns the address to ask. A key and alerts go in clear text to this very machine only.
func server(o Options) (*url.URL, error) {
	base := o.BaseURL
	switch {
	case o.Residency != "" && base != "":
		return nil, errors.New("residency chooses among OpenAI's own servers: it does not go with base_url")
	case o.Residency != "":
		host, ok := regions[o.Residency]
		if !ok {
			return nil, fmt.Errorf("unknown residency %q (want one of %s)", o.Residency, strings.Join(slices.Sorted(maps.Keys(regions)), ", "))
		}
		base = "https://" + host + ".openai.com/v1/"
	case base == "":
		base = defaultURL
	}
	return chat.ServerURL(base)
}

func official(host string) bool {
	for _, domain := range []string{"api.openai.com", "openai.azure.com", "services.ai.azure.com", "cognitiveservices.azure.com"} {
		if host == domain || strings.HasSuffix(host, "."+domain) {
			return true
		}
	}
	return false
}

// Complete sends one request, once. Every error is a *chat.Error.
func (c *Client) Complete(ctx context.Context, r *chat.Request) (*chat.Reply, error) {
	send, read, err := c.prepare(r)
	if err != nil {
		return nil, err
	}
	body, h, err := c.call(ctx, send)
	if err != nil {
		return nil, err
	}
	reply, failed := read(body)
	limits := c.limits(h)
	if failed != nil {
		failed.Limits, failed.RequestID, failed.After = &limits, chat.Name(h.Get("X-Request-Id")), 0
		return nil, failed
	}
	reply.Limits, reply.RequestID = limits, chat.Name(h.Get("X-Request-Id"))
	return reply, nil
}

// sender makes one call of the SDK; reader turns the body of its answer into a reply.
type (
	sender func(context.Context, ...option.RequestOption) error
	reader func([]byte) (*chat.Reply, *chat.Error)
)

func (c *Client) prepare(r *chat.Request) (sender, reader, error) {
	if c.opts.API == ChatCompletions {
		params, err := c.chatParams(r)
		return func(ctx context.Context, o ...option.RequestOption) error {
			_, err := c.chat.New(ctx, params, o...)
			return err
		}, readChat, err
	}
	params, err := c.responseParams(r)
	return func(ctx context.Context, o ...option.RequestOption) error {
		_, err := c.responses.New(ctx, params, o...)
		return err
	}, readResponse, err
}

// call makes one call and returns the body of its answer unread: the SDK cannot tell an answer that
// broke off from one that is not JSON.
func (c *Client) call(ctx context.Context, send sender) ([]byte, http.Header, error) {
	var (
		s    chat.Sending
		body []byte
		resp *http.Response
	)
	err := send(s.Watch(ctx), option.WithResponseBodyInto(&body), option.WithResponseInto(&resp))
	if failed := c.failed(ctx, &s, resp, err); failed != nil {
		return nil, nil, failed
	}
	return body, resp.Header, nil
}

// failed says what went wrong with a call, nil if nothing did.
func (c *Client) failed(ctx context.Context, s *chat.Sending, resp *http.Response, err error) error {
	if resp == nil {
		return s.Failed(ctx, err)
	}
	var e *chat.Error
	switch {
	case resp.StatusCode < 200 || resp.StatusCode > 299:
		e = chat.StatusError(resp.StatusCode, resp.Header, code(err), c.opts.Now())
	case err != nil:
		e = s.Failed(ctx, err)
	default:
		return nil
	}
	limits := c.limits(resp.Header)
	e.Limits, e.RequestID = &limits, chat.Name(resp.Header.Get("X-Request-Id"))
	return e
}

// code returns the provider's word for an error: the more exact one first.
func code(err error) string {
	e, ok := errors.AsType[*openai.Error](err)
	if !ok {
		return ""
	}
	if e.Code != "" {
		return e.Code
	}
	return e.Type
}

func (c *Client) limits(h http.Header) chat.Limits {
	now := c.opts.Now()
	return chat.Limits{
		Requests: chat.HeaderCount(h, "X-Ratelimit-Remaining-Requests"), Tokens: chat.HeaderCount(h, "X-Ratelimit-Remaining-Tokens"),
		RequestsReset:  chat.HeaderWait(h, "X-Ratelimit-Reset-Requests", now),
		TokensReset:    chat.HeaderWait(h, "X-Ratelimit-Reset-Tokens", now),
		RequestsPerMin: chat.HeaderCount(h, "X-Ratelimit-Limit-Requests"), TokensPerMin: chat.HeaderCount(h, "X-Ratelimit-Limit-Tokens"),
	}
}

// badRequest is a request that this package cannot put into the provider's form.
func badRequest() error { return &chat.Error{Kind: chat.KindRequest, Code: "invalid_value"} }

func badReply() *chat.Error { return &chat.Error{Kind: chat.KindBadReply, Sent: true} }
