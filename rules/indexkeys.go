package rules

import (
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
)

// A key is something that can be seen in an alert before any rule is asked: that a field is there,
// its value, a network that the value lies in, or a piece of its text. Of each rule the index
// holds keys of which an alert has at least one, or the rule is not true of it.
//
// A key is kept as a hash. Two keys with one hash only mean that a rule is asked in vain.
type key uint64

// keyKind says what is seen of a field. The kinds are part of the snapshot's format.
type keyKind uint8

const (
	keyPresent keyKind = iota
	keyEqual
	keyNumber
	keyNetwork
	keyList
	keyCIDRList
	keyGram
	keyNotASCII // expressions may fold letters beyond ASCII to letters within
)

// place is where a key looks: a field of the event or the alert, as it is or folded.
type place struct {
	field string
	alert bool
	fold  string
}

// FNV-1a, whose hashes are the same in every process.
const (
	fnvStart key = 14695981039346656037
	fnvPrime key = 1099511628211
)

func (k key) text(s string) key {
	for i := range len(s) {
		k = (k ^ key(s[i])) * fnvPrime
	}
	return k
}

func (k key) byte(b byte) key { return (k ^ key(b)) * fnvPrime }

// seed is what all keys of a kind at a place begin with.
func (p place) seed(kind keyKind) key {
	k := fnvStart.byte(byte(kind)).text(p.fold).byte(0)
	if p.alert {
		k = k.byte(1)
	}
	return k.text(p.field).byte(0)
}

func (k key) number(v float64) key { return k.mix(math.Float64bits(v + 0)) } // -0 is 0

func (k key) network(p netip.Prefix) key {
	addr := p.Addr().As16()
	return k.mix(binary.BigEndian.Uint64(addr[:8])).mix(binary.BigEndian.Uint64(addr[8:])).byte(byte(p.Bits()))
}

// mix takes up eight bytes at once, each bit of which changes every bit of the key.
func (k key) mix(v uint64) key {
	v ^= uint64(k)
	v ^= v >> 32
	v *= 0xd6e8feb86659fd93
	v ^= v >> 32
	v *= 0xd6e8feb86659fd93
	v ^= v >> 32
	return key(v)
}

// gramSizes are how long the pieces are that are looked for in texts: the longest that a literal
// has room for. Shorter literals are no keys.
var gramSizes = [...]int{8, 5, 3}

func gramSize(literal string) (size int, ok bool) {
	for _, n := range gramSizes {
		if len(literal) >= n {
			return n, true
		}
	}
	return 0, false
}

// gram is the key of a piece of at most eight bytes, in small ASCII letters, packed into a number.
func (k key) gram(size int, packed uint64) key {
	return k.byte(byte(size)).mix(packed & gramMask(size))
}

func gramMask(size int) uint64 { return math.MaxUint64 >> (64 - 8*size) }

func lowASCII(b byte) byte {
	if 'A' <= b && b <= 'Z' {
		b += 'a' - 'A'
	}
	return b
}

func pack(piece string) (v uint64) {
	for i := range len(piece) {
		v = v<<8 | uint64(lowASCII(piece[i]))
	}
	return v
}

// keySet is keys of which an alert has at least one, or the rule is not true of it.
type keySet struct {
	keys []placedKey
	cost float64
}

// placedKey is a key, and what the index must look at to find it.
type placedKey struct {
	key
	place place
	kind  keyKind
	bits  int // of a network, of its family; of a gram its size
	v6    bool
	list  *List
	piece uint64 // of a gram
}

// keyFinder finds the keys of forms. It is used twice: to count how many rules could have each
// key, and then, with the counts, to choose for each rule the keys that the fewest have.
type keyFinder struct {
	counts map[key]int32
	slots  []slot
	choose bool
}

// ofRule returns the best keys of a rule, false when there are none: it must always be asked.
func (f *keyFinder) ofRule(r *Rule, c *condition) (keySet, bool) {
	f.slots = c.slots
	form, err := rewriteTrue(c.root)
	if err != nil || c.listError() != nil {
		return keySet{}, false // asked to say so
	}
	best, ok := f.best(askable(form))
	if scope, scoped := f.scope(r); scoped && (!ok || scope.cost < best.cost) {
		return scope, true
	}
	return best, ok
}

