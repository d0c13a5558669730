package importer

import (
	"strings"
	"testing"
	"time"

	"github.com/winnow-soc/winnow/rules"
)

// conditions returns the conditions of what was imported, and the kinds of what was refused.
func conditions(t *testing.T, im *Import) (whens, refused []string) {
	t.Helper()
	opts := rules.Options{Now: now}
	if len(im.Lists) > 0 {
		dir := t.TempDir()
		for _, l := range im.Lists {
			write(t, dir+"/"+l.Name+".csv", string(l.Text))
		}
		var err error
		if opts.Lists, err = rules.LoadLists(rules.ListOptions{Folders: []string{dir}}); err != nil {
			t.Fatal(err)
		}
	}
	if len(im.Rules) > 0 {
		set, err := rules.Parse(opts, "imported.yaml", im.File())
		if err != nil {
			t.Fatalf("%v\n%s", err, im.File())
		}
		for _, r := range set.Rules() {
			if r.Mode != rules.ModeShadow || !strings.HasPrefix(r.Reason, "review: ") || r.Owner == "" || len(r.Tests) != 2 {
				t.Errorf("rule %+v has no review marker", r)
			}
			whens = append(whens, strings.TrimSpace(r.When))
		}
	}
	for _, r := range im.Refused {
		refused = append(refused, r.Why)
	}
	return whens, refused
}

func sigmaText(condition, detection string) string {
	return "title: A search\nid: 0a1b\nauthor: Ann\ndetection:\n  selection:\n    A: b\n" + detection + "  condition: " + condition + "\n"
}

func TestSigmaBlocks(t *testing.T) {
	for _, test := range []struct{ block, want string }{
		{`{Image: 'C:\Windows\a.exe'}`, "lower(event.Image) == `c:\\windows\\a.exe`"},
		{`{Image: [A, b]}`, `lower(event.Image) in ["a", "b"]`},
		{`{Image|endswith: ['\A.exe', '\b.exe']}`, "(lower(event.Image) endsWith `\\a.exe` || lower(event.Image) endsWith `\\b.exe`)"},
		{`{Image|startswith: 'C:\', Command|contains|all: [' -a', b]}`, "lower(event.Image) startsWith `c:\\`\n&& lower(event.Command) contains \" -a\"\n&& lower(event.Command) contains \"b\""},
		{`{Image: 'a*b?c'}`, `lower(event.Image) matches "(?s)^a.*b.c$"`},
		{`{Image: '*ab*'}`, `lower(event.Image) contains "ab"`},
		{`{Image: 'a\*b'}`, `lower(event.Image) == "a*b"`},
		{`{Image: 'a\\*'}`, "lower(event.Image) startsWith `a\\`"},
		{`{Image: '*'}`, `has(event.Image)`},
		{`{c-ip|cidr: [10.0.0.0/8, '::1/128']}`, `cidr(event["c-ip"], ["10.0.0.0/8", "::1/128"])`},
		{`{Port: 443, Signed: true}`, "lower(event.Port) == \"443\"\n&& lower(event.Signed) == \"true\""},
		{`{Count|gte: 5}`, `num(event.Count) >= 5`},
		{`{Command|re: '^a{2}[bc]+$'}`, `event.Command matches "^a{2}[bc]+$"`},
		{`{Command|re|i: '^ab'}`, `event.Command matches "(?i)^ab"`},
		{`{Command|contains|cased: AbC}`, `event.Command contains "AbC"`},
		{`{Command|contains|windash: ' -a'}`, `(lower(event.Command) contains " -a" || lower(event.Command) contains " /a" || lower(event.Command) contains " –a" || ` +
			`lower(event.Command) contains " —a" || lower(event.Command) contains " ―a")`},
		{`[{A: x, B: w}, {C: z}]`, `((lower(event.A) == "x" && lower(event.B) == "w") || lower(event.C) == "z")`},
		{`{a.in: x}`, `lower(event["a.in"]) == "x"`},
		{`{Image|exists: true}`, `has(event.Image)`},
	} {
		im := New(options())
		im.Sigma("a.yml", []byte(sigmaText("selection and not 1 of filter_*", "  filter_main: "+test.block+"\n")))
		whens, refused := conditions(t, im)
		if len(whens) != 1 || whens[0] != test.want {
			t.Errorf("%s\ngot  %q\nwant %q\nrefused %q", test.block, whens, test.want, refused)
		}
	}
}

