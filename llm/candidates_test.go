package llm

import (
	"bufio"
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/winnow-soc/winnow"
)

func shippedCatalogue(tb testing.TB) *Catalogue {
	tb.Helper()
	f, err := os.Open("../packaging/app/default/attack.csv")
	if err != nil {
		tb.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	c, err := ReadCatalogue("attack.csv", f)
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func candidateIDs(list []AttackTechnique) []string {
	ids := make([]string, len(list))
	for i, t := range list {
		ids[i] = t.ID
	}
	return ids
}

func TestCandidates(t *testing.T) {
	c := shippedCatalogue(t)
	for _, row := range []struct {
		name, search string
		fields       winnow.Fields
		want, not    []string
	}{
		{"named in an annotation", "Odd Thing", winnow.Fields{"annotations.mitre_attack": {"T1613"}}, []string{"T1613"}, nil},
		{"the whole of a part", "Odd Thing", winnow.Fields{"mitre_technique": {"TA0006:T1098.001"}}, []string{"T1098.001", "T1098"}, nil},
		{"revoked ids are not offered", "Odd Thing", winnow.Fields{"mitre": {"T1086"}}, nil, []string{"T1086"}},
		{"an id with something behind it", "Odd Thing", winnow.Fields{"mitre": {"T16130", "XT1613"}}, nil, []string{"T1613"}},
		{"an event id", "Windows", winnow.Fields{"EventCode": {"4625"}}, []string{"T1110"}, nil},
		{"a tool", "EDR", winnow.Fields{"process": {`C:\mimikatz.exe`}}, []string{"T1003"}, nil},
		{"a camel case event", "AWS", winnow.Fields{"eventName": {"CreateAccessKey"}}, []string{"T1098.001", "T1098"}, nil},
		{"words of a name", "Kerberoasting seen", nil, []string{"T1558.003", "T1558"}, nil},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := candidateIDs(c.Candidates(&winnow.Alert{SearchName: row.search, Fields: row.fields}))
			for _, id := range row.want {
				if !slices.Contains(got, id) {
					t.Errorf("no %s among %v", id, got)
				}
			}
			for _, id := range row.not {
				if slices.Contains(got, id) {
					t.Errorf("%s among %v", id, got)
				}
			}
		})
	}
	if (*Catalogue)(nil).Candidates(&winnow.Alert{}) != nil {
		t.Error("a nil catalogue has candidates")
	}
}

func TestEverySynonymIsActive(t *testing.T) {
	c := shippedCatalogue(t)
	check := func(ids []string) {
		for _, id := range ids {
			if at, ok := c.Technique(id); !ok || !at.Active {
				t.Errorf("%s is not active in the catalogue", id)
			}
		}
	}
	for _, s := range synonyms {
		check(s.ids)
		for _, p := range s.phrases {
			if len(words(p)) == 0 {
				t.Errorf("phrase %q of %v has no words", p, s.ids)
			}
		}
	}
	for _, tactic := range tacticOrder {
		check(everyday[tactic])
		if len(everyday[tactic]) == 0 || !slices.Contains(c.byID[everyday[tactic][0]].Tactics, tactic) {
			t.Errorf("tactic %s has no everyday technique of its own", tactic)
		}
	}
}

// Whatever an alert holds: at most so many, each once, all active, the same again, and those of an
// annotation among them however much text stands beside it.
func TestCandidatesOfAnything(t *testing.T) {
	c := shippedCatalogue(t)
	rapid.Check(t, func(t *rapid.T) {
		a := &winnow.Alert{SearchName: rapid.String().Draw(t, "search"), Fields: winnow.Fields{}}
		maps.Copy(a.Fields, rapid.MapOf(rapid.StringN(1, 20, -1), rapid.SliceOfN(rapid.String(), 1, 4)).Draw(t, "fields"))
		a.Fields["annotations.mitre_attack"] = []string{"T1558.003"}
		got := c.Candidates(a)
		if diff := cmp.Diff(got, c.Candidates(a)); diff != "" {
			t.Fatalf("not the same again:\n%s", diff)
		}
		ids := candidateIDs(got)
		if len(ids) > maxCandidates || !slices.Contains(ids, "T1558.003") {
			t.Fatalf("%d candidates: %v", len(ids), ids)
		}
		slices.Sort(ids)
		if len(slices.Compact(ids)) != len(got) {
			t.Fatalf("one twice: %v", ids)
		}
		for _, at := range got {
			if !at.Active {
				t.Fatalf("%s is %s", at.ID, at.Status)
			}
		}
	})
}

