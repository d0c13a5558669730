package alertaction

import (
	"crypto/rand"
	"encoding/binary"
	"time"
)

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// newID returns a ULID: names of spool records sort by the time they were begun.
func newID(now time.Time) string {
	var random [10]byte
	_, _ = rand.Read(random[:]) // never fails: it would end the program
	hi := uint64(max(now.UnixMilli(), 0))<<16 | uint64(random[0])<<8 | uint64(random[1])
	lo := binary.BigEndian.Uint64(random[2:])
	var id [26]byte
	for i := len(id) - 1; i >= 0; i-- {
		id[i] = crockford[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(id[:])
}
