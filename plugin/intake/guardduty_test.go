package intake

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
)

const portProbe = `{"schemaVersion":"2.0","accountId":"111122223333","region":"eu-central-1","id":"f1","type":"UnauthorizedAccess:EC2/SSHBruteForce",
 "severity":5,"title":"t","description":"d","updatedAt":"2026-05-04T10:00:00.000Z",
 "resource":{"resourceType":"Instance","instanceDetails":{"instanceId":"i-0a","networkInterfaces":[{"privateIpAddress":"10.0.1.5"}]}},
 "service":{"serviceName":"guardduty","eventLastSeen":"2026-05-04T09:59:00.000Z","action":{"actionType":"NETWORK_CONNECTION",
  "networkConnectionAction":{"connectionDirection":"INBOUND","blocked":false,"remoteIpDetails":{"ipAddressV4":"203.0.113.9"}}}}}`

// api writes a finding as AWS's API does: names with a capital letter.
func api(finding string) string {
	var out strings.Builder
	for i := 0; i < len(finding); i++ {
		if finding[i] == '"' && i+1 < len(finding) {
			if end := strings.IndexByte(finding[i+1:], '"'); end > 0 && strings.HasPrefix(finding[i+2+end:], ":") {
				out.WriteString(`"` + strings.ToUpper(finding[i+1:i+2]) + finding[i+2:i+1+end] + `"`)
				i += end + 1
				continue
			}
		}
		out.WriteByte(finding[i])
	}
	return out.String()
}

func TestGuardDutyFindings(t *testing.T) {
	event := `{"version":"0","id":"e1","detail-type":"GuardDuty Finding","source":"aws.guardduty","time":"2026-05-04T10:05:00Z","detail":` + portProbe + "}"
	want := map[string]string{
		"src": "203.0.113.9", "dest": "10.0.1.5", "object": "i-0a", "signature": "UnauthorizedAccess:EC2/SSHBruteForce", "severity": "medium",
		"severity_id": "5", "vendor_account": "111122223333", "vendor_region": "eu-central-1", "action": "allowed", "object_category": "Instance",
	}
	for name, text := range map[string]string{
		"event": event, "event on one line": strings.ReplaceAll(event, "\n", ""), "finding": portProbe, "list": "[" + portProbe + "," + event + "]",
		"api": `{"Findings":[` + api(portProbe) + `]}`, "api over lines": "{\n \"Findings\": [\n" + api(portProbe) + "\n]}",
	} {
		items, errs := read(t, text, Options{})
		if len(items) == 0 || len(errs) > 0 {
			t.Fatalf("%s: %d items, errors %v", name, len(items), errs)
		}
		for _, item := range items {
			a := item.Alert
			for field, value := range want {
				if got := a.Fields[field]; !cmp.Equal(got, []string{value}) {
					t.Errorf("%s: %s is %q, want %q", name, field, got, value)
				}
			}
			if a.SearchName != "GuardDuty UnauthorizedAccess:EC2/SSHBruteForce" || a.Severity != winnow.SeverityMedium {
				t.Errorf("%s: search %q, severity %s", name, a.SearchName, a.Severity)
			}
			if !a.Time.Equal(time.Date(2026, 5, 4, 9, 59, 0, 0, time.UTC)) {
				t.Errorf("%s: time %v", name, a.Time)
			}
		}
	}
}

// A machine of ours that goes out is the source.
func TestGuardDutyDirections(t *testing.T) {
	for name, c := range map[string]struct{ old, new, src, dest string }{
		"outbound":  {"INBOUND", "OUTBOUND", "10.0.1.5", "203.0.113.9"},
		"api call":  {"networkConnectionAction", "awsApiCallAction", "203.0.113.9", "10.0.1.5"},
		"no remote": {"remoteIpDetails", "x", "", "10.0.1.5"},
		"bucket":    {`"instanceDetails":{"instanceId":"i-0a","networkInterfaces":[{"privateIpAddress":"10.0.1.5"}]}`, `"s3BucketDetails":[{"name":"b1"},{"name":"b2"}]`, "203.0.113.9", "b1,b2"},
		"dns": {`"actionType":"NETWORK_CONNECTION",
  "networkConnectionAction":{"connectionDirection":"INBOUND","blocked":false,"remoteIpDetails":{"ipAddressV4":"203.0.113.9"}}`,
			`"actionType":"DNS_REQUEST","dnsRequestAction":{"domain":"bad.example"}`, "10.0.1.5", "bad.example"},
	} {
		items, _ := read(t, strings.Replace(portProbe, c.old, c.new, 1), Options{})
		f := items[0].Alert.Fields
		if src, dest := strings.Join(f["src"], ","), strings.Join(f["dest"], ","); src != c.src || dest != c.dest {
			t.Errorf("%s: %q to %q, want %q to %q", name, src, dest, c.src, c.dest)
		}
	}
}

func TestWhatIsNoFindingStaysAsItIs(t *testing.T) {
	for _, text := range []string{
		`{"type":"a","severity":8,"service":{"serviceName":"other"}}`,
		`{"severity":8,"service":{"serviceName":"guardduty"}}`,
		`{"search_name":"Mine","type":"a","severity":8,"service":{"serviceName":"guardduty"}}`,
	} {
		items, _ := read(t, text, Options{})
		if got := items[0].Alert; got.Fields["signature"] != nil || got.Severity != winnow.SeverityUnknown {
			t.Errorf("%s became %+v", text, got)
		}
	}
}

func TestVendorSampleOfGuardDuty(t *testing.T) {
	f, err := os.Open(filepath.Join("..", "..", "..", "shared", "data", "vendor", "guardduty.json"))
	if err != nil {
		t.Skip("the public sample alerts are not here")
	}
	defer f.Close() //nolint:errcheck // only read
	items, errs := readFrom(t, f, Options{})
	if len(items) != 1 || len(errs) > 0 {
		t.Fatalf("%d items, errors %v", len(items), errs)
	}
	a := items[0].Alert
	if a.SearchName != "GuardDuty Backdoor:EC2/C&CActivity.B!DNS" || a.Severity != winnow.SeverityHigh || a.Fields["src"] == nil || a.Fields["query"] == nil {
		t.Errorf("got %+v", a)
	}
}
