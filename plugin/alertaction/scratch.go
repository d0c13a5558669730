package alertaction

import "github.com/winnow-soc/winnow"

// scratch makes the fields of one row after the other in the same map. Rows of one file mostly
// have the same fields: then nothing but texts changes, and the map is not touched.
type scratch struct {
	columns *Columns
	fields  winnow.Fields
	values  []string // a slot for the single value of each column
	state   []slotState
}

type slotState uint8

const (
	slotAbsent slotState = iota // the map has no such field
	slotSingle                  // the field is the column's slot
	slotOther                   // the field has values of its own
)

// read returns the fields of a row, valid until the call after unless they are taken. arena is
// what [Row.text] takes.
func (s *scratch) read(r Row, arena string) winnow.Fields {
	if s.fields == nil {
		n := len(s.columns.plan)
		s.fields, s.values, s.state = make(winnow.Fields, n), make([]string, n), make([]slotState, n)
	}
	if s.columns.repeats {
		clear(s.fields)
		s.columns.fill(s.fields, s.values[:0], r, arena)
		return s.fields
	}
	for i, col := range s.columns.plan {
		s.set(i, col.name, r.text(col.cell, arena), r.text(col.mv, arena))
	}
	return s.fields
}

func (s *scratch) set(i int, name, text, mv string) {
	switch {
	case mv != "":
		delete(s.fields, name)
		addMultivalue(s.fields, name, text, mv)
		s.state[i] = slotOther
	case text == "":
		if s.state[i] != slotAbsent {
			delete(s.fields, name)
			s.state[i] = slotAbsent
		}
	default:
		s.values[i] = text
		if s.state[i] != slotSingle {
			s.fields[name] = s.values[i : i+1 : i+1]
			s.state[i] = slotSingle
		}
	}
}

// taken leaves the fields read last to whoever has them: the next row gets others.
func (s *scratch) taken() { s.fields = nil }
