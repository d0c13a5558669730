package stash

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
)

// Texts of the file format. The breaker has two spaces after its first part.
const (
	headerMark = "***SPLUNK***"
	idMark     = "***Common Action Model***"
	breaker    = "==##~~##~~  1E8N3D4E6V5E7N2T9 ~~##~~##=="
)

// MaxEvents is how many events Splunk takes in one stash file.
const MaxEvents = 50_000

// File is a stash file: events for one index.
type File struct {
	Index  string
	Host   string
	Source string
	Action *Action // nil: a plain .stash_new file, which every Splunk reads
	Events []Event
}

// Action names the alert action that made the events, for the .stash_common_action_model format.
// Only a Splunk with the Common Information Model app reads that one.
type Action struct {
	Name string
	SID  string
	RID  string
}

// Bytes renders the file. More than MaxEvents events are an error.
func (f File) Bytes() ([]byte, error) {
	if len(f.Events) > MaxEvents {
		return nil, fmt.Errorf("stash file of %d events, at most %d: write several", len(f.Events), MaxEvents)
	}
	out := []byte(headerMark)
	out = appendHeader(out, "index", f.Index)
	out = appendHeader(out, "host", f.Host)
	out = appendHeader(out, "source", f.Source)
	for _, e := range f.Events {
		out = append(out, "\n"+breaker+"\n"...)
		out = f.Action.append(out)
		out = e.Append(out)
	}
	return append(out, '\n'), nil
}

func (a *Action) append(out []byte) []byte {
	if a == nil {
		return out
	}
	out = append(out, idMark...)
	out = appendHeader(out, "orig_action_name", a.Name)
	out = appendHeader(out, "orig_sid", a.SID)
	out = appendHeader(out, "orig_rid", a.RID)
	return append(out, " sourcetype=\"stash\"\n"...)
}

func appendHeader(out []byte, key, value string) []byte {
	if value == "" {
		return out
	}
	out = append(out, ' ')
	out = append(out, key...)
	out = append(out, '=', '"')
	out = append(out, neutral(headerValue(value))...)
	return append(out, '"')
}

// headerValue has no escapes in this format: quotes and control characters become underscores.
func headerValue(value string) string {
	return strings.Map(func(r rune) rune {
		if r == '"' || r < ' ' || r == 0x7f {
			return '_'
		}
		return r
	}, strings.ToValidUTF8(value, "_"))
}

// Name returns the name of the file that a key is written to.
func (f File) Name(key string) string {
	sum := sha256.Sum256([]byte(key))
	ext := ".stash_new"
	if f.Action != nil {
		ext = ".stash_common_action_model"
	}
	return "winnow_" + hex.EncodeToString(sum[:16]) + ext
}
