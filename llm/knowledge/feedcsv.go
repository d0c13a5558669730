package knowledge

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// layout is a CSV format, told by the names of its columns.
type layout struct {
	feed    string
	columns []string          // all are there
	values  map[string]string // columns with indicators, and their kinds; "" where another column says
	kindBy  string            // the column that does
	day     string
	threat  string
	malware string
	tags    string
	sure    string
}

// layouts are those of abuse.ch.
var layouts = []layout{
	{feed: "URLhaus", columns: []string{"id", "dateadded", "url", "url_status", "threat", "tags"}, values: map[string]string{"url": kindURL}, day: "dateadded", threat: "threat", tags: "tags"},
	{feed: "ThreatFox", columns: []string{"first_seen_utc", "ioc_id", "ioc_value", "ioc_type", "threat_type"}, values: map[string]string{"ioc_value": ""}, kindBy: "ioc_type", day: "first_seen_utc", threat: "threat_type", malware: "malware_printable", tags: "tags", sure: "confidence_level"},
	{feed: "Feodo Tracker", columns: []string{"first_seen_utc", "dst_ip", "dst_port", "malware"}, values: map[string]string{"dst_ip": kindIP}, day: "first_seen_utc", malware: "malware"},
	{feed: "SSLBL", columns: []string{"Listingdate", "SHA1", "Listingreason"}, values: map[string]string{"SHA1": kindHash}, day: "Listingdate", threat: "Listingreason"},
	{feed: "SSLBL", columns: []string{"Firstseen", "DstIP", "DstPort"}, values: map[string]string{"DstIP": kindIP}, day: "Firstseen"},
	{feed: "SSLBL JA3", columns: []string{"ja3_md5", "Firstseen", "Lastseen", "Listingreason"}, values: map[string]string{"ja3_md5": kindHash}, day: "Firstseen", threat: "Listingreason"},
	{feed: "MalwareBazaar", columns: []string{"first_seen_utc", "sha256_hash", "md5_hash", "sha1_hash"}, values: map[string]string{"sha256_hash": kindHash, "md5_hash": kindHash, "sha1_hash": kindHash}, day: "first_seen_utc", malware: "signature", tags: "tags"},
}

// layoutOf tells a format by a header, which may stand behind a #.
func layoutOf(line string) (*layout, []string) {
	line = strings.TrimSpace(strings.TrimLeft(strings.TrimSpace(line), "# \t"))
	r := csv.NewReader(strings.NewReader(line))
	r.TrimLeadingSpace = true
	head, err := r.Read()
	if err != nil {
		return nil, nil
	}
	for i, column := range head {
		head[i] = strings.TrimSpace(column)
	}
	for i := range layouts {
		missing := func(c string) bool { return !slices.Contains(head, c) }
		if !slices.ContainsFunc(layouts[i].columns, missing) {
			return &layouts[i], head
		}
	}
	return nil, nil
}

// readCSV reads a feed of abuse.ch. Its header is the first line, or the last comment that is one.
func (b *batch) readCSV(data []byte) error {
	var l *layout
	var head []string
	rest, line := data, 0
	for len(rest) > 0 {
		text, after, _ := bytes.Cut(rest, []byte("\n"))
		trimmed := bytes.TrimSpace(text)
		comment := len(trimmed) == 0 || trimmed[0] == '#'
		if !comment && l != nil {
			break
		}
		if found, columns := layoutOf(string(trimmed[:min(len(trimmed), 4096)])); found != nil {
			l, head = found, columns
		} else if !comment {
			break
		}
		rest, line = after, line+1
	}
	if l == nil {
		return errors.New("not a feed that is known (want CISA's known exploited vulnerabilities, MISP's JSON, or a feed of abuse.ch with its header)")
	}
	return b.rows(l, head, rest, line)
}

func (b *batch) rows(l *layout, head []string, data []byte, line int) error {
	r := csv.NewReader(bytes.NewReader(data))
	r.Comment, r.TrimLeadingSpace, r.FieldsPerRecord, r.ReuseRecord = '#', true, -1, true
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if p, ok := errors.AsType[*csv.ParseError](err); ok {
			return fmt.Errorf("line %d: %w", line+p.Line, p.Err)
		}
		if err != nil {
			return err
		}
		at, _ := r.FieldPos(0)
		if len(row) != len(head) {
			return fmt.Errorf("line %d: %d columns, the header has %d", line+at, len(row), len(head))
		}
		if len(b.indicators) >= maxIndicators {
			return fmt.Errorf("line %d: more than %d indicators", line+at, maxIndicators)
		}
		b.row(l, head, row)
	}
}

func (b *batch) row(l *layout, head, row []string) {
	get := func(column string) string {
		if i := slices.Index(head, column); i >= 0 && column != "" {
			return strings.Trim(row[i], ` "`)
		}
		return ""
	}
	said := label{feed: l.feed, threat: known(get(l.threat)), malware: known(get(l.malware)), tags: known(get(l.tags)), confidence: known(get(l.sure))}
	day := dayOf(get(l.day))
	for _, column := range head {
		kind, holds := l.values[column]
		if !holds {
			continue
		}
		if kind == "" {
			kind = kindOfType(get(l.kindBy))
		}
		b.add(kind, get(column), said, day)
	}
}

// known drops what feeds write for nothing.
func known(s string) string {
	switch strings.ToLower(s) {
	case "none", "n/a", "null", "unknown", "-":
		return ""
	}
	return s
}

// kindOfType reads the types of ThreatFox and MISP; "" for one that is not looked up.
func kindOfType(t string) string {
	switch strings.ToLower(strings.TrimSpace(t)) {
	case "ip", "ip:port", "ip-src", "ip-dst", "ip-dst|port", "ip-src|port":
		return kindIP
	case "domain":
		return kindDomain
	case "hostname", "hostname|port":
		return kindHost
	case "url", "uri", "link":
		return kindURL
	case "md5", "sha1", "sha256", "sha512", "md5_hash", "sha1_hash", "sha256_hash", "ja3-fingerprint-md5", "x509-fingerprint-sha1", "x509-fingerprint-sha256", "x509-fingerprint-md5":
		return kindHash
	case "email", "email-src", "email-dst":
		return kindEmail
	}
	return ""
}
