package rules

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func formatOptions(t testing.TB) Options {
	return Options{Fields: smallTable(t), Lists: smallLists(t), Now: fixedNow}
}

// Each file in testdata/format has beside it what becomes of it.
func TestFormatFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/format/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	opts := formatOptions(t)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			out, err := Format(file, data, opts)
			if err != nil {
				t.Fatal(err)
			}
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				write(t, golden, string(out))
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(out)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			again, err := Format(file, out, opts)
			if err != nil || string(again) != string(out) {
				t.Errorf("formatted twice is not formatted once (%v):\n%s", err, cmp.Diff(string(out), string(again)))
			}
		})
	}
}

// What is shipped is in canonical form.
func TestShippedFilesAreFormatted(t *testing.T) {
	for _, file := range shippedFiles(t) {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		lists := filepath.Join(filepath.Dir(filepath.Dir(file)), "lists")
		opts := Options{Fields: shippedFields(t), Now: fixedNow}
		if _, err := os.Stat(lists); err == nil {
			if opts.Lists, err = LoadLists(ListOptions{Folders: []string{lists}}); err != nil {
				t.Fatal(err)
			}
		}
		out, err := Format(file, data, opts)
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		if *update && string(out) != string(data) {
			write(t, file, string(out))
		}
		if diff := cmp.Diff(string(data), string(out)); diff != "" {
			t.Errorf("%s: -file +formatted\n%s", file, diff)
		}
	}
}

func TestFormatRefuses(t *testing.T) {
	good := ruleText("r", `event.user == "ann"`, "")
	for text, want := range map[string]string{
		"rules: [":                "",
		"":                        "empty",
		good + "---\nrules: []\n": "second document",
		good + "x: 1\n":           `unknown key "x"`,
		"# a\rb\n" + good:         "",
		"# a\u2028b\n" + good:     "",
		strings.Replace(good, "known", "!!str known", 1): "tags",
	} {
		if out, err := Format("r.yaml", []byte(text), formatOptions(t)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %q, %v", text, out, err)
		}
	}
}

// styler writes the same rules in many ways, with comments wherever YAML has room for one.
type styler struct {
	*rand.Rand
	comments int
}

func (w *styler) note() string {
	w.comments++
	return fmt.Sprintf("# note-%d: [it's {\"odd\"", w.comments)
}

// above is a comment on a line of its own, or an empty line, or nothing.
func (w *styler) above(indent int) string {
	switch w.IntN(8) {
	case 0:
		return strings.Repeat(" ", indent) + w.note() + "\n"
	case 1:
		return "\n"
	case 2:
		return w.note() + "\n\n" + strings.Repeat(" ", w.IntN(9)) + w.note() + "\n"
	}
	return ""
}

func (w *styler) behind() string {
	if w.IntN(4) == 0 {
		return "  " + w.note()
	}
	return ""
}

// text writes a text in a style that can hold it.
func (w *styler) text(s string, indent int) string {
	in := strings.Repeat(" ", indent+1+w.IntN(3))
	switch w.IntN(5) {
	case 0:
		return "'" + strings.ReplaceAll(s, "'", "''") + "'" + w.behind() + "\n"
	case 1:
		return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"` + w.behind() + "\n"
	case 2:
		return ">-" + w.behind() + "\n" + in + strings.ReplaceAll(s, " ", "\n"+in) + "\n"
	case 3:
		return "|-" + w.behind() + "\n" + in + s + "\n" + strings.Repeat("\n", w.IntN(2))
	}
	if strings.ContainsAny(s, "#:'") {
		return "'" + strings.ReplaceAll(s, "'", "''") + "'\n"
	}
	return strings.Replace(s, " ", w.pick(" ", "\n"+in), 1) + w.behind() + "\n"
}

func (w *styler) pick(texts ...string) string { return texts[w.IntN(len(texts))] }

func (w *styler) test(indent int, fields, want string) string {
	in := strings.Repeat(" ", indent)
	switch w.IntN(3) {
	case 0:
		return in + "- {alert: {" + fields + "}, want: " + want + "}" + w.behind() + "\n"
	case 1:
		return in + "- {" + w.note() + "\n" + in + "  alert: {" + fields + w.pick("", " "+w.note()+"\n"+in) + "}\n" +
			in + "  " + w.note() + "\n" + in + "  , want: \"" + want + "\" " + w.note() + "\n" + in + "  }" + w.behind() + "\n"
	}
	return in + "- want: " + want + w.behind() + "\n" + w.above(indent+2) + in + "  alert:" + w.behind() + "\n" + w.above(indent+2) +
		in + "    " + strings.ReplaceAll(fields, ", ", w.behind()+"\n"+in+"    ") + w.behind() + "\n"
}

