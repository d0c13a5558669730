package importer

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/rules"
)

// The reference says what a Sigma block means, a second time and on its own: it walks what a YAML
// reader makes of it, and shares nothing with the importer.
type refEvent map[string]string

func (e refEvent) block(v any) bool {
	switch v := v.(type) {
	case map[string]any:
		for key, value := range v {
			if !e.item(key, value) {
				return false
			}
		}
		return true
	case []any:
		return slices.ContainsFunc(v, e.block)
	}
	return false
}

func (e refEvent) item(key string, value any) bool {
	words := strings.Split(key, "|")
	list, isList := value.([]any)
	if !isList {
		list = []any{value}
	}
	all := slices.Contains(words[1:], "all")
	for _, v := range list {
		if e.one(words[0], words[1:], v) != all {
			return !all
		}
	}
	return all
}

func (e refEvent) one(field string, modifiers []string, v any) bool {
	has, there := e[field]
	if v == nil {
		return !there
	}
	want := fmt.Sprint(v)
	low, lowWant := strings.ToLower(has), strings.ToLower(want)
	if slices.Contains(modifiers, "cased") {
		low, lowWant = has, want
	}
	for _, m := range modifiers {
		switch m {
		case "contains":
			lowWant = "\x01" + lowWant + "\x01"
		case "startswith":
			lowWant += "\x01"
		case "endswith":
			lowWant = "\x01" + lowWant
		case "re":
			flags := ""
			if slices.Contains(modifiers, "i") {
				flags = "(?i)"
			}
			return there && regexp.MustCompile(flags+want).MatchString(has)
		case "cidr":
			ip, err := netip.ParseAddr(has)
			return err == nil && netip.MustParsePrefix(want).Contains(ip)
		case "exists":
			return there == (want == "true")
		case "gt", "gte", "lt", "lte":
			a, err := strconv.ParseFloat(has, 64)
			b, _ := strconv.ParseFloat(want, 64)
			return err == nil && (m == "gt" && a > b || m == "gte" && a >= b || m == "lt" && a < b || m == "lte" && a <= b)
		}
	}
	if slices.Contains(modifiers, "windash") {
		for _, dash := range []string{"/", "–", "—", "―"} {
			low = strings.ReplaceAll(low, dash, "-")
		}
		lowWant = strings.ReplaceAll(lowWant, "/", "-")
	}
	return there && refWild(lowWant, low)
}

// refWild compares with wildcards, the slow way.
func refWild(pattern, text string) bool {
	if pattern == "" {
		return text == ""
	}
	switch pattern[0] {
	case '*', 1: // 1: put there by a modifier, which no backslash takes away
		return refWild(pattern[1:], text) || text != "" && refWild(pattern, text[1:])
	case '?':
		return text != "" && refWild(pattern[1:], text[1:])
	case '\\':
		if len(pattern) > 1 && strings.ContainsRune(`*?\`, rune(pattern[1])) {
			pattern = pattern[1:]
		}
	}
	return text != "" && text[0] == pattern[0] && refWild(pattern[1:], text[1:])
}

// refValues collects the constants of a block by field.
func refValues(v any, field string, out map[string][]string) {
	switch v := v.(type) {
	case map[string]any:
		for key, kid := range v {
			name, _, _ := strings.Cut(key, "|")
			refValues(kid, name, out)
		}
	case []any:
		for _, kid := range v {
			refValues(kid, field, out)
		}
	default:
		text := ""
		if v != nil {
			text = strings.NewReplacer(`\\`, `\`, "*", "", "?", "q").Replace(fmt.Sprint(v))
		}
		if field != "" {
			out[field] = append(out[field], text)
		}
	}
}

// events are values near the constants: put together, cut, in other letters, foreign or missing.
func refEvents(r *rand.Rand, constants map[string][]string, example winnow.Fields) refEvent {
	e := refEvent{}
	for field, values := range constants {
		v := values[r.IntN(len(values))]
		switch r.IntN(9) {
		case 0:
			v += values[r.IntN(len(values))]
		case 1:
			v = values[r.IntN(len(values))] + v + values[r.IntN(len(values))]
		case 2:
			v = strings.ToUpper(v)
		case 3:
			v = v[:r.IntN(len(v)+1)]
		case 4:
			v = "192.168.1.7"
		case 5:
			v = "C:" + v + " x"
		case 6, 7:
			if len(example[field]) > 0 {
				v = example[field][0]
			}
		}
		if v != "" && r.IntN(12) > 0 {
			e[field] = strings.ToValidUTF8(v, "")
		}
	}
	return e
}

// No imported rule covers an event that the blocks it came from do not.
func TestSigmaNeverBroader(t *testing.T) {
	file := filepath.Join("..", "..", "..", "shared", "data", "sigma_rules.tgz")
	if _, err := os.Stat(file); err != nil {
		t.Skip("no Sigma rules beside the project")
	}
	o := options()
	o.Nulls = true
	im := New(o)
	detections := map[string]map[string]any{}
	err := Files(file, []string{".yml"}, func(name string, data []byte) {
		im.Sigma(name, data)
		var doc struct{ Detection map[string]any }
		if yaml.Unmarshal(data, &doc) == nil {
			detections[name] = doc.Detection
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	set, err := rules.Parse(rules.Options{Now: now}, "imported.yaml", im.File())
	if err != nil {
		t.Fatal(err)
	}
	rnd := rand.New(rand.NewPCG(5, 6))
	asked, matched, missed := 0, 0, 0
	for i, r := range set.Rules() {
		blocks, constants := []any{}, map[string][]string{}
		for name := range strings.SplitSeq(im.Rules[i].What, " and ") {
			blocks = append(blocks, detections[im.Rules[i].File][name])
			refValues(blocks[len(blocks)-1], "", constants)
		}
		for range 60 {
			e := refEvents(rnd, constants, r.Tests[0].Alert.Fields)
			a := *r.Tests[0].Alert
			a.Fields = winnow.Fields{}
			for field, v := range e {
				a.Fields.Add(field, v)
			}
			got, err := r.Match(&a)
			want := !slices.ContainsFunc(blocks, func(b any) bool { return !e.block(b) })
			asked++
			switch {
			case err != nil || got && !want:
				t.Fatalf("%s covers what its block does not: %q, %v\n%s", r.ID, e, err, im.Rules[i].Text)
			case got:
				matched++
			case want:
				missed++
			}
		}
	}
	t.Logf("%d rules, %d events: %d covered by both, %d by the block only", len(set.Rules()), asked, matched, missed)
	if matched < asked/20 || missed > asked/100 {
		t.Errorf("%d of %d events covered, %d by the block only", matched, asked, missed)
	}
}
