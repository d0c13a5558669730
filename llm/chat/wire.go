package chat

import (
	"context"
	"errors"
	"math"
	"net/http"
	"net/http/httptrace"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/winnow-soc/winnow/llm/prices"
)

// Sending follows one request on its way. The zero value has not left.
type Sending struct{ left atomic.Bool }

// Watch returns a context whose requests are noted in s once their head is on the wire. From then on
// the provider may have read them, and bills what it likes.
func (s *Sending) Watch(ctx context.Context) context.Context {
	return httptrace.WithClientTrace(ctx, &httptrace.ClientTrace{WroteHeaders: func() { s.left.Store(true) }})
}

// Failed returns the error for a call that ended without a status, or whose answer could not be read
// to its end. Of err only the kind is kept: its text may hold an address or more.
func (s *Sending) Failed(ctx context.Context, err error) *Error {
	e := &Error{Kind: KindNetwork, Sent: s.left.Load()}
	timeout, ok := errors.AsType[interface {
		error
		Timeout() bool
	}](err)
	switch {
	case errors.Is(err, ErrTooLarge):
		e.Kind = KindBadReply
	case errors.Is(ctx.Err(), context.DeadlineExceeded), errors.Is(err, context.DeadlineExceeded), ok && timeout.Timeout():
		e.Kind = KindTimeout
	}
	return e
}

// StatusError returns the error for an answer with a status that is no success. code is the
// provider's own word for it, and kept only where it is a known one: an answer may echo the request.
func StatusError(status int, h http.Header, code string, now time.Time) *Error {
	e := &Error{Status: status, Kind: statusKind(status), After: retryAfter(h, now)}
	if kind, ok := codes[code]; ok {
		e.Code = code
		if kind != "" {
			e.Kind = kind
		}
	}
	switch status {
	case http.StatusRequestTimeout, http.StatusBadGateway, http.StatusGatewayTimeout, 524:
		e.Sent = true // of a gateway, which does not know what the model behind it did
	}
	return e
}

func statusKind(status int) Kind {
	switch {
	case status == http.StatusTooManyRequests:
		return KindRate
	case status == http.StatusServiceUnavailable, status == 529:
		return KindOverloaded
	case status == http.StatusRequestTimeout, status == http.StatusGatewayTimeout, status == 524:
		return KindTimeout
	case status == http.StatusUnauthorized, status == http.StatusForbidden, status == http.StatusProxyAuthRequired:
		return KindAuth
	case status == http.StatusPaymentRequired:
		return KindQuota
	case status == http.StatusConflict, status >= 500:
		return KindServer
	case status >= 300: // also sent on to another server: that address is not the right one
		return KindRequest
	}
	return KindBadReply
}

// codes are the words for errors that providers are known to use, and the kind that they mean where
// the status does not say it.
var codes = map[string]Kind{
	// OpenAI and servers like it
	"rate_limit_exceeded": KindRate, "insufficient_quota": KindQuota, "billing_hard_limit_reached": KindQuota,
	"billing_not_active": KindQuota, "invalid_api_key": KindAuth, "account_deactivated": KindAuth, "context_length_exceeded": KindRequest,
	"model_not_found": KindRequest, "unsupported_parameter": KindRequest, "unsupported_value": KindRequest, "invalid_value": KindRequest,
	"invalid_json_schema": KindRequest, "string_above_max_length": KindRequest, "DeploymentNotFound": KindRequest,
	"content_filter": KindPolicy, "content_policy_violation": KindPolicy, "invalid_prompt": KindPolicy, "bio_policy": KindPolicy,
	"misalignment_policy_violation": KindPolicy, "data_residency_mismatch": KindRequest,
	"server_error": KindServer, "internal_error": KindServer, "batch_expired": KindTimeout, "batch_cancelled": KindTimeout,
	// Anthropic
	"invalid_request_error": "", "authentication_error": KindAuth, "permission_error": KindAuth, "not_found_error": "",
	"request_too_large": KindRequest, "rate_limit_error": KindRate, "timeout_error": KindTimeout, "overloaded_error": KindOverloaded,
	"api_error": "", "billing_error": KindQuota,
}

// longestWait is the longest that a provider's wish to wait is heeded.
const longestWait = time.Hour

// retryAfter reads retry-after-ms and Retry-After, in seconds or as a date. 0: nothing was said.
func retryAfter(h http.Header, now time.Time) time.Duration {
	if wait, ok := number(h.Get("Retry-After-Ms"), time.Millisecond); ok {
		return wait
	}
	text := h.Get("Retry-After")
	if wait, ok := number(text, time.Second); ok {
		return wait
	}
	if at, err := http.ParseTime(text); err == nil {
		return clamp(at.Sub(now))
	}
	return 0
}

func number(text string, unit time.Duration) (time.Duration, bool) {
	f, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(f) {
		return 0, false
	}
	if f > float64(longestWait/unit) {
		return longestWait, true
	}
	return clamp(time.Duration(f * float64(unit))), true
}

func clamp(d time.Duration) time.Duration { return min(max(d, 0), longestWait) }

// NoLimits returns Limits of which nothing was said.
func NoLimits() Limits {
	return Limits{Requests: -1, Tokens: -1, RequestsReset: -1, TokensReset: -1, RequestsPerMin: -1, TokensPerMin: -1}
}

// HeaderCount reads a number of requests or tokens from a header, -1 where there is none.
func HeaderCount(h http.Header, name string) int64 {
	n, err := strconv.ParseInt(h.Get(name), 10, 64)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// HeaderWait reads a time to wait from a header: "6m0s", seconds, or an instant. -1 where there is none.
func HeaderWait(h http.Header, name string, now time.Time) time.Duration {
	text := h.Get(name)
	if wait, err := time.ParseDuration(text); err == nil {
		return clamp(wait)
	}
	if wait, ok := number(text, time.Second); ok {
		return wait
	}
	if at, err := time.Parse(time.RFC3339, text); err == nil {
		return clamp(at.Sub(now))
	}
	return -1
}

// maxName is the longest name of a model, tier or request that is kept.
const maxName = 128

// Name returns a provider's name for a thing, of a model or a request say, without what has no place
// in one. The names of an answer are booked and logged.
func Name(text string) string {
	if len(text) > maxName {
		return ""
	}
	for _, c := range []byte(text) {
		if !inName(c) {
			return ""
		}
	}
	return text
}

func inName(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte("-_.:/@+", c) >= 0
}

// SetUsage notes what a provider told of usage. Nothing told, and numbers that cannot be, are no usage:
// the call then stays booked at its worst case.
func (r *Reply) SetUsage(u prices.Usage, told bool) {
	silent := u.Output == 0 && (r.Text != "" || len(r.Calls) > 0)
	negative := u.Input < 0 || u.Cached < 0 || u.CacheWrite < 0 || u.Output < 0
	r.NoUsage = !told || u.Input == 0 || silent || negative
	if !r.NoUsage {
		r.Usage = u
	}
}
