package allowlist

import (
	"fmt"
	"iter"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/rules"
)

const tableText = `field,control,volatile
src,system,false
dest,system,false
user,identity,false
src_port,system,true
http_user_agent,attacker,false
severity,system,false
`

func suggestOptions(t testing.TB, f *folder, samples ...Sample) SuggestOptions {
	t.Helper()
	fields := &winnow.FieldTable{}
	if err := fields.Parse("fields.csv", tableText); err != nil {
		t.Fatal(err)
	}
	return SuggestOptions{
		Candidate: f.candidate(), Fields: fields, Hits: MinHits, Owner: "detection@corp.example", Expires: now.AddDate(0, 3, 0), Now: now,
		Samples: func() iter.Seq2[Sample, error] { return each(samples...) },
	}
}

func suggest(t testing.TB, o SuggestOptions) *Suggestions {
	t.Helper()
	s, err := Suggest(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func conditions(s *Suggestions) (out []string) {
	for _, r := range s.Rules {
		out = append(out, fmt.Sprintf("%s: %s (%s)", r.SearchName, r.When, r.Mode))
	}
	return out
}

// habit is n benign alerts of one pattern, spread over four days.
func habit(n int, fields winnow.Fields, change ...func(*winnow.Alert)) (out []Sample) {
	for i := range n {
		out = append(out, sampleOf(TruthBenign, func(a *winnow.Alert) {
			a.Time = now.Add(-time.Duration(i%96) * time.Hour)
			a.Received = a.Time
			a.Fields = fields
			for _, c := range change {
				c(a)
			}
		}))
	}
	return out
}

// one is a single alert with fields.
func one(truth Truth, fields winnow.Fields, change ...func(*winnow.Alert)) Sample {
	s := habit(1, fields, change...)[0]
	s.Truth = truth
	return s
}

func values(pairs ...string) winnow.Fields {
	f := winnow.Fields{}
	for i := 0; i < len(pairs); i += 2 {
		f.Add(pairs[i], pairs[i+1])
	}
	return f
}

// other is a rule that has nothing to do with the samples.
func other() string { return ruleText("other", ours) }

func TestSuggest(t *testing.T) {
	mail := values("src", "10.1.0.4", "dest", "mail")
	const both = `Impossible Travel: event.dest == "mail" && event.src == "10.1.0.4" (enforce)`
	severe := func(s winnow.Severity) func(*winnow.Alert) { return func(a *winnow.Alert) { a.Severity = s } }
	for _, tt := range []struct {
		name    string
		samples []Sample
		want    []string
	}{
		{"a habit, on all fields that can be trusted", habit(50, mail), []string{both}},
		{"too few", habit(49, mail), nil},
		{"fifty of one hour", habit(50, mail, func(a *winnow.Alert) { a.Time = now }), nil},
		{"a true positive among them", append(habit(500, mail), one(TruthAttack, mail)), nil},
		{"one above every ceiling", append(habit(500, mail), one(TruthAttack, mail, severe(winnow.SeverityCritical))), nil},
		{"one that the escalate list names", append(habit(500, mail), one(TruthAttack, values("src", "10.1.0.4", "dest", "mail", "process", "dumper.exe"))), nil},
		{"one that is undecided", append(habit(500, mail), one(TruthUndecided, mail)), nil},
		{"one that winnow closed by itself", append(habit(50, mail), one(TruthUnsaid, mail)), []string{both}},
		{"a true positive beside it", append(habit(50, mail), one(TruthAttack, values("src", "10.1.0.4", "dest", "db"))), []string{both}},
		{"a true positive with one value more", append(habit(50, mail), one(TruthAttack, winnow.Fields{"src": {"10.1.0.4", stranger}, "dest": {"mail"}})), []string{both}},
		{"severity high is not droppable", habit(50, mail, severe(winnow.SeverityHigh)), nil},
		{"severity unknown neither", habit(50, mail, severe(winnow.SeverityUnknown)), nil},
		{"what a rule drops already", habit(50, values("src", ownIP, "dest", "mail"), func(a *winnow.Alert) { a.SearchName = "Dropped" }), nil},
		{"what an attacker words gives the whole search, in shadow", habit(50, values("http_user_agent", "curl/8", "src_port", "4444")),
			[]string{"Impossible Travel: true (shadow)"}},
		{"but not with an attack", append(habit(50, values("http_user_agent", "curl/8")), one(TruthAttack, values("http_user_agent", "x"))), nil},
		{"a field that differs is left out", differing(60), []string{`Impossible Travel: event.dest == "mail" (enforce)`}},
		{"but not over an attack on it", append(differing(60), one(TruthAttack, values("src", stranger, "dest", "mail"))), nil},
		{"severity is for the ceiling", habit(50, values("src", "10.1.0.4", "severity", "low")), []string{`Impossible Travel: event.src == "10.1.0.4" (enforce)`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFolder(t, strings.ReplaceAll(enforced("dropped"), travel, "Dropped"))
			if diff := cmp.Diff(tt.want, conditions(suggest(t, suggestOptions(t, f, tt.samples...)))); diff != "" {
				t.Errorf("suggestions differ (-want +got):\n%s", diff)
			}
		})
	}
}

// differing are alerts on one host from as many sources.
func differing(n int) (out []Sample) {
	for i := range n {
		s := habit(n, values("src", fmt.Sprintf("10.2.0.%d", i), "dest", "mail"))[i]
		out = append(out, s)
	}
	return out
}

func TestSuggestRefusesFewHits(t *testing.T) {
	o := suggestOptions(t, newFolder(t, other()))
	o.Hits = MinHits - 1
	if _, err := Suggest(t.Context(), o); err == nil {
		t.Error("49 hits were enough")
	}
}

// A suggestion that was taken up is not made again, also while it is in shadow.
func TestSuggestOnce(t *testing.T) {
	samples := habit(60, values("src", "10.1.0.4"))
	first := suggest(t, suggestOptions(t, newFolder(t, other()), samples...))
	if len(first.Rules) != 1 {
		t.Fatalf("%d rules", len(first.Rules))
	}
	text := strings.Replace(first.Rules[0].YAML, "mode: enforce", "mode: shadow", 1)
	if again := suggest(t, suggestOptions(t, newFolder(t, text), samples...)); len(again.Rules) != 0 {
		t.Errorf("suggested again: %v", conditions(again))
	}
}

// The near miss of the tests is an attack if there is one, the one most like what is meant.
func TestSuggestShowsTheNearestAttack(t *testing.T) {
	samples := append(habit(60, values("src", "10.1.0.4", "dest", "mail")),
		one(TruthBenign, values("src", "10.1.0.4", "dest", "db")),
		one(TruthAttack, values("src", stranger, "dest", "web")),
		one(TruthAttack, values("src", stranger, "dest", "mail")))
	s := suggest(t, suggestOptions(t, newFolder(t, other()), samples...))
	const want = `dest: "mail", src: "203.0.113.66"}, want: pass}`
	if len(s.Rules) != 1 || !strings.Contains(s.Rules[0].YAML, want) {
		t.Errorf("want a test with %s in:\n%s", want, RuleFile(s.Rules))
	}
}

// TestSuggestNeverCoversAnAttack: whatever the alerts are, no suggestion covers a true positive or
// an undecided alert of them, none rests on a field that an attacker words, and the order of the
// alerts does not matter.
func TestSuggestNeverCoversAnAttack(t *testing.T) {
	f := newFolder(t, other())
	for seed := range uint64(40) {
		rnd := rand.New(rand.NewPCG(seed, 1))
		samples := randomSamples(rnd)
		o := suggestOptions(t, f, samples...)
		s := suggest(t, o)
		if len(s.Rules) == 0 {
			continue
		}
		set, err := rules.Parse(rules.Options{Fields: o.Fields, Now: now}, "s.yaml", []byte(RuleFile(s.Rules)))
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range set.Rules() {
			for _, name := range r.Fields() {
				if o.Fields.Lookup("", name).Control == winnow.ControlAttacker {
					t.Errorf("seed %d: %s rests on %s", seed, r.When, name)
				}
			}
			for i := range samples {
				matched, err := r.Match(&samples[i].Alert)
				bad := samples[i].Truth == TruthAttack || samples[i].Truth == TruthUndecided
				if err != nil || matched && bad && r.InScope(samples[i].Alert.SearchName) {
					t.Errorf("seed %d: %s covers %v (%v)", seed, r.When, samples[i].Alert.Fields, err)
				}
			}
		}
		rnd.Shuffle(len(samples), func(i, j int) { samples[i], samples[j] = samples[j], samples[i] })
		if diff := cmp.Diff(conditions(s), conditions(suggest(t, suggestOptions(t, f, samples...)))); diff != "" {
			t.Errorf("seed %d: in another order (-one +other):\n%s", seed, diff)
		}
	}
}

func randomSamples(rnd *rand.Rand) (out []Sample) {
	odds := rnd.IntN(400) + 1
	for i := range 1500 {
		fields := winnow.Fields{}
		for _, name := range []string{"src", "dest", "user", "http_user_agent"} {
			for range []int{0, 1, 1, 1, 1, 2}[rnd.IntN(6)] {
				fields.Add(name, fmt.Sprint("v", rnd.IntN(1+rnd.IntN(6))))
			}
		}
		truth := TruthBenign
		if rnd.IntN(odds) == 0 {
			truth = Truth(rnd.IntN(4))
		}
		out = append(out, one(truth, fields, func(a *winnow.Alert) {
			a.SearchName, a.Time = []string{"A", "B*", "C? \\ [x]"}[rnd.IntN(3)], now.Add(-time.Duration(i)*time.Minute*10)
			a.Severity = winnow.Severity(rnd.IntN(5))
		}))
	}
	return out
}

// FuzzSuggest: no text of an alert, search or field stops the others from being suggested, and what
// is suggested is read back as it was meant.
func FuzzSuggest(f *testing.F) {
	f.Add("A search", "src", "10.1.0.4")
	f.Add("quote\" # and: [x]", "odd name", "\"\\\" || true || event.x == \"")
	f.Add("star* \\ ?", "a.b..c", "  - id: x\n    when: true")
	f.Add("\u202e", "\x00", "\xff{{}}")
	set, err := rules.Parse(rules.Options{Now: now}, "none.yaml", []byte("rules: []\n"))
	if set == nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, search, field, value string) {
		fields := &winnow.FieldTable{}
		if strings.ContainsAny(field, ",\"\r\n#") || field == "" || value == "" || fields.Parse("f", "field,control,volatile\nhost,system,false\n"+field+",system,false\n") != nil {
			return
		}
		samples := append(habit(60, winnow.Fields{field: {value}}, func(a *winnow.Alert) { a.SearchName = search }),
			habit(60, values("host", "db1"), func(a *winnow.Alert) { a.SearchName = "Plain" })...)
		got, err := Suggest(t.Context(), SuggestOptions{
			Candidate: Candidate{Rules: set}, Fields: fields, Hits: MinHits, Owner: "me", Expires: now.AddDate(0, 3, 0), Now: now,
			Samples: func() iter.Seq2[Sample, error] { return each(samples...) },
		})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(got.Rules, func(s Suggestion) bool { return s.SearchName == "Plain" }) {
			t.Errorf("the other search is gone: %v", conditions(got))
		}
		for _, s := range got.Rules {
			if s.Truths[TruthBenign] < MinHits {
				t.Errorf("%s covers %v", s.When, s.Truths)
			}
		}
	})
}
