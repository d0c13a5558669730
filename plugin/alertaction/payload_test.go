package alertaction

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

const sessionKey = "7c4e1f0a9b8d6c5e4f3a2b1c0d9e8f7a"

// savedPayload is a payload as splunkd writes it for a scheduled search.
const savedPayload = `{
  "app": "SplunkEnterpriseSecuritySuite", "owner": "admin",
  "results_file": "/opt/splunk/var/run/splunk/dispatch/scheduler__admin__x/results.csv.gz",
  "results_link": "https://sh1:8000/app/x/@go?sid=scheduler__admin__x",
  "search_uri": "/servicesNS/nobody/x/saved/searches/Impossible+Travel",
  "server_host": "sh1", "server_uri": "https://127.0.0.1:8089",
  "session_key": "` + sessionKey + `",
  "sid": "scheduler__admin__x_at_1767312000_42", "search_name": "Impossible Travel",
  "configuration": {"severity": "3", "result_count": "2", "_cam": "{\"supports_adhoc\": true, \"session_key\": \"` + sessionKey + `\"}"},
  "result": {"src": "10.8.0.4", "_si": ["host", "_internal"], "user": ["ann", "bob"], "count": 3, "_time": "1767312000.125", "__mv_user": ""}
}`

func TestPayloadOfASavedSearch(t *testing.T) {
	p, _, err := ReadPayload(iotest.HalfReader(strings.NewReader(savedPayload)))
	if err != nil {
		t.Fatal(err)
	}
	want := winnow.Fields{"src": {"10.8.0.4"}, "user": {"ann", "bob"}, "count": {"3"}, "_time": {"1767312000.125"}}
	if diff := cmp.Diff(want, p.Result); diff != "" {
		t.Error(diff)
	}
	for _, c := range [][2]string{
		{p.SID, "scheduler__admin__x_at_1767312000_42"}, {p.SearchName, "Impossible Travel"},
		{p.App, "SplunkEnterpriseSecuritySuite"}, {p.Owner, "admin"}, {p.ServerHost, "sh1"},
		{p.Configuration["severity"], "3"}, {p.SessionKey.Reveal(), sessionKey},
	} {
		if c[0] != c[1] {
			t.Errorf("got %q, want %q", c[0], c[1])
		}
	}
}

func TestPayloadQuirks(t *testing.T) {
	for _, c := range []struct {
		name, text string
		get        func(*Payload) string
		want       string
	}{
		{"sid as a number", `{"sid": 1465593470.1228}`, func(p *Payload) string { return p.SID }, "1465593470.1228"},
		{"search_name null", `{"sid": "1", "search_name": null}`, func(p *Payload) string { return p.SearchName }, ""},
		{"result_id as a number", `{"sid": "1", "result_id": 0}`, func(p *Payload) string { return p.ResultID }, "0"},
		{"byte order mark", "\ufeff {\"sid\": \"1\"}\n", func(p *Payload) string { return p.SID }, "1"},
		{"configuration null", `{"sid": "1", "configuration": null}`, func(p *Payload) string { return p.Configuration["x"] }, ""},
		{"number in the configuration", `{"sid": "1", "configuration": {"severity": 4}}`, func(p *Payload) string { return p.Configuration["severity"] }, "4"},
		{"JSON in the configuration", `{"sid": "1", "configuration": {"_cam": {"a": 1}}}`, func(p *Payload) string { return p.Configuration["_cam"] }, `{"a": 1}`},
		{"unknown keys are kept", `{"sid": "1", "new_in_11": {"a": [1, true, null, 1e3]}}`, func(p *Payload) string { return string(p.Stored()) }, `{"sid":"1","new_in_11":{"a":[1,true,null,1e3]}}`},
		{"user", `{"sid": "1", "user": "ann"}`, func(p *Payload) string { return p.User }, "ann"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p, err := ParsePayload([]byte(c.text))
			if err != nil {
				t.Fatal(err)
			}
			if got := c.get(p); got != c.want {
				t.Errorf("got %q, want %q", got, c.want)
			}
		})
	}
	p, err := ParsePayload([]byte(`{"sid": "1", "result": null}`))
	if err != nil || p.Result != nil {
		t.Errorf("a result that is null is not absent: %v %v", p, err)
	}
}

