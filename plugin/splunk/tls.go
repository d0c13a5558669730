package splunk

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/url"
	"os"
	"path/filepath"
)

// tlsConfig trusts the CA file, or, on this very machine, Splunk's own CA, or else the system's. Elsewhere the
// CA that ships with Splunk proves nothing: everybody can have a certificate of it. On a loopback address the
// chain is still verified but not the name: splunkd's shipped certificate names no host.
func tlsConfig(opts Options, host string) (*tls.Config, error) {
	if !isLoopback(host) {
		opts.SplunkHome = ""
	}
	pool, err := rootCAs(opts)
	if err != nil {
		return nil, err
	}
	conf := &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12}
	if isLoopback(host) {
		conf.InsecureSkipVerify = true //nolint:gosec // the chain is verified just below
		conf.VerifyConnection = func(state tls.ConnectionState) error { return verifyChain(state, pool) }
	}
	return conf, nil
}

func rootCAs(opts Options) (*x509.CertPool, error) {
	path := opts.CAFile
	if path == "" && opts.SplunkHome != "" {
		path = filepath.Join(opts.SplunkHome, "etc", "auth", "cacert.pem")
	}
	if path == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) && opts.CAFile == "" {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read CA file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CA file %s holds no PEM certificate: set ca_file in [splunk] of winnow.conf", path)
	}
	return pool, nil
}

func verifyChain(state tls.ConnectionState, pool *x509.CertPool) error {
	if len(state.PeerCertificates) == 0 {
		return errors.New("the server showed no certificate")
	}
	opts := x509.VerifyOptions{Roots: pool, Intermediates: x509.NewCertPool()}
	for _, cert := range state.PeerCertificates[1:] {
		opts.Intermediates.AddCert(cert)
	}
	_, err := state.PeerCertificates[0].Verify(opts)
	return err
}

func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// parseURI takes https everywhere, and http only to this very machine: a credential in clear
// text does not leave it.
func parseURI(uri string) (*url.URL, error) {
	u, err := url.Parse(uri)
	if err != nil || u.Host == "" {
		return nil, fmt.Errorf("splunkd's address %q is not a URL like https://127.0.0.1:8089", plain(uri, maxMessage))
	}
	if u.User != nil {
		return nil, errors.New("splunkd's address holds a user name or password: use a token instead")
	}
	if u.Scheme == "https" || u.Scheme == "http" && isLoopback(u.Hostname()) {
		return &url.URL{Scheme: u.Scheme, Host: u.Host}, nil
	}
	return nil, fmt.Errorf("splunkd's address %q is not https", plain(uri, maxMessage))
}
