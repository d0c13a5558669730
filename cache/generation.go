package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
)

// Generation names everything that a verdict depends on beside its alert: policy, prompts,
// models, field table. Verdicts of another generation are not recalled.
type Generation [32]byte

// NewGeneration hashes the parts. Their order and their boundaries count.
func NewGeneration(parts ...[]byte) Generation {
	h := sha256.New()
	var size [8]byte
	for _, p := range parts {
		binary.BigEndian.PutUint64(size[:], uint64(len(p)))
		h.Write(size[:])
		h.Write(p)
	}
	return Generation(h.Sum(nil))
}

// String returns the generation in hex.
func (g Generation) String() string { return hex.EncodeToString(g[:]) }