func TestBadPayloads(t *testing.T) {
	for _, c := range []struct{ name, text, want string }{
		{"nothing", " \n", "nothing on standard input"},
		{"XML", "<?xml version=\"1.0\"?><alert/>", "payload_format = json"},
		{"not JSON", `sid=1`, "not JSON"},
		{"cut", `{"sid": "1", "result": {"a"`, "not JSON: unexpected EOF"},
		{"list", `[1]`, "want a JSON object"},
		{"more after it", `{"sid": "1"} {"sid": "2"}`, "more text"},
		{"no sid", `{"app": "search"}`, `"sid" is missing`},
		{"sid twice", `{"sid": "1", "sid": "2"}`, `"sid" appears twice`},
		{"parameter twice", `{"sid": "1", "configuration": {"severity": "1", "severity": "6"}}`, `"severity" appears twice`},
		{"list for a text", `{"sid": ["1"]}`, `"sid": is a list`},
		{"configuration is a text", `{"sid": "1", "configuration": "x"}`, `"configuration": found x`},
		{"result is a text", `{"sid": "1", "result": "x"}`, `"result"`},
		{"deep", `{"sid": "1", "x": ` + strings.Repeat("[", 5000) + strings.Repeat("]", 5000) + `}`, "deeper than"},
		{"very deep", `{"sid": "1", "x": ` + strings.Repeat("[", 200_000), "depth"},
		{"huge sid", `{"sid": "` + strings.Repeat("1", maxIdentity+1) + `"}`, `"sid": longer than`},
		{"session key of another type", `{"sid": "1", "session_key": {"a": "` + sessionKey + `"}}`, `"session_key": not a text`},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := ParsePayload([]byte(c.text))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), sessionKey) {
				t.Errorf("error is %v, want %q in it", err, c.want)
			}
		})
	}
	_, data, err := ReadPayload(strings.NewReader(`{"sid": "` + strings.Repeat("1", MaxPayload)))
	if err == nil || len(data) != MaxPayload {
		t.Errorf("a payload that is too large: error %v, %d bytes kept", err, len(data))
	}
	if _, _, err := ReadPayload(iotest.ErrReader(bytes.ErrTooLarge)); err == nil {
		t.Error("no error when standard input breaks")
	}
}

