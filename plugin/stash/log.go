package stash

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"
	"unicode"
)

// maxLine keeps a line within what a pipe takes in one piece, so that lines of several writers do
// not mix. What is longer is cut, and says so.
const maxLine = 4000

// Logger writes the lines of the alert action's stderr: splunkd takes the level from the first
// word and writes the line to splunkd.log. Each line carries the run's id, sid and rid, because
// splunkd's own lines do not tell runs apart. Safe for concurrent use.
type Logger struct {
	out    *lockedWriter
	prefix string
}

type lockedWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// NewLogger returns a logger for one run. run tells the processes apart.
func NewLogger(w io.Writer, run string) *Logger {
	return &Logger{out: &lockedWriter{w: w}, prefix: " run=" + logValue(run)}
}

// With returns a logger that also names the search job and, unless empty, the row.
func (l *Logger) With(sid, rid string) *Logger {
	prefix := l.prefix + " sid=" + logValue(sid)
	if rid != "" {
		prefix += " rid=" + logValue(rid)
	}
	return &Logger{out: l.out, prefix: prefix}
}

// Debug, Info, Warn and Error write one line each. The text may hold anything: what would end the
// line or hide a part of it is escaped.
func (l *Logger) Debug(format string, args ...any) { l.write("DEBUG", format, args) }

// Info is [Logger.Debug] at its level.
func (l *Logger) Info(format string, args ...any) { l.write("INFO", format, args) }

// Warn is [Logger.Debug] at its level.
func (l *Logger) Warn(format string, args ...any) { l.write("WARN", format, args) }

// Error is [Logger.Debug] at its level.
func (l *Logger) Error(format string, args ...any) { l.write("ERROR", format, args) }

func (l *Logger) write(level, format string, args []any) {
	line := level + l.prefix + " " + visible(fmt.Sprintf(format, args...))
	if len(line) > maxLine {
		line = strings.ToValidUTF8(line[:maxLine-len("... (cut)")], "") + "... (cut)"
	}
	l.out.mu.Lock()
	defer l.out.mu.Unlock()
	io.WriteString(l.out.w, line+"\n") //nolint:errcheck // there is nowhere else to say it
}

// logValue quotes a value unless it is a plain word.
func logValue(s string) string {
	plain := s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r > 0x7e || r <= ' ' || strings.ContainsRune(`"'=\,`, r)
	})
	if plain {
		return s
	}
	return strconv.QuoteToGraphic(s)
}

// visible escapes what a log or a terminal would act on instead of showing it: control and format
// characters, line separators, bytes that are not UTF-8. Quotes stay as they are.
func visible(s string) string {
	if !strings.ContainsFunc(s, hides) {
		return s
	}
	var b strings.Builder
	for _, r := range s {
		if hides(r) {
			q := strconv.QuoteRuneToASCII(r)
			b.WriteString(q[1 : len(q)-1])
		} else {
			b.WriteRune(r)
		}
	}
	return b.String()
}

func hides(r rune) bool {
	return !unicode.IsGraphic(r) || r == unicode.ReplacementChar
}
