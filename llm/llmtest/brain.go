package llmtest

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"sync"
)

// Brain answers a valid request. It is called from many goroutines at once.
type Brain func(r *Request) Answer

// Answer is what a model says: a text, or the wish to use tools.
type Answer struct {
	Text   string
	Calls  []ToolCall // an empty ID is filled in
	Output int64      // tokens; 0: counted by [Tokens]
}

// Script answers in the order of requests; the last answer is given again and again.
func Script(answers ...Answer) Brain {
	var mu sync.Mutex
	next := 0
	return func(*Request) Answer {
		mu.Lock()
		defer mu.Unlock()
		if len(answers) == 0 {
			return Answer{}
		}
		a := answers[min(next, len(answers)-1)]
		next++
		a.Calls = slices.Clone(a.Calls)
		return a
	}
}

// Oracle answers every kind of question with a judgement that a test knows.
func Oracle(judge func(r *Request) Opinion) Brain {
	return func(r *Request) Answer { return judge(r).Answer(r) }
}

// Opinion is a judgement of an alert, from which the answer to every kind of question follows.
type Opinion struct {
	Disposition string // of the six names; "" is Undetermined
	Confidence  int
	Techniques  []string // ATT&CK ids
	Cite        []string // fields to cite, where the alert shows them; none: up to three that it shows
	Text        string   // said wherever a text is wanted
	Vote        string   // "": follows from the disposition
}

const (
	maxCited     = 20
	citedAtWill  = 3
	maxCiteValue = 400 // bytes: longer values may have been cut on the way here
	defaultText  = "what the fields show"
)

type cited struct {
	Field string `json:"field"`
	Value string `json:"value"`
}

type statement struct {
	Text  string `json:"text"`
	Field string `json:"field"`
}

// Answer puts the opinion into the JSON of the request's kind. Of a kind that is not known, the answer
// is that of classify.
func (o Opinion) Answer(r *Request) Answer {
	o.Disposition, o.Text = cmp.Or(o.Disposition, "Undetermined"), cmp.Or(o.Text, defaultText)
	evidence := o.evidence(r.Fields)
	doc := object{}
	switch r.Kind {
	case "enrich":
		o.enrich(doc, evidence)
	case "correlate":
		o.correlate(doc, evidence)
	case "vote":
		fields := []string{}
		for _, e := range evidence {
			fields = append(fields, e.Field)
		}
		doc = object{"vote": o.vote(), "confidence": o.Confidence, "reason": o.Text, "fields": slices.Compact(fields)}
	case "coordinate":
		o.judge(doc)
	case "correlate_classify":
		o.correlate(doc, evidence)
		fallthrough
	default:
		o.judge(doc)
		doc["evidence"], doc["recommendations"] = evidence, []any{}
	}
	text, err := json.Marshal(doc)
	if err != nil {
		panic("llmtest: " + err.Error()) // the values are texts and numbers
	}
	return Answer{Text: string(text)}
}

func (o *Opinion) enrich(doc object, evidence []cited) {
	severity, sensitivity := 1, "low"
	if !o.harmless() {
		severity, sensitivity = 4, "unknown"
	}
	doc["asset"], doc["owner"], doc["sensitivity"], doc["severity"] = "", "", sensitivity, severity
	doc["facts"], doc["assumptions"] = o.statements(evidence), []string{}
}

func (o *Opinion) correlate(doc object, evidence []cited) {
	techniques := []object{}
	for _, id := range o.Techniques {
		techniques = append(techniques, object{"id": id, "confidence": o.Confidence})
	}
	doc["techniques"], doc["signals"] = techniques, o.statements(evidence)
}

func (o *Opinion) judge(doc object) {
	doc["disposition"], doc["confidence"] = o.Disposition, o.Confidence
	doc["case"] = object{"what": o.Text, "why": o.Text, "first_response": o.Text}
}

func (o *Opinion) statements(evidence []cited) []statement {
	out := []statement{}
	for _, e := range evidence {
		out = append(out, statement{o.Text, e.Field})
	}
	return out
}

func (o *Opinion) harmless() bool {
	return slices.Contains([]string{"BenignPositive", "FalsePositiveLogic", "FalsePositiveData"}, o.Disposition)
}

func (o *Opinion) vote() string {
	switch {
	case o.Vote != "":
		return o.Vote
	case o.harmless():
		return "SAFE"
	case o.Disposition == "TruePositive":
		return "MALICIOUS"
	}
	return "ABSTAIN"
}

// evidence cites fields with a value to the letter.
func (o *Opinion) evidence(fields map[string][]string) []cited {
	names, most := o.Cite, maxCited
	if len(names) == 0 {
		names, most = slices.Sorted(maps.Keys(fields)), citedAtWill
	}
	out := []cited{}
	for _, name := range names {
		for _, v := range fields[name] {
			if len(out) < most && v != "" && len(v) <= maxCiteValue {
				out = append(out, cited{name, v})
				break
			}
		}
	}
	return out
}
