package llm

import (
	"context"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
)

// script is a model that gives the answers it is told, by task and, for votes, "vote/AGENT".
type script struct {
	source  winnow.Source
	answers map[string]string
	errs    map[string]error
	usage   Usage
	asked   []string
	seen    func(Question)
}

func (s *script) Name() string { return "test-model" }

func (s *script) Source() winnow.Source { return s.source }

func (s *script) Answer(_ context.Context, q Question) (Answer, error) {
	key := string(q.Task)
	if q.Agent != "" {
		key += "/" + q.Agent
	}
	if s.source == winnow.SourceOffline {
		s.asked = append(s.asked, key) // offline models are asked one after the other
	}
	if s.seen != nil {
		s.seen(q)
	}
	return Answer{JSON: []byte(s.answers[key]), Usage: s.usage}, s.errs[key]
}

// benignScript answers as an analyst would who finds the alert harmless.
func benignScript(source winnow.Source) *script {
	return &script{source: source, errs: map[string]error{}, answers: map[string]string{
		"enrich":        `{"asset":"web-1","owner":"ann","sensitivity":"low","severity":1,"facts":[{"text":"it came from the exit","field":"src"}],"assumptions":["a laptop"]}`,
		"correlate":     `{"techniques":[{"id":"T1078","confidence":60}],"signals":[{"text":"odd place","field":"src"}]}`,
		"classify":      `{"disposition":"BenignPositive","confidence":95,"case":{"what":"a login","why":"through our exit","first_response":"none"},"evidence":[{"field":"src","value":"10.8.0.4"}],"recommendations":[{"kind":"monitor","field":"src","reason":"for now"}]}`,
		"vote/network":  `{"vote":"SAFE","confidence":92,"reason":"our exit","fields":["src"]}`,
		"vote/identity": `{"vote":"SAFE","confidence":90,"reason":"known","fields":["user"]}`,
		"vote/intel":    `{"vote":"ABSTAIN","confidence":0,"reason":"nothing","fields":[]}`,
		"coordinate":    `{"disposition":"BenignPositive","confidence":91,"case":{"what":"a login","why":"all agree","first_response":"none"}}`,
	}}
}

const testCatalogue = `# made for tests
id,name,tactics,status
T1078,Valid Accounts,initial-access;persistence,active
T1110,Brute Force,credential-access,active
T1086,PowerShell,execution,revoked
`

const testFields = `field,control,volatile
src,system,
dest,system,
user,identity,
src_category,system,
message,attacker,
`

const testFacts = `
families:
  - name: travel
    search_name: ["*travel*"]
    facts:
      - {list: vpn_egress, fields: [src, src_ip]}
`

// listMap is value lists in memory.
type listMap map[string][]string

func (l listMap) Contains(list, value string) (bool, error) {
	values, ok := l[list]
	if !ok {
		return false, errNoList
	}
	return strings.Contains(" "+strings.Join(values, " ")+" ", " "+value+" "), nil
}

type testError string

func (e testError) Error() string { return string(e) }

const errNoList = testError("no such list")

func mustCatalogue(tb testing.TB) *Catalogue {
	tb.Helper()
	c, err := ReadCatalogue("attack.csv", strings.NewReader(testCatalogue))
	if err != nil {
		tb.Fatal(err)
	}
	return c
}

func mustFields(tb testing.TB) *winnow.FieldTable {
	tb.Helper()
	t := &winnow.FieldTable{}
	if err := t.Read("fields.csv", strings.NewReader(testFields)); err != nil {
		tb.Fatal(err)
	}
	return t
}

func mustFacts(tb testing.TB, text string) *Facts {
	tb.Helper()
	f, err := ParseFacts("facts.yaml", []byte(text))
	if err != nil {
		tb.Fatal(err)
	}
	return f
}

// newTest returns a pipeline in which one model answers everything.
func newTest(tb testing.TB, m Model, change func(*Options)) *Pipeline {
	tb.Helper()
	o := Options{
		Enrich: m, Correlate: m, Classify: m, Catalogue: mustCatalogue(tb), Facts: mustFacts(tb, testFacts),
		Panel: Panel{Coordinator: m, Low: 40, High: 80, Agents: []Agent{
			{Name: "network", Model: m, Weight: 1}, {Name: "identity", Model: m, Weight: 1}, {Name: "intel", Model: m, Weight: 1},
		}},
	}
	if change != nil {
		change(&o)
	}
	p, err := New(o)
	if err != nil {
		tb.Fatal(err)
	}
	return p
}

// travel is an input that everything speaks for closing.
func travel(tb testing.TB) Input {
	tb.Helper()
	return Input{
		Alert: &winnow.Alert{
			ID: "01ALERT", SearchName: "Impossible Travel", Severity: winnow.SeverityInformational,
			Fields: winnow.Fields{"src": {"10.8.0.4"}, "user": {"ann"}, "message": {"login"}},
		},
		Fields: mustFields(tb),
		Lists:  listMap{"vpn_egress": {"10.8.0.4"}},
		Policy: Policy{Confidence: 85, TrustUncalibrated: true, RequireFact: true, OfflineMaxSeverity: winnow.SeverityInformational},
	}
}
