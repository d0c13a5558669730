package chat

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"strings"

	"github.com/winnow-soc/winnow/llm"
)

// fence marks data in a prompt (guard G5). Its words are new for every question, so that text written
// before cannot know them: data cannot end the fence, and an answer that holds the seal was steered by
// somebody who asked for all that the model had read.
type fence struct {
	nonce string // in the lines around data
	seal  string // the tripwire: never to come back
}

// newFence makes a fence from a nonce, random when there is none.
func newFence(nonce string) fence {
	if nonce == "" {
		nonce = rand.Text()
	}
	half := len(nonce) / 2
	return fence{nonce: nonce[:half], seal: "SEAL-" + nonce[half:]}
}

// wrap writes data as one line of JSON between the fence's lines.
func (f fence) wrap(name string, v any) (string, error) {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(true) // markup in the data stays text for whatever reads it
	if err := enc.Encode(v); err != nil {
		return "", err
	}
	return "BEGIN " + name + " " + f.nonce + "\n" + line.String() + "END " + name + " " + f.nonce, nil
}

// seenIn reports whether an answer tells the seal or the nonce, in whatever letter case and however
// spaced: a model that obeys the alert may be told to hide what it repeats.
func (f fence) seenIn(answer string) bool {
	squeezed := strings.ToUpper(strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' {
			return r
		}
		return -1
	}, answer))
	bare := strings.TrimPrefix(f.seal, "SEAL-")
	return strings.Contains(squeezed, strings.ToUpper(bare)) || strings.Contains(squeezed, strings.ToUpper(f.nonce))
}

// tripwire is the taint of an answer that tells the seal.
func tripwire(task llm.Task) string { return "tripwire:" + string(task) }
