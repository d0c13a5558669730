package redact

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

func testRedactor(t testing.TB, change ...func(*Options)) *Redactor {
	t.Helper()
	o := Options{
		Key:      []byte("0123456789abcdef0123456789abcdef"),
		Internal: []netip.Prefix{netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("2001:db8::/32")},
		Domains:  []string{"corp.example", "emea.corp.example"},
	}
	for _, f := range change {
		f(&o)
	}
	r, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func alert(fields winnow.Fields) *winnow.Alert {
	return &winnow.Alert{ID: "01J0", SearchName: "Test Search", Fields: fields}
}

func (v *View) field(name string) string {
	for _, f := range v.Fields {
		if f.Name == name {
			return strings.Join(f.Values, "|")
		}
	}
	return ""
}

// shape replaces the random part of tokens, so that a table can say what is expected.
func shape(v *View, text string) string {
	return tokenShape.ReplaceAllStringFunc(text, func(token string) string {
		if original, ok := v.tokens.known[token]; ok {
			k, _, _ := strings.Cut(token[1:], ":")
			return "[" + k + "=" + original + "]"
		}
		return token
	})
}

// What each kind of value looks like outside.
func TestShapes(t *testing.T) {
	for _, c := range []struct{ field, in, want string }{
		{"user", "ann", "[user=ann]"},
		{"user", `CORP\ann`, `[domain=CORP]\[user=ann]`},
		{"user", `CORP\WS12$`, `[domain=CORP]\[host=WS12]$`},
		{"user", "WS12$", "[host=WS12]$"},
		{"user", `NT AUTHORITY\SYSTEM`, `NT AUTHORITY\SYSTEM`},
		{"user", "root", "root"}, {"user", "Administrator", "Administrator"}, {"user", "-", "-"}, {"user", "LOCAL SERVICE", "LOCAL SERVICE"},
		{"user", "DWM-1", "DWM-1"}, {"user", "unknown", "unknown"},
		{"user", "ann@corp.example", "[user=ann]@[domain=corp.example]"},
		{"user", "ann@mx7.corp.example", "[user=ann]@[host=mx7].[domain=corp.example]"},
		{"user", "ann@partner.example", "[user=ann]@partner.example"},
		{"user", "arn:aws:iam::123456789012:user/ann", "arn:aws:iam::123456789012:user/[user=ann]"},
		{"user", "S-1-5-18", "S-1-5-18"},
		{"user_id", "S-1-5-21-1004336348-1177238915-682003330-512", "[sid=S-1-5-21-1004336348-1177238915-682003330]-512"},
		{"user_id", "S-1-5-21-1004336348-1177238915-682003330-1105", "[sid=S-1-5-21-1004336348-1177238915-682003330-1105]"},
		{"user", "Ann Example", "[user=Ann Example]"},
		{"user", "10.1.2.3", "[ip4=10.1.2.3]"},
		{"user", "al", "[user=al]"},
		{"recipient", "Ann Example <ann@corp.example>; bob@partner.example", "[user=Ann Example] <[user=ann]@[domain=corp.example]>; [user=bob]@partner.example"},
		{"src_user", "no-reply@evil.example", "no-reply@evil.example"},
		{"dest", "WS12", "[host=WS12]"},
		{"dest", "ws12.corp.example", "[host=ws12].[domain=corp.example]"},
		{"dest", "ws12.emea.corp.example", "[host=ws12].[domain=emea.corp.example]"},
		{"dest", "ws12.acme.local", "[host=ws12].[domain=acme.local]"},
		{"dest", "evil.example", "evil.example"}, {"dest", "198.51.100.7", "198.51.100.7"},
		{"dest", "10.1.2.3:445", "[ip4=10.1.2.3]:445"},
		{"dest", "203.0.113.9", "[ip4=203.0.113.9]"},
		{"dest", "WS12:445", "[host=WS12]:445"},
		{"host", "ws12.acme.example", "[host=ws12].[domain=acme.example]"},
		{"src_nt_domain", "ACME", "[domain=ACME]"}, {"src_nt_domain", "WORKGROUP", "WORKGROUP"},
		{"src_ip", "127.0.0.1", "127.0.0.1"}, {"src_ip", "169.254.169.254", "169.254.169.254"}, {"src_ip", "100.64.1.1", "[ip4=100.64.1.1]"},
		{"src_ip", "fd12:3456::1", "[ip6=fd12:3456::1]"}, {"src_ip", "FE80::1%eth0", "[ip6=FE80::1]%eth0"},
		{"src_ip", "::ffff:10.1.2.3", "[ip4=::ffff:10.1.2.3]"}, {"src_ip", "2001:db8::5", "[ip6=2001:db8::5]"}, {"src_ip", "2606:4700::1111", "2606:4700::1111"},
		{"src_mac", "00:1A:2b:3c:4d:5e", "[mac=00:1A:2b:3c:4d:5e]"}, {"src_mac", "001a.2b3c.4d5e", "[mac=001a.2b3c.4d5e]"},
		{"process", `C:\Users\bob\x.exe`, `C:\Users\[user=bob]\x.exe`}, {"process", `C:\Users\Ann Example\x.exe`, `C:\Users\[user=Ann Example]\x.exe`},
		{"process", `C:\Users\Public\x.exe`, `C:\Users\Public\x.exe`}, {"process", "cat /home/bob/.ssh/id_rsa", "cat /home/[user=bob]/.ssh/id_rsa"},
		{"process", `copy x \\fs01\c$`, `copy x \\[host=fs01]\c$`}, {"process", `copy x \\10.1.2.3\c$`, `copy x \\[ip4=10.1.2.3]\c$`},
		{"process", `rundll32 \\evil.example\x.dll`, `rundll32 \\evil.example\x.dll`},
		{"process", "ssh bob@jump01", "ssh [user=bob]@[host=jump01]"},
		{"process", "npm install lodash@4.17.21", "npm install lodash@4.17.21"},
		{"process", "tcpdump: 10.1.2.3.443 > 8.8.8.8.53", "tcpdump: [ip4=10.1.2.3].443 > 8.8.8.8.53"},
		{"query", "3.2.1.10.in-addr.arpa", "[ip4=3.2.1.10].in-addr.arpa"},
		{"query", "ip-10-1-2-3.evil.example", "ip-[ip4=10-1-2-3].evil.example"},
		{"body", "src:fe80::1 [fd00::2]:443 at 12:34:56", "src:[ip6=fe80::1] [[ip6=fd00::2]]:443 at 12:34:56"},
		{"body", "Failed password for invalid user bob from 10.1.2.3 port 22", "Failed password for invalid user [user=bob] from [ip4=10.1.2.3] port 22"},
		{"body", `{"userName": "bob", "x": 1}`, `{"userName": "[user=bob]", "x": 1}`},
		{"body", "[user:abcdefgh]", "[text=[user:abcdefgh]]"}, {"body", "[secret:aws]", "[text=[secret:aws]]"},
		{"url", "https://login.evil.example/corp.example.php", "https://login.evil.example/corp.example.php"},
	} {
		v := testRedactor(t).View(alert(winnow.Fields{c.field: {c.in}}), nil)
		got := v.field(c.field)
		if shape(v, got) != c.want {
			t.Errorf("%s=%s\n got %s\nwant %s", c.field, c.in, shape(v, got), c.want)
		}
		if back := v.Undo(got); back != c.in {
			t.Errorf("%s=%s: undone to %s", c.field, c.in, back)
		}
		if len(v.Cut) > 0 {
			t.Errorf("%s=%s: counts as cut", c.field, c.in)
		}
	}
}

// Names that one field tells are found in all others, also in fields that do not leave.
func TestNamesAreFoundEverywhere(t *testing.T) {
	v := testRedactor(t).View(alert(winnow.Fields{
		"user":             {`CORP\ann.example`},
		"vendor_host_name": {"paywall07"},
		"process":          {`tool.exe /u:ANN.EXAMPLE /s:paywall07x --dom=corp /home/zoe%5Ccorp`},
	}), nil)
	got := v.field("process")
	want := `tool.exe /u:[user=ANN.EXAMPLE] /s:[host=paywall07]x --dom=[domain=corp] /home/[user=zoe]%5C[domain=corp]`
	if shape(v, got) != want {
		t.Errorf("got %s\nwant %s", shape(v, got), want)
	}
	if diff := cmp.Diff([]string{"vendor_host_name"}, v.Withheld); diff != "" {
		t.Error(diff)
	}
	if user := v.field("user"); got[len("tool.exe /u:")+6:][:8] != user[strings.Index(user, "[user:")+6:][:8] {
		t.Errorf("another case has another token: %s, %s", user, got)
	}
}

func TestSameTokenInEveryAlert(t *testing.T) {
	r := testRedactor(t)
	a := r.View(alert(winnow.Fields{"src": {"10.1.2.3"}, "user": {"ann"}}), nil)
	b := r.View(alert(winnow.Fields{"dest": {"10.1.2.3"}, "src": {"10.1.2.99"}, "body": {"user=ann"}}), nil)
	if a.field("src") != b.field("dest") {
		t.Errorf("%s, then %s", a.field("src"), b.field("dest"))
	}
	if net := a.field("src")[:len("[ip4:abcdefgh")]; !strings.HasPrefix(b.field("src"), net) || a.field("src") == b.field("src") {
		t.Errorf("one network does not show: %s, %s", a.field("src"), b.field("src"))
	}
	if want := "user=" + a.field("user"); b.field("body") != want {
		t.Errorf("%s, want %s", b.field("body"), want)
	}
	other := testRedactor(t, func(o *Options) { o.Key = []byte("another key, of the same length.") })
	if c := other.View(alert(winnow.Fields{"user": {"ann"}}), nil); c.field("user") == a.field("user") {
		t.Error("two deployments make the same token")
	}
}

// A token that somebody wrote into one alert tells nothing of another's values.
func TestForeignTokens(t *testing.T) {
	r := testRedactor(t)
	token := r.View(alert(winnow.Fields{"user": {"ann"}}), nil).field("user")
	v := r.View(alert(winnow.Fields{"user": {"bob"}, "body": {"I am " + token}}), nil)
	if got := v.Undo(token); got != token {
		t.Errorf("undone to %s", got)
	}
	if got := v.field("body"); strings.Contains(got, token) || v.Undo(got) != "I am "+token {
		t.Errorf("a token written into the alert left as it was: %s", got)
	}
}

func TestWhatIsShown(t *testing.T) {
	table := &winnow.FieldTable{}
	if err := table.Parse("fields.csv", "field,control,volatile\nevent_id,system,true\n"); err != nil {
		t.Fatal(err)
	}
	fields := winnow.Fields{
		"src": {"8.8.8.8"}, "vendor.x": {"1"}, "vendor.y": {"1"}, "event_id": {"1"}, "api_token": {"1"}, "bytes": {"1"}, "_raw": {"1"},
	}
	search := Search{Fields: []string{"vendor.x", "api_*"}, Irrelevant: []string{"_raw", "byte?"}}
	for _, c := range []struct {
		name                  string
		all                   bool
		search                Search
		shown, withheld, left []string
	}{
		{"cim", false, Search{}, []string{"bytes", "src"}, []string{"_raw", "api_token", "vendor.x", "vendor.y"}, []string{"event_id"}},
		{"search", false, search, []string{"src", "vendor.x"}, []string{"api_token", "vendor.y"}, []string{"_raw", "bytes", "event_id"}},
		{"all", true, Search{}, []string{"_raw", "bytes", "event_id", "src", "vendor.x", "vendor.y"}, []string{"api_token"}, nil},
		{"all and search", true, search, []string{"event_id", "src", "vendor.x", "vendor.y"}, []string{"api_token"}, []string{"_raw", "bytes"}},
	} {
		r := testRedactor(t, func(o *Options) {
			o.All, o.Search = c.all, func(string) Search { return c.search }
		})
		v := r.View(alert(fields), table)
		var shown []string
		for _, f := range v.Fields {
			shown = append(shown, f.Name)
		}
		if diff := cmp.Diff([][]string{c.shown, c.withheld, c.left}, [][]string{shown, v.Withheld, v.Left}); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

func TestClass(t *testing.T) {
	for _, c := range []struct {
		class, ceiling Class
		want           bool
	}{
		{Public, Public, true}, {Internal, Confidential, true}, {Restricted, Confidential, false}, {Restricted, Restricted, true},
		{"", Restricted, false}, {Public, "", false}, {"", "", false}, {"secret", Restricted, false}, {Public, "secret", false},
	} {
		if got := c.class.Within(c.ceiling); got != c.want {
			t.Errorf("%q within %q: %t", c.class, c.ceiling, got)
		}
	}
	r := testRedactor(t, func(o *Options) {
		o.Search = func(name string) Search { return map[string]Search{"a": {Class: Internal}, "b": {Class: "typo"}}[name] }
	})
	for name, want := range map[string]Class{"a": Internal, "b": Restricted, "c": Restricted} {
		if got := r.Class(name); got != want {
			t.Errorf("%s: %s, want %s", name, got, want)
		}
	}
}

// What is too much is cut, at no token, and said to be cut.
func TestLimits(t *testing.T) {
	long := strings.Repeat("x ", maxValue/2-2) + "10.1.2.3 and more"
	var many []string
	for range maxValues + 1 {
		many = append(many, "GET")
	}
	v := testRedactor(t).View(alert(winnow.Fields{"process": {long}, "http_method": many, "dest": {"8.8.8.8"}}), nil)
	if diff := cmp.Diff([]string{"http_method", "process"}, v.Cut); diff != "" {
		t.Error(diff)
	}
	if got := v.field("process"); len(got) > maxValue || strings.Contains(got, "10.1") || strings.HasSuffix(got, "[") {
		t.Errorf("%d bytes that end in %q", len(got), got[len(got)-20:])
	}
	fields := winnow.Fields{}
	for i := range 12 {
		fields["service_"+[]string{"dll", "exec", "hash", "id", "name", "path"}[i%6]] = []string{strings.Repeat("é", maxValue), strings.Repeat("é", maxValue)}
	}
	v, total := testRedactor(t).View(alert(fields), nil), 0
	for _, f := range v.Fields {
		for _, value := range f.Values {
			total += len(value)
		}
	}
	if total > maxText || len(v.Cut) != 6 {
		t.Errorf("%d bytes, cut %v", total, v.Cut)
	}
}

func TestHideJSON(t *testing.T) {
	v := testRedactor(t).View(alert(winnow.Fields{"user": {"ann"}}), nil)
	in := `{"note":"bob came","user":"b\u006fb","n":[1.50,true,null,{"note":"\u0061nn said \"hi\""}],"api_key":"x","ann":"y"}`
	hidden, err := v.HideJSON([]byte(in))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"note":"[user=bob] came","user":"[user=bob]","n":[1.50,true,null,{"note":"[user=ann] said \"hi\""}],"api_key":"[secret:field]","[user=ann]":"y"}`
	if shape(v, string(hidden)) != want {
		t.Errorf("got %s", shape(v, string(hidden)))
	}
	back, err := v.UndoJSON(hidden)
	if want := `{"note":"bob came","user":"bob","n":[1.50,true,null,{"note":"ann said \"hi\""}],"api_key":"[secret:field]","ann":"y"}`; err != nil || string(back) != want {
		t.Errorf("%v: %s", err, back)
	}
	for _, bad := range []string{"", "{", `{"a":1}x`, `{"a"}`, strings.Repeat("[", 100) + strings.Repeat("]", 100)} {
		if out, err := v.HideJSON([]byte(bad)); err == nil {
			t.Errorf("%q: %s", bad, out)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	for _, o := range []Options{{}, {Key: make([]byte, 16)}, {Key: make([]byte, KeySize), Domains: []string{"."}}} {
		if _, err := New(o); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
}

// What is too short to be looked for in text is found where it is all of it, as in evidence.
func TestShortNames(t *testing.T) {
	v := testRedactor(t).View(alert(winnow.Fields{"user": {"al"}, "user_id": {"1001"}}), nil)
	for _, text := range []string{"al", "1001"} {
		if got := v.Hide(text); got == text || v.Undo(got) != text {
			t.Errorf("%s leaves as %s", text, got)
		}
	}
	if got := v.Hide("al came on port 1001"); got != "al came on port 1001" {
		t.Error(got)
	}
	if got := v.HideAs("owner", "Bob Example"); shape(v, got) != "[user=Bob Example]" {
		t.Error(got)
	}
	if got := v.HideAs("api_key", "x"); got != "[secret:field]" {
		t.Error(got)
	}
}
