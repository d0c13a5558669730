package rules

import (
	"cmp"
	"encoding/binary"
	"maps"
	"math"
	"slices"
	"sync"
)

// The index of a rule set says which rules an alert may be about, so that the cost of an alert
// follows those few and not the number of rules. It gives exactly the rules that asking all of them
// gives: see indexkeys.go for what is looked at.
//
// It is one piece of bytes, of which a look-up reads a few places: in memory, or in a snapshot
// file. It begins with a table of keys, each with the place and number of the rules behind it; then
// come those numbers, filters that say which pieces of texts are surely no keys, and last the
// directory, which says what of an alert is looked at.
type index struct {
	at        section
	slots     uint64 // of the table, a power of two
	directory []*fieldIndex
	byField   map[string]*fieldIndex
	always    []uint32
}

// fieldIndex is what is looked at in a field.
type fieldIndex struct {
	name  string
	alert bool
	folds []foldIndex
}

// foldIndex is what is looked at in the value as it is, or folded.
type foldIndex struct {
	fold     string
	seeds    [keyNotASCII + 1]key // 0: keys of the kind are not looked for
	networks []networkSize
	lists    []listKey
	grams    []gramFilter
}

type networkSize struct {
	bits int
	v6   bool
}

type listKey struct {
	list *List
	cidr bool
}

// gramFilter holds a bit for each piece of a size that is a key: most pieces of a text are none.
type gramFilter struct {
	size int
	at   int // offset of its bits
	log  int // of their number, to the base 2
	bits func() []byte
}

// bit returns which bit stands for a piece.
func (g *gramFilter) bit(piece uint64) uint64 {
	return (piece & gramMask(g.size)) * 0x9e3779b97f4a7c15 >> (64 - g.log)
}

// slotBytes is the size of a slot of the table: key, offset of the rules, their number.
const slotBytes = 16

// indexBuilder gathers the keys of all rules.
type indexBuilder struct {
	postings map[key][]uint32
	places   map[place]*placeKeys
	always   []uint32
	rules    uint32
}

type placeKeys struct {
	kinds    [keyNotASCII + 1]bool
	networks map[networkSize]bool
	lists    map[listKey]bool
	grams    map[int]map[uint64]bool
}

// buildIndex returns the index of rules as bytes. It reads every condition.
func buildIndex(rules []*Rule) []byte {
	f := &keyFinder{counts: map[key]int32{}}
	conditions := make([]*condition, len(rules))
	for i, r := range rules {
		conditions[i] = r.read()
		if conditions[i].root != nil {
			f.ofRule(r, conditions[i])
		}
	}
	f.choose = true
	b := &indexBuilder{postings: map[key][]uint32{}, places: map[place]*placeKeys{}}
	for i, r := range rules {
		b.add(f, r, conditions[i])
	}
	return b.bytes()
}

func (b *indexBuilder) add(f *keyFinder, r *Rule, c *condition) {
	n := b.rules
	b.rules++
	if c.root == nil { // its text is not in the language: whoever asks is told
		b.always = append(b.always, n)
		return
	}
	set, ok := f.ofRule(r, c)
	if !ok {
		b.always = append(b.always, n)
		return
	}
	for _, k := range set.keys {
		if behind := b.postings[k.key]; len(behind) == 0 || behind[len(behind)-1] != n {
			b.postings[k.key] = append(behind, n)
		}
		b.look(k)
	}
}

// look notes what must be looked at to find a key.
func (b *indexBuilder) look(k placedKey) {
	p := b.places[k.place]
	if p == nil {
		p = &placeKeys{networks: map[networkSize]bool{}, lists: map[listKey]bool{}, grams: map[int]map[uint64]bool{}}
		b.places[k.place] = p
	}
	p.kinds[k.kind] = true
	switch k.kind {
	case keyNetwork:
		p.networks[networkSize{k.bits, k.v6}] = true
	case keyList, keyCIDRList:
		p.lists[listKey{k.list, k.kind == keyCIDRList}] = true
	case keyGram:
		if p.grams[k.bits] == nil {
			p.grams[k.bits] = map[uint64]bool{}
		}
		p.grams[k.bits][k.piece] = true
	case keyPresent, keyEqual, keyNumber, keyNotASCII:
	}
}

// bytes lays the index out: table, rules, filters, directory, and at the very end where each begins.
func (b *indexBuilder) bytes() []byte {
	slots := uint64(8)
	for slots < 2*uint64(len(b.postings)) {
		slots *= 2
	}
	out := make([]byte, slots*slotBytes)
	for _, k := range slices.Sorted(maps.Keys(b.postings)) {
		behind := b.postings[k]
		slot := freeSlot(out, slots, k)
		binary.LittleEndian.PutUint64(slot, uint64(k))
		binary.LittleEndian.PutUint32(slot[8:], uint32(len(out))) //nolint:gosec // bounded by maxIndex
		binary.LittleEndian.PutUint32(slot[12:], uint32(len(behind)))
		for _, n := range behind {
			out = binary.LittleEndian.AppendUint32(out, n)
		}
	}
	w := codec{}
	directory := b.directory(&out)
	each(&w, &directory, w.indexPlace)
	each(&w, &b.always, func(n *uint32) { number(&w, n) })
	at := len(out)
	out = append(out, w.out...)
	out = binary.LittleEndian.AppendUint64(out, slots)
	return binary.LittleEndian.AppendUint64(out, uint64(at))
}

const indexTail = 16

