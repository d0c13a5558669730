package rules

import (
	"hash/crc32"
	"io"
	"sync/atomic"
)

// pageSize is what is read, and checked, of a snapshot file at once.
const pageSize = 4096

// pages is bytes of which a few places are read: in memory, or in a file, of which each page is
// read when it is first asked for, checked, and kept. Safe for concurrent use.
type pages struct {
	size int
	all  []byte // in memory

	file   io.ReaderAt
	sums   []uint32 // of each page
	kept   []atomic.Pointer[[]byte]
	broken atomic.Bool // a page could not be read, or was not what was written
}

func memoryPages(data []byte) *pages { return &pages{size: len(data), all: data} }

func filePages(file io.ReaderAt, size int, sums []uint32) *pages {
	return &pages{size: size, file: file, sums: sums, kept: make([]atomic.Pointer[[]byte], len(sums))}
}

// read returns bytes that must not be changed, nil when there are none at that place.
func (p *pages) read(at, n int) []byte {
	if at < 0 || n < 0 || at > p.size-n {
		p.broken.Store(true)
		return nil
	}
	if p.all != nil {
		return p.all[at : at+n]
	}
	page, from := at/pageSize, at%pageSize
	if from+n <= pageSize {
		data := p.page(page)
		if data == nil {
			return nil
		}
		return data[from : from+n]
	}
	out := make([]byte, 0, n)
	for len(out) < n {
		data := p.page(page)
		if data == nil {
			return nil
		}
		out = append(out, data[from:min(len(data), from+n-len(out))]...)
		page, from = page+1, 0
	}
	return out
}

func (p *pages) page(n int) []byte {
	if data := p.kept[n].Load(); data != nil {
		return *data
	}
	data := make([]byte, min(pageSize, p.size-n*pageSize))
	if _, err := p.file.ReadAt(data, int64(n)*pageSize); err != nil || crc32.ChecksumIEEE(data) != p.sums[n] {
		p.broken.Store(true)
		return nil
	}
	p.kept[n].Store(&data)
	return data
}

// section is a stretch of pages.
type section struct {
	*pages

	from, size int
}

func (s section) read(at, n int) []byte {
	if at < 0 || n < 0 || at > s.size-n {
		s.broken.Store(true)
		return nil
	}
	return s.pages.read(s.from+at, n)
}
