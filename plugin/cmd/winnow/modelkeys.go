package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/splunk"
	"github.com/winnow-soc/winnow/plugin/state"
)

// key reads the key of a model from where [model:NAME] key says it is. "" is no key.
func (m *models) key(ctx context.Context, place string) (winnow.Secret, error) {
	if place == "" {
		return "", nil
	}
	return m.g.secret(ctx, m.d, place)
}

// secret reads a key from where the configuration says it is.
func (g *globals) secret(ctx context.Context, d *state.Deployment, place string) (winnow.Secret, error) {
	kind, name, _ := strings.Cut(place, ":")
	var key winnow.Secret
	var err error
	switch kind {
	case "env":
		key = winnow.Secret(g.getenv(name))
	case "file":
		if name, err = d.Resolve(name); err == nil {
			key, err = splunk.ReadSecretFile(name)
		}
	case "password":
		key, err = g.password(ctx, d, name)
	default:
		err = errors.New("no env:NAME, file:PATH or password:REALM/NAME")
	}
	if err != nil {
		return "", err
	}
	return oneWord(key, place)
}

// oneWord refuses what would not fit in a header, without repeating it.
func oneWord(key winnow.Secret, place string) (winnow.Secret, error) {
	text := strings.TrimSpace(key.Reveal())
	if text == "" {
		return "", fmt.Errorf("%s is empty", place)
	}
	for _, c := range []byte(text) {
		if c <= ' ' || c >= 0x7f {
			return "", fmt.Errorf("%s has blanks, line breaks or characters outside ASCII: it must be the key alone", place)
		}
	}
	return winnow.Secret(text), nil
}

// password reads storage/passwords of the app.
func (g *globals) password(ctx context.Context, d *state.Deployment, name string) (winnow.Secret, error) {
	client, err := g.splunkClient(d, g.session)
	if err != nil {
		return "", err
	}
	realm, user, _ := strings.Cut(name, "/")
	return client.Secret(ctx, realm, user)
}

// splunkClient returns a client with the modular input's session key, or else a configured token.
func (g *globals) splunkClient(d *state.Deployment, in *input) (*splunk.Client, error) {
	uri, key := d.Settings.Splunk.URI, winnow.Secret("")
	var refused func()
	if in != nil {
		uri, key, refused = in.serverURI, in.sessionKey, in.refused
	}
	tokenFile, err := resolved(d, d.Settings.Splunk.TokenFile)
	if err != nil {
		return nil, err
	}
	credentials, err := splunk.FindCredentials(key, tokenFile, g.getenv)
	if err != nil {
		return nil, &noCredentials{err}
	}
	caFile, err := resolved(d, d.Settings.Splunk.CAFile)
	if err != nil {
		return nil, err
	}
	return splunk.NewClient(splunk.Options{
		URI: uri, Credentials: credentials, CAFile: caFile, SplunkHome: d.SplunkHome, App: d.Settings.Splunk.App,
		Proxy: d.Settings.Splunk.Proxy, Refused: refused,
	})
}

// noCredentials says that nothing allows winnow to log in to Splunk: sinks then wait.
type noCredentials struct{ error }

func (e *noCredentials) Unwrap() error { return e.error }

func resolved(d *state.Deployment, path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return d.Resolve(path)
}
