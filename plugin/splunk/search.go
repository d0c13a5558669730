package splunk

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// Row is one result of a search: a multivalue field has several values.
type Row map[string][]string

// Get returns the only value of a field, "" when there is none or more than one: a second value
// may be an attempt to pass for another event.
func (r Row) Get(field string) string {
	if v := r[field]; len(v) == 1 {
		return v[0]
	}
	return ""
}

// Search runs SPL over [from, to) through search/v2/jobs/export and returns all its final rows.
// It is for small results: the whole answer is held in memory, up to Options.MaxAnswer.
func (c *Client) Search(ctx context.Context, spl string, from, to time.Time) ([]Row, error) {
	path := "/services/search/v2/jobs/export"
	if c.opts.App != "" {
		path = escape("servicesNS", "nobody", c.opts.App, "search", "v2", "jobs", "export")
	}
	r := call{op: "search", path: path, form: url.Values{
		"search": {spl}, "output_mode": {"json"}, "preview": {"0"}, "adhoc_search_level": {"fast"},
		"earliest_time": {epoch(from)}, "latest_time": {epoch(to)},
	}}
	body, err := c.do(ctx, r)
	if err != nil {
		return nil, searchError(err)
	}
	return parseExport(r.op, body)
}

// searchError lets a search be tried again that Splunk has refused. The text is winnow's own and
// right, so what it does not understand is a macro or a lookup, and those come and go with their
// app: while Enterprise Security is being upgraded, they are not there.
func searchError(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Code == CodeRefused && e.Status == http.StatusBadRequest {
		e.Retry = true
	}
	return err
}

func epoch(t time.Time) string { return strconv.FormatInt(t.Unix(), 10) }

// exportLine is one line of an export. A search that fails half-way says so in a line of
// messages, after status 200 has long been sent.
type exportLine struct {
	Preview  bool                       `json:"preview"`
	Result   map[string]json.RawMessage `json:"result"`
	Messages []struct {
		Type string `json:"type"`
		Text string `json:"text"`
	} `json:"messages"`
}

func parseExport(op string, body []byte) ([]Row, error) {
	dec := json.NewDecoder(bytes.NewReader(body))
	var rows []Row
	for {
		var line exportLine
		err := dec.Decode(&line)
		if errors.Is(err, io.EOF) {
			return rows, nil
		}
		if err != nil {
			return nil, &Error{Op: op, Code: CodeBadAnswer, Retry: true, Message: "the answer is cut off or not JSON", Err: err}
		}
		for _, m := range line.Messages {
			if m.Type == "FATAL" || m.Type == "ERROR" {
				return nil, &Error{Op: op, Code: CodeRefused, Retry: true, Message: plain(m.Text, maxMessage)}
			}
		}
		if line.Preview || line.Result == nil {
			continue
		}
		row, err := parseRow(line.Result)
		if err != nil {
			return nil, &Error{Op: op, Code: CodeBadAnswer, Retry: true, Err: err}
		}
		rows = append(rows, row)
	}
}

func parseRow(result map[string]json.RawMessage) (Row, error) {
	row := make(Row, len(result))
	for field, raw := range result {
		var one string
		if json.Unmarshal(raw, &one) == nil {
			row[field] = []string{one}
			continue
		}
		var many []string
		if err := json.Unmarshal(raw, &many); err != nil {
			return nil, err
		}
		row[field] = many
	}
	return row, nil
}

// term writes field="value" for the search command. The value of a sid or rid may have been
// chosen by an attacker: quotes and backslashes are escaped, and what cannot be escaped there
// (a * matches anything, even quoted) is refused.
func term(field, value string) (string, error) {
	if value == "" {
		return "", errors.New(field + " is empty")
	}
	if len(value) > 1024 {
		return "", errors.New(field + " is longer than 1024 bytes")
	}
	for _, r := range value {
		if r < ' ' || r == 0x7f || r == '*' || r == 0xfffd {
			return "", fmt.Errorf("%s %q holds a wildcard or control character: it cannot be searched for exactly", field, value)
		}
	}
	return field + `="` + escapeQuoted(value) + `"`, nil
}

// escapeQuoted writes a text for the inside of double quotes.
func escapeQuoted(value string) string {
	return strings.ReplaceAll(strings.ReplaceAll(value, `\`, `\\`), `"`, `\"`)
}