// askable leaves out what comes after a part that can fail: a rule is asked whenever it would say
// that it failed. What comes first are the parts that need no VM.
func askable(f *form) *form {
	if !f.canFail() {
		return f
	}
	all := &form{op: formLiteral, want: true}
	for _, part := range f.conjuncts(nil) {
		if _, native := part.native(); native {
			all = &form{op: formAnd, kids: []*form{all, part}}
		}
	}
	return all
}

// canFail reports whether a part reads all values of a field, which may be too many.
func (f *form) canFail() bool {
	return f.atom != nil && f.atom.values || slices.ContainsFunc(f.kids, (*form).canFail)
}

// scope returns the names of the searches that the rule speaks of.
func (f *keyFinder) scope(r *Rule) (keySet, bool) {
	if r.Global || slices.ContainsFunc(r.Searches, isGlob) {
		return keySet{}, false
	}
	at := place{field: "search_name", alert: true}
	var out keySet
	for _, name := range r.Searches {
		f.add(&out, placedKey{key: at.seed(keyEqual).text(name), place: at, kind: keyEqual}, costSearch)
	}
	return out, true
}

// What a rule behind a key costs, beside a rule behind an equal text: how often alerts have a key
// of the kind, roughly.
const (
	costEqual   = 1
	costSearch  = 3
	costList    = 20
	costPresent = 50
)

var costGram = map[int]float64{8: 1.5, 5: 3, 3: 10}

func costNetwork(p netip.Prefix) float64 {
	bits := p.Bits()
	if p.Addr().Is6() {
		bits /= 4 // 64 bits are one subnet
	}
	return max(1.5, math.Exp2(float64(24-bits)/2))
}

func (f *keyFinder) add(s *keySet, k placedKey, cost float64) {
	if !f.choose {
		f.counts[k.key]++
	}
	s.keys = append(s.keys, k)
	s.cost += cost * float64(max(f.counts[k.key], 1))
}

func (f *keyFinder) best(form *form) (keySet, bool) {
	switch form.op {
	case formAnd:
		a, okA := f.best(form.kids[0])
		b, okB := f.best(form.kids[1])
		if !okA || okB && b.cost < a.cost {
			return b, okB
		}
		return a, okA
	case formOr:
		a, okA := f.best(form.kids[0])
		b, okB := f.best(form.kids[1])
		return keySet{keys: slices.Concat(a.keys, b.keys), cost: a.cost + b.cost}, okA && okB
	case formHas:
		return f.present(form.slot), form.want
	case formLiteral:
		return keySet{}, !form.want // false is never true: no keys at all
	}
	return f.atom(form.atom, form.want)
}

func (f *keyFinder) place(t *term) place {
	s := f.slots[t.slot]
	return place{s.name, s.alert, t.fold}
}

func (f *keyFinder) present(slot int) keySet {
	at := place{field: f.slots[slot].name, alert: f.slots[slot].alert}
	var out keySet
	f.add(&out, placedKey{key: at.seed(keyPresent), place: at, kind: keyPresent}, costPresent)
	return out
}

// atom returns the keys of a part that must be yes, or no. Either way everything in it is there.
func (f *keyFinder) atom(a *atom, want bool) (best keySet, ok bool) {
	if want {
		best, ok = f.valued(a)
	}
	for _, s := range a.slots {
		if there := f.present(s); !ok || there.cost < best.cost {
			best, ok = there, true
		}
	}
	return best, ok
}

// valued returns the keys of an atom that asks what the value is.
func (f *keyFinder) valued(a *atom) (keySet, bool) {
	if !a.simple() {
		return f.numeric(a)
	}
	at := f.place(a.left)
	switch a.op {
	case "==":
		return f.equal(at, a.right.text), true
	case "in":
		if a.list != nil {
			return f.list(at, keyList, a.list), true
		}
		return f.equal(at, a.texts...), true
	case "cidr":
		if a.list != nil {
			return f.list(at, keyCIDRList, a.list), true
		}
		return f.networks(at, a.networks), true
	case "contains", "startsWith", "endsWith":
		return f.literal(at, a.right.text)
	case "glob":
		return f.literal(at, longestLiteral(a.right.text))
	case "matches":
		return f.expression(at, a.re)
	}
	return keySet{}, false
}