// freeSlot returns the first free slot for a key: one with no rules.
func freeSlot(table []byte, slots uint64, k key) []byte {
	for i := uint64(k) & (slots - 1); ; i = (i + 1) & (slots - 1) {
		if slot := table[i*slotBytes : (i+1)*slotBytes]; binary.LittleEndian.Uint32(slot[12:]) == 0 {
			return slot
		}
	}
}

// indexPlace is an entry of the directory.
type indexPlace struct {
	place
	kinds    []keyKind
	networks []networkSize
	texts    []string // names of lists
	cidrs    []string // of lists of networks
	grams    []gramFilter
}

// directory returns the places in a steady order, and writes their filters.
func (b *indexBuilder) directory(out *[]byte) (all []indexPlace) {
	for at, keys := range b.places {
		p := indexPlace{place: at}
		for kind, used := range keys.kinds {
			if used {
				p.kinds = append(p.kinds, keyKind(kind))
			}
		}
		p.networks = slices.SortedFunc(maps.Keys(keys.networks), func(a, b networkSize) int { return cmp.Compare(a.bits, b.bits) })
		for l := range keys.lists {
			if l.cidr {
				p.cidrs = append(p.cidrs, l.list.name)
			} else {
				p.texts = append(p.texts, l.list.name)
			}
		}
		slices.Sort(p.texts)
		slices.Sort(p.cidrs)
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b indexPlace) int {
		if a.alert != b.alert {
			return cmp.Compare(a.field+"\x00", b.field) // steady, and no more
		}
		return cmp.Or(cmp.Compare(a.field, b.field), cmp.Compare(a.fold, b.fold))
	})
	for i := range all {
		for _, size := range gramSizes {
			if keys := b.places[all[i].place].grams[size]; len(keys) > 0 {
				all[i].grams = append(all[i].grams, writeFilter(out, size, keys))
			}
		}
	}
	return all
}

// writeFilter writes sixteen bits for each piece, one of which is set.
func writeFilter(out *[]byte, size int, pieces map[uint64]bool) gramFilter {
	f := gramFilter{size: size, at: len(*out), log: 6}
	for 1<<f.log < 16*len(pieces) {
		f.log++
	}
	*out = append(*out, make([]byte, 1<<f.log/8)...)
	for piece := range pieces {
		bit := f.bit(piece)
		(*out)[f.at+int(bit/8)] |= 1 << (bit % 8) //nolint:gosec // far below
	}
	return f
}

func (c *codec) indexPlace(p *indexPlace) {
	c.text(&p.field)
	c.flag(&p.alert)
	c.word(&p.fold, foldOps)
	each(c, &p.kinds, func(k *keyKind) {
		number(c, k)
		c.bad = c.bad || *k > keyNotASCII
	})
	each(c, &p.networks, func(n *networkSize) {
		number(c, &n.bits)
		c.flag(&n.v6)
	})
	each(c, &p.texts, c.text)
	each(c, &p.cidrs, c.text)
	each(c, &p.grams, func(f *gramFilter) {
		number(c, &f.size)
		number(c, &f.at)
		number(c, &f.log)
		c.bad = c.bad || len(p.grams) > len(gramSizes) || f.size < 1 || f.size > 8 || f.log < 3 || f.log > 30
	})
}

// maxIndex bounds the bytes of an index, which are addressed with 31 bits.
const maxIndex = math.MaxInt32

// openIndex reads the directory of an index. The lists are today's: one that is missing makes the
// index useless.
func openIndex(at section, lists *Lists) (*index, bool) {
	tail := at.read(at.size-indexTail, indexTail)
	if tail == nil {
		return nil, false
	}
	x := &index{at: at, slots: binary.LittleEndian.Uint64(tail), byField: map[string]*fieldIndex{}}
	from := binary.LittleEndian.Uint64(tail[8:])
	end := uint64(at.size - indexTail)
	if x.slots == 0 || x.slots&(x.slots-1) != 0 || from > end || x.slots > from/slotBytes {
		return nil, false
	}
	c := codec{reading: true, in: string(at.read(int(from), int(end-from))), opts: Options{Lists: lists}}
	var all []indexPlace
	each(&c, &all, c.indexPlace)
	each(&c, &x.always, func(n *uint32) { number(&c, n) })
	for i := range all {
		c.bad = c.bad || !x.place(&all[i], lists)
	}
	return x, !c.bad && c.in == ""
}

// place takes an entry of the directory up.
func (x *index) place(p *indexPlace, lists *Lists) bool {
	field := x.field(p)
	f := foldIndex{fold: p.fold, networks: p.networks, grams: p.grams}
	for _, kind := range p.kinds {
		f.seeds[kind] = p.seed(kind)
	}
	for cidr, names := range map[bool][]string{false: p.texts, true: p.cidrs} {
		for _, name := range names {
			l := lists.get(name)
			if l == nil {
				return false
			}
			f.lists = append(f.lists, listKey{l, cidr})
		}
	}
	for i := range f.grams {
		g := &f.grams[i]
		if g.log > 30 || g.at < 0 || g.at+1<<g.log/8 > x.at.size {
			return false
		}
		g.bits = sync.OnceValue(func() []byte { return x.at.read(g.at, 1<<g.log/8) })
	}
	field.folds = append(field.folds, f)
	return true
}

func (x *index) field(p *indexPlace) *fieldIndex {
	if p.alert {
		i := slices.IndexFunc(x.directory, func(f *fieldIndex) bool { return f.name == p.field })
		if i < 0 {
			x.directory = append(x.directory, &fieldIndex{name: p.field, alert: true})
			i = len(x.directory) - 1
		}
		return x.directory[i]
	}
	f := x.byField[p.field]
	if f == nil {
		f = &fieldIndex{name: p.field}
		x.byField[p.field] = f
	}
	return f
}
