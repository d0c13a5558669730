package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"charm.land/lipgloss/v2"
	"charm.land/lipgloss/v2/table"
	"github.com/charmbracelet/colorprofile"
	"golang.org/x/term"
)

// How commands speak: results go to standard output, everything else to standard error. People at
// a terminal get tables with colours, pipes get the same text plain, and --format json is stable.
// An error says what, where and the way out, in one line, with hints on lines of their own.

// console is what a command may touch of the world.
type console struct {
	in     io.Reader
	out    io.Writer
	err    io.Writer
	getenv func(string) string
	now    func() time.Time
	quiet  bool
}

// Exit codes, as in the manual.
const (
	exitOK     = 0
	exitFailed = 1 // a check, test or backtest failed
	exitUsage  = 2 // wrong usage or configuration
	exitCannot = 3 // could not do the work
)

// exitError is an error that knows its exit code.
type exitError struct {
	code  int
	err   error
	hints []string
}

func (e *exitError) Error() string { return e.err.Error() }
func (e *exitError) Unwrap() error { return e.err }

// usage marks an error as wrong usage or configuration.
func usage(err error, hints ...string) error {
	if err == nil {
		return nil
	}
	return &exitError{exitUsage, err, hints}
}

// failed says that the command did its work and the answer is no.
func failed(format string, args ...any) error {
	return &exitError{exitFailed, fmt.Errorf(format, args...), nil}
}

// report prints an error and returns the exit code.
func (c *console) report(err error) int {
	if err == nil {
		return exitOK
	}
	code := exitCannot
	var e *exitError
	if errors.As(err, &e) {
		code = e.code
	}
	fmt.Fprintf(c.err, "winnow: %s\n", plain(err.Error()))
	if e != nil {
		for _, h := range e.hints {
			fmt.Fprintf(c.err, "hint: %s\n", h)
		}
	}
	return code
}

// note tells people what is going on; --quiet silences it.
func (c *console) note(format string, args ...any) {
	if !c.quiet {
		fmt.Fprintf(c.err, format+"\n", args...)
	}
}

// things says how many there are, in the right number: "1 list is", "2 lists are".
func things(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return fmt.Sprintf("%d %s", n, many)
}

// print writes a line of the result.
func (c *console) print(format string, args ...any) {
	fmt.Fprintf(c.out, format+"\n", args...)
}

// styled returns the writer that drops colours where they do not belong.
func (c *console) styled() io.Writer {
	return colorprofile.NewWriter(c.out, os.Environ())
}

// json writes one value on one line.
func (c *console) json(v any) error {
	var line bytes.Buffer
	enc := json.NewEncoder(&line)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		return err
	}
	_, err := c.out.Write(escapeControls(line.Bytes()))
	return err
}

// escapeControls escapes, in JSON, the control characters that JSON itself lets through and a terminal may
// obey: DEL, those from 0x80 on, and those that turn the direction of text. The value stays the
// same.
func escapeControls(body []byte) []byte {
	if !bytes.ContainsFunc(body, loud) {
		return body
	}
	var b bytes.Buffer
	for _, r := range string(body) {
		if loud(r) {
			fmt.Fprintf(&b, "\\u%04x", r)
		} else {
			b.WriteRune(r)
		}
	}
	return b.Bytes()
}

func loud(r rune) bool { return r >= 0x7f && control(r) }

// control reports whether a terminal might obey a character instead of showing it.
func control(r rune) bool {
	return r < 0x20 || r >= 0x7f && r < 0xa0 || r >= 0x202a && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

var (
	bold   = lipgloss.NewStyle().Bold(true)
	dim    = lipgloss.NewStyle().Faint(true)
	green  = lipgloss.NewStyle().Foreground(lipgloss.Color("2"))
	yellow = lipgloss.NewStyle().Foreground(lipgloss.Color("3"))
	red    = lipgloss.NewStyle().Foreground(lipgloss.Color("1"))
)

// grid is a table that prints as text or CSV.
type grid struct {
	head []string
	rows [][]string
	num  map[int]bool // columns of numbers, to the right
}

func (g *grid) add(cells ...string) {
	for i := range cells {
		cells[i] = plain(cells[i])
	}
	g.rows = append(g.rows, cells)
}

// text writes the table for people.
func (c *console) text(g *grid) {
	t := table.New().Headers(g.head...).Rows(g.rows...).
		Border(lipgloss.HiddenBorder()).BorderTop(false).BorderBottom(false).BorderLeft(false).BorderRight(false).
		BorderHeader(false).BorderColumn(false).
		StyleFunc(func(row, col int) lipgloss.Style {
			s := lipgloss.NewStyle().PaddingRight(2)
			if g.num[col] {
				s = s.Align(lipgloss.Right)
			}
			if row == table.HeaderRow {
				return s.Faint(true)
			}
			return s
		})
	w := c.styled()
	for line := range strings.Lines(t.String() + "\n") {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

// csv writes the table for spreadsheets. A cell that a spreadsheet would run as a formula gets an
// apostrophe in front.
func (c *console) csv(g *grid) error {
	return c.csvRows(g, true, new(bool))
}

// csvRows writes the rows, with the header first when it is wanted; done is set then.
func (c *console) csvRows(g *grid, header bool, done *bool) error {
	w := csv.NewWriter(c.out)
	if header {
		*done = true
		if err := w.Write(g.head); err != nil {
			return err
		}
	}
	for _, row := range g.rows {
		safe := make([]string, len(row))
		for i, cell := range row {
			if !g.num[i] {
				cell = defused(cell)
			}
			safe[i] = cell
		}
		if err := w.Write(safe); err != nil {
			return err
		}
	}
	w.Flush()
	return w.Error()
}

// defused keeps a spreadsheet from running a cell as a formula.
func defused(cell string) string {
	if formula(cell) {
		return "'" + cell
	}
	return cell
}

// formula reports whether a spreadsheet might run a cell, also one that starts with blanks, or
// with the wide form of a character.
func formula(cell string) bool {
	r, _ := utf8.DecodeRuneInString(strings.TrimLeft(cell, " \t\r\n\u00a0\u3000"))
	return cell != "" && strings.ContainsRune("=+-@\uff1d\uff0b\uff0d\uff20", r)
}

// plain makes text from an alert or an error safe for a terminal: control characters, which could
// move the cursor or change colours, are shown as what they are.
func plain(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r == '\n' || r == '\t':
			b.WriteRune(r)
		case control(r):
			fmt.Fprintf(&b, "\\u%04x", r)
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// oneLine is plain on one line, cut to n characters.
func oneLine(s string, n int) string {
	r := []rune(plain(strings.Join(strings.Fields(s), " ")))
	if len(r) > n {
		return string(r[:n-1]) + "…"
	}
	return string(r)
}

// terminal reports whether w is a terminal.
func terminal(w any) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
