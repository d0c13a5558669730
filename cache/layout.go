package cache

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/winnow-soc/winnow"
)

// header is the first 128 bytes of a snapshot file.
type header struct {
	generation Generation
	count      uint64 // entries
	slots      uint64 // a power of two, at least twice count
	slotsAt    uint64 // where the slots start, which is where the heap ends
}

// headerSum is where the SHA-256 of the bytes before it lies.
const headerSum = headerSize - sha256.Size

func (h *header) append(buf []byte) []byte {
	le := binary.LittleEndian
	out := append(buf, snapshotMagic...)
	out = le.AppendUint32(out, snapshotVersion)
	out = le.AppendUint32(out, slotSize)
	out = append(out, h.generation[:]...)
	out = le.AppendUint64(out, h.count)
	out = le.AppendUint64(out, h.slots)
	out = le.AppendUint64(out, h.slotsAt)
	out = append(out, make([]byte, headerSum-(len(out)-len(buf)))...)
	sum := sha256.Sum256(out[len(buf):])
	return append(out, sum[:]...)
}

// parseHeader checks everything that can be checked without reading on: size is the file's.
func parseHeader(buf *[headerSize]byte, size int64) (header, error) {
	le := binary.LittleEndian
	if string(buf[:8]) != snapshotMagic {
		return header{}, errors.New("not a cache snapshot")
	}
	if v := le.Uint32(buf[8:]); v != snapshotVersion {
		return header{}, fmt.Errorf("version %d, want %d", v, snapshotVersion)
	}
	if sha256.Sum256(buf[:headerSum]) != [sha256.Size]byte(buf[headerSum:]) {
		return header{}, errors.New("the header's checksum does not fit")
	}
	h := header{
		generation: Generation(buf[16:48]),
		count:      le.Uint64(buf[48:]), slots: le.Uint64(buf[56:]), slotsAt: le.Uint64(buf[64:]),
	}
	limit := uint64(max(size, 0))
	switch {
	case le.Uint32(buf[12:]) != slotSize || h.slots == 0 || h.slots&(h.slots-1) != 0 || h.count > h.slots/2:
		return header{}, errors.New("the header makes no sense")
	case h.slotsAt < headerSize || h.slotsAt > limit || h.slots > limit/slotSize || h.slotsAt+h.slots*slotSize != limit:
		return header{}, fmt.Errorf("%d bytes long, which is not what its header says", size)
	}
	return h, nil
}

// slot says where the entry of a key lies.
type slot struct {
	key      Key
	at       uint64
	size     uint32
	entrySum uint64
}

func (s *slot) put(buf *[slotSize]byte, gen *Generation) {
	le := binary.LittleEndian
	copy(buf[:32], s.key[:])
	le.PutUint64(buf[32:], s.at)
	le.PutUint32(buf[40:], s.size)
	le.PutUint64(buf[48:], s.entrySum)
	le.PutUint64(buf[56:], checksum(gen, buf[:56]))
}

func parseSlot(buf *[slotSize]byte, gen *Generation) (slot, error) {
	le := binary.LittleEndian
	if checksum(gen, buf[:56]) != le.Uint64(buf[56:]) {
		return slot{}, errors.New("its checksum does not fit")
	}
	return slot{
		key: Key(buf[:32]), at: le.Uint64(buf[32:]), size: le.Uint32(buf[40:]), entrySum: le.Uint64(buf[48:]),
	}, nil
}

// sources are the numbers of sources in the file. The order is part of the format.
var sources = [...]winnow.Source{winnow.SourceModel, winnow.SourcePerson}

// maxEncoded is more than the largest entry that may be kept takes.
const maxEncoded = 256 + maxAlertID + maxSearch + maxFacts*(maxFact+2)

// appendEntry encodes an entry that passed [Entry.Keepable].
func appendEntry(buf []byte, e Entry) ([]byte, error) {
	at, err1 := nanos(e.At)
	expires, err2 := nanos(e.Expires)
	if err := errors.Join(err1, err2); err != nil {
		return nil, err
	}
	var source byte
	if e.Source == winnow.SourcePerson {
		source = 1
	}
	le := binary.LittleEndian
	buf = append(buf, byte(e.Disposition), source, byte(e.Confidence), byte(e.Severity))
	buf = le.AppendUint64(buf, uint64(at))
	buf = le.AppendUint64(buf, uint64(expires))
	buf = appendText(buf, e.AlertID)
	buf = appendText(buf, e.SearchName)
	buf = le.AppendUint16(buf, uint16(len(e.Facts)))
	for _, f := range e.Facts {
		buf = appendText(buf, f)
	}
	return buf, nil
}

func appendText(buf []byte, s string) []byte {
	buf = binary.LittleEndian.AppendUint16(buf, uint16(len(s)))
	return append(buf, s...)
}

// nanos refuses instants that do not fit 64 bits of nanoseconds: before 1678 or after 2262.
func nanos(t time.Time) (int64, error) {
	const second = int64(time.Second)
	if s := t.Unix(); s <= math.MinInt64/second || s >= math.MaxInt64/second {
		return 0, errors.New("its time is out of range")
	}
	return t.UnixNano(), nil
}

var errCut = errors.New("it is cut off")

func decodeEntry(raw []byte) (Entry, error) {
	if len(raw) < 20 {
		return Entry{}, errCut
	}
	if int(raw[1]) >= len(sources) {
		return Entry{}, fmt.Errorf("unknown source %d", raw[1])
	}
	le := binary.LittleEndian
	e := Entry{
		Disposition: winnow.Disposition(raw[0]), Source: sources[raw[1]],
		Confidence: int(raw[2]), Severity: winnow.Severity(raw[3]),
		At:      time.Unix(0, int64(le.Uint64(raw[4:]))).UTC(),
		Expires: time.Unix(0, int64(le.Uint64(raw[12:]))).UTC(),
	}
	d := texts{rest: raw[20:]}
	e.AlertID, e.SearchName = d.text(), d.text()
	for n := d.number(); n > 0 && !d.cut; n-- {
		e.Facts = append(e.Facts, d.text())
	}
	if d.cut || len(d.rest) > 0 {
		return Entry{}, errCut
	}
	return e, nil
}

// texts reads texts with their lengths before them. cut is set when there were fewer bytes than
// a length promised.
type texts struct {
	rest []byte
	cut  bool
}

func (d *texts) number() int {
	if len(d.rest) < 2 {
		d.rest, d.cut = nil, true
		return 0
	}
	n := int(binary.LittleEndian.Uint16(d.rest))
	d.rest = d.rest[2:]
	return n
}

func (d *texts) text() string {
	n := d.number()
	if n > len(d.rest) {
		d.rest, d.cut = nil, true
		return ""
	}
	s := string(d.rest[:n])
	d.rest = d.rest[n:]
	return s
}
