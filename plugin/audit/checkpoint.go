package audit

import (
	"bufio"
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"
)

// SeedSize is the size of the secret that a Signer is made from.
const SeedSize = ed25519.SeedSize

// EventType marks a checkpoint among winnow's events.
const EventType = "winnow:checkpoint"

// Key is the public key of a Signer. Its text is base64.
type Key [ed25519.PublicKeySize]byte

// String returns the key as base64.
func (k Key) String() string { return base64.StdEncoding.EncodeToString(k[:]) }

// ParseKey reads the text of a key.
func ParseKey(text string) (k Key, err error) {
	return k, k.UnmarshalText([]byte(text))
}

// MarshalText writes base64.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads base64 of exactly one key.
func (k *Key) UnmarshalText(text []byte) error { return decode(k[:], text, "a public key") }

// Signature is an ed25519 signature. Its text is base64.
type Signature [ed25519.SignatureSize]byte

// MarshalText writes base64.
func (s Signature) MarshalText() ([]byte, error) {
	return []byte(base64.StdEncoding.EncodeToString(s[:])), nil
}

// UnmarshalText reads base64 of exactly one signature.
func (s *Signature) UnmarshalText(text []byte) error { return decode(s[:], text, "a signature") }

func decode(dst, text []byte, what string) error {
	raw, err := base64.StdEncoding.Strict().DecodeString(string(text))
	if err != nil || len(raw) != len(dst) {
		return fmt.Errorf("%s is base64 of %d bytes", what, len(dst))
	}
	copy(dst, raw)
	return nil
}

// Signer signs heads of the chain. Safe for concurrent use.
type Signer struct {
	private ed25519.PrivateKey
}

// NewSigner makes a signer from its secret.
func NewSigner(seed []byte) (*Signer, error) {
	if len(seed) != SeedSize {
		return nil, fmt.Errorf("the secret that checkpoints are signed with has %d bytes, want %d", len(seed), SeedSize)
	}
	return &Signer{ed25519.NewKeyFromSeed(seed)}, nil
}

// Key returns the public key.
func (s *Signer) Key() Key { return Key(s.private[SeedSize:]) }

// Checkpoint is a signed head: all entries up to Seq, and none other, led to Head.
type Checkpoint struct {
	Seq       int64     `json:"seq"`
	Head      Hash      `json:"head"`
	At        time.Time `json:"time"` // to the microsecond
	Key       Key       `json:"key"`
	Signature Signature `json:"signature"`
}

// Sign makes the checkpoint of a head.
func (s *Signer) Sign(seq int64, head Hash, at time.Time) Checkpoint {
	c := Checkpoint{Seq: seq, Head: head, At: at.UTC().Truncate(time.Microsecond), Key: s.Key()}
	c.Signature = Signature(ed25519.Sign(s.private, c.message()))
	return c
}

// message is what is signed: the domain, number and time as 8 bytes each, big-endian, the head, and the key.
func (c *Checkpoint) message() []byte {
	out := []byte("winnow:checkpoint:v1\n")
	out = binary.BigEndian.AppendUint64(out, uint64(c.Seq))            //nolint:gosec // two's complement
	out = binary.BigEndian.AppendUint64(out, uint64(c.At.UnixMicro())) //nolint:gosec // the same
	out = append(out, c.Head[:]...)
	return append(out, c.Key[:]...)
}

// Valid reports whether the signature is good. Whose key it is, is not asked.
func (c *Checkpoint) Valid() bool {
	return c.At.Equal(c.At.Truncate(time.Microsecond)) && ed25519.Verify(c.Key[:], c.message(), c.Signature[:])
}

// Event is a checkpoint as it is told to sinks.
type Event struct {
	Time string `json:"event_time"`
	EKey string `json:"event_key"`
	Type string `json:"event_type"`
	Checkpoint
}

// Bounds of a file of checkpoints.
const (
	maxLine        = 16 << 20
	maxCheckpoints = 2_000_000
)

// ReadCheckpoints reads the checkpoints of a file of events, one JSON object a line: as a sink of winnow
// wrote them, or as Splunk exports them, with the event in _raw. Events of other types are passed over.
// What says that it is a checkpoint and is none, or is not signed by the key that it names, is an
// error. They come back in the order of their numbers.
func ReadCheckpoints(r io.Reader) ([]Checkpoint, error) {
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 64<<10), maxLine)
	var out []Checkpoint
	line := 1
	for ; in.Scan(); line++ {
		c, found, err := readCheckpoint(in.Bytes(), 0)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		if !found {
			continue
		}
		if len(out) == maxCheckpoints {
			return nil, fmt.Errorf("line %d: more than %d checkpoints", line, maxCheckpoints)
		}
		out = append(out, c)
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", line, err)
	}
	slices.SortStableFunc(out, func(a, b Checkpoint) int { return int(min(max(a.Seq-b.Seq, -1), 1)) })
	return out, nil
}

// wrapped is what Splunk puts around an event.
type wrapped struct {
	Type   string          `json:"event_type"`
	Raw    *string         `json:"_raw"`
	Event  json.RawMessage `json:"event"`
	Result json.RawMessage `json:"result"`
}

func readCheckpoint(line []byte, depth int) (c Checkpoint, found bool, err error) {
	line = bytes.TrimSpace(line)
	if len(line) == 0 {
		return c, false, nil
	}
	var w wrapped
	if err := json.Unmarshal(line, &w); err != nil {
		return c, false, errors.New("not a JSON object")
	}
	switch inner := w.inner(); {
	case w.Type == EventType:
		return parseCheckpoint(line)
	case inner != nil && depth < 2:
		return readCheckpoint(inner, depth+1)
	}
	return c, false, nil
}

// inner is the event inside, nil when there is none.
func (w *wrapped) inner() []byte {
	switch {
	case w.Raw != nil && len(*w.Raw) > 0 && (*w.Raw)[0] == '{':
		return []byte(*w.Raw)
	case len(w.Result) > 0 && w.Result[0] == '{':
		return w.Result
	case len(w.Event) > 0 && w.Event[0] == '{':
		return w.Event
	}
	return nil
}

func parseCheckpoint(line []byte) (c Checkpoint, found bool, err error) {
	var e Event
	if err := json.Unmarshal(line, &e); err != nil {
		return c, false, fmt.Errorf("no checkpoint: %w", err)
	}
	if e.Seq < 1 {
		return c, false, fmt.Errorf("no checkpoint: entry %d", e.Seq)
	}
	if !e.Valid() {
		return c, false, fmt.Errorf("the signature of the checkpoint at entry %d is not good", e.Seq)
	}
	return e.Checkpoint, true, nil
}
