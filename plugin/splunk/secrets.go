package splunk

import (
	"context"
	"fmt"

	"github.com/winnow-soc/winnow"
)

// Secret reads a password from storage/passwords of the client's app. The credentials need the
// capability list_storage_passwords. realm may be empty.
func (c *Client) Secret(ctx context.Context, realm, name string) (winnow.Secret, error) {
	const op = "read stored password"
	if c.opts.App == "" || name == "" {
		return "", &Error{Op: op, Code: CodeInput, Message: "no app or no name given"}
	}
	path := escape("servicesNS", "nobody", c.opts.App, "storage", "passwords", credentialName(realm, name))
	var a atom[struct {
		Clear *string `json:"clear_password"`
	}]
	if err := c.getJSON(ctx, call{op: op, path: path, query: jsonMode()}, &a); err != nil {
		return "", fmt.Errorf("%q: %w", plain(name, maxMessage), err)
	}
	if len(a.Entry) != 1 || a.Entry[0].Content.Clear == nil {
		return "", &Error{
			Op: op, Code: CodeForbidden, Retry: true,
			Message: "the answer has no clear_password: is list_storage_passwords missing?",
		}
	}
	return winnow.Secret(*a.Entry[0].Content.Clear), nil
}

// credentialName writes realm:name: as splunkd keys its passwords, with colons inside escaped.
func credentialName(realm, name string) string {
	return escapeColons(realm) + ":" + escapeColons(name) + ":"
}

func escapeColons(s string) string {
	out := make([]byte, 0, len(s))
	for _, c := range []byte(s) {
		if c == ':' || c == '\\' {
			out = append(out, '\\')
		}
		out = append(out, c)
	}
	return string(out)
}
