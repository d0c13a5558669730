package alertaction

import "bytes"

// Limits of one row. A cell that crosses them is cut off, and its row is [OddCut].
const (
	maxCell    = 10 << 20 // bytes, as large as Splunk's own tools read
	maxRow     = 16 << 20
	maxColumns = 10_000
)

// splitter cuts CSV text into cells as RFC 4180 writes it, one chunk after the other, wherever
// the chunks were cut. It allocates nothing but the batch it fills.
//
// Line breaks are \n or \r\n; blank lines do not count. Inside quotes everything is text, and ""
// is one quote. What the format does not allow (a quote in the middle, text after the closing
// quote) is kept as text, and the row marked [OddQuote].
type splitter struct {
	columns int // cells a row should have; further ones are counted, not kept
	state   splitState
	cells   int // of this row so far
	odd     Odd
	row     int  // offset in the batch where this row starts
	cell    int  // where this cell starts
	bare    int  // where the part of this cell outside of quotes starts
	quoted  bool // this cell has a quoted part
}

type splitState uint8

const (
	atCell   splitState = iota // before the first byte of a cell
	inPlain                    // in text outside of quotes
	inQuotes                   // inside of quotes
	atQuote                    // after a quote inside of quotes: the end, or half of ""
)

// begin starts a new row at the end of the batch.
func (s *splitter) begin(b *Batch) {
	s.state, s.cells, s.odd = atCell, 0, 0
	s.row = len(b.data)
	s.open(b)
}

func (s *splitter) open(b *Batch) {
	s.state, s.cell, s.bare, s.quoted = atCell, len(b.data), len(b.data), false
}

// plainEnd marks the bytes that end a run of text outside of quotes.
var plainEnd = [256]bool{',': true, '\n': true, '"': true}

// split takes text until a row has ended or there is no more, and returns how much it took.
func (s *splitter) split(b *Batch, text []byte) (used int, ended bool) {
	for i := 0; i < len(text); {
		switch s.state {
		case atCell, inPlain:
			run := i
			for i < len(text) && !plainEnd[text[i]] {
				i++
			}
			if i > run {
				s.keep(b, text[run:i])
				s.state = inPlain
			}
			if i == len(text) {
				return i, false
			}
			i++
			if s.mark(b, text[i-1]) {
				return i, true
			}
		case inQuotes:
			end := bytes.IndexByte(text[i:], '"')
			if end < 0 {
				s.keep(b, text[i:])
				return len(text), false
			}
			s.keep(b, text[i:i+end])
			i += end + 1
			s.state = atQuote
		case atQuote:
			s.afterQuote(b, text[i])
			if s.state == inQuotes {
				i++
			}
		}
	}
	return len(text), false
}

// mark handles the byte after a run of text outside of quotes; it reports the end of a row.
func (s *splitter) mark(b *Batch, c byte) bool {
	switch {
	case c == ',':
		s.close(b)
		s.open(b)
	case c == '\n':
		return s.endRow(b)
	case s.state == atCell:
		s.state, s.quoted = inQuotes, true
	default:
		s.odd |= OddQuote
		s.state = inPlain
		s.keep(b, []byte{'"'})
	}
	return false
}

func (s *splitter) afterQuote(b *Batch, c byte) {
	if c == '"' {
		s.keep(b, []byte{'"'})
		s.state = inQuotes
		return
	}
	s.state, s.bare = inPlain, len(b.data)
}

// endRow closes the row at a line break. A blank line is no row.
func (s *splitter) endRow(b *Batch) bool {
	if n := len(b.data); n > s.bare && b.data[n-1] == '\r' {
		b.data = b.data[:n-1]
	}
	if s.cells == 0 && !s.quoted && len(b.data) == s.cell && s.odd == 0 {
		s.begin(b)
		return false
	}
	s.close(b)
	if s.columns > 0 && s.cells < s.columns {
		s.odd |= OddShort
	}
	b.rows = append(b.rows, rowEnd{cells: len(b.ends), odd: s.odd})
	s.begin(b)
	return true
}

// finish ends the text: a last row without line break counts. It reports whether the text ended
// inside of quotes, which means that it was cut.
func (s *splitter) finish(b *Batch) (cut bool) {
	switch s.state {
	case inQuotes:
		s.drop(b)
		return true
	case atQuote:
		s.bare = len(b.data) // the quote was the closing one
	}
	s.endRow(b)
	return false
}

// drop forgets the row that was begun.
func (s *splitter) drop(b *Batch) {
	b.data = b.data[:s.row]
	b.ends = b.ends[:len(b.ends)-min(s.cells, s.kept())]
	s.begin(b)
}

func (s *splitter) kept() int {
	if s.columns == 0 {
		return maxColumns
	}
	return s.columns
}

func (s *splitter) close(b *Batch) {
	if s.quoted && len(b.data) > s.bare {
		s.odd |= OddQuote // text after the closing quote
	}
	if s.cells < s.kept() {
		b.ends = append(b.ends, uint32(len(b.data)))
	} else {
		s.odd |= OddLong
		b.data = b.data[:s.cell]
	}
	s.cells++
}

func (s *splitter) keep(b *Batch, text []byte) {
	room := min(maxCell-(len(b.data)-s.cell), maxRow-(len(b.data)-s.row))
	if len(text) > room {
		text = text[:room]
		s.odd |= OddCut
	}
	b.data = append(b.data, text...)
}