func TestSigmaRefuses(t *testing.T) {
	for _, test := range []struct{ block, want string }{
		{`{Image: null}`, "a missing field is asked for"},
		{`{Image: [null, '']}`, "a missing field is asked for"},
		{`{Image|exists: false}`, "a missing field is asked for"},
		{`{Image: ''}`, "an empty text is asked for"},
		{`{Image|contains: ''}`, "an empty text is asked for"},
		{`[word, other]`, "it looks for words in the whole event"},
		{`{'|all': [a]}`, "it looks for words in the whole event"},
		{`{A|fieldref: B}`, "a modifier is not known: fieldref"},
		{`{A|base64offset|contains: B}`, "a modifier is not known"},
		{`{A|contains|re: B}`, "two modifiers stand together"},
		{`{A|re: '(?=a)b'}`, "a regular expression is not one here"},
		{`{A|re: 'a*'}`, "a regular expression matches everything"},
		{`{A|re: 'a\D'}`, "a regular expression asks for what is in no class"},
		{`{A|re: 'a[^\s]'}`, "a regular expression asks for what is in no class"},
		{`{A|cidr: 10.0.0.1/8}`, "the language of rules cannot say it: \"10.0.0.1/8\" is not a network"},
		{`{A|cidr: x}`, "a network is none"},
		{`{A: 0x1400}`, "readers of YAML differ"},
		{`{A: 010}`, "readers of YAML differ"},
		{`{A: 12:30:45}`, "readers of YAML differ"},
		{`{A: no}`, "readers of YAML differ"},
		{`{A: 2026-01-01}`, "readers of YAML differ"},
		{`{A: {B: c}}`, "a value is neither a text nor a number"},
		{`{A: x, A: y}`, "a key is there twice"},
		{`{A: []}`, "it is empty"},
		{`{}`, "it is empty"},
		{`{severity: low}`, "in winnow the field comes with the search"},
		{`{A: x, A|endswith: w}`, "no example of an alert"},
		{`&a {A: x}`, ""},
		{`{A|lt: five}`, "a number is not a plain decimal"},
	} {
		if test.want == "" {
			continue
		}
		im := New(options())
		im.Sigma("a.yml", []byte(sigmaText("selection and not 1 of filter_*", "  filter_main: "+test.block+"\n")))
		whens, refused := conditions(t, im)
		if len(whens) != 0 || len(refused) != 1 || !strings.HasPrefix(refused[0], test.want) || im.Refused[0].Line != 7 || im.Refused[0].What != "filter_main" && im.Refused[0].What != "the rule" {
			t.Errorf("%s\nimported %q\nrefused %+v, want %q", test.block, whens, im.Refused, test.want)
		}
	}
}

func TestSigmaNulls(t *testing.T) {
	o := options()
	o.Nulls = true
	im := New(o)
	im.Sigma("a.yml", []byte(sigmaText("selection and not filter", "  filter: {A: [null, ''], B: x}\n")))
	whens, refused := conditions(t, im)
	if len(whens) != 1 || whens[0] != "not has(event.A)\n&& lower(event.B) == \"x\"" {
		t.Errorf("got %q, %q", whens, refused)
	}
}

// A block becomes a rule only where the search cannot fire while it is true.
func TestSigmaConditions(t *testing.T) {
	for _, test := range []struct {
		condition string
		want      int // rules of the two blocks
	}{
		{"selection and not filter_a and not filter_b", 2},
		{"selection and not 1 of filter_*", 2},
		{"selection and not 1 of filter*", 2},
		{"selection AND NOT (filter_a OR filter_b)", 2},
		{"selection and not all of filter_*", 1},
		{"selection and not (filter_a and filter_b)", 1},
		{"selection and not 2 of filter_*", 1},
		{"not filter_a and not filter_b", 2},
		{"(selection and not filter_a) or (selection and not filter_b)", 1},
		{"selection or not filter_a", 0},
		{"selection and filter_a and not filter_b", 1},
		{"selection and 1 of filter_*", 0},
		{"(selection and not filter_a) or filter_b", 0},
		{"all of them", 0},
		{"selection and not filter_a | count() > 5", 0},
		{"selection and not filter_c", 0},
		{"selection and not (filter_a", 0},
		{"selection and not 1 of other_*", 0},
		{"", 0},
		{"[selection and not filter_a, selection and not filter_b]", 1},
		{"[selection and not 1 of filter_*, not filter_a]", 1},
	} {
		im := New(options())
		blocks := im.Sigma("a.yml", []byte(sigmaText(test.condition, "  filter_a:\n    A: x\n  filter_b:\n    B: w\n")))
		if len(im.Rules) != test.want {
			t.Errorf("%s: %d rules, want %d; refused %v", test.condition, len(im.Rules), test.want, im.Refused)
		}
		said := len(im.Refused)
		for _, r := range im.Rules {
			said += r.Parts
		}
		if blocks != 2 || said != 2 {
			t.Errorf("%s: %d blocks, %d accounted for", test.condition, blocks, said)
		}
	}
}

