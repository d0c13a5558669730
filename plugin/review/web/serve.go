package web

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"time"
)

// Place is where the page is served.
type Place struct {
	Address     string           // an address and a port
	Certificate *tls.Certificate // nil: without TLS, which loopback alone allows
}

// ErrOpen says that the page would go over a network without TLS.
var ErrOpen = errors.New("an address that is not loopback needs a certificate: set [review] cert_file and key_file")

// How long a client may take for its part of a request, and an answer may take.
const (
	headerFor = 5 * time.Second
	bodyFor   = 10 * time.Second
	answerFor = time.Minute
	idleFor   = 2 * time.Minute
	endFor    = 2 * time.Second
	mostBytes = 16 << 10 // of the headers
)

// Serve serves the page until stop is called, and returns its address. failed is told why it ended when nobody called
// stop. Site.Secure must be set when there is a certificate.
func Serve(s Site, p Place, failed func(error)) (address string, stop func(), err error) {
	at, err := netip.ParseAddrPort(p.Address)
	if err != nil {
		return "", nil, fmt.Errorf("page: %q is not an address and a port", p.Address)
	}
	if !at.Addr().IsLoopback() && p.Certificate == nil {
		return "", nil, fmt.Errorf("page: %s: %w", p.Address, ErrOpen)
	}
	s.Secure = p.Certificate != nil
	h, err := Handler(s)
	if err != nil {
		return "", nil, err
	}
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", p.Address)
	if err != nil {
		return "", nil, fmt.Errorf("page: %w", err)
	}
	scheme := "http"
	if p.Certificate != nil {
		scheme = "https"
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{*p.Certificate}, MinVersion: tls.VersionTLS12, NextProtos: []string{"http/1.1"}})
	}
	server := &http.Server{
		Handler: h, ReadHeaderTimeout: headerFor, ReadTimeout: bodyFor, WriteTimeout: answerFor, IdleTimeout: idleFor, MaxHeaderBytes: mostBytes,
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if err := server.Serve(ln); err != nil && !errors.Is(err, http.ErrServerClosed) {
			failed(fmt.Errorf("page: %w", err))
		}
	}()
	return scheme + "://" + ln.Addr().String(), func() {
		ctx, cancel := context.WithTimeout(context.Background(), endFor)
		defer cancel()
		if server.Shutdown(ctx) != nil {
			_ = server.Close()
		}
		<-done
	}, nil
}
