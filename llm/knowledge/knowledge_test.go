package knowledge

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/llm"
)

const sharedData = "../../../shared/data"

const assetsCSV = `ip,mac,nt_host,dns,owner,priority,lat,long,city,country,bunit,category,pci_domain,is_expected,should_timesync,should_update,requires_av
10.1.2.3|10.1.2.4,00:1b:44:11:3a:b7,DC01,dc01.corp.example,pat,critical,,,Berlin,DE,it,domain_controller|server,trust,true,true,true,true
10.9.0.0/16,,,,lab,low,,,,,lab,test,,,,,
10.9.8.0-10.9.8.20,,,,pay,high,,,,,finance,payment,,,,,
2001:db8::/32,,,,net,medium,,,,,it,,,,,,
,,WS-7,,ann,,,,,,,,,,,,
`

const identitiesCSV = `identity,prefix,nick,first,last,suffix,email,phone,managedBy,priority,bunit,category,watchlist,startDate,endDate
ann|ann.adm,Dr,,Ann,Example,,ann@corp.example,,bob,high,finance,privileged,true,2020-01-01,
svc-backup,,,,,,,,it,low,it,service,,,
`

// feedSamples are written for these tests, in the formats of their publishers.
var feedSamples = map[string]string{
	"urlhaus.csv": "################\n# abuse feed\n#\n# id,dateadded,url,url_status,last_online,threat,tags,urlhaus_link,reporter\n" +
		`"1","2026-01-02 03:04:05","http://Bad.example/a.exe","online","2026-01-02","malware_download","elf,Mozi","https://feed.example/1","x"` + "\n",
	"threatfox.csv": "# header\n# \"first_seen_utc\",\"ioc_id\",\"ioc_value\",\"ioc_type\",\"threat_type\",\"fk_malware\",\"malware_alias\",\"malware_printable\",\"last_seen_utc\",\"confidence_level\",\"reference\",\"tags\",\"anonymous\",\"reporter\"\n" +
		`"2026-02-03 00:00:00", "7", "203.0.113.9:443", "ip:port", "botnet_cc", "win.x", "None", "Qak, Bot", "", "75", "None", "a,b", "0", "y"` + "\n# Number of entries: 1\n",
	"feodo.csv": "# x\n\"first_seen_utc\",\"dst_ip\",\"dst_port\",\"c2_status\",\"last_online\",\"malware\"\n\"2026-01-02 00:00:00\",\"203.0.113.10\",\"443\",\"online\",\"2026-01-03\",\"Emotet\"\n",
	"sslbl.csv": "# Listingdate,SHA1,Listingreason\n2026-01-02 00:00:00,0123456789abcdef0123456789abcdef01234567,Dridex C&C\n",
	"sslip.csv": "# Firstseen,DstIP,DstPort\n2026-01-02 00:00:00,203.0.113.11,8443\n",
	"ja3.csv":   "# ja3_md5,Firstseen,Lastseen,Listingreason\n0123456789abcdef0123456789abcdef,2026-01-02 00:00:00,2026-01-03 00:00:00,TrickBot\n",
	"bazaar.csv": "# \"first_seen_utc\",\"sha256_hash\",\"md5_hash\",\"sha1_hash\",\"reporter\",\"file_name\",\"signature\"\n" +
		`"2026-01-02 00:00:00", "` + strings.Repeat("ab", 32) + `", "` + strings.Repeat("cd", 16) + `", "` + strings.Repeat("ef", 20) + `", "z", "a.exe", "AgentTesla"` + "\n",
	"feodo.json":         `[{"ip_address":"203.0.113.12","port":443,"status":"online","hostname":null,"first_seen":"2026-01-02 00:00:00","malware":"QakBot"}]`,
	"threatfox.json":     `{"1234":[{"ioc_value":"evil.example","ioc_type":"domain","threat_type":"botnet_cc","malware_printable":"Cobalt","first_seen_utc":"2026-01-02","confidence_level":100,"tags":"x,y"}]}`,
	"threatfox_api.json": `{"query_status":"ok","data":[{"id":"1","ioc":"c2.example","threat_type":"botnet_cc","ioc_type":"domain","malware_printable":"Sliver","confidence_level":50,"first_seen":"2026-01-02 UTC","tags":["t"]}]}`,
	"event.json":         `{"Event":{"info":"Campaign","date":"2026-01-02","Tag":[{"name":"tlp:white"}],"Attribute":[{"type":"domain|ip","value":"drop.example|203.0.113.13","to_ids":true},{"type":"ip-dst","value":"203.0.113.14","to_ids":false},{"type":"md5","value":"` + strings.Repeat("12", 16) + `","to_ids":true,"deleted":true}],"Object":[{"name":"file","Attribute":[{"type":"sha1","value":"` + strings.Repeat("34", 20) + `","to_ids":true}]}]}}`,
	"events.json":        `{"response":[{"Event":{"info":"Mail","date":"2026-01-02","Attribute":[{"type":"email-src","value":"Boss@Fake.example","to_ids":true}]}}]}`,
	"manifest.json":      `{"5a1b2c3d-0000-4000-8000-000000000000":{"info":"x"}}`,
	"resolvers.json":     `{"name":"Public resolvers","version":1,"description":"d","type":"cidr","list":["203.0.113.53/32"]}`,
	"top.json":           `{"name":"Popular","type":"hostname","list":[".search.example"]}`,
	"exploited.json":     `{"title":"Known","count":1,"vulnerabilities":[{"cveID":"CVE-2026-12345","vendorProject":"Acme","product":"Gate","vulnerabilityName":"Acme Gate Flaw","dateAdded":"2026-01-02","dueDate":"2026-01-23","knownRansomwareCampaignUse":"Known"}]}`,
}

