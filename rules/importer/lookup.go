package importer

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"path"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/winnow-soc/winnow/rules"
)

// Lookup says how a lookup file is used.
type Lookup struct {
	Keys []string // columns; all of a row's must be in the alert
	List string   // name of the list; "" for one like the file's
	CIDR bool     // the lookup is defined to find addresses in networks
}

// Lookup imports a Splunk lookup file: one key becomes a value list and a rule over it, several
// become a rule that names the rows, since lists of single values would cover every mixture of them.
func (im *Import) Lookup(file string, data []byte, l Lookup) {
	at := origin{file, 1, "the lookup"}
	rows, err := im.lookupRows(file, data, &l)
	if err == nil && l.List != "" && !rules.IsWord(l.List) {
		err = refuse("the name of the list cannot be written as lists.NAME (use letters, digits and _)")
	}
	if err == nil && len(rows) == 0 {
		err = refuse("no row is left")
	}
	if err != nil {
		im.refuse(at, err)
		return
	}
	name := strings.TrimSuffix(strings.TrimSuffix(path.Base(strings.ReplaceAll(file, `\`, "/")), ".csv"), ".CSV")
	d := &draft{
		id:          slug(maxID, "lookup", name),
		description: fmt.Sprintf("In the Splunk lookup %s, by %s", name, strings.Join(l.Keys, " and ")),
		reason:      "listed in the lookup " + name,
	}
	if len(l.Keys) == 1 {
		d.list = lookupList(listName(l.List, name), rows)
		d.when = &part{op: opList, field: im.fieldOf(l.Keys[0]), texts: []string{d.list.Name, rows[0][0]}}
	} else {
		d.when = im.lookupCondition(l.Keys, rows)
	}
	before := len(im.Rules)
	im.add(d, at)
	if len(im.Rules) > before && d.list != nil {
		im.Lists = append(im.Lists, *d.list)
	}
}

func (im *Import) fieldOf(name string) string {
	if to := im.Fields[name]; to != "" {
		return to
	}
	return name
}

// lookupRows returns the keys of each row once. A row whose keys lists would read differently is
// refused for itself.
func (im *Import) lookupRows(file string, data []byte, l *Lookup) ([][]string, error) {
	if !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0 {
		return nil, refuse("it is not UTF-8 text")
	}
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(data, []byte("\xef\xbb\xbf"))))
	r.FieldsPerRecord = -1
	head, err := r.Read()
	if err != nil {
		return nil, refuse("it has no header line")
	}
	columns, err := lookupColumns(head, l.Keys)
	if err != nil {
		return nil, err
	}
	var rows [][]string
	seen := map[string]bool{}
	for {
		cells, err := r.Read()
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, refuseDetail("it is no CSV", "%v", err)
		}
		line, _ := r.FieldPos(0)
		row, err := lookupKeys(cells, columns, l)
		if err != nil {
			im.refuse(origin{file, line, "the row"}, err)
			continue
		}
		if id := strings.Join(row, "\x00"); !seen[id] {
			seen[id] = true
			rows = append(rows, row)
		}
	}
}

func lookupColumns(head, keys []string) ([]int, error) {
	if len(keys) == 0 {
		return nil, refuse("no key column is named (name one with --key)")
	}
	var columns []int
	for _, key := range keys {
		i := slices.Index(head, key)
		if i < 0 {
			return nil, refuseDetail("a key column is not there", "%s (there are %s)", key, strings.Join(head, ", "))
		}
		if slices.Contains(head[i+1:], key) {
			return nil, refuseDetail("a key column is there twice", "%s", key)
		}
		columns = append(columns, i)
	}
	return columns, nil
}

func lookupKeys(cells []string, columns []int, l *Lookup) ([]string, error) {
	var row []string
	for _, c := range columns {
		if c >= len(cells) || cells[c] == "" {
			return nil, refuse("a key is empty")
		}
		v := cells[c]
		switch _, err := netip.ParsePrefix(v); {
		case strings.TrimSpace(v) != v || strings.ContainsAny(v, "\r\n"):
			return nil, refuse("a key begins or ends with a blank, or has several lines")
		case err == nil && !l.CIDR:
			return nil, refuseDetail("a key is a network, which a list would search in (say --cidr if the lookup does)", "%s", v)
		case l.CIDR && len(columns) > 1:
			return nil, refuse("networks are looked up by one key only")
		case strings.Contains(v, "*"):
			return nil, refuseDetail("a key holds *, which may be a wildcard", "%.60q", v)
		}
		row = append(row, v)
	}
	return row, nil
}

// listName makes a name that conditions can say.
func listName(wanted, file string) string {
	if wanted != "" {
		return wanted
	}
	name := strings.ReplaceAll(slug(60, file), "-", "_")
	if !rules.IsWord(name) {
		name = "list_" + name
	}
	return name
}

// lookupList writes a list file. Every value is in quotes, so that none is taken for a comment.
func lookupList(name string, rows [][]string) *List {
	var b strings.Builder
	b.WriteString("value\n")
	for _, row := range rows {
		b.WriteString(`"` + strings.ReplaceAll(row[0], `"`, `""`) + "\"\n")
	}
	return &List{Name: name, Text: []byte(b.String())}
}

func (im *Import) lookupCondition(keys []string, rows [][]string) *part {
	var kids []*part
	for _, row := range rows {
		var all []*part
		for i, key := range keys {
			all = append(all, &part{op: opEquals, field: im.fieldOf(key), texts: []string{row[i]}, exact: true})
		}
		kids = append(kids, allOf(all))
	}
	return anyOf(kids)
}
