package alertaction

import (
	"bytes"
	"errors"
	"io"
	"sync"

	"github.com/klauspost/compress/flate"
)

// worthPacking is from how many bytes on data is packed: what is shorter saves no block of a disk.
const worthPacking = 512

func (k frameKind) packed() frameKind   { return k | 0x20 }
func (k frameKind) unpacked() frameKind { return k &^ 0x20 }
func (k frameKind) isPacked() bool      { return 'a' <= k && k <= 'z' }

// pack compresses data; ok is false where that saves less than an eighth. It keeps no tables between
// calls, which a program that lives for milliseconds would have to build first.
func (w *frameWriter) pack(data []byte) (packed []byte, ok bool) {
	if len(data) < worthPacking {
		return nil, false
	}
	w.packed.Reset()
	if flate.StatelessDeflate(&w.packed, data, true, nil) != nil || w.packed.Len() > len(data)-len(data)/8 {
		return nil, false
	}
	return w.packed.Bytes(), true
}

// isGzip reports whether a file begins as gzip does; the results that Splunk hands over do.
func isGzip(start []byte) bool { return bytes.HasPrefix(start, []byte{0x1f, 0x8b}) }

var (
	errPacked = errors.New("a part does not unpack")

	inflaters = sync.Pool{New: func() any { return flate.NewReader(bytes.NewReader(nil)) }}
)

// unpack returns what was packed, valid until the call after. Its checksum was right, so an error means that
// somebody else wrote it.
func (r *frameReader) unpack(data []byte) ([]byte, error) {
	z := inflaters.Get().(io.Reader) //nolint:forcetypeassert // nothing else is in the pool
	defer inflaters.Put(z)
	if err := z.(flate.Resetter).Reset(bytes.NewReader(data), nil); err != nil { //nolint:forcetypeassert // as its documentation says
		return nil, errPacked
	}
	r.text.Reset()
	n, err := io.Copy(&r.text, io.LimitReader(z, maxFrame+1))
	if err != nil || n > maxFrame {
		return nil, errPacked
	}
	return r.text.Bytes(), nil
}
