package llm

import (
	"fmt"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
)

func TestStrictAnswers(t *testing.T) {
	const good = `{"vote":"SAFE","confidence":90,"reason":"ours","fields":["src"]}`
	tests := []struct{ name, json, want string }{
		{"good", good, ""},
		{"white space", " {\n \"vote\" : \"ABSTAIN\", \"confidence\":0,\"reason\":\"\",\"fields\":[] }\n", ""},
		{"empty", ``, "not one JSON value"},
		{"prose around", "Sure! " + good, "not one JSON value"},
		{"two objects", good + good, "not one JSON value"},
		{"fence", "```json\n" + good + "\n```", "not one JSON value"},
		{"a list", `[` + good + `]`, "cannot unmarshal"},
		{"null", `null`, `vote is ""`},
		{"unknown key", `{"vote":"SAFE","confidence":90,"reason":"","fields":["src"],"close":true}`, "unknown field"},
		{"key twice", `{"vote":"MALICIOUS","vote":"SAFE","confidence":90,"reason":"","fields":["src"]}`, "written twice"},
		{"key in other case", `{"Vote":"SAFE","confidence":90,"reason":"","fields":["src"]}`, `unknown key "Vote"`},
		{"escaped key", `{"vot\u0065":"SAFE","confidence":90,"reason":"","fields":["src"]}`, "unknown key"},
		{"enum in other case", `{"vote":"safe","confidence":90,"reason":"","fields":["src"]}`, "vote is"},
		{"confidence too high", `{"vote":"SAFE","confidence":101,"reason":"","fields":["src"]}`, "confidence is 101"},
		{"confidence as text", `{"vote":"SAFE","confidence":"90","reason":"","fields":["src"]}`, "cannot unmarshal"},
		{"confidence with a fraction", `{"vote":"SAFE","confidence":90.5,"reason":"","fields":["src"]}`, "cannot unmarshal"},
		{"field not in the alert", `{"vote":"SAFE","confidence":90,"reason":"","fields":["dest"]}`, "does not have"},
		{"too long", `{"vote":"SAFE","confidence":90,"reason":"` + strings.Repeat("a", maxTextRunes+1) + `","fields":["src"]}`, "longer than"},
		{"far too long", good + strings.Repeat(" ", maxAnswerBytes), "at most"},
		{"too many fields", `{"vote":"SAFE","confidence":90,"reason":"","fields":["src"` + strings.Repeat(`,"src"`, maxItems) + `]}`, "at most"},
		{"too deep", strings.Repeat(`[`, 9) + strings.Repeat(`]`, 9), "nested deeper"},
	}
	q := Question{Task: TaskVote, Agent: "network", Case: &Case{Alert: &winnow.Alert{Fields: winnow.Fields{"src": {"10.0.0.1"}}}}}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var b Ballot
			err := decode(q, benignScript(winnow.SourceModel), []byte(tt.json), mustCatalogue(t), &b)
			if tt.want == "" {
				if err != nil {
					t.Fatal(err)
				}
				return
			}
			if err == nil || !strings.Contains(err.Error(), tt.want) || !strings.HasPrefix(err.Error(), "vote answer of test-model/network: ") {
				t.Errorf("err %v, want %q", err, tt.want)
			}
			if b.Vote != "" || b.Fields != nil {
				t.Errorf("a refused answer left %+v", b)
			}
		})
	}
}

