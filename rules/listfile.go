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
	case ".csv", ".txt", ".cidr":
	default:
		return "", false, nil
	}
	if strings.HasPrefix(base, ".") {
		return "", false, nil
	}
	name = strings.TrimSuffix(base, ext)
	if !isWord(name) {
		return name, true, fmt.Errorf("%q cannot be written as lists.NAME (use letters, digits and _ for the file's name)", name)
	}
	return name, true, nil
}

// isWord reports whether text can stand after the dot of event., alert. or lists.
func isWord(text string) bool {
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
	values, lines, err := parseList(filepath.Ext(path), data)
	switch {
	case err != nil:
		l.err = fmt.Errorf("list %q: %s: %w", name, path, err)
	case len(values) == 0:
		l.err = fmt.Errorf("list %q: %s is empty", name, path)
	default:
		l.values = values
		l.readNetworks(lines)
		if l.notNet != "" && filepath.Ext(path) == ".cidr" {
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

// parseList returns the values of a list file and the line of each.
func parseList(ext string, data []byte) (values []string, lines []int, err error) {
	data = bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return nil, nil, errors.New("not UTF-8 text")
	}
	if ext == ".csv" {
		return parseListCSV(data)
	}
	line := 0
	for text := range strings.Lines(string(data)) {
		line++
		if v := strings.TrimSpace(text); v != "" && v[0] != '#' {
			values, lines = append(values, v), append(lines, line)
		}
	}
	return values, lines, nil
}

// parseListCSV takes the first column below the header.
func parseListCSV(data []byte) (values []string, lines []int, err error) {
	r := csv.NewReader(bytes.NewReader(data))
	r.Comment, r.FieldsPerRecord, r.ReuseRecord = '#', -1, true
	head, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, nil, nil
	}
	if err != nil {
		return nil, nil, err
	}
	if _, ok := parseNetwork(strings.TrimSpace(head[0])); ok {
		return nil, nil, fmt.Errorf("the first line is %q, want a header line like value,comment", head[0])
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return values, lines, nil
		}
		if err != nil {
			return nil, nil, err
		}
		if v := strings.TrimSpace(row[0]); v != "" {
			line, _ := r.FieldPos(0)
			values, lines = append(values, strings.Clone(v)), append(lines, line)
		}
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
