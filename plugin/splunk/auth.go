package splunk

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strings"

	"github.com/winnow-soc/winnow"
)

// TokenEnv is the environment variable that may hold a Splunk authentication token.
const TokenEnv = "WINNOW_SPLUNK_TOKEN"

// Credentials give the value of the Authorization header, asked anew for every request so that a
// token file may be replaced while winnow runs. They must be safe for concurrent use.
type Credentials func() (winnow.Secret, error)

// SessionKey authenticates with the session key that splunkd hands to a modular input.
func SessionKey(key winnow.Secret) Credentials {
	return func() (winnow.Secret, error) { return header("Splunk", key.Reveal()) }
}

// Token authenticates with a token made under Settings > Tokens.
func Token(token winnow.Secret) Credentials {
	return func() (winnow.Secret, error) { return header("Bearer", token.Reveal()) }
}

// TokenFile authenticates with the token in a file, which only its owner may read.
func TokenFile(path string) Credentials {
	return func() (winnow.Secret, error) {
		text, err := readPrivate(path)
		if err != nil {
			return "", fmt.Errorf("token file: %w", err)
		}
		return header("Bearer", text)
	}
}

// FindCredentials takes the first that is there: the session key, the token in the environment
// variable TokenEnv, the token file.
func FindCredentials(key winnow.Secret, tokenFile string, getenv func(string) string) (Credentials, error) {
	if key != "" {
		return SessionKey(key), nil
	}
	if token := strings.TrimSpace(getenv(TokenEnv)); token != "" {
		return Token(winnow.Secret(token)), nil
	}
	if tokenFile != "" {
		return TokenFile(tokenFile), nil
	}
	return nil, &Error{
		Op: "log in to Splunk", Code: CodeAuth, Retry: true,
		Message: "no session key and no token: run the worker as modular input, set " + TokenEnv +
			", or set token_file in [splunk] of winnow.conf",
	}
}

// header refuses what would not fit in one header line, without repeating it.
func header(scheme, secret string) (winnow.Secret, error) {
	secret = strings.TrimSpace(secret)
	if secret == "" {
		return "", errors.New("the Splunk credential is empty")
	}
	for _, c := range []byte(secret) {
		if c <= ' ' || c >= 0x7f {
			return "", errors.New("the Splunk credential has blanks, line breaks or characters outside ASCII: give the token alone")
		}
	}
	return winnow.Secret(scheme + " " + secret), nil
}

// ReadSecretFile reads a small file that only its owner may read, for example with a model's key.
func ReadSecretFile(path string) (winnow.Secret, error) {
	text, err := readPrivate(path)
	return winnow.Secret(text), err
}

// maxToken is the size above which a token file is surely the wrong file.
const maxToken = 64 << 10

func readPrivate(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Size() > maxToken {
		return "", fmt.Errorf("%s is not a small regular file", path)
	}
	// Windows keeps rights in ACLs that the mode does not show.
	if mode := info.Mode().Perm(); runtime.GOOS != "windows" && mode&0o077 != 0 {
		return "", fmt.Errorf("%s can be read by others (mode %#o): chmod 600 it", path, mode)
	}
	text, err := os.ReadFile(path)
	return string(text), err
}