func (w *styler) rule(id int) string {
	in := w.pick("    ", "      ")
	keys := []string{
		"owner: detection@corp.example" + w.behind() + "\n",
		"reason: " + w.text("known: it's #1", len(in)),
		"expires: 2027-03-31" + w.behind() + "\n",
		"search_name: " + w.pick("Noise\n", "[Noise, 'Other  one', \"7\"]\n", "\n"+in+w.pick("", "  ")+"- Noise"+w.behind()+"\n"+w.above(len(in)+2)),
		"when: " + w.text(`event.user == "ann" && event.src != "10.8.0.4"`, len(in)),
		"window: {to: '04:00'," + w.pick(" ", "\n"+in+"  ") + "from: \"22:00\"}" + w.behind() + "\n",
		"tests:" + w.behind() + "\n" + w.above(len(in)) +
			w.test(len(in)+2, "user: ann, src: 10.8.0.5", "drop") + w.above(len(in)+2) + w.test(len(in)+2, "user: 'yes', n: 007", "pass"),
	}
	w.Shuffle(len(keys), reflect.Swapper(keys))
	var b strings.Builder
	fmt.Fprintf(&b, "%s  -%sid: r%d%s\n", w.above(2), in[3:], id, w.behind())
	for _, k := range keys {
		b.WriteString(w.above(len(in)) + in + k)
	}
	return b.String()
}

var noteMark = regexp.MustCompile(`# note-\d+: .*`)

// Formatted text loads to the same rules, has the same comments, and is in canonical form.
func TestFormatKeepsEverything(t *testing.T) {
	opts := formatOptions(t)
	done := 0
	for seed := range uint64(500) {
		w := &styler{Rand: newRand(seed)}
		text := w.above(0) + "rules:" + w.behind() + "\n" + w.rule(1) + w.rule(2) + w.above(0)
		before, errs := readMeaning("r.yaml", []byte(text), opts)
		if len(errs) > 0 {
			continue // not YAML: a comment where there is no room for one
		}
		done++
		out, err := Format("r.yaml", []byte(text), opts)
		if err != nil {
			t.Fatalf("seed %d: %v\n%s", seed, err, text)
		}
		after, errs := readMeaning("r.yaml", out, opts)
		if len(errs) > 0 || !reflect.DeepEqual(before, after) {
			t.Fatalf("seed %d: %v, other rules\n%s\n%s", seed, errs, text, out)
		}
		notes := func(text string) []string {
			found := noteMark.FindAllString(text, -1)
			slices.Sort(found)
			return found
		}
		if diff := cmp.Diff(notes(text), notes(string(out))); diff != "" {
			t.Fatalf("seed %d: comments\n%s\n%s\n%s", seed, diff, text, out)
		}
		again, err := Format("r.yaml", out, opts)
		if err != nil || string(again) != string(out) {
			t.Fatalf("seed %d: %v\n%s\n%s", seed, err, text, cmp.Diff(string(out), string(again)))
		}
	}
	if done < 300 {
		t.Errorf("only %d texts are YAML", done)
	}
}

// FuzzFormat: whatever a file holds, formatting does not panic, and what it returns means the same
// and stays as it is.
func FuzzFormat(f *testing.F) {
	for _, pattern := range []string{"testdata/format/*.yaml", "testdata/errors/*.yaml"} {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(string(data))
		}
	}
	for seed := range uint64(10) {
		w := &styler{Rand: newRand(seed)}
		f.Add("rules:\n" + w.rule(1))
	}
	opts := formatOptions(f)
	f.Fuzz(func(t *testing.T, text string) {
		out, err := Format("r.yaml", []byte(text), opts)
		if err != nil {
			return
		}
		before, _ := readMeaning("r.yaml", []byte(text), opts)
		after, errs := readMeaning("r.yaml", out, opts)
		if len(errs) > 0 || !reflect.DeepEqual(before, after) {
			t.Fatalf("%v\n%q\n%q", errs, text, out)
		}
		again, err := Format("r.yaml", out, opts)
		if err != nil {
			t.Fatalf("%v\n%q\n%q", err, text, out)
		}
		if string(again) != string(out) {
			t.Fatalf("%q\n%q\n%q", text, out, again)
		}
	})
}
