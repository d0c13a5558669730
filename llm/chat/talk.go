package chat

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
	"github.com/winnow-soc/winnow/llm/redact"
)

// talk is the conversation about one question with one backend: the question, rounds of look-ups
// within bounds, and at most one repair.
type talk struct {
	m      *Model
	b      *Backend
	q      llm.Question
	view   *redact.View
	fence  fence
	schema *Schema
	prompt string

	purpose Purpose
	req     *Request
	turn    int // requests sent

	steps    int   // rounds of look-ups
	brought  int64 // tokens that look-ups brought
	closing  bool  // look-ups are used up
	repaired bool

	usage llm.Usage
	model string
	taint []string
}

// problem is why a reply is of no use.
type problem struct {
	reason winnow.Reason
	tell   string // to the model, for the repair
	final  bool   // another try is of no use
}

// run talks until there is an answer that holds, or a reason why there is none.
func (t *talk) run(ctx context.Context) ([]byte, error) {
	for {
		reply, err := t.send(ctx)
		if err != nil {
			return nil, err
		}
		if reply.Stop == StopTools && len(reply.Calls) > 0 && !t.closing {
			t.lookUp(ctx, reply)
			continue
		}
		answer, bad := t.read(reply)
		if bad == nil {
			return answer, nil
		}
		if bad.final || t.repaired {
			return nil, t.declined(bad.reason)
		}
		t.repair(reply, bad)
	}
}

func (t *talk) send(ctx context.Context) (*Reply, error) {
	t.turn++
	t.req.ID = fmt.Sprintf("%s-%s-%s-%d", t.purpose.AlertID, t.q.Task, t.q.Agent, t.turn)
	t.purpose.Before = t.usage.Calls
	reply, used, err := t.b.Caller.Call(ctx, t.purpose, t.req)
	t.usage.Add(used)
	if err != nil {
		return nil, t.failure(err)
	}
	t.model = t.b.Caller.Name()
	if t.fence.seenIn(reply.Text) || slices.ContainsFunc(reply.Calls, func(c ToolCall) bool { return t.fence.seenIn(c.Name + " " + c.Arguments) }) {
		t.noteTaint(tripwire(t.q.Task))
	}
	return reply, nil
}

// failure turns what says that this request will never do into a decision not to ask again.
func (t *talk) failure(err error) error {
	e, ok := errors.AsType[*Error](err)
	switch {
	case !ok:
		return err
	case e.Kind == KindPolicy:
		return t.declined(winnow.ReasonFiltered)
	}
	return err
}

func (t *talk) noteTaint(sign string) {
	if !slices.Contains(t.taint, sign) {
		t.taint = append(t.taint, sign)
	}
}

var declinedDetail = map[winnow.Reason]string{
	winnow.ReasonRefused:   "the model would not answer",
	winnow.ReasonFiltered:  "the provider's content filter took it",
	winnow.ReasonAnswerCut: "the answer was cut at max_output_tokens",
	winnow.ReasonNoAnswer:  "the answer was empty",
	winnow.ReasonToolLoop:  "it went on asking for look-ups",
	winnow.ReasonBadAnswer: "not of the agreed form, also after one repair",
}

func (t *talk) declined(reason winnow.Reason) error {
	return &llm.DeclinedError{Task: t.q.Task, Agent: t.q.Agent, Model: t.m.name, Reason: reason, Detail: declinedDetail[reason]}
}

// read takes the answer out of a reply: of the schema, tokens undone, and of the form that the
// pipeline wants.
func (t *talk) read(r *Reply) ([]byte, *problem) {
	switch r.Stop {
	case StopEnd:
	case StopRefusal:
		return nil, &problem{reason: winnow.ReasonRefused, tell: "This is the triage of an alert in a security operations centre. Judge the data, and answer in the schema; Undetermined and ABSTAIN are good answers."}
	case StopFilter:
		return nil, &problem{reason: winnow.ReasonFiltered, final: true}
	case StopLength:
		return nil, &problem{reason: winnow.ReasonAnswerCut, tell: "Your answer was too long and was cut. Answer in far fewer words."}
	case StopTools:
		return nil, &problem{reason: winnow.ReasonToolLoop, tell: "There are no more look-ups. Answer now with what you have."}
	default:
		return nil, &problem{reason: winnow.ReasonBadAnswer, tell: "Answer with one JSON object of the schema."}
	}
	text := strings.TrimSpace(r.Text)
	if t.b.Form == FormJSON || t.b.Form == FormText {
		text = object(text)
	}
	if text == "" {
		return nil, &problem{reason: winnow.ReasonNoAnswer, tell: "Your answer was empty. Answer with one JSON object of the schema."}
	}
	return t.accept([]byte(text))
}

func (t *talk) accept(text []byte) ([]byte, *problem) {
	bad := func(err error) *problem {
		return &problem{reason: winnow.ReasonBadAnswer, tell: "Your answer cannot be used: " + t.view.Hide(err.Error()) +
			"\nAnswer again with one JSON object of the schema and nothing else."}
	}
	if err := t.schema.validate(text); err != nil {
		return nil, bad(err)
	}
	undone, err := t.view.UndoJSON(text)
	if err != nil {
		return nil, bad(err)
	}
	if t.q.Check != nil {
		if err := t.q.Check(undone); err != nil {
			return nil, bad(err)
		}
	}
	return undone, nil
}

// object returns the text from the first brace to the last: models without a strict form wrap
// their answer in prose or in a code fence.
func object(text string) string {
	from, to := strings.IndexByte(text, '{'), strings.LastIndexByte(text, '}')
	if from < 0 || to < from {
		return text
	}
	return text[from : to+1]
}

// maxEcho bounds what of a bad answer goes back to the model with the request to mend it.
const maxEcho = 8 << 10

// repair asks once more, and says what was wrong.
func (t *talk) repair(r *Reply, bad *problem) {
	t.repaired = true
	if text := strings.TrimSpace(r.Text); text != "" && len(r.Calls) == 0 {
		t.req.Messages = append(t.req.Messages, Message{Role: RoleAssistant, Text: strings.ToValidUTF8(text[:min(len(text), maxEcho)], "")})
	} else {
		t.refuseCalls(r)
	}
	t.req.Messages = append(t.req.Messages, Message{Role: RoleUser, Text: bad.tell})
}
