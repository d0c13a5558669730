package llm

import (
	"cmp"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/winnow-soc/winnow"
)

// Limits of the retrieval. A language model reads the candidates in every prompt.
const (
	maxCandidates   = 25
	maxNamed        = 8        // techniques that the alert names by id
	maxQueryWords   = 400      // different words that are looked up
	maxQueryBytes   = 32 << 10 // of the alert's values
	maxQueryValue   = 400      // longer values are text, and words of theirs count for little
	generalPerTopic = 2        // everyday techniques of each of the best tactics
	bestTactics     = 3
)

// Candidates returns the active techniques that an alert may show: those that it names, those whose
// name, tactics or usual words it shares, the whole of each part, and everyday ones of the same
// tactics. Best first, the same for the same alert. A nil catalogue has none.
func (c *Catalogue) Candidates(a *winnow.Alert) []AttackTechnique {
	if c == nil {
		return nil
	}
	q := newQuery(a)
	p := picker{c: c}
	for _, id := range namedIDs(a) {
		if len(p.out) < maxNamed {
			p.add(id)
		}
	}
	ranked := c.words.rank(q)
	for _, r := range ranked {
		if len(p.out) >= maxCandidates-2*bestTactics {
			break
		}
		p.add(r.id)
	}
	for _, tactic := range p.tactics() {
		for _, id := range everyday[tactic][:min(generalPerTopic, len(everyday[tactic]))] {
			p.add(id)
		}
	}
	for _, tactic := range tacticOrder {
		p.add(everyday[tactic][0])
	}
	return p.out
}

// picker gathers techniques, each once, with the whole of each part.
type picker struct {
	c   *Catalogue
	out []AttackTechnique
}

func (p *picker) add(id string) {
	t, ok := p.c.Technique(id)
	main, _, part := strings.Cut(id, ".")
	if ok && t.Active {
		p.put(t)
	}
	if part {
		if whole, ok := p.c.Technique(main); ok && whole.Active {
			p.put(whole)
		}
	}
}

func (p *picker) put(t AttackTechnique) {
	if len(p.out) < maxCandidates && !slices.ContainsFunc(p.out, func(o AttackTechnique) bool { return o.ID == t.ID }) {
		p.out = append(p.out, t)
	}
}

// tactics returns the tactics that most of what was found belongs to.
func (p *picker) tactics() []string {
	count := map[string]int{}
	for _, t := range p.out {
		for _, tactic := range t.Tactics {
			count[tactic]++
		}
	}
	names := slices.Clone(tacticOrder)
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(count[b], count[a]) })
	return names[:min(bestTactics, len(names))]
}

// namedIDs returns the technique ids that the alert names: first those of fields that say they do,
// then those of the search's name. An attacker who adds some only adds to what is looked at.
func namedIDs(a *winnow.Alert) []string {
	var ids []string
	for _, field := range a.Fields.Names() {
		if name := strings.ToLower(field); strings.Contains(name, "technique") || strings.Contains(name, "mitre") || strings.Contains(name, "attack") {
			for _, v := range a.Fields[field] {
				ids = idsIn(ids, v)
			}
		}
	}
	return idsIn(ids, a.SearchName)
}

