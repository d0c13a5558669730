package conf_test

import (
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/conf"
)

func sinkOf(t *testing.T, sets ...string) (conf.Sink, error) {
	t.Helper()
	for i := range sets {
		sets[i] = "sink:x." + sets[i]
	}
	f, err := conf.Load(app, "winnow", sets)
	if err != nil {
		t.Fatal(err)
	}
	s, err := conf.Read(f)
	if err != nil {
		return conf.Sink{}, err
	}
	return s.Sinks[len(s.Sinks)-1], nil
}

func TestSinksHaveDefaults(t *testing.T) {
	for typ, c := range map[string]struct {
		sets []string
		want conf.Verify
	}{
		"hec":       {[]string{"url=https://splunk.example.com:8088", "key=env:HEC"}, conf.VerifyAck},
		"receivers": {nil, conf.VerifySearch},
		"stream":    {nil, conf.VerifySearch},
		"webhook":   {[]string{"url=https://hooks.example.com/a?b=c", "key=file:hook.key"}, conf.VerifyNone},
		"scs":       {[]string{"tenant=example", "key=password:winnow/scs"}, conf.VerifyNone},
		"file":      {[]string{"path=x"}, conf.VerifyNone},
	} {
		s, err := sinkOf(t, append(c.sets, "type="+typ)...)
		if err != nil || s.Verify != c.want || s.Timeout != 30*time.Second || s.VerifyWithin != 10*time.Minute || s.AllowPrivate || !s.Type.Events() {
			t.Errorf("%s: %+v, %v", typ, s, err)
		}
		if !s.Tells(winnow.StateClosed) || !s.Tells(winnow.StateQueued) {
			t.Errorf("%s: not told of every outcome", typ)
		}
	}
	s, err := sinkOf(t, "type=receivers", "states=escalated, in_review", "verify=none")
	if err != nil || s.Tells(winnow.StateClosed) || !s.Tells(winnow.StateInReview) || s.Verify != conf.VerifyNone {
		t.Errorf("%+v, %v", s, err)
	}
	if s, err := sinkOf(t, "type=hec", "disabled=1"); err != nil || !s.Disabled {
		t.Errorf("a disabled sink need not be whole: %v", err)
	}
	if conf.SinkNotable.Events() || conf.SinkUpdate.Events() {
		t.Error("notables are no events")
	}
}

func TestSinksAreChecked(t *testing.T) {
	const hec, hook = "type=hec", "type=webhook"
	url, key := "url=https://splunk.example.com:8088", "key=env:HEC"
	for want, sets := range map[string][]string{
		"url: missing":                         {hec, key},
		"key: missing":                         {hec, url},
		"tenant: missing":                      {"type=scs", key},
		"tenant: is not the name":              {"type=scs", key, "tenant=a/../b"},
		"key: is where the key is":             {hec, url, "key=hunter2"},
		"url: is not https":                    {hec, key, "url=http://splunk.example.com:8088"},
		"url: has a path":                      {hec, key, "url=https://splunk.example.com:8088/services/collector"},
		"url: holds a user name":               {hec, key, "url=https://u:hunter2@splunk.example.com:8088"},
		"url: is not an address":               {hook, key, "url=hunter2"},
		"url: is not for type = file":          {"type=file", "path=x", url},
		"verify: ack is for type = hec":        {"type=stream", "verify=ack"},
		"verify: is not for type = webhook":    {hook, url, key, "verify=search"},
		"allow_private: is not for type = hec": {hec, url, key, "allow_private=1"},
		"states: is not for type = notable":    {"type=notable", "states=closed"},
		"only escalated and in_review add":     {"type=risk", "states=escalated, closed"},
		"review_share: is not for type = file": {"type=file", "review_share=50%"},
		`unknown outcome "escalate"`:           {hec, url, key, "states=escalate"},
		"verify_within: 5s is not from 1m":     {hec, url, key, "verify_within=5s"},
	} {
		_, err := sinkOf(t, sets...)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Fatalf("%v: error %v, want %q", sets, err, want)
		}
		_, said, _ := strings.Cut(err.Error(), "[sink:x]") // before it is what was typed after --set
		if strings.Contains(said, "hunter2") {
			t.Errorf("error %q holds a secret", err)
		}
	}
}
