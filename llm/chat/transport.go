package chat

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// maxBody is the largest answer that is read: far more than any answer within MaxOutput.
const maxBody = 4 << 20

// ErrTooLarge says that an answer went on after the most that is read.
var ErrTooLarge = errors.New("the answer is larger than winnow reads")

// HTTPOptions say how a provider is reached.
type HTTPOptions struct {
	// Proxy is the address of a proxy, "" for none, or "environment" for HTTPS_PROXY, HTTP_PROXY and
	// NO_PROXY. A server on this very machine is never asked through one.
	Proxy  string
	CAFile string // certificates in PEM, trusted beside the system's own; "" for none
}

// ProxyEnvironment takes the proxy from the usual environment variables.
const ProxyEnvironment = "environment"

// NewHTTPClient returns the client that adapters send with: TLS 1.2 or later, no redirect away from
// the server, no cookies, answers of at most 4 MiB (see [WithMaxBody]). It has no timeout of its
// own: the context of a call has the deadline. Safe for concurrent use.
func NewHTTPClient(o HTTPOptions) (*http.Client, error) {
	proxy, err := proxyFunc(o.Proxy)
	if err != nil {
		return nil, err
	}
	roots, err := trusted(o.CAFile)
	if err != nil {
		return nil, err
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 30 * time.Second}
	t := &http.Transport{
		Proxy: proxy, DialContext: dialer.DialContext, ForceAttemptHTTP2: true,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: roots},
		TLSHandshakeTimeout: 10 * time.Second, IdleConnTimeout: 90 * time.Second,
		MaxIdleConns: 64, MaxIdleConnsPerHost: 64, MaxResponseHeaderBytes: 64 << 10,
	}
	return &http.Client{Transport: &capped{t}, CheckRedirect: sameServer}, nil
}

// sameServer follows redirects on one server only: a request holds a key and an alert.
func sameServer(req *http.Request, via []*http.Request) error {
	first := via[0].URL
	if req.URL.Scheme != first.Scheme || req.URL.Host != first.Host {
		return errors.New("the server sends the request on to another one")
	}
	if len(via) > 3 {
		return errors.New("the server sends the request round and round")
	}
	return nil
}

func proxyFunc(proxy string) (func(*http.Request) (*url.URL, error), error) {
	switch proxy {
	case "":
		return nil, nil
	case ProxyEnvironment:
		return http.ProxyFromEnvironment, nil
	}
	u, err := url.Parse(proxy)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" {
		return nil, errors.New("proxy is not an address like http://proxy.example:3128")
	}
	return func(r *http.Request) (*url.URL, error) {
		if Loopback(r.URL.Hostname()) {
			return nil, nil
		}
		return u, nil
	}, nil
}

// Loopback reports whether a host name or address is this very machine.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

func trusted(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	pool, err := x509.SystemCertPool()
	if err != nil {
		pool = x509.NewCertPool()
	}
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s holds no certificate in PEM", file)
	}
	return pool, nil
}

// capped bounds the answers of a transport.
type capped struct{ next http.RoundTripper }

func (c *capped) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := c.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	limit, ok := r.Context().Value(bodyLimit{}).(int64)
	if !ok {
		limit = maxBody
	}
	resp.Body = &cappedBody{ReadCloser: resp.Body, left: limit}
	return resp, nil
}

type bodyLimit struct{}

// WithMaxBody lets the answers of calls in ctx be larger: files of batches are.
func WithMaxBody(ctx context.Context, bytes int64) context.Context {
	return context.WithValue(ctx, bodyLimit{}, bytes)
}

type cappedBody struct {
	io.ReadCloser
	left int64 // what may still be read; one byte below zero is an error
}

func (b *cappedBody) Read(p []byte) (int, error) {
	if int64(len(p)) > b.left+1 {
		p = p[:b.left+1]
	}
	n, err := b.ReadCloser.Read(p)
	b.left -= int64(n)
	if b.left < 0 {
		return n, ErrTooLarge
	}
	return n, err
}

// ServerURL reads the address of a provider: https, or http to this very machine, since a key and
// alerts in clear text do not leave it.
func ServerURL(address string) (*url.URL, error) {
	u, err := url.Parse(address)
	switch {
	case err != nil || u.Host == "":
		return nil, errors.New("base_url is not an address like https://api.openai.com/v1")
	case u.User != nil:
		return nil, errors.New("base_url holds a user name or password: use key")
	case u.RawQuery != "" || u.Fragment != "":
		return nil, errors.New("base_url has a query or fragment")
	case u.Scheme == "https" || u.Scheme == "http" && Loopback(u.Hostname()):
		return u, nil
	}
	return nil, fmt.Errorf("base_url is not https (http is for servers on this machine only: %q is another)", u.Hostname())
}
