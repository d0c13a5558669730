package teams_test

import (
	"strings"
	"testing"

	"github.com/winnow-soc/winnow"
	"github.com/winnow-soc/winnow/plugin/teams"
)

const list = `# who pays
search,app,owner,domain,team,cost_centre
Impossible Travel,,,,identity,CC-1200
Web *,,,,web,CC-1310
W?b,,ann,,web,
,,,access,identity,
,search,,,soc,CC-1000
`

func parse(t *testing.T, text string) *teams.Table {
	t.Helper()
	var table teams.Table
	if err := table.Parse("teams.csv", strings.NewReader(text)); err != nil {
		t.Fatal(err)
	}
	return &table
}

func TestTheFirstRowThatMatchesPays(t *testing.T) {
	table := parse(t, list)
	for _, tt := range []struct {
		search, app, owner, domain, want string
	}{
		{"Impossible Travel", "", "", "", "identity"},
		{"IMPOSSIBLE travel", "search", "", "", "identity"},
		{"Web Scan", "search", "", "access", "web"},
		{"Web", "", "ann", "", "web"},
		{"Web", "", "bob", "", ""},
		{"Other", "", "", "Access", "identity"},
		{"Other", "search", "", "threat", "soc"},
		{"Other", "other", "", "", ""},
		{"*", "", "", "", ""},
	} {
		a := &winnow.Alert{SearchName: tt.search, App: tt.app, Owner: tt.owner, Fields: winnow.Fields{"security_domain": {tt.domain}}}
		if got := table.Of(a); got.Name != tt.want {
			t.Errorf("%+v: team %q", tt, got.Name)
		}
	}
	if got := table.CostCentre("web"); got != "CC-1310" {
		t.Errorf("cost centre %q", got)
	}
	var none *teams.Table
	if got := none.Of(&winnow.Alert{SearchName: "Web Scan"}); got != (teams.Team{}) || none.CostCentre("web") != "" {
		t.Errorf("no table names %+v", got)
	}
}

func TestColumnsMayBeLeftOutAndStandInAnyOrder(t *testing.T) {
	table := parse(t, "\ufeffteam,search\nweb,Web *\n")
	if got := table.Of(&winnow.Alert{SearchName: "Web Scan"}); got.Name != "web" {
		t.Errorf("team %+v", got)
	}
}

func TestMistakesAreNamed(t *testing.T) {
	for text, want := range map[string]string{
		"":                                      "teams.csv: empty file: want a first line of search,app,owner,domain,team,cost_centre",
		"# nothing\n":                           "teams.csv: empty file",
		"search,tema\n":                         `teams.csv:1: unknown column "tema"`,
		"team,team\n":                           `teams.csv:1: column "team" is there twice`,
		"search\nWeb\n":                         "teams.csv:1: there is no column team",
		"# a\nsearch,team\nWeb,\n":              "teams.csv:3: no team is named",
		"search,team\nWeb,Unassigned\n":         `teams.csv:2: no team may be called "unassigned"`,
		"search,team\nWeb,web,x\n":              "teams.csv:2: 3 columns, and the first line has 2",
		"search,team\n\"Web,web\n":              "teams.csv:2:",
		"team\n" + strings.Repeat("x", 101):     "teams.csv:2: the team or its cost centre has more than 100 bytes",
		"search,team\nWeb," + "\"a\"b\"" + "\n": "teams.csv:2:",
	} {
		var table teams.Table
		if err := table.Parse("teams.csv", strings.NewReader(text)); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%q: %v, want %s", text, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(list, "Web Scan")
	f.Add("team,search\nx,*a*a*a*a*b\n", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa")
	f.Fuzz(func(t *testing.T, text, search string) {
		var table teams.Table
		if err := table.Parse("teams.csv", strings.NewReader(text)); err != nil && !strings.Contains(err.Error(), "teams.csv") {
			t.Errorf("the error does not name the file: %v", err)
		}
		if got := table.Of(&winnow.Alert{SearchName: search}); strings.EqualFold(got.Name, teams.Unassigned) {
			t.Errorf("team %q", got.Name)
		}
	})
}
