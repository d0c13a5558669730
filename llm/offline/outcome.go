package offline

import (
	"slices"
	"strings"
)

// readResult reads how the attempt ended. Contradictions, and words nobody knows, are unknown.
func (v *view) readResult() result {
	out := resultUnknown
	for _, field := range concepts["result"] {
		for _, value := range v.c.Alert.Fields[field] {
			r := resultOf(field, strings.ToLower(value))
			if r == resultUnknown {
				continue
			}
			if out != resultUnknown && out != r {
				return resultUnknown
			}
			out = r
		}
	}
	return out
}

func resultOf(field, value string) result {
	switch {
	case slices.Contains(stoppedWords, value), field == "errorCode":
		return resultStopped
	case slices.Contains(doneWords, value):
		return resultDone
	}
	return resultUnknown
}

func (v *view) stopped() bool { return v.result == resultStopped }
func (v *view) done() bool    { return v.result == resultDone }