func TestSigmaFiles(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"a: [", "it is no YAML"},
		{"- a", "it is no mapping"},
		{"action: global\ndetection: {filter: {A: b}, condition: not filter}", "its documents build on each other"},
		{"title: x\nfilter: {rules: [a], selection: {A: b}, condition: not selection}", "it is no detection"},
		{"detection: {filter: {A: b}, condition: not filter}", "it has no title"},
		{"title: a\ndetection: {filter: {A: b}}", "it has no condition"},
		{"title: a\ndetection: &x {filter: {A: b}, condition: not filter}\nother: *x", "it uses aliases"},
	} {
		im := New(options())
		im.Sigma("a.yml", []byte(test.text))
		if len(im.Rules) != 0 || len(im.Refused) == 0 || !strings.Contains(im.Refused[0].Why, test.want) {
			t.Errorf("%s: %v, %v, want %s", test.text, im.Rules, im.Refused, test.want)
		}
	}
}

func TestOptions(t *testing.T) {
	for want, change := range map[string]func(*Options){
		"no owner":                  func(o *Options) { o.Owner = " " },
		"more than a year ahead":    func(o *Options) { o.Expires = now.AddDate(1, 0, 1) },
		"is over":                   func(o *Options) { o.Expires = now.AddDate(0, 0, -2) },
		"for some searches, or for": func(o *Options) { o.Global, o.Searches = true, []string{"a"} },
	} {
		o := options()
		change(&o)
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	o := options()
	if err := o.Validate(); err != nil {
		t.Error(err)
	}
}

func TestLookup(t *testing.T) {
	for _, test := range []struct {
		name, text string
		lookup     Lookup
		want, list string
		refused    string
	}{
		{"one key", "user,note\nann,x\n\"b, \"\"c\"\"\",y\nann,z\n#d,\n", Lookup{Keys: []string{"user"}}, "event.user in lists.known_users",
			"value\n\"ann\"\n\"b, \"\"c\"\"\"\n\"#d\"\n", ""},
		{"addresses", "ip\n192.0.2.7\n", Lookup{Keys: []string{"ip"}, List: "ours"}, "event.src in lists.ours", "value\n\"192.0.2.7\"\n", ""},
		{"networks", "ip\n192.0.2.0/24\n", Lookup{Keys: []string{"ip"}, CIDR: true}, "event.src in lists.known_users", "value\n\"192.0.2.0/24\"\n", ""},
		{"two keys", "user,ip\nann,192.0.2.7\nbob,192.0.2.8\n", Lookup{Keys: []string{"user", "ip"}},
			`((event.user == "ann" && event.src == "192.0.2.7") || (event.user == "bob" && event.src == "192.0.2.8"))`, "", ""},
		{"a network by chance", "ip\n192.0.2.7\n10.0.0.0/8\n", Lookup{Keys: []string{"ip"}}, "event.src in lists.known_users", "value\n\"192.0.2.7\"\n",
			"a key is a network"},
		{"an empty key", "user\nann\n\"\"\n", Lookup{Keys: []string{"user"}}, "event.user in lists.known_users", "value\n\"ann\"\n", "a key is empty"},
		{"a blank", "user\nann\n bob\n", Lookup{Keys: []string{"user"}}, "event.user in lists.known_users", "value\n\"ann\"\n", "a key begins or ends with a blank"},
		{"a wildcard", "user\nann\nsvc-*\n", Lookup{Keys: []string{"user"}}, "event.user in lists.known_users", "value\n\"ann\"\n", "a key holds *"},
		{"no key", "user\nann\n", Lookup{}, "", "", "no key column is named"},
		{"another column", "user\nann\n", Lookup{Keys: []string{"usr"}}, "", "", "a key column is not there: usr (there are user)"},
		{"a column twice", "user,user\nann,bob\n", Lookup{Keys: []string{"user"}}, "", "", "a key column is there twice"},
		{"no rows", "user\n", Lookup{Keys: []string{"user"}}, "", "", "no row is left"},
		{"empty", "", Lookup{Keys: []string{"user"}}, "", "", "it has no header line"},
		{"not CSV", "user\n\"ann\n", Lookup{Keys: []string{"user"}}, "", "", "it is no CSV"},
		{"a bad name", "user\nann\n", Lookup{Keys: []string{"user"}, List: "a-b"}, "", "", "the name of the list"},
	} {
		o := options()
		o.Searches, o.Fields = []string{"A search"}, map[string]string{"ip": "src"}
		im := New(o)
		im.Lookup("dir/known-users.csv", []byte(test.text), test.lookup)
		whens, refused := conditions(t, im)
		list := ""
		if len(im.Lists) > 0 {
			list = string(im.Lists[0].Text)
		}
		if strings.Join(whens, "") != test.want || list != test.list || !strings.HasPrefix(strings.Join(refused, ""), test.refused) || (test.refused == "") != (len(refused) == 0) {
			t.Errorf("%s: got %q with %q, refused %q", test.name, whens, list, refused)
		}
	}
}

func TestLookupNeedsScope(t *testing.T) {
	im := New(options())
	im.Lookup("a.csv", []byte("user\nann\n"), Lookup{Keys: []string{"user"}})
	if len(im.Rules)+len(im.Lists) != 0 || len(im.Refused) != 1 || !strings.Contains(im.Refused[0].Why, "--search") {
		t.Errorf("%+v", im)
	}
}

func TestSuppression(t *testing.T) {
	for _, test := range []struct{ search, want, scope string }{
		{"`get_notable_index` search_name=\"Threat - A - Rule\" src=\"192.0.2.7\"", `lower(event.src) == "192.0.2.7"`, "Threat - A - Rule"},
		{"`get_notable_index` _time>=1790000000 _time<1800000000 source=\"A\" dest=web-01", "alert.time >= 1790000000\n&& alert.time < 1800000000\n" +
			`&& lower(event.dest) == "web-01"`, "A"},
		{"index=notable source=A (user=\"CORP\\\\ann\" OR user=bob)", "lower(event.user) in [`corp\\ann`, \"bob\"]", "A"},
		{`source="A *" src=10.0.0.0/8 NOT user=admin*`, "cidr(event.src, [\"10.0.0.0/8\"])\n&& not (lower(event.user) startsWith \"admin\")", "A *"},
		{`source=A user!=bob`, `not (lower(event.user) == "bob")`, "A"},
		{`source=A user IN (ann, "bob b")`, `lower(event.user) in ["ann", "bob b"]`, "A"},
		{`source=A count>=5 src=*`, "num(event.count) >= 5\n&& has(event.src)", "A"},
		{`(source=A AND user=*x*y) AND src=z`, "lower(event.user) matches \"(?s)^.*x.*y$\"\n&& lower(event.src) == \"z\"", "A"},
	} {
		im := New(options())
		im.Suppression(Stanza{Name: "notable_suppression-x", Search: test.search, File: "eventtypes.conf", Line: 3})
		whens, refused := conditions(t, im)
		if len(whens) != 1 || whens[0] != test.want || !strings.Contains(im.Rules[0].Text, `search_name: ["`+test.scope+`"]`) {
			t.Errorf("%s\ngot  %q %v\nwant %q", test.search, whens, refused, test.want)
		}
	}
}

func TestSuppressionRefuses(t *testing.T) {
	for _, test := range []struct{ search, want string }{
		{"", "it has no search"},
		{"source=A", "it names no field of the alert"},
		{"source=A _time<1800000000", "it names no field of the alert"},
		{"src=x", "it names no search"},
		{"source=* src=x", "it is for every search"},
		{"source=A OR src=x", "the name of the search is not compared for the whole of it"},
		{"src=x (source=A OR source=B)", "the name of the search is not compared for the whole of it"},
		{"NOT source=A src=x", "the name of the search is not compared for the whole of it"},
		{"source=A search_name=B src=x", "the name of the search is compared twice"},
		{"source=A (src=x OR src=y AND dest=z)", "OR and AND stand side by side"},
		{"source=A src=x | stats count", "its search does more than compare fields"},
		{"source=A [search x]", "its search does more than compare fields"},
		{"source=A `other` src=x", "it uses a macro that is not known"},
		{"source=A word", "its search does more than compare fields"},
		{"source=A word src=x", "it looks for words in the whole event"},
		{"source=A status=5", "a field is on notables only"},
		{"source=A src=\"\"", "an empty text is asked for"},
		{"source=A user=\"a\\b\"", "a lone backslash"},
		{"source=A user=\"a", "a quote is not closed"},
		{"source=A (src=x", "a parenthesis is not closed"},
		{"source=A src=x)", "a parenthesis is not opened"},
		{"source=A src=10.0.0.1/8", "a network is none"},
		{"source=A NOT src=*", "a missing field is asked for"},
		{"source=A NOT port=443", "a number is excluded"},
		{"source=A port!=443", "a number is excluded"},
		{"source=A _time<1600000000 src=x", "it has ended: on 2020-09-13"},
		{"source=A _time>1900000000 src=x", "it begins after the rule would end"},
		{"source=A (_time<1800000000 OR src=x)", "a time is not compared for the whole of it"},
		{"source=A _time<tomorrow src=x", "a time is no number of seconds"},
		{"source=A src=x =", "its search does more than compare fields"},
		{"source=A src=x severity=low", "in winnow the field comes with the search"},
		{strings.Repeat("(", 100) + "src=x", "it is nested too deeply"},
		{"source=A " + strings.Repeat("NOT ", 100) + "src=x", "it is nested too deeply"},
	} {
		im := New(options())
		im.Suppression(Stanza{Name: "notable_suppression-x", Search: test.search, File: "eventtypes.conf", Line: 3})
		if len(im.Rules) != 0 || len(im.Refused) != 1 || !strings.HasPrefix(im.Refused[0].Why, test.want) || im.Refused[0].Line != 3 {
			t.Errorf("%s: %v, refused %v, want %q", test.search, im.Rules, im.Refused, test.want)
		}
	}
	im := New(options())
	im.Suppression(Stanza{Name: "notable_suppression-x", Search: "source=A src=x", Disabled: true})
	if len(im.Rules) != 0 || im.Refused[0].Why != "it is disabled" {
		t.Errorf("%+v", im)
	}
}

// A rule ends with its suppression, and not later than asked for.
func TestSuppressionEnds(t *testing.T) {
	for search, want := range map[string]string{
		"source=A src=x _time<=1797000000": "expires: 2026-12-11", // that day
		"source=A src=x _time<=1898000000": "expires: 2027-02-18", // as the options say
		"source=A src=x":                   "expires: 2027-02-18",
	} {
		im := New(options())
		im.Suppression(Stanza{Name: "notable_suppression-x", Search: search})
		if len(im.Rules) != 1 || !strings.Contains(im.Rules[0].Text, want) {
			t.Errorf("%s: %+v %+v, want %s", search, im.Rules, im.Refused, want)
		}
	}
	if got := time.Unix(1797000000, 0).UTC().Format(time.DateOnly); got != "2026-12-11" {
		t.Fatal(got)
	}
}

func TestIDsAreUnique(t *testing.T) {
	im := New(options())
	for range 3 {
		im.Sigma("a.yml", []byte(sigmaText("selection and not filter", "  filter: {A: x}\n")))
	}
	im.Sigma("a.yml", []byte(strings.Replace(sigmaText("selection and not filter", "  filter: {A: x}\n"), "A search", `'?*\ `+strings.Repeat("long ", 50)+"'", 1)))
	if len(im.Rules) != 4 || im.Rules[1].ID != "sigma-a-search-filter-2" || !strings.Contains(im.Rules[3].Text, `["\\?\\*\\\\ long`) {
		t.Errorf("%+v, %+v", im.Rules, im.Refused)
	}
	conditions(t, im)
}
