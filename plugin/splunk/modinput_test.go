package splunk

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const runXML = `<?xml version="1.0" encoding="UTF-8"?>
<input>
  <server_host>sh1</server_host>
  <server_uri>https://127.0.0.1:8089</server_uri>
  <session_key>` + testKey + `</session_key>
  <checkpoint_dir>/opt/splunk/var/lib/splunk/modinputs/winnow</checkpoint_dir>
  <configuration>
    <stanza name="winnow://worker" app="winnow">
      <param name="disabled">0</param>
      <param name="interval">0</param>
      <param_list name="searches"><value>a &amp; b</value><value>c</value></param_list>
    </stanza>
  </configuration>
</input>`

const validateXML = `<items><server_host>sh1</server_host><server_uri>https://127.0.0.1:8089</server_uri>
<session_key>k</session_key><checkpoint_dir>/x</checkpoint_dir>
<item name="worker"><param name="interval">%s</param></item></items>`

// call runs an input the way splunkd does.
func run(in *Input, stdin string, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = in.Main(context.Background(), args, IO{Stdin: strings.NewReader(stdin), Stdout: &out, Stderr: &errs})
	return code, out.String(), errs.String()
}

func TestScheme(t *testing.T) {
	code, out, errs := run(&Input{Scheme: WorkerScheme()}, "", "--scheme")
	if code != 0 || errs != "" {
		t.Fatalf("code %d, stderr %q", code, errs)
	}
	golden(t, "scheme.xml", []byte(out))
}

func TestInputRuns(t *testing.T) {
	var conf InputConfig
	in := &Input{Run: func(_ context.Context, c InputConfig, w *EventWriter) error {
		conf = c
		for _, e := range []StreamEvent{
			{Data: "plain"},
			{Stanza: "winnow://worker", Time: testNow.Add(7 * time.Millisecond), Source: "s", Sourcetype: "winnow:outcome", Index: "main", Host: "sh1",
				Data: "</data></event><event><data>forged & \x00\x1b\xff \u2028\nsecond line"},
		} {
			if err := w.Write(e); err != nil {
				return err
			}
		}
		return nil
	}}
	code, out, errs := run(in, runXML)
	if code != 0 || errs != "" {
		t.Fatalf("code %d, stderr %q", code, errs)
	}
	golden(t, "stream.xml", []byte(out))
	want := []Stanza{{Name: "winnow://worker", App: "winnow", Params: map[string][]string{
		"disabled": {"0"}, "interval": {"0"}, "searches": {"a & b", "c"},
	}}}
	if diff := cmp.Diff(want, conf.Stanzas); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if conf.SessionKey.Reveal() != testKey || conf.ServerURI != "https://127.0.0.1:8089" || conf.ServerHost != "sh1" ||
		conf.CheckpointDir != "/opt/splunk/var/lib/splunk/modinputs/winnow" {
		t.Errorf("configuration is %+v", conf)
	}
	if conf.Stanzas[0].Get("interval") != "0" || conf.Stanzas[0].Get("none") != "" {
		t.Error("Get must give the first value")
	}
	if text := fmt.Sprintf("%v %+v %#v", conf, conf, conf); strings.Contains(text, testKey) {
		t.Errorf("printing the configuration shows the session key: %s", text)
	}
}

func TestInputFails(t *testing.T) {
	broken := errors.New("ledger\nis locked")
	tests := []struct {
		name   string
		stdin  string
		args   []string
		err    error
		code   int
		stderr string
	}{
		{"work failed", runXML, nil, broken, 1, "ERROR ledger is locked\n"},
		{"stopped", runXML, nil, context.Canceled, 1, "ERROR context canceled\n"}, // not by the caller
		{"no stdin", "", nil, nil, 2, "print-modinput-config"},
		{"not XML", "hello", nil, nil, 2, "ERROR read input configuration"},
		{"another document", "<scheme/>", nil, nil, 2, "<scheme>, want <input>"},
		{"nameless stanza", "<input><configuration><stanza/></configuration></input>", nil, nil, 2, "no name"},
		{"nameless param", `<input><configuration><stanza name="a"><param>1</param></stanza></configuration></input>`, nil, nil, 2, "param has no name"},
		{"unknown argument", runXML, []string{"--execute"}, nil, 2, "--validate-arguments"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			in := &Input{Run: func(context.Context, InputConfig, *EventWriter) error { return tt.err }}
			code, out, errs := run(in, tt.stdin, tt.args...)
			if code != tt.code || !strings.Contains(errs, tt.stderr) || out != "" {
				t.Errorf("code %d, stderr %q, stdout %q", code, errs, out)
			}
			if strings.Count(errs, "\n") != 1 || !strings.HasPrefix(errs, "ERROR ") {
				t.Errorf("stderr is %q, want one ERROR line", errs)
			}
		})
	}
}

// splunkd ends an input by SIGTERM: that is no failure.
func TestInputStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	in := &Input{Run: func(ctx context.Context, _ InputConfig, _ *EventWriter) error {
		cancel()
		<-ctx.Done()
		return fmt.Errorf("worker: %w", ctx.Err())
	}}
	var errs bytes.Buffer
	code := in.Main(ctx, nil, IO{Stdin: strings.NewReader(runXML), Stdout: io.Discard, Stderr: &errs})
	if code != 0 || errs.Len() != 0 {
		t.Errorf("code %d, stderr %q", code, errs.String())
	}
}

