// Package teams knows which team a search belongs to, for the bill. teams.csv lists it, the most specific
// rows first:
//
//	search,app,owner,domain,team,cost_centre
//	Impossible Travel,,,,identity,CC-1200
//	Web *,,,,web,CC-1310
//	,,,access,identity,CC-1200
//	,SplunkEnterpriseSecuritySuite,,,soc,CC-1000
//
// search, app, owner and domain are patterns in which * stands for any text and ? for one character, without
// regard to case; an empty one matches everything. The first row of which all patterns match counts. search, app
// and owner are those of the saved search; domain is the field security_domain, which the search sets.
package teams

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/winnow-soc/winnow"
)

// Unassigned is how bills name alerts and calls of no team. No team may be called that.
const Unassigned = "unassigned"

// Team is who pays.
type Team struct {
	Name       string // "" for nobody
	CostCentre string // "" when none is given
}

// Table says which team a search belongs to. The zero Table knows none. Safe for concurrent use once read.
type Table struct{ rows []row }

type row struct {
	search, app, owner, domain string // patterns in lower case
	team                       Team
}

// Limits of what is read.
const (
	maxRows = 100_000
	maxName = 100 // bytes of a team's or a cost centre's name
)

var columns = []string{"search", "app", "owner", "domain", "team", "cost_centre"}

// Parse adds the rows of a file behind those that are there. name is used in errors, which tell the line. Lines
// that begin with # are comments.
func (t *Table) Parse(name string, r io.Reader) error {
	c := csv.NewReader(r)
	c.Comment, c.ReuseRecord, c.FieldsPerRecord, c.TrimLeadingSpace = '#', true, -1, true
	head, err := c.Read()
	if errors.Is(err, io.EOF) {
		return fmt.Errorf("%s: empty file: want a first line of %s", name, strings.Join(columns, ","))
	}
	if err != nil {
		return csvError(name, err)
	}
	at, err := places(head)
	if err != nil {
		line, _ := c.FieldPos(0)
		return fmt.Errorf("%s:%d: %w", name, line, err)
	}
	for {
		record, err := c.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return csvError(name, err)
		}
		line, _ := c.FieldPos(0)
		if err := t.add(record, at); err != nil {
			return fmt.Errorf("%s:%d: %w", name, line, err)
		}
	}
}

func csvError(name string, err error) error {
	if e, ok := errors.AsType[*csv.ParseError](err); ok {
		return fmt.Errorf("%s:%d:%d: %w", name, e.Line, e.Column, e.Err)
	}
	return fmt.Errorf("read %s: %w", name, err)
}

// places says where each column is, -1 for one that the file does not have.
func places(head []string) (map[string]int, error) {
	at := map[string]int{}
	for i, name := range head {
		name = strings.TrimPrefix(strings.TrimSpace(name), "\ufeff")
		if name == "cost_center" {
			name = "cost_centre"
		}
		if !slices.Contains(columns, name) {
			return nil, fmt.Errorf("unknown column %q: want %s", name, strings.Join(columns, ", "))
		}
		if _, twice := at[name]; twice {
			return nil, fmt.Errorf("column %q is there twice", name)
		}
		at[name] = i
	}
	if _, ok := at["team"]; !ok {
		return nil, errors.New("there is no column team")
	}
	return at, nil
}

func (t *Table) add(record []string, at map[string]int) error {
	cell := func(name string) string {
		if i, ok := at[name]; ok && i < len(record) {
			return strings.TrimSpace(record[i])
		}
		return ""
	}
	team := Team{cell("team"), cell("cost_centre")}
	switch {
	case len(record) > len(at):
		return fmt.Errorf("%d columns, and the first line has %d", len(record), len(at))
	case len(t.rows) == maxRows:
		return fmt.Errorf("more than %d rows", maxRows)
	case team.Name == "":
		return errors.New("no team is named")
	case strings.EqualFold(team.Name, Unassigned):
		return fmt.Errorf("no team may be called %q: bills name what belongs to nobody so", Unassigned)
	case len(team.Name) > maxName || len(team.CostCentre) > maxName:
		return fmt.Errorf("the team or its cost centre has more than %d bytes", maxName)
	}
	t.rows = append(t.rows, row{
		strings.ToLower(cell("search")), strings.ToLower(cell("app")), strings.ToLower(cell("owner")), strings.ToLower(cell("domain")), team,
	})
	return nil
}

// Of returns the team that an alert's search belongs to, the zero Team when no row matches.
func (t *Table) Of(a *winnow.Alert) Team {
	if t == nil || len(t.rows) == 0 {
		return Team{}
	}
	domain, _ := a.Fields.First("security_domain")
	search, app, owner := strings.ToLower(a.SearchName), strings.ToLower(a.App), strings.ToLower(a.Owner)
	domain = strings.ToLower(domain)
	for _, r := range t.rows {
		if glob(r.search, search) && glob(r.app, app) && glob(r.owner, owner) && glob(r.domain, domain) {
			return r.team
		}
	}
	return Team{}
}

// CostCentre returns the cost centre that the first row of a team names, "" when none does.
func (t *Table) CostCentre(team string) string {
	if t == nil {
		return ""
	}
	for _, r := range t.rows {
		if r.team.Name == team && r.team.CostCentre != "" {
			return r.team.CostCentre
		}
	}
	return ""
}

// glob matches text against a pattern with * and ?, in time that grows with their product at most.
func glob(pattern, text string) bool {
	if pattern == "" || pattern == "*" {
		return true
	}
	p, s := []rune(pattern), []rune(text)
	i, j, star, mark := 0, 0, -1, 0
	for j < len(s) {
		switch {
		case i < len(p) && p[i] == '*':
			star, mark = i, j
			i++
		case i < len(p) && (p[i] == '?' || p[i] == s[j]):
			i, j = i+1, j+1
		case star >= 0:
			mark++
			i, j = star+1, mark
		default:
			return false
		}
	}
	return strings.Trim(string(p[i:]), "*") == ""
}
