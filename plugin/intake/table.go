package intake

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/alertaction"
)

// table reads a results file without its payload: the columns say what a payload would.
func (rd *reader) table() error {
	if err := rd.src.settle(); err != nil {
		return err
	}
	return rd.rows(rd.name, rd.src.Reader, func(_, line int, f winnow.Fields) error {
		return rd.fields(line, f)
	})
}

// rows reads a results file, named in errors, row by row. A file that ends too early makes an
// item, because rows are missing.
func (rd *reader) rows(name string, r io.Reader, each func(number, line int, f winnow.Fields) error) error {
	results, err := alertaction.NewResults(r)
	if err != nil {
		return rd.cutOff(name, 1, err)
	}
	defer results.Close() //nolint:errcheck // only read
	if err := checkHeader(results.Header()); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	columns := alertaction.NewColumns(results.Header())
	for n := 1; !rd.stopped; n++ {
		row, err := results.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return rd.cutOff(name, n, err)
		}
		rd.odd = row.Odd.Warnings()
		if err := each(row.Number, n, columns.Fields(row)); err != nil {
			return err
		}
	}
	return nil
}

// cutOff yields an alert about rows that are missing. Why the context ended is no damage.
func (rd *reader) cutOff(name string, row int, err error) error {
	if !errors.Is(err, alertaction.ErrCut) {
		return err
	}
	if ended := rd.src.ended(); ended != nil {
		return ended
	}
	return rd.damaged(row, nil, fmt.Errorf("%s: %w: rows from number %d on are missing", name, err, row),
		"export or copy the file again")
}

// checkHeader refuses text that only looks like CSV because anything does.
func checkHeader(header []string) error {
	for _, name := range header {
		if name == "_time" || strings.EqualFold(name, "search_name") || len(header) > 1 {
			return nil
		}
	}
	return fmt.Errorf("format not recognised: the first line %.60q is neither JSON nor the header of a results CSV "+
		"(want NDJSON, a results CSV, a Splunk alert payload, GuardDuty findings or exported notables, each also gzipped)",
		strings.Join(header, ","))
}
