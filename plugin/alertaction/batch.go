package alertaction

import "hash/crc32"

// Batch is a run of rows in one buffer: the texts of all cells one after the other, and where
// each ends. It is filled by [Results.Fill], and used again without new memory.
type Batch struct {
	First int // number of the first row, from 0

	data []byte
	ends []uint32 // end of every cell in data
	rows []rowEnd
}

type rowEnd struct {
	cells int // index in ends after the row's last cell
	odd   Odd
}

// Len returns the number of rows.
func (b *Batch) Len() int { return len(b.rows) }

// Reset empties the batch and keeps its memory, unless one huge row made it huge.
func (b *Batch) Reset() {
	if cap(b.data) > 4*batchBytes {
		b.data = nil
	}
	b.data, b.ends, b.rows = b.data[:0], b.ends[:0], b.rows[:0]
}

// Row returns the row at i. It is valid until the batch is filled again.
func (b *Batch) Row(i int) Row {
	from := 0
	if i > 0 {
		from = b.rows[i-1].cells
	}
	return Row{Number: b.First + i, Odd: b.rows[i].odd, batch: b, from: from, to: b.rows[i].cells}
}

// Row is a view of one row of results.
type Row struct {
	Number int // from 0
	Odd    Odd

	batch    *Batch
	from, to int // cells
}

// Odd says what is wrong with a row. An odd row is kept, and never dropped: what it says may not
// be what the search said.
type Odd uint8

// What can be wrong with a row.
const (
	OddShort Odd = 1 << iota // fewer cells than columns
	OddLong                  // more cells than columns; the further ones are gone
	OddQuote                 // quotes that the CSV format does not allow
	OddCut                   // a cell longer than can be kept, cut off
)

var oddNames = [...]string{
	"fewer cells than columns", "more cells than columns", "misplaced quotes", "a cell was cut off",
}

// Warnings says in words what is wrong.
func (o Odd) Warnings() []string {
	var out []string
	for i, name := range oddNames {
		if o&(1<<i) != 0 {
			out = append(out, "results row: "+name)
		}
	}
	return out
}

// Len returns the number of cells, at most the number of columns.
func (r Row) Len() int { return r.to - r.from }

// Cell returns the text of a cell, nil past the row's end. It is valid as long as the row is.
func (r Row) Cell(i int) []byte {
	if i < 0 || i >= r.to-r.from {
		return nil
	}
	start, end := r.span(i)
	return r.batch.data[start:end]
}

// text returns the text of a cell, "" past the row's end. arena is the text of the whole batch
// (see [Batch.arena]), of which the cell's is a part; without one the cell is copied.
func (r Row) text(i int, arena string) string {
	if i < 0 || i >= r.to-r.from {
		return ""
	}
	start, end := r.span(i)
	if arena == "" {
		return string(r.batch.data[start:end])
	}
	return arena[start:end]
}

// arena copies the text of all cells at once: one allocation in place of one for each cell.
func (b *Batch) arena() string { return string(b.data) }

func (r Row) span(i int) (start, end uint32) {
	i += r.from
	if i > 0 {
		start = r.batch.ends[i-1]
	}
	return start, r.batch.ends[i]
}

// Sum is a checksum of the row's cells. It ties a stored decision to the row it was made on.
func (r Row) Sum() uint32 {
	if r.to == r.from {
		return 0
	}
	start, _ := r.span(0)
	_, end := r.span(r.to - r.from - 1)
	return crc32.ChecksumIEEE(r.batch.data[start:end])
}
