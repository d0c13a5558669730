package splunk

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"

	"github.com/winnow-soc/winnow"
)

// scsToken asks for access tokens with a client's secret (OAuth 2.0, client credentials). The SDK can do so too,
// but without a limit of time, a proxy or a CA file.
type scsToken struct {
	client string
	server *server
}

// scsScope is what a service asks for.
const scsScope = "backend_service"

// get asks for a token. It is used for keyKept, which is shorter than any lives.
func (t *scsToken) get(ctx context.Context) (winnow.Secret, error) {
	const op = "ask for an access token"
	secret, err := t.server.secret(ctx)
	if err != nil {
		return "", err
	}
	form := url.Values{"grant_type": {"client_credentials"}, "scope": {scsScope}}
	req, err := http.NewRequest(http.MethodPost, t.server.base.Scheme+"://"+t.server.base.Host+"/token", strings.NewReader(form.Encode())) //nolint:noctx // exchange adds it
	if err != nil {
		return "", &Error{Op: op, Code: CodeInput, Err: unURL(err)}
	}
	req.SetBasicAuth(t.client, secret.Reveal())
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.Header.Set("Accept", "application/json")
	a, err := t.server.exchange(ctx, op, req, secret)
	if err != nil {
		return "", err
	}
	if !a.ok() {
		return "", patient(t.server.refused(op, a))
	}
	var said struct {
		Token string `json:"access_token"`
	}
	if json.Unmarshal(a.body, &said) != nil || said.Token == "" {
		return "", &Error{Op: op, Status: a.status, Code: CodeBadAnswer, Retry: true, Message: "the answer holds no token"}
	}
	return winnow.Secret(said.Token), nil
}
