package e2e_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm/anthropic"
	"github.com/winnow-soc/winnow/llm/chat"
	"github.com/winnow-soc/winnow/llm/openai"
	"github.com/winnow-soc/winnow/llm/prices"
)

// providers are our adapters, each put before the mock.
func providers(t *testing.T, url string) map[string]chat.Provider {
	t.Helper()
	client, err := chat.NewHTTPClient(chat.HTTPOptions{})
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]chat.Provider{}
	for name, api := range map[string]openai.API{"responses": openai.Responses, "chat": openai.ChatCompletions} {
		out[name], err = openai.New(openai.Options{Model: "gpt-5.4-mini", BaseURL: url + "/v1", API: api, Key: winnow.Secret("mock"), HTTP: client, Now: time.Now})
		if err != nil {
			t.Fatal(err)
		}
	}
	out["messages"], err = anthropic.New(anthropic.Options{Model: "claude-haiku-4-5", BaseURL: url, Key: winnow.Secret("mock"), HTTP: client, Now: time.Now})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func say(text string) *chat.Request {
	return &chat.Request{System: "Answer.", Messages: []chat.Message{{Role: chat.RoleUser, Text: text}}, MaxOutput: 100}
}

var voteSchema = &chat.Schema{Name: "vote", JSON: json.RawMessage(
	`{"type":"object","properties":{"vote":{"type":"string"}},"required":["vote"],"additionalProperties":false}`)}

func TestAimockAnswers(t *testing.T) {
	url := startNode(t, time.Minute, "aimock.mjs")
	for name, p := range providers(t, url) {
		for _, c := range []struct {
			say, text string
			stop      chat.Stop
		}{
			{"say hello", "hello", chat.StopEnd},
			{"be cut", "hel", chat.StopLength},
			{"say nothing", "", chat.StopEnd},
		} {
			if name == "responses" && c.stop == chat.StopLength {
				c.stop = chat.StopOther // the mock says "incomplete" and not why: not to be trusted
			}
			r := say(c.say)
			r.Schema = voteSchema
			reply, err := p.Complete(t.Context(), r)
			if err != nil {
				t.Errorf("%s, %s: %v", name, c.say, err)
				continue
			}
			if reply.Text != c.text || reply.Stop != c.stop || reply.NoUsage || reply.Usage != (prices.Usage{Input: 120, Output: 7}) {
				t.Errorf("%s, %s: %+v", name, c.say, reply)
			}
		}
	}
}

func TestAimockTools(t *testing.T) {
	url := startNode(t, time.Minute, "aimock.mjs")
	for name, p := range providers(t, url) {
		r := say("look it up")
		r.Tools = []chat.ToolSpec{{Name: "lookup", Description: "looks it up", Parameters: json.RawMessage(
			`{"type":"object","properties":{"field":{"type":"string"}},"required":["field"],"additionalProperties":false}`)}}
		reply, err := p.Complete(t.Context(), r)
		if err != nil || reply.Stop != chat.StopTools || len(reply.Calls) != 1 || reply.Calls[0].Name != "lookup" || !strings.Contains(reply.Calls[0].Arguments, "user") {
			t.Errorf("%s: %+v, %v", name, reply, err)
			continue
		}
		r.Messages = append(r.Messages, chat.Message{Role: chat.RoleAssistant, Text: reply.Text, Calls: reply.Calls},
			chat.Message{Role: chat.RoleTool, Text: `{"found":true}`, Of: reply.Calls[0].ID})
		if reply, err = p.Complete(t.Context(), r); err != nil || reply.Text != "found" {
			t.Errorf("%s, after the look-up: %+v, %v", name, reply, err)
		}
	}
}

func TestAimockErrors(t *testing.T) {
	url := startNode(t, time.Minute, "aimock.mjs")
	for name, p := range providers(t, url) {
		for say400, want := range map[string]chat.Kind{
			"fail with 400": chat.KindRequest, "fail with 401": chat.KindAuth, "fail with 404": chat.KindRequest, "fail with 429": chat.KindRate,
			"fail with 500": chat.KindServer, "fail with 503": chat.KindOverloaded, "fail with 529": chat.KindOverloaded,
		} {
			_, err := p.Complete(t.Context(), say(say400))
			e, ok := errors.AsType[*chat.Error](err)
			if !ok || e.Kind != want {
				t.Errorf("%s, %s: %v, want %s", name, say400, err, want)
				continue
			}
			if want == chat.KindRate && e.After != 7*time.Second {
				t.Errorf("%s: to wait %s, the server says 7 s", name, e.After)
			}
			if strings.Contains(err.Error(), "error of the mock") {
				t.Errorf("%s: the error tells what the server wrote: %v", name, err)
			}
		}
	}
}

// TestAimockChaos has the mock fail at random, always in one way.
func TestAimockChaos(t *testing.T) {
	url := startNode(t, time.Minute, "aimock.mjs")
	for chaos, want := range map[string]chat.Kind{
		`{"dropRate":1}`: chat.KindServer, `{"malformedRate":1}`: chat.KindBadReply, `{"rateLimitRate":1}`: chat.KindRate, `{"disconnectRate":1}`: chat.KindNetwork,
	} {
		setChaos(t, url, chaos)
		for name, p := range providers(t, url) {
			_, err := p.Complete(t.Context(), say("say hello"))
			if e, ok := errors.AsType[*chat.Error](err); !ok || e.Kind != want {
				t.Errorf("%s under %s: %v, want %s", name, chaos, err, want)
			}
		}
	}
}

func setChaos(t *testing.T, url, chaos string) {
	t.Helper()
	for _, method := range []string{http.MethodDelete, http.MethodPost} {
		r, err := http.NewRequestWithContext(t.Context(), method, url+"/__aimock/chaos", strings.NewReader(chaos))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
		if resp.StatusCode >= http.StatusBadRequest {
			t.Fatalf("%s chaos %s: status %d", method, chaos, resp.StatusCode)
		}
	}
}

func TestAimockBatches(t *testing.T) {
	url := startNode(t, time.Minute, "aimock.mjs")
	batches := 0
	for name, p := range providers(t, url) {
		b, ok := p.(chat.BatchProvider)
		if !ok {
			continue
		}
		batches++
		one, two := say("say hello"), say("say hello")
		one.ID, two.ID = "one", "two"
		id, err := b.SubmitBatch(t.Context(), []*chat.Request{one, two})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		state, looks := chat.BatchRunning, 0
		var done map[string]*chat.Reply
		var failed map[string]*chat.Error
		for ; state == chat.BatchRunning && looks < 10; looks++ { // the mock moves on at each look
			if state, done, failed, err = b.Batch(t.Context(), id); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		if state != chat.BatchDone || len(done) != 2 || len(failed) != 0 || done["one"] == nil || done["two"] == nil {
			t.Errorf("%s: %s after %d looks, %d answered, %d failed", name, state, looks, len(done), len(failed))
			continue
		}
		if !done["one"].Batch || done["one"].Text == "" {
			t.Errorf("%s: %+v", name, done["one"])
		}
	}
	if batches == 0 {
		t.Error("no adapter has batches")
	}
}
