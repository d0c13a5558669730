package importer

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/rules"
)

// draft is a rule before it is proven.
type draft struct {
	id, description, reason, ticket string

	searches []string // exact names; patterns where scopeGlobs
	global   bool
	expires  time.Time // its last day
	at       time.Time // of the tests' alerts; zero for any
	when     *part
	list     *List
}

// headers are the names that stand in a test for the alert's own, and not for a field of the row.
var headers = []string{"search_name", "severity", "_time", "alert.app", "alert.owner", "alert.source"}

// finish proves a draft, and returns its text, and what rules check has against its fields.
func (im *Import) finish(d *draft) (text, trust string, err error) {
	if im.Global && len(d.searches) == 0 {
		d.global = true
	}
	if len(im.Searches) > 0 {
		d.searches = im.Searches
	}
	if len(d.searches) == 0 && !d.global {
		return "", "", refuse("it names no search (name one with --search, or say --global)")
	}
	if d.expires.IsZero() || d.expires.After(im.Expires) {
		d.expires = im.Expires
	}
	for _, f := range d.when.fields() {
		if slices.Contains(headers, f) {
			return "", "", refuseDetail("in winnow the field comes with the search and not with the row", "%s", f)
		}
	}
	opts, err := d.options(im.Options)
	if err != nil {
		return "", "", err
	}
	drop, pass, err := im.tests(d, opts)
	if err != nil {
		return "", "", err
	}
	text = im.write(d, drop, pass)
	if trust, err = prove(opts, d.id, text); trust != "" {
		text = "  # review: " + trust + "\n" + text
	}
	return text, trust, err
}

// options are what the rule is read with: its list, in a folder for as long as that takes.
func (d *draft) options(o Options) (opts rules.Options, err error) {
	opts.Now, opts.Fields = o.Now, o.Table
	if d.list == nil {
		return opts, nil
	}
	dir, err := os.MkdirTemp("", "winnow-import-")
	if err != nil {
		return opts, err
	}
	defer func() { _ = os.RemoveAll(dir) }()
	if err := os.WriteFile(filepath.Join(dir, d.list.Name+".csv"), d.list.Text, 0o600); err != nil {
		return opts, err
	}
	opts.Lists, err = rules.LoadLists(rules.ListOptions{Folders: []string{dir}})
	return opts, err
}

// tests finds an alert that the rule drops and a close one that it does not.
func (im *Import) tests(d *draft, opts rules.Options) (drop, pass example, err error) {
	examples := d.when.examples()
	// The rule is read once with tests that name every field, so that all names are known.
	named := example{}
	for _, f := range d.when.fields() {
		named[f] = "x"
	}
	set, err := parse(opts, d.id, im.write(d, named, named))
	if err != nil {
		return nil, nil, err
	}
	r := set.Rules()[0]
	matches := func(e example) bool {
		holds, err := r.Match(d.alert(r, e))
		return holds && err == nil
	}
	for _, e := range examples {
		if !matches(e) {
			continue
		}
		for _, miss := range e.misses(d.when.missing()) {
			if !matches(miss) {
				return e, miss, nil
			}
		}
	}
	return nil, nil, refuse("no example of an alert that it covers, and of one that it just does not, was found")
}

// alert is an alert of a test.
func (d *draft) alert(r *rules.Rule, e example) *winnow.Alert {
	a := *r.Tests[0].Alert
	a.Fields = winnow.Fields{}
	for name, value := range e {
		a.Fields.Add(name, value)
	}
	return &a
}

func parse(opts rules.Options, id, text string) (*rules.Set, error) {
	set, err := rules.Parse(opts, id, []byte("rules:\n"+text))
	if err != nil {
		return nil, refuseDetail("the language of rules cannot say it", "%s", rules.Errors(err)[0].Message)
	}
	return set, nil
}

// prove reads the finished rule, checks it and runs its tests. What is wrong with it is an error, but
// for fields that an attacker may set: these no import can mend.
func prove(opts rules.Options, id, text string) (trust string, err error) {
	set, err := parse(opts, id, text)
	if err != nil {
		return "", err
	}
	for _, e := range set.Check() {
		switch {
		case e.Warning:
		case e.CodeOf() == attackerSet:
			trust = e.Message
		default:
			return "", refuseDetail("the language of rules cannot say it", "%s", e.Message)
		}
	}
	r := set.Rules()[0]
	for _, t := range r.Tests {
		holds, err := r.Match(t.Alert)
		if err != nil || holds != (t.Want == "drop") {
			return "", refuseDetail("its own test does not come out", "%s", t.Name)
		}
	}
	return trust, nil
}

// attackerSet is the check that says so.
const attackerSet = "attacker-set"

// write writes the rule as an item of a rule file.
func (im *Import) write(d *draft, drop, pass example) string {
	var b strings.Builder
	line := func(key, value string) {
		if value != "" {
			fmt.Fprintf(&b, "    %s: %s\n", key, value)
		}
	}
	fmt.Fprintf(&b, "  - id: %s\n", d.id)
	line("description", quote(d.description))
	line("owner", quote(im.Owner))
	line("reason", quote(strings.TrimSuffix("review: "+d.reason+"; "+im.Reason, "; ")))
	if d.ticket != "" {
		line("ticket", quote(d.ticket))
	}
	line("expires", d.expires.Format(time.DateOnly))
	if d.global {
		line("global", "true")
	} else {
		var names []string
		for _, s := range d.searches {
			names = append(names, quote(s))
		}
		line("search_name", "["+strings.Join(names, ", ")+"]")
	}
	b.WriteString("    when: |\n")
	parts := []*part{d.when}
	if d.when.op == opAll {
		parts = d.when.kids
	}
	for i, p := range parts {
		text := p.text()
		if i > 0 {
			text = "&& " + text
		}
		fmt.Fprintf(&b, "      %s\n", text)
	}
	line("mode", "shadow")
	b.WriteString("    tests:\n")
	fmt.Fprintf(&b, "      - {name: covered, alert: %s, want: drop}\n", d.fields(drop, nil))
	fmt.Fprintf(&b, "      - {name: close to it, alert: %s, want: pass}\n", d.fields(pass, drop))
	return b.String()
}

// fields writes an alert. Fields of the condition that neither it nor the other test has are named as
// missing: the names that tests know are not taken for slips of the pen.
func (d *draft) fields(e, other example) string {
	var out []string
	if !d.at.IsZero() {
		out = append(out, "_time: "+strconv.FormatInt(d.at.Unix(), 10))
	}
	for _, name := range d.when.fields() {
		_, elsewhere := other[name]
		if value, ok := e[name]; ok {
			out = append(out, quote(name)+": "+quote(value))
		} else if other != nil && !elsewhere {
			out = append(out, quote(name)+": null")
		}
	}
	return "{" + strings.Join(out, ", ") + "}"
}

// quote writes a text for YAML, which takes the escapes of Go.
func quote(text string) string { return strconv.Quote(strings.ToValidUTF8(text, "\ufffd")) }

// exactName writes the name of a search so that nothing in it is a wildcard.
func exactName(name string) string {
	return strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`).Replace(name)
}