func TestAnswersOfTheStages(t *testing.T) {
	c := &Case{Alert: &winnow.Alert{Fields: winnow.Fields{"src": {"10.0.0.1"}}}}
	s := benignScript(winnow.SourceModel)
	for name, tt := range map[string]struct {
		task     Task
		old, now string
		want     string
	}{
		"sensitivity":        {TaskEnrich, `"sensitivity":"low"`, `"sensitivity":"none"`, "sensitivity is"},
		"severity":           {TaskEnrich, `"severity":1`, `"severity":0`, "severity is 0"},
		"fact without field": {TaskEnrich, `"field":"src"`, `"field":"nope"`, "does not have"},
		"technique twice":    {TaskCorrelate, `{"id":"T1078","confidence":60}`, `{"id":"T1078","confidence":60},{"id":"T1078","confidence":60}`, "named twice"},
		"disposition":        {TaskClassify, `"BenignPositive"`, `"benign"`, "disposition is"},
		"case":               {TaskClassify, `"what":"a login"`, `"what":""`, "case needs"},
		"advice":             {TaskClassify, `"kind":"monitor"`, `"kind":"delete"`, "recommendation is"},
		"block nothing":      {TaskClassify, `"kind":"monitor","field":"src"`, `"kind":"block","field":""`, "names no field"},
		"advice on a field":  {TaskClassify, `"kind":"monitor","field":"src"`, `"kind":"block","field":"victim"`, "does not have"},
		"resolution":         {TaskCoordinate, `"BenignPositive"`, `"Closed"`, "disposition is"},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(s.answers[string(tt.task)], tt.old, tt.now, 1)
			err := decodeAny(Question{Task: tt.task, Case: c}, s, text, mustCatalogue(t))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("err %v, want %q", err, tt.want)
			}
		})
	}
}

func decodeAny(q Question, m Model, text string, cat *Catalogue) error {
	switch q.Task {
	case TaskEnrich:
		return decode(q, m, []byte(text), cat, &Enrichment{})
	case TaskCorrelate:
		return decode(q, m, []byte(text), cat, &Correlation{})
	case TaskClassify:
		return decode(q, m, []byte(text), cat, &Classification{})
	case TaskVote:
		return decode(q, m, []byte(text), cat, &Ballot{})
	case TaskCoordinate:
		return decode(q, m, []byte(text), cat, &Resolution{})
	}
	return fmt.Errorf("no task %q", q.Task)
}

func TestTextsBecomeOneLine(t *testing.T) {
	for in, want := range map[string]string{
		"plain": "plain", " two\nlines\t": "two lines", "a\x1b[2Kb": "a [2Kb", "rtl\u202etxt": "rtl txt", "é": "é", "zero\u200bwidth": "zero width",
	} {
		if got := oneLine(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// FuzzAnswer: whatever the text, what is decoded names known dispositions, active techniques,
// known votes and fields of the alert only.
func FuzzAnswer(f *testing.F) {
	for _, text := range benignScript(winnow.SourceModel).answers {
		f.Add(text)
	}
	f.Add(`{"disposition":"TruePositive","disposition":"BenignPositive"}`)
	f.Add(`{"techniques":[{"id":"T1086","confidence":1}],"signals":null}`)
	cat, s := mustCatalogue(f), benignScript(winnow.SourceModel)
	c := &Case{Alert: &winnow.Alert{Fields: winnow.Fields{"src": {"10.8.0.4"}, "user": {"ann"}}}}
	f.Fuzz(func(t *testing.T, text string) {
		var cl Classification
		if decode(Question{Task: TaskClassify, Case: c}, s, []byte(text), cat, &cl) == nil {
			if _, err := winnow.ParseDisposition(string(cl.Disposition)); err != nil || cl.Confidence < 0 || cl.Confidence > 100 {
				t.Errorf("accepted %+v", cl)
			}
		}
		var co Correlation
		if decode(Question{Task: TaskCorrelate, Case: c}, s, []byte(text), cat, &co) == nil {
			for _, id := range co.IDs() {
				if at, ok := cat.Technique(id); !ok || !at.Active {
					t.Errorf("accepted technique %q", id)
				}
			}
		}
		var b Ballot
		if decode(Question{Task: TaskVote, Case: c}, s, []byte(text), cat, &b) == nil {
			for _, field := range b.Fields {
				if len(c.Alert.Fields[field]) == 0 {
					t.Errorf("accepted field %q", field)
				}
			}
		}
	})
}
