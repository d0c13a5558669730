package alertaction

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/winnow-soc/winnow"
)

// A decision is what the gate said of one row. Stored, it is the row's checksum (4 bytes) and the
// number of its proposal, doubled, plus one when the action has written the row's notable itself
// (uvarint). Proposals are few: each is stored once, before the first decision that refers to it.
type decision struct {
	sum      uint32
	proposal winnow.Proposal
	notable  bool
}

// maxProposals bounds what a reader keeps: rules times reasons stay far below.
const maxProposals = 1 << 20

// decisionWriter collects decisions into frames.
type decisionWriter struct {
	out   *frameWriter
	table map[winnow.Proposal]uint64
	buf   []byte
}

func (w *decisionWriter) add(d decision) error {
	n, ok := w.table[d.proposal]
	if !ok {
		if err := w.flush(); err != nil {
			return err
		}
		if err := w.out.frame(frameProposal, appendProposal(nil, d.proposal)); err != nil {
			return err
		}
		n = uint64(len(w.table))
		if w.table == nil {
			w.table = map[winnow.Proposal]uint64{}
		}
		w.table[d.proposal] = n
	}
	n *= 2
	if d.notable {
		n++
	}
	w.buf = binary.LittleEndian.AppendUint32(w.buf, d.sum)
	w.buf = binary.AppendUvarint(w.buf, n)
	if len(w.buf) >= 32<<10 {
		return w.flush()
	}
	return nil
}

func (w *decisionWriter) flush() error {
	if len(w.buf) == 0 {
		return nil
	}
	err := w.out.frame(frameDecided, w.buf)
	w.buf = w.buf[:0]
	return err
}

// decisionReader reads them back.
type decisionReader struct {
	table []winnow.Proposal
	rest  []byte
}

var errDecision = errors.New("a decision does not make sense")

// frame takes one frame of proposals or decisions.
func (r *decisionReader) frame(kind frameKind, data []byte) error {
	if kind == frameDecided {
		r.rest = data
		return nil
	}
	var p winnow.Proposal
	if err := json.Unmarshal(data, &p); err != nil {
		return fmt.Errorf("read proposal: %w", err)
	}
	switch p.Kind {
	case winnow.ProposePass, winnow.ProposeDrop, winnow.ProposeCached, winnow.ProposeEscalate:
	default:
		return fmt.Errorf("unknown proposal %q", p.Kind)
	}
	if len(r.table) >= maxProposals {
		return errDecision
	}
	r.table = append(r.table, p)
	return nil
}

// next returns the next decision of the frame taken last; ok is false when there are no more.
func (r *decisionReader) next() (d decision, ok bool, err error) {
	if len(r.rest) == 0 {
		return d, false, nil
	}
	if len(r.rest) < 5 {
		return d, false, errDecision
	}
	n, size := binary.Uvarint(r.rest[4:])
	if size <= 0 || n/2 >= uint64(len(r.table)) {
		return d, false, errDecision
	}
	d = decision{sum: binary.LittleEndian.Uint32(r.rest), proposal: r.table[n/2], notable: n%2 == 1}
	r.rest = r.rest[4+size:]
	return d, true, nil
}
