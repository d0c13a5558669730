package rules

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
)

// benchRules writes n rules of the shapes that allow-lists have: membership, networks, globs, a
// few with quantifiers and numbers.
func benchRules(n int) string {
	shapes := []string{
		`cidr(event.src, lists.nets) && event.user in lists.names`,
		`event.user == "svc-backup-%d" && event.dest == "host%d"`,
		`event.signature in ["a%d", "b%d", "c"] && cidr(event.src, "10.%m.0.0/16")`,
		`glob(event.process, "*\\agent%d.exe*") && not (event.user == "admin")`,
		`lower(event.user) startsWith "svc" && (event.action == "allowed" || event.action == "success%d")`,
		`num(event.bytes) < 1000 + %d && event.app == "sync"`,
		`all(values(event.dest), # endsWith ".corp.example") && event.user == "u%d"`,
		`event.url matches "^https://[a-z]+%d\\.corp\\.example/" && has(event.user)`,
	}
	var b strings.Builder
	b.WriteString("rules:\n")
	for i := range n {
		when := strings.NewReplacer("%d", fmt.Sprint(i), "%m", fmt.Sprint(i%256)).Replace(shapes[i%len(shapes)])
		fmt.Fprintf(&b, `  - id: rule-%d
    description: A rule of an allow-list
    owner: detection@corp.example
    reason: Known job of the operations team
    ticket: SEC-%d
    expires: 2027-03-31
    search_name: [Endpoint Noise, "Network - *"]
    when: '%s'
    mode: enforce
    tests:
      - {name: the job, alert: {src: 10.8.0.4, user: ann, dest: a, bytes: 5, url: x, process: y, action: z, signature: c, app: sync}, want: drop}
      - {name: another, alert: {src: 203.0.113.9, user: eve}, want: pass}
`, i, i, when)
	}
	return b.String()
}

func benchSet(b *testing.B, n int) (*Set, Options, string) {
	dir := b.TempDir()
	write(b, filepath.Join(dir, "lists", "names.txt"), "ann\nbob\n")
	write(b, filepath.Join(dir, "lists", "nets.txt"), "10.8.0.0/16\n")
	path := filepath.Join(dir, "rules", "bench.yaml")
	write(b, path, benchRules(n))
	lists, err := LoadLists(ListOptions{Folders: []string{filepath.Join(dir, "lists")}})
	if err != nil {
		b.Fatal(err)
	}
	opts := Options{Lists: lists, Now: fixedNow, Fields: shippedFields(b)}
	set, err := Load(opts, path)
	if err != nil {
		b.Fatal(err)
	}
	return set, opts, path
}

func benchAlert() *winnow.Alert {
	a := &winnow.Alert{SearchName: "Endpoint Noise", Severity: winnow.SeverityLow, Time: fixedNow, Fields: winnow.Fields{}}
	for i := range 20 {
		a.Fields.Add(fmt.Sprint("field", i), "value")
	}
	a.Fields.Add("src", "10.9.0.4")
	a.Fields.Add("user", "svc-web")
	a.Fields.Add("dest", "web1.corp.example")
	a.Fields.Add("signature", "something else")
	a.Fields.Add("process", `C:\Program Files\Vendor\agent.exe -k`)
	a.Fields.Add("action", "blocked")
	a.Fields.Add("bytes", "4711")
	a.Fields.Add("app", "sync")
	a.Fields.Add("url", "https://intranet.corp.example/")
	return a
}

// Twenty rules in scope, none of which matches: the common case.
func BenchmarkMatch20(b *testing.B) {
	set, _, _ := benchSet(b, 20)
	a := benchAlert()
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range set.For(a.SearchName) {
			if ok, err := r.Match(a); err != nil || ok {
				b.Fatal(r.ID, ok, err)
			}
		}
	}
}

func BenchmarkMatchShapes(b *testing.B) {
	set, _, _ := benchSet(b, 8)
	a := benchAlert()
	for _, r := range set.Rules() {
		b.Run(strings.ReplaceAll(r.When, "/", "_"), func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := r.Match(a); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkLoad20(b *testing.B) {
	_, opts, path := benchSet(b, 20)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(opts, path); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCompile20(b *testing.B) {
	set, _, _ := benchSet(b, 20)
	b.ReportAllocs()
	for b.Loop() {
		for _, r := range set.Rules() {
			if p := compile(r.cond); p.err != nil {
				b.Fatal(p.err)
			}
		}
	}
}

func BenchmarkParseCondition(b *testing.B) {
	_, opts, _ := benchSet(b, 1)
	v := vocabulary{fields: opts.Fields, lists: opts.Lists}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := parseCondition(`cidr(event.src, lists.nets) && event.user in lists.names`, v); err != nil {
			b.Fatal(err)
		}
	}
}

// Ten thousand rules, of which an alert is about a handful.
func BenchmarkMatching10000(b *testing.B) {
	set, _, _ := benchSet(b, 10_000)
	a := benchAlert()
	set.Index()
	x := set.index.Load()
	candidates, done := x.candidates(a)
	asked := len(candidates)
	done()
	b.Run("index", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			for range set.Matching(a) {
			}
		}
		b.ReportMetric(float64(asked), "asked/alert")
	})
	b.Run("loop", func(b *testing.B) {
		for b.Loop() {
			set.each(a, func(*Rule, error) bool { return true })
		}
	})
	b.Run("build", func(b *testing.B) {
		for b.Loop() {
			buildIndex(set.rules)
		}
	})
}
