package rules

import (
	"encoding/binary"
	"slices"
	"sync"

	"github.com/winnow-soc/winnow"
)

// lookup is one look into the index.
type lookup struct {
	x     *index
	found []uint32
}

var lookups = sync.Pool{New: func() any { return new(lookup) }}

// candidates returns the rules that an alert may be about, in order; valid until done is called.
func (x *index) candidates(a *winnow.Alert) (rules []uint32, done func()) {
	l := x.lookup(a)
	for name, values := range a.Fields {
		if f := x.byField[name]; f != nil {
			l.value(f, firstText(values))
		}
	}
	return l.sorted(), l.done
}

// candidatesOfAny is candidates of what may be true of any of the values of a field.
func (x *index) candidatesOfAny(a *winnow.Alert) (rules []uint32, done func()) {
	l := x.lookup(a)
	for name, values := range a.Fields {
		if f := x.byField[name]; f != nil {
			for _, v := range values {
				l.value(f, v)
			}
		}
	}
	return l.sorted(), l.done
}

func (x *index) lookup(a *winnow.Alert) *lookup {
	l := lookups.Get().(*lookup)
	l.x = x
	l.found = append(l.found[:0], x.always...)
	for _, f := range x.directory {
		l.value(f, alertText(a, f.name))
	}
	return l
}

func (l *lookup) sorted() []uint32 {
	slices.Sort(l.found)
	return slices.Compact(l.found)
}

func (l *lookup) done() {
	l.x = nil
	lookups.Put(l)
}

// firstText is the value that a rule reads first. A rule that matches is true of every value of a
// field, so that of one is enough.
func firstText(values []string) string {
	for _, v := range values {
		if v != "" {
			return v
		}
	}
	return ""
}

func (l *lookup) value(f *fieldIndex, v string) {
	if v == "" {
		return
	}
	for i := range f.folds {
		l.folded(&f.folds[i], foldText(f.folds[i].fold, v))
	}
}

func (l *lookup) folded(f *foldIndex, v string) {
	if seed := f.seeds[keyPresent]; seed != 0 {
		l.key(seed)
	}
	if seed := f.seeds[keyEqual]; seed != 0 {
		l.key(seed.text(v))
	}
	if seed := f.seeds[keyNumber]; seed != 0 {
		if n, ok := plainDecimal(v); ok {
			l.key(seed.number(n))
		}
	}
	value := addrText{text: v}
	if len(f.networks) > 0 {
		l.networks(f, &value)
	}
	for _, k := range f.lists {
		l.list(f, k, &value)
	}
	if len(f.grams) > 0 {
		l.pieces(f, v)
	}
}

func (l *lookup) networks(f *foldIndex, v *addrText) {
	ip, ok := v.addr()
	if !ok {
		return
	}
	for _, n := range f.networks {
		if n.v6 != ip.Is6() {
			continue
		}
		if p, err := ip.Prefix(n.bits); err == nil {
			l.key(f.seeds[keyNetwork].network(p))
		}
	}
}

func (l *lookup) list(f *foldIndex, k listKey, v *addrText) {
	if k.cidr {
		if k.list.findAddr(v) == yes {
			l.key(f.seeds[keyCIDRList].text(k.list.name))
		}
	} else if k.list.findText(v) == yes {
		l.key(f.seeds[keyList].text(k.list.name))
	}
}

// pieces looks for every piece of the text that the filters let through.
func (l *lookup) pieces(f *foldIndex, v string) {
	var sizes [len(gramSizes)][]byte // a filter that cannot be read lets nothing through: its pages are broken
	for j := range f.grams {
		sizes[j] = f.grams[j].bits()
	}
	ascii := true
	seed := f.seeds[keyGram]
	var packed uint64
	for i := range len(v) {
		packed = packed<<8 | uint64(lowASCII(v[i]))
		ascii = ascii && v[i] < 0x80
		for j := range f.grams {
			g := &f.grams[j]
			if i+1 < g.size {
				continue
			}
			if bits := sizes[j]; bits != nil {
				if bit := g.bit(packed); bits[bit/8]&(1<<(bit%8)) != 0 {
					l.key(seed.gram(g.size, packed))
				}
			}
		}
	}
	if !ascii && f.seeds[keyNotASCII] != 0 {
		l.key(f.seeds[keyNotASCII])
	}
}

// key adds the rules behind a key.
func (l *lookup) key(k key) {
	x := l.x
	for step := range x.slots {
		i := (uint64(k) + step) & (x.slots - 1)
		slot := x.at.read(int(i*slotBytes), slotBytes)
		if slot == nil {
			return
		}
		n := int(binary.LittleEndian.Uint32(slot[12:]))
		if n == 0 {
			return
		}
		if binary.LittleEndian.Uint64(slot) != uint64(k) {
			continue
		}
		behind := x.at.read(int(binary.LittleEndian.Uint32(slot[8:])), 4*n)
		for ; len(behind) > 0; behind = behind[4:] {
			l.found = append(l.found, binary.LittleEndian.Uint32(behind))
		}
		return
	}
}
