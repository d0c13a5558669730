package paging

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
	"github.com/winnow-soc/winnow/plugin/ledger"
	"github.com/winnow-soc/winnow/plugin/splunk"
)

var update = flag.Bool("update", false, "write the golden files again")

type subject struct {
	conf conf.Sink
	fake func(*fake, *http.Request, []byte) (int, any)
	ref  string // what the first page is called; "" where the receiver has no name for it
}

var subjects = map[string]subject{
	"pagerduty":  {conf.Sink{Type: conf.SinkPagerDuty}, pagerDutyFake, ""},
	"slack":      {conf.Sink{Type: conf.SinkSlack, Channel: "C1"}, slackFake, "1700000000.000001"},
	"soar":       {conf.Sink{Type: conf.SinkTicket, Template: conf.TemplateSOAR, SignKey: "env:S"}, soarFake, "40"},
	"jira":       {conf.Sink{Type: conf.SinkTicket, Template: conf.TemplateJira, Project: "SEC", User: "ann@corp.example"}, jiraFake, "SEC-7"},
	"servicenow": {conf.Sink{Type: conf.SinkTicket, Template: conf.TemplateServiceNow}, serviceNowFake, "9d385017c611228701d22104cc95c300"},
	"thehive":    {conf.Sink{Type: conf.SinkTicket, Template: conf.TemplateTheHive}, hiveFake, "~40960"},
}

func eachSubject(t *testing.T, f func(*testing.T, subject, *fake, splunk.Sink)) {
	for name, s := range subjects {
		t.Run(name, func(t *testing.T) {
			fake := newFake(t, s.fake)
			f(t, s, fake, fake.sink(t, s.conf))
		})
	}
}

// wantTaken delivers, and holds what the receiver calls it against what is expected.
func wantTaken(t *testing.T, s splunk.Sink, d ledger.Delivery, ref string) {
	t.Helper()
	err := s.Deliver(t.Context(), d)
	got := ""
	if taken, ok := errors.AsType[*ledger.TakenError](err); ok {
		got, err = taken.Ref, nil
	}
	if err != nil || got != ref {
		t.Fatalf("taken as %q, %v; want %q", got, err, ref)
	}
}

