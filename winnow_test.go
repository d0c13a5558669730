package winnow_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

func TestFlatten(t *testing.T) {
	for _, c := range []struct {
		name, in string
		want     winnow.Fields
	}{
		{"text, number, boolean", `{"user":"ann","n":1.50,"big":12345678901234567890,"ok":true,"no":false}`,
			winnow.Fields{"user": {"ann"}, "n": {"1.50"}, "big": {"12345678901234567890"}, "ok": {"true"}, "no": {"false"}}},
		{"nothing is absent", `{"a":null,"b":"","c":[],"d":{},"e":[""],"f":[null]}`, winnow.Fields{}},
		{"nested names are dotted", `{"a":{"b":{"c":"x"}}}`, winnow.Fields{"a.b.c": {"x"}}},
		{"lists are several values", `{"a":["x","y"],"b":[1,true]}`, winnow.Fields{"a": {"x", "y"}, "b": {"1", "true"}}},
		{"lists of objects too", `{"a":[{"b":"x"},{"b":"y","c":1}]}`, winnow.Fields{"a.b": {"x", "y"}, "a.c": {"1"}}},
		{"a key said twice keeps both", `{"a":"benign","a":"evil"}`, winnow.Fields{"a": {"benign", "evil"}}},
		{"a dotted key and a nested one are the same name", `{"a.b":"x","a":{"b":"y"}}`, winnow.Fields{"a.b": {"x", "y"}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			got, err := winnow.Flatten([]byte(c.in))
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestFlattenRefuses(t *testing.T) {
	for _, in := range []string{
		``, `[]`, `"x"`, `{`, `{"a"`, `{"a":1}{"b":2}`, `{"a":1} x`, `{"a":tru}`,
		strings.Repeat(`{"a":`, 100) + `1` + strings.Repeat(`}`, 100),
		strings.Repeat(`{"a":[`, 100_000),
		`{"a":[` + strings.Repeat(`1,`, 100_001) + `1]}`,
	} {
		if f, err := winnow.Flatten([]byte(in)); err == nil {
			t.Errorf("Flatten(%.40q) = %d fields, want an error", in, len(f))
		}
	}
}

func FuzzFlatten(f *testing.F) {
	f.Add([]byte(`{"a":{"b":["x",1,null,true,{"c":""}]}}`))
	f.Fuzz(func(t *testing.T, in []byte) {
		fields, err := winnow.Flatten(in)
		if err != nil {
			return
		}
		if !json.Valid(in) {
			t.Errorf("took %q, which is not JSON", in)
		}
		for name, values := range fields {
			if len(values) == 0 || slices.Contains(values, "") {
				t.Errorf("field %q has an empty value or none: %q", name, values)
			}
		}
	})
}

func TestSeverityUnknownIsAboveEveryCeiling(t *testing.T) {
	for c := winnow.SeverityUnknown; c <= winnow.SeverityCritical; c++ {
		if winnow.SeverityUnknown.Within(c) {
			t.Errorf("unknown is within %s", c)
		}
	}
	if !winnow.SeverityLow.Within(winnow.SeverityMedium) || winnow.SeverityHigh.Within(winnow.SeverityMedium) {
		t.Error("low is within medium, high is not")
	}
	if winnow.SeverityCritical.Within(winnow.SeverityUnknown) {
		t.Error("an unknown ceiling admits nothing")
	}
}

func TestParseSeverity(t *testing.T) {
	for _, c := range []struct {
		scale winnow.Scale
		in    string
		want  winnow.Severity
	}{
		{winnow.ScaleWords, "High", winnow.SeverityHigh},
		{winnow.ScaleWords, " informational ", winnow.SeverityInformational},
		{winnow.ScaleWords, "5", winnow.SeverityUnknown},
		{winnow.ScaleWords, "catastrophic", winnow.SeverityUnknown},
		{winnow.ScaleSplunkAlert, "1", winnow.SeverityInformational},
		{winnow.ScaleSplunkAlert, "3", winnow.SeverityMedium},
		{winnow.ScaleSplunkAlert, "6", winnow.SeverityCritical},
		{winnow.ScaleSplunkAlert, "7", winnow.SeverityUnknown},
		{winnow.ScaleSplunkAlert, "0", winnow.SeverityUnknown},
		{winnow.ScaleSplunkAlert, "$alert.severity$", winnow.SeverityUnknown},
		{winnow.ScaleGuardDuty, "3.9", winnow.SeverityLow},
		{winnow.ScaleGuardDuty, "8", winnow.SeverityHigh},
		{winnow.ScaleGuardDuty, "9.5", winnow.SeverityCritical},
		{winnow.ScaleGuardDuty, "11", winnow.SeverityUnknown},
		{winnow.ScaleGuardDuty, "-1", winnow.SeverityUnknown},
		{winnow.ScaleGuardDuty, "NaN", winnow.SeverityUnknown},
		{winnow.ScaleSuricata, "1", winnow.SeverityHigh},
		{winnow.ScaleSuricata, "4", winnow.SeverityInformational},
		{winnow.ScaleSuricata, "255", winnow.SeverityUnknown},
		{winnow.ScaleCrowdStrike, "5", winnow.SeverityCritical},
		{winnow.ScaleCrowdStrike, "70", winnow.SeverityHigh},
	} {
		if got := winnow.ParseSeverity(c.scale, c.in); got != c.want {
			t.Errorf("ParseSeverity(%s, %q) = %s, want %s", c.scale, c.in, got, c.want)
		}
	}
}

func TestDispositionCodes(t *testing.T) {
	for _, c := range []struct {
		d        winnow.Disposition
		es, ocsf int
		benign   bool
	}{
		{winnow.Undetermined, 6, 7, false},
		{winnow.TruePositive, 1, 2, false},
		{winnow.BenignPositive, 2, 5, true},
		{winnow.FalsePositiveLogic, 3, 1, true},
		{winnow.FalsePositiveData, 4, 1, true},
		{winnow.Other, 5, 99, false},
		{winnow.Disposition(200), 6, 7, false},
	} {
		if c.d.ES() != c.es || c.d.OCSF() != c.ocsf || c.d.Benign() != c.benign {
			t.Errorf("%s: ES %d, OCSF %d, benign %v", c.d, c.d.ES(), c.d.OCSF(), c.d.Benign())
		}
	}
	if _, err := winnow.ParseDisposition("benignpositive"); err == nil {
		t.Error("a disposition in other letters was taken")
	}
}

func TestTextForms(t *testing.T) {
	type all struct {
		S winnow.Severity
		D winnow.Disposition
		R winnow.Run
	}
	for s := winnow.SeverityUnknown; s <= winnow.SeverityCritical; s++ {
		for d := winnow.Undetermined; d <= winnow.Other; d++ {
			for r := winnow.RunShadow; r <= winnow.RunEnforce; r++ {
				data, err := json.Marshal(all{s, d, r})
				if err != nil {
					t.Fatal(err)
				}
				var got all
				if err := json.Unmarshal(data, &got); err != nil || got != (all{s, d, r}) {
					t.Errorf("%s came back as %v, %v", data, got, err)
				}
			}
		}
	}
	for _, bad := range []string{`{"S":"bad"}`, `{"D":"bad"}`, `{"R":"bad"}`} {
		if err := json.Unmarshal([]byte(bad), new(all)); err == nil {
			t.Errorf("%s was taken", bad)
		}
	}
	if _, err := winnow.ParsePlace("inline"); err == nil {
		t.Error("a place that does not exist yet was taken")
	}
	if winnow.Severity(99).String() != "unknown" || winnow.Run(99).String() != "shadow" || winnow.Control(99).String() != "attacker" {
		t.Error("a value out of range is not the cautious one")
	}
}

func TestMoney(t *testing.T) {
	for _, c := range []struct {
		n     winnow.NanoUSD
		micro int64
		text  string
	}{
		{0, 0, "$0"}, {1, 1, "$0.000000"}, {1000, 1, "$0.000001"}, {1001, 2, "$0.000001"},
		{winnow.Dollars(0.75), 750_000, "$0.7500"}, {winnow.Dollars(12.5), 12_500_000, "$12.50"}, {winnow.Dollars(-2), -2_000_000, "$-2.00"},
	} {
		if c.n.Micro() != c.micro || c.n.String() != c.text {
			t.Errorf("%d: %d micro-dollars, %q; want %d, %q", c.n, c.n.Micro(), c.n, c.micro, c.text)
		}
	}
}

func TestSecretsDoNotPrint(t *testing.T) {
	s := winnow.Secret("hunter2")
	data, err := json.Marshal(map[string]any{"key": s, "in": struct{ K winnow.Secret }{s}})
	if err != nil {
		t.Fatal(err)
	}
	for _, text := range []string{
		fmt.Sprint(s), fmt.Sprintf("%s %v %+v %#v %q", s, s, s, s, s), fmt.Sprintf("%+v %#v", struct{ K winnow.Secret }{s}, struct{ K winnow.Secret }{s}), string(data),
	} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("a secret printed: %s", text)
		}
	}
	if s.Reveal() != "hunter2" || winnow.Secret("").String() != "" {
		t.Error("Reveal gives the text, and no secret prints as nothing")
	}
}

func testKeys(t testing.TB) *winnow.Keys {
	t.Helper()
	k, err := winnow.NewKeys([]byte(strings.Repeat("k", winnow.KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func TestNonce(t *testing.T) {
	k := testKeys(t)
	stranger, err := winnow.NewKeys([]byte(strings.Repeat("x", winnow.KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	first := k.Nonce("01J", "classify", "")
	if again := k.Clone().Nonce("01J", "classify", ""); again != first || len(first) != 52 {
		t.Errorf("%q, then %q", first, again)
	}
	for _, other := range []string{k.Nonce("01J", "classif", "y"), k.Nonce("01J", "classify"), k.Nonce("01K", "classify", ""), stranger.Nonce("01J", "classify", "")} {
		if other == first {
			t.Errorf("two questions have the nonce %q", first)
		}
	}
}

func TestKeysNeedASecret(t *testing.T) {
	if _, err := winnow.NewKeys([]byte("short")); err == nil {
		t.Error("a short secret was taken")
	}
}

func TestRowMACSeparatesRows(t *testing.T) {
	k := testKeys(t)
	rows := []winnow.Fields{
		{}, {"a": {"b"}}, {"a": {"b", "c"}}, {"a": {"c", "b"}}, {"a": {"bc"}}, {"ab": {"c"}}, {"a": {"b"}, "c": {"d"}}, {"a": {"bcd"}}, {"a": {"b\x00c"}},
	}
	seen := map[string]int{}
	for i, f := range rows {
		mac := k.RowMAC(f)
		if j, dup := seen[mac]; dup {
			t.Errorf("rows %d and %d look alike", i, j)
		}
		seen[mac] = i
		if again := k.Clone().RowMAC(maps.Clone(f)); again != mac {
			t.Errorf("row %d: %s, and %s from a clone", i, mac, again)
		}
	}
}

func TestIDsRepeatAndSign(t *testing.T) {
	k := testKeys(t)
	at := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	key := winnow.Key{Host: "h", SID: "s", RID: "0", MAC: "m"}
	id := k.NewID(key, at)
	if id != k.NewID(key, at) || len(id) != 26 {
		t.Fatalf("id %q does not repeat", id)
	}
	other := key
	other.RID = "1"
	if k.NewID(other, at) == id || k.NewID(key, at.Add(time.Second)) <= id {
		t.Error("another row has another id, and a later one sorts later")
	}
	signed := k.Sign(id)
	if got, ok := k.Verify(signed); !ok || got != id {
		t.Errorf("Verify(%q) = %q, %v", signed, got, ok)
	}
	stranger, err := winnow.NewKeys([]byte(strings.Repeat("x", winnow.KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	for _, forged := range []string{"", id, id + "-", id + "-00", "x" + signed[1:], signed + "0", stranger.Sign(id)} {
		if _, ok := k.Verify(forged); ok {
			t.Errorf("forged id %q was taken", forged)
		}
	}
}

func TestULIDForm(t *testing.T) {
	// The time of a ULID is its first ten characters, most significant first.
	id := testKeys(t).NewID(winnow.Key{}, time.UnixMilli(1469918176385))
	if id[:10] != "01ARYZ6S41" {
		t.Errorf("time part is %s, want 01ARYZ6S41", id[:10])
	}
	if early := testKeys(t).NewID(winnow.Key{}, time.UnixMilli(-5)); early[:10] != "0000000000" {
		t.Errorf("a time before 1970 gives %s", early)
	}
}

func TestCanaryIsEvenAndRepeats(t *testing.T) {
	k := testKeys(t)
	n := 0
	for i := range 10_000 {
		x := k.Canary("rule", "sid", fmt.Sprint(i))
		if x < 0 || x >= 1 {
			t.Fatalf("canary %v", x)
		}
		if x < 0.01 {
			n++
		}
	}
	if n < 60 || n > 140 {
		t.Errorf("1 %% of 10,000 is %d", n)
	}
	if k.Canary("rule", "sid", "7") != k.Clone().Canary("rule", "sid", "7") || k.Canary("a", "bc", "") == k.Canary("ab", "c", "") {
		t.Error("the choice repeats, and depends on each part")
	}
}

func TestFieldTable(t *testing.T) {
	var ft winnow.FieldTable
	base := "# who controls what\nfield,control,volatile,search\nsrc,system,,\nuser,identity,false\nevent_id,system,true\nurl,attacker,false\nsrc,attacker,false,Mail Search\n"
	if err := ft.Read("fields.csv", strings.NewReader(base)); err != nil {
		t.Fatal(err)
	}
	ft.MarkRaw("Raw Search")
	for _, c := range []struct {
		search, field string
		want          winnow.FieldInfo
	}{
		{"any", "src", winnow.FieldInfo{Control: winnow.ControlSystem}},
		{"any", "user", winnow.FieldInfo{Control: winnow.ControlIdentity}},
		{"any", "event_id", winnow.FieldInfo{Control: winnow.ControlSystem, Volatile: true}},
		{"any", "never.heard.of", winnow.FieldInfo{}},
		{"Mail Search", "src", winnow.FieldInfo{}},
		{"Raw Search", "src", winnow.FieldInfo{}},
		{"Raw Search", "event_id", winnow.FieldInfo{Volatile: true}},
	} {
		if got := ft.Lookup(c.search, c.field); got != c.want {
			t.Errorf("%s in %s: %+v, want %+v", c.field, c.search, got, c.want)
		}
	}
	if !ft.Known("src") || ft.Known("nope") {
		t.Error("Known")
	}
	var names []string
	for name := range ft.Names {
		names = append(names, name)
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"event_id", "src", "url", "user"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestFieldTableRefuses(t *testing.T) {
	for in, want := range map[string]string{
		"":                                     "read header",
		"name,control,volatile\n":              "fields.csv:1: header is",
		"field,control,volatile\nsrc,sytem,\n": `fields.csv:2: field "src": unknown control "sytem" (want system, identity or attacker)`,
		"field,control,volatile\nsrc,system,no\n": `fields.csv:2: field "src": volatile is "no" (want true or false)`,
		"field,control,volatile\nsrc\n":           "fields.csv:2: 1 columns",
		"field,control,volatile\n,system,\n":      "fields.csv:2: empty field name",
		"field,control,volatile\n\"src,system,\n": "fields.csv:",
	} {
		err := new(winnow.FieldTable).Read("fields.csv", strings.NewReader(in))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: error %v, want %q in it", in, err, want)
		}
	}
}

func FuzzFieldTable(f *testing.F) {
	f.Add("field,control,volatile\nsrc,system,true\n")
	f.Fuzz(func(t *testing.T, in string) {
		var ft winnow.FieldTable
		if ft.Read("x", strings.NewReader(in)) != nil {
			return
		}
		if info := ft.Lookup("s", "never.heard.of.this"); info.Control != winnow.ControlAttacker && !ft.Known("never.heard.of.this") {
			t.Errorf("an unlisted field is trusted: %+v", info)
		}
	})
}

func TestRecordHasEveryKey(t *testing.T) {
	a := &winnow.Alert{ID: "01J", SearchName: "Impossible Travel", Key: winnow.Key{SID: "s", RID: "0"},
		Severity: winnow.SeverityMedium, Time: time.Date(2026, 1, 2, 3, 4, 5, 0, time.FixedZone("", 3600))}
	r := winnow.NewRecord(a, winnow.Proposal{Kind: winnow.ProposePass, Reason: winnow.ReasonNoRule})
	r.Verdict.Votes = []winnow.Vote{{Agent: "network"}}
	r.Normalize()
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		t.Fatal(err)
	}
	want := `{
 "id": "01J",
 "search_name": "Impossible Travel",
 "sid": "s",
 "rid": "0",
 "time": "2026-01-02T02:04:05Z",
 "severity": "medium",
 "proposal": {
  "kind": "pass",
  "reason": "no_rule",
  "rule": "",
  "ruleset": ""
 },
 "verdict": {
  "disposition": "Undetermined",
  "stated": 0,
  "confidence": 0,
  "severity": "unknown",
  "techniques": [],
  "source": "",
  "evidence": [],
  "facts": [],
  "case": {
   "what": "",
   "why": "",
   "first_response": ""
  },
  "votes": [
   {
    "agent": "network",
    "vote": "",
    "confidence": 0,
    "reason": "",
    "fields": []
   }
  ],
  "taint": []
 },
 "outcome": {
  "state": "queued",
  "reason": "queued",
  "actor": "winnow",
  "run": "shadow",
  "would": "",
  "time": "0001-01-01T00:00:00Z",
  "unaudited": false
 },
 "cost": {
  "microusd": 0,
  "calls": 0,
  "input_tokens": 0,
  "cached_tokens": 0,
  "output_tokens": 0,
  "unpriced": 0
 }
}`
	if diff := cmp.Diff(want, string(data)); diff != "" {
		t.Error(diff)
	}
	if winnow.StateQueued.Settled() || !winnow.StateClosed.Settled() || winnow.State("").Settled() {
		t.Error("Settled")
	}
}

func BenchmarkRowMAC(b *testing.B) {
	k := testKeys(b)
	f := winnow.Fields{}
	for i := range 30 {
		f.Add(fmt.Sprintf("field_%02d", i), fmt.Sprintf("value-%d", i*i))
	}
	b.ReportAllocs()
	for b.Loop() {
		k.RowMAC(f)
	}
}

// A search's rows mostly have the same fields, and what was found out about them is kept: it must
// not show.
func TestFingerprintRemembersNothingWrong(t *testing.T) {
	var table, other winnow.FieldTable
	for ft, text := range map[*winnow.FieldTable]string{&table: "b,system,true\n", &other: "a,system,true\n"} {
		if err := ft.Parse("fields.csv", "field,control,volatile,search\n"+text+"c,system,true,Two\n"); err != nil {
			t.Fatal(err)
		}
	}
	rows := []winnow.Fields{
		{"a": {"1"}, "b": {"1"}}, {"a": {"1"}, "b": {"2"}}, {"a": {"2"}, "b": {"1"}}, {"a": {"1"}, "c": {"1"}}, {"b": {"1"}}, {"a": {"1"}},
		{"a": {"1"}, "b": {"1"}, "c": {"1"}}, {"c": {"1"}}, {},
	}
	k := testKeys(t)
	for round := range 3 {
		for _, ft := range []*winnow.FieldTable{&table, &other} {
			for _, search := range []string{"One", "Two"} {
				for i, f := range rows {
					got, ok := k.Fingerprint(search, search, ft, f)
					want, wantOK := testKeys(t).Fingerprint(search, search, ft, maps.Clone(f))
					if got != want || ok != wantOK {
						t.Errorf("round %d, search %s, row %d: another fingerprint than from fresh keys", round, search, i)
					}
				}
			}
		}
	}
	one, _ := k.Fingerprint("One", "One", &table, rows[0])
	two, _ := k.Fingerprint("One", "One", &table, rows[1])
	three, _ := k.Fingerprint("One", "One", &table, rows[2])
	if one != two || one == three {
		t.Error("a volatile field does not count, another does")
	}
}
