package redact

import (
	"crypto/sha256"
	"encoding/base32"
	"hash"
	"regexp"
	"strings"
)

// kind says what a token stands for. It is written in the token, so that a reader knows what it is.
type kind string

const (
	kindUser   kind = "user"
	kindHost   kind = "host"
	kindDomain kind = "domain"
	kindIP4    kind = "ip4"
	kindIP6    kind = "ip6"
	kindMAC    kind = "mac"
	kindSID    kind = "sid"
	kindText   kind = "text" // text of the alert that looks like a token
	kindSecret kind = "secret"
)

// tokenShape matches every token, and what somebody may have written to look like one. A token begins with
// its only [ and ends with its only ]: whatever stands beside it, no other token can be read across its ends. (JSON
// often writes < and > in six characters each.)
var tokenShape = regexp.MustCompile(`\[(?:user|host|domain|ip4|ip6|mac|sid|text):[a-z2-7]{8,16}(?:\.[a-z2-7]{3,4}){0,2}\]|\[secret:[a-z_]{1,16}\]`)

// Lengths of the parts of a token, in characters of 5 bits.
const (
	idLength     = 8
	memberLength = 4
	spellLength  = 3
)

var base = base32.StdEncoding.WithPadding(base32.NoPadding)

type tokenOf struct {
	kind kind
	text string
}

// tokens makes the tokens of one view and remembers what each stands for.
type tokens struct {
	mac   hash.Hash
	known map[string]string  // token to text
	made  map[tokenOf]string // and back
}

// hash is keyed by the deployment's secret, so that nobody outside can try names out.
func (t *tokens) hash(kind kind, text string) string {
	var sum [sha256.Size]byte
	t.mac.Reset()
	t.mac.Write([]byte(kind))
	t.mac.Write([]byte{0})
	t.mac.Write([]byte(text))
	return strings.ToLower(base.EncodeToString(t.mac.Sum(sum[:0])))
}

// token stands for text. What group says is the same for all of a group (the addresses of a network), same
// for all spellings of one thing. A spelling that is not the usual one has a part more, so that every text has
// its own token and can be had back to the letter.
func (t *tokens) token(k kind, group, same, text string) string {
	key := tokenOf{k, text}
	if token, ok := t.made[key]; ok {
		return token
	}
	id, spelling := same, ""
	member := ""
	if group != "" {
		id = group
		member = "." + t.hash(k, same)[:memberLength]
	}
	if same != text {
		spelling = "." + t.hash(kindText, text)[:spellLength]
	}
	sum := t.hash(k, id)
	token := ""
	for n := idLength; n <= 16; n++ { // longer only where two texts would share one
		token = "[" + string(k) + ":" + sum[:n] + member + spelling + "]"
		if _, taken := t.known[token]; !taken {
			break
		}
	}
	t.known[token], t.made[key] = text, token
	return token
}

// word is the token of a name, whatever its case.
func (t *tokens) word(k kind, text string) string {
	return t.token(k, "", strings.ToLower(text), text)
}

// undo puts the texts back.
func (t *tokens) undo(text string) string {
	if !strings.Contains(text, "[") {
		return text
	}
	return tokenShape.ReplaceAllStringFunc(text, func(token string) string {
		if original, ok := t.known[token]; ok {
			return original
		}
		return token
	})
}
