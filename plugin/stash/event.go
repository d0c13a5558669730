// Package stash writes what splunkd reads from files and pipes: stash files with notable events,
// the audit log of alert actions, and the lines of the alert action's stderr. It uses no network.
//
// Every value that goes into an event or a line was possibly chosen by an attacker. Two promises
// hold for all of them: a value cannot end its own event, key or line, and a field of an alert
// cannot pass for one that winnow or Enterprise Security sets.
package stash

import (
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
)

// Event is one event of a stash file.
type Event struct {
	Time       time.Time // what Splunk will index as _time
	SearchName string
	Control    winnow.Fields // written as they are; the caller vouches for the names
	Fields     winnow.Fields // the alert's own; renamed where they would pass for something else
}

// Append writes the event in the format of Splunk's summary indexing: the time, the name of the
// search, then k="v" pairs sorted by key, a key once for each of its values. Empty values are left
// out.
func (e Event) Append(dst []byte) []byte {
	start := len(dst)
	dst = strconv.AppendFloat(dst, float64(e.Time.UnixMilli())/1000, 'f', 3, 64)
	dst = appendPair(dst, "search_name", e.SearchName)
	all := e.All()
	for _, name := range all.Names() {
		for _, value := range all[name] {
			dst = appendPair(dst, name, value)
		}
	}
	return append(dst[:start], neutral(string(dst[start:]))...)
}

// All returns the event's fields under the keys that they are written with: no field of the alert has the key
// of one in Control, or of one that Splunk, Enterprise Security or winnow give a meaning.
func (e Event) All() winnow.Fields {
	all := make(winnow.Fields, len(e.Control)+len(e.Fields))
	maps.Copy(all, e.Control)
	for _, name := range e.Fields.Names() {
		if key := fieldKey(name, e.Control); key != "" {
			all[key] = append(slices.Clip(all[key]), e.Fields[name]...)
		}
	}
	return all
}

func appendPair(dst []byte, key, value string) []byte {
	if value == "" {
		return dst
	}
	dst = append(dst, ", "...)
	dst = append(dst, key...)
	dst = append(dst, '=', '"')
	dst = appendEscaped(dst, value)
	return append(dst, '"')
}

// appendEscaped writes a value between quotes. Line breaks stay, as Splunk keeps them, in one
// form; other control characters become spaces, and bytes that are not UTF-8 the replacement
// character.
func appendEscaped(dst []byte, value string) []byte {
	value = strings.ToValidUTF8(value, "\uFFFD")
	for i := range len(value) {
		switch c := value[i]; {
		case c == '\\' || c == '"':
			dst = append(dst, '\\', c)
		case c == '\r' && i+1 < len(value) && value[i+1] == '\n':
		case c == '\r':
			dst = append(dst, '\n')
		case c < ' ' && c != '\n' && c != '\t', c == 0x7f:
			dst = append(dst, ' ')
		default:
			dst = append(dst, c)
		}
	}
	return dst
}

// neutral takes apart the texts that mean something to Splunk's reader of stash files, wherever
// in an event they stand.
func neutral(event string) string {
	for _, text := range []struct{ is, becomes string }{
		{"==##~~##~~", "==##~~_##~~"},
		{"***SPLUNK***", "***_SPLUNK_***"},
		{"***Common Action Model***", "***_Common Action Model_***"},
	} {
		event = strings.ReplaceAll(event, text.is, text.becomes)
	}
	return event
}

// fieldKey returns the key under which an alert's own field is written: "" for those that Splunk
// drops, orig_NAME for those that would pass for one of Splunk's, Enterprise Security's or winnow's.
func fieldKey(name string, control winnow.Fields) string {
	if dropped(name) {
		return ""
	}
	key := cleanKey(name)
	if renamed(name, key) {
		key = "orig_" + key
	}
	for control[key] != nil {
		key = "orig_" + key
	}
	return key
}

// dropped says which fields describe the search that found the row and not the row itself.
func dropped(name string) bool {
	switch name {
	case "_bkt", "_cd", "_raw", "_time":
		return false
	case "punct", "sid", "rid", "orig_sid", "orig_rid":
		return true
	}
	return strings.HasPrefix(name, "_") || strings.HasPrefix(name, "date_")
}

// cleanKey keeps what Splunk's key extraction keeps, so that no key turns into another one when
// it is read: letters, digits, and _ . : inside; neither digits nor signs in front. A name of which
// nothing is left becomes "field".
func cleanKey(name string) string {
	key := []byte(name)
	for i, c := range key {
		if !alphanumeric(c) && c != '.' && c != ':' {
			key[i] = '_'
		}
	}
	if clean := strings.TrimLeft(string(key), "_.:0123456789"); clean != "" {
		return clean
	}
	return "field"
}

func alphanumeric(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// renamed reports whether a field must not be written under its own key. Keys are compared as
// Splunk may clean them: without regard to case, signs as underscores.
func renamed(name, key string) bool {
	if strings.HasPrefix(name, "_") || strings.HasPrefix(name, "tag::") {
		return true
	}
	plain := strings.ToLower(strings.NewReplacer(".", "_", ":", "_").Replace(key))
	for _, prefix := range []string{"winnow", "rule_", "drilldown", "orig_sid", "orig_rid", "orig_action_name"} {
		if strings.HasPrefix(plain, prefix) {
			return true
		}
	}
	return slices.Contains(reserved, plain)
}

// reserved are the keys that Splunk or Enterprise Security give a meaning of their own.
var reserved = []string{
	"splunk_server", "index", "source", "sourcetype", "host", "linecount", "timestartpos", "timeendpos",
	"eventtype", "tag", "search_name", "event_hash", "event_id", "indexer_guid",
	"security_domain", "severity", "urgency", "priority", "status", "owner", "default_owner", "default_status",
	"disposition", "comment", "nes_fields", "governance", "control", "next_steps", "recommended_actions",
	"savedsearch_description", "extract_artifacts", "investigation_profiles", "finding_id",
	"info_min_time", "info_max_time", "info_search_time",
}
