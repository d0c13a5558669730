package alertaction

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"
)

// A spool file is the line spoolMagic and then frames: kind (1 byte), length of the data (4 bytes,
// little endian), CRC-32 over the frame's offset, kind, length and data (4 bytes), data. The last
// frame is the end: it holds the SHA-256 of all bytes before it. A file without it was torn.
//
// A kind in lower case says that the data is packed: DEFLATE (RFC 1951) of at most maxFrame bytes.
// Version 1 had no such frames; it is read all the same, since an upgrade finds it in the spool.
//
// The polynomial is gzip's: its tables are there already in a program that lives for milliseconds.
const (
	spoolMagic  = "winnow spool 2\n"
	spoolMagic1 = "winnow spool 1\n"
	frameHead   = 9
	maxFrame    = 1 << 20
)

type frameKind byte

const (
	frameHeader   frameKind = 'H' // Header as JSON
	framePayload  frameKind = 'P' // part of the payload
	frameResults  frameKind = 'R' // part of the results file, byte for byte
	frameProposal frameKind = 'T' // a proposal, as JSON: the next one that decisions refer to
	frameDecided  frameKind = 'D' // decisions, see decision.go
	frameBody     frameKind = 'B' // part of a command, or of a payload that could not be understood
	frameTrailer  frameKind = 'L' // Trailer as JSON
	frameNote     frameKind = 'N' // a note as JSON, see noted.go
	frameEnd      frameKind = 'E' // SHA-256
)

func frameSum(offset int64, head []byte, data []byte) uint32 {
	var at [8]byte
	binary.LittleEndian.PutUint64(at[:], uint64(offset))
	sum := crc32.ChecksumIEEE(at[:])
	sum = crc32.Update(sum, crc32.IEEETable, head[:5])
	return crc32.Update(sum, crc32.IEEETable, data)
}

const frameBuffer = 64 << 10

// frameWriter writes frames.
type frameWriter struct {
	out    *bufio.Writer
	sum    hash.Hash
	offset int64
	packed bytes.Buffer
}

// newFrameWriter writes through a buffer of the size given, at most the one that large files want.
func newFrameWriter(out io.Writer, size int) (*frameWriter, error) {
	w := &frameWriter{out: bufio.NewWriterSize(out, min(size, frameBuffer)), sum: sha256.New()}
	return w, w.write([]byte(spoolMagic))
}

func (w *frameWriter) write(data []byte) error {
	w.sum.Write(data)
	w.offset += int64(len(data))
	_, err := w.out.Write(data)
	return err
}

// frame writes data of at most maxFrame bytes, packed where that is worth it.
func (w *frameWriter) frame(kind frameKind, data []byte) error {
	if packed, ok := w.pack(data); ok {
		return w.asIs(kind.packed(), packed)
	}
	return w.asIs(kind, data)
}

// asIs writes data that does not get smaller.
func (w *frameWriter) asIs(kind frameKind, data []byte) error {
	var head [frameHead]byte
	head[0] = byte(kind)
	binary.LittleEndian.PutUint32(head[1:], uint32(len(data)))
	binary.LittleEndian.PutUint32(head[5:], frameSum(w.offset, head[:], data))
	if err := w.write(head[:]); err != nil {
		return err
	}
	return w.write(data)
}

// frames writes data of any length, each frame with put.
func (w *frameWriter) frames(kind frameKind, data []byte, put func(frameKind, []byte) error) error {
	for len(data) > 0 {
		n := min(len(data), maxFrame)
		if err := put(kind, data[:n]); err != nil {
			return err
		}
		data = data[n:]
	}
	return nil
}

func (w *frameWriter) end() error {
	if err := w.frame(frameEnd, w.sum.Sum(nil)); err != nil {
		return err
	}
	return w.out.Flush()
}

// frameReader reads frames in the order they were written.
type frameReader struct {
	in     *bufio.Reader
	sum    hash.Hash // nil after the first pass, which has checked the whole file
	offset int64     // of the next frame
	data   []byte
	text   bytes.Buffer // of data that is packed
}

var (
	errTorn    = errors.New("the file ends too early")
	errFlipped = errors.New("checksum does not match")
)

func newFrameReader(in io.Reader) (*frameReader, error) {
	r := &frameReader{in: bufio.NewReaderSize(in, frameBuffer), sum: sha256.New()}
	magic := make([]byte, len(spoolMagic))
	if _, err := io.ReadFull(r.in, magic); err != nil {
		return nil, torn(err)
	}
	if string(magic) != spoolMagic && string(magic) != spoolMagic1 {
		return nil, errors.New("not a spool record of this version")
	}
	r.sum.Write(magic)
	r.offset = int64(len(magic))
	return r, nil
}

// next returns the next frame; its data is valid until the call after. After the end frame, whose
// hash it checks, it returns io.EOF.
func (r *frameReader) next() (frameKind, []byte, error) {
	var head [frameHead]byte
	if _, err := io.ReadFull(r.in, head[:]); err != nil {
		return 0, nil, torn(err)
	}
	size := binary.LittleEndian.Uint32(head[1:])
	if size > maxFrame {
		return 0, nil, errFlipped
	}
	if uint32(cap(r.data)) < size {
		r.data = make([]byte, max(size, 4096))
	}
	data := r.data[:size]
	if _, err := io.ReadFull(r.in, data); err != nil {
		return 0, nil, torn(err)
	}
	if frameSum(r.offset, head[:], data) != binary.LittleEndian.Uint32(head[5:]) {
		return 0, nil, errFlipped
	}
	r.offset += int64(frameHead + len(data))
	kind := frameKind(head[0])
	if kind == frameEnd {
		return kind, nil, r.checkEnd(data)
	}
	if r.sum != nil {
		r.sum.Write(head[:])
		r.sum.Write(data)
	}
	if kind.isPacked() {
		data, err := r.unpack(data)
		return kind.unpacked(), data, err
	}
	return kind, data, nil
}

func (r *frameReader) checkEnd(want []byte) error {
	if r.sum != nil && string(r.sum.Sum(nil)) != string(want) {
		return errFlipped
	}
	switch _, err := r.in.ReadByte(); {
	case err == nil:
		return errors.New("more bytes after the end")
	case !errors.Is(err, io.EOF):
		return torn(err)
	}
	return io.EOF
}

func torn(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errTorn
	}
	return fmt.Errorf("read: %w", err)
}

// kindReader reads the data of all frames of one kind as one text, up to the first frame of
// another kind: frames of one kind stand together.
type kindReader struct {
	frames *frameReader
	kind   frameKind
	rest   []byte
	err    error
}

func (r *kindReader) Read(p []byte) (int, error) {
	for len(r.rest) == 0 {
		if r.err != nil {
			return 0, r.err
		}
		kind, data, err := r.frames.next()
		switch {
		case err != nil:
			r.err = err
		case kind != r.kind:
			r.err = io.EOF
		default:
			r.rest = data
		}
	}
	n := copy(p, r.rest)
	r.rest = r.rest[n:]
	return n, nil
}
