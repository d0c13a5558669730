package alertaction

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/winnow-soc/winnow"
)

// The small objects of a record, written as encoding/json writes them, to the byte: it first works
// out how, by reflection, which for a process that writes one of each takes longer than the writing.

func (h Header) appendJSON(out []byte) []byte {
	out = append(out, `{"version":`...)
	out = strconv.AppendInt(out, int64(h.Version), 10)
	out = appendMember(out, "kind", string(h.Kind))
	out = appendMember(out, "id", h.ID)
	out = appendMember(out, "received", h.Received.Format(time.RFC3339Nano))
	out = appendMember(out, "decide_by", h.DecideBy.Format(time.RFC3339Nano))
	out = appendMember(out, "host", h.Host)
	out = appendMember(out, "severity", h.Severity.String())
	out = appendMember(out, "unread", h.Unread)
	if h.Unconfigured {
		out = append(out, `,"unconfigured":true`...)
	}
	return append(out, '}')
}

func (t Trailer) appendJSON(out []byte) []byte {
	out = append(out, `{"rows":`...)
	out = strconv.AppendInt(out, int64(t.Rows), 10)
	out = append(out, `,"loss_notable":`...)
	out = strconv.AppendBool(out, t.LossNotable)
	return append(out, '}')
}

func appendProposal(out []byte, p winnow.Proposal) []byte {
	out = append(out, `{"kind":`...)
	out = appendText(out, string(p.Kind))
	out = appendMember(out, "reason", string(p.Reason))
	out = appendMember(out, "rule", p.Rule)
	out = appendMember(out, "ruleset", p.RuleSet)
	return append(out, '}')
}

// appendMember adds a member that is not the first. name needs no escapes.
func appendMember(out []byte, name, value string) []byte {
	out = append(out, `,"`...)
	out = append(out, name...)
	out = append(out, `":`...)
	return appendText(out, value)
}

func appendText(out []byte, text string) []byte {
	for _, c := range []byte(text) {
		if c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			quoted, err := json.Marshal(text)
			if err != nil {
				quoted = []byte(`""`) // a string always encodes
			}
			return append(out, quoted...)
		}
	}
	out = append(out, '"')
	out = append(out, text...)
	return append(out, '"')
}
