package knowledge

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/winnow-soc/winnow/llm"
)

// feeds is what the files of the feeds folders hold.
type feeds struct {
	index     *index
	exploited map[string]map[string]string // by CVE id in capitals
	harmless  *harmless
}

// batch is what one file holds. It is taken up when the whole file could be read.
type batch struct {
	name       string
	indicators []indicator
	exploited  map[string]map[string]string
	warning    *warninglist
}

type indicator struct {
	normal string
	label  label
	day    int32
}

// add keeps an indicator of a kind. A value that is none is left out: feeds have odd rows.
func (b *batch) add(kind, value string, l label, day int32) {
	if n, ok := normal(kind, value); ok {
		l.kind = kind
		b.indicators = append(b.indicators, indicator{n, l, day})
	}
}

// readFeeds reads every file of the folders. Files that cannot be read are returned as errors.
func readFeeds(dirs []string, trusted func(...string) error) (*feeds, []error) {
	f := &feeds{index: newIndex(), exploited: map[string]map[string]string{}, harmless: &harmless{}}
	var problems []error
	for _, dir := range dirs {
		entries, err := os.ReadDir(dir)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			problems = append(problems, fmt.Errorf("read feeds: %w", err))
		}
		for _, e := range entries {
			name := e.Name()
			if e.IsDir() || strings.HasPrefix(name, ".") || !isFeedName(name) {
				continue
			}
			path := filepath.Join(dir, name)
			err := trusted(path)
			if err == nil {
				err = f.read(path)
			}
			if err != nil {
				problems = append(problems, err)
			}
		}
	}
	return f, problems
}

// isFeedName leaves READMEs and licences out.
func isFeedName(name string) bool {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".json", ".csv", ".txt":
		return true
	}
	return false
}

func (f *feeds) read(path string) error {
	data, err := readCapped(path, maxFeedBytes)
	if err != nil {
		return fmt.Errorf("read feed: %w", err)
	}
	b, err := parseFeed(path, data)
	if err != nil {
		return err
	}
	for _, i := range b.indicators {
		if err := f.index.add(i.normal, i.label, i.day); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	maps.Copy(f.exploited, b.exploited)
	if b.warning != nil {
		f.harmless.add(b.warning)
	}
	return nil
}

// parseFeed reads one file, whose format is told by its content. Errors name file and line.
func parseFeed(path string, data []byte) (*batch, error) {
	b := &batch{name: strings.TrimSuffix(filepath.Base(path), filepath.Ext(path))}
	body := bytes.TrimSpace(data)
	var err error
	if len(body) > 0 && (body[0] == '{' || body[0] == '[') {
		err = b.readJSON(data)
	} else {
		err = b.readCSV(data)
	}
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return b, nil
}

var cveForm = regexp.MustCompile(`(?i)\bCVE-\d{4}-\d{4,7}\b`)

// Limits of what is looked up of an alert.
const (
	maxLookBytes = 64 << 10
	maxTokens    = 600
)

// looker looks the values of one alert up in the feeds.
type looker struct {
	f      *feeds
	seen   map[string]bool
	bytes  int
	tokens int
	out    []llm.Known
}

// lookFeeds looks for indicators and CVE ids in every field, and in the words of texts.
func (t *tables) lookFeeds(c *llm.Case) []llm.Known {
	l := &looker{f: t.feeds, seen: map[string]bool{}}
	l.vulnerabilities("search_name", c.Alert.SearchName)
	for _, field := range c.Alert.Fields.Names() {
		for _, v := range c.Alert.Fields[field] {
			if l.bytes += len(v); l.bytes > maxLookBytes {
				return l.out
			}
			l.value(field, v)
		}
	}
	return l.out
}

func (l *looker) value(field, v string) {
	l.vulnerabilities(field, v)
	if t := l.f; t.index.len() == 0 && t.harmless.empty() {
		return
	}
	l.token(field, strings.TrimRight(strings.TrimSpace(v), ".:!?"))
	cut := func(r rune) bool { return r <= ' ' || strings.ContainsRune("\"'<>(),;|{}=`", r) }
	for word := range strings.FieldsFuncSeq(v, cut) {
		l.token(field, strings.TrimRight(word, ".:!?"))
	}
}

func (l *looker) vulnerabilities(field, v string) {
	if len(l.f.exploited) == 0 || len(v) < len("CVE-0000-0000") {
		return
	}
	for _, id := range cveForm.FindAllString(v[:min(len(v), maxLookBytes)], maxFound) {
		id = strings.ToUpper(id)
		if data := l.f.exploited[id]; data != nil && !l.seen[id] {
			l.found(llm.Known{Source: llm.KnownExploited, Field: field, Value: id, Data: data})
			l.seen[id] = true
		}
	}
}

func (l *looker) token(field, v string) {
	if len(v) < 4 || l.seen[v] || l.tokens == maxTokens {
		return
	}
	l.seen[v] = true
	l.tokens++
	for _, q := range questions(v) {
		for _, data := range l.f.index.find(q.normal) {
			if q.kind == "" || data["type"] == q.kind {
				l.found(llm.Known{Source: llm.KnownThreat, Field: field, Value: v, Data: data})
			}
		}
		if lists := l.f.harmless.find(q.normal); lists != "" && q.kind == "" {
			l.found(llm.Known{Source: llm.KnownWarninglist, Field: field, Value: v, Data: map[string]string{"lists": lists}})
		}
	}
}

func (l *looker) found(k llm.Known) {
	if len(l.out) < 2*maxFound {
		l.out = append(l.out, k)
	}
}