func (f *keyFinder) equal(at place, texts ...string) (out keySet) {
	for _, text := range texts {
		f.add(&out, placedKey{key: at.seed(keyEqual).text(text), place: at, kind: keyEqual}, costEqual)
	}
	return out
}

func (f *keyFinder) list(at place, kind keyKind, l *List) (out keySet) {
	f.add(&out, placedKey{key: at.seed(kind).text(l.name), place: at, kind: kind, list: l}, costList)
	return out
}

func (f *keyFinder) networks(at place, networks []netip.Prefix) (out keySet) {
	for _, p := range networks {
		k := placedKey{key: at.seed(keyNetwork).network(p), place: at, kind: keyNetwork, bits: p.Bits(), v6: p.Addr().Is6()}
		f.add(&out, k, costNetwork(p))
	}
	return out
}

// numeric is num(f) == 5 and num(f) in [1, 2].
func (f *keyFinder) numeric(a *atom) (out keySet, ok bool) {
	if a.left == nil || a.left.kind != termNum || a.left.elem {
		return out, false
	}
	numbers := a.numbers
	if a.op == "==" && a.right.kind == termNumber {
		numbers = []float64{a.right.num}
	}
	at := f.place(a.left)
	for _, n := range numbers {
		f.add(&out, placedKey{key: at.seed(keyNumber).number(n), place: at, kind: keyNumber}, costEqual)
	}
	return out, len(numbers) > 0
}

// literal is the rarest piece of a text that the value holds.
func (f *keyFinder) literal(at place, text string) (out keySet, ok bool) {
	size, ok := gramSize(text)
	if !ok {
		return out, false
	}
	seed := at.seed(keyGram)
	best := placedKey{place: at, kind: keyGram, bits: size}
	least := int32(math.MaxInt32)
	for _, from := range windows(len(text), size) {
		piece := pack(text[from : from+size])
		k := seed.gram(size, piece)
		if !f.choose {
			f.counts[k]++
		}
		if n := f.counts[k]; n < least {
			best.key, best.piece, least = k, piece, n
		}
	}
	out.keys = []placedKey{best}
	out.cost = costGram[size] * float64(max(least, 1))
	return out, true
}

// maxWindows is how many pieces of a literal are weighed against each other.
const maxWindows = 12

// windows returns where the pieces of a literal begin that may stand for it.
func windows(length, size int) []int {
	last := length - size
	step := max(1, (last+maxWindows-1)/maxWindows)
	var out []int
	for at := last; at >= 0; at -= step { // ends differ more than beginnings
		out = append(out, at)
	}
	return out
}

// expression is the rarest of the texts that a regular expression must find.
func (f *keyFinder) expression(at place, re *pattern) (best keySet, ok bool) {
	for _, part := range re.parts {
		if set, all := f.needles(at, part); all && (!ok || set.cost < best.cost) {
			best, ok = set, true
		}
	}
	if ok {
		best.keys = append(best.keys, placedKey{key: at.seed(keyNotASCII), place: at, kind: keyNotASCII})
	}
	return best, ok
}

func (f *keyFinder) needles(at place, part needles) (out keySet, ok bool) {
	for _, needle := range part {
		one, ok := f.literal(at, string(needle))
		if !ok {
			return out, false
		}
		out.keys, out.cost = append(out.keys, one.keys...), out.cost+one.cost
	}
	return out, true
}

// longestLiteral returns the longest stretch of a glob that stands for itself.
func longestLiteral(glob string) string {
	var longest, run []byte
	for i := 0; i < len(glob); i++ {
		c := glob[i]
		if c == '*' || c == '?' {
			run = nil
			continue
		}
		if c == '\\' && i+1 < len(glob) {
			i++
			c = glob[i]
		}
		if run = append(run, c); len(run) > len(longest) {
			longest = run
		}
	}
	return string(longest)
}