// Of what Panther's rules say they detect, so much is among the candidates when the alert does not
// say so itself.
func TestCandidatesOfPanther(t *testing.T) {
	f, err := os.Open(sharedData + "/panther_dev.jsonl")
	if err != nil {
		t.Skipf("labelled alerts are not here: %v", err)
	}
	defer func() { _ = f.Close() }()
	c := shippedCatalogue(t)
	stated, found, alerts, all, size := 0, 0, 0, 0, 0
	missed := map[string]int{}
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var row struct {
			Attack []string        `json:"attack"`
			Title  string          `json:"title"`
			Label  string          `json:"label"`
			Types  []string        `json:"log_types"`
			Event  json.RawMessage `json:"event"`
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil {
			t.Fatal(err)
		}
		fields, err := winnow.Flatten(row.Event)
		if err != nil || row.Label != "alert" {
			continue
		}
		fields["sourcetype"] = row.Types
		got := candidateIDs(c.Candidates(&winnow.Alert{SearchName: row.Title, Fields: fields}))
		wanted, hit := 0, 0
		for _, id := range row.Attack {
			_, id, _ = strings.Cut(id, ":")
			if at, ok := c.Technique(id); !ok || !at.Active {
				continue
			}
			wanted++
			main, _, _ := strings.Cut(id, ".")
			if slices.Contains(got, id) || slices.Contains(got, main) {
				hit++
			} else {
				missed[id+" "+row.Title]++
			}
		}
		if wanted > 0 {
			size += len(got)
			alerts, stated, found = alerts+1, stated+wanted, found+hit
			if hit > 0 {
				all++
			}
		}
	}
	for m, n := range missed {
		t.Logf("missed %d: %s", n, m)
	}
	recall := float64(found) / float64(stated)
	t.Logf("recall of stated techniques %.3f (%d of %d), alerts with one or more %.3f (%d of %d), candidates %.1f an alert",
		recall, found, stated, float64(all)/float64(alerts), all, alerts, float64(size)/float64(alerts))
	if recall < 0.65 {
		t.Errorf("recall %.3f, want 0.65", recall)
	}
}

// A language model that names a technique which code did not offer closes nothing by it; an analyst
// of ours may name any.
func TestOnlyCandidatesArePicked(t *testing.T) {
	for _, source := range []winnow.Source{winnow.SourceModel, winnow.SourceOffline} {
		for _, combine := range []bool{false, true} {
			s := benignScript(source)
			s.answers["correlate"] = `{"techniques":[{"id":"T1203","confidence":60}],"signals":[]}`
			p := newTest(t, s, func(o *Options) { o.Catalogue, o.Combine = shippedCatalogue(t), combine })
			in := travel(t)
			in.Policy.OfflineMaxSeverity = winnow.SeverityMedium
			s.answers["correlate_classify"] = `{"techniques":[{"id":"T1203","confidence":60}],"signals":[],` + s.answers["classify"][1:]
			an, err := p.Analyse(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			if want := source == winnow.SourceOffline; an.Closable() != want || an.Objected(winnow.ReasonBadAnswer) == want {
				t.Errorf("%s, combined %t: closable %t, objections %v", source, combine, an.Closable(), an.Objections)
			}
			if !slices.Equal(an.Verdict.Techniques, []string{"T1203"}) {
				t.Errorf("%s: techniques %v", source, an.Verdict.Techniques)
			}
		}
	}
}

func BenchmarkCandidates(b *testing.B) {
	c := shippedCatalogue(b)
	alerts, _ := readAlerts(b, sharedData+"/alerts/panther.ndjson.gz")
	for i := 0; b.Loop(); i++ {
		c.Candidates(alerts[i%len(alerts)])
	}
}
