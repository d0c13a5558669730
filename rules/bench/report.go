package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// line is one line of build/bench/rules.json.
type line struct {
	Name    string  `json:"name"`
	Value   float64 `json:"value"`
	Unit    string  `json:"unit"`
	Against string  `json:"against"` // what the ratio is to
	Ratio   float64 `json:"ratio"`
	Want    string  `json:"want"` // "" when there is no goal
	OK      bool    `json:"ok"`
}

// goals are what the index must reach, by size and by what it is held against.
var goals = map[int]map[string]float64{10_000: {exprLoop: 300, opaSet: 40}}

// lines makes the lines of one size.
func lines(results []result) []line {
	var out []line
	for _, r := range results {
		name := fmt.Sprintf("%s@%d", r.engine, r.size)
		for _, against := range results {
			if against.engine == r.engine || r.engine != indexed && against.engine != exprLoop {
				continue
			}
			l := line{Name: name, Value: round(r.perSecond), Unit: "alerts/s", Against: against.engine, Ratio: round(r.perSecond / against.perSecond), OK: true}
			if goal := goals[r.size][against.engine]; goal > 0 && r.engine == indexed {
				l.Want, l.OK = fmt.Sprintf(">= %gx", goal), l.Ratio >= goal
			}
			out = append(out, l)
		}
		out = append(out,
			line{Name: name + " memory", Value: round(r.memory), Unit: "MB", OK: true},
			line{Name: name + " load", Value: round(r.load), Unit: "s", OK: true},
			line{Name: name + " alerts", Value: float64(r.alerts), Unit: "alerts", OK: true})
	}
	return out
}

// round keeps three digits, or all before the point.
func round(v float64) float64 {
	if v >= 100 {
		return float64(int64(v + 0.5))
	}
	out, _ := strconv.ParseFloat(strconv.FormatFloat(v, 'g', 3, 64), 64)
	return out
}

// heads are the columns of the table.
var heads = []string{"RULES", "ENGINE", "ALERTS/S", "x EXPR", "x OPA", "x CEL", "MEMORY", "LOAD", "ALERTS ASKED", "RULES TRUE"}

// table prints one table for all sizes.
func table(out io.Writer, sizes [][]result) {
	rows := [][]string{heads}
	for _, results := range sizes {
		rate := map[string]float64{}
		for _, r := range results {
			rate[r.engine] = r.perSecond
		}
		for _, r := range results {
			asked := thousands(float64(r.alerts))
			if r.cut {
				asked += "*"
			} else {
				asked += " "
			}
			rows = append(rows, []string{
				thousands(float64(r.size)), r.engine, digits(r.perSecond), ratio(r.perSecond, rate[exprLoop]), ratio(r.perSecond, rate[opaSet]),
				ratio(r.perSecond, rate[celLoop]), digits(r.memory) + " MB", digits(r.load) + " s", asked, fmt.Sprintf("%.2f", perAlert(r)),
			})
		}
		rows = append(rows, nil)
	}
	width := make([]int, len(heads))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], len(cell))
		}
	}
	for _, row := range rows {
		var b strings.Builder
		for i, cell := range row {
			pad := strings.Repeat(" ", width[i]-len(cell))
			if i == 1 {
				b.WriteString("  " + cell + pad)
			} else {
				b.WriteString("  " + pad + cell)
			}
		}
		_, _ = fmt.Fprintln(out, strings.TrimRight(b.String(), " "))
	}
}

// perAlert is the mean number of rules that were true of an alert.
func perAlert(r result) float64 {
	n := 0
	for _, a := range r.answers[:r.alerts] {
		n += len(a)
	}
	return float64(n) / float64(r.alerts)
}

func ratio(a, b float64) string {
	if a == b || b == 0 {
		return "-"
	}
	return digits(a/b) + "x"
}

// digits writes a number as people read it: three digits, or all before the point.
func digits(v float64) string {
	if v >= 100 {
		return thousands(v)
	}
	return strconv.FormatFloat(round(v), 'f', -1, 64)
}

func thousands(v float64) string {
	text := strconv.FormatInt(int64(v+0.5), 10)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// writeJSON writes build/bench/rules.json.
func writeJSON(path string, all []line) error {
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return os.WriteFile(path, append(data, '\n'), 0o600)
}
