// Package cache recalls what was found out about an alert when the same alert comes again.
//
//   - A [Key] is the alert's fingerprint: its search and every field that is not volatile.
//   - A [Store] keeps an [Entry], a benign verdict, under a key until it expires: [Memory] in the
//     worker, and a [Snapshot] file for the alert action, which probes it without reading it whole.
//   - [Cases] are the escalations that nobody has settled yet: a repeat joins its case, and their
//     source and destination keep cached verdicts from closing anything for a while.
//
// A wrong miss costs money and a wrong hit hides an attack, so everything in doubt is a miss.
package cache

import (
	"encoding/hex"
	"fmt"

	"github.com/winnow-soc/winnow"
)

// Key is the fingerprint of an alert, keyed with the deployment's secret: nobody without the
// secret can tell which alerts share one. The zero Key belongs to no alert, and no store keeps it.
type Key [32]byte

// KeyOf returns the fingerprint of an alert: a MAC over its app, its search and the fields that
// the table does not call volatile. An alert that has no such field gets a key of its own, since
// nothing says what it is about: it repeats only itself.
//
// k is not safe for concurrent use; see [winnow.Keys].
func KeyOf(k *winnow.Keys, t *winnow.FieldTable, a *winnow.Alert) Key {
	identity := a.App + "\x00" + a.SearchName
	if sum, ok := k.Fingerprint(identity, a.SearchName, t, a.Fields); ok {
		return sum
	}
	own := winnow.Fields{"host": {a.Key.Host}, "sid": {a.Key.SID}, "rid": {a.Key.RID}, "mac": {a.Key.MAC}}
	return k.FieldsMAC("alone\x00"+identity, own)
}

// IsZero reports whether the key is that of no alert.
func (k Key) IsZero() bool { return k == Key{} }

// String returns the key in hex.
func (k Key) String() string { return hex.EncodeToString(k[:]) }

// MarshalText writes the key in hex.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }

// UnmarshalText reads a key from hex.
func (k *Key) UnmarshalText(text []byte) error {
	if len(text) != hex.EncodedLen(len(k)) {
		return fmt.Errorf("cache key has %d characters, want %d in hex", len(text), hex.EncodedLen(len(k)))
	}
	var read Key
	if _, err := hex.Decode(read[:], text); err != nil {
		return fmt.Errorf("cache key: %w", err)
	}
	*k = read
	return nil
}