// content writes files and opens them.
func content(t testing.TB, lists, feeds map[string]string) *Store {
	t.Helper()
	dir := t.TempDir()
	for folder, files := range map[string]map[string]string{"lists": lists, "feeds": feeds} {
		if err := os.MkdirAll(filepath.Join(dir, folder), 0o700); err != nil {
			t.Fatal(err)
		}
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(dir, folder, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	return Open(Options{Lists: []string{filepath.Join(dir, "lists")}, Feeds: []string{filepath.Join(dir, "feeds"), filepath.Join(dir, "missing")}})
}

func shipped(t testing.TB) *Store {
	t.Helper()
	s := content(t, map[string]string{"assets.csv": assetsCSV, "identities.csv": identitiesCSV}, feedSamples)
	if err := s.Problems(); err != nil {
		t.Fatal(err)
	}
	return s
}

func caseOf(fields winnow.Fields) *llm.Case {
	return &llm.Case{Alert: &winnow.Alert{ID: "01TEST", SearchName: "Odd Traffic", Fields: fields}}
}

// summary writes what is known as "source field value key=..." with one telling key.
func summary(known []llm.Known, key string) []string {
	var out []string
	for _, k := range known {
		out = append(out, fmt.Sprintf("%s %s %s %s", k.Source, k.Field, k.Value, k.Data[key]))
	}
	return out
}

func TestInventories(t *testing.T) {
	s := shipped(t)
	for _, row := range []struct {
		field, value, want string // "source owner/priority"
	}{
		{"dest", "10.1.2.4", "asset pat/critical"},
		{"dest", "dc01", "asset pat/critical"},
		{"dest", "DC01.corp.example.", "asset pat/critical"},
		{"src_mac", "00:1B:44:11:3A:B7", "asset pat/critical"},
		{"src", "10.9.200.1", "asset lab/low"},
		{"src", "::ffff:10.9.8.20", "asset pay/high"}, // the narrowest network
		{"src", "10.9.8.21", "asset lab/low"},
		{"src", "2001:db8:1::1", "asset net/medium"},
		{"dest", "ws-7.other.example", "asset ann/"},
		{"dest", "10.8.0.1", ""},
		{"message", "10.1.2.3", ""}, // names no host
		{"user", "dc01", ""},        // names an account
		{"user", "CORP\\Ann", "identity /high"},
		{"user", "ann.adm@corp.example", "identity /high"},
		{"src_user", "svc-backup", "identity /low"},
		{"user", "", ""},
		{"user", "annabel", ""},
		{"dest", "10.1.2.3/24", ""},
	} {
		got := ""
		for _, k := range s.Look(t.Context(), caseOf(winnow.Fields{row.field: {row.value}})) {
			got += k.Source + " " + k.Data["owner"] + "/" + k.Data["priority"]
		}
		if got != row.want {
			t.Errorf("%s=%s: %q, want %q", row.field, row.value, got, row.want)
		}
	}
	known := s.Look(t.Context(), caseOf(winnow.Fields{"user": {"ann"}}))
	if len(known) != 1 || known[0].Data["name"] != "Dr Ann Example" || known[0].Data["watchlist"] != "true" {
		t.Errorf("identity: %+v", known)
	}
	if n := s.Counts(); n.Assets != 5 || n.Identities != 2 || n.Exploited != 1 || n.Indicators < 10 {
		t.Errorf("counts %+v", n)
	}
}

func TestFeeds(t *testing.T) {
	s := shipped(t)
	for value, want := range map[string][]string{
		"HTTP://bad.EXAMPLE/a.exe":                       {"threat_intel f HTTP://bad.EXAMPLE/a.exe URLhaus"},
		"http://bad.example/A.exe":                       nil, // a path heeds letter case
		"powershell iwr 'http://bad.example/a.exe' -o x": {"threat_intel f http://bad.example/a.exe URLhaus"},
		"203.0.113.9":                                    {"threat_intel f 203.0.113.9 ThreatFox"},
		"::ffff:203.0.113.9":                             {"threat_intel f ::ffff:203.0.113.9 ThreatFox"},
		"203.0.113.10:443":                               {"threat_intel f 203.0.113.10:443 Feodo Tracker"},
		"203.0.113.11":                                   {"threat_intel f 203.0.113.11 SSLBL"},
		"http://203.0.113.12:8080/x":                     {"threat_intel f http://203.0.113.12:8080/x Feodo Tracker"},
		"0123456789ABCDEF0123456789ABCDEF01234567":       {"threat_intel f 0123456789ABCDEF0123456789ABCDEF01234567 SSLBL"},
		"0123456789abcdef0123456789abcdef":               {"threat_intel f 0123456789abcdef0123456789abcdef SSLBL JA3"},
		strings.Repeat("CD", 16):                         {"threat_intel f " + strings.Repeat("CD", 16) + " MalwareBazaar"},
		"evil.example":                                   {"threat_intel f evil.example ThreatFox"},
		"deep.www.evil.example.":                         {"threat_intel f deep.www.evil.example ThreatFox"},
		"notevil.example":                                nil,
		"drop.example":                                   {"threat_intel f drop.example MISP"},
		"203.0.113.13":                                   {"threat_intel f 203.0.113.13 MISP"},
		"203.0.113.14":                                   nil, // not fit for detection
		strings.Repeat("12", 16):                         nil, // deleted
		strings.Repeat("34", 20):                         {"threat_intel f " + strings.Repeat("34", 20) + " MISP"},
		"boss@fake.example":                              {"threat_intel f boss@fake.example MISP"},
		"203.0.113.53":                                   {"warninglist f 203.0.113.53 "},
		"www.search.example":                             {"warninglist f www.search.example "},
		"exploit of cve-2026-12345 seen":                 {"kev f CVE-2026-12345 "},
		"CVE-2026-123456":                                nil,
		strings.Repeat("a.", 5000) + "evil.example":      nil,
		"\x00\xff\"'<>|":                                 nil,
	} {
		got := summary(s.Look(t.Context(), caseOf(winnow.Fields{"f": {value}})), "feed")
		slices.Sort(got)
		if !cmp.Equal(slices.Compact(got), want) {
			t.Errorf("%.60q: %q, want %q", value, got, want)
		}
	}
	known := s.Look(t.Context(), caseOf(winnow.Fields{"dest_ip": {"203.0.113.9"}}))
	want := map[string]string{"feed": "ThreatFox", "type": "ip", "threat": "botnet_cc", "malware": "Qak, Bot", "tags": "a,b", "confidence": "75", "first_seen": "2026-02-03"}
	if len(known) != 1 || !cmp.Equal(known[0].Data, want) {
		t.Errorf("data: %v", known)
	}
}

// A file with a mistake is told with its name and line, is not used, and spoils no other.
func TestFilesThatAreOutOfOrder(t *testing.T) {
	for name, row := range map[string]struct{ file, text, want string }{
		"a bad row":            {"feeds/a.csv", feedSamples["feodo.csv"] + "\"x\",\"203.0.113.99\"\n", "a.csv: line 4: 2 columns, the header has 6"},
		"a bad quote":          {"feeds/a.csv", feedSamples["feodo.csv"] + "x\"y,1,2,3,4,5\n", `a.csv: line 4: bare "`},
		"no header":            {"feeds/a.csv", "1,2,3\n", "not a feed that is known"},
		"empty":                {"feeds/a.csv", "", "not a feed that is known"},
		"other JSON":           {"feeds/a.json", `{"a": 1}`, "not a feed that is known"},
		"empty JSON":           {"feeds/a.json", `{}`, "not a feed that is known"},
		"cut JSON":             {"feeds/a.json", "{\"vulnerabilities\": [\n{\"cveID\": \"CVE-2026-1", "a.json: line 2: unexpected end"},
		"a wrong type":         {"feeds/a.json", "{\n\"vulnerabilities\": [\n{\"cveID\": 7}]}", "a.json: line 3:"},
		"no CVE":               {"feeds/a.json", `{"vulnerabilities": [{"cveID": "CVE-x"}]}`, `vulnerability 1: cveID is "CVE-x"`},
		"a regex list":         {"feeds/a.json", `{"type": "regex", "list": ["."]}`, `its type is "regex"`},
		"a network that isn't": {"feeds/a.json", `{"type": "cidr", "list": ["10.0.0.0/8", "ten"]}`, "entry 2:"},
		"not text":             {"feeds/a.csv", "\xff\xfe", "not UTF-8"},
		"a column missing":     {"lists/assets.csv", "ip,owner\n", `assets.csv:1: no column "mac"`},
		"a column twice":       {"lists/assets.csv", "ip,ip\n", "there twice"},
		"a bad priority":       {"lists/assets.csv", "ip,mac,nt_host,dns,owner,priority,category\n10.0.0.1,,,,a,top,\n", "assets.csv:2: priority is"},
		"a bad address":        {"lists/assets.csv", "ip,mac,nt_host,dns,owner,priority,category\n10.0.0.1,,,,a,low,\n10.0.0.256,,,,a,low,\n", "assets.csv:3: ip:"},
		"a range backwards":    {"lists/assets.csv", "ip,mac,nt_host,dns,owner,priority,category\n10.0.0.9-10.0.0.1,,,,a,low,\n", "assets.csv:2: ip:"},
		"a nameless asset":     {"lists/assets.csv", "ip,mac,nt_host,dns,owner,priority,category\n,,,,a,low,\n", "assets.csv:2: none of"},
		"a short row":          {"lists/identities.csv", "identity,priority,category\nann\n", "identities.csv:2: 1 columns"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, file, _ := strings.Cut(row.file, "/")
			lists, feeds := map[string]string{}, map[string]string{"exploited.json": feedSamples["exploited.json"]}
			if dir == "lists" {
				lists[file] = row.text
			} else {
				feeds[file] = row.text
			}
			s := content(t, lists, feeds)
			if err := s.Problems(); err == nil || !strings.Contains(err.Error(), row.want) {
				t.Errorf("problems %v, want %q", err, row.want)
			}
			if n := s.Counts(); n != (Counts{Exploited: 1}) {
				t.Errorf("known all the same: %+v", n)
			}
		})
	}
}

func TestReloadAndTrust(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "exploited.json")
	refuse := false
	s := Open(Options{Feeds: []string{dir}, Trusted: func(paths ...string) error {
		if refuse {
			return fmt.Errorf("not trusted: %s", paths[0])
		}
		return nil
	}})
	if s.Counts().Exploited != 0 {
		t.Fatal("something is known of nothing")
	}
	if err := os.WriteFile(path, []byte(feedSamples["exploited.json"]), 0o600); err != nil {
		t.Fatal(err)
	}
	if s.Reload(); s.Counts().Exploited != 1 || s.Problems() != nil {
		t.Fatalf("after the file came: %+v, %v", s.Counts(), s.Problems())
	}
	refuse = true
	if s.Reload(); s.Counts().Exploited != 0 || s.Problems() == nil {
		t.Fatalf("a file that anybody can write: %+v, %v", s.Counts(), s.Problems())
	}
}

