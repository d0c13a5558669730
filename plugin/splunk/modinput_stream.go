package splunk

import (
	"encoding/xml"
	"errors"
	"io"
	"strconv"
	"strings"
	"sync"
	"time"
)

// StreamEvent is one event that a modular input gives to splunkd. Empty fields are left to
// inputs.conf.
type StreamEvent struct {
	Stanza     string
	Time       time.Time // zero: Splunk finds it in Data
	Source     string
	Sourcetype string
	Index      string
	Host       string
	Data       string
}

// EventWriter writes events as splunkd's streaming XML. It opens the stream with the first event
// and is safe for concurrent use; each event is one write. After a write that failed it is closed.
type EventWriter struct {
	mu     sync.Mutex
	w      io.Writer
	open   bool
	closed bool
}

// NewEventWriter writes to w, the stdout that splunkd reads.
func NewEventWriter(w io.Writer) *EventWriter { return &EventWriter{w: w} }

var errStreamClosed = errors.New("write event: the stream is closed")

type eventXML struct {
	XMLName    xml.Name `xml:"event"`
	Stanza     string   `xml:"stanza,attr,omitempty"`
	Time       string   `xml:"time,omitempty"`
	Source     string   `xml:"source,omitempty"`
	Sourcetype string   `xml:"sourcetype,omitempty"`
	Index      string   `xml:"index,omitempty"`
	Host       string   `xml:"host,omitempty"`
	Data       string   `xml:"data"`
}

// Write writes one event. Characters that XML cannot hold become U+FFFD.
func (w *EventWriter) Write(e StreamEvent) error {
	doc := eventXML{
		Stanza: e.Stanza, Source: e.Source, Sourcetype: e.Sourcetype, Index: e.Index, Host: e.Host,
		Data: strings.ToValidUTF8(e.Data, "\uFFFD"), Time: streamTime(e.Time),
	}
	body, err := xml.Marshal(doc)
	if err != nil {
		return err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed {
		return errStreamClosed
	}
	if !w.open {
		body = append([]byte("<stream>"), body...)
	}
	if _, err := w.w.Write(append(body, '\n')); err != nil {
		w.closed = true // what was cut off would swallow what came after it
		return err
	}
	w.open = true
	return nil
}

// streamTime writes seconds with milliseconds.
func streamTime(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)
}

// Close ends the stream, and writes nothing when it was never opened.
func (w *EventWriter) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.closed || !w.open {
		w.closed = true
		return nil
	}
	w.closed = true
	_, err := io.WriteString(w.w, "</stream>\n")
	return err
}
