package triage

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
)

// A rule covers all of these alerts, and the model calls them benign: only G1 speaks against it.
func TestHighRiskGoesToAPersonHoweverItIsWritten(t *testing.T) {
	for _, c := range []struct {
		set, field, value string
		want              string // what is found; "" when nothing is
	}{
		// techniques that the alert itself names
		{"", "mitre_technique_id", "T1003.001", "technique T1003.001"},
		{"", "annotations.mitre_attack", "T1003", "technique T1003"},
		{"", "annotations.mitre_attack.mitre_technique_id", "T1003.006", "technique T1003.006"},
		{"", "event.TechniqueId", "T1486", "technique T1486"},
		{"", "threat.technique.id", "T1485", "technique T1485"},
		{"", "mitreTechniques", `["T1059", "t1003.002"]`, "technique T1003.002"},
		{"", "rule.mitre.id", "T1490", "technique T1490"},
		{"", "mitre_technique_id", "T1078|T1562.001", "technique T1562.001"},
		{"", "mitre_technique_id", "T1562", ""},
		{"", "mitre_technique_id", "T10031", ""},
		{"", "mitre_technique_id", "xT1003", ""},
		{"", "process", "setup.exe T1003", ""},
		{"policy.high_risk_techniques=t1078", "mitre_technique_id", "T1078.004", "technique T1078.004"},

		// hosts
		{"policy.high_risk_assets=10.0.0.5", "dest", "::ffff:10.0.0.5", "asset 10.0.0.5"},
		{"policy.high_risk_assets=10.0.0.5", "dest_ipv6", "::FFFF:0a00:0005", "asset 10.0.0.5"},
		{"policy.high_risk_assets=2001:db8::5", "IpAddress", "2001:DB8:0:0::5", "asset 2001:db8::5"},
		{"policy.high_risk_assets=10.0.0.5", "dest", "10.0.0.50", ""},
		{"policy.high_risk_assets=10.0.0.5", "dest_port", "10", ""},
		{"policy.high_risk_assets=dc01", "dest", "DC01.corp.example", "asset dc01"},
		{"policy.high_risk_assets=dc01", "dvc", "DC01.", "asset dc01"},
		{"policy.high_risk_assets=DC01", "dest_nt_host", "dc01", "asset DC01"},
		{"policy.high_risk_assets=dc01.corp.example", "Computer", "DC01", "asset dc01.corp.example"},
		{"policy.high_risk_assets=dc01.corp.example", "dest", "dc01.other.example", ""},
		{"policy.high_risk_assets=dc01", "dest", "dc011", ""},
		{"policy.high_risk_assets=ws7, dc01", "risk_object", "dc01", "asset dc01"},

		// accounts
		{"policy.high_risk_assets=krbadmin", "src_user", `CORP\krbadmin`, "asset krbadmin"},
		{"policy.high_risk_assets=krbadmin", "user_name", "KRBADMIN", "asset krbadmin"},
		{"policy.high_risk_assets=krbadmin", "account", "krbadmin@corp.example", "asset krbadmin"},
		{`policy.high_risk_assets=CORP\krbadmin`, "TargetUserName", "krbadmin", `asset CORP\krbadmin`},
		{"policy.high_risk_assets=krbadmin@corp.example", "actor.alternateId", `corp\krbadmin`, "asset krbadmin@corp.example"},
		{"policy.high_risk_assets=dc01.corp.example", "src_user", `CORP\DC01$`, "asset dc01.corp.example"},
		{"policy.high_risk_assets=krbadmin", "src_user", "krbadmin2", ""},
		{"policy.high_risk_assets=ann2", "src_user", "ann2.smith", ""},
		{"policy.high_risk_assets=krbadmin", "message", "krbadmin", ""},

		// words
		{"", "process", "C:\\MimiKatz.exe", "word mimikatz"},
		{"", "process", "mimi\u200bkatz.exe", "word mimikatz"},
		{"", "process", "ｍｉｍｉｋａｔｚ.exe", "word mimikatz"},
		{"", "process", "mimi\u212aatz.exe", "word mimikatz"},
		{"", "process", "mіmіkatz.exe", "word mimikatz"},
		{"", "message", "Golden \t\u00a0 Ticket", "word golden ticket"},
		{"", "message", "golden__ticket", "word golden ticket"},
		{"policy.high_risk_words=golden_ticket", "message", "a golden ticket", "word golden_ticket"},
		{"", "shadow_copies.deleted", "3", "word shadow copies"},
		{"", "golden", "ticket", ""},
		{"policy.high_risk_words=_, \u200b, é", "message", "a b_c", ""},
		{"policy.high_risk_words=É", "message", "cafe\u0301", "word É"},
	} {
		t.Run(c.field+"="+c.value, func(t *testing.T) {
			set := []string{"policy.high_risk_words=mimikatz, golden ticket, shadow copies"}
			if c.set != "" {
				set = append(set, c.set)
			}
			r := newRig(t, set...)
			a := r.alert("1", "user", "ann", c.field, c.value)
			if got := r.engine.highRiskIn(&a); got != c.want {
				t.Errorf("found %q, want %q", got, c.want)
			}
			for rid, row := range map[string]winnow.Alert{"rule": a, "model": r.alert("1", c.field, c.value)} {
				row.Key.RID = rid
				rec := r.triage(row)
				if closed := rec.Outcome.State == winnow.StateClosed; closed != (c.want == "") {
					t.Errorf("%s: %s, %s", rid, rec.Outcome.State, rec.Outcome.Reason)
				}
			}
		})
	}
}

