package rules

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"unicode/utf8"
)

// maxListBytes bounds a list file: lists load whole.
const maxListBytes = 64 << 20

// listName returns the name a file gives its list, and whether it is a list file at all.
func listName(path string) (name string, isList bool, err error) {
	base := filepath.Base(path)
	ext := filepath.Ext(base)
	switch ext {
	case ".csv", ".txt", ".cidr", ".json":
	default:
		return "", false, nil
	}
	if strings.HasPrefix(base, ".") {
		return "", false, nil
	}
	name = strings.TrimSuffix(base, ext)
	if ext == ".json" {
		name = strings.NewReplacer("-", "_", ".", "_").Replace(name) // as warning lists are called where they come from
	}
	if !IsWord(name) {
		return name, true, fmt.Errorf("%q cannot be written as lists.NAME (use letters, digits and _ for the file's name)", name)
	}
	return name, true, nil
}

// IsWord reports whether text can stand after the dot of event., alert. or lists.
func IsWord(text string) bool {
	for i, r := range text {
		letter := r == '_' || 'a' <= r && r <= 'z' || 'A' <= r && r <= 'Z'
		if !letter && (i == 0 || r < '0' || r > '9') {
			return false
		}
	}
	return text != ""
}

// readList reads one list file. The list it returns is never nil; what is wrong is its Err.
func readList(name, path string) (*List, []byte) {
	l := &List{name: name, file: path}
	data, err := readCapped(path, maxListBytes)
	if err != nil {
		l.err = fmt.Errorf("list %q: %w", name, err)
		return l, nil
	}
	p, err := parseList(filepath.Ext(path), data)
	switch {
	case err != nil:
		l.err = fmt.Errorf("list %q: %s: %w", name, path, err)
	case len(p.values) == 0:
		l.err = fmt.Errorf("list %q: %s is empty", name, path)
	default:
		l.values = p.values
		l.readNetworks(p.lines)
		if l.notNet != "" && p.networks {
			l.err = fmt.Errorf("list %q: %s: %s", name, path, l.notNet)
		}
	}
	return l, data
}

// readCapped reads a whole file. Only a regular one: a pipe could hold the alert action up for ever.
func readCapped(path string, limit int64) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, &fs.PathError{Op: "open", Path: path, Err: errors.New("not a regular file")}
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // read only
	var data bytes.Buffer
	data.Grow(int(min(info.Size(), limit)) + bytes.MinRead)
	if _, err := data.ReadFrom(io.LimitReader(f, limit+1)); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	if int64(data.Len()) > limit {
		return nil, fmt.Errorf("%s is larger than %d MiB", path, limit>>20)
	}
	return data.Bytes(), nil
}

// parsedList is what a list file holds.
type parsedList struct {
	values   []string
	lines    []int // of each value
	networks bool  // it may hold networks and addresses only
}

func (p *parsedList) add(value string, line int) {
	if v := strings.TrimSpace(value); v != "" {
		p.values, p.lines = append(p.values, v), append(p.lines, line)
	}
}

func parseList(ext string, data []byte) (parsedList, error) {
	p := parsedList{networks: ext == ".cidr"}
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return p, errors.New("not UTF-8 text")
	}
	switch ext {
	case ".csv":
		return p, p.readCSV(data)
	case ".json":
		return p, p.readWarninglist(data)
	}
	line := 0
	for text := range strings.Lines(string(data)) {
		line++
		if !strings.HasPrefix(strings.TrimSpace(text), "#") {
			p.add(text, line)
		}
	}
	return p, nil
}

// readCSV takes the first column below the header.
func (p *parsedList) readCSV(data []byte) error {
	r := csv.NewReader(bytes.NewReader(data))
	r.Comment, r.FieldsPerRecord, r.ReuseRecord = '#', -1, true
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil
	}
	if err != nil {
		return err
	}
	if _, ok := parseNetwork(strings.TrimSpace(head[0])); ok {
		return fmt.Errorf("the first line is %q, want a header line like value,comment", head[0])
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		line, _ := r.FieldPos(0)
		p.add(strings.Clone(row[0]), line)
	}
}

// readNetworks reads the values as networks up to the first that is none.
func (l *List) readNetworks(lines []int) {
	networks := make([]netip.Prefix, 0, min(len(l.values), 1024))
	for i, v := range l.values {
		p, ok := parseNetwork(v)
		if !ok {
			l.notNet = fmt.Sprintf("line %d: %q is not a network or an address", lines[i], clip(v))
			return
		}
		networks = append(networks, p)
	}
	l.networks = networks
}

// clip keeps a message short.
func clip(text string) string {
	const most = 60
	if len(text) <= most {
		return text
	}
	cut := most
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "..."
}
