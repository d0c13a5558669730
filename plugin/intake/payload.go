package intake

import (
	"errors"
	"fmt"
	"io"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/alertaction"
)

// payload reads what splunkd gives an alert action: the rows of the results file it names, or,
// when that file is not here any more, the first row, which the payload holds itself.
func (rd *reader) payload(line int, text []byte) error {
	p, err := alertaction.ParsePayload(text)
	if err != nil {
		return rd.damaged(line, text, err, "")
	}
	firing := alertaction.NewFiring(p, Host, rd.configured(p.SearchName), rd.opts.Now)
	file, err := rd.openResults(p)
	if err == nil {
		defer file.Close() //nolint:errcheck // only read
		return rd.rows(p.ResultsFile, file, func(number, line int, f winnow.Fields) error {
			return rd.fired(firing, number, line, f)
		})
	}
	if p.Result == nil {
		return rd.damaged(line, p.Stored(), fmt.Errorf("open results: %w, and the payload holds no row", err),
			"copy the results file to where the payload says it is")
	}
	return rd.fired(firing, 0, line, p.Result, "only the first row of the results is here: open results: "+err.Error())
}

func (rd *reader) openResults(p *alertaction.Payload) (io.ReadCloser, error) {
	if p.ResultsFile == "" {
		return nil, errors.New("the payload names no results_file")
	}
	return rd.opts.OpenResults(p.ResultsFile)
}

// fired yields a row as the alert action sees it; only its clock is the file's.
func (rd *reader) fired(firing *alertaction.Firing, number, line int, f winnow.Fields, warnings ...string) error {
	item := Item{Line: line, Label: take(f, "label")}
	item.Alert = *firing.Alert(number, f)
	a := &item.Alert
	a.Warnings = warnings
	rd.times(a)
	rd.sign(a)
	rd.emit(item, nil)
	return nil
}

// configured is the severity that the configuration gives a search.
func (rd *reader) configured(search string) winnow.Severity {
	if rd.opts.Severity == nil {
		return winnow.SeverityUnknown
	}
	return rd.opts.Severity(search)
}
