package winnow

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash"
	"slices"
	"strings"
	"time"
)

// KeySize is the length in bytes of a deployment's secret.
const KeySize = 32

// Keys are the keyed functions of one deployment, all derived (HKDF, RFC 5869) from one secret,
// so that a person who knows an alert's text can neither forge winnow's ids nor foresee which
// drops are sampled. Not safe for concurrent use: call [Keys.Clone] for each goroutine.
type Keys struct {
	secret                   []byte
	row, id, canary, verdict hash.Hash

	// Scratch space, so that a run over many rows allocates nothing.
	msg, sum []byte
	names    []string

	// Rows of one search have mostly the same fields: what was found out about them last.
	last struct {
		table     *FieldTable
		search    string
		all, kept []string // sorted names
	}
}

// NewKeys derives the keys. The secret must be KeySize bytes or longer.
func NewKeys(secret []byte) (*Keys, error) {
	if len(secret) < KeySize {
		return nil, errors.New("deployment secret is shorter than 32 bytes")
	}
	k := &Keys{secret: slices.Clone(secret)}
	for _, d := range []struct {
		info string
		to   *hash.Hash
	}{{"row", &k.row}, {"id", &k.id}, {"canary", &k.canary}, {"verdict", &k.verdict}} {
		key, err := hkdf.Expand(sha256.New, secret, "winnow/"+d.info, sha256.Size)
		if err != nil {
			return nil, err
		}
		*d.to = hmac.New(sha256.New, key)
	}
	return k, nil
}

// Clone returns keys for another goroutine.
func (k *Keys) Clone() *Keys {
	c, err := NewKeys(k.secret)
	if err != nil {
		panic("winnow: clone of valid keys failed: " + err.Error())
	}
	return c
}

// RowMAC returns a MAC over all fields of a row, in hex. Order of fields does not matter, order
// of values does.
func (k *Keys) RowMAC(f Fields) string {
	k.msg = k.msg[:0]
	k.appendFields(f)
	sum := k.seal(k.row)
	return hex.EncodeToString(sum[:16])
}

// Fingerprint is the cache key of an alert: HMAC-SHA-256 over an identity of its search and the
// fields that the table does not call volatile, sorted by name. ok is false when there is no such
// field.
func (k *Keys) Fingerprint(identity, search string, t *FieldTable, f Fields) (sum [sha256.Size]byte, ok bool) {
	kept := k.kept(search, t, f)
	if len(kept) == 0 {
		return sum, false
	}
	k.msg = appendText(k.msg[:0], identity)
	k.appendNamed(f, kept)
	return k.seal(k.verdict), true
}

// FieldsMAC is Fingerprint over all fields.
func (k *Keys) FieldsMAC(identity string, f Fields) [sha256.Size]byte {
	k.msg = appendText(k.msg[:0], identity)
	k.appendFields(f)
	return k.seal(k.verdict)
}

// kept returns the sorted names of the fields that are not volatile.
func (k *Keys) kept(search string, t *FieldTable, f Fields) []string {
	last := &k.last
	if last.table == t && last.search == search && sameNames(last.all, f) {
		return last.kept
	}
	last.table, last.search = t, search
	last.all, last.kept = last.all[:0], last.kept[:0]
	for name := range f {
		last.all = append(last.all, name)
	}
	slices.Sort(last.all)
	for _, name := range last.all {
		if !t.Lookup(search, name).Volatile {
			last.kept = append(last.kept, name)
		}
	}
	return last.kept
}

func sameNames(names []string, f Fields) bool {
	if len(names) != len(f) {
		return false
	}
	for _, name := range names {
		if _, ok := f[name]; !ok {
			return false
		}
	}
	return true
}

// Redact derives the key of the tokens that stand for names in what leaves for a model: see llm/redact.
func (k *Keys) Redact() ([]byte, error) {
	return hkdf.Expand(sha256.New, k.secret, "winnow/redact", KeySize)
}