// idsIn appends every id like T1003 or T1003.001 in a text, once.
func idsIn(ids []string, text string) []string {
	text = text[:min(len(text), 4096)]
	word := func(r rune) bool { return r != '.' && !unicode.IsLetter(r) && !unicode.IsDigit(r) }
	for part := range strings.FieldsFuncSeq(text, word) {
		id := strings.ToUpper(strings.Trim(part, "."))
		if len(ids) < 4*maxNamed && techniqueForm(id) && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// query is the alert as words, with a weight for each.
type query struct {
	weight map[string]float64
	texts  []weighed // the words in order with a blank around each, for phrases
}

type weighed struct {
	text   string
	weight float64
}

// newQuery reads the search's name, which says what is looked for, then the names of things that
// happened, then everything else.
func newQuery(a *winnow.Alert) query {
	q := query{weight: map[string]float64{}}
	read := 0
	q.take(ofTitle, func(text *strings.Builder) { q.read(text, &read, a.SearchName, ofTitle) })
	for _, weight := range []float64{ofTelling, ofRest} {
		q.take(weight, func(text *strings.Builder) {
			for _, field := range a.Fields.Names() {
				if telling(field) != (weight == ofTelling) || skipped(field) {
					continue
				}
				for _, v := range a.Fields[field] {
					q.read(text, &read, v, weight)
				}
			}
		})
	}
	return q
}

// What a word counts, by where it stands.
const (
	ofTitle   = 3.0
	ofTelling = 2.0
	ofRest    = 1.0
)

func (q *query) take(weight float64, read func(*strings.Builder)) {
	var text strings.Builder
	read(&text)
	text.WriteByte(' ')
	q.texts = append(q.texts, weighed{text.String(), weight})
}

// read adds the words of a value. A word counts with the highest weight that it was seen with.
func (q *query) read(text *strings.Builder, read *int, v string, weight float64) {
	if *read > maxQueryBytes {
		return
	}
	*read += len(v)
	if len(v) > maxQueryValue {
		v, weight = v[:min(len(v), 4*maxQueryValue)], weight/4
	}
	for _, w := range words(v) {
		text.WriteByte(' ')
		text.WriteString(w)
		if _, known := q.weight[w]; known || len(q.weight) < maxQueryWords {
			q.weight[w] = max(q.weight[w], weight)
		}
	}
	text.WriteString(" |")
}

// tellingParts are parts of the names of fields that say what happened.
var tellingParts = []string{
	"event", "action", "operation", "method", "signature", "rule", "title", "category", "type", "command", "process", "tactic", "alert", "detection", "activity", "message", "sourcetype",
}

func telling(field string) bool {
	field = strings.ToLower(field)
	return slices.ContainsFunc(tellingParts, func(p string) bool { return strings.Contains(field, p) })
}

// skipped reports whether a field's values are ids that were read already, or the search's name again.
func skipped(field string) bool {
	switch field {
	case "search_name", "rid", "sid", "severity", "_time":
		return true
	}
	return false
}

// words splits a text at everything but letters and digits, and where a capital begins a word, and
// takes the usual endings off.
func words(v string) []string {
	var out []string
	start := -1
	flush := func(end int) {
		if start >= 0 && end-start > 1 && len(out) < maxQueryWords {
			out = append(out, stem(strings.ToLower(v[start:end])))
		}
		start = -1
	}
	prev := rune(0)
	for i, r := range v {
		switch {
		case r != utf8.RuneError && (unicode.IsLetter(r) || unicode.IsDigit(r)):
			if start >= 0 && unicode.IsUpper(r) && (unicode.IsLower(prev) || nextLower(v[i+utf8.RuneLen(r):]) && unicode.IsUpper(prev)) {
				flush(i)
			}
			if start < 0 {
				start = i
			}
		default:
			flush(i)
		}
		prev = r
	}
	flush(len(v))
	return out
}

func nextLower(rest string) bool {
	r, _ := utf8.DecodeRuneInString(rest)
	return unicode.IsLower(r)
}

// endings are taken off a word when at least four letters stay: logging, logged and logs are one.
var endings = []string{"ations", "ation", "ings", "ing", "ies", "ions", "ion", "ers", "ed", "es", "er", "s", "e", "y"}

func stem(w string) string {
	for _, e := range endings {
		if rest, ok := strings.CutSuffix(w, e); ok && len(rest) >= 4 {
			return rest
		}
	}
	return w
}

// wordIndex finds techniques by words, as search engines do (BM25 over short texts).
type wordIndex struct {
	docs     []wordDoc
	byWord   map[string][]posting
	averages float64
	phrases  []phrase
}

type wordDoc struct {
	id     string
	length float64
}

type posting struct {
	doc    int
	weight float64
}

type phrase struct {
	text string // words as in query.text
	ids  []string
}

// Constants of BM25: k for repeated words, b for long texts.
const (
	bm25K = 1.2
	bm25B = 0.5
)

func newWordIndex(c *Catalogue) *wordIndex {
	x := &wordIndex{byWord: map[string][]posting{}}
	total := 0.0
	for _, id := range c.ids {
		t := c.byID[id]
		if !t.Active {
			continue
		}
		weights := c.describe(t)
		length := 0.0
		for _, w := range slices.Sorted(maps.Keys(weights)) {
			x.byWord[w] = append(x.byWord[w], posting{len(x.docs), weights[w]})
			length += weights[w]
		}
		x.docs = append(x.docs, wordDoc{t.ID, length})
		total += length
	}
	x.averages = total / max(float64(len(x.docs)), 1)
	for _, s := range synonyms {
		for _, p := range s.phrases {
			x.phrases = append(x.phrases, phrase{" " + strings.Join(words(p), " ") + " ", s.ids})
		}
	}
	return x
}

// describe returns the words of a technique: its name, the whole's name for less, its tactics for
// little.
func (c *Catalogue) describe(t AttackTechnique) map[string]float64 {
	weights := map[string]float64{}
	put := func(text string, weight float64) {
		for _, w := range words(text) {
			if !stopWords[w] {
				weights[w] = max(weights[w], weight)
			}
		}
	}
	put(t.Name, 1)
	if main, _, part := strings.Cut(t.ID, "."); part {
		put(c.byID[main].Name, 0.6)
	}
	for _, tactic := range t.Tactics {
		put(tactic, 0.15)
	}
	return weights
}

type scored struct {
	id    string
	score float64
}

// phraseScore is what a usual phrase of a technique counts, times the weight of where it stands:
// more than any one word.
const phraseScore = 10

// says returns what a phrase counts: once, where it weighs most. More words are surer.
func (q *query) says(p string) float64 {
	if first, _, _ := strings.Cut(p[1:], " "); q.weight[first] == 0 {
		return 0
	}
	for _, t := range q.texts {
		if strings.Contains(t.text, p) {
			return t.weight * phraseScore * (0.6 + 0.4*float64(strings.Count(p, " ")-1))
		}
	}
	return 0
}

// rank scores every technique that shares a word or a phrase with the query, best first.
func (x *wordIndex) rank(q query) []scored {
	score := map[string]float64{}
	for _, w := range slices.Sorted(maps.Keys(q.weight)) {
		found := x.byWord[w]
		if len(found) == 0 {
			continue
		}
		n := float64(len(found))
		idf := math.Log(1 + (float64(len(x.docs))-n+0.5)/(n+0.5))
		for _, p := range found {
			d := x.docs[p.doc]
			tf := p.weight * (bm25K + 1) / (p.weight + bm25K*(1-bm25B+bm25B*d.length/x.averages))
			score[d.id] += idf * tf * q.weight[w]
		}
	}
	for _, p := range x.phrases {
		if said := q.says(p.text); said > 0 {
			for i, id := range p.ids {
				score[id] += said / (1 + 0.15*float64(i))
			}
		}
	}
	out := make([]scored, 0, len(score))
	for id, s := range score {
		out = append(out, scored{id, s})
	}
	slices.SortFunc(out, func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.id, b.id))
	})
	return out
}
