package intake

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"unicode/utf8"
)

// sniffSize is how much of the input is looked at to tell its format.
const sniffSize = 128 << 10

type format uint8

const (
	formatEmpty format = iota
	formatLines        // one JSON object a line
	formatJSON         // JSON over several lines: a list, a wrapped list, objects printed for people
	formatTable        // results CSV
)

// sniff tells the format from the first bytes and leaves them unread.
func sniff(r *bufio.Reader) (format, error) {
	head, err := r.Peek(sniffSize)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, bufio.ErrBufferFull) && len(head) == 0 {
		return formatEmpty, err
	}
	text := bytes.TrimLeft(head, " \t\r\n")
	if len(text) == 0 {
		return formatEmpty, nil
	}
	switch text[0] {
	case '[':
		return formatJSON, nil
	case '{':
		return sniffObjects(text), nil
	case '<':
		return formatEmpty, errors.New("this is XML (for an alert action's payload, set payload_format = json in alert_actions.conf)")
	}
	return formatTable, looksLikeTable(text)
}

// sniffObjects tells one object a line from objects that span lines. A first line that was cut
// off must not turn the whole file into one broken value: there the second line starts anew.
func sniffObjects(text []byte) format {
	if wrapsList(text) {
		return formatJSON
	}
	first, rest, found := bytes.Cut(text, []byte("\n"))
	if !found || json.Valid(first) {
		return formatLines
	}
	if rest = bytes.TrimLeft(rest, " \t\r\n"); len(rest) > 0 && rest[0] != '{' {
		return formatJSON
	}
	return formatLines
}

// looksLikeTable refuses what cannot be a CSV header, so that a picture or an archive does not
// become a thousand odd alerts.
func looksLikeTable(text []byte) error {
	header, _, _ := bytes.Cut(text, []byte("\n"))
	if bytes.IndexByte(header, 0) >= 0 || !utf8.Valid(header) && len(header) < sniffSize/2 {
		return errors.New("this is not text (want NDJSON, a results CSV, a Splunk alert payload, GuardDuty findings or exported notables, each also gzipped)")
	}
	return nil
}