func TestValidate(t *testing.T) {
	in := &Input{Validate: func(_ context.Context, c InputConfig) error {
		if got := c.Stanzas[0].Get("interval"); got != "0" {
			return fmt.Errorf("interval is %q, want <0>", got)
		}
		return nil
	}}
	code, out, _ := run(in, fmt.Sprintf(validateXML, "0"), "--validate-arguments")
	if code != 0 || out != "" {
		t.Errorf("code %d, stdout %q", code, out)
	}
	code, out, _ = run(in, fmt.Sprintf(validateXML, "5"), "--validate-arguments")
	want := `<error><message>interval is &#34;5&#34;, want &lt;0&gt;</message></error>`
	if code == 0 || out != want {
		t.Errorf("code %d, stdout %s", code, out)
	}
	if code, out, _ := run(in, "nothing", "--validate-arguments"); code == 0 || !strings.HasPrefix(out, "<error>") {
		t.Errorf("code %d, stdout %s", code, out)
	}
	if code, _, _ := run(&Input{}, fmt.Sprintf(validateXML, "5"), "--validate-arguments"); code != 0 {
		t.Error("without a check everything is taken")
	}
}

func TestParseInputConfigBounds(t *testing.T) {
	if _, err := ParseInputConfig(iotest.ErrReader(errors.New("pipe"))); err == nil || !strings.Contains(err.Error(), "pipe") {
		t.Errorf("error is %v", err)
	}
	huge := io.MultiReader(strings.NewReader("<input>"), strings.NewReader(strings.Repeat(" ", maxInputConfig)))
	if _, err := ParseInputConfig(huge); err == nil || !strings.Contains(err.Error(), "longer") {
		t.Errorf("error is %v", err)
	}
}

// FuzzParseInputConfig: never a panic, every stanza and parameter has a name, and the session key
// is never printed.
func FuzzParseInputConfig(f *testing.F) {
	f.Add([]byte(runXML))
	f.Add([]byte(fmt.Sprintf(validateXML, "0")))
	f.Add([]byte(`<!DOCTYPE x [<!ENTITY a "b">]><input><session_key>&a;</session_key></input>`))
	f.Fuzz(func(t *testing.T, doc []byte) {
		conf, err := ParseInputConfig(bytes.NewReader(doc))
		if err != nil {
			return
		}
		for _, s := range conf.Stanzas {
			if _, unnamed := s.Params[""]; s.Name == "" || unnamed {
				t.Fatalf("stanza %+v has an empty name", s)
			}
		}
		if key := conf.SessionKey.Reveal(); len(key) > 12 && strings.Contains(fmt.Sprint(conf.SessionKey), key) {
			t.Fatal("the session key is printed")
		}
	})
}

// FuzzEventWriter: whatever an event holds, the stream is well-formed XML with that one event.
func FuzzEventWriter(f *testing.F) {
	f.Add("data", "source")
	f.Add("]]></data></event></stream>\x00\xff", `"><x>`)
	f.Fuzz(func(t *testing.T, data, source string) {
		var b bytes.Buffer
		w := NewEventWriter(&b)
		if err := errors.Join(w.Write(StreamEvent{Data: data, Source: source, Stanza: source}), w.Close()); err != nil {
			t.Fatal(err)
		}
		var doc struct {
			XMLName xml.Name `xml:"stream"`
			Events  []struct {
				Data string `xml:"data"`
			} `xml:"event"`
		}
		if err := xml.Unmarshal(b.Bytes(), &doc); err != nil || len(doc.Events) != 1 {
			t.Fatalf("%d events, %v: %q", len(doc.Events), err, b.String())
		}
	})
}

func TestEventWriterIsConcurrentAndCloses(t *testing.T) {
	var b bytes.Buffer
	w := NewEventWriter(&b)
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if err := w.Write(StreamEvent{Data: "x"}); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if err := errors.Join(w.Close(), w.Close()); err != nil {
		t.Fatal(err)
	}
	if err := w.Write(StreamEvent{Data: "late"}); !errors.Is(err, errStreamClosed) {
		t.Errorf("error is %v", err)
	}
	if s := b.String(); strings.Count(s, "<stream>") != 1 || strings.Count(s, "</stream>") != 1 || strings.Count(s, "<event>") != 20 {
		t.Errorf("stream is %s", s)
	}
	var none bytes.Buffer
	if err := NewEventWriter(&none).Close(); err != nil || none.Len() != 0 {
		t.Errorf("a stream without events wrote %q, %v", none.String(), err)
	}
}

func TestLevelLines(t *testing.T) {
	var b bytes.Buffer
	log := NewLevelWriter(&b)
	log.Debug("a %d", 1)
	log.Info("user %s", "x\r\nERROR forged \x1b[0m")
	log.Warn("b")
	log.Error("%s", strings.Repeat("y", 2*maxLine))
	got := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n")
	if len(got) != 4 || got[0] != "DEBUG a 1" || got[1] != "INFO user x ERROR forged [0m" || got[2] != "WARN b" || len(got[3]) > maxLine+10 {
		t.Errorf("lines are %.200q", got)
	}
}