func TestHighRiskWordsInTheNameOfASearch(t *testing.T) {
	r := newRig(t, "policy.high_risk_words=golden ticket")
	a := r.alert("1")
	a.SearchName = "Golden_Ticket Use"
	if got := r.engine.highRiskIn(&a); got != "word golden ticket" {
		t.Errorf("found %q", got)
	}
}

// What is named does not hang on the order in which a map is read, nor on what was asked before.
func TestHighRiskIsNamedTheSameEveryTime(t *testing.T) {
	r := newRig(t, "policy.high_risk_words=aa, bb", "policy.high_risk_assets=dc1, dc2")
	words := r.alert("1", "x", "bb", "y", "aa")
	assets := r.alert("2", "src", "dc2", "dest", "dc1")
	techniques := r.alert("3", "mitre_technique", "T1490", "mitre_technique_id", "T1003")
	plain := r.alert("4")
	for range 30 {
		for a, want := range map[*winnow.Alert]string{
			&words: "word aa", &assets: "asset dc1", &techniques: "technique T1003", &plain: "",
		} {
			if got := r.engine.highRiskIn(a); got != want {
				t.Fatalf("found %q, want %q", got, want)
			}
		}
	}
}

func TestWordsEqualTheSlowAnswer(t *testing.T) {
	list := newWordList([]string{"golden ticket", "_x", "É"})
	for _, text := range []string{
		"", "_", "golden ticket", " golden_ _ticket ", "GOLDEN\n\nTICKET", "golden.ticket", "a x", "ax", "_x", "x", "é", "e\u0301",
	} {
		norm := " " + strings.Join(strings.Fields(strings.ReplaceAll(strings.ToLower(strings.ReplaceAll(text, "e\u0301", "é")), "_", " ")), " ") + " "
		want := ""
		for i, w := range []string{"golden ticket", " x", "é"} {
			if strings.Contains(norm, w) {
				want = list.words[i]
				break
			}
		}
		if got := list.find(&winnow.Alert{Fields: winnow.Fields{"f": {text}}}); got != want {
			t.Errorf("%q: found %q, want %q", text, got, want)
		}
	}
}

func TestAppendTechniques(t *testing.T) {
	for text, want := range map[string][]string{
		"":                            nil,
		"T1003":                       {"T1003"},
		"t1003.001":                   {"T1003.001"},
		"T1003.0012":                  {"T1003"},
		"T1003.":                      {"T1003"},
		"attack.t1059, T1059.001|T1":  {"T1059", "T1059.001"},
		"https://x/T1003/001":         {"T1003"},
		"T100 T10033 ST1003 TT1003 T": nil,
	} {
		if got := appendTechniques(nil, text); !slices.Equal(got, want) {
			t.Errorf("%q: %v, want %v", text, got, want)
		}
	}
}

func BenchmarkHighRisk(b *testing.B) {
	for name, set := range map[string][]string{
		"shipped": nil,
		"assets":  {"policy.high_risk_assets=" + strings.Join(manyAssets(), ",")},
	} {
		b.Run(name, func(b *testing.B) {
			r := newRig(b, set...)
			a := r.alert("1", "user", "ann", "dest", "ws-ann.corp.example", "process", `C:\Windows\System32\svchost.exe -k netsvcs -p -s Schedule`,
				"parent_process_name", "services.exe", "mitre_technique_id", "T1078", "severity", "low", "app", "auth", "action", "success")
			b.ReportAllocs()
			for b.Loop() {
				if risk := r.engine.highRiskIn(&a); risk != "" {
					b.Fatal(risk)
				}
			}
		})
	}
}

func manyAssets() (out []string) {
	for i := range 200 {
		out = append(out, fmt.Sprintf("dc%d.corp.example", i))
	}
	return out
}