func TestSessionKeyIsNeverStored(t *testing.T) {
	text := strings.NewReplacer("KEY", sessionKey).Replace(`{
	  "session_key": "KEY", "sid": "1", "sessionKey": "KEY", "Session-Key": "other-key-123",
	  "results_link": "https://sh1/x?token=KEY&a=1",
	  "configuration": {"session_key": "third-key-45", "_cam": "{\"a\": {\"session_key\": \"fourth-key-6\", \"b\": 1}}",
	    "deep": "[{\"c\": \"{\\\"session_key\\\": \\\"fifth-key-7\\\"}\"}]", "cut": "{\"session_key\": \"sixth-key-8\""},
	  "result": {"note": "session key of ann"}}`)
	p, err := ParsePayload([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	stored := string(p.Stored())
	for _, secret := range []string{sessionKey, "other-key", "third-key", "fourth-key", "fifth-key", "sixth-key"} {
		if strings.Contains(stored, secret) {
			t.Errorf("%q is stored: %s", secret, stored)
		}
	}
	for _, kept := range []string{`token=\u003csecret\u003e\u0026a=1`, `\"b\":1`, "session key of ann"} {
		if !strings.Contains(stored, kept) {
			t.Errorf("%s is not stored: %s", kept, stored)
		}
	}
	again, err := ParsePayload(p.Stored())
	if err != nil || again.SID != "1" || again.SessionKey != "" {
		t.Errorf("stored payload reads as %+v, error %v", again, err)
	}
	if bytes.Contains([]byte(p.SessionKey.String()), []byte(sessionKey)) {
		t.Error("the session key prints")
	}
}

func TestRedactedHidesWhatCannotBeParsed(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"sid": "1", "session_key": "abc`, `{"sid": "1", "session<secret>`},
		{`<alert><session_key>abc</session_key><sid>1</sid>`, `<alert><session<secret></session<secret><sid>1</sid>`},
		{`<session_key>ab cd &amp; ef</session_key><sid>1`, `<session<secret></session<secret><sid>1`},
		{`<session_key kind="x"><![CDATA[ab<c]]></session_key><sid>1`, `<session<secret></session<secret><sid>1`},
		{`<session_key>abc`, `<session<secret>`},
		{`{"Session_Key":"abc","sid":1`, `{"Session<secret>","sid":1`},
		{`session timed out`, `session timed out`},
		{"session_key=\xff\xfeabc rest", "session<secret> rest"},
		{`{"session_key":"ab\/cd","sid":1`, `{"session<secret>","sid":1`},
		{`{"session_key":"ab\"cd","sid":1`, `{"session<secret>","sid":1`},
		{`{"session_key":"ab\\","sid":1`, `{"session<secret>","sid":1`},
		{"{\"session_key\" : \"ab\ncd ef, gh\",\"sid\":1", `{"session<secret>","sid":1`},
		{`{"session_key":["abc", "d]e"],"sid":1`, `{"session<secret>,"sid":1`},
		{`{"session_key":{"value": ["abc", "\"d}e"]},"sid":1`, `{"session<secret>,"sid":1`},
		{`{"session_key":["abc","sid":1`, `{"session<secret>`},
		{`{"session_key":12345,"sid":1`, `{"session<secret>,"sid":1`},
		{`{"sess\u0069on_key":"abc","sid":1`, `{"session<secret>","sid":1`},
		{`{"session\u005fkey":"abc","sid":"\u00e4"`, `{"session<secret>","sid":"\u00e4"`},
		{`{"a":"{\"session_key\":\"ab\\\"cd\",\"b\":1}"`, `{"a":"{\"session<secret>\",\"b\":1}"`},
		{`{"a":"{\"session_key\":[\"ab\",\"cd\"],\"b\":1}"`, `{"a":"{\"session<secret>,\"b\":1}"`},
		{`{"a":"{\n \"session_key\":\n \"abc\"}"`, `{"a":"{\n \"session<secret>\"}"`},
		{`{"a":"{\"b\":\"{\\\"session_key\\\":\\\"abc\\\"}\"}"`, `{"a":"{\"b\":\"{\\\"session<secret>\\\"}\"}"`},
		{`{"a":"{\"sess\\u0069on_key\":\"abc\"}"`, `{"a":"{\"session<secret>\"}"`},
		{`session_key`, `session<secret>`},
		{`session_key: \`, `session<secret>`},
		{`\u00`, `\u00`},
	} {
		if got := string(Redacted([]byte(c.text))); got != c.want {
			t.Errorf("Redacted(%s)\n  is %s\nwant %s", c.text, got, c.want)
		}
	}
}

// FuzzRedacted: however a payload is cut, the key that its JSON holds is not in what is kept.
func FuzzRedacted(f *testing.F) {
	f.Add("abcd/EFGH", "x", 40)
	f.Add("ab\"cd\\", "\n", 35)
	f.Add("ab cd]}", "\u00e4", 30)
	f.Fuzz(func(t *testing.T, secret, other string, cut int) {
		secret = "KeY" + secret + "KeY" // nothing else says that
		inner, err := json.Marshal(map[string]any{"session_key": secret, "other": other})
		if err != nil {
			t.Fatal(err)
		}
		for _, doc := range []any{
			map[string]any{"sid": other, "session_key": secret},
			map[string]any{"sid": other, "session_key": []any{other, map[string]any{"x": secret}}},
			map[string]any{"configuration": map[string]any{"_cam": string(inner)}},
		} {
			text, err := json.Marshal(doc)
			if err != nil {
				t.Fatal(err)
			}
			text = text[:len(text)-min(max(cut, 1), 40)%len(text)]
			if got := Redacted(text); bytes.Contains(got, []byte("KeY")) && !strings.Contains(other, "KeY") {
				t.Fatalf("of %s is kept %s", text, got)
			}
		}
	})
}

// FuzzPayload: no payload makes the action fall over, what is stored is JSON, and a session key
// that splunkd sent is never in it.
func FuzzPayload(f *testing.F) {
	f.Add([]byte(savedPayload))
	f.Add([]byte(`{"sid": 1465593470.1228, "search_name": null, "result": {"a": ["b", {"c": "{\"session_key\": 1}"}]}}`))
	f.Add([]byte(`{"session_key": "` + sessionKey + `", "sid": "` + sessionKey + `x"}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := ParsePayload(text)
		if err != nil {
			return
		}
		stored := decodedStrings(t, p.Stored())
		key := p.SessionKey.Reveal()
		if len(key) >= minSessionKey && !strings.Contains(withheld, key) && strings.Contains(stored, key) {
			t.Fatalf("session key %q is in %s", key, p.Stored())
		}
	})
}

func decodedStrings(t *testing.T, text []byte) string {
	t.Helper()
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("stored payload is not JSON: %v", err)
	}
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(v); err != nil {
		t.Fatal(err)
	}
	return b.String()
}