// Canary maps (rule, sid, rid) to an evenly spread number in [0,1) that nobody without the
// secret can foresee, and that a replay repeats.
func (k *Keys) Canary(rule, sid, rid string) float64 {
	k.setTexts(rule, sid, rid)
	sum := k.seal(k.canary)
	return float64(binary.BigEndian.Uint64(sum[:])>>11) / (1 << 53)
}

// NewID returns the alert ID for a natural key: a ULID whose time is received and whose entropy
// is keyed, so that the same row gets the same ID and nobody can claim one in advance.
func (k *Keys) NewID(key Key, received time.Time) string {
	k.setTexts("alert", key.Host, key.SID, key.RID, key.MAC)
	sum := k.seal(k.id)
	var u [16]byte
	ms := uint64(max(received.UnixMilli(), 0))
	for i := range 6 {
		u[i] = byte(ms >> (8 * (5 - i)))
	}
	copy(u[6:], sum[:10])
	return encodeULID(u)
}

// Nonce returns words that nobody without the secret can foresee, and that are the same for the same
// names: 52 letters and digits. Safe for concurrent use.
func (k *Keys) Nonce(of ...string) string {
	info := []byte("winnow/nonce")
	for _, name := range of {
		info = binary.BigEndian.AppendUint64(info, uint64(len(name)))
		info = append(info, name...)
	}
	words, err := hkdf.Expand(sha256.New, k.secret, string(info), sha256.Size)
	if err != nil {
		panic("winnow: a nonce of valid keys failed: " + err.Error()) // asked for more bytes than there are
	}
	return base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(words)
}

// Sign returns the winnow_id written into everything that winnow creates: the alert ID and a MAC.
func (k *Keys) Sign(id string) string {
	return id + "-" + k.idMAC(id)
}

// Verify returns the alert ID of a winnow_id that this deployment signed.
func (k *Keys) Verify(winnowID string) (id string, ok bool) {
	id, mac, found := strings.Cut(winnowID, "-")
	if !found || len(id) != 26 {
		return "", false
	}
	return id, hmac.Equal([]byte(mac), []byte(k.idMAC(id)))
}

func (k *Keys) idMAC(id string) string {
	k.setTexts("winnow_id", id)
	sum := k.seal(k.id)
	return hex.EncodeToString(sum[:16])
}

func (k *Keys) setTexts(texts ...string) {
	k.msg = k.msg[:0]
	for _, t := range texts {
		k.msg = appendText(k.msg, t)
	}
}

func (k *Keys) appendFields(f Fields) {
	if !sameNames(k.names, f) {
		k.names = k.names[:0]
		for name := range f {
			k.names = append(k.names, name)
		}
		slices.Sort(k.names)
	}
	k.appendNamed(f, k.names)
}

func (k *Keys) appendNamed(f Fields, names []string) {
	for _, name := range names {
		k.msg = appendText(k.msg, name)
		k.msg = binary.BigEndian.AppendUint32(k.msg, uint32(len(f[name])))
		for _, v := range f[name] {
			k.msg = appendText(k.msg, v)
		}
	}
}

func (k *Keys) seal(h hash.Hash) [sha256.Size]byte {
	h.Reset()
	h.Write(k.msg)
	k.sum = h.Sum(k.sum[:0])
	return [sha256.Size]byte(k.sum)
}

// appendText writes a length before the text, so that no two lists of texts look alike.
func appendText(msg []byte, s string) []byte {
	msg = binary.BigEndian.AppendUint32(msg, uint32(len(s)))
	return append(msg, s...)
}

const crockford = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

// encodeULID writes 128 bits as the 26 characters of https://github.com/ulid/spec.
func encodeULID(u [16]byte) string {
	var out [26]byte
	hi, lo := binary.BigEndian.Uint64(u[:8]), binary.BigEndian.Uint64(u[8:])
	for i := 25; i >= 0; i-- {
		out[i] = crockford[lo&31]
		lo = lo>>5 | hi<<59
		hi >>= 5
	}
	return string(out[:])
}