// namedLists is value lists that know their names.
type namedLists map[string][]string

func (l namedLists) Contains(list, value string) (bool, error) {
	return slices.Contains(l[list], value), nil
}

func (l namedLists) Names() []string { return []string{"assets", "vpn_egress", "partners"} }

func TestLists(t *testing.T) {
	c := caseOf(winnow.Fields{"src": {"10.8.0.4", "other"}, "rid": {"1"}})
	c.Lists = namedLists{"vpn_egress": {"10.8.0.4"}, "partners": {"10.8.0.4"}, "assets": {"10.8.0.4"}}
	got := summary(shipped(t).Look(t.Context(), c), "lists")
	if want := []string{"list src 10.8.0.4 vpn_egress, partners"}; !cmp.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

func TestOfPublicData(t *testing.T) {
	kev, err := os.ReadFile(sharedData + "/cisa_kev.json")
	if err != nil {
		t.Skipf("public data is not here: %v", err)
	}
	b, err := parseFeed("cisa_kev.json", kev)
	if err != nil || len(b.exploited) != 1404 {
		t.Fatalf("%d vulnerabilities, %v", len(b.exploited), err)
	}
	files, _ := filepath.Glob(sharedData + "/warninglists/*.json")
	read, refused := 0, 0
	for _, path := range files {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := parseFeed(path, data); err != nil {
			refused++
			t.Log(err)
		} else if b.warning != nil {
			read++
		}
	}
	t.Logf("%d warning lists read, %d refused", read, refused)
	if read < 100 {
		t.Errorf("%d warning lists read", read)
	}
}

func BenchmarkMillionIndicators(b *testing.B) {
	b.ReportAllocs()
	var before, after runtime.MemStats
	for b.Loop() {
		runtime.GC()
		runtime.ReadMemStats(&before)
		x := newIndex()
		for i := range 1_000_000 {
			if err := x.add(fmt.Sprintf("host-%d.example", i), label{feed: "ThreatFox", kind: kindDomain, malware: fmt.Sprint(i % 500)}, int32(i%20_000)); err != nil {
				b.Fatal(err)
			}
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB")
		runtime.KeepAlive(x)
	}
}

func BenchmarkLook(b *testing.B) {
	s := shipped(b)
	c := caseOf(winnow.Fields{"src": {"10.9.8.20"}, "dest": {"dc01.corp.example"}, "user": {"CORP\\ann"}, "url": {"http://bad.example/a.exe"},
		"process": {"powershell -enc AAAA http://other.example/x?y=z"}, "signature": {"ET EXPLOIT CVE-2026-12345"}})
	for b.Loop() {
		s.Look(b.Context(), c)
	}
}