// The bytes that go out, for each receiver: a page, the same again, and its end.
func TestBytes(t *testing.T) {
	eachSubject(t, func(t *testing.T, s subject, f *fake, sink splunk.Sink) {
		wantTaken(t, sink, delivery(1, ledger.PageTrigger), s.ref)
		wantTaken(t, sink, delivery(1, ledger.PageTrigger), s.ref)
		end := delivery(1, ledger.PageResolve)
		end.Page.Ref = s.ref
		wantTaken(t, sink, end, "")
		file := filepath.Join("testdata", filepath.Base(t.Name())+".json")
		got := strings.Join(append(f.bodies, f.notes...), "\n") + "\n"
		if *update {
			if err := os.WriteFile(file, []byte(got), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(file)
		if diff := cmp.Diff(string(want), got); err != nil || diff != "" {
			t.Errorf("%s (write it again with -update): %v\n%s", file, err, diff)
		}
		if f.signed != (s.conf.SignKey != "") {
			t.Errorf("signed: %v", f.signed)
		}
	})
}

// Whatever is repeated, and wherever an answer is lost, people are told once.
func TestOnce(t *testing.T) {
	eachSubject(t, func(t *testing.T, s subject, f *fake, sink splunk.Sink) {
		f.spoil = append(f.spoil, loseAnswer)
		if err := sink.Deliver(t.Context(), delivery(1, ledger.PageTrigger)); err == nil || !splunk.Retryable(err) {
			t.Fatalf("a lost answer: %v", err)
		}
		again := f.sink(t, s.conf) // of the next worker
		wantTaken(t, again, delivery(1, ledger.PageTrigger), s.ref)
		wantTaken(t, again, delivery(1, ledger.PageTrigger), s.ref)
		if s.ref != "" && len(f.bodies) != 1 || s.ref == "" && f.woken != 1 {
			t.Errorf("people were told %d times, %d incidents", len(f.bodies), f.woken)
		}
		wantTaken(t, again, delivery(1, ledger.PageResolve), "") // finds by itself what it is called
		later := delivery(1, ledger.PageTrigger)
		later.Page.Opened = noon.Add(time.Hour)
		if err := again.Deliver(t.Context(), later); err != nil {
			if _, ok := errors.AsType[*ledger.TakenError](err); !ok {
				t.Fatal(err)
			}
		}
		if s.ref != "" && len(f.bodies) != 2 || s.ref == "" && f.woken != 2 {
			t.Errorf("a page of the same group later on tells people %d times, %d incidents", len(f.bodies), f.woken)
		}
	})
}

// PagerDuty goes from triggered over acknowledged to resolved under one key.
func TestPagerDutyStates(t *testing.T) {
	f := newFake(t, pagerDutyFake)
	sink := f.sink(t, subjects["pagerduty"].conf)
	for _, step := range []struct {
		action ledger.PageAction
		want   string
	}{{ledger.PageResolve, ""}, {ledger.PageTrigger, "triggered"}, {ledger.PageAcknowledge, "acknowledged"}, {ledger.PageTrigger, "acknowledged"}, {ledger.PageResolve, "resolved"}} {
		d := delivery(1, step.action)
		wantTaken(t, sink, d, "")
		if got := f.open[d.Page.Group]; got != step.want {
			t.Errorf("after %s: %q, want %q", step.action, got, step.want)
		}
	}
}

// Nothing is to be taken back where nobody was told.
func TestEndOfNothing(t *testing.T) {
	eachSubject(t, func(t *testing.T, _ subject, f *fake, sink splunk.Sink) {
		wantTaken(t, sink, delivery(1, ledger.PageResolve), "")
		if len(f.notes) != 0 || len(f.made) != 0 {
			t.Errorf("notes %q, made %q", f.notes, f.made)
		}
	})
}

func TestStatus(t *testing.T) {
	for status, retry := range map[int]bool{401: true, 429: true, 500: true, 503: true, 413: false} {
		eachSubject(t, func(t *testing.T, s subject, f *fake, sink splunk.Sink) {
			f.spoil = append(f.spoil, refuse(status))
			err := sink.Deliver(t.Context(), delivery(1, ledger.PageTrigger))
			if err == nil || splunk.Retryable(err) != retry {
				t.Fatalf("HTTP %d: %v, tried again: %v, want %v", status, err, splunk.Retryable(err), retry)
			}
			if strings.Contains(err.Error(), testToken) || strings.Contains(err.Error(), f.URL) {
				t.Errorf("HTTP %d: the error tells the key or the address: %v", status, err)
			}
			if later, ok := errors.AsType[*ledger.LaterError](err); retry && (!ok || later.After != 7*time.Second) {
				t.Errorf("HTTP %d: %#v does not keep the time that the server named", status, err)
			}
			wantTaken(t, sink, delivery(1, ledger.PageTrigger), s.ref)
		})
	}
}

func TestSlackSaysNo(t *testing.T) {
	for word, retry := range map[string]bool{"invalid_blocks": false, "channel_not_found": true, "token_revoked": true, "": true} {
		f := newFake(t, func(*fake, *http.Request, []byte) (int, any) {
			return http.StatusOK, map[string]any{"ok": false, "error": word}
		})
		d := delivery(1, ledger.PageAcknowledge)
		d.Page.Ref = "1700000000.000001"
		err := f.sink(t, subjects["slack"].conf).Deliver(t.Context(), d)
		if err == nil || splunk.Retryable(err) != retry {
			t.Errorf("%q: %v", word, err)
		}
	}
}

var hostile = []string{
	`"}}, {"event_action": "resolve"`, "</noformat>{noformat} {code}\n# forged", "<!channel> <@U1> <https://evil.example|click>", "*bold* `code`",
	"\x00\x1b[31m\r\n\u202e\u2028", "caf\xe9\xff", strings.Repeat("é", 5000), "{{.Project}} $result.user$", "[code]<b>forged</b>[/code]",
}

// Hostile text stays within its JSON string, plain, and short enough for the receiver.
func TestHostileText(t *testing.T) {
	eachSubject(t, func(t *testing.T, s subject, f *fake, sink splunk.Sink) {
		for i, text := range hostile {
			d := delivery(i, ledger.PageTrigger)
			d.Record.SearchName, d.Record.Verdict.Techniques = text, []string{text}
			d.Record.Verdict.Case = winnow.Case{What: text, Why: text, FirstResponse: text}
			if err := sink.Deliver(t.Context(), d); err != nil {
				if _, ok := errors.AsType[*ledger.TakenError](err); !ok {
					t.Fatalf("%q: %v", text, err)
				}
			}
		}
		if len(f.bodies) != len(hostile) {
			t.Fatalf("%d of %d were taken", len(f.bodies), len(hostile))
		}
		for _, body := range f.bodies {
			if !json.Valid([]byte(body)) || !utf8.ValidString(body) || len(body) > 20<<10 || strings.ContainsAny(body, "\x00\x1b\r") {
				t.Errorf("%q", body)
			}
			if strings.Contains(body, `"mrkdwn":true`) || s.conf.Type == conf.SinkSlack && strings.Contains(body, `"type":"mrkdwn"`) {
				t.Errorf("markup: %s", body)
			}
			if strings.Count(field([]byte(body), "fields", "description"), "{") > 2 {
				t.Errorf("text got out of its block: %s", body)
			}
		}
	})
}

// What a server calls something is written into addresses later on.
func TestHostileNames(t *testing.T) {
	for _, name := range []string{"../../admin", "SEC-1?x=1", "a/b", "", "..", strings.Repeat("1", 200), "\x00", "SEC-1 OR 1=1"} {
		f := newFake(t, func(_ *fake, r *http.Request, _ []byte) (int, any) {
			if r.Method == http.MethodGet {
				return http.StatusOK, map[string]any{"issues": []any{}}
			}
			return http.StatusCreated, map[string]any{"key": name}
		})
		err := f.sink(t, subjects["jira"].conf).Deliver(t.Context(), delivery(1, ledger.PageTrigger))
		if _, ok := errors.AsType[*ledger.TakenError](err); ok || err == nil {
			t.Errorf("%q was taken for a ticket", name)
		}
	}
}

func TestOtherKinds(t *testing.T) {
	eachSubject(t, func(t *testing.T, _ subject, f *fake, sink splunk.Sink) {
		for _, kind := range []ledger.DeliveryKind{ledger.DeliverEvent, ledger.DeliverNotable, ledger.DeliverUpdate, "", "other"} {
			d := delivery(1, ledger.PageTrigger)
			d.Kind = kind
			if err := sink.Deliver(t.Context(), d); err == nil || splunk.Retryable(err) {
				t.Errorf("%q: %v", kind, err)
			}
		}
		d := delivery(1, ledger.PageTrigger)
		d.Page = nil
		if err := sink.Deliver(t.Context(), d); err == nil || splunk.Retryable(err) || len(f.bodies) != 0 {
			t.Errorf("no page: %v, %q", err, f.bodies)
		}
	})
}

func TestManyAtOnce(t *testing.T) {
	eachSubject(t, func(t *testing.T, _ subject, f *fake, sink splunk.Sink) {
		var wg sync.WaitGroup
		errs := make([]error, 10)
		for i := range errs {
			wg.Go(func() { errs[i] = sink.Deliver(t.Context(), delivery(i, ledger.PageTrigger)) })
		}
		wg.Wait()
		for _, err := range errs {
			if _, ok := errors.AsType[*ledger.TakenError](err); !ok && err != nil {
				t.Error(err)
			}
		}
		if len(f.bodies) != len(errs) {
			t.Errorf("%d of %d", len(f.bodies), len(errs))
		}
	})
}

func FuzzTemplates(f *testing.F) {
	for _, text := range hostile {
		f.Add(text)
	}
	bodies := map[conf.Template]func(string) ([]byte, error){}
	for name := range desks {
		t, err := parseTemplates(name)
		if err != nil {
			f.Fatal(err)
		}
		bodies[name] = func(text string) ([]byte, error) {
			return render(t, "create", message{ID: text, Alert: text, Title: text, Severity: text, Text: text, Search: text, Time: text, Project: text})
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		for name, body := range bodies {
			out, err := body(text)
			var all map[string]any
			if err != nil || json.Unmarshal(out, &all) != nil {
				t.Errorf("%s: %q: %v", name, text, err)
			}
			if want := map[conf.Template]int{"soar": 6, "jira": 1, "servicenow": 7, "thehive": 7}[name]; len(all) != want {
				t.Errorf("%s: %q made %d keys, want %d", name, text, len(all), want)
			}
		}
		if got := line(text, 40); len(got) > 40 || strings.ContainsAny(got, "\n\r\x00\x1b") || !utf8.ValidString(got) {
			t.Errorf("line(%q) = %q", text, got)
		}
	})
}

func ExampleOpen() {
	_, err := Open(conf.Sink{Name: "events", Type: conf.SinkFile}, Options{})
	fmt.Println(err)
	// Output: sink "events": type "file" pages nobody
}
