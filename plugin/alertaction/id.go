package alertaction

import (
	"math/rand/v2"
	"time"
)

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// newID returns a ULID: names of spool records sort by the time they were begun. They are no secret,
// only different: the generator that every process is given a seed for is there already, the one
// for secrets takes longer to begin than the rest of a record.
func newID(now time.Time) string {
	hi := uint64(max(now.UnixMilli(), 0))<<16 | rand.Uint64()>>48 //nolint:gosec // no secret
	lo := rand.Uint64()                                           //nolint:gosec // no secret
	var id [26]byte
	for i := len(id) - 1; i >= 0; i-- {
		id[i] = crockford[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(id[:])
}
