package rules

// pages is bytes of which a few places are read.
type pages struct {
	size int
	all  []byte
}

func memoryPages(data []byte) *pages { return &pages{size: len(data), all: data} }

// read returns bytes that must not be changed, nil when there are none at that place.
func (p *pages) read(at, n int) []byte {
	if at < 0 || n < 0 || at > p.size-n {
		return nil
	}
	return p.all[at : at+n]
}
