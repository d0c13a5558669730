package splunk

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
)

// Input is a modular input: a program that splunkd describes, checks and runs. Splunk calls it in
// three ways: with --scheme to learn what it is, with --validate-arguments and an XML document on
// stdin to check a new stanza, and without arguments and a document on stdin to run.
type Input struct {
	Scheme Scheme

	// Validate checks one stanza before it is saved; nil takes everything.
	Validate func(ctx context.Context, item InputConfig) error

	// Run does the work until ctx ends. splunkd ends an input with SIGTERM, which the caller
	// turns into the end of ctx.
	Run func(ctx context.Context, conf InputConfig, out *EventWriter) error
}

// Scheme is what an input says of itself.
type Scheme struct {
	Title       string
	Description string
	Single      bool // one process for all stanzas of the input, not one for each
	Validates   bool // splunkd calls --validate-arguments
	Args        []Arg
}

// Arg is one parameter of a stanza.
type Arg struct {
	Name        string
	Title       string
	Description string
	DataType    string // string, number or boolean; string if empty
	Required    bool   // when a stanza is made
}

// IO is what an input speaks over. None is closed.
type IO struct {
	Stdin          io.Reader
	Stdout, Stderr io.Writer
}

// Main answers one call of splunkd and returns the exit code: 0 fine, 1 failed, 2 wrong arguments
// or unreadable configuration. What went wrong is on stderr, in the form splunkd logs.
func (in *Input) Main(ctx context.Context, args []string, std IO) int {
	log := NewLevelWriter(std.Stderr)
	switch {
	case len(args) == 1 && args[0] == "--scheme":
		if err := in.Scheme.Write(std.Stdout); err != nil {
			log.Error("write scheme: %v", err)
			return 1
		}
		return 0
	case len(args) == 1 && args[0] == "--validate-arguments":
		return in.validate(ctx, std)
	case len(args) == 0:
		return in.run(ctx, std, log)
	}
	log.Error("unknown arguments %q: want --scheme, --validate-arguments or none", args)
	return 2
}

func (in *Input) validate(ctx context.Context, std IO) int {
	conf, err := ParseInputConfig(std.Stdin)
	if err == nil && in.Validate != nil {
		err = in.Validate(ctx, conf)
	}
	if err == nil {
		return 0
	}
	// splunkd shows this message in the form the person filled in.
	answer := struct {
		XMLName xml.Name `xml:"error"`
		Message string   `xml:"message"`
	}{Message: plain(err.Error(), 4*maxMessage)}
	if body, err := xml.Marshal(answer); err == nil {
		_, _ = std.Stdout.Write(body)
	}
	return 1
}

func (in *Input) run(ctx context.Context, std IO, log *LevelWriter) int {
	conf, err := ParseInputConfig(std.Stdin)
	if err != nil {
		log.Error("%v", err)
		return 2
	}
	out := NewEventWriter(std.Stdout)
	err = in.Run(ctx, conf, out)
	err = errors.Join(err, out.Close())
	if err != nil && (ctx.Err() == nil || !errors.Is(err, ctx.Err())) {
		log.Error("%v", err)
		return 1
	}
	return 0
}

// WorkerScheme describes winnow://, the worker: one process on every host, since each works off
// the spool of its own host. A cluster must not run it on one member only.
func WorkerScheme() Scheme {
	return Scheme{
		Title:       "winnow worker",
		Description: "Triages the alerts that winnow_triage stored, and writes the verdicts back.",
		Single:      true,
		Validates:   true,
		Args: []Arg{{
			Name: "run_only_one", Title: "Run on one member only", DataType: "boolean",
			Description: "Leave at false: alerts are stored on the member that fired them.",
		}},
	}
}

type schemeXML struct {
	XMLName       xml.Name `xml:"scheme"`
	Title         string   `xml:"title"`
	Description   string   `xml:"description,omitempty"`
	UseExternal   bool     `xml:"use_external_validation"`
	StreamingMode string   `xml:"streaming_mode"`
	UseSingle     bool     `xml:"use_single_instance"`
	Args          []argXML `xml:"endpoint>args>arg"`
}

type argXML struct {
	Name        string `xml:"name,attr"`
	Title       string `xml:"title,omitempty"`
	Description string `xml:"description,omitempty"`
	DataType    string `xml:"data_type"`
	OnEdit      bool   `xml:"required_on_edit"`
	OnCreate    bool   `xml:"required_on_create"`
}

// Write writes the scheme as splunkd reads it.
func (s Scheme) Write(w io.Writer) error {
	doc := schemeXML{
		Title: s.Title, Description: s.Description, UseExternal: s.Validates,
		StreamingMode: "xml", UseSingle: s.Single,
	}
	for _, a := range s.Args {
		if a.DataType == "" {
			a.DataType = "string"
		}
		doc.Args = append(doc.Args, argXML{
			Name: a.Name, Title: a.Title, Description: a.Description, DataType: a.DataType, OnCreate: a.Required,
		})
	}
	body, err := xml.MarshalIndent(doc, "", "  ")
	if err != nil {
		return err
	}
	_, err = w.Write(append(body, '\n'))
	return err
}

// LevelWriter writes lines that splunkd logs under the level they begin with. Each line is one
// write and stays one line whatever it is made of. It is safe for concurrent use.
type LevelWriter struct {
	mu sync.Mutex
	w  io.Writer
}

// NewLevelWriter writes to w, the stderr that splunkd reads.
func NewLevelWriter(w io.Writer) *LevelWriter { return &LevelWriter{w: w} }

// Debug, Info, Warn and Error write one line of their level.
func (l *LevelWriter) Debug(format string, args ...any) { l.write("DEBUG", format, args) }

// Info writes one line.
func (l *LevelWriter) Info(format string, args ...any) { l.write("INFO", format, args) }

// Warn writes one line.
func (l *LevelWriter) Warn(format string, args ...any) { l.write("WARN", format, args) }

// Error writes one line.
func (l *LevelWriter) Error(format string, args ...any) { l.write("ERROR", format, args) }

// maxLine keeps a line below the size at which splunkd cuts it.
const maxLine = 8 << 10

func (l *LevelWriter) write(level, format string, args []any) {
	line := level + " " + plain(strings.TrimSpace(fmt.Sprintf(format, args...)), maxLine) + "\n"
	l.mu.Lock()
	defer l.mu.Unlock()
	_, _ = io.WriteString(l.w, line) // there is nowhere else to say it
}
