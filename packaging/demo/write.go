package demo

import (
	"bytes"
	"compress/gzip"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/winnow-soc/winnow"
)

// SessionKey is the session key in every payload. It must never be found in anything that winnow
// wrote.
const SessionKey = "DEMO^not-a-real-session-key^7f3a91"

// ServerHost is the search head's name in every payload.
const ServerHost = "splunk.corp.example"

// Write lays down what splunkd does before it starts an alert action, under dir as SPLUNK_HOME:
// the results file in the search's dispatch folder and its info.csv. It returns the payload for
// the action's standard input. Writing a dispatch again replaces its files.
func (d Dispatch) Write(dir string) (payload []byte, err error) {
	folder := filepath.Join(dir, "var", "run", "splunk", "dispatch", d.SID)
	results := filepath.Join(folder, "results.csv.gz")
	if d.PerResult {
		results = filepath.Join(folder, "per_result_alert", "tmp_"+strconv.Itoa(d.ResultID)+".csv.gz")
	}
	if err := os.MkdirAll(filepath.Dir(results), 0o700); err != nil {
		return nil, fmt.Errorf("write dispatch: %w", err)
	}
	data, err := d.Results()
	if err != nil {
		return nil, err
	}
	for path, content := range map[string][]byte{results: data, filepath.Join(folder, "info.csv"): d.info()} {
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return nil, fmt.Errorf("write dispatch: %w", err)
		}
	}
	return d.Payload(results)
}

// Results returns the results file: gzipped CSV in which every column has a __mv_ companion.
func (d Dispatch) Results() ([]byte, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	w := csv.NewWriter(z)
	if err := w.WriteAll(d.table()); err != nil {
		return nil, fmt.Errorf("write results of %q: %w", d.SearchName, err)
	}
	if err := z.Close(); err != nil {
		return nil, fmt.Errorf("write results of %q: %w", d.SearchName, err)
	}
	return out.Bytes(), nil
}

func (d Dispatch) table() [][]string {
	head := make([]string, 0, 2*len(d.Columns))
	for _, c := range d.Columns {
		head = append(head, c, "__mv_"+c)
	}
	table := [][]string{head}
	for _, r := range d.Rows {
		line := make([]string, 0, len(head))
		for _, c := range d.Columns {
			line = append(line, strings.Join(r.Fields[c], "\n"), multivalue(r.Fields[c]))
		}
		table = append(table, line)
	}
	return table
}

// multivalue is the text of a __mv_ column: $a$;$b$ for several values, empty for one.
func multivalue(values []string) string {
	if len(values) < 2 {
		return ""
	}
	quoted := make([]string, len(values))
	for i, v := range values {
		quoted[i] = "$" + strings.ReplaceAll(v, "$", "$$") + "$"
	}
	return strings.Join(quoted, ";")
}

// info is the part of info.csv that alert actions read.
func (d Dispatch) info() []byte {
	return fmt.Appendf(nil, "_search_et,_search_lt,_timestamp\n%d,%d,%d\n", d.At.Add(-Day).Unix(), d.At.Unix(), d.At.Unix())
}

// payload is the JSON that splunkd writes to an alert action.
type payload struct {
	App           string            `json:"app"`
	Owner         string            `json:"owner"`
	ResultID      string            `json:"result_id,omitempty"`
	ResultsFile   string            `json:"results_file"`
	ResultsLink   string            `json:"results_link"`
	SearchURI     string            `json:"search_uri"`
	ServerHost    string            `json:"server_host"`
	ServerURI     string            `json:"server_uri"`
	SessionKey    string            `json:"session_key"`
	SID           string            `json:"sid"`
	SearchName    string            `json:"search_name"`
	Configuration map[string]string `json:"configuration"`
	Result        map[string]any    `json:"result"`
}

// Payload returns the JSON text for a results file that was written to the given path.
func (d Dispatch) Payload(resultsFile string) ([]byte, error) {
	p := payload{
		App: d.App, Owner: d.Owner, SID: d.SID, SearchName: d.SearchName, ResultsFile: resultsFile,
		ResultsLink: "https://" + ServerHost + ":8000/app/" + d.App + "/@go?sid=" + d.SID,
		SearchURI:   "/servicesNS/" + d.Owner + "/" + d.App + "/saved/searches/" + url.PathEscape(d.SearchName),
		ServerHost:  ServerHost, ServerURI: "https://127.0.0.1:8089", SessionKey: SessionKey,
		Configuration: map[string]string{"severity": d.Severity, "result_count": strconv.Itoa(len(d.Rows))},
	}
	if d.PerResult {
		p.ResultID = strconv.Itoa(d.ResultID)
	}
	if len(d.Rows) > 0 {
		p.Result = result(d.Rows[0].Fields)
	}
	return json.Marshal(p)
}

// result is a row as payloads hold it: text, and lists for multivalue fields.
func result(f winnow.Fields) map[string]any {
	out := make(map[string]any, len(f))
	for name, values := range f {
		if len(values) == 1 {
			out[name] = values[0]
		} else {
			out[name] = values
		}
	}
	return out
}

// NDJSON returns the alerts as winnow's own input format, one object a line. The label is what
// the demo's author knows of them.
func NDJSON(all []Dispatch) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	for _, d := range all {
		for i, r := range d.Rows {
			if err := enc.Encode(d.line(i, r)); err != nil {
				return nil, fmt.Errorf("write alert of %q: %w", d.SearchName, err)
			}
		}
	}
	return out.Bytes(), nil
}

// line is a row with what the search says of it.
func (d Dispatch) line(number int, r Row) map[string]any {
	out := result(r.Fields)
	out["search_name"], out["sid"], out["rid"] = d.SearchName, d.SID, strconv.Itoa(d.ResultID+number)
	out["label"] = r.Expected.Label()
	base := winnow.ParseSeverity(winnow.ScaleSplunkAlert, d.Severity)
	for _, word := range r.Fields["severity"] {
		base = base.Max(winnow.ParseSeverity(winnow.ScaleWords, word))
	}
	out["severity"] = base.String() // as the alert action sees it
	return out
}
